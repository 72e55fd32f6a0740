"""Where a small look at a picture does not suffice, and how what a closer one finds there joins the lines.

Boxes are (n, 4, 2), clockwise from the text's own top left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

LOW_LINE = 16  # pixels of a box's height under which a small look does not suffice
FAINT = 0.2  # chance of being text that calls for a closer look, where there is no box
WINDOW = 512  # pixels of a side at least, where that is looked at alone
AROUND = 96  # pixels seen around it: a line's surroundings
MOST = 0.5  # of the picture; where the window is larger, all of it is looked at
SAME, TOUCHES = 0.8, 0.05  # of a box lies in one that was found before: the same line, and one next to it
WHOLE = 0.7  # and of that lies in this: it was seen whole
AS_HIGH, ASIDE, ALONG = 1.4, 0.3, 0.98  # heights, shift in heights and cosine of two parts of one line
EDGE = 3.0  # pixels of the picture from the window's end to a box that it cuts

Place = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def lowest(boxes: NDArray[Any], scale: float) -> float:
    """The height (pixels that the detector sees) of the lowest line; 0 where there is none."""
    return min((_line(box)[1] for box in boxes), default=0.0) * scale


def unclear_place(
    boxes: NDArray[Any], chances: NDArray[float32], scales: tuple[float, float]
) -> Place | None:
    """The place where a line is too low to be told apart, or something beside the lines looks like text: all
    of the picture where a line is low or there is none. ``scales``: of what was seen, across and down; the
    place is in pixels of the picture, ``boxes`` of what was seen.

    Of boxes of 14 to 17 pixels 95 % are found as at full size, of 10 to 12 pixels 65 %.
    """
    import cv2
    import numpy as np

    high, wide = chances.shape
    if lowest(boxes, 1.0) < LOW_LINE:
        return 0.0, 0.0, wide / scales[0], high / scales[1]
    faint = (chances > FAINT).astype(np.uint8)
    for corners in boxes:
        cv2.fillConvexPoly(faint, corners.astype(np.int32), 0)
    left, top, width, height = cv2.boundingRect(faint)
    if not width:
        return None
    return left / scales[0], top / scales[1], (left + width) / scales[0], (top + height) / scales[1]


def window_on(place: Place, shape: Sequence[int], scale: float) -> tuple[int, int, int, int] | None:
    """What of a picture (height, width, ...) is looked at to see a place at a scale: left, top, right,
    bottom. None where that is most of the picture.
    """
    ends = []
    for start, stop, whole in ((place[0], place[2], shape[1]), (place[1], place[3], shape[0])):
        side = min(whole, math.ceil(max(WINDOW, (stop - start) * scale + 2 * AROUND) / scale))
        first = min(max(0, round((start + stop - side) / 2)), whole - side)
        ends.append((first, first + side))
    (left, right), (top, bottom) = ends
    large = (right - left) * (bottom - top) > MOST * shape[0] * shape[1]
    return None if large else (left, top, right, bottom)


def with_found(
    boxes: NDArray[Any],
    scores: Sequence[float],
    there: NDArray[Any],
    sure: Sequence[float],
    place: Place,
    window: tuple[int, int, int, int],
    shape: Sequence[int],
) -> tuple[NDArray[Any], list[float]] | None:
    """Boxes and scores of a picture's lines with what a closer look at a window found: the same line is as it
    was seen closer, one at the place is new, and where it runs into others it is one with them. None where
    that cannot be said: one is cut by the window, or lies across others.
    """
    import numpy as np

    joined: set[int] = set()
    more: list[tuple[NDArray[Any], float]] = []
    inside: dict[int, list[int]] = {}  # of what was found there, by the line that it is (a part of)
    for i, box in enumerate(there):
        shares = [_share(box, other) for other in boxes]
        if max(shares, default=0.0) >= SAME:
            inside.setdefault(shares.index(max(shares)), []).append(i)
            continue
        if not _meets(box, place):
            continue
        touched = {k for k, share in enumerate(shares) if share > TOUCHES or _share(boxes[k], box) > TOUCHES}
        if touched & joined or not all(_one_line(box, boxes[k]) for k in touched):
            return None
        whole = _around([box, *(boxes[k] for k in touched)]) if touched else box
        if _is_cut(whole, window, shape):
            return None
        joined |= touched
        more.append((whole, sure[i]))
    for k in set(inside) - joined:
        closer = inside[k]
        seen_whole = sum(_share(boxes[k], there[i]) for i in closer) >= WHOLE
        if seen_whole and not any(_is_cut(there[i], window, shape) for i in closer):
            joined.add(k)
            more += [(there[i], sure[i]) for i in closer]
    kept = [i for i in range(len(boxes)) if i not in joined]
    found = np.concatenate((boxes[kept], *(box[None] for box, _ in more))).astype(np.float32)
    return found, [*(scores[i] for i in kept), *(score for _, score in more)]


def _meets(box: NDArray[Any], place: Place) -> bool:
    (left, top), (right, bottom) = box.min(0), box.max(0)
    return bool(left <= place[2] and right >= place[0] and top <= place[3] and bottom >= place[1])


def _share(box: NDArray[Any], other: NDArray[Any]) -> float:
    """The share of a box that lies in another one."""
    import cv2
    import numpy as np

    area = cv2.contourArea(box.astype(np.float32))
    common, _ = cv2.intersectConvexConvex(box.astype(np.float32), other.astype(np.float32))
    return float(common) / area if area else 0.0


def _line(box: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """(the direction along a box's longer side, its length 1; how high it is across that)."""
    import numpy as np

    across, down = box[1] - box[0], box[3] - box[0]
    wide, high = float(np.linalg.norm(across)), float(np.linalg.norm(down))
    if wide >= high:
        return across / (wide or 1.0), high
    return down / high, wide


def _one_line(box: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two boxes are as high and lie along each other."""
    (along, high), (way, as_high) = _line(box), _line(other)
    if max(high, as_high) > AS_HIGH * min(high, as_high) or abs(float(along @ way)) < ALONG:
        return False
    apart = other.mean(0) - box.mean(0)
    aside = abs(float(apart[0] * along[1] - apart[1] * along[0]))
    return aside <= ASIDE * min(high, as_high)


def _around(boxes: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The smallest box around parts of one line, which starts where the first of them does."""
    import cv2
    import numpy as np

    points = np.concatenate(list(boxes)).astype(np.float32)
    corners = cv2.boxPoints(cv2.minAreaRect(points))
    along, down = boxes[0][1] - boxes[0][0], boxes[0][3] - boxes[0][0]
    along, down = along / (np.linalg.norm(along) or 1.0), down / (np.linalg.norm(down) or 1.0)
    marks = (-along - down, along - down, along + down, down - along)
    return np.array([max(corners, key=lambda corner: float(corner @ mark)) for mark in marks], np.float32)


def _is_cut(box: NDArray[Any], window: tuple[int, int, int, int], shape: Sequence[int]) -> bool:
    """Whether a box reaches to an end of the window that is none of the picture's."""
    (left, top), (right, bottom) = box.min(0), box.max(0)
    return bool(
        (window[0] > 0 and abs(left - window[0]) <= EDGE)
        or (window[1] > 0 and abs(top - window[1]) <= EDGE)
        or (window[2] < shape[1] and abs(right - window[2]) <= EDGE)
        or (window[3] < shape[0] and abs(bottom - window[3]) <= EDGE)
    )
