"""Kinds of tables that the generator draws, from the boxes of their lines: the right cells in each script."""

from __future__ import annotations

import itertools

import pytest
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.rules import Rule

from devtools.drawn_layouts import average_width, boxes
from devtools.drawn_table_kinds import KINDS, SCRIPTS, table_of_kind

SEEDS = range(31_000, 31_004)
WIDE = {"Chinese": 2.0, "Japanese": 2.0}  # how wide letters are, in those of a serif


@pytest.mark.parametrize(("kind", "script"), list(itertools.product(KINDS, SCRIPTS)))
def test_each_kind_of_table_has_the_right_cells(kind: str, script: str) -> None:
    right = every = 0
    for seed in SEEDS:
        drawn, look = table_of_kind(seed, kind, script, average_width(WIDE.get(script, 1.0)))
        rules = [Rule((x0, y0), (x1, y1)) for x0, y0, x1, y1 in drawn.rules]
        lines = boxes(drawn.page, seed, degrees=look.degrees)
        order = reading_order.arrange(lines, rules=[] if look.degrees else rules)
        wanted = {(y, x, across, text.replace(" ", "")) for y, x, across, text in drawn.cells}
        found = max(
            (
                {
                    (y, x, cell.across, cell.text.replace(" ", ""))
                    for y, row in enumerate(table.rows)
                    for x, cell in enumerate(row)
                    if cell.text
                }
                for table in reading_order.tables(lines, order)
            ),
            key=len,
            default=set(),
        )
        right, every = right + 2 * len(wanted & found), every + len(wanted) + len(found)
    assert right >= 0.95 * every
