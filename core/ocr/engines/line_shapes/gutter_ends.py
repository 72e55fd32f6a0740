"""Lines on both sides of a narrow gutter, drawn in to their ink for whoever orders them: a detector that sees
both columns at once leaves room around each line that reaches over half of the gutter, or all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ....cancel import watched
from ...results.line import Line
from ...results.result import Point, hull

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

LEVEL = 0.04  # of its length that a box may slope and still count as level
LONG = 4.0  # a line is so many times as long as high: a gutter stands between such
# In heights: so near one line ends to the next one's beginning; so much of them stands level; so much paper
# is between them, more than between words; so far in it is looked for; so much room is left around ink.
NEAR, BESIDE, BLANK, INTO, ROOM = 0.6, 0.6, 0.4, 1.0, 0.1
LAPPED, ASIDE = 0.8, 0.3  # heights that two boxes may lap; and the paper lie beside the middle of that
CONTRAST, INK = 32, 0.35  # levels at least, and of a line's own contrast, that make a column of pixels ink
MOST_LINES = 1000  # of a page that is looked at

_Frame = tuple[float, float, float, float]  # left, top, right, bottom


def ends_at_ink(lines: Sequence[Line], picture: NDArray[uint8]) -> list[Line]:
    """``lines`` of a page, uint8 (height, width, 3), those beside a narrow gutter without the paper at that
    end.
    """
    out = list(lines)
    if len(lines) > MOST_LINES:
        return out
    frames = {number: hull(line.polygon) for number, line in enumerate(lines) if _is_level(line)}
    order = sorted(frames, key=lambda number: frames[number][1])
    for place, one in watched(enumerate(order), 16):
        for other in order[place + 1 :]:
            if frames[other][1] >= frames[one][3]:
                break
            left, right = sorted((one, other), key=lambda number: frames[number][0])
            paper = _paper_between(frames[left], frames[right], picture)
            if paper is not None:
                out[left] = _clipped(out[left], -1e9, paper[0])
                out[right] = _clipped(out[right], paper[1], 1e9)
    return out


def _is_level(line: Line) -> bool:
    (x0, y0), (x1, y1) = line.polygon[:2]
    left, top, right, bottom = hull(line.polygon)
    level = line.crown is None and abs(y1 - y0) <= LEVEL * abs(x1 - x0)
    return level and right - left > LONG * (bottom - top)


def _paper_between(a: _Frame, b: _Frame, picture: NDArray[uint8]) -> tuple[float, float] | None:
    """Where the paper between two lines side by side begins and ends; None where there is no gutter."""
    import numpy as np

    high = min(a[3] - a[1], b[3] - b[1])
    top, bottom = max(a[1], b[1]), min(a[3], b[3])
    gap = b[0] - a[2]
    if not -LAPPED * high < gap < NEAR * high or bottom - top < BESIDE * high:
        return None
    start, stop = max(0, round(min(a[2], b[0]) - INTO * high)), round(max(a[2], b[0]) + INTO * high)
    strip = picture[max(0, round(top)) : round(bottom), start:stop].mean(-1)
    if min(strip.shape) < 3:
        return None
    contrasts = np.ptp(strip, axis=0)
    inked = contrasts > max(CONTRAST, INK * float(contrasts.max()))
    ends = np.flatnonzero(np.diff(np.concatenate(([True], inked, [True])).astype(np.int8)))
    runs = [(start + int(x0), start + int(x1)) for x0, x1 in zip(ends[::2], ends[1::2], strict=True)]
    middle = (a[2] + b[0]) / 2
    near = [run for run in runs if run[0] - ASIDE * high < middle < run[1] + ASIDE * high]
    x0, x1 = max(near, key=lambda run: run[1] - run[0], default=(0, 0))
    if x1 - x0 < max(BLANK * high, gap) or x0 == start or x1 == stop:
        return None
    return x0 + ROOM * high, x1 - ROOM * high


def _clipped(line: Line, least: float, most: float) -> Line:
    def inside(point: Point) -> Point:
        return min(max(point[0], least), most), point[1]

    return replace(line, polygon=tuple(map(inside, line.polygon)))
