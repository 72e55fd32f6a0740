"""In which direction the text of a page runs: by its lines, and by the rows that short ones stand on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import median

from ...cancel import watched
from .line import Line
from .line_boxes import Box, level_boxes

ACROSS = 0.7  # the sine of a line's turn against the page's
# A row of so many short lines tells a slant, and so many rows, of which this share agree (to these radians).
# Lines of so many line heights tell their own slant, where they are this share.
IN_A_ROW, ROWS, AGREE, ALIKE, OWN, MOST_OWN = 3, 3, 0.75, 0.006, 10.0, 0.3
PASSES = 3
MOST_LINES = 150  # of a page are looked at
LEAST_SLANT, MOST_SLANT = 0.003, 0.06  # radians
BESIDE = 0.6  # line heights that the next line of a row stands higher or lower, at most
KEPT = 8  # pages' answers: rules, order and dashes ask about the same lines one after the other
LEVEL = 0.12  # line heights that the lines of a levelled row stand off it, on the median


def text_angle(lines: Sequence[Line]) -> float:
    """The direction in which most text runs, in radians (0 is left to right, positive turns clockwise)."""
    weighted = []
    for line in lines:
        (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
        length = math.hypot(x1 - x0, y1 - y0)
        if length > 0:
            weighted.append((math.atan2(y1 - y0, x1 - x0), length))
    if not weighted:
        return 0.0
    quarter = math.pi / 2
    turns: dict[int, float] = {}
    for angle, length in weighted:
        turns[round(angle / quarter) % 4] = turns.get(round(angle / quarter) % 4, 0.0) + length
    turn = max(turns, key=lambda key: turns[key])
    return level_angle(lines, turn * quarter)


def level_angle(lines: Sequence[Line], about: float = 0.0) -> float:
    """As ``text_angle``, of a page whose text runs ``about`` that way."""
    angle = about + skew(lines, about)
    return angle + row_slant(lines, angle)


def skew(lines: Sequence[Line], angle: float) -> float:
    """By how much more than ``angle`` the lines that run about that way are turned (radians)."""
    rest = []
    for line in lines:
        (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
        if (x0, y0) != (x1, y1):
            rest.append((math.atan2(y1 - y0, x1 - x0) - angle + math.pi) % (2 * math.pi) - math.pi)
    near = [one for one in rest if abs(one) < math.pi / 4]
    return median(near) if near else 0.0


def runs_across(line: Line, angle: float) -> bool:
    """Whether a line runs up or down a page whose text runs at ``angle``, as in a margin."""
    (x0, y0), (x1, y1) = line.polygon[:2]
    return abs(math.sin(math.atan2(y1 - y0, x1 - x0) - angle)) > ACROSS


def row_slant(lines: Sequence[Line], angle: float) -> float:
    """By how much more than ``angle`` the rows of a page of short lines are turned (radians). A detector's
    box around a few letters is level on a page that was laid in aslant; over a row of cells it adds up.
    """
    if len(lines) < ROWS * IN_A_ROW:
        return 0.0
    boxes = level_boxes([line for line in lines if not runs_across(line, angle)][:MOST_LINES], angle)
    if sum(box.width > OWN * box.height for box in boxes) > MOST_OWN * len(boxes):
        return 0.0
    return _slant(tuple((box.x0, box.y0, box.x1, box.y1) for box in boxes))


@lru_cache(maxsize=KEPT)
def _slant(places: tuple[tuple[float, float, float, float], ...]) -> float:
    """How much the rows of boxes that are there are turned (radians)."""
    boxes = [Box(index, *place) for index, place in enumerate(places)]
    slant = 0.0
    for _ in range(PASSES):  # farther cells are found once the near ones have told
        rows = [row for row in _chains(boxes, slant) if len(row) >= IN_A_ROW]
        if len(rows) < ROWS:
            return 0.0
        slopes = [_slope(row) for row in rows]
        slant = median(slopes)
    agree = sum(abs(one - slant) < ALIKE for one in slopes) >= AGREE * len(rows)
    level = median(away for row in rows for away in _off(row, slant)) < LEVEL
    return math.atan(slant) if agree and level and LEAST_SLANT < abs(slant) < MOST_SLANT else 0.0


def _slope(row: Sequence[Box]) -> float:
    """How far a row runs down for each pixel to the right."""
    x, y = sum(b.centre for b in row) / len(row), sum(b.middle for b in row) / len(row)
    return sum((b.centre - x) * (b.middle - y) for b in row) / max(1.0, sum((b.centre - x) ** 2 for b in row))


def _off(row: Sequence[Box], slant: float) -> list[float]:
    """How far the lines of a row stand off it, in line heights."""
    at = median(b.middle - slant * b.centre for b in row)
    return [abs(b.middle - slant * b.centre - at) / b.height for b in row]


def _chains(boxes: Sequence[Box], slant: float) -> list[list[Box]]:
    """Lines that stand beside one another on rows which run down by ``slant``, from left to right."""
    chains: list[list[Box]] = []
    for box in watched(sorted(boxes, key=lambda b: b.centre), 8):
        best, mine = BESIDE, None
        for chain in chains:
            last = chain[-1]
            low = min(box.height, last.height)
            away = abs(box.middle - last.middle - slant * (box.centre - last.centre)) / low
            if away < best and last.x1 < box.x0 + low:
                best, mine = away, chain
        if mine is None:
            chains.append([box])
        else:
            mine.append(box)
    return chains
