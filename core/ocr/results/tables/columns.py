"""The columns of a table: where its lines stand above one another."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ....cancel import cancel_point, watched
from ..line_boxes import Box

FULL = 0.6  # a row with cells in this share of the columns is full
Span = tuple[float, float]


def columns_of(rows: Sequence[Sequence[Box]]) -> list[tuple[float, float]]:
    """The columns' left and right edges: narrow lines of full rows first, those that reach into two columns
    make none.
    """
    columns: list[tuple[float, float]] = []
    unit = median(b.height for row in rows for b in row)
    slack = 0.15 * unit
    most = max(map(len, rows))
    ordered = sorted(
        ((len(row) < FULL * most, b.width, b) for row in rows for b in row), key=lambda one: one[:2]
    )
    for _, _, box in watched(ordered):
        over = [c for c in columns if c[0] < box.x1 - slack and box.x0 + slack < c[1]]
        if len(over) > 1:
            continue
        wide = (min(box.x0, *(c[0] for c in over), box.x0), max(box.x1, *(c[1] for c in over), box.x1))
        rest = [c for c in columns if c not in over]
        if any(c[0] < wide[1] and wide[0] < c[1] for c in rest):
            continue
        columns = sorted([*rest, wide])
    return _merged(columns, rows)


def _merged(columns: list[tuple[float, float]], rows: Sequence[Sequence[Box]]) -> list[tuple[float, float]]:
    """Neighbours of which never both have a cell in one row are one column: its heading stands on the left
    and its numbers on the right.
    """
    merged = list(columns)
    place = 0
    while place + 1 < len(merged):
        cancel_point()
        a, b = merged[place], merged[place + 1]
        in_a = {n for n, row in enumerate(rows) if any(_inside(box, a) for box in row)}
        in_b = {n for n, row in enumerate(rows) if any(_inside(box, b) for box in row)}
        if not in_a & in_b and (len(in_a) == 1 or len(in_b) == 1) and len(merged) > 2:
            merged[place : place + 2] = [(a[0], b[1])]
        else:
            place += 1
    return merged


def _inside(box: Box, column: tuple[float, float]) -> bool:
    return column[0] < box.centre < column[1]


def taken(box: Box, columns: Sequence[tuple[float, float]]) -> tuple[int, int]:
    """From which column up to which ``box`` reaches."""
    slack = 0.15 * box.height
    over = [n for n, c in enumerate(columns) if c[0] < box.x1 - slack and box.x0 + slack < c[1]]
    if over:
        return over[0], over[-1] + 1
    nearest = min(range(len(columns)), key=lambda n: abs(sum(columns[n]) / 2 - box.centre))
    return nearest, nearest + 1
