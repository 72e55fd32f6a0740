"""Columns or cells: whether what stands on both sides of an empty strip is read one side after the other."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from statistics import median

from ...cancel import watched
from .line_boxes import Box, blank_bands, close_groups

# All in line heights, as in columns.py.
WIDE_GUTTER = 1.2  # a strip that is seen between two lines already; narrower ones between three
LONG_LINE = 8.0  # lines of running text are mostly longer, cells shorter
MIDDLING_LINE = 5.0
SHORT_LINE = 4.0
BALLOONS = 1.5  # blocks of short lines are no columns unless they stand so far apart
CLOSE, MOST_CAPTIONED = 0.5, 40  # lines of one caption are no farther apart; there are not many of them
CARDS = 2.5  # labels, signs and panels stand at least so far apart
CARD_LINES, CARD_ALIKE, LARGE = 4, 0.75, 1.4  # lines at least, share of one height at most, another height
LEVEL = 0.2  # middles that differ by less stand on one row
# Lines at least of a column of single words; the share of them that are; that are level where all are; of the
# lower one's height, that is within the other's.
LEVEL_WORDS, MOSTLY_SINGLE, ALL_LEVEL, WITHIN = 4, 0.8, 0.9, 0.7
LARGER = 0.3  # a space between rows of cells is so much larger than one between lines
MOST_IN_STEP = 3  # spaces between paragraphs that go through two columns by chance
MOSTLY_NUMBERS = 0.6  # of a side
FEWEST_COUNTED, IN_STEP, WITH_TEXT = 6, 0.8, 0.6  # lines with numbers, one more than the last, with a text
NUMBER = re.compile(r"[\W_]*\d[\d\W_]*[^\W\d_]{0,3}[\W_]*|[\W_]*")
RUNNING, RUNS_ON = 8, 0.3  # lines of running text at least, share whose sentence goes on below
VERSES, OPEN_VERSES, ENDED_VERSES = 6, 0.25, 0.5  # lines at least, shares with a comma, that end in a mark
SAME_ROWS = 0.65  # of the lines of two columns that share rows are level
OWN_ROWS = 0.35  # of an article's and a sidebar's lines are by chance
NOTES, NOTED = 0.5, 3  # and of a few notes in its margin; an article has so many times their lines
COUNT = re.compile(r"\d{1,3}")
_COMMA = re.compile("[,;]$|[\uff0c\u3001\uff1b]")
_MARK = re.compile("[,;.!?\u2026\uff0c\u3001\uff1b\u3002\uff01\uff1f][\"'\u201d\u2019\u300d]?$")
_ENDS_OPEN = re.compile(r"[^\W\d_A-Z]$|[,\-]$")


def parts_columns(left: Sequence[Box], right: Sequence[Box]) -> bool:
    """Whether the strip between ``left`` and ``right`` parts columns that are read one after the other,
    rather than cells, labels and prices that are read row by row.

    Judged over the lines next to the strip: whether the two sides keep rows of their own, how long and how
    even their lines are, whether sentences run on from line to line, and whether one side is numbers.
    """
    if _are_numbered(left) and _are_numbered(right):
        return True
    near_left, near_right = _next_to(left, on_the_right=True), _next_to(right, on_the_right=False)
    if len(left) + len(right) <= MOST_CAPTIONED:
        captions = _captions(left), _captions(right)
        if all(map(_side_by_side, captions)) and _are_balloons(captions[0][-1], captions[1][0]):
            return True
    low = max(min(b.y0 for b in near_left), min(b.y0 for b in near_right))
    high = min(max(b.y1 for b in near_left), max(b.y1 for b in near_right))
    a = [b for b in near_left if low <= b.middle <= high]
    b = [b for b in near_right if low <= b.middle <= high]
    if min(len(a), len(b)) < 2:
        return False
    unit = median(box.height for box in (*a, *b))
    gap = min(box.x0 for box in b) - max(box.x1 for box in a)
    if gap < WIDE_GUTTER * unit and min(len(near_left), len(near_right)) < 3:
        return False
    if max(_numbers(a), _numbers(b)) >= MOSTLY_NUMBERS:
        return has_text_beside_numbers(a, b)
    if gap > CARDS * unit and _is_card(near_left) and _is_card(near_right):
        return True
    if gap >= WIDE_GUTTER * unit and _are_verses(near_left) and _are_verses(near_right):
        return True
    if _in_rows(a, b, unit):
        return False
    level = _level(a, b)
    own_rows = level <= OWN_ROWS or (level <= NOTES and _has_notes(a, b))
    if own_rows and gap > unit and (_is_running(near_left) or _is_running(near_right)):
        return True
    return _likeness((near_left, near_right), level, min(len(a), len(b))) >= 2.0


def _has_notes(left: Sequence[Box], right: Sequence[Box]) -> bool:
    """Whether one side has few lines beside the other's many, as notes in a margin do."""
    return max(len(left), len(right)) >= NOTED * min(len(left), len(right))


