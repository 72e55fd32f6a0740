"""Tables among detected lines: the right cells on drawn ones, and none where there is none."""

from __future__ import annotations

import pytest
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Table

from devtools.drawn_layouts import boxes, columns_page, rows_page, table_page


def tables_of(lines: list[Line]) -> tuple[Table, ...]:
    return reading_order.tables(lines, reading_order.arrange(lines))


def cells_of(table: Table) -> set[tuple[int, int, int, str]]:
    return {
        (y, x, cell.across, cell.text)
        for y, row in enumerate(table.rows)
        for x, cell in enumerate(row)
        if cell.text
    }


def test_drawn_tables_have_the_right_cells() -> None:
    """Ruled or not, with a merged heading, empty cells, cells of several lines and numbers on the right."""
    scores = []
    for seed in range(1_000, 1_120):
        drawn = table_page(seed)
        wanted = set(drawn.cells)
        found = max((cells_of(table) for table in tables_of(boxes(drawn.page, seed))), key=len, default=set())
        scores.append(2 * len(wanted & found) / (len(wanted) + len(found)))
    print(f"cell F1 {sum(scores) / len(scores):.3f}")
    assert sum(scores) / len(scores) >= 0.95


def test_columns_of_text_are_no_table() -> None:
    assert not [seed for seed in range(100) if tables_of(boxes(columns_page(seed), seed))]


def grid(*rows: tuple[str, ...], x: tuple[int, ...] = (0, 200, 320), pitch: int = 26) -> list[Line]:
    lines = []
    for number, row in enumerate(rows):
        for at, text in zip(x, row, strict=False):
            if text:
                y, end = number * pitch, at + 10 * len(text)
                lines.append(Line(text, ((at, y), (end, y), (end, y + 20), (at, y + 20)), 0.9))
    return lines


@pytest.mark.parametrize(
    "rows",
    [
        [("1.", "Tea and more"), ("2.", "Bread and"), ("3.", "Milk with")],
        [("-", "Tea and more"), ("-", "Bread and"), ("-", "Milk with")],
        [("Name:", "Ann"), ("Born:", "1990"), ("Place:", "Oslo")],
        [("Tea", "3"), ("Bread", "9"), ("Milk", "12"), ("Honey", "40")],
        [("HEY", "THIS IS", "PEANUT"), ("JERRY", "GREAT", "BUTTER")],
    ],
    ids=["numbered list", "list", "form", "contents", "two rows of balloons"],
)
def test_a_list_a_form_and_contents_are_no_table(rows: list[tuple[str, ...]]) -> None:
    assert tables_of(grid(*rows)) == ()


PRICES = [
    ("Item", "Price", "Count"),
    ("Tea | black", "2.50", "3"),
    ("Bread", "", "1"),
    ("Milk", "1.20", "12"),
]


def test_a_table_is_a_table_in_markdown_and_rows_in_the_text() -> None:
    lines = grid(*PRICES)
    order = reading_order.arrange(lines)
    assert reading_order.markdown(lines, order) == (
        "| Item | Price | Count |\n| --- | --- | --- |\n"
        "| Tea \\| black | 2.50 | 3 |\n| Bread |  | 1 |\n| Milk | 1.20 | 12 |"
    )
    assert (
        reading_order.plain_text(lines, order)
        == "Item Price Count\nTea | black 2.50 3\nBread 1\nMilk 1.20 12"
    )


def test_cells_name_the_regions_that_they_are_made_of() -> None:
    lines = list(reversed(grid(*PRICES)))
    order = reading_order.arrange(lines)
    regions = reading_order.regions_in_order(lines, order)
    (table,) = reading_order.tables(lines, order)
    assert table.header_rows == 1
    for row in table.rows:
        for cell in row:
            assert cell.text == " ".join(regions[place].text for place in cell.regions)


def test_a_receipt_of_names_and_prices_is_a_table_of_two_columns() -> None:
    (table,) = tables_of(grid(("Tea", "2.50"), ("Bread", "3.10"), ("Milk", "1.20")))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Tea", "2.50"],
        ["Bread", "3.10"],
        ["Milk", "1.20"],
    ]


def test_forms_and_contents_of_drawn_pages_stay_rows() -> None:
    for seed in range(60):
        lines = boxes(rows_page(seed), seed)
        for table in tables_of(lines):
            assert not all(row[0].text.endswith(":") for row in table.rows)
