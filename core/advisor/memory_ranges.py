"""From the least memory that runs a model to the size above which more brings nothing; what a tier opens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..catalog.diffusion import PublishedNeed, diffusion_models
from .candidate import Candidate
from .candidates import candidates
from .targets import TIERS, target_of_memory
from .tasks import ALL, MODEL_TASKS
from .unlocks import Unlock, unlocked

# So large that everything fits: what is asked for is what a model needs, not what there is.
_ENOUGH_GIB = 1024


@dataclass(frozen=True)
class Range:
    """One model. ``minimum_bytes``: below it nothing runs (by streaming where that is possible);
    ``resident_from_bytes``: the smallest file stays resident; ``optimum_bytes``: the finest one does, more is
    no faster. None where no size is known. ``precision`` names belong to the two last; ``tier`` is the first
    usual size in GB at which something stays resident, None above 32 GB. ``published`` is what its makers and
    others said it needs.
    """

    task: str
    model: str
    name: str
    licence: str
    commercial: str
    precisions: tuple[str, ...]
    minimum_bytes: int | None
    resident_from_bytes: int | None
    resident_precision: str
    optimum_bytes: int | None
    optimum_precision: str
    tier: int | None
    published: tuple[PublishedNeed, ...] = ()
    yours: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def ranges() -> tuple[Range, ...]:
    """Every model of the catalog, best first within its task; one that does two tasks stands under both."""
    target = target_of_memory(_ENOUGH_GIB)
    found = []
    told = {model.id: model.published for model in diffusion_models()}
    for task in MODEL_TASKS:
        groups: dict[str, list[Candidate]] = {}
        for candidate in candidates(target, task):
            groups.setdefault(candidate.model, []).append(candidate)
        found += [_range(group, told.get(name, ())) for name, group in groups.items()]
    return tuple(found)


def _range(group: list[Candidate], told: tuple[PublishedNeed, ...]) -> Range:
    first = group[0]
    sized = [row for row in group if row.optimal_bytes is not None and row.floor_bytes is not None]
    fine = [row for row in sized if not row.rough] or sized
    small = min(fine, key=lambda row: row.optimal_bytes or 0, default=None)
    full = max(sized, key=lambda row: (row.bits, row.optimal_bytes or 0), default=None)
    return Range(
        task=first.task,
        model=first.model,
        name=first.name,
        licence=first.licence,
        commercial=first.commercial,
        precisions=tuple(row.precision for row in group),
        minimum_bytes=min((row.floor_bytes or 0 for row in sized), default=None),
        resident_from_bytes=small.optimal_bytes if small else None,
        resident_precision=small.precision if small else "",
        optimum_bytes=full.optimal_bytes if full else None,
        optimum_precision=full.precision if full else "",
        tier=_tier(small),
        published=told,
        yours=first.yours,
    )


def _tier(candidate: Candidate | None) -> int | None:
    if candidate is None or candidate.optimal_bytes is None:
        return None
    for tier in TIERS:
        target = target_of_memory(tier)
        room = target.budget.budget_bytes if candidate.ram_bytes is None else target.comfy_bytes
        if candidate.optimal_bytes <= room:
            return tier
    return None


def tiers(task: str = ALL) -> Iterator[tuple[int, tuple[Unlock, ...]]]:
    """Each usual memory size with what it keeps resident over the one below; the first over 1 GB."""
    below = target_of_memory(1)
    for tier in TIERS:
        yield tier, unlocked(below, tier, task)
        below = target_of_memory(tier)
