"""Writing constraints/ anew, and what the newest of everything has that they have not."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from devtools.constraints import (
    CONSTRAINTS,
    FRONTEND_LOCK,
    PYTHONS,
    as_lines,
    lock_file,
    locked_versions,
    pins,
)
from devtools.environment import (
    COMFY_CLI,
    COMFY_NEEDS,
    FRONTEND_WHEEL,
    IF_THERE_IS_A_WHEEL,
    TORCH,
    Place,
    set_up_lock,
    venv_version,
)
from devtools.paths import COMFY, INSIDE, ROOT
from devtools.pip import installed, pip, plain
from devtools.processes import Stop, say

# torch names the CUDA packages it needs, and another build of the same torch names others: a pin of them
# would keep that build out.
TORCH_NAMES_THEM = re.compile(r"(nvidia-(?!ml-py$)|cuda-|triton$)")
LOCK_HEAD = """\
# What `python dev.py` installs on Python {version}; written by `python dev.py lock` on {system}.
# A pin of what another system does not install does nothing there; what only that system needs has no pin.
# The CUDA packages are left out: torch names them itself, and another build of the same torch names others.
"""
FRONTEND_HEAD = """\
# The newer frontend that tests/web opens beside ComfyUI's own; written by `python dev.py lock`.
"""


def interpreter(version: str) -> str | None:
    """A Python of that version that starts: this one, or one on PATH."""
    for candidate in (sys.executable, shutil.which(f"python{version}")):
        if candidate is None:
            continue
        command = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        asked = subprocess.run(command, capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.strip() == version:
            return candidate
    return None


def resolved(python: Path, *arguments: str, what: str) -> dict[str, str]:
    """The versions that pip would install, if nothing were there."""
    with tempfile.TemporaryDirectory(prefix="lock-", dir=COMFY) as folder:
        report = Path(folder) / "report.json"
        dry = ("install", "--dry-run", "--ignore-installed", "--report", str(report))
        pip(*dry, *arguments, what=what, python=python)
        planned = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {plain(package["metadata"]["name"]): package["metadata"]["version"] for package in planned}


def resolve_everything(python: Path) -> dict[str, str]:
    """Name and version of all that `prepare` installs, comfy-cli's packages among them."""
    found = resolved(python, *COMFY_NEEDS, *TORCH, f"{ROOT}[dev]", what="everything (a dry run)")
    with tempfile.TemporaryDirectory(prefix="lock-", dir=COMFY) as folder:
        so_far = Path(folder) / "constraints.txt"
        found.pop("vramwise")
        so_far.write_text(as_lines(found), encoding="utf-8")
        for requirement in IF_THERE_IS_A_WHEEL:
            try:
                arguments = ("-c", str(so_far), "--only-binary", ":all:", requirement)
                found |= resolved(python, *arguments, what=requirement)
            except Stop:
                say(f"    there is no wheel of {requirement} for this Python: it is not locked")
        found |= resolved(python, "-c", str(so_far), COMFY_CLI, what=COMFY_CLI)
    return {name: found[name] for name in found if not TORCH_NAMES_THEM.match(name)}


def write_lock(file: Path, head: str, versions: dict[str, str]) -> None:
    """Replace a file of constraints at once, and say what changes."""
    before = pins(file)
    for name in sorted(before.keys() | versions.keys()):
        old, new = before.get(name), versions.get(name)
        if old != new:
            say(f"  {name} {old or '(new)'} -> {new or '(gone)'}")
    if before == versions:
        say("  nothing has changed")
    CONSTRAINTS.mkdir(exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(head + as_lines(versions), encoding="utf-8", newline="\n")
    os.replace(fresh, file)


def write_locks() -> None:
    """Write constraints/ anew: the newest versions that fit together, for each Python that is on PATH."""
    with set_up_lock(), tempfile.TemporaryDirectory(prefix="lock-", dir=COMFY) as folder:
        python = None
        for version in PYTHONS:
            file, found = lock_file(version), interpreter(version)
            if found is None:
                say(f"Python {version} is not on PATH: {file.relative_to(ROOT)} stays as it is.")
                continue
            say(f"Resolving for Python {version} (about 1 GB to download)")
            python = Path(folder) / version / INSIDE
            if subprocess.run([found, "-m", "venv", str(Path(folder) / version)]).returncode != 0:
                raise Stop(f"{found} could not make a virtual environment to ask pip in.")
            versions = resolve_everything(python)
            say(str(file.relative_to(ROOT)))
            system = f"{platform.system()} {platform.machine()}"
            write_lock(file, LOCK_HEAD.format(version=version, system=system), versions)
        if python is None:
            raise Stop(f"None of Python {', '.join(PYTHONS)} is on PATH, so nothing was locked.")
        newer = resolved(python, "--no-deps", FRONTEND_WHEEL, what=FRONTEND_WHEEL)
        say(str(FRONTEND_LOCK.relative_to(ROOT)))
        write_lock(FRONTEND_LOCK, FRONTEND_HEAD, newer)


def tell_differences(place: Place) -> None:
    """What a run with the newest of everything had that the lock has not."""
    version = venv_version(place)
    locked = locked_versions(version)
    if not locked:
        say(f"\nNo versions are locked for Python {version}, so there is nothing to compare with.")
        return
    here, beside = installed(place.python), {}
    if place.cli.exists():
        theirs = installed(place.cli / INSIDE)
        theirs.pop("setuptools", None)  # the one that Python 3.11 puts there
        beside = {f"{name} (comfy-cli's)": theirs[name] for name in theirs}
    pairs = [(name, locked.get(name.split()[0]), number) for name, number in {**here, **beside}.items()]
    newer = (place.frontend / "version.txt").read_text(encoding="utf-8")
    pairs.append((f"{FRONTEND_WHEEL} (the newer)", pins(FRONTEND_LOCK).get(FRONTEND_WHEEL), newer))
    unlike = [
        f"  {name} {old or '(not locked)'} -> {new}"
        for name, old, new in sorted(pairs)
        if old != new and not TORCH_NAMES_THEM.match(name) and name.split()[0] not in ("pip", "vramwise")
    ]
    say(f"\nLocked and installed versions differ in {len(unlike)} packages" + (":" if unlike else "."))
    say("\n".join(unlike))
