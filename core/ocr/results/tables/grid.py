"""Tables, found among the rows of a block: which lines are cells, in which column and row."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ....cancel import cancel_point, watched
from ..line_boxes import Box, visual_rows
from ..rules import Ruling
from .columns import FULL, columns_of, taken
from .rows import NUMBER, ROW_BY_ROW, Placed, boxes_of, rows_of_cells, rows_without_rules, with_one_head
from .ruled import Frame, cells_of
from .runs import AS_ABOVE, STEP, pitch, runs
from .stacked import tables_of

# In line heights.
LONG_CELL = 14.0  # two columns of lines that are mostly longer are no table
NUMBERED = 0.5  # of the rows of two columns have both, where the second is a heading and numbers
CLOSE = 2.6  # a heading across columns stands no farther above them
MOST_SPANNING = 0.3  # the share of lines that may cross from one column into the next
MOST_CELLS = 20_000
STACK = 3  # level rules of one of several tables side by side: above, below its heading, below its last row
ENDS, APART = 0.6, 1.5  # they end so near one another; tables stand so far apart
_MARK = re.compile(r"[\W_]{0,2}(\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})?[\W_]{0,2}")  # of a list
_COMMENT = re.compile(r"//|/\*|#\s|--\s|;;|<!--")
_DOT = r"(?:\s?[.\u2026\u00b7])"
_NUMBER_BEHIND = r"(?=[\d$\u20ac\u00a3-])"
_LEADERS = re.compile(  # also the one of them that was seen
    rf"^(?:{_DOT}{{2,}}\s*|[.\u2026\u00b7]\s+){_NUMBER_BEHIND}|{_DOT}{{4,}}\s*$|\s[.\u2026\u00b7]+\s*$"
)
_PAGE = re.compile(r"\d{1,4}")


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


def find_grids(rows: Sequence[Sequence[Box]], ruling: Ruling | None = None) -> list[Grid]:
    """The tables among ``rows`` (visual rows of one block, each from left to right), in order."""
    ruling = ruling or Ruling()
    found = []
    for begin, end in runs(rows):
        for start, stop in tables_of(rows[begin:end], ruling):
            cancel_point()
            first = begin + start
            above = rows[first - 1] if first and not start else ()  # of a second table its title or the first
            grid = _grid(rows[first : begin + stop], first, above, ruling)
            if grid is not None:
                found.append(grid)
    return found


def is_number(text: str) -> bool:
    """Whether a cell's text is a number, with a unit or a sign at most."""
    return bool(NUMBER.fullmatch(text))


def ruled_grid(frame: Frame, rows: Sequence[Sequence[Box]]) -> Grid:
    """The table of ``frame``, which holds all ``rows``."""
    columns = len(frame.xs) - 1
    grid = [[GridCell()] * columns for _ in frame.ys[1:]]
    groups: list[list[Placed]] = [[] for _ in grid]
    for cell in cells_of(frame, [box for row in rows for box in row]):
        lines = tuple(box.index for line in visual_rows(cell.boxes) for box in line)
        grid[cell.row][cell.column] = GridCell(lines, cell.across, cell.down)
        groups[cell.row].append([(box, cell.column, cell.column + cell.across) for box in cell.boxes])
    whole: list[tuple[GridCell, ...]] = []
    parts: list[list[Placed]] = []
    for cells, group in zip(grid, groups, strict=True):
        several = [] if any(cell.down > 1 for cell in cells) else rows_without_rules(group, columns)
        whole += [tuple(_cells_of([row], columns)) for row in several] or [tuple(cells)]
        parts += [[row] for row in several] or [group]
    return Grid(0, len(rows), tuple(whole), _header_rows(parts))


