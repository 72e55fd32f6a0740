"""Chinese and Japanese in columns: manga, books, signs, furigana."""

from __future__ import annotations

import random

import pytest
from vramwise.errors import UnknownName
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Word
from vramwise.ocr.results.vertical_text import columns_of_level_lines, furigana, is_vertical

KANA = [chr(code) for code in range(0x3042, 0x3082)]
HAN = [chr(code) for code in range(0x4E00, 0x4E40)]


def column(text: str, x: float, y: float, size: float = 30.0) -> Line:
    """Its top right corner is where the text begins."""
    down = y + size * len(text)
    return Line(text, ((x + size, y), (x + size, down), (x, down), (x, y)), 0.9)


def level(text: str, x: float, y: float, size: float = 30.0) -> Line:
    across = x + size * len(text)
    return Line(text, ((x, y), (across, y), (across, y + size), (x, y + size)), 0.9)


def balloon(texts: list[str], right: float, top: float) -> list[Line]:
    return [column(text, right - 36 * number - 30, top) for number, text in enumerate(texts)]


def text_of(lines: list[Line], direction: str = "auto") -> list[str]:
    return reading_order.plain_text(lines, reading_order.arrange(lines, direction)).split("\n")


def words(count: int, letters: list[str] = KANA) -> list[str]:
    return ["".join(letters[(7 * k + n) % len(letters)] for n in range(4 + k % 3)) for k in range(count)]


def shuffled(lines: list[Line], seed: int) -> list[Line]:
    return random.Random(seed).sample(lines, len(lines))


@pytest.mark.parametrize("seed", range(5))
def test_balloons_are_read_from_right_to_left_in_tiers_from_above(seed: int) -> None:
    said = words(12)
    page = balloon(said[0:3], 780, 40) + balloon(said[3:5], 500, 70) + balloon(said[5:7], 200, 30)
    page += balloon(said[7:9], 760, 500) + balloon(said[9:12], 300, 540)
    assert text_of(shuffled(page, seed)) == said


def test_balloons_that_no_straight_cut_parts_are_read_by_what_is_beside_and_above() -> None:
    said = words(6)
    page = balloon(said[0:2], 600, 40) + balloon(said[2:4], 530, 140) + balloon(said[4:6], 590, 330)
    assert text_of(shuffled(page, 3)) == said


def test_a_book_page_of_two_tiers_and_a_level_heading() -> None:
    said = words(16)
    page = [level("".join(HAN[:6]), 200, 10, 50)]
    page += [column(text, 800 - 45 * k, 100) for k, text in enumerate(said[:8])]
    page += [column(text, 800 - 45 * k, 400) for k, text in enumerate(said[8:])]
    assert text_of(shuffled(page, 4)) == ["".join(HAN[:6]), *said]


@pytest.mark.parametrize("seed", range(5))
def test_of_an_open_book_the_right_page_is_read_first(seed: int) -> None:
    """Tiers go through both pages: read by them alone a spread's two pages were mixed."""
    said = words(20)
    page = balloon(said[0:3], 1580, 40) + balloon(said[3:5], 1200, 80)
    page += balloon(said[5:8], 1560, 520) + balloon(said[8:10], 1180, 800)
    page += balloon(said[10:12], 760, 40) + balloon(said[12:15], 400, 70)
    page += balloon(said[15:18], 740, 500) + balloon(said[18:20], 300, 790)
    assert text_of(shuffled(page, seed)) == said


def test_balloons_apart_on_one_page_are_no_open_book() -> None:
    said = words(12)
    page = balloon(said[0:3], 780, 40) + balloon(said[3:6], 240, 40)
    page += balloon(said[6:9], 780, 700) + balloon(said[9:12], 240, 700)
    assert text_of(shuffled(page, 1)) == said


def test_columns_beside_level_text_are_read_from_right_to_left() -> None:
    said = words(3)
    page = [level("".join(HAN[k : k + 14]), 20, 40 + 44 * k) for k in range(6)]
    page += [column(text, 700 - 36 * k, 60) for k, text in enumerate(said)]
    read = text_of(shuffled(page, 5))
    assert [text for text in read if text in said] == said
    assert [text for text in read if text not in said] == [line.text for line in page[:6]]


