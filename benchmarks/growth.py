"""Steps and processor time of every input that takes a text, at 10 KB, 100 KB and 1 MB of its worst.

A step is a call of a Python or C function, or a generator going on; work inside of one C call shows in the
seconds only. For each input the kind of text is named that took most at 100 KB.
"""

from __future__ import annotations

import time
from typing import Any

from devtools.text_inputs import TEXT_INPUTS
from devtools.worst_texts import Cost, cost, texts

SIZES = (10_000, 100_000, 1_000_000)
WORST = 3  # kinds of text that are tried at all sizes


def _tried(name: str, text: str) -> tuple[Cost, float]:
    began = time.process_time()
    found = cost(TEXT_INPUTS[name], text)
    return found, time.process_time() - began


def measure(name: str) -> dict[str, Any]:
    """The worst kinds of text by steps and by seconds at the smallest size, then those at every size."""
    small = {kind: _tried(name, text) for kind, text in texts(SIZES[0]).items()}
    by_steps = sorted(small, key=lambda kind: -small[kind][0].steps)[:WORST]
    by_seconds = sorted(small, key=lambda kind: -small[kind][1])[:WORST]
    rows: dict[str, Any] = {}
    for kind in dict.fromkeys((*by_steps, *by_seconds)):
        tries = [_tried(name, texts(size)[kind]) for size in SIZES]
        rows[kind] = {
            "steps": [found.steps for found, _ in tries],
            "seconds": [round(seconds, 2) for _, seconds in tries],
            "longest_unheard": [found.deaf for found, _ in tries],
            "sentence": tries[-1][0].sentence[:200],
        }
    return rows


def run() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    print(f"{'input':42}{'kind':26}{'steps at 10 KB':>15}{'100 KB':>13}{'1 MB':>14}{'s':>8}{'unheard':>10}")
    for name in TEXT_INPUTS:
        figures[name] = measure(name)
        for kind, row in figures[name].items():
            steps = row["steps"]
            said = "  (a sentence)" if row["sentence"] else ""
            print(
                f"{name[:41]:42}{kind[:25]:26}{steps[0]:15,}{steps[1]:13,}{steps[2]:14,}"
                f"{row['seconds'][-1]:8.1f}{max(row['longest_unheard']):10,}{said}",
                flush=True,
            )
    return figures
