"""Boxes are drawn as a person would: whole letters, and none over another."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from vramwise.ocr.engines.line_shapes.fitted_boxes import fitted
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Word

LIGHT, DARK = (120, 200, 250), (200, 30, 90)


def box(
    left: float, top: float, right: float, bottom: float, down: bool = False
) -> tuple[tuple[float, float], ...]:
    corners = (left, top), (right, top), (right, bottom), (left, bottom)
    return corners[1:] + corners[:1] if down else corners


def frame(line: Line) -> tuple[float, float, float, float]:
    xs, ys = zip(*line.polygon, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def letters(paper: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """Six letters of 40 x 60 pixels from (60, 60) on, the first in a lighter colour."""
    picture = np.full((180, 420, 3), paper, np.uint8)
    for number in range(6):
        x = 60 + number * 52
        cv2.rectangle(picture, (x, 60), (x + 40, 120), DARK if number else LIGHT, 12)
    return picture


@pytest.mark.parametrize("paper", [(255, 255, 255), (20, 20, 20), (240, 230, 90)])
def test_a_box_that_ends_within_a_letter_reaches_to_its_end(paper: tuple[int, int, int]) -> None:
    word = Word("BRIDGE", box(80, 50, 366, 130), 0.9)
    (line,) = fitted([Line("BRIDGE", box(80, 50, 340, 130), 0.9, (word,))], letters(paper))
    left, top, right, bottom = frame(line)
    assert 48 <= left <= 54 and 366 <= right <= 374 and (top, bottom) == (50, 130)
    assert min(x for x, _ in line.words[0].polygon) == left


def test_what_goes_on_as_a_picture_or_into_another_line_is_not_taken_in() -> None:
    picture = letters()
    picture[20:170, :62] = LIGHT  # higher than a letter
    assert frame(fitted([Line("RIDGE", box(90, 50, 390, 130), 0.9)], picture)[0])[0] == 90
    picture = letters()
    two = [Line("B", box(40, 50, 104, 130), 0.9), Line("RIDGE", box(104, 50, 390, 130), 0.9)]
    assert [frame(line) for line in fitted(two, picture)] == [frame(line) for line in two]
    two[1] = Line("RIDGE", box(120, 50, 390, 130), 0.9)  # in the R
    assert frame(fitted(two, picture)[1])[0] == 120 or frame(fitted(two, picture)[1])[0] >= 104


@pytest.mark.parametrize("down", [False, True], ids=["level", "upright"])
def test_boxes_that_lap_are_parted_where_no_ink_is(down: bool) -> None:
    picture = np.full((300, 300, 3), 250, np.uint8)
    picture[30:100, 20:280] = picture[112:190, 20:280] = 30
    boxes = [(10, 15, 290, 125), (10, 92, 290, 205)]
    if down:
        picture = np.ascontiguousarray(picture.transpose(1, 0, 2))
        boxes = [(y0, x0, y1, x1) for x0, y0, x1, y1 in boxes]
    lines = [Line(f"{n}", box(*sides, down=down), 0.9) for n, sides in enumerate(boxes)]
    for some in (lines, lines[::-1]):
        by_text = {line.text: frame(line) for line in fitted(some, picture)}
        axis = 0 if down else 1
        assert 100 <= by_text["0"][axis + 2] == by_text["1"][axis] <= 112


def test_a_line_within_another_and_slanted_ones_stay() -> None:
    picture = np.full((200, 400, 3), 250, np.uint8)
    within = [Line("a", box(10, 10, 390, 150)), Line("b", box(40, 40, 120, 90))]
    slanted = [Line("a", ((10, 60), (380, 10), (390, 60), (20, 110))), Line("b", box(40, 80, 300, 130))]
    for lines in (within, slanted):
        assert fitted(lines, picture) == lines
