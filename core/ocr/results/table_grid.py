"""Tables, found among the rows of a block: which lines are cells, in which column and row."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ...cancel import cancel_point, watched
from .line_boxes import MARGIN, Box

# In line heights.
CELL_GAP = 0.5  # cells of one row are at least so far apart
LONG_CELL = 14.0  # two columns of lines that are mostly longer are no table
JUMP = 0.15  # spaces between rows are by so much larger than those within cells
TIGHT = 0.85  # lines of one cell stand closer than this share of the distance between rows
CLOSE = 2.6  # a heading across columns stands no farther above them
LOOSE = 1.4  # and what is below a heading farther than that
MOST_LINES = 6  # of one cell
FAR = 2.5  # rows that stand farther from one another are of two tables
MOST_SPANNING = 0.3  # the share of lines that may cross from one column into the next
FULL = 0.6  # a row with cells in this share of the columns is full
MOST_CELLS = 20_000
_MARK = re.compile(r"[\W_]{0,2}(\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})?[\W_]{0,2}")  # of a list
_NUMBER = re.compile(r"[^\w]*\d[\d\W]*[^\W\d_]{0,3}\W*")
_PAGE = re.compile(r"\d{1,4}")


Placed = Sequence[tuple[Box, int, int]]  # of one visual row: a line, its first column, the one after its last


@dataclass(frozen=True)
class GridCell:
    """``lines`` by their numbers, from top to bottom; it takes ``across`` columns and ``down`` rows."""

    lines: tuple[int, ...] = ()
    across: int = 1
    down: int = 1


@dataclass(frozen=True)
class Grid:
    """A table that takes the visual rows from ``first`` up to ``stop``."""

    first: int
    stop: int
    rows: tuple[tuple[GridCell, ...], ...]
    header_rows: int


def find_grids(rows: Sequence[Sequence[Box]]) -> list[Grid]:
    """The tables among ``rows`` (visual rows of one block, each from left to right), in order."""
    found = []
    for first, stop in _runs(rows):
        cancel_point()
        grid = _grid(rows[first:stop], first, rows[first - 1] if first else ())
        if grid is not None:
            found.append(grid)
    return found


def _runs(rows: Sequence[Sequence[Box]]) -> list[tuple[int, int]]:
    """Where several lines stand on a row again and again: from row, up to row."""
    runs: list[tuple[int, int]] = []
    first = last = -1
    gutters: list[tuple[float, float]] = []
    for number, row in watched(enumerate(rows)):
        own = _gaps(row)
        if not own:
            continue
        open_still = _still_open(gutters, rows[last : number + 1]) if first >= 0 else []
        if open_still:
            last, gutters = number, open_still
            continue
        if last > first >= 0:
            runs.append((first, _with_tail(rows, first, last)))
        first = last = number
        gutters = own
    if last > first >= 0:
        runs.append((first, _with_tail(rows, first, last)))
    return runs


def _gaps(row: Sequence[Box]) -> list[tuple[float, float]]:
    """The spaces between the lines of a row that are wide enough to part cells."""
    return [
        (a.x1, b.x0) for a, b in itertools.pairwise(row) if b.x0 - a.x1 > CELL_GAP * min(a.height, b.height)
    ]


def _still_open(
    gutters: Sequence[tuple[float, float]], rows: Sequence[Sequence[Box]]
) -> list[tuple[float, float]]:
    """What of ``gutters`` the last of ``rows`` leaves open, if it goes on with the table in the first of
    them: close enough, and with cells on both sides of a gutter or across none.
    """
    *before, last = rows
    if len(before) - 1 > MOST_LINES:
        return []
    unit = median(b.height for row in rows for b in row)
    if any(min(b.y0 for b in c) - max(b.y1 for b in a) > FAR * unit for a, c in itertools.pairwise(rows)):
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


def _with_tail(rows: Sequence[Sequence[Box]], first: int, last: int) -> int:
    """The row after the table: lines that go on within a cell of the last row belong to it, and rows in
    whose first column alone is something.
    """
    body = [b for row in rows[first : last + 1] for b in row]
    left = min(b.x0 for b in body)
    first_column = max(row[0].x1 for row in rows[first : last + 1] if row[0].x0 < left + row[0].height)
    usual = median(_pitch(a, b) for a, b in itertools.pairwise(rows[first : last + 1]))
    stop = last + 1
    while stop < len(rows) and len(rows[stop]) == 1:
        (box,) = rows[stop]
        pitch = _pitch(rows[stop - 1], rows[stop])
        over = [b for b in rows[last] if b.x0 < box.x1 and box.x0 < b.x1]
        flush = len(over) == 1 and abs(over[0].x0 - box.x0) < 0.5 * box.height
        goes_on = flush and box.x0 > left + box.height and pitch < LOOSE * box.height
        alone = abs(box.x0 - left) < 0.5 * box.height and box.x1 < first_column + box.height
        if not goes_on and not (alone and pitch < 1.15 * usual):
            break
        stop += 1
    return stop


def _pitch(upper: Sequence[Box], lower: Sequence[Box]) -> float:
    return median(b.middle for b in lower) - median(b.middle for b in upper)


def _grid(rows: Sequence[Sequence[Box]], first: int, above: Sequence[Box]) -> Grid | None:
    """``rows`` as a table, or None where they are a list, columns of text or nothing of the kind. ``above``
    is the row over them, which may be a heading across some of the columns.
    """
    columns = _columns(rows)
    if len(columns) < 2 or len(rows) * len(columns) > MOST_CELLS:
        return None
    placed = [[(box, *_taken(box, columns)) for box in row] for row in watched(rows)]
    spanning = sum(end - start > 1 for row in placed for _, start, end in row)
    if spanning > MOST_SPANNING * sum(map(len, rows)) or not _is_table(placed, columns):
        return None
    table_rows = _table_rows(placed, len(columns))
    over = _heading_over_columns(above, rows[0], columns)
    if over:
        table_rows, first = [[over], *table_rows], first - 1
    elif wider := _heading_over_columns(rows[0], rows[1], columns):
        table_rows[0] = [wider]
    cells = [tuple(_cells_of(group, len(columns))) for group in watched(table_rows)]
    count = sum(len(group) for group in table_rows)
    return Grid(first, first + count, tuple(cells), _header_rows(table_rows))


def _cells_of(group: Sequence[Placed], columns: int) -> list[GridCell]:
    row = [GridCell()] * columns
    for _, start, end in (one for line in group for one in line):
        row[start] = GridCell((), max(row[start].across, end - start))
    for box, start, _ in sorted((one for line in group for one in line), key=lambda one: one[0].middle):
        row[start] = GridCell((*row[start].lines, box.index), row[start].across)
    return _without_overlaps(row)


def _heading_over_columns(
    row: Sequence[Box], below: Sequence[Box], columns: Sequence[tuple[float, float]]
) -> Placed | None:
    """``row`` placed over the columns in whose middle its lines stand, where that is over several of them and
    close to the row ``below``; else None. A title in the middle over the whole table is no part of it.
    """
    if not row or len(row) >= len(columns) - 1 or any(_NUMBER.fullmatch(b.text.strip()) for b in row):
        return None
    unit = median(b.height for b in below)
    near = _pitch(row, below) < CLOSE * unit and 0.7 * unit < median(b.height for b in row) < 1.4 * unit
    if not near or row[0].x0 < columns[0][1] or row[-1].x1 > columns[-1][1] + unit:
        return None
    placed = []
    free = 1
    for box in row:
        start, end = _taken(box, columns)
        best = 0.8 * unit
        for i in range(free, start + 1):
            for j in range(end, len(columns) + 1):
                away = abs((columns[i][0] + columns[j - 1][1]) / 2 - box.centre)
                away -= 0.2 * unit * (j - i == end - start)  # rather over what it covers
                away -= 2.0 * unit * (j == len(columns) > i + 1)  # where the last column ends is unknown
                if away < best:
                    best, start, end = away, i, j
        placed.append((box, start, end))
        free = end
    several = any(end - start > 1 for _, start, end in placed)
    apart = all(a[2] <= b[1] for a, b in itertools.pairwise(placed))
    return placed if several and apart else None


def _without_overlaps(row: Sequence[GridCell]) -> list[GridCell]:
    """A merged cell ends where the next filled one begins."""
    out = list(row)
    for place, cell in enumerate(row):
        if cell.across > 1:
            free = 1
            while free < cell.across and not row[place + free].lines:
                free += 1
            out[place] = GridCell(cell.lines, free)
    return out


def _columns(rows: Sequence[Sequence[Box]]) -> list[tuple[float, float]]:
    """The columns' left and right edges: narrow lines first, those that reach into two columns make none."""
    columns: list[tuple[float, float]] = []
    unit = median(b.height for row in rows for b in row)
    slack = 0.15 * unit
    for box in watched(sorted((b for row in rows for b in row), key=lambda b: b.width)):
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


