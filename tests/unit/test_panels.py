"""Comics and memes: framed pictures are found, and read one by one with their balloons."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from vramwise.ocr.engines.pictures import page_pictures
from vramwise.ocr.engines.pictures.page_pictures import pictures_on
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.panels import Panel, Pictures, in_order
from vramwise.ocr.results.reading_order import arrange, plain_text
from vramwise.ocr.results.rules import Rule

HIGH = 20  # pixels of a line of text
GRID = [(20, 20, 480, 480), (520, 20, 980, 480), (20, 520, 480, 980), (520, 520, 980, 980)]


def balloon(x: float, y: float, *texts: str) -> list[Line]:
    """Lines close over one another whose middles stand at ``x``, the first at ``y``."""
    found = []
    for row, text in enumerate(texts):
        wide, top = 11 * len(text), y + row * 1.2 * HIGH
        left, right, foot = x - wide / 2, x + wide / 2, top + HIGH
        found.append(Line(text, ((left, top), (right, top), (right, foot), (left, foot)), 0.99))
    return found


def comic(panels: Sequence[tuple[int, int, int, int]], drawn: bool = True) -> NDArray[np.uint8]:
    page = np.full((1000, 1000, 3), 255, np.uint8)
    for x0, y0, x1, y1 in panels:
        if drawn:
            cv2.circle(page, ((x0 + x1) // 2, y1 - (y1 - y0) // 4), (y1 - y0) // 5, (90, 160, 60), -1)
        cv2.rectangle(page, (x0, y0), (x1, y1), (0, 0, 0), 4)
    return page


FOUR = [
    *balloon(240, 60, "That is right", "and I am here"),
    *balloon(740, 60, "Gasp", "It is he"),
    *balloon(150, 560, "But how could", "you be here"),
    *balloon(370, 590, "I came by", "the bus"),
    *balloon(820, 540, "Oh that is", "why"),
    *balloon(640, 620, "You are", "late"),
]
READ = (
    "That is right and I am here Gasp It is he But how could you be here I came by the bus "
    "Oh that is why You are late"
)


def panels_on(picture: NDArray[np.uint8], lines: Sequence[Line]) -> tuple[Panel, ...]:
    found = pictures_on(picture, lines)
    return found.panels if found else ()


def read(picture: NDArray[np.uint8], lines: Sequence[Line], rules: Sequence[Rule] = ()) -> str:
    return " ".join(
        plain_text(lines, arrange(lines, rules=rules, pictures=pictures_on(picture, lines))).split()
    )


def test_the_panels_of_a_comic_are_read_one_by_one_with_their_balloons() -> None:
    assert len(panels_on(comic(GRID), FOUR)) == 4
    assert read(comic(GRID), FOUR) == READ
    assert read(comic(GRID), FOUR[::-1]) == READ


def upright(x: float, y: float, text: str) -> Line:
    """A column of large Han letters, read from top to bottom."""
    right, foot = x + 60, y + 60 * len(text)
    return Line(text, ((right, y), (right, foot), (x, foot), (x, y)), 0.99)


def test_panels_of_upright_columns_are_read_from_the_right() -> None:
    """Their rows are no farther apart than the letters are wide."""
    one, two, three, four, five = ("".join(chr(0x4E00 + 7 * n + k) for k in range(4)) for n in range(5))
    lines = [
        upright(800, 236, one),
        upright(600, 236, two),
        upright(100, 236, three),
        upright(900, 522, four),
        upright(300, 522, five),
    ]
    assert read(comic(GRID), lines[::-1]).split() == [one, two, three, four, five]
    assert plain_text(lines, arrange(lines)).split() != [one, two, three, four, five]


def test_dark_pages_and_large_ones_have_panels_too() -> None:
    dark = np.where(comic(GRID) == 255, 0, 255 - comic(GRID)).astype(np.uint8)
    assert read(np.ascontiguousarray(dark), FOUR) == READ
    twice = [Line(one.text, tuple((2 * x, 2 * y) for x, y in one.polygon), 0.9) for one in FOUR]
    assert read(np.ascontiguousarray(cv2.resize(comic(GRID), None, fx=2, fy=2)), twice) == READ


def test_a_title_a_caption_between_and_a_name_below_stand_where_they_are_read() -> None:
    around = [*balloon(300, 492, "Later"), *balloon(900, 981, "by nobody")]
    assert read(comic(GRID), [*around, *FOUR]) == READ.replace("But", "Later But") + " by nobody"


def test_a_tall_panel_beside_two_low_ones_is_read_before_them() -> None:
    tall, top, foot, wide = (
        Panel(0, 0, 48, 80),
        Panel(52, 0, 100, 38),
        Panel(52, 42, 100, 80),
        Panel(0, 84, 100, 99),
    )
    assert in_order([wide, foot, top, tall]) == [tall, top, foot, wide]


def test_two_low_panels_on_the_right_are_read_before_a_tall_one_on_the_left_of_a_manga() -> None:
    tall, upper, lower = Panel(0, 500, 300, 1000), Panel(320, 500, 620, 740), Panel(320, 760, 620, 1000)
    above = Panel(0, 0, 620, 480)
    none = np.zeros((1, 1), np.int64)
    mirrored = Pictures((tall, lower, above, upper), none, 1.0).from_the_right().panels
    places = [mirrored.index(panel) for panel in in_order(mirrored)]
    assert [(tall, lower, above, upper)[place] for place in places] == [above, upper, lower, tall]


def test_frames_without_a_drawing_are_no_panels() -> None:
    assert panels_on(comic(GRID, drawn=False), FOUR) == ()


def test_a_table_in_a_frame_is_read_row_by_row_beside_a_picture() -> None:
    """Two framed tables with shaded heads, as large as panels."""
    page = comic(GRID[:2], drawn=False)
    lines: list[Line] = []
    rules = []
    for x0, y0, x1, y1 in GRID[:2]:
        page[y0 : y0 + 90, x0:x1] = 170
        for step in range(1, 5):
            y = y0 + step * (y1 - y0) // 5
            cv2.line(page, (x0, y), (x1, y), (0, 0, 0), 3)
            rules.append(Rule((float(x0), float(y)), (float(x1), float(y))))
        for row in range(5):
            for cell in range(2):
                lines += balloon(x0 + 110 + 230 * cell, y0 + 35 + row * 92, f"cell{row}{cell}")
    assert panels_on(page, lines)
    assert "cell00 cell01" in read(page, lines, rules)


@pytest.mark.parametrize("lines", [FOUR[:2], balloon(500, 496, "one", "two")])
def test_a_page_with_text_in_one_picture_alone_is_read_as_ever(lines: list[Line]) -> None:
    assert read(comic(GRID), lines) == " ".join(line.text for line in lines)


def test_panels_that_a_logo_joins_are_read_one_by_one() -> None:
    page = comic(GRID)
    cv2.ellipse(page, (500, 500), (70, 28), 0, 0, 360, (255, 255, 255), -1)
    cv2.ellipse(page, (500, 500), (70, 28), 0, 0, 360, (0, 0, 0), 4)
    name = balloon(500, 490, "by nobody")
    assert len(panels_on(page, [*FOUR, *name])) == 4
    assert read(page, [*FOUR, *name]) == READ.replace("But", "by nobody But")


def touching() -> NDArray[np.uint8]:
    """Four pictures without a gutter."""
    page = np.full((1000, 1000, 3), 60, np.uint8)
    for number, (x, y) in enumerate([(0, 0), (500, 0), (0, 500), (500, 500)]):
        page[y : y + 500, x : x + 500] = (40 + 50 * number, 200 - 40 * number, 90)
        cv2.circle(page, (x + 250, y + 350), 110, (250, 240, 230), -1)
    return page


def test_a_word_level_with_a_caption_is_of_the_picture_that_it_stands_in() -> None:
    lines = [
        *balloon(250, 60, "It is a nice day", "to be here"),
        *balloon(750, 60, "Sure"),
        *balloon(250, 560, "Rain"),
        *balloon(750, 560, "will come", "soon"),
    ]
    assert read(touching(), lines[::-1]) == "It is a nice day to be here Sure Rain will come soon"


def test_a_page_of_text_alone_is_not_parted_by_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than half of all pages, which need not wait for it."""
    looked: list[int] = []
    monkeypatch.setattr(page_pictures, "parted_by_seams", lambda *_: looked.append(1) or [])
    panels_on(comic(GRID, drawn=False), FOUR)
    assert not looked
    panels_on(comic(GRID), FOUR)
    assert looked


