"""What advice leaves out to be quick, and that it changes no answer."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from vramwise.advisor.candidates import candidates_of_task
from vramwise.advisor.targets import Target, resized, target_of_gpu, target_of_memory
from vramwise.advisor.unlocks import Unlock, gained, gains, next_tier, settled
from vramwise.catalog import ocr_models
from vramwise.catalog.gpus import find_gpus
from vramwise.models.request import ModelRequest, plan_resolved
from vramwise.models.resolved import resolve_published
from vramwise.units import median


def _places() -> list[Target]:
    sizes = [target_of_memory(size, ram) for size in (4, 6, 8, 12, 16, 24) for ram in (None, 8, 24)]
    cards = ("RTX 3050 4GB", "RX 6600", "Arc A380", "GTX 1070", "Apple M2 16GB", "RTX 4060 Ti 8GB")
    return [*sizes, *(target_of_gpu(gpu, 16) for name in cards for gpu in find_gpus(name)[:1])]


@pytest.mark.parametrize("place", _places(), ids=lambda place: f"{place.label}, {place.ram_bytes}")
def test_what_is_not_asked_of_a_larger_card_would_not_be_better_there(place: Target) -> None:
    tier = next_tier(place.vram_gib or 0)
    assert tier is not None
    before, larger = candidates_of_task(place, "all"), resized(place, tier)
    quick = gained(before, larger, tier, "all")
    whole = gains(before, candidates_of_task(larger, "all"), tier)
    assert [_told(unlock) for unlock in quick] == [_told(unlock) for unlock in whole]


def _told(unlock: Unlock) -> tuple[Any, ...]:
    return (*unlock.to_dict().values(), unlock.candidate.to_dict(), unlock.candidate.key)


def test_models_at_their_best_are_not_asked_once_more() -> None:
    found = candidates_of_task(target_of_memory(12), "all")
    left_out = settled(found)
    asked = {
        (row.task, row.model) for row in candidates_of_task(target_of_memory(16), "all", without=left_out)
    }
    assert left_out and not left_out & asked
    assert left_out | asked == {(row.task, row.model) for row in found}


@pytest.mark.parametrize("size", [4, 8, 24])
def test_verdicts_alone_are_those_of_the_whole_plan(size: int) -> None:
    budget = target_of_memory(size).budget
    for row in ocr_models():
        resolved = resolve_published(row) if row.engine == "vlm" else None
        if resolved is None:
            continue
        whole = plan_resolved(ModelRequest(row.id), resolved, budget)
        alone = plan_resolved(ModelRequest(row.id), resolved, budget, choose=False)
        assert alone.chosen is None
        for first, second in zip(whole.verdicts, alone.verdicts, strict=True):
            fits = first.verdict in ("fits", "tight")
            assert second == (replace(first, max_pixels=second.max_pixels) if fits else first)


def test_the_median_is_that_of_statistics() -> None:
    assert [median(numbers) for numbers in ([3, 1, 2], [4, 1], [5], (2, 2, 9, 1))] == [2, 2.5, 5, 2]


def test_advice_imports_nothing_that_it_does_not_use() -> None:
    """Each of these took a hundredth of the time or more; names of cards are read where a card is named."""
    unused = (
        "torch",
        "numpy",
        "statistics",
        "socket",
        "rapidfuzz",
        "sqlite3",
        "vramwise.catalog.names.cards",
    )
    program = (
        "import sys, vramwise.cli; vramwise.cli.main(['advise', '--vram-gib', '12']); "
        f"print([name for name in {unused!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.splitlines()[-1] == "[]"
