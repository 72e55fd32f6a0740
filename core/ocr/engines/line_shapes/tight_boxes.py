"""Boxes drawn in to the ink: the detector's small look leaves as much as half a line around short ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import bool_, uint8
    from numpy.typing import NDArray

CONTRAST = 32  # levels between a line's lightest and darkest that can be told from noise
INK = 0.35  # of that contrast makes a row or column of pixels one of ink
AROUND = 0.2  # of the ink's height stays around it, as at the detector's full size
LEVEL = 0.04  # of its length that a box may slope and still count as level
RULE = 0.85  # of a box's side is ink along a rule of a table or an underline; of an "l" it is less
DOTS_APART = 4  # pixels, as in level_picture.py: a dotted rule is one too
THIN = 0.2  # of the box's height, at most, is a rule thick
TILTED = 0.15  # of its length, at most, a rule near it makes the box of a level word slope
SHORT = 3.5  # and without one: boxes up to so many times as long as high, on a level page


def tightened(boxes: NDArray[Any], picture: NDArray[uint8]) -> NDArray[Any]:
    """Boxes (n, 4, 2) in pixels of ``picture`` (height, width, 3): level ones end ``AROUND`` from their ink,
    never farther out than before. Ones that slope, or whose ink reaches their edge, stay. Rules of tables
    are no ink: a detector draws the box of a short word out to those beside it, and aslant.
    """
    import numpy as np

    found: NDArray[Any] = boxes.copy()
    slopes = np.maximum(np.ptp(found[:, :2, 1], axis=1), np.ptp(found[:, 2:, 1], axis=1))
    slopes /= np.maximum(1.0, np.ptp(found[..., 0], axis=1))
    level_page = bool(len(found)) and float(np.median(slopes)) <= LEVEL
    for box, slope in zip(found, slopes, strict=True):
        left, top = np.maximum(box.min(0), 0)
        right, bottom = box.max(0)
        if slope > (TILTED if level_page else LEVEL) or right - left < bottom - top:
            continue
        patch = picture[int(top) : int(bottom) + 1, int(left) : int(right) + 1].mean(-1)
        if patch.size == 0 or np.ptp(patch) < CONTRAST:
            continue
        rows, columns = _rules(patch)
        if slope > LEVEL and not (rows.any() or columns.any()) and right - left > SHORT * (bottom - top):
            continue
        if rows.all() or columns.all():
            continue
        inked = np.ptp(patch[~rows][:, ~columns])
        contrasts = np.ptp(patch[~rows], axis=0)  # of each column by itself: the ground may fade along a line
        down = np.flatnonzero((np.ptp(patch[:, ~columns], axis=1) > INK * inked) & ~rows)
        across = np.flatnonzero((contrasts > INK * contrasts[~columns].max()) & ~columns)
        if inked < CONTRAST or not down.size or not across.size:
            continue
        if slope > LEVEL:
            box[:] = (left, top), (right, top), (right, bottom), (left, bottom)
        around = AROUND * (down[-1] - down[0] + 1)
        box[:, 1] = np.clip(box[:, 1], int(top) + down[0] - around, int(top) + down[-1] + 1 + around)
        box[:, 0] = np.clip(box[:, 0], int(left) + across[0] - around, int(left) + across[-1] + 1 + around)
    return found


def _rules(patch: NDArray[Any]) -> tuple[NDArray[bool_], NDArray[bool_]]:
    """Which rows and which columns of a patch of grey (height, width) are a rule's, drawn or dotted."""
    import cv2
    import numpy as np

    away = np.abs(patch - np.median(patch))
    ink = (away > INK * away.max()).astype(np.uint8)
    thickest = max(2, round(THIN * patch.shape[0]))
    sides = []
    for axis in (1, 0):
        dots = np.ones((1, DOTS_APART) if axis else (DOTS_APART, 1), np.uint8)
        along = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, dots).mean(axis=axis) >= RULE
        edges = np.flatnonzero(np.diff(np.concatenate(([0], along.astype(np.int8), [0]))))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            if stop - start > thickest:  # an area in another colour
                along[start:stop] = False
        sides.append(along)
    return sides[0], sides[1]