def _grid(rows: Sequence[Sequence[Box]], first: int, above: Sequence[Box], ruling: Ruling) -> Grid | None:
    """``rows`` as a table, or None where they are a list, columns of text or nothing of the kind. ``above``
    is the row over them, which may be a heading across some of the columns.
    """
    columns = columns_of(rows)
    if len(columns) < 2 or len(rows) * len(columns) > MOST_CELLS:
        return None
    placed = [_placed(row, columns) for row in watched(rows)]
    spanning = sum(end - start > 1 for row in placed for _, start, end in row)
    if spanning > MOST_SPANNING * sum(map(len, rows)) or not _is_table(
        placed, columns, _closed(rows, ruling)
    ):
        return None
    table_rows = with_one_head(rows_of_cells(placed, len(columns), ruling), len(columns))
    between = [pitch(boxes_of(a[-1]), boxes_of(b[0])) for a, b in itertools.pairwise(table_rows)]
    usual = AS_ABOVE * median(between) if between else 0.0
    over = _heading_over_columns(above, rows[0], columns, usual)
    if over:
        table_rows, first = [[over], *table_rows], first - 1
    elif len(table_rows[0]) == 1 and (wider := _heading_over_columns(rows[0], rows[1], columns, usual)):
        table_rows[0] = [wider]
    cells = [tuple(_cells_of(group, len(columns))) for group in watched(table_rows)]
    count = sum(len(group) for group in table_rows)
    return Grid(first, first + count, tuple(cells), _header_rows(table_rows))


def _placed(row: Sequence[Box], columns: Sequence[tuple[float, float]]) -> Placed:
    """A row over the columns: a line whose box was drawn out takes none in which the next one begins."""
    own = [taken(box, columns) for box in row]
    begins = [start for start, _ in own[1:]] + [len(columns)]
    return [
        (box, start, max(start + 1, min(end, stop)))
        for box, (start, end), stop in zip(row, own, begins, strict=True)
    ]


def _cells_of(group: Sequence[Placed], columns: int) -> list[GridCell]:
    row = [GridCell()] * columns
    for _, start, end in (one for line in group for one in line):
        row[start] = GridCell((), max(row[start].across, end - start))
    held: dict[int, list[Box]] = {}
    for box, start, _ in (one for line in group for one in line):
        held.setdefault(start, []).append(box)
    for start, boxes in held.items():
        inside = tuple(box.index for line in visual_rows(boxes) for box in line)
        row[start] = GridCell(inside, row[start].across)
    return _without_overlaps(row)


def _heading_over_columns(
    row: Sequence[Box], below: Sequence[Box], columns: Sequence[tuple[float, float]], usual: float
) -> Placed | None:
    """``row`` placed over the columns in whose middle its lines stand, where that is over several of them and
    close to the row ``below``, or as far from it as rows are (``usual``, pixels); else None. A title in the
    middle over the whole table is no part of it.
    """
    if not row or len(row) >= len(columns) - 1 or any(NUMBER.fullmatch(b.text.strip()) for b in row):
        return None
    unit = median(b.height for b in below)
    near = (
        pitch(row, below) < max(CLOSE * unit, usual)
        and 0.7 * unit < median(b.height for b in row) < 1.4 * unit
    )
    if not near or row[0].x0 < columns[0][1] or row[-1].x1 > columns[-1][1] + unit:
        return None
    placed = []
    free = 1
    for box in row:
        start, end = taken(box, columns)
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


def _closed(rows: Sequence[Sequence[Box]], ruling: Ruling) -> bool:
    """Whether level rules stand over the first row, under it (or the two that are the heading) and below the
    last, and none between others, as around many tables in print.
    """
    left, right = min(b.x0 for row in rows for b in row), max(b.x1 for row in rows for b in row)
    middles = [median(b.middle for b in row) for row in rows]
    unit = median(b.height for row in rows for b in row)
    found = ruling.under(left, right, ROW_BY_ROW, middles[0] - CLOSE * unit, middles[-1] + CLOSE * unit)
    stand = [bisect.bisect(middles, y) for y in found]
    return len(stand) == 3 and stand[0] == 0 and stand[1] in (1, 2) and stand[2] == len(rows)


