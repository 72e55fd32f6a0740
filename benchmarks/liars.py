"""Servers that lie, two thousand times: how the tries ended, as the rows of docs/reliability.md."""

from __future__ import annotations

import time
from typing import Any

from devtools.liars import Tally, killed_downloads, spoiled_answers, spoiled_listings

CASES, KILLS = 2_000, 30


def run() -> dict[str, Any]:
    figures = {}
    attacks = (
        ("spoiled answers of an endpoint", CASES, spoiled_answers),
        ("spoiled listings of a hub", CASES, spoiled_listings),
        ("kill -9 of a download", KILLS, killed_downloads),
    )
    for name, count, attack in attacks:
        begun = time.perf_counter()
        tally: Tally = attack(count)
        seconds = time.perf_counter() - begun
        ends = ", ".join(f"{number} {end}" for end, number in sorted(tally.ends.items()))
        print(f"{name}: {count} tries, {ends}, {len(tally.faults)} faults, {seconds:.0f} s", flush=True)
        for fault in tally.faults[:20]:
            print(f"  {fault}", flush=True)
        figures[name] = {**tally.ends, "faults": len(tally.faults), "seconds": round(seconds)}
    return figures
