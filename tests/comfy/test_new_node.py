"""`dev.py new-node NAME` in a copy of the repository: nine files, and all that looks at nodes passes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

from devtools.comfy.server import default_comfy_dir
from devtools.new_node import names_of, registered
from devtools.processes import Stop

ROOT = Path(__file__).resolve().parents[2]
MADE_HERE = (
    ".git",
    ".venv",
    ".comfy",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    "build",
    "dist",
    "*.egg-info",
)
MOST_FILES = 9


def contents(folder: Path) -> dict[Path, bytes]:
    """What stands in each file of the repository's own in ``folder``."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    own = (
        file for file in files if not any(fnmatch(part, made) for made in MADE_HERE for part in file.parts)
    )
    return {file: (folder / file).read_bytes() for file in own}


def run_in(folder: Path, *command: str) -> None:
    """Run one of .venv's programs in ``folder``; its last words where it fails."""
    env = {**os.environ, "VRAMWISE_COMFY_DIR": str(default_comfy_dir())}
    done = subprocess.run(
        [sys.executable, "-B", *command], cwd=folder, env=env, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository without what is built in it. Its caches of types are kept, which saves half a minute."""
    folder = tmp_path_factory.mktemp("new_node") / "vramwise_copy"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*MADE_HERE))
    (folder / ".comfy").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)  # the packaging tests ask it what is ours
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    return folder


@pytest.fixture(scope="module")
def comfyui(require: Callable[[object, str], None]) -> None:
    folder = default_comfy_dir()
    require((folder / "main.py").is_file(), f"There is no ComfyUI in {folder}: run `python dev.py demo`.")


@pytest.fixture(scope="module")
def scaffolded(copy: Path) -> Path:
    """The copy with one more node; that it is nine files is what the fixture itself asserts."""
    before = contents(copy)
    run_in(copy, "dev.py", "new-node", "turn_the_page")
    after = contents(copy)
    assert not before.keys() - after.keys()
    touched = {path for path in after if before.get(path) != after[path]}
    assert Path("nodes/turn_the_page.py") in touched
    assert len(touched) <= MOST_FILES, sorted(map(str, touched))
    return copy


@pytest.mark.slow
def test_a_scaffolded_node_is_nine_files_that_lint_and_mypy_take(scaffolded: Path) -> None:
    run_in(scaffolded, "-m", "ruff", "check", ".")
    run_in(scaffolded, "-m", "ruff", "format", "--check", ".")
    run_in(scaffolded, "-m", "devtools.check_types")


@pytest.mark.slow
def test_a_scaffolded_node_has_its_words_in_every_language(scaffolded: Path, comfyui: None) -> None:
    run_in(scaffolded, "-m", "pytest", "-q", "tests/unit/test_locales.py", "tests/unit/test_packaging.py")


@pytest.mark.slow
def test_a_scaffolded_node_runs_in_comfyui_as_its_own_test_says(scaffolded: Path, comfyui: None) -> None:
    frozen = "tests/comfy/test_server.py::test_object_info_has_exactly_the_frozen_nodes"
    run_in(scaffolded, "-m", "pytest", "-q", "tests/comfy/test_turn_the_page.py", frozen)


def test_a_second_node_of_the_same_name_is_refused(scaffolded: Path) -> None:
    before = contents(scaffolded)
    with pytest.raises(AssertionError, match=r"turn_the_page\.py is there already"):
        run_in(scaffolded, "dev.py", "new-node", "Turn the page")
    assert contents(scaffolded) == before


@pytest.mark.parametrize("given", ["turn_the_page", "turn-the-page", "Turn The Page", "TurnThePage"])
def test_every_spelling_of_a_name_gives_the_same_node(given: str) -> None:
    assert names_of(given) == {
        "module": "turn_the_page",
        "title": "Turn The Page",
        "cls": "TurnThePage",
        "node_id": "VramwiseTurnThePage",
    }


@pytest.mark.parametrize("given", ["", "class", "2 pages", "a/b", "../x", "\u0441\u0442\u0440"])
def test_what_cannot_be_a_module_is_refused_in_a_sentence(given: str) -> None:
    with pytest.raises(Stop, match="Give a few English words"):
        names_of(given)


@pytest.mark.parametrize("module", ["aaa", "memory_queen", "zzz"])
def test_the_import_of_a_new_node_is_sorted_in_among_the_others(module: str) -> None:
    source = (ROOT / "nodes" / "__init__.py").read_text(encoding="utf-8")
    fresh = registered(source, module, "New")
    imported = [
        line.split()[1] for line in fresh.splitlines() if line.startswith("from .") and "." not in line[6:]
    ]
    assert imported == sorted(imported) and f".{module}" in imported
    assert set(fresh.splitlines()) - set(source.splitlines()) == {f"from .{module} import New", "    New,"}
