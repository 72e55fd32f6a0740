"""What helps against running out of GPU memory, with this machine's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..hardware.budget import Budget
from ..ocr.vlm.model_owner import Owner, evictable_bytes
from ..units import gib_text, megapixels_text
from .place import budget_here

if TYPE_CHECKING:
    from .load_plan import LoadPlan


def remedies(loaded: LoadPlan, owner: Owner, pixels: int) -> str:
    """The guide's four remedies against running out of memory, with this machine's numbers.

    ``owner`` holds the model that failed, with one picture of ``pixels``.
    """
    budget = budget_here(loaded.plan.device)
    others = max(0, budget.reclaimable_bytes - evictable_bytes(owner, loaded.plan.device))
    beside = (
        f"Unload what is beside it: {gib_text(others)} of {budget.device} is held by other models that can "
        "be evicted (Memory Release, all models)."
        if others
        else f"Close other programs that use {budget.device}: no other model here can be evicted."
    )
    half = max(pixels // 2, loaded.family.min_pixels)
    smaller_picture = (
        f"Set megapixels to {megapixels_text(half)} or less."
        if half < pixels
        else "The picture is as small as this model takes it."
    )
    return (
        f"1. {_smaller_precision(loaded, budget)} 2. {smaller_picture} 3. {beside} "
        f"4. Free the cache (Memory Release, cache); {gib_text(budget.free_bytes)} is free now."
    )


def _smaller_precision(loaded: LoadPlan, budget: Budget) -> str:
    """The first remedy: the best precision that takes less and fits what this device can give now."""
    needs = {
        verdict.precision: verdict.footprint.need_bytes
        for verdict in loaded.plan.verdicts
        if verdict.footprint is not None and verdict.verdict != "unavailable"
    }
    taken = needs.get(loaded.plan.require().precision, 0)
    smaller = {precision: need for precision, need in needs.items() if need < taken}
    for precision, need in smaller.items():
        if need <= budget.budget_bytes:
            return f"Choose {precision}, which needs {gib_text(need)}."
    if smaller:
        there = gib_text(budget.budget_bytes)
        return f"No smaller precision fits the {there} there are; choose a smaller model."
    return "This is the smallest precision here; choose a smaller model."
