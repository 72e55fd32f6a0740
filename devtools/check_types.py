"""mypy --strict over the pack as ComfyUI imports it: one package of __init__.py, core/ and nodes/.

The pack's folder has any name, and nodes/ imports ``...core`` relatively; so its sources are copied to
.mypy_cache/pack/vramwise_pack and checked there. What nodes/ uses of ComfyUI is described in devtools/stubs,
so that lint needs no ComfyUI. Run with .venv's Python: python -m devtools.check_types
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from devtools.paths import ROOT

PACK = "vramwise_pack"
CHECKED = ROOT / ".mypy_cache" / "pack"
STUBS = ROOT / "devtools" / "stubs"


def copy_sources(folder: Path) -> None:
    """The pack's Python files as ``folder``; dates stay, by which mypy knows what is unchanged."""
    shutil.rmtree(folder, ignore_errors=True)
    for source in (ROOT / "__init__.py", *(ROOT / "core").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")):
        target = folder / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def main() -> int:
    copy_sources(CHECKED / PACK)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*command, "--cache-dir", str(ROOT / ".mypy_cache"), "-p", PACK],
        cwd=CHECKED,
        env={**os.environ, "MYPYPATH": os.pathsep.join([str(CHECKED), str(STUBS)])},
        capture_output=True,
        text=True,
    )
    for line in (done.stdout + done.stderr).splitlines():
        print(line.removeprefix(f"{PACK}{os.sep}"))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
