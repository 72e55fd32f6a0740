"""Reading order, paragraphs and markdown from detected lines, for engines that do no page analysis of their
own.

Everything is measured in line heights, after turning the page so that most text runs left to right; nothing
here depends on resolution.
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ...cancel import cancel_point, watched
from ...cjk import is_cjk
from .line import Line
from .result import Region

COLUMN_GAP = 1.2  # a gutter is at least this many line heights wide
COLUMN_LINE = 8.0  # and parts lines that are this many heights long: shorter ones are the cells of a table
PARAGRAPH_GAP = 0.9  # blank space between lines of one paragraph, in line heights, is smaller than this
HEADING = 1.45  # a heading is this many times as high as the page's usual line
MOST_LOOKED = 3_000_000  # boxes, in all the tries to find columns on one page: some seconds
_MARKDOWN_START = re.compile(r"^(\s*)(#{1,6}\s|>|[-+*]\s|\d+[.)]\s|=+\s*$|-{3,}\s*$)")


@dataclass(frozen=True)
class _Box:
    """A line's upright box after the page was turned; y grows downwards."""

    index: int
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2


@dataclass(frozen=True)
class ReadingOrder:
    """Lines in reading order: ``rows`` are visual rows (line indices left to right), ``breaks`` the rows
    that start a new paragraph, ``heights`` the height of each row in pixels."""

    rows: tuple[tuple[int, ...], ...]
    breaks: frozenset[int]
    heights: tuple[float, ...]


