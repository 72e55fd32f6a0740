"""Two tables one below the other stay two, also where their columns are alike; one with a gap stays one."""

from __future__ import annotations

import pytest
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.rules import Rule

HIGH, PITCH, LEFT, WIDE = 20.0, 40.0, 50.0, 200.0  # pixels: of a letter, from row to row, a column
FRUIT = [["Item", "Qty", "Price"], ["Apples", "3", "4.50"], ["Pears", "5", "7.25"], ["Plums", "12", "3.10"]]
TOWNS = [["City", "Temp", "Wind"], ["Oslo", "4", "12"], ["Rome", "18", "7"], ["Cairo", "29", "15"]]
AGES = [["Name", "Age"], ["Anna", "34"], ["Boris", "41"], ["Clara", "29"]]
WORDS = [["Animal", "Sound"], ["Dog", "Bark"], ["Cat", "Meow"], ["Cow", "Moo"]]
PLANTS = [["Plant", "Colour"], ["Rose", "Red"], ["Ivy", "Green"], ["Iris", "Blue"]]


def _line(text: str, x: float, y: float) -> Line:
    right = x + 0.6 * HIGH * len(text)
    return Line(text, ((x, y), (right, y), (right, y + HIGH), (x, y + HIGH)), 0.99)


def _rows(table: list[list[str]], y: float, wide: float = WIDE) -> list[Line]:
    return [
        _line(text, LEFT + column * wide, y + row * PITCH)
        for row, cells in enumerate(table)
        for column, text in enumerate(cells)
    ]


def _rules(table: list[list[str]], y: float, at: tuple[int, ...]) -> list[Rule]:
    right = LEFT + len(table[0]) * WIDE
    return [Rule((LEFT, y - 10 + row * PITCH), (right, y - 10 + row * PITCH)) for row in at]


def _found(lines: list[Line], rules: list[Rule] | None = None) -> list[list[list[str]]]:
    paragraphs = reading_order.arrange(lines, rules=rules or [])
    return [
        [[cell.text for cell in row] for row in table.rows]
        for table in reading_order.tables(lines, paragraphs)
    ]


@pytest.mark.parametrize("gap", [1.5, 2.0, 3.0])
@pytest.mark.parametrize(("second", "wide"), [(TOWNS, WIDE), (AGES, 1.5 * WIDE)])
def test_a_second_head_over_numbers_begins_a_second_table(
    second: list[list[str]], wide: float, gap: float
) -> None:
    below = 40 + (len(FRUIT) - 1 + gap) * PITCH
    assert _found(_rows(FRUIT, 40) + _rows(second, below, wide)) == [FRUIT, second]


@pytest.mark.parametrize("title", ["Table 2", "Weather"])
@pytest.mark.parametrize("x", [LEFT, LEFT + 0.9 * WIDE])
def test_a_short_title_between_two_tables_is_in_neither(title: str, x: float) -> None:
    between = _line(title, x, 40 + len(FRUIT) * PITCH)
    lines = [*_rows(FRUIT, 40), between, *_rows(TOWNS, 40 + (len(FRUIT) + 1) * PITCH)]
    assert _found(lines) == [FRUIT, TOWNS]


def test_of_words_alone_the_rules_tell() -> None:
    """One closes the first table and one opens the second; without them nothing tells."""
    below = 40 + (len(WORDS) + 0.6) * PITCH
    rules = _rules(WORDS, 40, (0, 1, 4)) + _rules(PLANTS, below, (0, 1, 4))
    lines = _rows(WORDS, 40) + _rows(PLANTS, below)
    assert _found(lines, rules) == [WORDS, PLANTS]
    assert _found(lines) == [WORDS + PLANTS]


def test_three_are_three() -> None:
    high = (len(FRUIT) + 1) * PITCH
    lines = _rows(FRUIT, 40) + _rows(TOWNS, 40 + high) + _rows(FRUIT, 40 + 2 * high)
    assert _found(lines) == [FRUIT, TOWNS, FRUIT]


@pytest.mark.parametrize(
    "end",
    [
        [["Total", "20", "14.85"]],
        [["Total", "20", "14.85"], ["Tax", "2", "2.82"], ["To pay", "22", "17.67"]],
        [["Tax", "2", "2.82"], ["Rebate", "none", "free"], ["To pay", "22", "17.67"]],
    ],
)
def test_sums_below_a_gap_belong_to_their_table(end: list[list[str]]) -> None:
    below = 40 + (len(FRUIT) + 0.6) * PITCH
    assert _found(_rows(FRUIT, 40) + _rows(end, below)) == [FRUIT + end]


def test_groups_within_a_table_are_no_tables() -> None:
    """A line of its own over rows of numbers is a group's name, ruled or not."""
    table = [FRUIT[0], ["Sweet", "", ""], *FRUIT[1:3], ["Sour", "", ""], *FRUIT[1:3]]
    lines = [line for line in _rows(table, 40) if line.text]
    for rules in ([], _rules(table, 40, (0, 1, 2, 4, 5, 7))):
        (found,) = _found(lines, rules)
        assert found == table


def test_one_blank_line_parts_their_markdown() -> None:
    lines = _rows(FRUIT, 40) + _rows(TOWNS, 40 + (len(FRUIT) + 1) * PITCH)
    written = reading_order.markdown(lines, reading_order.arrange(lines))
    assert "\n\n\n" not in written
    assert written.count("| --- | --- | --- |") == 2
