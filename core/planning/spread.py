"""``device_map="auto"`` from a script: accelerate places a model over every card, and RAM for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fit import Budget
from .footprint import GIB

if TYPE_CHECKING:
    from ..hardware import MachineReport

DEVICE = "auto"
# accelerate leaves a tenth of each card to what runs beside the weights (get_balanced_memory and the
# quantisers' adjust_max_memory).
_SHARE = 0.9


def spread_budgets(report: MachineReport) -> tuple[Budget, Budget] | None:
    """(all cards together, the cards and RAM); None where there is no card to spread over.

    A model that is spread is never moved or evicted, so nothing counts as reclaimable. What is in RAM is
    copied to a card layer by layer at every token: it runs, slowly, and the note says so.
    """
    cards = [
        one
        for one in report.devices
        if one.kind not in ("cpu", "mps") and one.free_bytes and one.runnable.usable
    ]
    if not cards:
        return None
    kinds = {card.kind for card in cards}
    least = min((card.capability for card in cards if card.capability), default=None)
    held = sum(int((card.free_bytes or 0) * _SHARE) for card in cards)
    parts = ", ".join(f"{card.id} {(card.free_bytes or 0) / GIB:.1f}" for card in cards)
    placed = "placed by accelerate and never moved"
    kind = cards[0].kind if len(kinds) == 1 else "cuda"
    name = " + ".join(card.name for card in cards)
    alone = Budget(DEVICE, kind, held, 0, least, name, f"nine tenths of {parts} GiB, {placed}")
    ram = report.ram_available_bytes
    note = (
        f"nine tenths of {parts} GiB and RAM {ram / GIB:.1f} GiB, {placed}; "
        "layers in RAM are copied to a card for every token, which is slow"
    )
    return alone, Budget(DEVICE, kind, held + int(ram * _SHARE), 0, least, name, note)
