"""How likely is a line right, letter by letter, and what is said of a page whose lines are not?"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...catalog.csv_rows import csv_rows
from ..results.line import Line
from .handwriting import looks_written

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

LOW = 0.4  # the mean chance of a page's lines under which it gets a note
READS_HANDS = "qwen3_vl_4b"  # of the catalog
WRITTEN = 0.25  # of a line's chance is left where a page looks written by hand


def correctness(score: float) -> float:
    """The chance that a line with this ``score`` (0 to 1, the mean of its letters') has every letter right.
    Rises with the score. By a table that training/line_confidence.py fitted on drawn pages.
    """
    scores, chances = _table()
    at = min(max(bisect.bisect_right(scores, score), 1), len(scores) - 1)
    low, high = scores[at - 1], scores[at]
    share = min(max((score - low) / (high - low), 0.0), 1.0)
    return chances[at - 1] + (chances[at] - chances[at - 1]) * share


@functools.cache
def _table() -> tuple[tuple[float, ...], tuple[float, ...]]:
    rows = csv_rows(__package__, "confidence.csv", lambda row: (float(row["score"]), float(row["right"])))
    scores, chances = zip(*rows, strict=True)
    return scores, chances


def judged(image: NDArray[uint8], lines: Sequence[Line], reader: str) -> tuple[list[Line], tuple[str, ...]]:
    """``lines`` of a page with the chance that each is right instead of the score of ``reader`` (its name),
    and a sentence where the reading is doubtful. Words keep their scores.
    """
    written = looks_written(image, lines)
    share = WRITTEN if written else 1.0
    sure = [
        line if line.confidence is None else replace(line, confidence=share * correctness(line.confidence))
        for line in lines
    ]
    if written:
        return sure, (
            f"This page is likely handwriting, which {reader} was not made for: what it gives is mostly "
            f"wrong. A vision-language model reads it, for example {READS_HANDS}.",
        )
    known = [line.confidence for line in sure if line.confidence is not None]
    mean = sum(known) / len(known) if known else 1.0
    if mean >= LOW:
        return sure, ()
    return sure, (
        f"About {mean:.0%} of this page's lines are right, by their confidence: check them. A larger or "
        "sharper picture, its language, or a vision-language model may help.",
    )