def has_text_beside_numbers(left: Sequence[Box], right: Sequence[Box]) -> bool:
    """Whether one side is running text that keeps no rows with the numbers of the other, as an article beside
    a box of figures. What the numbers of a table belong to stands level with them.
    """
    return any(_is_text_beside(numbers_of(one), other) for one, other in ((left, right), (right, left)))


def _is_text_beside(numbers: Sequence[Box], side: Sequence[Box]) -> bool:
    if len(numbers) < FEWEST_COUNTED:
        return False
    low, high = min(b.y0 for b in numbers), max(b.y1 for b in numbers)
    text = [box for box in side if low <= box.middle <= high]
    return _is_running(text) and not share_rows(numbers, text)


def _is_running(text: Sequence[Box]) -> bool:
    """Whether lines are a column of running text."""
    return (
        len(text) >= RUNNING
        and median(box.width / box.height for box in text) >= 2 * LONG_LINE
        and _dense(text) > 0.5
        and _runs_on(text) >= RUNS_ON
    )


def numbers_of(side: Sequence[Box]) -> list[Box]:
    """The boxes of ``side`` that hold a number, a price or a date and nothing else."""
    return [b for b in side if any(map(str.isdigit, b.text)) and NUMBER.fullmatch(b.text.strip())]


def surely_columns(left: Sequence[Box], right: Sequence[Box]) -> bool:
    """Whether two sides that part columns cannot be cells of one table, whatever rows they make: both count
    their lines, or one is running text beside the numbers of the other.
    """
    return (_are_numbered(left) and _are_numbered(right)) or has_text_beside_numbers(left, right)


def share_rows(left: Sequence[Box], right: Sequence[Box]) -> bool:
    """Whether the lines of two sides stand on the same rows."""
    return _level(left, right) >= SAME_ROWS


def in_step(numbers: Sequence[int]) -> bool:
    """Whether numbers count lines: most are one more than the last. On another page they begin anew."""
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    return bool(steps) and steps.count(1) >= IN_STEP * len(steps)


def _are_numbered(side: Sequence[Box]) -> bool:
    """Whether numbers in front of a side's lines count them, as in a transcript, a law or a program."""
    counts = [box for box in side if COUNT.fullmatch(box.text.strip())]
    if len(counts) < FEWEST_COUNTED:
        return False
    unit = median(box.height for box in counts)
    edge = median(box.x1 for box in counts)
    flush = sorted((b for b in counts if abs(b.x1 - edge) < 1.5 * unit), key=lambda b: b.middle)
    if len(flush) < FEWEST_COUNTED or not in_step([int(box.text) for box in flush]):
        return False
    rest = [box for box in side if box.x0 > edge and not NUMBER.fullmatch(box.text.strip())]
    told = sum(any(abs(b.middle - one.middle) < unit / 2 for b in rest) for one in watched(flush))
    return told >= WITH_TEXT * len(flush) and min(box.x0 for box in side) > edge - 4 * unit


def _are_verses(side: Sequence[Box]) -> bool:
    """Whether lines are those of a poem or a song: short ones that end in commas and stops, as cells do not,
    at one height with those beside them where both columns are set alike.
    """
    ends = [box.text.strip() for box in side]
    commas, marks = (sum(bool(mark.search(end)) for end in ends) for mark in (_COMMA, _MARK))
    return len(ends) >= VERSES and commas >= OPEN_VERSES * len(ends) and marks >= ENDED_VERSES * len(ends)


def are_captions(left: Sequence[Box], right: Sequence[Box]) -> bool:
    """Whether both sides are captions, of two lines or more most of them and no numbers: each close together
    in itself, as the rows of a list are not.
    """
    if len(left) + len(right) > MOST_CAPTIONED or max(_numbers(left), _numbers(right)) >= MOSTLY_NUMBERS:
        return False
    for side in (left, right):
        groups = _captions(side)
        several = [group for group in groups if len(group) > 1]
        close = all(_is_stacked(one) and _alike(one) > 0.6 for one in several)
        if 2 * len(several) < len(groups) or not close:
            return False
    return True


