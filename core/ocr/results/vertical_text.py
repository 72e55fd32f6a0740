"""Vertical Chinese and Japanese: tiers, balloons and columns from right to left; furigana."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, median

from ...cancel import cancel_point, watched
from ...cjk import is_cjk
from .line import Line
from .line_boxes import Box, level_boxes, visual_rows
from .result import Point, Word
from .text_angle import skew

# In thicknesses of a line (across the direction in which it runs).
TOGETHER = 0.9  # columns of one balloon stand no farther apart
TIER = 0.8  # a blank band between two tiers is at least so high
RUBY = 0.68  # furigana are no thicker than this share of their line
DOWN = math.pi / 2
LAID, LAID_SHARE = 3, 0.2  # numbers that are lines of their own, at least, on a page that lies on its side
_NUMBER = re.compile(r"[-+$\u20ac\u00a3\u00a5\uffe5]?\d[\d,]*\d[.,]?\d+\s?%?|[-+]?\d+[.,]\d+\s?%?")
DOUBTFUL = 0.6  # kana that were read as Han are seldom surer
MOST_GROUPS = 400  # groups are compared in pairs
# Two facing pages are so many times as wide as high together; between them, within these shares of that
# width, nothing stands for so many thicknesses; on each are so many lines over so much of the height.
WIDE, MIDDLE, GUTTER, PAGE_LINES, PAGE_HIGH = 1.1, (0.4, 0.6), 2.0, 5, 0.6


def runs_down(line: Line) -> bool:
    """Whether the line is a column, read from top to bottom."""
    (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
    return y1 - y0 > abs(x1 - x0)


def is_vertical(lines: Sequence[Line]) -> bool:
    """Whether most of the text of ``lines`` is columns of Chinese or Japanese, and no page lies on its side:
    in columns numbers of several digits stand upright and within text.
    """
    down = [line for line in lines if runs_down(line)]
    numbers = sum(bool(_NUMBER.fullmatch(line.text.strip())) for line in down)
    if numbers >= max(LAID, LAID_SHARE * len(down)):
        return False
    characters = "".join(line.text for line in down)
    cjk = sum(map(is_cjk, characters))
    return 2 * _length(down) > _length(lines) and 2 * cjk > len(characters) > 0


def _length(lines: Sequence[Line]) -> float:
    return sum(math.dist(line.polygon[0], line.polygon[1]) for line in lines)


def facing_pages(lines: Sequence[Line]) -> tuple[list[int], list[int]] | None:
    """The lines, by their numbers, of the right and of the left page of an open book, or None."""
    boxes = level_boxes(lines, 0.0)
    if len(boxes) < 2 * PAGE_LINES:
        return None
    frame = _frame(boxes)
    wide, high = frame.x1 - frame.x0, frame.y1 - frame.y0
    if wide < WIDE * high:
        return None
    thick = median(min(box.width, box.height) for box in boxes)
    halves = _split([(box.x0, box.x1, number) for number, box in enumerate(boxes)], GUTTER * thick)
    for number in range(1, len(halves)):
        left, right = ([n for part in some for n in part] for some in (halves[:number], halves[number:]))
        ends = max(boxes[n].x1 for n in left), min(boxes[n].x0 for n in right)
        gutter = (sum(ends) / 2 - frame.x0) / wide
        pages = [_frame([boxes[n] for n in half]) for half in (left, right)]
        tall = min(page.y1 - page.y0 for page in pages) > PAGE_HIGH * high
        if MIDDLE[0] < gutter < MIDDLE[1] and tall and min(len(left), len(right)) >= PAGE_LINES:
            return [boxes[n].index for n in right], [boxes[n].index for n in left]
    return None


def groups(lines: Sequence[Line]) -> list[list[list[int]]]:
    """``lines`` (by their numbers) as balloons, headings and blocks in reading order; each is rows, which are
    columns from right to left, or level lines from top to bottom.
    """
    lean = skew(lines, DOWN) if any(map(runs_down, lines)) else 0.0
    boxes = level_boxes(lines, lean)
    down = _directions(lines, boxes)
    found = _together(boxes, down)
    out = []
    for group in _in_order(found, boxes, down):
        some = [lines[index] for index in group]
        angle = DOWN + lean if down[group[0]] else lean
        rows = visual_rows(level_boxes(some, angle))
        out.append([[group[box.index] for box in row] for row in rows])
    return out


def _directions(lines: Sequence[Line], boxes: Sequence[Box]) -> list[bool]:
    """Whether each line runs down. A single character has no direction of its own: it takes that of a column
    over or under it.
    """
    down = [runs_down(line) for line in lines]
    columns = [box for box in boxes if down[box.index] and len(lines[box.index].text) > 1]
    for box in watched(boxes, 16):
        if len(lines[box.index].text.strip()) == 1 and not down[box.index]:
            near = TOGETHER * box.width
            down[box.index] = any(
                min(box.x1, c.x1) - max(box.x0, c.x0) > 0.6 * min(box.width, c.width)
                and max(c.y0 - box.y1, box.y0 - c.y1) < near
                and 0.5 < box.width / c.width < 1.5
                for c in columns
            )
    return down


def _together(boxes: Sequence[Box], down: Sequence[bool]) -> list[list[int]]:
    """Lines that run the same way side by side, as in one balloon."""
    parent = list(range(len(boxes)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    ordered = sorted(boxes, key=lambda b: b.x0)
    for place, a in watched(enumerate(ordered), 16):
        thick_a = a.width if down[a.index] else a.height
        for at in range(place + 1, len(ordered)):
            b = ordered[at]
            thick_b = b.width if down[b.index] else b.height
            near = TOGETHER * min(thick_a, thick_b)
            if b.x0 - a.x1 > 2 * near:
                break
            if down[a.index] != down[b.index] or not 0.5 < thick_a / thick_b < 2.0:
                continue
            beside = min(a.y1, b.y1) - max(a.y0, b.y0)
            over = min(a.x1, b.x1) - max(a.x0, b.x0)
            across, along = (over, beside) if down[a.index] else (beside, over)
            shorter = min(a.height, b.height) if down[a.index] else min(a.width, b.width)
            side_by_side = -across < near and along > 0.3 * shorter
            goes_on = across > 0.5 * min(thick_a, thick_b) and -along < near
            if side_by_side or goes_on:
                parent[root(a.index)] = root(b.index)
    groups_of: dict[int, list[int]] = {}
    for box in boxes:
        groups_of.setdefault(root(box.index), []).append(box.index)
    return list(groups_of.values())


def _in_order(
    found: Sequence[Sequence[int]], boxes: Sequence[Box], down: Sequence[bool]
) -> list[Sequence[int]]:
    """The groups: tiers from above, in each from right to left."""
    frames = {number: _frame([boxes[index] for index in group]) for number, group in enumerate(found)}
    thick = median((b.width if down[b.index] else b.height) for b in boxes)
    out: list[Sequence[int]] = []
    open_parts = [list(frames)]
    while open_parts:
        cancel_point()
        part = open_parts.pop()
        pieces = _parted([frames[n] for n in part], part, thick)
        if len(pieces) > 1:
            open_parts += reversed(pieces)
        else:
            out += [found[n] for n in _one_by_one(part, frames)]
    return out


def _frame(boxes: Sequence[Box]) -> Box:
    return Box(
        -1,
        min(b.x0 for b in boxes),
        min(b.y0 for b in boxes),
        max(b.x1 for b in boxes),
        max(b.y1 for b in boxes),
    )


def _parted(frames: Sequence[Box], numbers: Sequence[int], thick: float) -> list[list[int]]:
    """``numbers`` parted by blank bands into tiers from above, or by blank strips from right to left."""
    spans = [(f.y0, f.y1, n) for f, n in zip(frames, numbers, strict=True)]
    tiers = _split(spans, TIER * thick)
    if len(tiers) > 1:
        return tiers
    return _split([(-f.x1, -f.x0, n) for f, n in zip(frames, numbers, strict=True)], 0.0)


def _split(spans: Sequence[tuple[float, float, int]], gap: float) -> list[list[int]]:
    parts: list[list[int]] = []
    reach = -math.inf
    for start, end, number in sorted(spans):
        if start - reach > gap or not parts:
            parts.append([])
        parts[-1].append(number)
        reach = max(reach, end)
    return parts


def _one_by_one(part: Sequence[int], frames: dict[int, Box]) -> list[int]:
    """Groups that no straight cut parts: of two side by side the right one first, else the upper one."""
    left = sorted(part, key=lambda n: (frames[n].y0 - frames[n].x1, n))
    if len(left) > MOST_GROUPS:
        return left
    out: list[int] = []
    while left:
        cancel_point()
        first = next(
            (n for n in left if not any(_before(frames[m], frames[n]) for m in left if m != n)), left[0]
        )
        left.remove(first)
        out.append(first)
    return out


def _before(a: Box, b: Box) -> bool:
    beside = min(a.y1, b.y1) - max(a.y0, b.y0)
    if beside > 0.3 * min(a.height, b.height):
        return a.centre > b.centre
    return a.middle < b.middle


def columns_of_level_lines(lines: Sequence[Line]) -> list[Line]:
    """Columns made of the characters of level lines: a detector takes a grid of characters for rows. Lines
    whose characters have no places of their own stay as they are.
    """
    level = [line for line in lines if not runs_down(line) and line.words]
    cells = [word for line in level for word in line.words]
    if not level or any(len(word.text) > 2 for word in cells):
        return list(lines)
    boxes = level_boxes([Line(word.text, word.polygon) for word in cells], 0.0)
    wide = median(b.width for b in boxes)
    columns: list[list[Box]] = []
    for box in sorted(boxes, key=lambda b: -b.centre):
        if columns and mean(b.centre for b in columns[-1]) - box.centre < 0.6 * wide:
            columns[-1].append(box)
        else:
            columns.append([box])
    made = []
    for column in columns:
        column.sort(key=lambda b: b.y0)
        words = [cells[b.index] for b in column]
        known = [word.confidence for word in words if word.confidence is not None]
        frame = _frame(column)
        polygon = ((frame.x1, frame.y0), (frame.x1, frame.y1), (frame.x0, frame.y1), (frame.x0, frame.y0))
        text = "".join(word.text for word in words)
        made.append(Line(text, polygon, mean(known) if known else None, tuple(map(_turned, words))))
    return [line for line in lines if runs_down(line) or not line.words] + made


def _turned(word: Word) -> Word:
    corners: tuple[Point, ...] = word.polygon[1:] + word.polygon[:1]
    return replace(word, polygon=corners)


def furigana(lines: Sequence[Line]) -> set[int]:
    """The numbers of lines that say in small kana how the characters beside them are read: above a level
    line, to the right of a column.
    """
    han = [number for number, line in enumerate(lines) if _has_han(line.text)]
    if not han:
        return set()
    among, down_at = set(han), [runs_down(line) for line in lines]
    flat = {down: level_boxes(lines, DOWN if down else 0.0) for down in (False, True)}
    sure: set[int] = set()
    likely: set[int] = set()
    for number, small in watched(enumerate(lines), 16):
        if not small.text.strip() or (number in among and (small.confidence or 1.0) > DOUBTFUL):
            continue
        for place in han:
            if place == number:
                continue
            at, own = flat[down_at[place]][number], flat[down_at[place]][place]
            if not _beside(at, own):
                continue
            kana = sum(_is_kana(c) for c in small.text)
            if 2 * kana >= len(small.text.strip()):
                sure.add(number)
            elif len(small.text.strip()) <= 3 and not any(c.isdigit() for c in small.text):
                likely.add(number)
    return sure | likely if sure else set()


def _beside(small: Box, line: Box) -> bool:
    """Whether ``small`` stands on the upper edge of ``line``, within its ends; the character under it may be
    lost.
    """
    touches = line.y0 - 0.35 * small.height < small.y1 < line.y0 + 0.5 * line.height
    over = min(small.x1, line.x1) > max(small.x0, line.x0)
    within = line.x0 - line.height < small.x0 and small.x1 < line.x1 + line.height
    return touches and over and within and small.height < RUBY * line.height


def _has_han(text: str) -> bool:
    return any("\u3400" <= c <= "\u9fff" or "\U00020000" <= c <= "\U0003ffff" for c in text)


def _is_kana(character: str) -> bool:
    return "\u3041" <= character <= "\u30ff" or "\uff66" <= character <= "\uff9d"
