"""Where a table begins and ends: rows with spaces that part cells, and what belongs to them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

from ....cancel import watched
from ..line_boxes import Box
from .columns import Span, columns_of, taken

# In line heights.
CELL_GAP = 0.5  # cells of one row are at least so far apart
LOOSE = 1.4  # lines that go on within a cell stand no farther below those above
AS_ABOVE, LOOSEST = 1.15, 2.2  # or, times what it is in the rows above, so far, but never farther
MOST_LINES = 6  # of one cell
STEP = 0.9  # cells of one row whose lines are even in one and odd in another stand half a line apart
FAR = 2.5  # rows that stand farther from one another are of two tables
# But for so many lines that stand exactly (to a share of their height) under others of the rows above.
FARTHEST, SAME, ALIGNED = 5.0, 0.5, 3


def runs(rows: Sequence[Sequence[Box]]) -> list[tuple[int, int]]:
    """Where several lines stand on a row again and again: from row, up to row."""
    found: list[tuple[int, int]] = []
    first = last = -1
    gutters: list[tuple[float, float]] = []
    for number, row in watched(enumerate(rows), 16):
        own = _gaps(row)
        if not own:
            continue
        far = FARTHEST if first >= 0 and _aligned(rows[first], row) else FAR
        open_still = _still_open(gutters, rows[last : number + 1], far) if first >= 0 else []
        if open_still:
            # what stands over groups of columns has fewer spaces than the columns
            last, gutters = number, own if first == last and len(own) > len(gutters) else open_still
            continue
        if last > first >= 0:
            found.append(_whole(rows, first, last))
        first = last = number
        gutters = own
    if last > first >= 0:
        found.append(_whole(rows, first, last))
    return [run for run, before in zip(found, [(0, 0), *found], strict=False) if run[0] >= before[1]]


def _gaps(row: Sequence[Box]) -> list[tuple[float, float]]:
    """The spaces between the lines of a row that are wide enough to part cells."""
    return [
        (a.x1, b.x0) for a, b in itertools.pairwise(row) if b.x0 - a.x1 > CELL_GAP * min(a.height, b.height)
    ]


def _still_open(
    gutters: Sequence[tuple[float, float]], rows: Sequence[Sequence[Box]], far: float
) -> list[tuple[float, float]]:
    """What of ``gutters`` the last of ``rows`` leaves open, if it goes on with the table in the first of
    them: no farther than ``far`` line heights, and with cells on both sides of a gutter or across none.
    """
    *before, last = rows
    unit = median(b.height for row in rows for b in row)
    if sum(pitch(a, b) >= STEP * unit for a, b in itertools.pairwise(before)) > MOST_LINES:
        return []
    if any(min(b.y0 for b in c) - max(b.y1 for b in a) > far * unit for a, c in itertools.pairwise(rows)):
        return []
    left_open: list[tuple[float, float]] = []
    beside = False
    for x0, x1 in gutters:
        low, high = x0, x1
        for box in (b for row in rows[1:] for b in row):
            if box.centre < (x0 + x1) / 2:
                low = max(low, box.x1)
            else:
                high = min(high, box.x0)
        if high - low > 0.3 * unit:
            left_open.append((low, high))
            beside |= last[0].x1 <= low and last[-1].x0 >= high
    return left_open if beside or len(left_open) == len(gutters) else []


def _aligned(head: Sequence[Box], row: Sequence[Box]) -> bool:
    """Whether each line of a row stands exactly under one of ``head``, the names of columns, but for the
    first, which may stand before them.
    """
    under = row if row[0].x1 > head[0].x0 else row[1:]
    return min(len(row), len(head)) >= ALIGNED and all(
        any(
            min(abs(box.x0 - other.x0), abs(box.x1 - other.x1), abs(box.centre - other.centre))
            < SAME * box.height
            for other in head
        )
        for box in under
    )


def _whole(rows: Sequence[Sequence[Box]], first: int, last: int) -> tuple[int, int]:
    """The run with what belongs to it above and below: from row, up to row."""
    columns = columns_of(rows[first : last + 1])
    return _with_head(rows, first, columns), _with_tail(rows, first, last, columns)


def _with_head(rows: Sequence[Sequence[Box]], first: int, columns: Sequence[Span]) -> int:
    """The first row of the table: lines over it that stand less than a line above one another are cells of
    one row, centred on its middle.
    """
    start = first
    while start and pitch(rows[start - 1], rows[start]) < STEP * _height(rows[start]):
        if not _under(rows[start - 1], columns):
            return first
        start -= 1
    head = start  # a whole row of such cells
    unit = _height(rows[first])
    while head and all(
        _under(row, columns)
        and pitch(row, rows[n + 1]) < STEP * max(unit, _height(row)) * (1 if n + 1 < start else 3)
        for n, row in ((head - 1, rows[head - 1]),)
    ):
        head -= 1
    over = {taken(box, columns)[0] for row in rows[head:start] for box in row}
    overlap = any(pitch(a, b) < STEP * max(unit, _height(b)) for a, b in itertools.pairwise(rows[head:start]))
    return head if overlap and len(over) > 1 else start


def _under(row: Sequence[Box], columns: Sequence[Span]) -> bool:
    """Whether every line of a row stands in one column and begins, ends or has its middle where that does."""
    for box in row:
        start, end = taken(box, columns)
        x0, x1 = columns[start]
        off = min(abs(box.x0 - x0), abs(box.x1 - x1), abs(box.centre - (x0 + x1) / 2))
        if end - start > 1 or off > 0.5 * box.height:
            return False
    return True


def _height(row: Sequence[Box]) -> float:
    return median(box.height for box in row)


def _with_tail(rows: Sequence[Sequence[Box]], first: int, last: int, columns: Sequence[Span]) -> int:
    """The row after the table: lines that go on within cells of the last row belong to it, and rows in whose
    first column alone is something.
    """
    body = [b for row in rows[first : last + 1] for b in row]
    left = min(b.x0 for b in body)
    first_column = max(row[0].x1 for row in rows[first : last + 1] if row[0].x0 < left + row[0].height)
    usual = median(pitch(a, b) for a, b in itertools.pairwise(rows[first : last + 1]))
    within = [
        pitch(a, b)
        for a, b in itertools.pairwise(rows[first : last + 1])
        if b[0].x0 > left + b[0].height  # lines that go on beside a first column
    ]
    reach = min(AS_ABOVE * median(within), LOOSEST * _height(body)) if within else 0.0
    stop = last + 1
    while stop < len(rows):
        row = rows[stop]
        below = pitch(rows[stop - 1], row)
        lately = [b for above in rows[max(first, stop - 3) : stop] for b in above]
        goes_on = row[0].x0 > left + row[0].height and _under(row, columns)
        goes_on &= all(any(_goes_on(b, box, reach) for b in lately) for box in row)
        alone = abs(row[0].x0 - left) < 0.5 * row[0].height and row[-1].x1 < first_column + row[0].height
        if not goes_on and not (len(row) == 1 and alone and below < 1.15 * usual):
            break
        stop += 1
    return stop


def _goes_on(upper: Box, lower: Box, reach: float) -> bool:
    """Whether ``lower`` stands close under ``upper``, or nearer than ``reach`` (pixels)."""
    away = lower.middle - upper.middle
    return upper.x0 < lower.x1 and lower.x0 < upper.x1 and away < max(LOOSE * lower.height, reach)


def pitch(upper: Sequence[Box], lower: Sequence[Box]) -> float:
    return median(b.middle for b in lower) - median(b.middle for b in upper)