def _captions(side: Sequence[Box]) -> list[list[Box]]:
    """``side`` in groups of lines that stand close over and under one another, from left to right."""
    return sorted(close_groups(side, _close), key=lambda group: min(b.x0 for b in group))


def _close(box: Box, above: Box) -> bool:
    beside = min(box.x1, above.x1) > max(box.x0, above.x0)
    return beside and box.y0 - above.y1 < CLOSE * min(box.height, above.height)


def _side_by_side(captions: Sequence[Sequence[Box]]) -> bool:
    """Whether none of ``captions``, from left to right, stands above or below another, as cells do."""
    return all(
        max(b.x1 for b in one) < min(b.x0 for b in next_one) for one, next_one in itertools.pairwise(captions)
    )


def _are_balloons(left: Sequence[Box], right: Sequence[Box]) -> bool:
    """Whether two balloons, captions or signs stand side by side: each close together, in rows of its own."""
    unit = median(box.height for box in (*left, *right))
    gap = min(box.x0 for box in right) - max(box.x1 for box in left)
    return (
        min(len(left), len(right)) > 1
        and gap > BALLOONS * unit
        and max(_numbers(left), _numbers(right)) < MOSTLY_NUMBERS
        and _level(left, right) <= 0.5
        and _compact(left)
        and _compact(right)
    )


def _is_card(side: Sequence[Box]) -> bool:
    """Whether lines are a label's, a sign's or a panel's, in sizes of their own: cells and prose have one."""
    usual = median(b.height for b in side)
    large = any(b.height > LARGE * usual for b in side) or any(b.height * LARGE < usual for b in side)
    return len(side) >= CARD_LINES and large and _alike(side) < CARD_ALIKE


def _compact(side: Sequence[Box]) -> bool:
    """Whether lines stand close together, one over the other, and are alike."""
    return _is_stacked(side) and _alike(side) > (0.75 if len(side) > 3 else 0.6)


def _is_stacked(side: Sequence[Box]) -> bool:
    return _dense(side) > 0.75 and _flush(side) > 0.75


