"""Lines as upright boxes on a page that was turned so that most text runs left to right, and their rows."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from ...cancel import watched
from .line import Line
from .result import Point

MARGIN = 0.15  # of a box is no letter, above and below
INITIAL = 1.6  # an initial is so many times as high as a usual line


@dataclass(frozen=True)
class Box:
    """A line's upright box after the page was turned; y grows downwards."""

    index: int
    x0: float
    y0: float
    x1: float
    y1: float
    text: str = ""

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def centre(self) -> float:
        return (self.x0 + self.x1) / 2


def around(number: int, boxes: Sequence[Box]) -> Box:
    """The box around ``boxes``, which stands for them by a number of its own."""
    return Box(
        number,
        min(b.x0 for b in boxes),
        min(b.y0 for b in boxes),
        max(b.x1 for b in boxes),
        max(b.y1 for b in boxes),
    )


def close_groups(boxes: Sequence[Box], close: Callable[[Box, Box], bool]) -> list[list[Box]]:
    """``boxes`` in groups: each is ``close`` to another of its own. From above in each."""
    groups: list[list[Box]] = []
    for box in watched(sorted(boxes, key=lambda b: b.y0)):
        mine = [group for group in groups if any(close(box, above) for above in group)]
        groups = [group for group in groups if group not in mine]
        groups.append([*itertools.chain.from_iterable(mine), box])
    return groups


def rotated(points: Sequence[Point], angle: float) -> list[Point]:
    """``points`` turned about the page's corner by ``angle`` (radians, positive is clockwise)."""
    cos, sin = math.cos(angle), math.sin(angle)
    return [(x * cos - y * sin, x * sin + y * cos) for x, y in points]


def level_boxes(lines: Sequence[Line], angle: float) -> list[Box]:
    """The lines' boxes once the page is turned back by ``angle`` (radians). A leaning line's box is cut to
    the line's own height, that of a line on an arc to the height of its middle part.
    """
    boxes = []
    for index, line in enumerate(lines):
        turned = rotated(line.polygon, -angle)
        xs = [x for x, _ in turned]
        ys = sorted([y for _, y in (rotated(line.crown, -angle) if line.crown else turned)])
        top, bottom = (ys[0] + ys[1]) / 2, (ys[-1] + ys[-2]) / 2
        boxes.append(Box(index, min(xs), top, max(xs), max(bottom, top + 1), line.text))
    return boxes


def visual_rows(boxes: Sequence[Box]) -> list[list[Box]]:
    """Group boxes whose middles lie on one line of text; rows top to bottom, boxes left to right."""
    rows: list[list[Box]] = []
    middles: list[float] = []  # of the last row, sorted
    heights: list[float] = []
    for box in watched(sorted(boxes, key=lambda b: b.middle)):
        if rows and abs(box.middle - _median(middles)) < 0.5 * min(box.height, _median(heights)):
            rows[-1].append(box)
        else:
            rows.append([box])
            middles, heights = [], []
        bisect.insort(middles, box.middle)
        bisect.insort(heights, box.height)
    _raise_initials(rows)
    for row in rows:
        row.sort(key=lambda b: b.x0)
    return rows


def _raise_initials(rows: list[list[Box]]) -> None:
    """Move each initial, a letter as high as two rows or more, to the first of the rows beside it."""
    usual = median(b.height for row in rows for b in row) if rows else 0.0
    high = [
        (at, b)
        for at, row in enumerate(rows)
        for b in row
        if b.height > INITIAL * usual and b.width < b.height * 1.3
    ]
    for at, initial in high:
        beside = [
            place
            for place in range(max(0, at - 5), min(len(rows), at + 6))
            if any(
                -0.5 * usual < b.x0 - initial.x1 < 1.5 * usual
                and b.height < 0.7 * initial.height
                and initial.y0 - 0.3 * usual < b.middle < initial.y1
                for b in rows[place]
            )
        ]
        if len(beside) > 1 and beside[0] < at:
            rows[at].remove(initial)
            rows[beside[0]].append(initial)
    rows[:] = [row for row in rows if row]


def _median(ordered: Sequence[float]) -> float:
    """As statistics.median, which sorts anew each time."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def blank_bands(boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """The blank bands through all ``boxes``, from above: (y of its middle, height in pixels). Boxes are taken
    without the room that detectors leave above and below letters.
    """
    bands = []
    reach = None
    for box in sorted(boxes, key=lambda b: b.y0):
        top, bottom = box.y0 + MARGIN * box.height, box.y1 - MARGIN * box.height
        if reach is not None and top > reach:
            bands.append(((top + reach) / 2, top - reach))
        reach = bottom if reach is None else max(reach, bottom)
    return bands
