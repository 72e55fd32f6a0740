"""Lines that a detector drew through a gutter, parted there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, median

from ...cancel import watched
from .line import Line
from .line_boxes import Box, level_boxes, text_angle
from .result import Word

OPEN = 0.2  # line heights: a narrower space between two words is one (recognisers' spans mostly touch)
AROUND = 12.0  # line heights above and below in which the gutter must go on
NEEDED = 3  # boxes on each side of it there


def parted(lines: Sequence[Line]) -> list[Line]:
    """``lines``, and instead of one whose words stand on both sides of a strip that the lines around it leave
    open, its pieces. Lines without words stay as they are.
    """
    if not any(len(line.words) > 1 for line in lines):
        return list(lines)
    angle = text_angle(lines)
    boxes = sorted(level_boxes(lines, angle), key=lambda b: b.middle)
    words = {}
    for box in boxes:
        line = lines[box.index]
        if len(line.words) > 1:
            words[box.index] = level_boxes([Line(w.text, w.polygon) for w in line.words], angle)
    gaps = {index: _wide_gaps(some, _height(some)) for index, some in words.items()}
    out: list[Line] = []
    for place, box in watched(enumerate(boxes)):
        cuts = [after for after, x0, x1 in gaps.get(box.index, []) if _goes_on(boxes, place, gaps, x0, x1)]
        out += _pieces(lines[box.index], cuts)
    return out


def _height(words: Sequence[Box]) -> float:
    return median(word.height for word in words)


def _wide_gaps(words: Sequence[Box], unit: float) -> list[tuple[int, float, float]]:
    """The spaces that are wide and wider than the line's usual: (words before it, its left and right)."""
    spaces = [b.x0 - a.x1 for a, b in itertools.pairwise(words)]
    usual = max(0.0, median(spaces))
    return [
        (number, words[number - 1].x1, words[number].x0)
        for number, space in enumerate(spaces, 1)
        if space > OPEN * unit and (space > 1.6 * usual or len(spaces) == 1)
    ]


def _goes_on(
    boxes: Sequence[Box], place: int, gaps: dict[int, list[tuple[int, float, float]]], x0: float, x1: float
) -> bool:
    """Whether the lines around leave a strip within ``x0`` to ``x1`` open, with text on both its sides."""
    here = boxes[place]
    unit = here.height
    left: list[Box] = []
    right: list[Box] = []
    low, high = x0 - 0.4 * unit, x1 + 0.4 * unit
    for step in (-1, 1):
        at = place + step
        while 0 <= at < len(boxes) and abs(boxes[at].middle - here.middle) < AROUND * unit:
            other = boxes[at]
            at += step
            if abs(other.middle - here.middle) < 0.4 * unit:
                continue
            if other.x1 < high and other.x0 < low:
                left, low = [*left, other], max(low, other.x1)
            elif other.x0 > low and other.x1 > high:
                right, high = [*right, other], min(high, other.x0)
            elif not any(a < high and b > low for _, a, b in gaps.get(other.index, [])):
                break  # crosses: the gutter ends here
    return (
        high - low > OPEN * unit
        and min(len(left), len(right)) >= NEEDED
        and abs(median(b.height for b in (*left, *right)) - unit) < 0.3 * unit
        # a headline across both columns begins elsewhere
        and max(_near(here.x0, [b.x0 for b in left], unit), _near(x0, [b.x1 for b in left], 0.3 * unit))
        >= NEEDED
        and max(_near(x1, [b.x0 for b in right], 0.5 * unit), _near(here.x1, [b.x1 for b in right], unit))
        >= NEEDED
    )


def _near(x: float, others: Sequence[float], slack: float) -> int:
    return sum(abs(x - other) < slack for other in others)


def _pieces(line: Line, cuts: Sequence[int]) -> list[Line]:
    """``line`` in two or more, each with its own words; ``cuts`` are the numbers of words before each cut."""
    if not cuts or len(line.polygon) != 4:
        return [line]
    pieces = []
    for start, end in zip((0, *cuts), (*cuts, len(line.words)), strict=True):
        words = line.words[start:end]
        a, b, c, d = line.polygon
        if start:
            a, d = words[0].polygon[0], words[0].polygon[3]
        if end < len(line.words):
            b, c = words[-1].polygon[1], words[-1].polygon[2]
        known = [word.confidence for word in words if word.confidence is not None]
        text = _text_of(line, words, start)
        sure = mean(known) if known else line.confidence
        pieces.append(replace(line, text=text, polygon=(a, b, c, d), words=words, confidence=sure))
    return pieces


def _text_of(line: Line, words: Sequence[Word], before: int) -> str:
    """The part of the line's text that ``words`` are, with its spaces."""
    start = sum(len(word.text) for word in line.words[:before])
    count = sum(len(word.text) for word in words)
    out: list[str] = []
    seen = 0
    for character in line.text:
        if start <= seen < start + count:
            out.append(character)
        seen += not character.isspace()
    return "".join(out).strip()
