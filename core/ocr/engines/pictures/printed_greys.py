"""Printed greys: grounds made of dots, as in newspapers and faxes, on which no letters are found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import bool_, uint8
    from numpy.typing import NDArray

STEP = 96  # levels between two pixels beside each other at the edge of a dot
WINDOW = 9  # pixels of a square
DENSE, LIGHT = 0.15, 0.1  # of which are at edges both ways, and of a lighter grey on the same page
SOLID, MANY = 21, 300  # pixels of a square all of which is so; so many of those: small print has 35 at most
BRIDGED = 61  # pixels along a row of letters among the dots
SIGMA, NARROWEST, WIDEST = 0.5, 1.0, 2.2  # of the smoothing, in pixels between edges; its bounds in pixels
BAND_PIXELS, AROUND = 2_000_000, 48  # looked at at once, and rows seen above and below


def without_dots(bgr: NDArray[uint8]) -> NDArray[uint8]:
    """A picture (height, width, 3) whose dots are made an even grey; elsewhere not a pixel changes. The same
    array where there are none.
    """
    import cv2

    out = bgr
    for start, stop, above, below in _bands(*bgr.shape[:2]):
        band = bgr[above:below]
        found = _dots(cv2.cvtColor(band, cv2.COLOR_BGR2GRAY))
        if found is None:
            continue
        dots, sigma = found
        even = cv2.GaussianBlur(band, (0, 0), sigma)[start - above : stop - above]
        inside = dots[start - above : stop - above]
        if out is bgr:
            out = bgr.copy()
        out[start:stop][inside] = even[inside]
    return out


def _bands(height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Rows of a picture: from where to where, and from where to where they are seen."""
    rows = max(4 * AROUND, BAND_PIXELS // max(1, width))
    for start in range(0, height, rows):
        stop = min(height, start + rows)
        yield start, stop, max(0, start - AROUND), min(height, stop + AROUND)


def _dots(grey: NDArray[uint8]) -> tuple[NDArray[bool_], float] | None:
    """Where a picture (height, width) is dots, and how far to smooth them; None where there are none."""
    import cv2
    import numpy as np

    if min(grey.shape) <= SOLID:
        return None
    across, down = np.zeros_like(grey), np.zeros_like(grey)
    across[:, 1:] = cv2.absdiff(grey[:, 1:], grey[:, :-1])
    down[1:] = cv2.absdiff(grey[1:], grey[:-1])
    edges = [
        cv2.blur(cv2.threshold(side, STEP, 255, cv2.THRESH_BINARY)[1], (WINDOW, WINDOW))
        for side in (across, down)
    ]
    both = cv2.min(*edges)
    if cv2.countNonZero(_solid(both, DENSE)) < MANY:
        return None
    solid = _solid(both, LIGHT)
    joined = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((SOLID, BRIDGED), np.uint8))
    _, parts, told, _ = cv2.connectedComponentsWithStats(joined)
    many = np.flatnonzero(told[:, cv2.CC_STAT_AREA] >= MANY)
    kept = np.isin(parts, many[many > 0]).astype(np.uint8)
    sigma = min(WIDEST, max(NARROWEST, SIGMA * 255 / float(both[solid > 0].mean())))
    whole = SOLID + WINDOW - 1
    return cv2.dilate(kept, np.ones((whole, whole), np.uint8)) > 0, sigma


def _solid(both: NDArray[uint8], share: float) -> NDArray[uint8]:
    """The middles of squares that are dots throughout."""
    import cv2
    import numpy as np

    dense = cv2.threshold(both, 255 * share, 1, cv2.THRESH_BINARY)[1]
    square = np.ones((SOLID, SOLID), np.uint8)
    middles: NDArray[uint8] = cv2.erode(dense, square, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(
        np.uint8, copy=False
    )
    return middles
