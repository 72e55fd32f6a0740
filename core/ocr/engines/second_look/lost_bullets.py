"""Bullets of a list: no detector takes a dot beside a line for text, and a recogniser seldom writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ....cancel import watched
from ...results.line import Line
from ...results.line_boxes import Box, level_boxes, rotated
from ...results.result import Point, Word
from ...results.text_angle import runs_across, text_angle
from ..level_picture import straight_line

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

BULLET = "\u2022"
# In line heights. So far left of a line's first letter is looked; a bullet stands so near the line's middle
# and begins so near another's; it is so large, and so much like another; paper behind it and before it.
BEFORE, NEAR, ALIKE, SIZES, SAME, PAPER, ALONE = 2.4, 0.1, 0.3, (0.16, 0.5), 0.12, 0.1, 0.6
ROUND = 1.4  # a bullet's longer side over its shorter one, at most
WHOLE = 0.62  # of its box is ink; of a circle's 0.785
CONTRAST = 60  # grey levels off the paper
LEVEL = 0.01  # radians up to which a page is cut as it lies
FEWEST = 2  # bullets make a list
MOST_LINES = 1000  # of a page that is looked at
SURE = 0.9  # what is said of one


@dataclass(frozen=True)
class _Dot:
    """On the level page, in pixels."""

    x0: float
    x1: float
    size: float
    high: float


def with_bullets(image: NDArray[uint8], lines: Sequence[Line]) -> list[Line]:
    """``lines`` of a page (uint8 RGB), those of a list with the bullets before them that were not read."""
    if not FEWEST <= len(lines) <= MOST_LINES:
        return list(lines)
    angle = text_angle(lines)
    boxes = level_boxes(lines, angle)
    dots: dict[int, _Dot] = {}
    read: list[_Dot] = []
    for box, line in watched(zip(boxes, lines, strict=True), 16):
        if runs_across(line, angle) or not line.text.strip():
            continue
        dot = _dot(image, box, _first_letter(box, line, angle), angle)
        if dot is not None and not _is_read(dot, box, boxes):
            dots[box.index] = dot
        elif line.text.lstrip().startswith(BULLET):
            read.append(_Dot(box.x0, box.x0, 0.0, box.height))
    found = {number for number in dots if _in_a_list(number, dots, read)}
    return [
        _with_bullet(line, dots[number], boxes[number], angle) if number in found else line
        for number, line in enumerate(lines)
    ]


def _first_letter(box: Box, line: Line, angle: float) -> float:
    """Where the first word begins along its line: behind a bullet that is in its box and was not read."""
    if not line.words or line.text.lstrip().startswith(BULLET):
        return box.x0
    begins = min(x for x, _ in rotated(line.words[0].polygon, -angle))
    return max(box.x0, begins)


def _is_read(dot: _Dot, box: Box, boxes: Sequence[Box]) -> bool:
    """Whether a dot is what another line says: the one letter of a cell beside."""
    middle = (dot.x0 + dot.x1) / 2
    return any(
        other.x0 < middle < other.x1 and other.y0 < box.middle < other.y1
        for other in boxes
        if other.index != box.index
    )


def _in_a_list(number: int, dots: dict[int, _Dot], read: Sequence[_Dot]) -> bool:
    if number not in dots:
        return False
    dot = dots[number]
    near = ALIKE * dot.high
    alike = sum(
        abs(other.x0 - dot.x0) < near and abs(other.size - dot.size) < SAME * dot.high
        for other in dots.values()
    )
    return alike + sum(abs(other.x0 - dot.x0) < 2 * near for other in read) >= FEWEST


def _dot(image: NDArray[uint8], box: Box, first: float, angle: float) -> _Dot | None:
    """The bullet that stands alone before a line's first letter."""
    import cv2
    import numpy as np

    high = box.height
    left, right = max(0.0, first - BEFORE * high), first + PAPER * high
    if right - left < 0.5 * high or high < 8:
        return None
    corners = ((left, box.y0), (right, box.y0), (right, box.y1), (left, box.y1))
    crop = _cut(image, rotated(corners, angle), angle)
    if crop.shape[0] < 4 or crop.shape[1] < 4:
        return None
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    ink = (cv2.absdiff(grey, np.full_like(grey, int(np.median(grey[::2])))) > CONTRAST).astype(np.uint8)
    scale = high / ink.shape[0]
    ink[:, round((first - PAPER * high - left) / scale) :] = 0  # the first letter
    if not ink.any():
        return None
    parts = cv2.connectedComponentsWithStats(ink)[2][1:].tolist()
    parts = [part for part in parts if part[4] > 2]
    if not parts:
        return None
    x, y, wide, tall, area = max(parts, key=lambda part: part[0])
    beside = [part for part in parts if part[0] + part[2] > x - ALONE * high / scale]
    middle = (y + tall / 2) * scale
    low, most = SIZES[0] * high, SIZES[1] * high
    if (
        not x
        or len(beside) != 1
        or not low <= min(wide, tall) * scale <= max(wide, tall) * scale <= most
        or max(wide, tall) > ROUND * min(wide, tall)
        or area < WHOLE * wide * tall
        or abs(middle - high / 2) > NEAR * high
    ):
        return None
    return _Dot(left + x * scale, left + (x + wide) * scale, max(wide, tall) * scale, high)


def _cut(image: NDArray[uint8], corners: Sequence[Point], angle: float) -> NDArray[uint8]:
    """The rectangle from its four corners, clockwise from the top left, level."""
    import numpy as np

    if abs(angle) > LEVEL:
        return straight_line(image, tuple(corners), 0.0)
    (left, _), (right, _), _, (_, bottom) = corners
    top = min(corners[0][1], corners[1][1])
    rows, columns = slice(max(0, round(top)), round(bottom)), slice(max(0, round(left)), round(right))
    return np.ascontiguousarray(image[rows, columns])


def _with_bullet(line: Line, dot: _Dot, box: Box, angle: float) -> Line:
    """The line begins at its bullet, which is its first word."""
    start = min(dot.x0, box.x0)
    across = ((start, box.y0), (box.x1, box.y0), (box.x1, box.y1), (start, box.y1))
    place = ((dot.x0, box.y0), (dot.x1, box.y0), (dot.x1, box.y1), (dot.x0, box.y1))
    words = (Word(BULLET, tuple(rotated(place, angle)), SURE), *line.words) if line.words else ()
    polygon = tuple(rotated(across, angle)) if start < box.x0 else line.polygon
    return replace(line, text=f"{BULLET} {line.text.lstrip()}", polygon=polygon, words=words)
