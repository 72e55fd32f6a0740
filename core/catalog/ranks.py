"""Which of two models is the better one for a task: ranks.csv, an opinion with its source; and the tier of
quality it stands in: quality_tiers.csv.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .csv_rows import table
from .readers import OCRModel, ocr_models

# A model without a row stands behind all that have one.
UNRANKED = 1000
# 1 is the best; a model of no rank stands in the last.
TIERS_OF_QUALITY = (1, 2, 3, 4)


@dataclass(frozen=True)
class Quality:
    """A row of quality_tiers.csv: models of a ``tier`` are about as good as one another for the task.
    ``asked_for`` ones are what people ask about by name. ``stated`` is False for a model without a row: it
    stands in the tier of the model ranked right before it.
    """

    tier: int
    asked_for: bool = False
    stated: bool = True


@functools.cache
def _ranks() -> dict[tuple[str, str], int]:
    rows = table(
        "ranks.csv",
        lambda row: ((row["task"], row["model"]), int(row["rank"])),
        lambda row: [f"{row['task']}: {row['model']}"],
    )
    return dict(rows)


def rank(task: str, model: str) -> int:
    """1 for the best model of ``task`` ("OCR", "image", "image edit", "video"); ``model`` is an id of
    ocr_models.csv or a name of diffusion.csv.
    """
    return _ranks().get((task, model), UNRANKED)


@functools.cache
def _stated() -> dict[tuple[str, str], Quality]:
    rows = table(
        "quality_tiers.csv",
        lambda row: ((row["task"], row["model"]), Quality(_tier(row["tier"]), row["asked_for"] == "yes")),
        lambda row: [f"{row['task']}: {row['model']}"],
    )
    return dict(rows)


def _tier(text: str) -> int:
    if (tier := int(text)) not in TIERS_OF_QUALITY:
        raise ValueError(f"tier {text} is none of {TIERS_OF_QUALITY}")
    return tier


@functools.cache
def quality(task: str, model: str) -> Quality:
    """The tier of ``model`` for ``task``. OCR models are all of one: there the rank alone decides."""
    stated = _stated().get((task, model))
    if stated is not None:
        return stated
    place = rank(task, model)
    if task == "OCR" or place == UNRANKED:
        return Quality(1 if task == "OCR" else TIERS_OF_QUALITY[-1], stated=False)
    of_task = [(rank(*key), its.tier) for key, its in _stated().items() if key[0] == task]
    before = [row for row in of_task if row[0] <= place]
    return Quality(max(before)[1] if before else 1, stated=False)


def meant_first(models: Iterable[str]) -> list[str]:
    """Models by what people mean who do not say which: those that are asked for by name, the better tier
    first; else in the order given."""

    def place(model: str) -> tuple[bool, int]:
        its = [quality(task, name) for task, name in _ranks() if name == model]
        return not any(one.asked_for for one in its), min((one.tier for one in its), default=UNRANKED)

    return sorted(models, key=place)


def ocr_rank(model: OCRModel, size_of: Callable[[OCRModel], int | None]) -> float:
    """The rank of an OCR model; where ranks.csv has none, a place between two ranks, beside its family.

    It stands right behind the family's ranked models that are at least as large by ``size_of``, so before
    all of them where it is the largest; behind the last of them where its size is not known. A model whose
    family has no ranked one stands behind all.
    """
    given = rank("OCR", model.id)
    if given != UNRANKED:
        return given
    siblings = [row for row in ocr_models() if row.family == model.family != ""]
    places = {row.id: rank("OCR", row.id) for row in siblings if rank("OCR", row.id) != UNRANKED}
    if not places:
        return UNRANKED
    size = size_of(model)
    larger = [
        place
        for row in siblings
        if (place := places.get(row.id)) is not None and (size is None or (size_of(row) or 0) >= size)
    ]
    before = max(larger) if larger else min(places.values()) - 1
    # Of several such models in one place the first row stays the first.
    return before + 0.5 + ocr_models().index(model) / 10_000