def _taken(box: Box, columns: Sequence[tuple[float, float]]) -> tuple[int, int]:
    """From which column up to which ``box`` reaches."""
    slack = 0.15 * box.height
    over = [n for n, c in enumerate(columns) if c[0] < box.x1 - slack and box.x0 + slack < c[1]]
    if over:
        return over[0], over[-1] + 1
    nearest = min(range(len(columns)), key=lambda n: abs(sum(columns[n]) / 2 - box.centre))
    return nearest, nearest + 1


def _is_table(placed: Sequence[Placed], columns: Sequence[tuple[float, float]]) -> bool:
    several = [row for row in placed if len({start for _, start, _ in row}) > 1]
    full = [row for row in several if len({start for _, start, _ in row}) >= FULL * len(columns)]
    if len(several) < 3 or len(full) < 2 or not _tidy(several, len(columns)):
        return False
    texts: list[list[str]] = [[] for _ in columns]
    widths: list[list[float]] = [[] for _ in columns]
    for row in watched(placed):
        for box, start, end in row:
            if end - start == 1:
                texts[start].append(box.text.strip())
                widths[start].append(box.width / box.height)
    if any(not some for some in texts):
        return False
    if len(columns) > 2:
        filled = sum(len({start for _, start, _ in row}) for row in several) / (len(several) * len(columns))
        return filled > 0.35 and median(map(median, widths)) < LONG_CELL
    if all(_MARK.fullmatch(text) for text in texts[0]) and not all(map(_NUMBER.fullmatch, texts[1])):
        return False  # the marks of a list
    if sum(text.endswith((":", "\uff1a")) for text in texts[0]) > len(texts[0]) / 2:
        return False  # a form
    pages = [int(text) for text in texts[1] if _PAGE.fullmatch(text)]
    if len(pages) > 0.8 * len(texts[1]) and pages == sorted(pages) and len(pages) > 2:
        return False  # contents
    return min(map(median, widths)) < LONG_CELL and len(several) > 0.6 * len(placed)


