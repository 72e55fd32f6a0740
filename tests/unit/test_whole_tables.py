"""Tables that are judged as wholes: what their rows become says more than the strips between their cells."""

from __future__ import annotations

import pytest
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.rules import Rule

from devtools.drawn_layouts import average_width, boxes
from devtools.drawn_tables import varied_table


def at(text: str, left: float, top: float, right: float, bottom: float) -> Line:
    return Line(text, ((left, top), (right, top), (right, bottom), (left, bottom)), 0.9)


def rows_of(lines: list[Line], rules: list[Rule] | None = None) -> list[list[str]]:
    (table,) = reading_order.tables(lines, reading_order.arrange(lines, rules=rules or []))
    return [[cell.text for cell in row] for row in table.rows]


@pytest.mark.parametrize(
    ("seed", "cyrillic"),
    [(30_112, False), (30_112, True), (30_148, False), (30_152, True), (30_176, False)],
)
def test_cells_that_look_like_columns_of_text_are_cells_where_the_whole_is_a_table(
    seed: int, cyrillic: bool
) -> None:
    """Two wrapped columns, numbers behind each: all along a strip stand words, and the table was cut."""
    drawn, rules = varied_table(seed, average_width(1.0), cyrillic)
    lines = boxes(drawn.page, seed, degrees=0.0)
    (table,) = reading_order.tables(lines, reading_order.arrange(lines))
    found = {
        (y, x, cell.across, cell.text)
        for y, row in enumerate(table.rows)
        for x, cell in enumerate(row)
        if cell.text
    }
    assert rules == "none" and found == set(drawn.cells)


@pytest.mark.parametrize("seed", [30_057, 30_101, 30_165])
def test_a_head_between_two_rules_and_a_third_below_the_rows_are_a_table_however_empty(seed: int) -> None:
    drawn, _ = varied_table(seed, average_width(1.0))
    rules = [Rule((x0, y0), (x1, y1)) for x0, y0, x1, y1 in drawn.rules]
    texts: list[list[str]] = rows_of(boxes(drawn.page, seed, degrees=0.0), rules)
    wanted = {(y, x): text for y, x, _, text in drawn.cells}
    assert {(y, x): t for y, row in enumerate(texts) for x, t in enumerate(row) if t} == wanted


def test_a_heading_over_columns_stands_as_far_above_them_as_their_rows_from_one_another() -> None:
    lines = [at("Both", 255, 0, 295, 12)]
    for number, row in enumerate(
        (("Town", "Best", "Last"), ("Oslo", "4", "7"), ("Bergen", "5", "8"), ("Molde", "9", "3"))
    ):
        y = 40 * (number + 1)
        lines += [
            at(text, x, y, x + 10 * len(text), y + 12) for x, text in zip((0, 200, 310), row, strict=True)
        ]
    (table,) = reading_order.tables(lines, reading_order.arrange(lines))
    assert [(cell.text, cell.across) for cell in table.rows[0]] == [("", 1), ("Both", 2), ("", 1)]
    assert table.header_rows == 2


def test_two_columns_of_which_some_numbers_are_missing_are_a_table() -> None:
    rows = (("Town", "Part"), ("Oslo", ""), ("Bergen", "45.8 %"), ("Molde", "73.0 %"), ("Voss", ""))
    lines = []
    for number, row in enumerate(rows):
        for x, text in zip((0, 120), row, strict=True):
            lines += [at(text, x, 36 * number, x + 10 * len(text), 36 * number + 20)] * bool(text)
    assert rows_of(lines) == [list(row) for row in rows]


def test_lines_of_uneven_cells_half_a_line_apart_are_no_more_rows_than_one_cell_has() -> None:
    """Eight rows of boxes stand between two rows of cells, and the table ended there."""
    cells = (
        ("Town", ("Sort",), "Sum"),
        ("Oslo", ("Tea with", "milk"), "17.5"),
        ("Bergen", ("Salt from", "the far", "northern sea", "and coarse", "as sand"), "96.2"),
        ("Molde", ("Coffee and", "more of it"), ""),
        ("Stavanger", ("Rice of", "the early", "harvest", "and late"), "13.0"),
    )
    lines, y, pitch = [], 0.0, 37.0
    for name, words, number in cells:
        for place, text in enumerate(words):
            lines.append(at(text, 260, y + place * pitch, 260 + 12 * len(text), y + place * pitch + 22))
        middle = y + (len(words) - 1) * pitch / 2
        lines.append(at(name, 70, middle, 70 + 12 * len(name), middle + 22))
        lines += [at(number, 588, middle, 640, middle + 22)] * bool(number)
        y += (len(words) - 1) * pitch + 60
    assert rows_of(lines) == [[name, " ".join(words), number] for name, words, number in cells]
