"""Tables whose cells are closed off by rules on all sides: the rules alone say where rows, columns and merged
cells are.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from ....cancel import cancel_point, watched
from ..line_boxes import Box
from ..rules import Ruling
from .rows import NUMBER

# In line heights.
TOUCH = 0.6  # rules that end so near one another meet
SAME = 0.6  # and such that run so near one another are one: no row is lower
TALLEST = 12.0  # rows are on the median at most so high: columns of a newspaper are higher
WIDE_GRID = 5  # but its columns do not all go on through all of its rows; edges of columns at least
# More lines of one cell are many: a page laid out with rules has most of its lines in such, and no table has
# so many in one. What takes so much of a frame, over the places of others, is the page that it was drawn for.
MANY_LINES, MOST_IN_SUCH, MOST_LINES, PAGE = 12, 0.6, 60, 0.6
# A label of a form ends so near its box, in line heights; so many, of such a share of the rows.
LABEL, LABELS, LABELLED = 3.0, 4, 0.7
HEAD, HEADED = 2.0, 0.6  # names over columns stand so near, over so many of them at least
ACROSS = 0.8  # of a cell's side is ruled, or it is open there
WHOLE = 0.5  # of the places at least are cells of their own: forms have boxes of every width
WHOLE_FILLED, FILLED = 0.4, 0.85  # or so many, where so many have text: a form that somebody filled in
MOST_MEETINGS = 250_000  # of level rules with upright ones that are looked at
PAPER = 0.25  # a box stands so far over its letters
PAIRS, IN_PAIRS = 3, 0.6  # rows with two numbers in one column, of those with any
LOW = 4.0  # a row of cells is lower
OPEN = 0.75  # of the rules that cross a table end together where a side of it is not drawn
Span = tuple[float, float]
Edge = tuple[float, tuple[Span, ...]]


@dataclass(frozen=True)
class Frame:
    """A table's rules: ``xs`` and ``ys`` are the edges of its columns and rows, ``level`` and ``upright`` the
    ruled parts of each of them, as (from, up to).
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    level: tuple[tuple[Span, ...], ...]
    upright: tuple[tuple[Span, ...], ...]

    def holds(self, box: Box) -> bool:
        return self.xs[0] < box.centre < self.xs[-1] and self.ys[0] < box.middle < self.ys[-1]

    def place(self, box: Box) -> tuple[int, int]:
        """(row, column) of a box that it holds."""
        return bisect.bisect(self.ys, box.middle) - 1, bisect.bisect(self.xs, box.centre) - 1

    def ruled_under(self, row: int, column: int) -> bool:
        return _share(self.level[row + 1], self.xs[column], self.xs[column + 1]) >= ACROSS

    def ruled_behind(self, row: int, column: int) -> bool:
        return _share(self.upright[column + 1], self.ys[row], self.ys[row + 1]) >= ACROSS


@dataclass(frozen=True)
class RuledCell:
    """``boxes`` in reading order, in a cell whose top left place is (``row``, ``column``)."""

    row: int
    column: int
    across: int
    down: int
    boxes: tuple[Box, ...]


def frames(ruling: Ruling, boxes: Sequence[Box]) -> list[tuple[Frame, list[Box]]]:
    """The tables of at least two rows and two columns that are ruled on all sides, each with its lines."""
    if len(ruling.level) * len(ruling.upright) > MOST_MEETINGS or len(boxes) < 2:
        return []
    unit = median(box.height for box in boxes)
    found: list[tuple[Frame, list[Box]]] = []
    taken: set[int] = set()
    for level, upright in _meeting(ruling, TOUCH * unit):
        cancel_point()
        frame = _frame(level, upright, unit, boxes)
        if frame is None:
            continue
        for part in _beside_its_page(frame, [box for box in boxes if frame.holds(box)]):
            mine = [box for box in boxes if box.index not in taken and part.holds(box)]
            part = _with_parted_columns(part, mine)
            if mine and cells_of(part, mine) and not _is_beside_labels(part, mine, boxes, unit):
                head = _head_over(part, [box for box in boxes if box.index not in taken], unit)
                if head:
                    part, mine = _extended(part, min(box.y0 for box in head)), [*head, *mine]
                found.append((part, mine))
                taken |= {box.index for box in mine}
    return found


