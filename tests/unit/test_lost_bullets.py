"""Bullets before the lines of a list, drawn here; the lines are as the recogniser gives them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from vramwise.ocr.engines.second_look.lost_bullets import BULLET, with_bullets
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.line_boxes import rotated

ITEMS = ("Meeting notes are posted", "Upcoming meetings", "Purpose of this page", "Leadership")
HIGH, LEFT, TOP, PITCH = 36, 120, 60, 50


def page(turn: float = 0.0, dark: bool = False) -> tuple[Image.Image, list[Line]]:
    """Four lines without bullets, and where they stand."""
    ink, paper = ("white", "#203040") if dark else ("#222222", "white")
    picture = Image.new("RGB", (700, 320), paper)
    pen, lines = ImageDraw.Draw(picture), []
    for number, text in enumerate(ITEMS):
        y = TOP + PITCH * number
        pen.text((LEFT, y), text, ink, font=ImageFont.load_default(28))
        right = LEFT + pen.textlength(text, font=ImageFont.load_default(28))
        corners = ((LEFT, y), (right, y), (right, y + HIGH), (LEFT, y + HIGH))
        lines.append(Line(text, tuple(rotated(corners, turn)), 0.98))
    return picture, lines


def dotted(picture: Image.Image, numbers: tuple[int, ...], size: float = 10.0, down: float = 0.5,
           before: float = 30.0, ink: str = "#222222") -> None:  # fmt: skip
    for number in numbers:
        x, y = LEFT - before, TOP + PITCH * number + down * HIGH
        ImageDraw.Draw(picture).ellipse((x - size / 2, y - size / 2, x + size / 2, y + size / 2), ink)


def pixels(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("before", [22.0, 60.0])
def test_bullets_of_a_list_begin_its_lines(dark: bool, before: float) -> None:
    picture, lines = page(dark=dark)
    dotted(picture, (0, 2, 3), before=before, ink="white" if dark else "#222222")
    found = with_bullets(pixels(picture), lines)
    assert [line.text.startswith(f"{BULLET} ") for line in found] == [True, False, True, True]
    assert [line.text.removeprefix(f"{BULLET} ") for line in found] == list(ITEMS)
    assert found[0].polygon[0][0] == pytest.approx(LEFT - before - 5, abs=3) and found[1] == lines[1]
    marked = reading_order.markdown(found, reading_order.arrange(found)).splitlines()
    assert [line.startswith("- ") for line in marked if line] == [True, False, True, True]


def test_what_another_line_says_is_no_bullet() -> None:
    picture, lines = page()
    dotted(picture, (0, 1, 2, 3))
    x = LEFT - 30
    cells = [
        Line("N", ((x - 9, y), (x + 9, y), (x + 9, y + HIGH), (x - 9, y + HIGH)), 0.98)
        for y in range(TOP, TOP + 4 * PITCH, PITCH)
    ]
    assert with_bullets(pixels(picture), [*lines, *cells]) == [*lines, *cells]


def test_on_a_page_that_leans_too() -> None:
    turn = 0.06
    picture, lines = page(turn)
    dotted(picture, (0, 1))
    leaning = picture.rotate(-np.degrees(turn), center=(0, 0), fillcolor="white", resample=Image.BICUBIC)
    found = with_bullets(pixels(leaning), lines)
    assert [line.text[0] == BULLET for line in found] == [True, True, False, False]


def test_one_that_was_read_makes_a_list_with_another() -> None:
    picture, lines = page()
    dotted(picture, (0, 1))
    lines[0] = replace(lines[0], text=f"{BULLET} {lines[0].text}", polygon=(
        (LEFT - 35, TOP), *lines[0].polygon[1:3], (LEFT - 35, TOP + HIGH)))  # fmt: skip
    found = with_bullets(pixels(picture), lines)
    assert [line.text[0] == BULLET for line in found] == [True, True, False, False]
    assert found[0] == lines[0]


@pytest.mark.parametrize(
    "drawn",
    [
        {"numbers": (1,)},
        {"numbers": (0, 1), "down": 0.8},
        {"numbers": (0, 1), "size": 4.0},
        {"numbers": (0, 1), "size": 24.0},
    ],
    ids=["one dot is no list", "full stops", "specks", "buttons"],
)
def test_other_dots_are_none(drawn: dict[str, object]) -> None:
    picture, lines = page()
    dotted(picture, **drawn)  # type: ignore[arg-type]
    assert with_bullets(pixels(picture), lines) == lines


def test_the_end_of_the_column_before_is_none() -> None:
    picture, lines = page()
    for number in range(4):
        y = TOP + PITCH * number + 14
        ImageDraw.Draw(picture).ellipse((LEFT - 50, y, LEFT - 38, y + 12), "#222222")  # an o
        ImageDraw.Draw(picture).rectangle(
            (LEFT - 62, y - 10, LEFT - 54, y + 12), "#222222"
        )  # and what is before
    assert with_bullets(pixels(picture), lines) == lines
