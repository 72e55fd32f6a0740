"""Blocks of lines side by side that are alike: addresses, business cards, price tags. Their lines stand on
the same rows as the cells of a table do, but there each row is of one kind (names, streets, telephone
numbers), in a table each column.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from statistics import median

from ...cancel import watched
from .line_boxes import Box, visual_rows
from .rules import Ruling

# In line heights: lines of a block begin so near above one another; blocks stand at least so far apart.
FLUSH, APART = 0.6, 1.2
LEAST_ROWS, LEAST_KINDS = 4, 3  # of a block
BESIDE, SAME = 0.7, 0.85  # of its rows have lines in two blocks; of those are of one kind
RULES = 2  # level ones between the rows make it a table
MOST_ROWS = 60
_NUMBER = re.compile(r"[\W_]*\d[\d\W_]*[^\W\d_]{0,3}[\W_]*")
_FIRST, _LAST = re.compile(r"\W*\d"), re.compile(r"\d\W*$")
Row = list[list[Box]]  # the boxes of each block


def blocks_beside(boxes: Sequence[Box], ruling: Ruling) -> list[list[Box]]:
    """``boxes`` of one column of a page as pieces in reading order: each of the blocks that stand side by
    side alone, and what is above and below them.
    """
    rows = visual_rows(boxes)
    pieces: list[list[Box]] = []
    rest: list[Box] = []
    at = 0
    while at < len(rows):
        found = _beside(rows[at : at + MOST_ROWS], ruling)
        if not found:
            rest += rows[at]
            at += 1
            continue
        if rest:
            pieces.append(rest)
            rest = []
        for part in _repeats(found):
            pieces += [[box for row in part for box in row[x]] for x in range(len(found[0]))]
        at += len(found)
    return [*pieces, *([rest] if rest else [])]


def _beside(rows: Sequence[Sequence[Box]], ruling: Ruling) -> list[Row]:
    """The rows, from the first, that are blocks side by side; [] where they are none."""
    if len(rows) < LEAST_ROWS or len(rows[0]) < 2:
        return []
    starts = [box.x0 for box in rows[0]]
    found: list[Row] = []
    for row in watched(rows, 16):
        placed = _placed(row, starts)
        if placed is None:
            break
        found.append(placed)
    while len(found) > LEAST_ROWS and sum(map(bool, found[-1])) < 2 and _stands_apart(found):
        found.pop()  # what comes below them
    if not _are_alike(found) or any(_is_ruled(part, ruling) for part in _repeats(found)):
        return []
    return found


def _stands_apart(rows: Sequence[Row]) -> bool:
    """Whether the last of ``rows`` stands far below the others."""
    above, last = ([box for some in row for box in some] for row in rows[-2:])
    return min(b.y0 for b in last) - max(b.y1 for b in above) > APART * median(b.height for b in last)


def _placed(row: Sequence[Box], starts: Sequence[float]) -> Row | None:
    """A row by the blocks that begin at ``starts``; None where something begins elsewhere."""
    placed: Row = [[] for _ in starts]
    for box in row:
        slack = FLUSH * box.height
        own = max((x for x, start in enumerate(starts) if start < box.x0 + slack), default=-1)
        if own < 0 or (not placed[own] and abs(box.x0 - starts[own]) > slack):
            return None
        if own + 1 < len(starts) and box.x1 > starts[own + 1] - APART * box.height:
            return None
        placed[own].append(box)
    return placed


def _are_alike(rows: Sequence[Row]) -> bool:
    kinds = [[_kind(some) for some in row if some] for row in watched(rows, 4)]
    pairs = [pair for row in watched(kinds, 4) for pair in itertools.combinations(row, 2)]
    several = sum(sum(map(bool, row)) > 1 for row in rows)
    if several < max(LEAST_ROWS, BESIDE * len(rows)):
        return False
    same = [a for a, b in pairs if a == b]
    return len(same) >= SAME * len(pairs) and len(set(same)) >= LEAST_KINDS


def _kind(boxes: Sequence[Box]) -> str:
    """Of which kind what stands in a row of a block is."""
    text = " ".join(box.text.strip() for box in boxes)
    if "@" in text:
        return "mail"
    if _NUMBER.fullmatch(text):
        return "number"
    if text.endswith((":", "\uff1a")):
        return "label"
    if not any(map(str.isdigit, text)):
        return "words"
    return "digits first" if _FIRST.match(text) else "digits last" if _LAST.search(text) else "digits within"


def _is_ruled(rows: Sequence[Row], ruling: Ruling) -> bool:
    boxes = [box for row in rows for some in row for box in some]
    left, right = min(b.x0 for b in boxes), max(b.x1 for b in boxes)
    top, bottom = min(b.middle for b in boxes), max(b.middle for b in boxes)
    return len(ruling.under(left, right, 0.6, top, bottom)) >= RULES


def _repeats(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """``rows``; where the same kinds come again and again, as on sheets of cards, each time alone."""
    kinds = [_kind(next(some for some in row if some)) for row in rows]
    tops = [min(b.y0 for some in row for b in some) for row in rows]
    steps = [b - a for a, b in itertools.pairwise(tops)]
    for count in range(LEAST_ROWS, len(rows) // 2 + 1):
        again = sum(a == b for a, b in zip(kinds, kinds[count:], strict=False))
        between = [steps[at - 1] for at in range(count, len(rows), count)]
        if len(rows) % count == 0 and again >= SAME * (len(rows) - count) and min(between) > median(steps):
            yield from (rows[at : at + count] for at in range(0, len(rows), count))
            return
    yield rows