def _with_parted_columns(frame: Frame, boxes: Sequence[Box]) -> Frame:
    """``frame`` with an edge more in each column that has two numbers side by side in most of its rows, of
    which each stands below its like: counts and shares below one year, parted in the head alone or nowhere.
    """
    held: dict[tuple[int, int], list[Box]] = {}
    for box in boxes:
        held.setdefault(frame.place(box), []).append(box)
    rows = range(len(frame.ys) - 1)
    found: list[tuple[float, tuple[Span, ...]]] = []
    for column in range(len(frame.xs) - 1):
        told = [held.get((row, column), []) for row in rows]
        told = [some for some in told if some and all(NUMBER.fullmatch(box.text.strip()) for box in some)]
        pairs = [sorted(some, key=lambda b: b.x0) for some in told if len(some) == 2]
        if len(pairs) < max(PAIRS, IN_PAIRS * len(told)):
            continue
        left, right = max(pair[0].x1 for pair in pairs), min(pair[1].x0 for pair in pairs)
        if right <= left:
            continue
        edge = (left + right) / 2
        mine = [box for row in rows for box in held.get((row, column), ())]
        through = {frame.place(box)[0] for box in mine if _crosses(box, edge)}
        parted = tuple((frame.ys[row], frame.ys[row + 1]) for row in rows if row not in through)
        found.append((edge, parted))
    if not found:
        return frame
    columns = sorted([*zip(frame.xs, frame.upright, strict=True), *found])
    return Frame(tuple(x for x, _ in columns), frame.ys, frame.level, tuple(s for _, s in columns))


def _head_over(frame: Frame, boxes: Sequence[Box], unit: float) -> list[Box]:
    """The lines that stand close above a table, one over each of most of its columns: their names, as those
    of the days over a calendar. [] where there are none.
    """
    row = [box for box in boxes if 0 < frame.ys[0] - box.middle < HEAD * unit]
    lowest = max((box.middle for box in row), default=0.0)
    row = [box for box in row if lowest - box.middle < unit / 2]
    over: set[int] = set()
    for box in row:
        column = bisect.bisect(frame.xs, box.centre) - 1
        if not 0 <= column < len(frame.xs) - 1 or column in over:
            return []
        left, right = frame.xs[column], frame.xs[column + 1]
        in_place = min(abs(box.centre - (left + right) / 2), abs(box.x0 - left), abs(box.x1 - right)) < unit
        if not in_place or box.x0 < left - unit / 4 or box.x1 > right + unit / 4:
            return []
        over.add(column)
    return row if len(over) >= max(3, HEADED * (len(frame.xs) - 1)) else []


def _extended(frame: Frame, top: float) -> Frame:
    """``frame`` with a row more above it, from ``top``."""
    beside = (top, frame.ys[0])
    return Frame(
        frame.xs,
        (top, *frame.ys),
        (((frame.xs[0], frame.xs[-1]),), *frame.level),
        tuple((beside, *spans) for spans in frame.upright),
    )


def _is_beside_labels(frame: Frame, inside: Sequence[Box], boxes: Sequence[Box], unit: float) -> bool:
    """Whether a frame is the boxes of a form for what the labels at its left ask: each of its rows has one
    that ends beside it, and they begin where they like.
    """
    taken = {box.index for box in inside}
    labels = [
        box
        for box in boxes
        if box.index not in taken and -unit < frame.xs[0] - box.x1 < LABEL * unit and frame.ys[0] < box.middle
    ]
    labels = [box for box in labels if box.middle < frame.ys[-1]]
    rows = {frame.place(box)[0] for box in inside}
    labelled = {bisect.bisect(frame.ys, box.middle) - 1 for box in labels}
    if len(labels) < LABELS or len(rows & labelled) < LABELLED * len(rows):
        return False
    flush = max(sum(abs(box.x0 - other.x0) < unit / 2 for other in labels) for box in labels)
    return flush <= len(labels) / 2


def _beside_its_page(frame: Frame, boxes: Sequence[Box]) -> Iterator[Frame]:
    """``frame``, or where one was drawn around a whole page (with a block for title and signatures, as
    standards ask for) what stands above, below and beside that page.
    """
    rows, columns = len(frame.ys) - 1, len(frame.xs) - 1
    whole = (frame.ys[-1] - frame.ys[0]) * (frame.xs[-1] - frame.xs[0])
    for cell in _cells(frame, boxes):
        row, column, below, behind = cell.row, cell.column, cell.row + cell.down, cell.column + cell.across
        area = (frame.ys[below] - frame.ys[row]) * (frame.xs[behind] - frame.xs[column])
        if area >= PAGE * whole and cell.across * cell.down > 1:
            over_and_under = (0, row, column, behind), (below, rows, column, behind)
            beside = (0, rows, 0, column), (0, rows, behind, columns)
            parts = (_part(frame, *side) for side in (*over_and_under, *beside))
            yield from (part for part in parts if part is not None)
            return
    yield frame


