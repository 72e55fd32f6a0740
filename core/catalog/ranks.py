"""Which of two models is the better one for a task: ranks.csv, an opinion with its source."""

from __future__ import annotations

import functools

from .csv_rows import table

# A model without a row stands behind all that have one.
UNRANKED = 1000


@functools.cache
def _ranks() -> dict[tuple[str, str], int]:
    return dict(table("ranks.csv", lambda row: ((row["task"], row["model"]), int(row["rank"]))))


def rank(task: str, model: str) -> int:
    """1 for the best model of ``task`` ("OCR", "image", "image edit", "video"); ``model`` is an id of
    ocr_models.csv or a name of diffusion.csv.
    """
    return _ranks().get((task, model), UNRANKED)
