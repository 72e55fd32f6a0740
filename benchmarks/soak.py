"""500 cycles of a prompt with a vision model and one without, while four sidebars ask: nobody is ever handed
a model that ends, and the server holds at the end what it held before.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from devtools.comfy.client import ComfyClient
from devtools.comfy.long_life import server_with_a_model, soak, vitals

CYCLES, POLLERS, WARM_UP = 500, 4, 40


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as base, server_with_a_model(Path(base)) as server:
        client = ComfyClient(server.url)
        soak(client, WARM_UP, POLLERS)
        before = vitals(server.pid)
        seen, faults = soak(client, CYCLES, POLLERS)
        growth = vitals(server.pid).growth(before)
        restarts = server.log.count("has no attribute")
    print(
        f"{CYCLES} cycles, {sum(seen.statuses.values())} questions of {POLLERS} sidebars: "
        f"{len(faults)} prompts and {len(seen.faults)} questions failed; slowest answer "
        f"{seen.slowest_s:.2f} s; grown by {growth} %"
    )
    for fault in [*faults, *seen.faults][:10]:
        print(f"  {fault}")
    return {
        "cycles": CYCLES,
        "questions": sum(seen.statuses.values()),
        "failed_prompts": len(faults),
        "failed_questions": len(seen.faults),
        "half_alive_in_log": restarts,
        "slowest_s": round(seen.slowest_s, 2),
        "growth_percent": growth,
    }