def _part(frame: Frame, top: int, bottom: int, left: int, right: int) -> Frame | None:
    """The places of a frame from row ``top`` up to ``bottom``, with the edges that are drawn there."""
    if bottom - top < 2 or right - left < 2:
        return None
    across, down = (frame.xs[left], frame.xs[right]), (frame.ys[top], frame.ys[bottom])
    ys = [n for n in range(top, bottom + 1) if _share(frame.level[n], *across) > 0]
    xs = [n for n in range(left, right + 1) if _share(frame.upright[n], *down) > 0]
    if len(ys) < 3 or len(xs) < 3:
        return None
    return Frame(
        tuple(frame.xs[n] for n in xs),
        tuple(frame.ys[n] for n in ys),
        tuple(frame.level[n] for n in ys),
        tuple(frame.upright[n] for n in xs),
    )


def cells_of(frame: Frame, boxes: Sequence[Box]) -> list[RuledCell]:
    """The cells with what stands in them (``boxes``: in reading order), empty ones too; [] where this is no
    table.
    """
    rows, columns = len(frame.ys) - 1, len(frame.xs) - 1
    held = {frame.place(box) for box in boxes}
    if sum(len({column for row, column in held if row == one}) > 1 for one in range(rows)) < 2:
        return []
    cells = _cells(frame, boxes)
    counts = [len(cell.boxes) for cell in cells]
    many = sum(count for count in counts if count > MANY_LINES)
    whole = len(cells) == rows * columns and columns + 1 >= WIDE_GRID
    if max(counts) > MOST_LINES or (many > MOST_IN_SUCH * len(boxes) and not whole):
        return []
    filled = sum(count > 0 for count in counts) >= FILLED * len(cells)
    return cells if len(cells) >= (WHOLE_FILLED if filled else WHOLE) * rows * columns else []


def _cells(frame: Frame, boxes: Sequence[Box]) -> list[RuledCell]:
    rows, columns = len(frame.ys) - 1, len(frame.xs) - 1
    held: dict[tuple[int, int], list[Box]] = {}
    for box in boxes:
        held.setdefault(frame.place(box), []).append(box)
    free = set(itertools.product(range(rows), range(columns)))
    cells = []
    for row, column in watched(itertools.product(range(rows), range(columns)), 64):
        if (row, column) not in free:
            continue
        across = down = 1
        while (
            column + across < columns
            and (row, column + across) in free
            and _open_behind(frame, row, column, column + across - 1, held)
        ):
            across += 1
        while row + down < rows and all(
            (row + down, x) in free and not frame.ruled_under(row + down - 1, x)
            for x in range(column, column + across)
        ):
            down += 1
        places = list(itertools.product(range(row, row + down), range(column, column + across)))
        free.difference_update(places)
        inside = [box for place in places for box in held.get(place, ())]
        cells.append(RuledCell(row, column, across, down, tuple(inside)))
    return cells


def _open_behind(
    frame: Frame, row: int, first: int, column: int, held: dict[tuple[int, int], list[Box]]
) -> bool:
    """Whether a cell that begins at the column ``first`` goes on behind ``column``: no rule, and not words of
    their own on both sides.
    """
    if frame.ruled_behind(row, column):
        return False
    edge, high = frame.xs[column + 1], frame.ys[row + 1] - frame.ys[row]
    left, right = held.get((row, column), []), held.get((row, column + 1), [])
    if right and high < LOW * right[0].height:  # a page in a frame is no row of cells
        left = [box for x in range(first, column + 1) for box in held.get((row, x), ())]
    return not (left and right) or any(_crosses(box, edge) for box in (*left, *right))


def _crosses(box: Box, edge: float) -> bool:
    """Whether a line goes through an edge, not only the paper of its box."""
    paper = PAPER * box.height
    return box.x0 + paper < edge < box.x1 - paper


def _meeting(ruling: Ruling, slack: float) -> Iterator[tuple[list[tuple[float, float, float]], ...]]:
    """The level and the upright rules that hang together, table by table."""
    level, upright = ruling.level, ruling.upright
    group = list(range(len(level) + len(upright)))

    def first(one: int) -> int:
        while group[one] != one:
            group[one] = group[group[one]]
            one = group[one]
        return one

    xs = [x for x, _, _ in upright]
    for number, (y, x0, x1) in enumerate(watched(level, 64)):
        start, stop = bisect.bisect_left(xs, x0 - slack), bisect.bisect_right(xs, x1 + slack)
        for other in range(start, stop):
            _, y0, y1 = upright[other]
            if y0 - slack <= y <= y1 + slack:
                group[first(number)] = first(len(level) + other)
    together: dict[int, tuple[list[tuple[float, float, float]], list[tuple[float, float, float]]]] = {}
    for number in range(len(group)):
        sides = together.setdefault(first(number), ([], []))
        if number < len(level):
            sides[0].append(level[number])
        else:
            sides[1].append(upright[number - len(level)])
    yield from together.values()


