"""`vramwise advise --vram-gib 12` beside `python -c pass`, each in fresh interpreters in turn.

The processor's seconds stand beside the clock's, for a machine that does other things too tells those truly.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 9
WANTED_SECONDS = 0.3
PROGRAMS = {
    "python -c pass": "pass",
    "vramwise advise --vram-gib 12": "advise --vram-gib 12",
    "vramwise advise --gpu RTX_5080 --task video": "advise --gpu RTX_5080 --task video",
    "vramwise plan flux1-dev --vram-gib 12": "plan flux1-dev --vram-gib 12",
}
VERB = "import sys; from vramwise.cli import main; sys.exit(main(WORDS))"


def run() -> dict[str, Any]:
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    for number in range(ROUNDS + 1):
        for name, words in PROGRAMS.items():
            spent = _seconds(words)
            if number:  # the first round compiles
                taken[name].append(spent)
    figures: dict[str, Any] = {"wanted_seconds": WANTED_SECONDS}
    for name, rounds in taken.items():
        clock, processor = (statistics.median(column) for column in zip(*rounds, strict=True))
        least = min(clock for clock, _ in rounds)
        figures[name] = {
            "seconds_median": round(clock, 3),
            "seconds_least": round(least, 3),
            "processor_seconds_median": round(processor, 3),
        }
        print(
            f"{name:45} {clock:6.3f} s (least {least:.3f}), processor {processor:.3f} s (median of {ROUNDS})"
        )
    figures["torch_imported"] = _imports("torch")
    print(f"wanted: {WANTED_SECONDS} s; torch imported: {'yes' if figures['torch_imported'] else 'no'}")
    return figures


def _program(words: str) -> str:
    if words == "pass":
        return words
    given = [word.replace("_", " ") for word in words.split()]
    return VERB.replace("WORDS", repr(given))


def _seconds(words: str) -> tuple[float, float]:
    """(clock, processor) of one fresh interpreter that keeps compiled modules as a person's does."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, started = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", _program(words)],
        stdout=subprocess.DEVNULL,
        check=True,
        cwd=ROOT.anchor,
        env=env,
    )
    clock, after = time.perf_counter() - started, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return clock, used


def _imports(module: str) -> bool:
    program = (
        f"{_program('advise --vram-gib 12').replace('sys.exit(', '(')}; print({module!r} in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1] == "True"