def _tidy(several: Sequence[Placed], columns: int) -> bool:
    """Whether lines are about equally high, those of a row level, and those of a column begin, end or have
    their middles at one x: signs, posters and shelves have words side by side too.
    """
    boxes = [box for row in several for box, _, _ in row]
    height = median(b.height for b in boxes)
    alike = sum(0.7 * height < b.height < 1.4 * height for b in boxes)
    level = sum(_near_usual([box.middle for box, _, _ in row], 0.3 * height) for row in several)
    flush = 0
    for column in watched(range(columns)):
        mine = [box for row in several for box, start, end in row if start == column and end == column + 1]
        edges = [[b.x0 for b in mine], [b.x1 for b in mine], [b.centre for b in mine]]
        flush += max(_near_usual(xs, 0.6 * height) for xs in edges) if mine else 0
    return alike > 0.75 * len(boxes) and level > 0.75 * len(boxes) and flush > 0.6 * len(boxes)


def _near_usual(values: Sequence[float], slack: float) -> int:
    usual = median(values)
    return sum(abs(value - usual) < slack for value in values)


def _table_rows(placed: Sequence[Placed], columns: int) -> list[list[Placed]]:
    """Visual rows that are lines of the same cells put together: larger spaces part the rows of a table,
    smaller ones the lines of a cell, and no two lines that fill the columns are of one row.
    """
    boxes = [[box for box, _, _ in row] for row in placed]
    full = [len({start for _, start, _ in row}) >= FULL * columns for row in placed]
    height = median(box.height for row in boxes for box in row)
    spaces = []  # between a row and the next; none where they overlap
    reach = -math.inf
    for upper, lower in watched(itertools.pairwise(boxes)):
        reach = max(reach, *(b.y1 - MARGIN * b.height for b in upper))
        spaces.append(max(0.0, min(b.y0 + MARGIN * b.height for b in lower) - reach))
    within = _space_within_cells(spaces, full, height)
    groups: list[list[Placed]] = [[placed[0]]]
    for number, row in enumerate(placed[1:]):
        if spaces[number] <= within and _same_cells(groups[-1], row):
            groups[-1].append(row)
        else:
            groups.append([row])
    usual = median(_pitch(a, b) for a, b in itertools.pairwise(boxes))
    return _joined_heading(groups, usual, height)


