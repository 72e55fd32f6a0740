"""Boxes as a person would draw them, once the lines are read: one that ends in the middle of a letter reaches
to that letter's end, and two that lap over each other are parted where least ink is between them. What was
cut for the recogniser stays: it reads better with some room.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...images import edge_colour
from ...results.line import Line
from ...results.result import Point, hull
from ..pictures.colour_steps import from_colour

if TYPE_CHECKING:
    from numpy import bool_, uint8
    from numpy.typing import NDArray

LEVEL = 0.04  # of its length that a box may slope and still count as level or upright
CONTRAST, INK = 40, 0.4  # levels off the paper, and of a line's full contrast, from which on there is ink
CUT = 0.15  # of a box's height is ink where its end goes through a letter
REACH = 1.0  # heights, at most, to that letter's end
CLEAR = 0.06  # of a height without ink ends it
ABOVE = 0.12  # heights above and below a letter are paper, or it is a drawing
LAPPED = 0.5  # of the lower box's height (narrower one's width): more is no mere lap
MOST_LINES = 1_000  # of a page: more are compared in vain for too long

_Frame = tuple[float, float, float, float]  # left, top, right, bottom


def fitted(lines: Sequence[Line], picture: NDArray[uint8]) -> list[Line]:
    """``lines`` with better boxes on ``picture``, uint8 (height, width, 3). Those that are neither level nor
    upright, or on an arc, stay.
    """
    if len(lines) > MOST_LINES:
        return list(lines)
    out = list(lines)
    for number, line in enumerate(out):
        if line.text and _runs_level(line):
            out[number] = _with_whole_ends(line, out, picture)
    order = sorted(range(len(out)), key=lambda number: _frame(out[number])[1])
    for place, one in enumerate(order):
        for other in order[place + 1 :]:
            if _frame(out[other])[1] >= _frame(out[one])[3]:
                break
            out[one], out[other] = _parted(out[one], out[other], picture)
    return out


def _frame(line: Line) -> _Frame:
    return hull(line.polygon)


def _runs_level(line: Line) -> bool:
    (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
    return line.crown is None and abs(y1 - y0) <= LEVEL * abs(x1 - x0)


def _stands_straight(line: Line) -> bool:
    (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
    return line.crown is None and min(abs(x1 - x0), abs(y1 - y0)) <= LEVEL * max(abs(x1 - x0), abs(y1 - y0))


def _with_whole_ends(line: Line, lines: Sequence[Line], picture: NDArray[uint8]) -> Line:
    left, top, right, bottom = (round(side) for side in _frame(line))
    high = bottom - top
    if high < 8 or right - left < high:
        return line
    reach, above = round(REACH * high), max(1, round(ABOVE * high))
    x0, x1 = max(0, left - reach), min(picture.shape[1], right + reach)
    y0, y1 = max(0, top - above), min(picture.shape[0], bottom + above)
    ink = _ink(picture[y0:y1, x0:x1], slice(left - x0, right - x0))
    if ink is None:
        return line
    inside = slice(top - y0, bottom - y0)
    before = _to_the_end(ink[:, : left - x0 + 1][:, ::-1], inside, high)
    after = _to_the_end(ink[:, right - x0 - 1 :], inside, high)
    grown = left - before, top, right + after, bottom
    if not (before or after):
        return line
    others = (_frame(other) for other in lines if other is not line)
    if any(_meet(grown, other) > _meet(_frame(line), other) for other in others):
        return line

    def moved(point: Point) -> Point:
        """Points at an end go with it."""
        x, y = point
        near = 0.25 * high
        return x - before * (x < left + near) + after * (x > right - near), y

    return _changed(line, moved)


def _ink(strip: NDArray[uint8], inside: slice) -> NDArray[bool_] | None:
    """Where a strip around a line is off its paper in any colour; None where nothing stands out."""
    import numpy as np

    if min(strip.shape[:2]) < 3 or min(strip[:, inside].shape[:2]) < 3:
        return None
    away = from_colour(strip, edge_colour(strip[:, inside]).astype(np.int16))
    limit = max(CONTRAST, INK * float(np.percentile(away[:, inside], 98)))
    return np.asarray(away > limit)


def _to_the_end(ink: NDArray[bool_], inside: slice, high: int) -> int:
    """By how many pixels a letter goes on beyond the first column of ``ink``; 0 where none is cut through,
    or it does not end, or is higher than its line.
    """
    import numpy as np

    if ink.shape[1] < 3 or ink[inside, 0].mean() < CUT:
        return 0
    inked = np.any(ink[inside], axis=0)
    clear, blank = max(2, round(CLEAR * high)), 0
    for place, here in enumerate(inked.tolist()):
        blank = 0 if here else blank + 1
        if blank == clear:
            end = place - clear + 1
            beyond = ink[: inside.start, 1:end].any() or ink[inside.stop :, 1:end].any()
            return 0 if beyond else end + clear // 2
    return 0


def _meet(a: _Frame, b: _Frame) -> float:
    """The area that two frames share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _parted(one: Line, other: Line, picture: NDArray[uint8]) -> tuple[Line, Line]:
    """Two lines whose boxes lap, drawn in to where least ink is between them."""
    a, b = _frame(one), _frame(other)
    if not _meet(a, b) or not (_stands_straight(one) and _stands_straight(other)):
        return one, other
    over_x, over_y = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    axis = 0 if over_x / min(a[2] - a[0], b[2] - b[0]) < over_y / min(a[3] - a[1], b[3] - b[1]) else 1
    thick = min(a[axis + 2] - a[axis], b[axis + 2] - b[axis])
    if min(over_x, over_y) > LAPPED * thick:
        return one, other
    first, last = (one, other) if a[axis] + a[axis + 2] <= b[axis] + b[axis + 2] else (other, one)
    start, stop = max(a[axis], b[axis]), min(a[axis + 2], b[axis + 2])
    along = max(a[1 - axis], b[1 - axis]), min(a[3 - axis], b[3 - axis])
    cut = _emptiest(picture, axis, (start, stop), along)

    def up_to(point: Point) -> Point:
        return _clipped(point, axis, cut, min)

    def from_there(point: Point) -> Point:
        return _clipped(point, axis, cut, max)

    parts = _changed(first, up_to), _changed(last, from_there)
    return parts if first is one else (parts[1], parts[0])


def _emptiest(
    picture: NDArray[uint8], axis: int, across: tuple[float, float], along: tuple[float, float]
) -> float:
    """The middle of the emptiest place between two bounds: where a line along it is most even."""
    import numpy as np

    (start, stop), (low, high) = across, along
    band = slice(max(0, round(start)), max(1, round(stop))), slice(max(0, round(low)), max(1, round(high)))
    part = picture[band[1], band[0]] if axis == 0 else picture[band[0], band[1]]
    if part.size == 0:
        return (start + stop) / 2
    spread = part.astype(np.float32).std(axis=axis).max(axis=-1)
    least = np.flatnonzero(spread <= spread.min() + 2.0)
    return float(band[0].start + np.median(least) + 0.5)


def _clipped(point: Point, axis: int, cut: float, how: Callable[[float, float], float]) -> Point:
    x, y = point
    return (how(x, cut), y) if axis == 0 else (x, how(y, cut))


def _changed(line: Line, moved: Callable[[Point], Point]) -> Line:
    words = tuple(replace(word, polygon=tuple(map(moved, word.polygon))) for word in line.words)
    return replace(line, polygon=tuple(map(moved, line.polygon)), words=words)
