"""The long dash at the foot of a column of Japanese."""

from __future__ import annotations

import numpy as np
import pytest
from vramwise.ocr.engines.second_look.column_dashes import with_column_dashes
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Word

TEXT = "\u305f\u3081\u306b\u306f"
WIDE, PITCH, TOP, RIGHT = 32, 28, 40, 100
FOOT = TOP + PITCH * len(TEXT)
DASHES = "\u2015\u2015"


def column(text: str = TEXT) -> Line:
    def box(y0: float, y1: float):
        return ((RIGHT, y0), (RIGHT, y1), (RIGHT - WIDE, y1), (RIGHT - WIDE, y0))

    words = tuple(Word(c, box(TOP + PITCH * n, TOP + PITCH * (n + 1)), 0.9) for n, c in enumerate(text))
    return Line(text, box(TOP, TOP + PITCH * len(text)), 0.99, words)


def page(paper: int = 255, ink: int = 0, stroke: tuple[int, int, int, int] | None = None) -> np.ndarray:
    image = np.full((400, 200, 3), paper, np.uint8)
    for number in range(len(TEXT)):
        y = TOP + PITCH * number
        image[y + 4 : y + PITCH - 4, RIGHT - WIDE + 5 : RIGHT - 5] = ink
    if stroke:
        x0, y0, x1, y1 = stroke
        image[y0:y1, x0:x1] = ink
    return image


def dash(
    start: int = FOOT + 4, long: int = 2 * PITCH, x: int = RIGHT - WIDE // 2
) -> tuple[int, int, int, int]:
    return x - 1, start, x + 2, start + long


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255)])
def test_a_dash_below_a_column_belongs_to_it(paper, ink):
    (line,) = with_column_dashes(page(paper, ink, dash()), [column()])
    assert line.text == TEXT + DASHES == "".join(word.text for word in line.words)
    assert line.polygon[1][1] == pytest.approx(FOOT + 4 + 2 * PITCH, abs=2)


@pytest.mark.parametrize(
    "stroke",
    [
        None,
        dash(start=FOOT + PITCH),  # apart
        dash(long=PITCH // 2),
        dash(long=8 * PITCH),  # a rule
        dash(x=RIGHT - 3),  # beside the column
        (RIGHT - WIDE + 5, FOOT + 4, RIGHT - 5, FOOT + 2 * PITCH),  # a block
    ],
)
def test_other_strokes_are_no_dashes(stroke):
    line = column()
    assert with_column_dashes(page(stroke=stroke), [line]) == [line]


def test_a_dash_with_something_beside_it_is_none():
    image = page(stroke=dash())
    image[FOOT + 30 : FOOT + 40, RIGHT - 12 : RIGHT - 6] = 0
    assert with_column_dashes(image, [column()])[0].text == TEXT


def test_a_column_that_says_its_dash_gets_no_second_one():
    line = column(TEXT[:-1] + "\u2015")
    assert with_column_dashes(page(stroke=dash()), [line]) == [line]