def text_angle(lines: Sequence[Line]) -> float:
    """The direction in which most text runs, in radians (0 is left to right, positive turns clockwise)."""
    weighted = []
    for line in lines:
        (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
        length = math.hypot(x1 - x0, y1 - y0)
        if length > 0:
            weighted.append((math.atan2(y1 - y0, x1 - x0), length))
    if not weighted:
        return 0.0
    quarter = math.pi / 2
    turns: dict[int, float] = {}
    for angle, length in weighted:
        turns[round(angle / quarter) % 4] = turns.get(round(angle / quarter) % 4, 0.0) + length
    turn = max(turns, key=lambda key: turns[key])
    rest = sorted((angle - turn * quarter + math.pi) % (2 * math.pi) - math.pi for angle, _ in weighted)
    near = [r for r in rest if abs(r) < math.pi / 4]
    return turn * quarter + (median(near) if near else 0.0)


def arrange(lines: Sequence[Line]) -> ReadingOrder:
    """Find the reading order of ``lines``: columns by their gutters, then rows, then paragraphs."""
    if not lines:
        return ReadingOrder((), frozenset(), ())
    angle = text_angle(lines)
    cos, sin = math.cos(-angle), math.sin(-angle)
    boxes = []
    for index, line in enumerate(lines):
        turned = [(x * cos - y * sin, x * sin + y * cos) for x, y in line.polygon]
        ys = sorted(y for _, y in turned)
        top, bottom = (ys[0] + ys[1]) / 2, (ys[-1] + ys[-2]) / 2
        boxes.append(
            _Box(index, min(x for x, _ in turned), top, max(x for x, _ in turned), max(bottom, top + 1))
        )
    unit = median(box.height for box in boxes)
    rows: list[tuple[int, ...]] = []
    heights: list[float] = []
    breaks: set[int] = set()
    for block in _blocks(boxes, unit):
        previous: list[_Box] | None = None
        for row in _visual_rows(block):
            if previous is None or _starts_paragraph(previous, row):
                breaks.add(len(rows))
            rows.append(tuple(box.index for box in row))
            heights.append(median(box.height for box in row))
            previous = row
    return ReadingOrder(tuple(rows), frozenset(breaks), tuple(heights))


@dataclass
class _Looks:
    """How many boxes may still be looked at for columns: on a page of thousands, such as a model may make up,
    every row could be tried as a cut again and again.
    """

    left: int = MOST_LOOKED

    def at(self, boxes: Sequence[_Box]) -> bool:
        cancel_point()
        self.left -= len(boxes)
        return self.left > 0


def _blocks(boxes: list[_Box], unit: float) -> list[list[_Box]]:
    """Split into columns where a gutter runs between long lines; bands of different column counts are kept
    apart.
    """
    looks = _Looks()
    found: list[list[_Box]] = []
    open_parts = [boxes]
    while open_parts:
        part = open_parts.pop()
        gutter = _widest_gutter(part, unit) if looks.at(part) else None
        cut = _band_cut(part, unit, looks) if gutter is None else None
        if gutter is not None:
            left = [b for b in part if (b.x0 + b.x1) / 2 < gutter]
            open_parts += [[b for b in part if (b.x0 + b.x1) / 2 >= gutter], left]
        elif cut is not None:
            above = [b for b in part if b.middle < cut]
            open_parts += [[b for b in part if b.middle >= cut], above]
        else:
            found.append(part)
    return found


def _widest_gutter(boxes: list[_Box], unit: float) -> float | None:
    """The x of the widest empty vertical strip with text columns on both sides, or None."""
    if len(boxes) < 4:
        return None
    ordered = sorted(boxes, key=lambda b: b.x0)
    reach, best, best_gap = ordered[0].x1, None, COLUMN_GAP * unit
    for box in ordered[1:]:
        gap = box.x0 - reach
        if gap > best_gap:
            best, best_gap = (reach + box.x0) / 2, gap
        reach = max(reach, box.x1)
    if best is None:
        return None
    for side in ([b for b in boxes if b.x1 <= best], [b for b in boxes if b.x0 >= best]):
        if len(side) < 2 or median((b.x1 - b.x0) / b.height for b in side) < COLUMN_LINE:
            return None
    return best


def _band_cut(boxes: list[_Box], unit: float, looks: _Looks) -> float | None:
    """A y between rows above or below which columns appear that a full-width line was hiding, or None."""
    rows = _visual_rows(boxes)
    flat = [box for row in rows for box in row]
    before = list(itertools.accumulate(map(len, rows)))
    gaps_above = _have_gaps(rows, unit)
    gaps_below = _have_gaps(rows[::-1], unit)[::-1]
    for index, (upper, lower) in enumerate(itertools.pairwise(rows)):
        parts = []
        if gaps_above[index]:
            parts.append(flat[: before[index]])
        if gaps_below[index + 1]:
            parts.append(flat[before[index] :])
        for part in parts:
            if not looks.at(part):
                return None
            if _widest_gutter(part, unit) is not None:
                return (max(b.y1 for b in upper) + min(b.y0 for b in lower)) / 2
    return None


def _have_gaps(rows: Sequence[Sequence[_Box]], unit: float) -> list[bool]:
    """Whether the first row, the first two, ... leave a strip open that is as wide as a gutter."""
    found: list[bool] = []
    covered: list[tuple[float, float]] = []  # what lies apart by a gutter at least, from left to right
    for row in watched(rows):
        for box in row:
            x0, x1 = box.x0, box.x1
            first = bisect.bisect_left(covered, x0 - COLUMN_GAP * unit, key=lambda part: part[1])
            last = bisect.bisect_right(covered, x1 + COLUMN_GAP * unit, key=lambda part: part[0])
            if first < last:
                x0, x1 = min(x0, covered[first][0]), max(x1, covered[last - 1][1])
            covered[first:last] = [(x0, x1)]
        found.append(len(covered) > 1)
    return found


def _visual_rows(boxes: list[_Box]) -> list[list[_Box]]:
    """Group boxes whose middles lie on one line of text; rows top to bottom, boxes left to right."""
    rows: list[list[_Box]] = []
    middles: list[float] = []  # of the last row, sorted
    heights: list[float] = []
    for box in watched(sorted(boxes, key=lambda b: b.middle)):
        if rows and abs(box.middle - _median(middles)) < 0.5 * min(box.height, _median(heights)):
            rows[-1].append(box)
        else:
            rows.append([box])
            middles, heights = [], []
        bisect.insort(middles, box.middle)
        bisect.insort(heights, box.height)
    for row in rows:
        row.sort(key=lambda b: b.x0)
    return rows


def _median(ordered: Sequence[float]) -> float:
    """As statistics.median, which sorts anew each time."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _starts_paragraph(upper: list[_Box], lower: list[_Box]) -> bool:
    high, low = median(b.height for b in upper), median(b.height for b in lower)
    gap = min(b.y0 for b in lower) - max(b.y1 for b in upper)
    return gap > PARAGRAPH_GAP * min(high, low) or max(high, low) > 1.3 * min(high, low)


def regions_in_order(lines: Sequence[Line], order: ReadingOrder) -> tuple[Region, ...]:
    """The lines as Regions numbered in reading order."""
    flat = [index for row in order.rows for index in row]
    return tuple(
        Region(
            text=lines[index].text,
            polygon=lines[index].polygon,
            order=place,
            confidence=lines[index].confidence,
            words=lines[index].words,
        )
        for place, index in enumerate(flat)
    )


def plain_text(lines: Sequence[Line], order: ReadingOrder) -> str:
    """One line of text per visual row."""
    return "\n".join(_row_text(lines, row) for row in order.rows)


def markdown(lines: Sequence[Line], order: ReadingOrder) -> str:
    """Paragraphs set apart by blank lines, headings by their height, characters that would be markup
    escaped.
    """
    if not order.rows:
        return ""
    usual = median(order.heights)
    several = len(order.rows) > 2
    out: list[str] = []
    for number, row in enumerate(order.rows):
        text = _MARKDOWN_START.sub(lambda m: f"{m[1]}\\{m[2]}", _row_text(lines, row))
        heading = several and order.heights[number] > HEADING * usual
        if out and (number in order.breaks or heading):
            out.append("")
        out.append(f"## {text}" if heading else text)
    return "\n".join(out)


def _row_text(lines: Sequence[Line], row: Sequence[int]) -> str:
    return " ".join(text for text in (lines[index].text.strip() for index in row) if text)


def join_words(words: Sequence[str]) -> str:
    """Words with spaces between them, except between two CJK characters."""
    out: list[str] = []
    last = ""  # character
    for word in words:
        spaced = last and word and not (is_cjk(last) and is_cjk(word[0]))
        out.append(f" {word}" if spaced else word)
        last = word[-1:] or last
    return "".join(out)
