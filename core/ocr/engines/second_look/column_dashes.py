"""Dashes at the foot of a column of Chinese or Japanese: one long stroke, which the detector takes for a rule
and the recogniser for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ....cancel import watched
from ....cjk import is_cjk
from ...results.line import Line
from ...results.result import Point, Word
from ...results.vertical_text import runs_down
from ..level_picture import straight_line
from ..line_shapes.word_places import between

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

DASH = "\u2015"  # of one character; two are written for the usual long one
MARKS = "\u2015\u2014\u2500\u30fc\uff5c|\u4e28"  # read as such already
# In characters: how far below the last one is looked, how soon the dash begins, how long it is.
REACH, SOON, LONG = 4.5, 0.8, (1.1, 3.6)
# In widths of the column: how thick it is, and where it stands.
THICK, MIDDLE = 0.14, (0.3, 0.7)
FILLED = 0.65  # of its box is ink
CONTRAST = 60  # grey levels off the paper
LEAST = 10  # pixels of a column's width
SURE = 0.9  # what is said of one


def with_column_dashes(image: NDArray[uint8], lines: Sequence[Line]) -> list[Line]:
    """``lines`` of a page (uint8 RGB), columns with the dash below them that was not read."""
    return [_with_dash(image, line) if _may_have(line) else line for line in watched(lines, 16)]


def _may_have(line: Line) -> bool:
    text = line.text
    return (
        len(text) > 1
        and runs_down(line)
        and is_cjk(text[-1])
        and text[-1] not in MARKS
        and [word.text for word in line.words] == list(text)
        and math.dist(line.polygon[0], line.polygon[3]) >= LEAST
    )


def _with_dash(image: NDArray[uint8], line: Line) -> Line:
    last = line.words[-1].polygon
    begin, side = line.words[0].polygon[0], line.polygon[3]
    start = last[1]
    pitch = math.dist(begin, start) / len(line.text)
    if pitch < 0.5 * math.dist(line.polygon[0], side) or not line.polygon[0][1] < start[1]:
        return line
    unit = ((start[0] - begin[0]) / math.dist(begin, start), (start[1] - begin[1]) / math.dist(begin, start))
    back, far = -0.5 * pitch, REACH * pitch
    a, b, c, d = (
        _along(point, unit, by)
        for point, by in ((start, back), (start, far), (last[2], far), (last[2], back))
    )
    found = _stroke(straight_line(image, (a, b, c, d), 0.0), 0.5 * pitch, pitch)
    if found is None:
        return line
    first, end = (by + back for by in found)
    text = DASH * max(1, round((end - first) / pitch))
    place = tuple(
        _along(point, unit, by)
        for point, by in ((start, first), (start, end), (last[2], end), (last[2], first))
    )
    wide = 1 / len(text)
    words = tuple(Word(one, between(place, at * wide, (at + 1) * wide), SURE) for at, one in enumerate(text))
    p = line.polygon
    longer = max(0.0, first - _room(start, p[1], unit), end - _room(start, p[1], unit))
    polygon = (p[0], _along(p[1], unit, longer), _along(p[2], unit, longer), p[3])
    return replace(line, text=line.text + text, polygon=polygon, words=(*line.words, *words))


def _along(point: Point, unit: Point, by: float) -> Point:
    return point[0] + by * unit[0], point[1] + by * unit[1]


def _room(start: Point, end: Point, unit: Point) -> float:
    """How far ``end`` lies behind ``start`` along the column."""
    return (end[0] - start[0]) * unit[0] + (end[1] - start[1]) * unit[1]


def _stroke(crop: NDArray[uint8], begin: float, pitch: float) -> tuple[float, float] | None:
    """Where a dash begins and ends along ``crop``, a column lying on its side whose last character ends at
    ``begin``; None where there is none, or more beside it, or it goes on to where the picture ends.
    """
    import cv2
    import numpy as np

    high, wide = crop.shape[:2]
    grey = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY)
    paper = int(np.median(grey[:, : round(begin + 1.5 * pitch)]))
    ink = (cv2.absdiff(grey, np.full_like(grey, paper)) > CONTRAST).astype(np.uint8)
    pieces = cv2.connectedComponentsWithStats(ink)[2][1:].tolist()
    for x, y, long, thick, area in pieces:
        flat = thick <= max(3.0, THICK * high) and area >= FILLED * long * thick
        first, end = max(float(x), begin - 0.2 * pitch), float(x + long)
        soon = first <= begin + SOON * pitch and end < wide - 1
        middle = MIDDLE[0] * high <= y + thick / 2 <= MIDDLE[1] * high
        if not (flat and soon and middle and LONG[0] * pitch <= end - first <= LONG[1] * pitch):
            continue
        beside = [p for p in pieces if p[:2] != [x, y] and p[0] < end and p[0] + p[2] > first + 0.3 * pitch]
        if all(p[1] == 0 or p[1] + p[3] == high for p in beside):  # what reaches in from other columns
            return first, end
    return None
