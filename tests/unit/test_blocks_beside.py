"""Addresses, business cards and price tags side by side are read one by one; tables row by row."""

from __future__ import annotations

import pytest
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.rules import Rule

BILL = ("Bill to:", "Anna Weber", "Weber Trading GmbH", "Main Street 12", "10115 Berlin", "Germany")
SHIP = ("Ship to:", "John Miller", "Central Warehouse", "Harbour Road 7", "20457 Hamburg", "Germany")
CARDS = [
    ("Anna Weber", "Sales Manager", "+49 30 123456", "anna@firm.com", "12 Main Street, Berlin"),
    ("John Miller", "Engineer", "+49 30 123457", "john@firm.com", "13 Main Street, Berlin"),
    ("Maria Rossi", "Designer", "+49 30 123458", "maria@firm.com", "14 Main Street, Berlin"),
    ("Paul Martin", "Director", "+49 30 123459", "paul@firm.com", "15 Main Street, Berlin"),
]


def at(text: str, x: float, y: float, high: float = 24) -> Line:
    end = x + 0.5 * high * len(text)
    return Line(text, ((x, y), (end, y), (end, y + high), (x, y + high)), 0.95)


def side_by_side(
    columns: list[tuple[str, ...]], top: float = 40, left: float = 60, wide: float = 480
) -> list[Line]:
    return [
        at(text, left + wide * x, top + 34 * y)
        for x, column in enumerate(columns)
        for y, text in enumerate(column)
    ]


def read(lines: list[Line], rules: list[Rule] | None = None) -> tuple[list[str], list[list[list[str]]]]:
    order = reading_order.arrange(lines, rules=rules or [])
    tables = reading_order.tables(lines, order)
    cells = [[[cell.text for cell in row] for row in table.rows] for table in tables]
    return reading_order.plain_text(lines, order).splitlines(), cells


def test_addresses_over_the_items_of_an_invoice_are_read_one_by_one() -> None:
    rows = [
        ("Item", "Qty", "Price", "Total"),
        ("Oak table", "1", "420.00", "420.00"),
        ("Chair", "4", "85.50", "342.00"),
    ]
    items = [
        at(text, x, 320 + 40 * y)
        for y, row in enumerate(rows)
        for x, text in zip((60, 500, 620, 800), row, strict=True)
    ]
    text, tables = read([*side_by_side([BILL, SHIP]), *items])
    assert text[:12] == [*BILL, *SHIP]
    assert tables == [[list(row) for row in rows]]


@pytest.mark.parametrize("short", [5, 6])
def test_an_address_may_be_shorter(short: int) -> None:
    text, tables = read(side_by_side([BILL, SHIP[:short]]))
    assert text == [*BILL, *SHIP[:short]]
    assert not tables


def test_a_sheet_of_cards_is_read_card_by_card() -> None:
    lines = [
        at(text, 60 + 680 * (n % 2), 40 + 460 * (n // 2) + (0, 50, 200, 240, 280)[y])
        for n, card in enumerate(CARDS)
        for y, text in enumerate(card)
    ]
    text, tables = read(lines)
    assert text == [line for card in CARDS for line in card]
    assert not tables


def test_rules_between_the_rows_make_it_a_table() -> None:
    lines = side_by_side([BILL[1:], SHIP[1:]])
    rules = [Rule((50, y), (1000, y)) for y in range(35, 230, 34)]
    text, _ = read(lines, rules)
    assert text[0] == "Anna Weber John Miller"


@pytest.mark.parametrize(
    "columns",
    [
        [  # what each row is stands before it
            ("Screen", "Camera", "System", "Support", "Memory"),
            ("6.1 inch", "12", "Android 12", "yes", "64 GB"),
            ("6.7 inch", "48", "Android 14", "yes", "256 GB"),
        ],
        [  # a kind a column
            ("Name", "Anna Weber", "John Miller", "Maria Rossi", "Paul Martin"),
            ("Phone", "030 123456", "030 123457", "030 123458", "030 123459"),
            ("Mail", "anna@firm.com", "john@firm.com", "maria@firm.com", "paul@firm.com"),
        ],
        [("Tea", "Salt", "Rice", "Milk", "Bread"), ("Thee", "Zout", "Rijst", "Melk", "Brood")],
    ],
)
def test_rows_of_tables_stay_together(columns: list[tuple[str, ...]]) -> None:
    text, _ = read(side_by_side(columns, wide=300))
    assert text == [" ".join(row) for row in zip(*columns, strict=True)]
