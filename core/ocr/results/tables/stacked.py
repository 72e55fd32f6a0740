"""Tables one below the other, of like columns: where the second one's head begins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

from ....cancel import watched
from ..line_boxes import Box
from ..rules import Ruling
from .columns import columns_of, taken
from .rows import NUMBER
from .runs import pitch

APART = 1.4  # times what rows usually are: so far a head stands below the table above it
BODY = 2  # rows under a head, at least
TOLD_BY = 4  # of them by which it is told what a column holds
LOOKED_AT = 30  # rows from a head on, by which its columns are told
# A rule that closes one table and one that opens the next take so much of their width, so many line heights
# apart.
WIDE, RULED_APART = 0.6, 0.8


def tables_of(rows: Sequence[Sequence[Box]], ruling: Ruling) -> list[tuple[int, int]]:
    """From which up to which of the ``rows`` (visual rows with spaces that part cells) each table reaches:
    mostly all are one's. Another begins where a row of names, farther below than rows are or below a single
    line, its title, stands over numbers that have such names above them already; or where one rule closes
    what is above it and the next opens what is below.
    """
    if len(rows) < 2 * (1 + BODY):
        return [(0, len(rows))]
    usual = median(pitch(a, b) for a, b in itertools.pairwise(rows))
    found, begin = [], 0
    headed: bool | None = None  # the table that begins there, once that is asked
    for row in watched(range(1 + BODY, len(rows) - BODY), 16):
        end = row - (len(rows[row - 1]) == 1)  # of the table above
        if end - begin <= BODY or pitch(rows[end - 1], rows[row]) < APART * usual:
            continue
        closed = end == row and _closed_between(rows[end - 1], rows[row], ruling)
        if not closed and headed is None:
            headed = _has_head(rows[begin:end][:LOOKED_AT])
        if closed or (headed and _has_head(rows[row : row + LOOKED_AT])):
            found.append((begin, end))
            begin, headed = row, None
    return [*found, (begin, len(rows))]


def _has_head(rows: Sequence[Sequence[Box]]) -> bool:
    """Whether the first of ``rows`` has names over all columns but the first, and numbers under one."""
    columns = columns_of(rows)
    names = {taken(box, columns)[0] for box in rows[0]}
    if any(NUMBER.fullmatch(box.text.strip()) for box in rows[0]) or len(columns) - len(names) > (
        0 not in names
    ):
        return False
    below: dict[int, list[bool]] = {}
    for box in (box for row in rows[1 : 1 + TOLD_BY] for box in row):
        start, end = taken(box, columns)
        if end == start + 1:
            below.setdefault(start, []).append(bool(NUMBER.fullmatch(box.text.strip())))
    return any(len(found) >= BODY and all(found[:BODY]) for name, found in below.items() if name in names)


def _closed_between(upper: Sequence[Box], lower: Sequence[Box], ruling: Ruling) -> bool:
    around = [*upper, *lower]
    unit = median(box.height for box in around)
    left, right = min(box.x0 for box in around), max(box.x1 for box in around)
    top, bottom = (median(box.middle for box in row) for row in (upper, lower))
    ys = ruling.under(left, right, WIDE, top, bottom)
    return len(ys) > 1 and ys[-1] - ys[0] > RULED_APART * unit
