"""What more memory brings: models that a larger card keeps resident and a smaller one does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .candidate import RESIDENT, Candidate
from .candidates import candidates_of_task
from .gpu_ranking import TOLERANCE
from .targets import TIERS, Target, resized
from .tasks import ALL


@dataclass(frozen=True)
class Unlock:
    """A model that a larger card of ``vram_gib`` keeps resident, and what the smaller one did with it."""

    vram_gib: float
    candidate: Candidate
    was: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "vram_gib": self.vram_gib,
            "task": self.candidate.task,
            "model": self.candidate.name,
            "precision": self.candidate.precision,
            "was": self.was,
        }


def next_tier(vram_gib: float) -> int | None:
    """The next usual size in GB, None above the largest."""
    return next((tier for tier in TIERS if tier > vram_gib * (1 + TOLERANCE)), None)


def unlocked(below: Target, tier: int, task: str = ALL) -> tuple[Unlock, ...]:
    """What an empty card of ``tier`` GB keeps resident and ``below`` does not."""
    return gained(candidates_of_task(below, task), resized(below, tier), tier, task)


def gained(before: Sequence[Candidate], larger: Target, tier: int, task: str = ALL) -> tuple[Unlock, ...]:
    """What ``larger`` brings beside ``before``. Models that no memory makes better are not asked about."""
    return gains(before, candidates_of_task(larger, task, without=settled(before)), tier)


def settled(found: Iterable[Candidate]) -> frozenset[tuple[str, str]]:
    """(task, model) of those that are resident at the finest precision they have, with RAM enough."""
    found = tuple(found)
    finest: dict[tuple[str, str], tuple[float, ...]] = {}
    for candidate in found:
        key = (candidate.task, candidate.model)
        finest[key] = min(candidate.preference, finest.get(key, candidate.preference))
    return frozenset(
        key
        for key, best in _resident(found).items()
        if not (best.slow or best.much_ram) and best.preference <= finest[key]
    )


def gains(before: Iterable[Candidate], after: Iterable[Candidate], tier: int) -> tuple[Unlock, ...]:
    """Models that are resident in ``after`` and not in ``before``, or there only at a coarser precision."""
    resident_before = _resident(before)
    unlocks = []
    for key, candidate in _resident(after).items():
        was = resident_before.get(key)
        if was is None or was.key > candidate.key:
            unlocks.append(Unlock(float(tier), candidate, was.precision if was else ""))
    return tuple(unlocks)


def _resident(found: Iterable[Candidate]) -> dict[tuple[str, str], Candidate]:
    """The best resident candidate of each model."""
    best: dict[tuple[str, str], Candidate] = {}
    for candidate in found:
        if candidate.verdict in RESIDENT:
            best.setdefault((candidate.task, candidate.model), candidate)
    return best
