"""What the seeds say against themselves and each other."""

from __future__ import annotations

from collections.abc import Iterator

from vramwise.advisor.gpu_ranking import rating, rating_of_memory
from vramwise.advisor.published.checks import DISAGREES, Check
from vramwise.catalog.gpus import GPU
from vramwise.catalog.published import Published, published

from .guide import cards_of, checked, tier_of

# Percentage points between a table's smallest and largest saving from which one figure for all misleads.
_SPREAD = 10


def against_itself(cell: Published) -> Iterator[Check]:
    """The guide's rows of cards beside its tiers, and its percentages beside its own table."""
    if cell.check == "card_models":
        for card in cards_of(cell):
            yield from _card_against_tier(cell, card)
    if cell.check == "saving":
        saved = _savings_printed(cell.subject)
        low, high = min(saved), max(saved)
        if high - low > _SPREAD:
            facts = {"low": f"{low:.0f}", "high": f"{high:.0f}", "published": cell.value}
            yield checked(cell, DISAGREES, f"{low:.0f} to {high:.0f} %", "own_table", **facts)


def _savings_printed(precision: str) -> list[float]:
    """Percent that the guide's own table saves at ``precision``, one a model that it prints."""
    printed = {cell.subject: cell.value for cell in published() if cell.table == "vram"}
    names = {subject.partition("@")[0] for subject in printed}
    pairs = [(printed[f"{name}@{precision}"], printed[f"{name}@fp16"]) for name in sorted(names)]
    return [100 * (1 - float(small) / float(large)) for small, large in pairs if small != "-"]


def _card_against_tier(cell: Published, card: GPU) -> Iterator[Check]:
    tiers = {tier_of(row.row): row for row in published() if row.check == "tier_models"}
    tier = tiers[max(size for size in tiers if size <= (card.vram_gib or 0))]
    if "all@fp16" in tier.subjects or set(tier.subjects) & set(cell.subjects):
        return
    facts = {"gpu": card.label, "tier": tier.row, "card_says": cell.value, "tier_says": tier.value}
    yield checked(cell, DISAGREES, f"{tier.row}: {tier.value}", "card_against_tier", **facts)


def against_each_other(cell: Published) -> Iterator[Check]:
    """Where the guide and the article speak of the same tier or card."""
    if cell.check == "note_optimal":
        (card,) = cards_of(cell)
        facts = {"gpu": card.label, "colour": rating(card)}
        yield checked(cell, DISAGREES, rating(card), "guide_against_article_card", **facts)
    if cell.check == "tier_models" and rating_of_memory(tier_of(cell.row)) == "insufficient":
        facts = {"tier": cell.row, "models": cell.value}
        yield checked(
            cell, DISAGREES, rating_of_memory(tier_of(cell.row)), "guide_against_article_tier", **facts
        )
