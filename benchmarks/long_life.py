"""Two hours of mixed prompts with the sidebar open, /free and interrupts: what the server holds stays flat.
VRAMWISE_LIFE_SECONDS makes it shorter.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from devtools.comfy.client import ComfyClient
from devtools.comfy.long_life import live, server_with_a_model

SECONDS = 7200.0
MOST_PERCENT = 2.0


def run() -> dict[str, Any]:
    seconds = float(os.environ.get("VRAMWISE_LIFE_SECONDS", SECONDS))
    with tempfile.TemporaryDirectory() as base, server_with_a_model(Path(base)) as server:
        life, seen = live(ComfyClient(server.url), server.pid, seconds)
    growth = life.growth()
    for number in range(0, len(life.rounds), max(1, len(life.rounds) // 20)):
        one = life.rounds[number]
        print(
            f"round {number}: {one.own_bytes / 1024**2:.1f} MiB, {one.threads} threads, "
            f"{one.descriptors} descriptors"
        )
    print(
        f"{life.prompts} prompts, {sum(seen.statuses.values())} questions: {len(life.faults)} and "
        f"{len(seen.faults)} failed; the last third grew by {growth} % (at most {MOST_PERCENT:g})"
    )
    for fault in [*life.faults, *seen.faults][:10]:
        print(f"  {fault}")
    return {
        "seconds": seconds,
        "prompts": life.prompts,
        "questions": sum(seen.statuses.values()),
        "failed": len(life.faults) + len(seen.faults),
        "growth_percent": growth,
    }
