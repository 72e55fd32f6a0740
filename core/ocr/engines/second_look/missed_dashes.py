"""Dashes in cells of tables that are empty else: no detector takes one short stroke for a line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from ....cancel import watched
from ...results.line import Line
from ...results.line_boxes import Box, level_boxes, rotated
from ...results.reading_order import ReadingOrder
from ...results.result import Point
from ...results.tables.grid import Grid
from ...results.text_angle import text_angle
from ..level_picture import straight_line

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

# In line heights. So far around a row's middle and beside a column is looked; a dash stands so near that
# middle, is so long and so thick; a hyphen and a short dash are no longer than.
AROUND, BESIDE = 0.55, 0.2
NEAR, LEAST, MOST, THICK = 0.25, 0.18, 1.8, 0.25
HYPHEN, SHORT = 0.4, 0.77
FLAT = 1.8  # times as long as thick, at least
CONTRAST = 45  # grey levels off the paper
WHOLE = 0.75  # of the stroke's box is ink
SURE = 0.9  # what is said of one
Place = tuple[float, float, float, float]


def with_dashes(image: NDArray[uint8], lines: Sequence[Line], order: ReadingOrder) -> list[Line]:
    """``lines`` of a page (uint8 RGB), and behind them the dashes in empty cells of its tables."""
    found: list[Line] = []
    if not order.grids:
        return list(lines)
    angle = text_angle(lines)
    boxes = {box.index: box for box in level_boxes(lines, angle)}
    for grid in order.grids:
        for place, high in watched(_empty_cells(grid, boxes), 8):
            dash = _dash(image, place, high, angle)
            if dash is not None:
                found.append(dash)
    return [*lines, *found]


def _empty_cells(grid: Grid, boxes: dict[int, Box]) -> Iterator[tuple[Place, float]]:
    """(x0, y0, x1, y1) of the middle of each empty cell, on the level page, and how high a line is there."""
    columns: dict[int, list[Box]] = {}
    rows: dict[int, list[Box]] = {}
    covered: set[tuple[int, int]] = set()
    for y, row in enumerate(grid.rows):
        for x, cell in enumerate(row):
            mine = [boxes[index] for index in cell.lines if index in boxes]
            if cell.across == 1:
                columns.setdefault(x, []).extend(mine)
            if cell.down == 1 and len(mine) == 1:
                rows.setdefault(y, []).extend(mine)
            if mine and (cell.across > 1 or cell.down > 1):
                covered |= set(itertools.product(range(y, y + cell.down), range(x, x + cell.across)))
    for y, row in enumerate(grid.rows):
        for x, cell in enumerate(row):
            if cell.lines or (y, x) in covered or not columns.get(x) or not rows.get(y):
                continue
            high, middle = median(b.height for b in rows[y]), median(b.middle for b in rows[y])
            left, right = min(b.x0 for b in columns[x]), max(b.x1 for b in columns[x])
            yield (
                (left - BESIDE * high, middle - AROUND * high, right + BESIDE * high, middle + AROUND * high),
                high,
            )


def _dash(image: NDArray[uint8], place: Place, high: float, angle: float) -> Line | None:
    """The dash that stands alone at ``place`` of the page turned by ``angle``; None where nothing does, or
    something else.
    """
    x0, y0, x1, y1 = place
    crop = straight_line(image, _around(place, angle), 0.0)
    found = _alone(crop)
    if found is None:
        return None
    x, y, wide, thick = found
    across, down = (x1 - x0) / crop.shape[1], (y1 - y0) / crop.shape[0]
    long, middle = wide * across / high, (y + thick / 2) * down
    flat = thick * down <= max(2.0, THICK * high) and wide >= FLAT * thick
    if not flat or not LEAST <= long <= MOST or abs(middle - (y1 - y0) / 2) > NEAR * high:
        return None
    left, right = x0 + x * across, x0 + (x + wide) * across
    text = "-" if long < HYPHEN else "\u2013" if long < SHORT else "\u2014"
    return Line(text, _around((left, y0 + middle - high / 2, right, y0 + middle + high / 2), angle), SURE)


def _alone(crop: NDArray[uint8]) -> tuple[int, int, int, int] | None:
    """(x, y, width, height) of the one piece of ink on a picture that touches no side of it; None where there
    is none, or several, or it is not filled.
    """
    import cv2
    import numpy as np

    grey = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY)
    ink = (cv2.absdiff(grey, np.full_like(grey, int(np.median(grey)))) > CONTRAST).astype(np.uint8)
    height, width = ink.shape
    inside = [
        (x, y, wide, high, area)
        for x, y, wide, high, area in cv2.connectedComponentsWithStats(ink)[2][1:].tolist()
        if x > 0 and y > 0 and x + wide < width and y + high < height
    ]
    if len(inside) != 1:
        return None
    x, y, wide, high, area = inside[0]
    return (x, y, wide, high) if area >= WHOLE * wide * high else None


def _around(place: Place, angle: float) -> tuple[Point, ...]:
    x0, y0, x1, y1 = place
    return tuple(rotated(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), angle))
