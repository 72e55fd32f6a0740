"""ComfyUI on the CPU and the pack, both imported as ComfyUI would; results go to a file."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from devtools.comfy.checks_inside import write_outcome

ROOT = Path(__file__).resolve().parents[3]

sys.path.insert(0, os.environ.get("VRAMWISE_COMFY_DIR", str(ROOT / ".comfy" / "ComfyUI")))

from comfy.cli_args import args  # noqa: E402

args.cpu = True  # before anything that imports comfy.model_management

import torch  # noqa: E402

torch.set_num_threads(1)

spec = importlib.util.spec_from_file_location(
    "vramwise_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
)
assert spec is not None and spec.loader is not None
sys.modules["vramwise_pack"] = pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)

sys.path.insert(1, str(Path(__file__).parent))
from toys import machine, nothing_left, toy_facts  # noqa: E402, F401  fixtures of every file here

pytest_runtest_logreport = write_outcome
