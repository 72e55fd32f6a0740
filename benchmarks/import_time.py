"""What importing the pack costs a bare interpreter, and which heavy modules it pulls in (none)."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
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


def run() -> dict[str, Any]:
    front = [_milliseconds(PROGRAM.replace("ROOT", repr(str(ROOT)))) for _ in range(15)]
    core = [
        _milliseconds(
            "import time; s = time.perf_counter(); import vramwise; print((time.perf_counter() - s) * 1000)"
        )
        for _ in range(15)
    ]
    figures = {
        "front_door_ms_median": round(statistics.median(front), 2),
        "core_ms_median": round(statistics.median(core), 2),
    }
    print(f"the pack's __init__ in a bare interpreter: {figures['front_door_ms_median']} ms (median of 15)")
    print(f"import vramwise:                           {figures['core_ms_median']} ms (median of 15)")
    return figures


def _milliseconds(program: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/"
    )
    return float(done.stdout)
