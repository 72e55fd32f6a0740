"""What importing the pack costs: in a bare interpreter, and in ComfyUI beside a pack of one empty node."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BARE = """
import importlib.util, sys, time
started = time.perf_counter()
spec = importlib.util.spec_from_file_location(
    "vramwise_pack", ROOT + "/__init__.py", submodule_search_locations=[ROOT]
)
module = importlib.util.module_from_spec(spec)
sys.modules["vramwise_pack"] = module
spec.loader.exec_module(module)
print((time.perf_counter() - started) * 1000)
"""
CORE = "import time; s = time.perf_counter(); import vramwise; print((time.perf_counter() - s) * 1000)"
# ComfyUI's own loader, timed as ComfyUI times it, after one of its own nodes has brought in what every pack
# needs.
IN_COMFYUI = """
import asyncio, os, sys, time
checkout, base, pack = sys.argv[1:]
sys.argv = ["main.py", "--cpu", "--base-directory", base]
sys.path[0] = checkout
os.chdir(checkout)
import comfy.options
comfy.options.enable_args_parsing()
import utils.extra_config
import nodes, server

async def load():
    server.PromptServer(asyncio.get_running_loop())
    extra = os.path.join(checkout, "comfy_extras", "nodes_mask.py")
    assert await nodes.load_custom_node(extra, module_parent="comfy_extras")
    started = time.perf_counter()
    assert await nodes.load_custom_node(pack, module_parent="custom_nodes")
    print((time.perf_counter() - started) * 1000)

asyncio.run(load())
"""
EMPTY_PACK = """
from comfy_api.latest import ComfyExtension, io

class Nothing(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="Nothing", inputs=[], outputs=[])

    @classmethod
    def execute(cls):
        return io.NodeOutput()

class Extension(ComfyExtension):
    async def get_node_list(self):
        return [Nothing]

async def comfy_entrypoint():
    return Extension()
"""
BARE_ROUNDS, COMFYUI_ROUNDS = 15, 5


def run() -> dict[str, Any]:
    front = [_milliseconds(BARE.replace("ROOT", repr(str(ROOT)))) for _ in range(BARE_ROUNDS)]
    core = [_milliseconds(CORE) for _ in range(BARE_ROUNDS)]
    ours, empty = _in_comfyui()
    figures = {
        "front_door_ms_median": round(statistics.median(front), 2),
        "core_ms_median": round(statistics.median(core), 2),
        "in_comfyui_ms": [round(milliseconds, 1) for milliseconds in ours],
        "in_comfyui_ms_median": round(statistics.median(ours), 1),
        "empty_pack_ms_median": round(statistics.median(empty), 1),
        "comfyui_would_report": f"{statistics.median(ours) / 1000:.1f} seconds",
    }
    print(f"the pack's __init__ in a bare interpreter: {figures['front_door_ms_median']} ms (median of 15)")
    print(f"import vramwise:                           {figures['core_ms_median']} ms (median of 15)")
    print(
        f"the pack and its {_node_count()} nodes in ComfyUI:      {figures['in_comfyui_ms_median']} ms "
        f"(median of {COMFYUI_ROUNDS}, {min(ours):.1f} to {max(ours):.1f}); "
        f"ComfyUI prints {figures['comfyui_would_report']}"
    )
    print(f"a pack of one empty node there:            {figures['empty_pack_ms_median']} ms")
    return figures


def _in_comfyui() -> tuple[list[float], list[float]]:
    """Milliseconds of this pack and of the empty one, each in a fresh process, in turn."""
    from devtools.comfy.server import default_comfy_dir, link_folder, unlink_folder

    with tempfile.TemporaryDirectory(dir=ROOT / ".comfy") as folder:
        packs = Path(folder) / "custom_nodes"
        (packs / "empty").mkdir(parents=True)
        (packs / "empty" / "__init__.py").write_text(EMPTY_PACK, encoding="utf-8")
        link_folder(packs / "vramwise", ROOT)
        try:
            taken: dict[str, list[float]] = {"vramwise": [], "empty": []}
            for number in range(COMFYUI_ROUNDS + 1):
                for name, figures in taken.items():
                    spent = _milliseconds(IN_COMFYUI, str(default_comfy_dir()), folder, str(packs / name))
                    if number:  # the first round compiles
                        figures.append(spent)
        finally:
            unlink_folder(packs / "vramwise")
    return taken["vramwise"], taken["empty"]


def _node_count() -> int:
    return sum(1 for path in (ROOT / "nodes").glob("*.py") if path.name != "__init__.py")


def _milliseconds(program: str, *arguments: str) -> float:
    """What ``program`` prints last, in a fresh interpreter that keeps compiled modules as a person's does."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT.anchor,
        env=env,
    )
    return float(done.stdout.split()[-1])
