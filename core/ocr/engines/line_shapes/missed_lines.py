"""What a reader of whole pages missed: ink outside of its lines that is as high as they are.

Tesseract leaves out the page numbers of a table of contents behind their dots. Asked for alone they are read,
for a hundredth of what finding all lines of the page once more would cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from ...results.line import Line
from ...results.result import Point, hull
from ..level_picture import straight_line
from ..script_at_a_glance import JOIN, PIECE, seen_ink, under

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..tesseract import TesseractReader

LOWEST, HIGHEST = 0.4, 1.6  # of the usual line's height, of what may be a line
MOST_MISSED = 80  # more is a page that was not read
SURE_ALONE = 0.85  # less sure may be a drawing
SURE_LONG, LONG = 0.7, 12  # but so many letters in a row, so sure, are a line
PAPER = 0.2  # of a line's height, around it
MOST_REPEATED, REPEATED = 3, 0.5  # letters of a line that lies by so much within another which has them too


def with_missed(image: NDArray[uint8], lines: Sequence[Line], reader: TesseractReader) -> list[Line]:
    """``lines`` of a level page, uint8 RGB, and those that the reader finds where it saw none."""
    found = list(lines)
    for polygon in missed_places(image, lines):
        text, sure = reader.line(straight_line(image, polygon, PAPER))
        letters = sum(map(str.isalnum, text))
        if letters and sure >= (SURE_LONG if letters >= LONG else SURE_ALONE):
            found.append(Line(text=text, polygon=polygon, confidence=sure))
    return found if len(found) == len(lines) else without_repeats(found)


def missed_places(image: NDArray[uint8], lines: Sequence[Line]) -> list[tuple[Point, ...]]:
    """Where ink of a line's height stands outside of ``lines``; nothing where that is too often."""
    import cv2
    import numpy as np

    if not lines:
        return []
    ink = seen_ink(image, smooth=False)
    scale_y, scale_x = image.shape[0] / ink.shape[0], image.shape[1] / ink.shape[1]
    usual = median(math.dist(line.polygon[1], line.polygon[2]) for line in lines) / scale_y
    rest = (ink & (1 - under(lines, image, ink.shape))).astype(np.uint8)
    _, of, sizes, _ = cv2.connectedComponentsWithStats(rest)
    longest = np.maximum(sizes[:, cv2.CC_STAT_WIDTH], sizes[:, cv2.CC_STAT_HEIGHT])
    letters = (longest >= LOWEST * usual) & (sizes[:, cv2.CC_STAT_HEIGHT] <= HIGHEST * usual)
    rest = np.asarray(rest * letters[of], np.uint8)  # without dots, and frames around a number
    joined = cv2.morphologyEx(rest, cv2.MORPH_CLOSE, np.ones((1, JOIN), np.uint8))
    _, _, places, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    found: list[tuple[Point, ...]] = []
    for x, y, wide, high, area in places[1:].tolist():
        if LOWEST * usual <= high <= HIGHEST * usual and area >= PIECE and wide >= LOWEST * high:
            left, right, top, bottom = x * scale_x, (x + wide) * scale_x, y * scale_y, (y + high) * scale_y
            found.append(((left, top), (right, top), (right, bottom), (left, bottom)))
    return found if len(found) <= MOST_MISSED else []


def without_repeats(lines: Sequence[Line]) -> list[Line]:
    """``lines`` without the first or last letters of one, read once more as a line of its own."""
    boxes = [hull(line.polygon) for line in lines]

    def repeats(at: int) -> bool:
        text, (x0, y0, x1, y1) = lines[at].text, boxes[at]
        return any(
            len(other.text) > len(text)
            and (other.text.startswith(text) or other.text.endswith(text))
            and (min(x1, b[2]) - max(x0, b[0])) * max(0.0, min(y1, b[3]) - max(y0, b[1]))
            > REPEATED * (x1 - x0) * (y1 - y0)
            for other, b in zip(lines, boxes, strict=True)
        )

    return [line for at, line in enumerate(lines) if len(line.text) > MOST_REPEATED or not repeats(at)]
