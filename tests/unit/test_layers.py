"""The floors of core/ in pyproject.toml: every import keeps to them, and one that does not is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RISES = {
    "hardware/health.py": "from ..planning.fit import fit",
    "catalog/gpus.py": "from ..hardware.report import MachineReport",
    "families/blocks.py": "from ..hardware import budget",
    "planning/fit.py": "from ..ocr.images import MAX_SIDE",
    "weights/checkpoints.py": "from ..planning.plan import Plan",
    "ocr/images.py": "from ..models.handle import OCRHandle",
    "models/request.py": "from ..advisor.advise import advise",
    "advisor/advise.py": "from ..cli import main",
    "settings.py": "from .catalog.gpus import gpus",
    "errors.py": "from . import units",
}
STAGES = {
    "ocr/results/line.py": "from ..engines.protocol import ReadOptions",
    "ocr/engines/cpu.py": "from ..vlm.page_result import Answer",
    "ocr/vlm/engine.py": "from ..remote.client import Client",
}
HOST = {"hardware/report.py": "import comfy.model_management", "jobs/job.py": "import nodes"}


@pytest.fixture
def checked(tmp_path: Path, require: Callable[[object, str], None]) -> Callable[..., str]:
    """``checked(changes, code)``: what the check prints of a copy of core/ in which functions at the ends of
    files import something, and that its exit code is ``code``."""
    require(
        find_spec("importlinter"), "The package import-linter is missing: python dev.py test installs it."
    )

    def check(changes: dict[str, str], code: int) -> str:
        shutil.copytree(ROOT / "core", tmp_path / "core", ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / "devtools").mkdir()
        shutil.copy(ROOT / "devtools" / "layers.py", tmp_path / "devtools")
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        for name, statement in changes.items():
            path = tmp_path / "core" / name
            path.parent.mkdir(exist_ok=True)
            before = path.read_text(encoding="utf-8") if path.exists() else ""
            path.write_text(f"{before}\n\ndef planted() -> None:\n    {statement}\n", encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, "-m", "devtools.layers"],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout

    return check


def importer(name: str) -> str:
    return "core." + name.removesuffix(".py").replace("/", ".")


def test_every_import_points_down(checked: Callable[..., str]) -> None:
    assert " 0 broken" in checked({}, 0)


def test_an_import_that_rises_is_found_inside_a_function_too(checked: Callable[..., str]) -> None:
    said = checked(RISES | STAGES, 1)
    assert "Rooms import what stands below them BROKEN" in said
    assert "was read BROKEN" in said
    assert [name for name in RISES | STAGES if f"{importer(name)} ->" not in said] == []


def test_comfyui_and_the_nodes_are_out_of_reach(checked: Callable[..., str]) -> None:
    said = checked({**HOST, "weights/locks.py": "from ...nodes.bridge import folders"}, 1)
    assert "core knows no ComfyUI and no node BROKEN" in said
    assert [name for name in HOST if f"{importer(name)} ->" not in said] == []
    assert "core/weights/locks.py, line" in said and "the import leaves core/" in said


def test_a_circle_inside_a_room_is_found(checked: Callable[..., str]) -> None:
    said = checked({"ocr/results/result.py": "from .from_json import regions_from_json"}, 1)
    assert "No circles, in no room BROKEN" in said
    assert ".result -> .from_json" in said


def test_a_new_room_has_to_say_on_which_floor_it_stands(checked: Callable[..., str]) -> None:
    assert "newroom" in checked({"newroom/__init__.py": "import json"}, 1)
