"""Two tables side by side are two tables, the left one first; one table whose rules have gaps is one."""

from __future__ import annotations

import pytest
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.rules import Rule

LEFT = (("Item", "Price"), ("Tea", "2.50"), ("Salt", "1.20"), ("Rice", "3.10"))
RIGHT = (
    ("Town", "People", "Area"),
    ("Oslo", "700000", "454"),
    ("Voss", "16000", "2041"),
    ("Bodo", "53000", "1392"),
)
SHORT = RIGHT[:3]


def drawn(rows: tuple[tuple[str, ...], ...], left: int, top: int, wide: int) -> tuple[list[Line], list[Rule]]:
    """Rows 36 pixels high with a rule above each and below the last."""
    lines = []
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            x0, y0 = left + 10 + wide * x, top + 36 * y + 8
            x1, y1 = x0 + 11 * len(text), y0 + 20
            lines.append(Line(text, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)), 0.9))
    across = left + wide * len(rows[0])
    return lines, [Rule((left, top + 36 * y), (across, top + 36 * y)) for y in range(len(rows) + 1)]


def found_on(lines: list[Line], rules: list[Rule]) -> list[list[list[str]]]:
    tables = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
    return [[[cell.text for cell in row] for row in table.rows] for table in tables]


@pytest.mark.parametrize("top", [40, 52, 29], ids=["level", "lower", "higher"])
@pytest.mark.parametrize("right", [RIGHT, SHORT], ids=["as long", "shorter"])
def test_tables_between_rules_of_their_own_are_two(top: int, right: tuple[tuple[str, ...], ...]) -> None:
    lines, rules = drawn(LEFT, 40, 40, 150)
    more, others = drawn(right, 550, top, 160)
    assert found_on([*more, *lines], [*others, *rules]) == [
        [list(row) for row in LEFT],
        [list(row) for row in right],
    ]


def test_a_rule_across_both_or_no_room_between_says_one_table() -> None:
    lines, rules = drawn(LEFT, 40, 40, 150)
    more, others = drawn(RIGHT, 360, 40, 160)
    both = [[*left, *right] for left, right in zip(LEFT, RIGHT, strict=True)]
    assert found_on([*lines, *more], [*rules, *others]) == [both]
    more, others = drawn(RIGHT, 550, 40, 160)
    across = [Rule((40, y), (1030, y)) for y in (40, 76, 184)]
    assert found_on([*lines, *more], [*rules[2:4], *others[2:4], *across]) == [both]