def _in_rows(a: Sequence[Box], b: Sequence[Box], unit: float) -> bool:
    """Whether larger spaces go through both sides again and again, as between the rows of a table whose cells
    have several lines: the paragraphs of two columns do not end side by side.
    """
    spaces = [[height for _, height in blank_bands(side)] for side in (a, b, (*a, *b))]
    if min(map(len, spaces)) < MOST_IN_STEP:
        return False
    tight = min(sorted(some)[len(some) // 5] for some in spaces[:2]) + LARGER * unit
    left, right, both = (sum(height > tight for height in some) for some in spaces)
    return both >= MOST_IN_STEP and both >= 0.9 * max(left, right)


def _likeness(sides: tuple[Sequence[Box], Sequence[Box]], level: float, rows: int) -> float:
    """Points for two sides being columns of text; drawn pages of both sorts are told apart at 2. ``level``:
    the share of lines that stand on one row with one of the other side, of ``rows`` there are.
    """
    points = 0.0
    if level < SAME_ROWS:
        points += 2.0 if rows > 2 else 1.0
    shortest = min(median(box.width / box.height for box in side) for side in sides)
    if shortest >= LONG_LINE:
        points += 1.5
    elif shortest >= MIDDLING_LINE:
        points += 0.5
    elif shortest < SHORT_LINE:
        points -= 1.5
    evenness = min(map(_filled, sides))
    if evenness < 0.5:
        points -= 0.5
    elif evenness >= 0.75 and shortest >= MIDDLING_LINE:
        points += 1.0
    dense = [_dense(side) for side in sides]
    scattered = max(dense) < 0.5 or min(dense) < 0.15
    uneven = min(map(_alike, sides)) < 0.6
    ragged = min(map(_flush, sides)) < 0.5
    points -= 1.5 * (scattered + uneven + ragged)
    return points + sum(min(_runs_on(side), 0.5) for side in sides)


def _next_to(side: Sequence[Box], on_the_right: bool) -> list[Box]:
    """The boxes of ``side`` that nothing of it stands before, looking from the strip."""
    ordered = sorted(side, key=lambda b: b.y0)
    hidden: set[int] = set()
    for place, box in watched(enumerate(ordered)):
        for at in range(place + 1, len(ordered)):
            other = ordered[at]
            if other.y0 > box.y1 - LEVEL * box.height:
                break
            both = min(box.y1, other.y1) - other.y0
            if both < 0.4 * min(box.height, other.height):
                continue
            if box.x1 <= other.x0 + LEVEL * box.height:
                hidden.add(box.index if on_the_right else other.index)
            elif other.x1 <= box.x0 + LEVEL * box.height:
                hidden.add(other.index if on_the_right else box.index)
    return [b for b in ordered if b.index not in hidden] or ordered


def _numbers(side: Sequence[Box]) -> float:
    """The share of boxes that hold a number, a price or a date."""
    said = [b for b in side if b.text.strip()]
    return sum(bool(NUMBER.fullmatch(b.text.strip())) for b in said) / len(said) if said else 0.0


def _level(a: Sequence[Box], b: Sequence[Box]) -> float:
    """The share of the shorter side's boxes that stand on one row with a box of the other side."""
    return max(_level_share(a, b), _level_words(a, b))


def _level_share(a: Sequence[Box], b: Sequence[Box]) -> float:
    """That share by their middles."""
    few, many = (a, b) if len(a) <= len(b) else (b, a)
    return sum(
        any(abs(one.middle - other.middle) < LEVEL * min(one.height, other.height) for other in many)
        for one in watched(few)
    ) / len(few)


def _level_words(a: Sequence[Box], b: Sequence[Box]) -> float:
    """That share for columns of single words, whose middles differ on one row where some have letters that
    rise or fall and others none: level are tops, feet, or one within the other's height. 0.0 where not
    nearly all are: then some are by chance.
    """
    few, many = (a, b) if len(a) <= len(b) else (b, a)
    if len(few) < LEVEL_WORDS or min(map(_single, (a, b))) < MOSTLY_SINGLE:
        return 0.0
    apart = 0
    for one in watched(few):
        apart += not any(_on_one_row(one, other) for other in many)
        if apart > (1 - ALL_LEVEL) * len(few):
            return 0.0
    return 1 - apart / len(few)


def _single(side: Sequence[Box]) -> float:
    """The share of lines that are one word."""
    return sum(len(box.text.split()) < 2 for box in side) / len(side)


def _on_one_row(one: Box, other: Box) -> bool:
    low = min(one.height, other.height)
    apart = min(abs(one.y0 - other.y0), abs(one.y1 - other.y1), abs(one.middle - other.middle))
    return apart < LEVEL * low or min(one.y1, other.y1) - max(one.y0, other.y0) >= WITHIN * low


def _dense(side: Sequence[Box]) -> float:
    """How much of its height a column's lines cover: labels on a map or a chart are scattered."""
    return sum(b.height for b in side) / (max(b.y1 for b in side) - min(b.y0 for b in side))


def _alike(side: Sequence[Box]) -> float:
    """The share of lines that are about as high as the usual one."""
    usual = median(b.height for b in side)
    return sum(0.8 * usual < b.height < 1.25 * usual for b in side) / len(side)


def _flush(side: Sequence[Box]) -> float:
    """The share of lines that begin, end or have their middle at one x; indents are small."""
    slack = median(b.height for b in side)
    edges = [sorted(b.x0 for b in side), sorted(b.x1 for b in side), sorted(b.centre for b in side)]
    most = 0
    for xs in edges:
        start = 0
        for end, x in enumerate(xs):
            while x - xs[start] > 1.5 * slack:
                start += 1
            most = max(most, end - start + 1)
    return most / len(side)


def _filled(side: Sequence[Box]) -> float:
    """How much of its column's width a usual line takes."""
    widths = sorted(b.width for b in side)
    return median(widths) / max(widths[int(0.9 * (len(widths) - 1))], 1e-9)


def _runs_on(side: Sequence[Box]) -> float:
    """The share of lines whose sentence goes on in the line below; single words are cells."""
    ordered = sorted(side, key=lambda b: b.middle)
    on = sum(
        bool(_ENDS_OPEN.search(upper.text.strip()))
        and lower.text.strip()[:1].islower()
        and (" " in upper.text.strip() or upper.width > LONG_LINE * upper.height)
        for upper, lower in itertools.pairwise(ordered)
    )
    return on / max(1, len(ordered) - 1)
