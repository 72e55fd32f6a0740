"""Dashes that stand alone in cells of a table are read, which detectors pass over."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from vramwise.ocr.engines.second_look.missed_dashes import with_dashes
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.rules import Rule

XS = (20, 200, 340)
ROWS = (("Town", "Tea", "Salt"), ("Oslo", "12.50", ""), ("Bergen", "", "7.10"), ("Molde", "3.00", "4.20"))


def at(text: str, left: float, top: float) -> Line:
    right, bottom = left + 14 * len(text), top + 26
    return Line(text, ((left, top), (right, top), (right, bottom), (left, bottom)), 0.9)


def table() -> list[Line]:
    return [
        at(text, x, 20 + 44 * y)
        for y, row in enumerate(ROWS)
        for x, text in zip(XS, row, strict=True)
        if text
    ]


def page(dark: bool = False) -> NDArray[np.uint8]:
    picture = np.full((220, 440, 3), 250, np.uint8)
    for line in table():
        (x0, y0), (x1, y1) = line.polygon[0], line.polygon[2]
        for x in range(round(x0) + 2, round(x1), 7):
            picture[round(y0) + 5 : round(y1) - 4, x : x + 3] = 20
    return 255 - picture if dark else picture


def rows(lines: list[Line], picture: NDArray[np.uint8]) -> list[list[str]]:
    found = with_dashes(picture, lines, reading_order.arrange(lines))
    (one,) = reading_order.tables(found, reading_order.arrange(found))
    return [[cell.text for cell in row] for row in one.rows]


@pytest.mark.parametrize("dark", [False, True])
def test_strokes_in_the_middle_of_empty_cells_are_dashes(dark: bool) -> None:
    picture = page()
    picture[64 + 12 : 64 + 14, 360:367] = 20  # as long as a hyphen
    picture[108 + 12 : 108 + 14, 220:246] = 20
    picture = 255 - picture if dark else picture
    assert rows(table(), picture) == [
        ["Town", "Tea", "Salt"],
        ["Oslo", "12.50", "-"],
        ["Bergen", "\u2014", "7.10"],
        ["Molde", "3.00", "4.20"],
    ]


def test_what_is_no_dash_stays_unread() -> None:
    """A line to write on, a dot, a rule through the cell and a sign."""
    for top, bottom, left, right in (
        (84, 86, 345, 380),
        (74, 78, 360, 364),
        (76, 78, 300, 440),
        (66, 86, 360, 372),
    ):
        picture = page()
        picture[top:bottom, left:right] = 20
        assert with_dashes(picture, table(), reading_order.arrange(table())) == table()


def test_dashes_of_a_slanted_page_stand_where_they_do() -> None:
    """The page's corner stays; what lies below it turns by two degrees."""
    import cv2

    picture, slant = page(), math.radians(2)
    picture[76:78, 360:380] = 20
    cos, sin = math.cos(slant), math.sin(slant)
    turned = cv2.warpAffine(
        picture, np.array([[cos, -sin, 20], [sin, cos, 0.0]]), (480, 260), borderValue=(250, 250, 250)
    )
    lines = [
        Line(one.text, tuple((x * cos - y * sin + 20, x * sin + y * cos) for x, y in one.polygon), 0.9)
        for one in table()
    ]
    (dash,) = with_dashes(turned, lines, reading_order.arrange(lines))[len(lines) :]
    middle = [sum(point[n] for point in dash.polygon) / 4 for n in (0, 1)]
    assert middle == pytest.approx([370 * cos - 77 * sin + 20, 370 * sin + 77 * cos], abs=2)


def test_a_merged_heading_has_no_empty_cell() -> None:
    lines = table()
    lines[1:3] = [at("Prices of both", 200, 20)]
    rules = [Rule((10, y), (430, y)) for y in (10, 54, 98, 142, 190)]
    rules += [Rule((x, top), (x, 190)) for x, top in ((10, 10), (190, 10), (330, 54), (430, 10))]
    picture = page()
    picture[20:46, 190:430] = 250
    picture[32:34, 380:400] = 20
    order = reading_order.arrange(lines, rules=rules)
    assert order.grids[0].rows[0][1].across == 2
    assert with_dashes(picture, lines, order) == lines
