"""Which visual rows of a table are lines of the same cells, and which are rows of their own."""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Sequence
from statistics import median

from ....cancel import watched
from ..line_boxes import MARGIN, Box, visual_rows
from ..rules import Ruling
from .columns import FULL
from .runs import LOOSE, pitch

# In line heights.
CLEAR, WITHIN = 0.3, 1.1  # where by so much, spaces within cells may be so large: Tesseract's boxes are low
AT_MOST = 1.6  # and so large where each row of the table then has one visual row that is full
VERY_CLEAR, FEW_ODD = 0.6, 0.2  # or, where those between rows are by so much larger, all but this share
JUMP = 0.15  # spaces between rows are by so much larger than those within cells
HEADED = 4  # rows at least, of which the first two may be a heading whose lines end where they like
SPACE = 0.3  # between two words, at most
RULED = 0.6  # of a table's width are level rules between its rows at least
OPEN_ROWS = 0.5  # so many rows that are surely two have none between them: rules part groups of rows
ROW_BY_ROW = 0.75  # of its full rows have one between them where every row does
ROWS_IN_BAND = 4  # or more may stand between two rules where upright ones alone part the cells
WHOLE_COLUMNS = 3
HEAD_LINES = 3, 7  # of names in a head, where they make one row of several
SMALL_PRINT = 0.6  # boxes around it lap over one another
NUMBER = re.compile(r"[^\w]*\d[\d\W]*[^\W\d_]{0,3}\W*")


Placed = Sequence[tuple[Box, int, int]]  # of one visual row: a line, its first column, the one after its last


def boxes_of(row: Placed) -> list[Box]:
    return [box for box, _, _ in row]


def with_one_head(groups: Sequence[Sequence[Placed]], columns: int) -> list[Sequence[Placed]]:
    """The rows of a table, those of its head as one where names of three lines or more end beside each other:
    each line stands over one of the next row, and the rows of numbers below are no closer.
    """
    first = next((n for n, group in enumerate(groups) if _of_numbers(group, columns)), 0)
    rows = [row for group in groups[:first] for row in group]
    if not HEAD_LINES[0] <= len(rows) <= HEAD_LINES[1] or len(groups) - first < 2:
        return list(groups)
    filled = [{start for _, start, _ in row} for row in rows]
    single = all(
        end - start == 1 and not NUMBER.fullmatch(box.text) for row in rows for box, start, end in row
    )
    grow = all(above <= below for above, below in itertools.pairwise(filled)) and filled[0] < filled[-1]
    if not single or not grow or len(filled[-1]) < FULL * columns:
        return list(groups)
    usual = median(pitch(boxes_of(a[-1]), boxes_of(b[0])) for a, b in itertools.pairwise(groups[first:]))
    if max(pitch(boxes_of(a), boxes_of(b)) for a, b in itertools.pairwise(rows)) > usual:
        return list(groups)
    return [rows, *groups[first:]]


def _of_numbers(group: Sequence[Placed], columns: int) -> bool:
    texts = [box.text.strip() for row in group for box, _, _ in row]
    return 2 * sum(bool(NUMBER.fullmatch(text)) for text in texts) > columns


def rows_without_rules(group: Sequence[Placed], columns: int) -> list[Placed]:
    """The rows that stand between two level rules where upright ones alone part the cells: each of their
    lines is surely one, or three columns have a line in each; [] where lines go on within cells.
    """
    where = {box.index: (start, end) for row in group for box, start, end in row}
    placed: list[Placed] = [
        [(box, *where[box.index]) for box in row]
        for row in visual_rows([box for row in group for box, _, _ in row])
    ]
    first = min((start for start, _ in where.values()), default=0)
    if len(placed) < ROWS_IN_BAND or any(row[0][1] != first for row in placed):
        return []
    filled = len({start for start, _ in where.values()})
    full = [len({start for _, start, _ in row}) >= FULL * filled for row in placed]
    unit = median(box.height for row in placed for box, _, _ in row)
    sure = _own_rows(placed, full, columns, unit)
    apart = [pitch(boxes_of(a), boxes_of(b)) for a, b in itertools.pairwise(placed)]
    even = max(apart) < LOOSE * median(apart) and min(apart) > SMALL_PRINT * unit
    whole = set.intersection(*({start for _, start, _ in row} for row in placed))
    told = all(sure[1:]) or len(whole) >= WHOLE_COLUMNS
    return placed if all(full) and filled > 1 and even and told else []


def rows_of_cells(placed: Sequence[Placed], columns: int, ruling: Ruling) -> list[list[Placed]]:
    """Visual rows that are lines of the same cells put together. Rules say it where there is one between all
    rows. Else larger spaces part the rows of a table, smaller ones the lines of a cell, and no two lines that
    fill the columns are of one row.
    """
    boxes = list(map(boxes_of, placed))
    full = [len({start for _, start, _ in row}) >= FULL * columns for row in placed]
    height = median(box.height for row in boxes for box in row)
    own = _own_rows(placed, full, columns, height)
    if bands := _ruled_bands(boxes, full, own, ruling):
        return [
            [row for _, row in some]
            for _, some in itertools.groupby(zip(bands, placed, strict=True), key=lambda one: one[0])
        ]
    spaces = []  # between a row and the next; none where they overlap
    reach = -math.inf
    for upper, lower in watched(itertools.pairwise(boxes)):
        reach = max(reach, *(b.y1 - MARGIN * b.height for b in upper))
        spaces.append(max(0.0, min(b.y0 + MARGIN * b.height for b in lower) - reach))
    within = _space_within_cells(spaces, own, full, height)
    groups: list[list[Placed]] = [[placed[0]]]
    for number, row in enumerate(placed[1:]):
        if spaces[number] <= within and _same_cells(groups[-1], row):
            groups[-1].append(row)
        else:
            groups.append([row])
    usual = median(pitch(a, b) for a, b in itertools.pairwise(boxes))
    return _joined_heading(groups, usual, height)


