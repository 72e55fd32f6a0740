"""The lowest version of all that pyproject.toml declares, in an environment of its own, and tests on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from devtools.constraints import CONSTRAINTS, PYTHONS, as_lines, locked_versions, pins
from devtools.environment import TORCH
from devtools.lock import interpreter
from devtools.paths import COMFY, INSIDE, ROOT
from devtools.pip import pip
from devtools.processes import Stop, run, say

FLOORS = CONSTRAINTS / "floors.txt"
PLACE = COMFY / "venv-floors"
EXTRAS = "json,models,nvidia,pdf,remote,rtl,tesseract,xlsx"
# What tests need beside the pack, as it is locked. import-linter wants a newer rich: its tests stay out.
TOOLS = (
    *("aiohttp", "comfyui-workflow-templates-core", "comfyui-workflow-templates-json", "gguf", "hypothesis"),
    *(
        "packaging",
        "pathspec",
        "pytest",
        "pytest-timeout",
        "pytest-xdist",
        "setuptools",
        "tomli",
    ),
)
LEFT_OUT = ("test_layers", "test_locales", "test_new_rows", "test_packaging")
ALSO = ("tests/engines", "tests/models/test_tiny.py", "tests/remote/test_faults.py")


def make_environment() -> Path:
    """Its Python: the oldest that is on PATH, with the floors in it."""
    version = next((one for one in PYTHONS if interpreter(one) is not None), "")
    if not version:
        raise Stop(f"None of Python {', '.join(PYTHONS)} is on PATH.")
    place = PLACE / version
    python = place / INSIDE
    if not python.exists():
        say(f"Making an environment of the lowest versions in {place.relative_to(ROOT)} (6 GB on Linux)")
        if subprocess.run([interpreter(version), "-m", "venv", "--clear", str(place)]).returncode != 0:
            raise Stop(f"Python {version} could not make a virtual environment in {place}.")
    locked = locked_versions(version)
    tools = place / "tools.txt"
    lowest = pins(FLOORS)
    chosen = {name: locked[name] for name in (*TOOLS, *TORCH) if name in locked and name not in lowest}
    tools.write_text(as_lines(chosen), encoding="utf-8")
    wanted = ["-e", f"{ROOT}[{EXTRAS}]", *(set(lowest) & {"numpy", "Pillow"}), *TOOLS, *TORCH]
    pip("install", "-c", str(FLOORS), "-c", str(tools), *wanted, what="the lowest versions", python=python)
    return python


def run_floors(rest: list[str]) -> int:
    """The tests named in `rest`, else those that a dependency can break."""
    python = make_environment()
    left_out = [f"--ignore=tests/unit/{name}.py" for name in LEFT_OUT]
    chosen = rest or ["tests/unit", *left_out, *ALSO]
    return run([python, "-m", "pytest", *chosen], env={**os.environ, "OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    sys.exit(run_floors(sys.argv[1:]))
