"""Environments beside .venv: they differ from it in a few packages, and their path goes on into its own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from devtools.constraints import as_lines
from devtools.environment import TORCH, Step, digest, set_up_lock, venv_version
from devtools.paths import COMFY, INSIDE, PYTHON, ROOT, VENV
from devtools.pip import installed, pip, plain
from devtools.processes import Stop

# Of a ComfyUI's requirements: what holds a gigabyte of pictures that no test looks at, and what would bring
# another torch with it.
NOT_OF_ITS_OWN = ("comfyui-workflow-templates",)
WITHOUT_NEEDS = ("torch", "torchvision", "torchaudio", "kornia", "spandrel")


def comfy_environment(comfy: Path | None) -> Path:
    """The Python that runs the ComfyUI in ``comfy``: .venv's where that meets its requirements.txt, else
    one of its own in .comfy, with what .venv lacks and the rest from there. None is .comfy's own ComfyUI.
    """
    asks = None if comfy is None else comfy / "requirements.txt"
    if comfy is None or asks is None or not asks.is_file():
        return PYTHON
    lacking = _unmet(PYTHON, asks)
    if not lacking:
        return PYTHON
    text = asks.read_text(encoding="utf-8")
    folder = COMFY / f"venv-comfyui-{digest([text, str(comfy)])[:10]}"
    inputs = [text, lacking, venv_version(), str(folder)]

    def make(python: Path) -> None:
        plainly = [line for line in lacking if _name(line) not in WITHOUT_NEEDS]
        if plainly:
            kept = folder / "torch.txt"
            here = installed(PYTHON)
            kept.write_text(as_lines({name: here[name] for name in TORCH if name in here}), encoding="utf-8")
            pip("install", "-c", str(kept), *plainly, what="what this ComfyUI needs", python=python)
        for line in lacking:
            if line not in plainly:
                pip("install", "--no-deps", line, what=line, python=python)

    return _beside(folder, f"Making an environment for the ComfyUI in {comfy}", inputs, make)


def _unmet(python: Path, requirements: Path) -> list[str]:
    """The lines of ``requirements`` that ``python``'s environment does not meet."""
    command = [python, ROOT / "devtools" / "comfy" / "requirements.py", requirements]
    asked = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in asked.stdout.splitlines() if line and _name(line) not in NOT_OF_ITS_OWN]


def _name(line: str) -> str:
    """The package that a line of requirements is about."""
    return plain(re.split(r"[^\w.-]", line)[0])


def second_environment(transformers: str) -> Path:
    """The Python of an environment that differs from .venv in the version of transformers alone."""
    wanted = f"transformers=={transformers}"
    return _beside(
        COMFY / f"venv-transformers-{transformers}",
        f"Making a second environment with transformers {transformers}",
        [transformers, venv_version(), str(COMFY / f"venv-transformers-{transformers}")],
        lambda python: pip("install", wanted, what=wanted, python=python),
    )


def _beside(folder: Path, title: str, inputs: list, fill: Callable[[Path], None]) -> Path:
    """The Python of a venv in ``folder`` that goes on into .venv's packages, so that torch is not installed
    twice. ``fill(python)`` installs what is to be another version.
    """
    python = folder / INSIDE
    packages = PYTHON.parent.parent / "Lib" / "site-packages"
    if os.name != "nt":
        packages = next((VENV / "lib").glob("python3.*")) / "site-packages"

    def make() -> None:
        if subprocess.run([PYTHON, "-m", "venv", "--clear", str(folder)]).returncode != 0:
            raise Stop(f"A second virtual environment could not be made in {folder}.")
        inner = folder / packages.relative_to(VENV)
        # through a line of code, so that .venv's own .pth files (the editable install) count as well
        (inner / "first.pth").write_text(
            f"import site; site.addsitedir({str(packages)!r})\n", encoding="utf-8"
        )
        fill(python)

    step = Step(title, folder / "stamp", inputs, make, python)
    if not step.done():
        with set_up_lock():
            step.do()
    return python