def _frame(
    level: Sequence[tuple[float, float, float]],
    upright: Sequence[tuple[float, float, float]],
    unit: float,
    boxes: Sequence[Box],
) -> Frame | None:
    slack = TOUCH * unit
    rows, columns = _edges(level, SAME * unit), _edges(upright, SAME * unit)
    for _ in range(2):  # an underline closes off no cell, nor does what then meets nothing
        rows = [(y, s) for y, s in rows if _joins(s, [x for x, _ in columns], slack)]
        columns = [(x, s) for x, s in columns if _joins(s, [y for y, _ in rows], slack)]
    if len(rows) < 2 or len(columns) < 2:
        return None
    across = [(box.middle, box.centre) for box in boxes]
    columns, rows = (
        _with_open_sides(columns, rows, across, unit),
        _with_open_sides(rows, columns, [(x, y) for y, x in across], unit),
    )
    if len(rows) < 3 or len(columns) < 3:
        return None
    ys, xs = [y for y, _ in rows], [x for x, _ in columns]
    sides = (rows, xs[0], xs[-1]), (columns, ys[0], ys[-1])
    whole = all(_share(s, *ends) >= ACROSS for edges, *ends in sides for _, s in edges)
    high = median(b - a for a, b in itertools.pairwise(ys)) > TALLEST * unit
    if high and not (whole and len(xs) >= WIDE_GRID):
        return None
    outer = (rows[0], rows[-1], columns[0], columns[-1])
    ends = ((xs[0], xs[-1]), (xs[0], xs[-1]), (ys[0], ys[-1]), (ys[0], ys[-1]))
    if any(_share(spans, *end) < WHOLE for (_, spans), end in zip(outer, ends, strict=True)):
        return None
    return Frame(tuple(xs), tuple(ys), tuple(s for _, s in rows), tuple(s for _, s in columns))


def _with_open_sides(
    edges: list[Edge], others: Sequence[Edge], places: Sequence[tuple[float, float]], unit: float
) -> list[Edge]:
    """``edges`` with one more on a side where the ``others`` that cross them go on to one end, if something
    stands there: the side of a table that is not drawn, or was not seen. ``places``: (along the edges,
    across them) of all lines.
    """
    low, high = others[0][0], others[-1][0]
    sides = ((edges[0][0], [s[0][0] for _, s in others]), (edges[-1][0], [s[-1][1] for _, s in others]))
    found = list(edges)
    for at, (last, ends) in enumerate(sides):
        end = median(ends)
        alike = sum(abs(one - end) < TOUCH * unit for one in ends)
        beyond = min(last, end), max(last, end)
        outward = end - last if at else last - end
        if outward < unit or alike < max(min(3, len(ends)), OPEN * len(ends)):
            continue
        if any(low < along < high and beyond[0] < across < beyond[1] for along, across in places):
            found.insert(len(found) if at else 0, (end, ((low, high),)))
    return found


def _edges(rules: Sequence[tuple[float, float, float]], same: float) -> list[Edge]:
    """Rules of one height put together: (its height, what is ruled there)."""
    found: list[tuple[float, list[Span]]] = []
    for at, start, end in sorted(rules):
        if found and at - found[-1][0] < same:
            found[-1][1].append((start, end))
        else:
            found.append((at, [(start, end)]))
    return [(at, tuple(sorted(spans))) for at, spans in found]


def _joins(spans: Sequence[Span], edges: Sequence[float], slack: float) -> bool:
    """Whether one of the spans runs from one of ``edges`` to another."""
    return any(sum(start - slack <= edge <= end + slack for edge in edges) > 1 for start, end in spans)


def _share(spans: Sequence[Span], start: float, end: float) -> float:
    """How much of ``start`` to ``end`` is in ``spans`` (sorted)."""
    taken, reach = 0.0, start
    for x0, x1 in spans:
        low, high = max(x0, reach), min(x1, end)
        if high > low:
            taken += high - low
            reach = high
    return taken / max(end - start, 1e-9)