def test_a_low_strip_of_words_has_no_panels() -> None:
    page = np.full((12, 1500, 3), 255, np.uint8)
    page[2:10, 100:140] = page[2:10, 1000:1040] = 0
    assert panels_on(page, [*balloon(120, 0, "one"), *balloon(1020, 0, "two")]) == ()


def test_the_side_of_a_thing_with_a_text_below_is_no_seam() -> None:
    page = np.full((1000, 1000, 3), 90, np.uint8)
    page[:600, :480] = 200
    cv2.circle(page, (200, 300), 160, (20, 60, 90), -1)
    cv2.circle(page, (750, 300), 160, (20, 60, 90), -1)
    beside = [*balloon(200, 100, "Left"), *balloon(750, 100, "Right")]
    text = [one for row in range(15) for one in balloon(480, 610 + 26 * row, "a line of text below")]
    assert panels_on(page, [*beside, *text]) == ()


def photograph(*boards: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A page that is all picture, but for boards of one colour."""
    page = np.random.default_rng(4).integers(0, 255, (100, 100, 3)).astype(np.uint8)
    page = cv2.resize(page, (1000, 1000), interpolation=cv2.INTER_LINEAR)
    for x0, y0, x1, y1 in boards:
        page[y0:y1, x0:x1] = (200, 230, 220)
    return np.ascontiguousarray(page.astype(np.uint8))


BOARDS = [(200, 80, 400, 220), (700, 80, 900, 220)]
LEVEL = [
    *balloon(300, 100, "See", "friends", "succeed"),
    *balloon(800, 100, "Want to", "be happy", "for them"),
]


def test_captions_level_by_chance_with_a_picture_between_are_read_one_by_one() -> None:
    assert read(photograph(*BOARDS), LEVEL) == "See friends succeed Want to be happy for them"


def test_the_same_words_on_one_board_are_rows() -> None:
    board = (150, 50, 950, 300)
    assert read(photograph(board), LEVEL) == "See Want to friends be happy succeed for them"


def test_pairs_far_apart_are_rows_whatever_is_drawn_between() -> None:
    pairs = [("Tea", "hot"), ("Beer", "cold"), ("Milk", "warm")]
    lines = [
        line
        for row, pair in enumerate(pairs)
        for x, text in zip((300, 800), pair, strict=True)
        for line in balloon(x, 100 + 80 * row, text)
    ]
    boards = [(x - 60, 90 + 80 * row, x + 60, 130 + 80 * row) for row in range(3) for x in (300, 800)]
    assert read(photograph(*boards), lines) == "Tea hot Beer cold Milk warm"


def test_prices_beside_names_are_rows_on_a_photograph_too() -> None:
    lines = [*balloon(300, 100, "Espresso", "Cocoa", "Green tea"), *balloon(800, 100, "2.50", "3.10", "1.90")]
    assert read(photograph(*BOARDS), lines) == "Espresso 2.50 Cocoa 3.10 Green tea 1.90"