def _is_table(placed: Sequence[Placed], columns: Sequence[tuple[float, float]], closed: bool) -> bool:
    """``closed``: rules stand around the heading and below the last row."""
    several = [row for row in placed if len({start for _, start, _ in row}) > 1]
    full = [row for row in several if len({start for _, start, _ in row}) >= FULL * len(columns)]
    if len(several) < 3 - closed or len(full) < 2 or not _tidy(several, len(columns)):
        return False
    texts: list[list[str]] = [[] for _ in columns]
    widths: list[list[float]] = [[] for _ in columns]
    for row in watched(placed):
        for box, start, end in row:
            if end - start == 1:
                texts[start].append(without_leaders(box.text))
                widths[start].append(box.width / box.height)
    if any(not some for some in texts) or _are_comments(texts[-1]):
        return False
    if len(columns) > 2:
        filled = sum(len({start for _, start, _ in row}) for row in several) / (len(several) * len(columns))
        return filled > 0.35 and median(map(median, widths)) < LONG_CELL
    if all(_MARK.fullmatch(text) for text in texts[0]) and not all(map(NUMBER.fullmatch, texts[1])):
        return False  # the marks of a list
    if sum(text.endswith((":", "\uff1a")) for text in texts[0]) > len(texts[0]) / 2:
        return False  # a form
    pages = [int(text) for text in texts[1] if _PAGE.fullmatch(text)]
    if len(pages) > 0.8 * len(texts[1]) and pages == sorted(pages) and len(pages) > 2:
        return False  # contents
    boxes = list(map(boxes_of, placed))
    unit = median(box.height for row in boxes for box in row)
    apart = 1 + sum(pitch(a, b) >= STEP * unit for a, b in itertools.pairwise(boxes))
    numbered = not is_number(texts[1][0]) and len(texts[1]) > 2 and all(map(is_number, texts[1][1:]))
    share = NUMBERED if numbered and len(placed[0]) > 1 else FULL
    return min(map(median, widths)) < LONG_CELL and (closed or len(several) > share * apart)


def without_leaders(text: str) -> str:
    """What stands in a cell, without the dots that lead to the next one or come from the last."""
    return _LEADERS.sub("", text).strip()


def _are_comments(texts: Sequence[str]) -> bool:
    """Whether a column is what a programmer wrote beside the code."""
    return sum(bool(_COMMENT.match(text)) for text in texts) > len(texts) / 2


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


def _header_rows(groups: Sequence[Sequence[Placed]]) -> int:
    """How many rows name the columns: words alone over a table with numbers, one more under merged cells."""

    def numbers(group: Sequence[Placed]) -> int:
        return sum(bool(NUMBER.fullmatch(box.text.strip())) for row in group for box, _, _ in row)

    if len(groups) < 2 or numbers(groups[0]):
        return 0
    count = 1
    merged = any(end - start > 1 for row in groups[0] for _, start, end in row)
    if merged and len(groups) > 2 and not numbers(groups[1]):
        count = 2
    return count if any(numbers(group) for group in groups[count:]) or merged else 0


@dataclass
class _Stack:
    """Level rules that begin and end above one another."""

    x0: float
    x1: float
    ys: list[float]

    def holds(self, box: Box) -> bool:
        return self.x0 < box.centre < self.x1 and self.ys[0] < box.middle < self.ys[-1]


def tables_beside(boxes: Sequence[Box], ruling: Ruling) -> list[list[Box]]:
    """The lines of each of two or more tables that stand side by side, from the left: rules as long as each
    lie above its rows and below, and none goes on to the next. None where there is one.
    """
    if len(ruling.level) < 2 * STACK or len(boxes) < 2 * STACK:
        return []
    unit = median(box.height for box in boxes)
    stacks = [one for one in _stacks(ruling, ENDS * unit) if len(one.ys) >= STACK]
    found = []
    for one in watched(stacks):
        if not any(_beside(one, other, ruling, unit) for other in stacks if other is not one):
            continue
        inside = [box for box in boxes if one.holds(box)]
        if inside and find_grids(visual_rows(inside), ruling):
            found.append(inside)
    return found if len(found) > 1 else []


def _stacks(ruling: Ruling, same: float) -> list[_Stack]:
    found: list[_Stack] = []
    for y, x0, x1 in watched(ruling.level):
        mine = next((one for one in found if abs(one.x0 - x0) < same and abs(one.x1 - x1) < same), None)
        if mine is None:
            found.append(_Stack(x0, x1, [y]))
        else:
            mine.ys.append(y)
    return sorted(found, key=lambda one: (one.x0, one.ys))


def _beside(one: _Stack, other: _Stack, ruling: Ruling, unit: float) -> bool:
    """Whether two tables stand beside one another with nothing ruled between."""
    left, right = sorted((one, other), key=lambda stack: stack.x0)
    top, bottom = max(left.ys[0], right.ys[0]), min(left.ys[-1], right.ys[-1])
    if right.x0 - left.x1 < APART * unit or bottom - top < unit:
        return False
    crossed = any(
        top - unit < y < bottom + unit and x0 < right.x0 - unit and x1 > left.x1 + unit
        for y, x0, x1 in ruling.level
    )
    return not crossed
