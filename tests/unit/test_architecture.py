"""docs/architecture.md is the plan of the house as it stands: its rooms, its floors, the files it names."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PLAN = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = ("core", "nodes", "devtools", "tests")
MOST_FILES = 24  # a family is two files, and the rooms of cards and families grow with what exists


def rooms() -> set[str]:
    return {folder.name for folder in (ROOT / "core").iterdir() if (folder / "__init__.py").is_file()}


def test_every_room_of_core_has_a_row_and_every_row_a_room() -> None:
    rows = re.findall(r"^\| `core/(\w+)` \|", PLAN, re.MULTILINE)
    assert sorted(rows) == sorted(rooms())


def test_the_floors_are_those_that_the_layer_check_enforces() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}
    enforced = [set(re.findall(r"\w+", floor)) for floor in contracts["floors"]["layers"]]
    written = re.findall(r"^\| \d+ \| (.*?) \|$", PLAN, re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", floor.split(" (")[0])) for floor in written] == enforced


def test_the_files_that_the_plan_names_exist() -> None:
    here = [path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    named = set(re.findall(r"`([\w/]+\.py)`", PLAN)) - {"dev.py"}
    assert len(named) > 40
    missing = {name for name in named if not any(path == name or path.endswith(f"/{name}") for path in here)}
    assert not missing


def test_no_room_is_a_heap() -> None:
    for folder in [ROOT / "core", *(ROOT / "core").rglob("*")]:
        if folder.is_dir() and folder.name != "__pycache__":
            files = [file.name for file in folder.iterdir() if file.is_file()]
            assert len(files) <= MOST_FILES, f"{folder.relative_to(ROOT)} holds {len(files)} files"