def test_a_latin_page_turned_by_a_quarter_keeps_its_columns_and_tables() -> None:
    lines = [
        Line(text, ((500 - 30 * k, y), (500 - 30 * k, y + 90), (480 - 30 * k, y + 90), (480 - 30 * k, y)))
        for k, row in enumerate([("Item", "Price", "Count"), ("Tea", "2.50", "3"), ("Bread", "1.20", "1")])
        for y, text in zip((0, 200, 400), row, strict=True)
    ]
    order = reading_order.arrange(lines)
    assert text_of(lines) == ["Item Price Count", "Tea 2.50 3", "Bread 1.20 1"]
    assert len(reading_order.tables(lines, order)) == 1


def test_the_direction_can_be_said() -> None:
    page = [column(text, 400 - 60 * k, 10) for k, text in enumerate(("AB", "CD", "EF"))]
    assert text_of(page, "vertical") == ["AB", "CD", "EF"]
    assert text_of(page, "horizontal") == ["EF CD AB"]
    with pytest.raises(UnknownName, match='reading_direction "sideways" is unknown'):
        ReadOptions(reading_direction="sideways")


def test_rows_of_characters_that_were_columns_are_read_as_columns_when_told() -> None:
    grid = ["".join(HAN[3 * row + k] for k in range(3)) for row in range(4)]
    lines = []
    for y, text in enumerate(grid):
        row = level(text, 0, 40 * y)
        cells = tuple(Word(c, level(c, 30 * k, 40 * y).polygon, 0.9) for k, c in enumerate(text))
        lines.append(Line(text, row.polygon, 0.9, cells))
    read = text_of(columns_of_level_lines(lines), "vertical")
    assert read == ["".join(row[k] for row in grid) for k in (2, 1, 0)]


def test_a_single_character_goes_with_the_column_under_it() -> None:
    page = [
        column("".join(KANA[:5]), 10, 60, 40),
        level(HAN[0], 12, 14, 38),
        column("".join(KANA[6:9]), 70, 10, 40),
    ]
    assert text_of(page) == ["".join(KANA[6:9]), HAN[0] + "".join(KANA[:5])]


def test_furigana_are_told_from_the_lines_they_explain() -> None:
    han, kana = "".join(HAN[:4]), "".join(KANA[:4])
    page = [
        column(han, 100, 10, 40),
        column(kana, 138, 20, 18),  # to the right of a column
        level(han, 200, 40, 40),
        level(kana[:2], 205, 26, 17),  # above a line
        level("B", 290, 25, 17),  # misread, as sure as the others are
        level(kana, 200, 110, 40),  # a line of its own
        level(han, 200, 160, 18),  # small, and no kana
        level(kana[:3], 420, 26, 17),  # stands over nothing
        Line(han[:2], level(han[:2], 240, 24, 16).polygon, 0.5),  # kana read as Han, and doubtful
    ]
    assert furigana(page) == {1, 3, 4, 8}
    assert furigana([level("Tea", 0, 0), level("a", 5, -12, 15)]) == set()


def test_a_table_that_lies_on_its_side_is_no_page_of_columns():
    """Its numbers are lines of their own: in columns they stand upright and within text."""
    names = ("\u3072\u304b\u308a", "\u3055\u304f\u3089", "\u308a\u3093\u3054", "\u62c5\u5f53\u8005")
    numbers = ("-8874.4", "6,356", "72.9%", "211")
    rows = [("\u5546\u54c1\u540d", "\u6570\u91cf"), *zip(names, numbers, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        for text, top in zip(row, (60, 340), strict=True):
            right, foot = 600 - 57 * number, top + 32 * len(text)
            lines.append(
                Line(text, ((right, top), (right, foot), (right - 42, foot), (right - 42, top)), 0.99)
            )
    assert not is_vertical(lines)
    order = reading_order.arrange(lines)
    (table,) = reading_order.tables(lines, order)
    assert [tuple(cell.text for cell in row) for row in table.rows] == rows
    assert is_vertical([line for line in lines if not any(map(str.isdigit, line.text))])
