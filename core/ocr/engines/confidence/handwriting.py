"""Is a page written by hand? By how its strokes lie in its lines, where the recogniser is unsure anyway."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from ...results.line import Line

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

UNSURE = 0.9  # the page's mean score from which on nobody asks: print, or a hand that is read as such
LEAST_LINES = 2
MOST_LOOKED = 40  # lines of a page
HEIGHT = 64  # pixels of a line that is looked at
SHORTEST = 1.2  # of its length over its height
# Of a line's box, the middle line of a page. Print of four fonts and unsure pages of real pictures have more
# of one at least (letters filled from 0.40 on); a page written by hand and thin pens have less of all three.
INK, STROKE, FILL = 0.15, 0.07, 0.37


def looks_written(image: NDArray[uint8], lines: Sequence[Line]) -> bool:
    """Whether the lines of a page (uint8 RGB) are probably handwriting: unsure readings of thin strokes with
    much paper in and around each letter.
    """
    known = [(line.confidence, len(line.text)) for line in lines if line.confidence is not None]
    letters = sum(length for _, length in known)
    if len(known) < LEAST_LINES or not letters:
        return False
    if sum(score * length for score, length in known) / letters >= UNSURE:
        return False
    looked = [found for line in lines[:MOST_LOOKED] if (found := _strokes(image, line)) is not None]
    if len(looked) < LEAST_LINES:
        return False
    ink, stroke, fill = (median(values) for values in zip(*looked, strict=True))
    return bool(ink <= INK and stroke <= STROKE and fill <= FILL)


def _strokes(image: NDArray[uint8], line: Line) -> tuple[float, float, float] | None:
    """Of a line's box: the share of ink, a stroke's width over the line's height, and how much of its own box
    a connected piece of ink fills; None of a short one and of one without ink.
    """
    import cv2
    import numpy as np

    strip = _strip(image, line)
    if strip is None:
        return None
    away = np.abs(strip.astype(np.int16) - int(np.median(strip))).astype(np.uint8)
    _, ink = cv2.threshold(away, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 5)
    ridge = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth > 0.7)
    pieces = cv2.connectedComponentsWithStats(ink, connectivity=8)[2][1:]
    pieces = pieces[pieces[:, cv2.CC_STAT_AREA] > 20]
    if not ridge.any() or not len(pieces):
        return None
    boxes = pieces[:, cv2.CC_STAT_WIDTH] * pieces[:, cv2.CC_STAT_HEIGHT]
    fill = float(np.median(pieces[:, cv2.CC_STAT_AREA] / boxes))
    return float(ink.mean()), float(np.median(2 * depth[ridge])) / HEIGHT, fill


def _strip(image: NDArray[uint8], line: Line) -> Any:
    """The line level and HEIGHT pixels high, in grey."""
    import cv2
    import numpy as np

    if len(line.polygon) != 4:
        return None
    a, b, _, d = line.polygon
    long, high = math.dist(a, b), math.dist(a, d)
    if high < 4 or long < SHORTEST * high:
        return None
    width = min(4096, round(long * HEIGHT / high))
    to = np.asarray([(0, 0), (width, 0), (width, HEIGHT), (0, HEIGHT)], np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(line.polygon, np.float32), to)
    way = cv2.INTER_AREA if high > HEIGHT else cv2.INTER_CUBIC
    level = cv2.warpPerspective(image, matrix, (width, HEIGHT), flags=way, borderMode=cv2.BORDER_REPLICATE)
    return cv2.cvtColor(level, cv2.COLOR_RGB2GRAY)
