"""A script that has ComfyUI and this pack in a process of its own. Not a test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Gives the script ``own(NAME)``, a module of the pack, ``out``, an empty folder, and ComfyUI's own modules.
LOADED = """
import importlib, importlib.util, json, sys, types
from pathlib import Path
root, comfy, out = sys.argv[1:]
sys.path.insert(0, comfy)
from comfy.cli_args import args
args.cpu = True
import folder_paths, torch, nodes
folder_paths.set_output_directory(out)
folder_paths.set_temp_directory(out)
spec = importlib.util.spec_from_file_location("vramwise_pack", root + "/__init__.py",
                                              submodule_search_locations=[root])
sys.modules["vramwise_pack"] = pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
own = lambda name: importlib.import_module("vramwise_pack." + name)
told = {}
"""
TELL = """
print("told", json.dumps(told))
"""


def told_by(script: str, folder: Path, require: Callable[[bool, str], None]) -> dict[str, Any]:
    """What ``script`` puts into its dict ``told``."""
    from devtools.comfy.server import default_comfy_dir

    comfy = default_comfy_dir()
    require((comfy / "main.py").is_file(), f"There is no ComfyUI in {comfy}: run `python dev.py demo` once.")
    done = subprocess.run(
        [sys.executable, "-c", LOADED + script + TELL, str(ROOT), str(comfy), str(folder)],
        capture_output=True, text=True, timeout=300, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.split("told ", 1)[1])
    return told
