"""Pages of short lines that were laid in aslant: each line's box is level, their rows are not."""

from __future__ import annotations

import math

import pytest
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.text_angle import level_angle, text_angle

XS = (0, 180, 330, 520, 700, 860)


def at(text: str, left: float, top: float, wide: float = 90) -> Line:
    right, bottom = left + wide, top + 28
    return Line(text, ((left, top), (right, top), (right, bottom), (left, bottom)), 0.9)


def table(slant: float) -> list[Line]:
    """Six columns, eight rows, 40 pixels from one to the next."""
    return [
        at(f"{'word' if y == 0 else 7}{y}{x}", left, 40 * y + round(slant * left))
        for y in range(8)
        for x, left in enumerate(XS)
    ]


@pytest.mark.parametrize("degrees", [-2.0, -0.8, 0.5, 1.7, 2.2])
def test_rows_of_short_level_lines_tell_how_a_page_slants(degrees: float) -> None:
    """The last cell of a row stood as high as the first one of the row below."""
    lines = table(math.tan(math.radians(degrees)))
    assert math.degrees(text_angle(lines)) == pytest.approx(degrees, abs=0.1)
    assert math.degrees(level_angle(lines)) == pytest.approx(degrees, abs=0.1)
    (found,) = reading_order.tables(lines, reading_order.arrange(lines))
    assert [[cell.text for cell in row] for row in found.rows] == [
        [line.text for line in lines[6 * y : 6 * y + 6]] for y in range(8)
    ]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_page_on_its_side_tells_it_too(turn: int) -> None:
    def turned(x: float, y: float) -> tuple[float, float]:
        for _ in range(turn // 90):
            x, y = 1000 - y, x
        return x, y

    lines = [Line(one.text, tuple(turned(*p) for p in one.polygon), 0.9) for one in table(0.03)]
    away = math.degrees(text_angle(lines)) - turn - math.degrees(math.atan(0.03))
    assert (away + 180) % 360 - 180 == pytest.approx(0, abs=0.1)


def test_a_level_table_stays_level() -> None:
    assert text_angle(table(0.0)) == 0.0


def test_long_lines_tell_their_own_slant() -> None:
    """Two columns of an article whose lines stand a little lower on the right, and numbers beside them."""
    lines = [
        at("a line of an article", left, 40 * y + 8 * x, wide)
        for y in range(9)
        for x, (left, wide) in enumerate(((0, 400), (420, 400), (840, 60)))
    ]
    assert text_angle(lines) == 0.0


def test_rows_that_do_not_agree_tell_nothing() -> None:
    """Labels strewn over a picture."""
    lines = [
        at("sign", left, 60 * y + (x * (7 * y - 11)) % 17) for y in range(6) for x, left in enumerate(XS)
    ]
    assert text_angle(lines) == 0.0
