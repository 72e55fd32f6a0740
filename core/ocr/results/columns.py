"""Columns: a recursive XY-cut that judges whole cuts.

A gutter is an empty upright strip between two boxes, as long as nothing crosses it. Of all strips of a part
the longest is taken that parts columns of running text rather than the cells of a table; what stands above
and below it (headings, figures and feet that cross it) becomes parts of its own, and each part is cut again.
After G. Nagy and S. Seth, "Hierarchical representation of optically scanned documents" (1984), and, for
strips that end at what crosses them, T. Breuel, "Two geometric algorithms for layout analysis" (2002).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from ...cancel import cancel_point
from .column_signs import (
    COUNT,
    LONG_LINE,
    MOSTLY_NUMBERS,
    SHORT_LINE,
    WIDE_GUTTER,
    are_captions,
    has_text_beside_numbers,
    in_step,
    numbers_of,
    parts_columns,
    share_rows,
    surely_columns,
)
from .line_boxes import Box, around, visual_rows
from .panels import Pictures
from .rules import Ruling
from .tables.grid import find_grids, is_number

# All in line heights (boxes of detectors stand about a fifth over their letters on each side).
GUTTER = 0.4  # a narrower strip is a space between words
PARTED = 2.5  # a blank band that is as high parts what is above from what is below, columns or not
HEADED = 0.5  # one from a heading in the middle over all columns
APART = 1.5  # and one that is as high parts a running head or a page number from the text
SLACK = 0.13  # by so much boxes may reach into a strip
MOST_OVER = 4  # lines at the foot of a column that belong to a headline below
RULES = 3  # level rules that go through a strip make it one between cells
AROUND = 2.0  # below the last line, or above the first, a rule that closes off its cell is no farther
RULED_ROWS = 6.0  # where they are no farther apart
HEADS = 3  # cells that the head of a table has in one row
TABLE_COLUMNS = 3  # of a table that is one whatever else its columns look like
PARTLY = 0.3  # of the lines beside a strip are in a table that it runs through
COLUMNS_OF_NUMBERS, NUMBERS_BELOW = 3, 5  # so many with so many numbers each make one, with gaps too
CELLS_WITHIN = 3  # short lines between two columns that are a column of cells
NUMBERED, ALONG = 0.12, 0.6  # of a table's lines are numbers in one column; of its height it takes
DRAWN = 0.1  # of a strip is a picture, where that parts captions
MOST_EDGES = 500  # places for strips in a part
MOST_LOOKED = 3_000_000  # boxes, in all the tries to find columns on one page: some seconds


@dataclass
class Looks:
    """How many boxes may still be looked at: on a page of thousands, such as a model may make up, strips
    could be tried again and again.
    """

    left: int = MOST_LOOKED

    def at(self, count: int) -> bool:
        cancel_point()
        self.left -= count
        return self.left > 0


@dataclass(frozen=True)
class _Strip:
    """An empty strip around ``x`` from ``top`` to ``bottom``, the boxes beside it, its width between them and
    the height along which there is text on both sides.
    """

    x: float
    top: float
    bottom: float
    left: tuple[Box, ...]
    right: tuple[Box, ...]
    width: float
    height: float


def blocks(
    boxes: Sequence[Box], ruling: Ruling | None = None, pictures: Pictures | None = None
) -> list[list[Box]]:
    """``boxes`` cut into blocks of one column each, in reading order; not through a table with rules."""
    looks = Looks()
    page = (min(b.y0 for b in boxes), max(b.y1 for b in boxes)) if boxes else (0.0, 0.0)
    found: list[list[Box]] = []
    open_parts = [(list(boxes), False)]
    while open_parts:
        part, in_column = open_parts.pop()
        strip = _gutter(part, looks, ruling or Ruling(), pictures)
        if strip is None:
            found.append(part)
        else:
            pieces = _cut(part, strip, in_column, page, ruling or Ruling())
            open_parts += [piece for piece in reversed(pieces) if piece[0]]
    return found


def _gutter(part: Sequence[Box], looks: Looks, ruling: Ruling, pictures: Pictures | None) -> _Strip | None:
    """The longest strip of ``part`` that parts columns, or None."""
    if len(part) < 4 or not looks.at(len(part)):
        return None
    unit = median(b.height for b in part)
    tables: list[Box] | None = None  # looked for once something would be cut
    strips: dict[tuple[int, int, int], tuple[float, float, _Strip]] = {}  # height and width where shared
    for strip in _strips(sorted(part, key=lambda b: b.middle), unit, looks):
        key = strip.left[0].index, len(strip.left), len(strip.right)
        if key not in strips or strips[key][1] < strip.width:
            strips[key] = strip.height, strip.width, strip
    for *_, strip in sorted(strips.values(), key=lambda one: (-one[0], -one[1])):
        if not looks.at(len(part)):
            break
        if _is_where_rules_end(strip, unit, ruling):
            return strip
        if (
            not _ruled_across(strip, unit, ruling)
            and not _under_a_ruled_head(strip, part, unit, ruling)
            and not _over_cells(strip, part, unit)
            and not _beside_numbers(strip, unit)
            and (parts_columns(strip.left, strip.right) or _is_drawn_in(strip, unit, pictures))
        ):
            if tables is None:
                tables = _tables_with_numbers(part, ruling)
            if surely_columns(strip.left, strip.right):
                return strip
            below = [found for found in (_below(strip, table) for table in tables) if found is not None]
            if below:
                return below[0]
            if not any(_within(strip, table) for table in tables):
                return strip
    return None


def _tables_with_numbers(part: Sequence[Box], ruling: Ruling) -> list[Box]:
    """The tables of three columns or more of which one is numbers, or three are where they say anything, were
    ``part`` read row by row: a box around each. Its other cells may look like columns of text.
    """
    rows = visual_rows(part)
    found = []
    for grid in find_grids(rows, ruling):
        body = grid.rows[max(1, grid.header_rows) :]
        if len(grid.rows[0]) < TABLE_COLUMNS or len(body) < CELLS_WITHIN:
            continue
        text = {box.index: box.text.strip() for row in rows[grid.first : grid.stop] for box in row}
        of_numbers = 0  # columns, whatever rows they leave empty
        for column in zip(*body, strict=True):
            filled = [cell.lines for cell in column if cell.lines]
            numbers = sum(len(lines) == 1 and is_number(text[lines[0]]) for lines in filled)
            if numbers >= max(CELLS_WITHIN, MOSTLY_NUMBERS * len(body)):
                of_numbers += COLUMNS_OF_NUMBERS
            of_numbers += numbers >= max(NUMBERS_BELOW, MOSTLY_NUMBERS * len(filled))
        if of_numbers >= COLUMNS_OF_NUMBERS:
            found.append(around(-1, [box for row in rows[grid.first : grid.stop] for box in row]))
    return found


def _within(strip: _Strip, table: Box) -> bool:
    """Whether a strip runs through ``table`` for most of its height."""
    boxes = (*strip.left, *strip.right)
    inside = sum(table.y0 <= box.middle <= table.y1 for box in boxes)
    return table.x0 < strip.x < table.x1 and inside > ALONG * len(boxes)


def _below(strip: _Strip, table: Box) -> _Strip | None:
    """What of a strip is below ``table``, that it runs through for a good part of its height, and parts
    columns there; None where it does not.
    """
    inside = sum(table.y0 <= box.middle <= table.y1 for box in (*strip.left, *strip.right))
    if not table.x0 < strip.x < table.x1 or inside < PARTLY * (len(strip.left) + len(strip.right)):
        return None
    left, right = (tuple(b for b in side if b.middle > table.y1) for side in (strip.left, strip.right))
    if min(len(left), len(right)) < 2 or not parts_columns(left, right):
        return None
    return replace(strip, top=max(strip.top, table.y1), left=left, right=right)


def _is_drawn_in(strip: _Strip, unit: float, pictures: Pictures | None) -> bool:
    """Whether a picture stands between captions: those of a meme, level with one another by chance."""
    if pictures is None or not are_captions(strip.left, strip.right):
        return False
    sides = strip.left, strip.right
    top, bottom = max(min(b.y0 for b in s) for s in sides), min(max(b.y1 for b in s) for s in sides)
    left, right = max(b.x1 for b in strip.left), min(b.x0 for b in strip.right)
    return right - left > unit and pictures.share(left, top, right, bottom) >= DRAWN


def _over_cells(strip: _Strip, part: Sequence[Box], unit: float) -> bool:
    """Whether a column of cells stands in a strip, above it and below it: it lies between two of those."""
    left, right = max(b.x1 for b in strip.left), min(b.x0 for b in strip.right)
    if right - left < WIDE_GUTTER * unit:
        return False
    within = (b for b in part if left < b.x0 and b.x1 < right and b.width < LONG_LINE * unit)
    return sum(1 for _ in within) >= CELLS_WITHIN


def _beside_numbers(strip: _Strip, unit: float) -> bool:
    """Whether numbers stand below one another all along a strip, as in a table, and count no lines nor stand
    beside an article.
    """
    boxes = (*strip.left, *strip.right)
    numbers = numbers_of(boxes)
    for edge in ("x0", "x1"):
        usual = median(getattr(b, edge) for b in numbers) if numbers else 0.0
        flush = sorted((b for b in numbers if abs(getattr(b, edge) - usual) < unit), key=lambda b: b.middle)
        if len(flush) < max(CELLS_WITHIN, NUMBERED * len(boxes)):
            continue
        digits = [int(found[0]) for b in flush if (found := COUNT.fullmatch(b.text.strip()))]
        counted = len(digits) > 0.8 * len(flush) and (digits == sorted(digits) or in_step(digits))
        if not counted and flush[-1].middle - flush[0].middle > ALONG * strip.height:
            return not has_text_beside_numbers(strip.left, strip.right)
    return False


def _ruled_across(strip: _Strip, unit: float, ruling: Ruling) -> bool:
    """Whether level rules go through a strip again and again, as between the rows of a table; one between
    two rows and one at an end of them do where an upright rule stands in the strip, as in forms.
    """
    sides = strip.left, strip.right
    top, bottom = max(min(b.y0 for b in s) for s in sides), min(max(b.y1 for b in s) for s in sides)
    crossed = ruling.crossing(strip.x, top - unit, bottom + unit)
    rows = [b - a for a, b in itertools.pairwise(crossed)]
    if len(crossed) >= RULES:
        return median(rows) < RULED_ROWS * unit
    crossed = ruling.crossing(strip.x, top - AROUND * unit, bottom + AROUND * unit)
    if not any(b - a < RULED_ROWS * unit for a, b in itertools.pairwise(crossed)):
        return False
    left, right = max(b.x1 for b in strip.left), min(b.x0 for b in strip.right)
    slack = GUTTER * unit
    return ruling.between(left - slack, right + slack, top + unit, bottom - unit)


def _is_where_rules_end(strip: _Strip, unit: float, ruling: Ruling) -> bool:
    """Whether level rules under a table's rows end at a strip again and again, and at most one goes through,
    as a page's own does: what stands beside the table in rows of its own is none of its cells.
    """
    sides = strip.left, strip.right
    top, bottom = max(min(b.y0 for b in s) for s in sides), min(max(b.y1 for b in s) for s in sides)
    if len(ruling.crossing(strip.x, top, bottom)) > 1:
        return False
    for side in sides:
        start, end = min(b.x0 for b in side), max(b.x1 for b in side)
        slack = 1.5 * unit
        under = [y for y, x0, x1 in ruling.level if max(abs(x0 - start), abs(x1 - end)) < slack]
        if sum(top < y < bottom for y in under) >= RULES and min(map(len, sides)) > CELLS_WITHIN:
            return not share_rows(*sides)
    return False


def _under_a_ruled_head(strip: _Strip, part: Sequence[Box], unit: float, ruling: Ruling) -> bool:
    """Whether a strip lies in a table of three level rules of one length or more: above its head, below it
    and at its foot. Its head has several cells in a row, and its lines are short: a page of columns may have
    such rules too.
    """
    crossing = [rule for rule in ruling.level if rule[1] <= strip.x <= rule[2]]
    if len(crossing) < RULES:
        return False
    start, end = (median(rule[at] for rule in crossing) for at in (1, 2))
    alike = [y for y, x0, x1 in crossing if max(abs(x0 - start), abs(x1 - end)) < unit]
    if len(alike) < RULES:
        return False
    first, second, last = alike[0], alike[1], alike[-1]
    head = [b for b in part if first < b.middle < second and start < b.centre < end]
    body = [b for b in part if second < b.middle < last and start < b.centre < end]
    own = [b for b in (*strip.left, *strip.right) if second < b.middle < last]
    return (
        len(own) >= 0.5 * (len(strip.left) + len(strip.right))
        and max((sum(abs(b.middle - a.middle) < unit / 2 for b in head) for a in head), default=0) >= HEADS
        and bool(body)
        and median(b.width / b.height for b in body) < LONG_LINE
    )


def _strips(part: Sequence[Box], unit: float, looks: Looks) -> Iterator[_Strip]:
    """Every strip of ``part`` (sorted by middles) from one box that crosses it to the next, with two boxes
    or more on each side that stand beside one another.
    """
    import numpy as np

    x0, x1 = np.array([b.x0 for b in part]), np.array([b.x1 for b in part])
    y0, y1 = np.array([b.y0 for b in part]), np.array([b.y1 for b in part])
    grain = 0.1 * unit
    if len(part) > MOST_EDGES:
        grain = max(grain, float(x1.max() - x0.min()) / MOST_EDGES)
    for edge in np.unique(np.floor(x0 / grain)) * grain:
        if not looks.at(1 + len(part) // 8):
            return
        high = float(edge) - SLACK * unit
        low = float(edge) - (GUTTER - SLACK) * unit
        crossing = (x1 > low) & (x0 < high)
        left = ~crossing & (x0 + x1 < low + high)
        right = ~crossing & ~left
        ends = np.concatenate(([-1], np.flatnonzero(crossing), [len(part)]))
        lefts, rights = (np.concatenate(([0], np.cumsum(side))) for side in (left, right))
        starts, stops = ends[:-1] + 1, ends[1:]
        enough = (lefts[stops] - lefts[starts] > 1) & (rights[stops] - rights[starts] > 1)
        for start, stop in zip(starts[enough].tolist(), stops[enough].tolist(), strict=True):
            a, b = (np.flatnonzero(side[start:stop]) + start for side in (left, right))
            top, bottom = max(y0[a].min(), y0[b].min()), min(y1[a].max(), y1[b].max())
            if bottom - top > unit:
                yield _Strip(
                    (low + high) / 2,
                    part[start - 1].middle if start else -math.inf,
                    part[stop].middle if stop < len(part) else math.inf,
                    tuple(part[i] for i in a),
                    tuple(part[i] for i in b),
                    float(x0[b].min() - x1[a].max()),
                    float(bottom - top),
                )


def _cut(
    part: Sequence[Box], strip: _Strip, in_column: bool, page: tuple[float, float], ruling: Ruling
) -> list[tuple[list[Box], bool]]:
    """``part`` in reading order: what is above the strip, its left and its right side, what is below. Each
    with whether it is a side, or was part of one (``in_column``): columns beside it may go on there.
    """
    above = [b for b in part if b.middle <= strip.top]
    below = [b for b in part if b.middle >= strip.bottom]
    band = [b for b in part if strip.top < b.middle < strip.bottom]
    unit = median(b.height for b in part)
    y = _blank_band(band, strip, unit, page if not in_column else None)
    if y is None:
        y = _over_ruled_heading(band, strip, unit, ruling)
    if y is not None:
        upper, lower = [b for b in band if b.middle < y], [b for b in band if b.middle > y]
        return [(above, in_column), (upper, in_column), (lower, in_column), (below, in_column)]
    left = [b for b in band if b.centre < strip.x]
    right = [b for b in band if b.centre >= strip.x]
    left, right, below = _with_what_is_nearer(left, right, below, unit)
    return [(above, in_column), (left, True), (right, True), (below, in_column)]


def _blank_band(
    band: Sequence[Box], strip: _Strip, unit: float, page: tuple[float, float] | None
) -> float | None:
    """The y of the highest blank band through all of ``band`` that parts rows of columns, a running head or
    foot from them, or a heading in the middle over all columns; None where there is none.
    """
    ordered = sorted(band, key=lambda b: b.y0)
    centre = (min(b.x0 for b in band) + max(b.x1 for b in band)) / 2
    reach = ordered[0].y1
    gaps = []  # place of the first box below, height, y
    for place, box in enumerate(ordered):
        if box.y0 - reach > HEADED * unit:
            gaps.append((place, box.y0 - reach, (reach + box.y0) / 2))
        reach = max(reach, box.y1)
    top, bottom = page or (-math.inf, math.inf)
    best, found = 0.0, None
    starts, ends = [0, *(gap[0] for gap in gaps)], [*(gap[0] for gap in gaps), len(ordered)]
    for number, (place, height, y) in enumerate(gaps):
        head, foot = ordered[:place], ordered[place:]
        wanted = math.inf
        if page and _on_both_sides(head, strip) and _on_both_sides(foot, strip, level=0.5 * unit):
            wanted = max(PARTED, strip.width / unit)
        running_head = len(head) <= 2 and ordered[0].y0 <= top
        page_number = len(foot) <= 2 and reach >= bottom and all(b.width < SHORT_LINE * unit for b in foot)
        if (running_head or page_number) and height > APART * unit:
            return y
        for below, group in enumerate(ordered[starts[k] : ends[k]] for k in (number, number + 1)):
            over_all = all(abs(b.centre - centre) < 1.5 * unit for b in group)
            if over_all and len(group) <= MOST_OVER and group[-1] is not ordered[-1]:
                if below:
                    return y
                wanted = HEADED
        if height > wanted * unit and height > best:
            best, found = height, y
    return found


def _over_ruled_heading(band: Sequence[Box], strip: _Strip, unit: float, ruling: Ruling) -> float | None:
    """The y over the highest heading of ``band`` that stands on a rule as long as both columns, below which
    both begin at one height: what is above is another section. None where there is none.
    """
    start, end = min(b.x0 for b in band), max(b.x1 for b in band)
    for y, x0, x1 in sorted(ruling.level):
        if x0 > start + APART * unit or x1 < end - APART * unit:
            continue
        above, under = [b for b in band if b.middle < y], [b for b in band if b.middle > y]
        if not _on_both_sides(under, strip, level=0.5 * unit) or min(b.y0 for b in under) > y + PARTED * unit:
            continue
        heading = max(above, key=lambda b: b.y1, default=None)
        if heading is None or y - heading.y1 > unit:
            continue
        rest = [b for b in above if b is not heading]
        sides = [[b for b in rest if (b.centre < strip.x) == left] for left in (True, False)]
        reach = max((b.y1 for b in rest), default=math.inf)
        if all(sides) and reach < heading.y0 + SLACK * unit:
            return (reach + heading.y0) / 2
    return None


def _on_both_sides(some: Sequence[Box], strip: _Strip, level: float = math.inf) -> bool:
    """Whether there are lines on both sides of the strip, which begin at about one height (as articles and
    cards do; what stands below two pictures seldom does).
    """
    left = sorted(b.y0 for b in some if b.x1 < strip.x)
    right = sorted(b.y0 for b in some if b.x0 > strip.x)
    return min(len(left), len(right)) > 1 and abs(left[0] - right[0]) < level


def _with_what_is_nearer(
    left: list[Box], right: list[Box], below: list[Box], unit: float
) -> tuple[list[Box], list[Box], list[Box]]:
    """A few lines at the foot of a column that stand far from it and close to what crosses below are read
    with that (a line over a headline).
    """
    if not below:
        return left, right, below
    top = min(b.y0 for b in below)
    edge = [b for b in below if b.y0 < top + unit]
    moved: set[int] = set()
    for side in (left, right):
        groups: list[list[Box]] = []  # lines over the edge, from below
        closed: list[list[Box]] = []  # those that are a column's own end
        for box in sorted(side, key=lambda b: -b.y1):
            mine = [g for g in groups if any(b.x0 < box.x1 and box.x0 < b.x1 for b in g)]
            for group in mine:
                gap = min(b.y0 for b in group) - box.y1
                if gap < 0.5 * unit and len(group) < MOST_OVER:
                    group.append(box)
                elif gap < PARTED * unit:
                    groups.remove(group)
                    closed.append(group)
            if not mine and any(b.x0 < box.x1 and box.x0 < b.x1 for b in edge):
                (groups if top - box.y1 < 0.8 * unit else closed).append([box])
        for group in groups:
            if len(group) < len(side) / 2:
                moved |= {b.index for b in group}
    return (
        [b for b in left if b.index not in moved],
        [b for b in right if b.index not in moved],
        [b for b in (*left, *right) if b.index in moved] + below,
    )
