"""How likely is a line right, letter by letter, and what is said of a page whose lines are not?"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ....catalog.csv_rows import csv_rows
from ...results.line import Line
from .handwriting import looks_written

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

LOW = 0.4  # the mean chance of a page's lines under which it gets a note
READS_HANDS = "qwen3_vl_4b"  # of the catalog
# One letter of less chance than this among other lines is a pictogram: of 45 drawn single letters the least
# sure had 0.6, of 22 walkers, arrows and cups half had less than 0.2.
PICTOGRAM = 0.2
# One or two letters of less chance than this that take so much of a large picture are what it shows.
SHOWN, SHOWN_PART, LARGE = 0.06, 0.25, 256
# So many letters of so little chance, nearly all of them one letter, are a dashed border ("6000000000").
BORDER, BORDER_LETTERS, BORDER_ALIKE = 0.06, 8, 0.8
WRITTEN = 0.25  # of a line's chance is left where a page looks written by hand


def correctness(score: float, reader: str = "rapid") -> float:
    """The chance that a line with this ``score`` (0 to 1, the mean of its letters' or words') has every
    letter right. Rises with the score. By tables that training/line_confidence.py fitted on drawn pages, one
    for each ``reader``: "rapid" or "tesseract".
    """
    scores, chances = _table(reader)
    at = min(max(bisect.bisect_right(scores, score), 1), len(scores) - 1)
    low, high = scores[at - 1], scores[at]
    share = min(max((score - low) / (high - low), 0.0), 1.0)
    return chances[at - 1] + (chances[at] - chances[at - 1]) * share


@functools.cache
def _table(reader: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    rows = csv_rows(
        __package__,
        "confidence.csv",
        lambda row: (row["reader"], float(row["score"]), float(row["right"])),
    )
    _, scores, chances = zip(*(row for row in rows if row[0] == reader), strict=True)
    return scores, chances


def reader_of(text: str, model: str) -> str:
    """Who read a line: on a page of PP-OCR what is written in scripts from Cyrillic to Georgian is
    Tesseract's.
    """
    others = any("\u0400" <= letter <= "\u10ff" for letter in text)
    return "tesseract" if model == "tesseract" or others else "rapid"


def judged(image: NDArray[uint8], lines: Sequence[Line], model: str) -> tuple[list[Line], tuple[str, ...]]:
    """``lines`` of a page, read by ``model`` ("rapid" or "tesseract"), with the chance that each is right
    instead of its score, and a sentence where the reading is doubtful. Words keep their scores. Pictograms
    that were taken for a letter are left out, animals or beaches that were, and borders read as zeros.
    """
    lines = [line for line in lines if len(lines) == 1 or not _is_pictogram(line, model)]
    lines = [line for line in lines if not (_is_shown(image, line, model) or _is_border(line, model))]
    written = looks_written(image, lines)
    share = WRITTEN if written else 1.0
    sure = [
        line
        if line.confidence is None
        else replace(line, confidence=share * correctness(line.confidence, reader_of(line.text, model)))
        for line in lines
    ]
    if written:
        reader = "PP-OCR" if model == "rapid" else "Tesseract"
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


def _is_pictogram(line: Line, model: str) -> bool:
    text = line.text.strip()
    if len(text) != 1 or text.isdigit() or line.confidence is None:
        return False
    return reader_of(text, model) == "rapid" and correctness(line.confidence) < PICTOGRAM


def _is_shown(image: NDArray[uint8], line: Line, model: str) -> bool:
    """Whether one or two unsure letters are as large as what a picture shows."""
    height, width = image.shape[:2]
    if len(line.text.strip()) > 2 or line.confidence is None or min(height, width) < LARGE:
        return False
    across, down = (max(side) - min(side) for side in zip(*line.polygon, strict=True))
    if across * down < SHOWN_PART * height * width:
        return False
    return correctness(line.confidence, reader_of(line.text, model)) < SHOWN


def _is_border(line: Line, model: str) -> bool:
    """Whether nearly all of many unsure letters are one and the same."""
    letters = "".join(line.text.split())
    if len(letters) < BORDER_LETTERS or line.confidence is None:
        return False
    most = max(letters.count(letter) for letter in set(letters))
    return most >= BORDER_ALIKE * len(letters) and (
        correctness(line.confidence, reader_of(line.text, model)) < BORDER
    )