def _ruled_bands(
    boxes: Sequence[Sequence[Box]], full: Sequence[bool], own: Sequence[bool], ruling: Ruling
) -> list[int] | None:
    """Between which level rules each visual row stands; None where these do not close off every row, or most
    that are surely rows of their own (``own``) have none between them.
    """
    left, right = min(b.x0 for row in boxes for b in row), max(b.x1 for row in boxes for b in row)
    middles = [median(b.middle for b in row) for row in boxes]
    rules = ruling.under(left, right, RULED, middles[0], middles[-1])
    bands = [bisect.bisect(rules, middle) for middle in middles]
    apart = [bands[a] != bands[b] for a, b in itertools.pairwise(n for n, one in enumerate(full) if one)]
    together = sum(sure and a == b for sure, (a, b) in zip(own, itertools.pairwise(bands), strict=True))
    if together > OPEN_ROWS * len(own):
        return None
    if len(rules) > 1 and ruling.between(left, right, middles[1], middles[-1]):
        return bands  # closed on all sides
    return bands if len(apart) > 1 and sum(apart) >= ROW_BY_ROW * len(apart) else None


def _own_rows(placed: Sequence[Placed], full: Sequence[bool], columns: int, height: float) -> list[bool]:
    """Of each visual row but the last, whether it and the next are surely rows of their own: both fill the
    columns, and the lower one has a number, or a word that the line above had room for. A heading's lines may
    end where they like.
    """
    right = [0.0] * columns
    for box, start, end in (one for row in placed for one in row):
        if end - start == 1:
            right[start] = max(right[start], box.x1)
    own = []
    for at, (upper, lower) in enumerate(watched(itertools.pairwise(placed))):
        pairs = [(a, b) for a, x, _ in upper for b, y, _ in lower if x == y]
        numbers = [[bool(NUMBER.fullmatch(box.text.strip())) for box in pair] for pair in pairs]
        if not (full[at] and full[at + 1]):
            own.append(False)
        elif any(below for _, below in numbers):
            own.append(True)
        elif at == full.index(True) and len(placed) > HEADED:
            own.append(False)
        elif {start for _, start, _ in upper} & {start for _, start, _ in lower} >= {0} and not any(
            " " in box.text.strip() for box, _, _ in (*upper, *lower)
        ):
            own.append(True)  # words that name rows, and none of several words
        else:
            own.append(
                any(
                    a.x1 + SPACE * height + _first_word(b) < right[start] - SPACE * height
                    for a, start, _ in upper
                    for b, below, _ in lower
                    if start == below
                )
            )
    return own


def _first_word(box: Box) -> float:
    """How wide the first word of a line is, in pixels."""
    text = box.text.strip()
    return box.width * len(text.partition(" ")[0]) / max(1, len(text))


def _space_within_cells(
    spaces: Sequence[float], own: Sequence[bool], full: Sequence[bool], height: float
) -> float:
    """Up to which space two visual rows are lines of the same cells: where the spaces fall into smaller and
    larger ones, so that most cells have one full row; of such places the widest. -1 where they do not.
    ``own``: which spaces are surely between rows. ``full``: which visual rows fill the columns.
    """
    between = [space for space, sure in zip(spaces, own, strict=True) if sure]
    best, found = (len(full) + 1, -JUMP * height), -1.0
    for small, large in itertools.pairwise(sorted(spaces)):
        if large - small <= JUMP * height or any(space <= small for space in between):
            continue
        odd = _not_one_full(spaces, full, small)
        clear = (large - small) / height
        rows = 1 + sum(space > small for space in spaces)
        few = odd <= FEW_ODD * rows and clear > VERY_CLEAR
        most = AT_MOST if few or not odd else WITHIN if clear > CLEAR else 0.7
        key = (0 if few else odd, small - large)
        if small < most * height and key < best:
            best, found = key, small
    return found


def _not_one_full(spaces: Sequence[float], full: Sequence[bool], within: float) -> int:
    """How many table rows have no full visual row, or several, if spaces up to ``within`` are in cells. Not
    counted are those up to the first full one: headings over columns, and of two full lines.
    """
    counts = [int(full[0])]
    overlapping = bool(full[0])  # with a full one: lines of uneven cells stand half a line apart
    for space, filled in zip(spaces, full[1:], strict=True):
        if space <= 0:
            counts[-1] += filled and not overlapping
            overlapping |= filled
        elif space <= within:
            counts[-1] += filled
            overlapping = filled
        else:
            counts.append(int(filled))
            overlapping = filled
    body = list(itertools.dropwhile(lambda count: count == 0, counts))[1:]
    return sum(count != 1 for count in body)


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
        apart = pitch(boxes_of(heading[-1]), boxes_of(below))
        inside = max(pitch(boxes_of(a), boxes_of(c)) for a, c in itertools.pairwise(heading))
        words = not any(NUMBER.fullmatch(box.text.strip()) for row in heading for box, _, _ in row)
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
