"""Two thousand spoiled files or answers of a kind, in processes with limits: how they ended, as the rows of
docs/reliability.md.
"""

from __future__ import annotations

from typing import Any

from devtools.fuzzing.campaign import try_kind
from devtools.fuzzing.kinds import names

CASES = 2_000


def run() -> dict[str, Any]:
    figures = {}
    for kind in names():
        tally = try_kind(kind, CASES)
        print(f"{tally.row()} {tally.most_bytes / 1024**2:.0f} MiB", flush=True)
        for number, said in tally.faults:
            print(f"  {kind} {number}: {said}", flush=True)
        figures[kind] = {
            "tries": tally.tries,
            "results": tally.results,
            "sentences": tally.sentences,
            "faults": len(tally.faults),
            "most_mib": round(tally.most_bytes / 1024**2),
        }
    return figures