def _space_within_cells(spaces: Sequence[float], full: Sequence[bool], height: float) -> float:
    """Up to which space two visual rows are lines of the same cells: where the spaces fall into smaller and
    larger ones. -1 where they do not.
    """
    between_full = [space for number, space in enumerate(spaces) if full[number] and full[number + 1]]
    widest, found = JUMP * height, -1.0
    for small, large in itertools.pairwise(sorted(spaces)):
        if large - small > widest and small < 0.7 * height and not any(s <= small for s in between_full):
            widest, found = large - small, small
    return found


def _same_cells(group: Sequence[Placed], row: Placed) -> bool:
    """Whether no line of ``row`` begins a cell across columns of ``group``, or under one."""
    return all(end - start == 1 for line in (*group, row) for _, start, end in line)


def _joined_heading(groups: list[list[Placed]], usual: float, height: float) -> list[list[Placed]]:
    """The lines of a heading whose cells are of different length, put together where a larger space below
    sets them apart from the rows.
    """
    for count in (2, 3):
        if len(groups) <= count + 1:
            break
        heading = [row for group in groups[:count] for row in group]
        below = groups[count][0]
        apart = _pitch([b for b, _, _ in heading[-1]], [b for b, _, _ in below])
        inside = max(
            _pitch([b for b, _, _ in a], [b for b, _, _ in c]) for a, c in itertools.pairwise(heading)
        )
        words = not any(_NUMBER.fullmatch(box.text.strip()) for row in heading for box, _, _ in row)
        sizes = [len(row) for row in heading]
        if (
            apart > LOOSE * max(usual, inside)
            and inside < LOOSE * height
            and words
            and max(sizes) > min(sizes)
            and _same_cells([], [one for row in heading for one in row])
        ):
            return [heading, *groups[count:]]
    return groups


def _header_rows(groups: Sequence[Sequence[Placed]]) -> int:
    """How many rows name the columns: words alone over a table with numbers, one more under merged cells."""

    def numbers(group: Sequence[Placed]) -> int:
        return sum(bool(_NUMBER.fullmatch(box.text.strip())) for row in group for box, _, _ in row)

    if len(groups) < 2 or numbers(groups[0]):
        return 0
    count = 1
    merged = any(end - start > 1 for row in groups[0] for _, start, end in row)
    if merged and len(groups) > 2 and not numbers(groups[1]):
        count = 2
    return count if any(numbers(group) for group in groups[count:]) or merged else 0
