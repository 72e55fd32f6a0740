"""Reading order, paragraphs and markdown from detected lines, for engines that do no page analysis of their
own.

Everything is measured in line heights, after turning the page so that most text runs left to right; nothing
here depends on resolution.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ...cjk import is_cjk
from .line import Line
from .result import Region

COLUMN_GAP = 1.2  # a gutter is at least this many line heights wide
COLUMN_LINE = 8.0  # and parts lines that are this many heights long: shorter ones are the cells of a table
PARAGRAPH_GAP = 0.9  # blank space between lines of one paragraph, in line heights, is smaller than this
HEADING = 1.45  # a heading is this many times as high as the page's usual line
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


def _blocks(boxes: list[_Box], unit: float) -> list[list[_Box]]:
    """Split into columns where a gutter runs between long lines; bands of different column counts are kept
    apart.
    """
    gutter = _widest_gutter(boxes, unit)
    if gutter is not None:
        left = [b for b in boxes if (b.x0 + b.x1) / 2 < gutter]
        right = [b for b in boxes if (b.x0 + b.x1) / 2 >= gutter]
        return _blocks(left, unit) + _blocks(right, unit)
    cut = _band_cut(boxes, unit)
    if cut is not None:
        above = [b for b in boxes if b.middle < cut]
        below = [b for b in boxes if b.middle >= cut]
        return _blocks(above, unit) + _blocks(below, unit)
    return [boxes]


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


def _band_cut(boxes: list[_Box], unit: float) -> float | None:
    """A y between rows above or below which columns appear that a full-width line was hiding, or None."""
    rows = _visual_rows(boxes)
    edges = [
        (max(b.y1 for b in upper), min(b.y0 for b in lower)) for upper, lower in itertools.pairwise(rows)
    ]
    for index, (bottom, top) in enumerate(edges):
        above = [b for row in rows[: index + 1] for b in row]
        below = [b for row in rows[index + 1 :] for b in row]
        if _widest_gutter(above, unit) is not None or _widest_gutter(below, unit) is not None:
            return (bottom + top) / 2
    return None


def _visual_rows(boxes: list[_Box]) -> list[list[_Box]]:
    """Group boxes whose middles lie on one line of text; rows top to bottom, boxes left to right."""
    rows: list[list[_Box]] = []
    for box in sorted(boxes, key=lambda b: b.middle):
        row = rows[-1] if rows else None
        if row is not None and abs(box.middle - median(b.middle for b in row)) < 0.5 * min(
            box.height, median(b.height for b in row)
        ):
            row.append(box)
        else:
            rows.append([box])
    for row in rows:
        row.sort(key=lambda b: b.x0)
    return rows


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
    out = ""
    for word in words:
        spaced = out and word and not (is_cjk(out[-1]) and is_cjk(word[0]))
        out += f" {word}" if spaced else word
    return out
