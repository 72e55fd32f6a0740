"""The seeds against our computation, against themselves and against each other, one sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...catalog.gpus import GPU
from ...catalog.published import Published, published
from ..gpu_ranking import rating, rating_of_memory
from .article_checks import ARTICLE_JUDGES
from .guide_checks import DISAGREES, GUIDE_JUDGES, Check, cards_of, said, tier_of

JUDGES = {**GUIDE_JUDGES, **ARTICLE_JUDGES}
# Percentage points between a table's smallest and largest saving from which one figure for all misleads.
_SPREAD = 10


def judge(cell: Published) -> Check:
    """One cell beside our computation."""
    return JUDGES[cell.claim](cell)


def judgements(about: Iterable[str] | None = None) -> Iterator[Check]:
    """Every cell's, or only those of rows that name one of ``about`` (a card, a tier, a model), then what
    the seeds say against themselves and each other.
    """
    wanted = None if about is None else {plain(name) for name in about}
    cells = [cell for cell in published() if wanted is None or wanted & _names(cell)]
    yield from map(judge, cells)
    for cell in cells:
        yield from against_itself(cell)
        yield from against_each_other(cell)


def contradictions(about: Iterable[str] | None = None) -> tuple[Check, ...]:
    """Those of ``judgements`` that disagree."""
    return tuple(one for one in judgements(about) if one.verdict == DISAGREES)


def plain(name: str) -> str:
    """A name of a card, tier or model for comparing: "GeForce RTX 4060 Ti 16 GB" and "RTX 4060 Ti" meet."""
    text = name.lower().removeprefix("geforce ").removesuffix("+")
    head, _, tail = text.rpartition(" ")
    if tail == "gb":
        card, _, size = head.rpartition(" ")
        return card if card and size.replace(".", "").isdigit() else text
    return text


def _names(cell: Published) -> set[str]:
    """The card, the tier, or the models that a cell is about: rows of cards and tiers, not about models."""
    if cell.table in ("cards", "check_gpu", "tiers"):
        cards = () if "models" in cell.column else (one for one in cell.subjects if one[:1].isupper())
        return {plain(name) for name in (cell.row, *cards)} | {
            plain(f"{size} GB") for size in cell.row.removesuffix(" GB").split("-") if size.isdigit()
        }
    return {plain(name) for name in (cell.row, *(one.partition("@")[0] for one in cell.subjects))}


def against_itself(cell: Published) -> Iterator[Check]:
    """The guide's rows of cards beside its tiers, and its percentages beside its own table."""
    if cell.claim == "card_models":
        for card in cards_of(cell):
            yield from _card_against_tier(cell, card)
    if cell.claim == "saving":
        saved = _savings_printed(cell.subject)
        low, high = min(saved), max(saved)
        if high - low > _SPREAD:
            facts = {"low": f"{low:.0f}", "high": f"{high:.0f}", "published": cell.value}
            yield said(cell, DISAGREES, f"{low:.0f} to {high:.0f} %", "own_table", **facts)


def _savings_printed(precision: str) -> list[float]:
    """Percent that the guide's own table saves at ``precision``, one a model that it prints."""
    printed = {cell.subject: cell.value for cell in published() if cell.table == "vram"}
    names = {subject.partition("@")[0] for subject in printed}
    pairs = [(printed[f"{name}@{precision}"], printed[f"{name}@fp16"]) for name in sorted(names)]
    return [100 * (1 - float(small) / float(large)) for small, large in pairs if small != "-"]


def _card_against_tier(cell: Published, card: GPU) -> Iterator[Check]:
    tiers = {tier_of(one.row): one for one in published() if one.claim == "tier_models"}
    tier = tiers[max(size for size in tiers if size <= (card.vram_gib or 0))]
    if "all@fp16" in tier.subjects or set(tier.subjects) & set(cell.subjects):
        return
    facts = {"gpu": card.label, "tier": tier.row, "card_says": cell.value, "tier_says": tier.value}
    about = (card.label, tier.row)
    yield said(cell, DISAGREES, f"{tier.row}: {tier.value}", "card_against_tier", about, **facts)


def against_each_other(cell: Published) -> Iterator[Check]:
    """Where the guide and the article speak of the same tier or card."""
    if cell.claim == "note_optimal":
        (card,) = cards_of(cell)
        facts = {"gpu": card.label, "colour": rating(card)}
        yield said(cell, DISAGREES, rating(card), "guide_against_article_card", (card.label,), **facts)
    if cell.claim == "tier_models" and rating_of_memory(tier_of(cell.row)) == "insufficient":
        facts = {"tier": cell.row, "models": cell.value}
        yield said(
            cell, DISAGREES, rating_of_memory(tier_of(cell.row)), "guide_against_article_tier", **facts
        )
