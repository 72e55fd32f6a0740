"""Bars, buttons and other filled shapes that were taken for a letter: masks, text that was painted over.

Two or three of them above each other are read as the Chinese two, three or as an 8, and surely so (0.99). But
strokes are thin beside the paper between them: of the Chinese three in bold at most half the rows are ink.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

MOST_LETTERS = 2  # of a reading that may be shapes
LEAST_CONTRAST = 32  # grey levels
HULL = 0.9  # of its convex hull is a shape ink
FAT = 0.5  # short side over long side of one shape that is no bar
BARS = frozenset("Iil1\u4e00\u4e28\u30fc")  # letters that are one; of others, half as fat a shape is none
STACKED = 0.65  # of the rows, at least, are ink where shapes lie above each other
NARROW = 0.5  # width over height of an "i" or a colon at most
LAP = 0.05  # of their height in all may shapes lie over each other, which are drawn by hand
FLAT = 0.25  # of the contrast, at most, is within a shape: a letter on a coloured plate is more
RIM = 8  # of a shape's short side is its blurred edge, a part of so many
SPECK = 0.02  # of the ink, at most, is dust


def taken_for_letters(text: str, crop: NDArray[uint8], wordless: bool = False) -> bool:
    """Whether the one or two letters ``text`` were read from shapes that are filled: one that is no bar, or
    some that lie above each other with less paper than ink between. ``crop``: uint8 BGR (height, width, 3),
    as it was read. Marks are left alone, since a dot is a filled shape, but not on a page without a letter
    (``wordless``).
    """
    letters = text.strip()
    marks = any(not (one.isalnum() or one in "\u25a1\u25cb") for one in letters)
    if len(letters) > MOST_LETTERS or (marks and not wordless):
        return False
    shapes = _shapes(crop)
    if not shapes:
        return False
    tops, bottoms = [top for _, top, _, _ in shapes], [top + high for _, top, _, high in shapes]
    if len(shapes) == 1:
        (_, _, wide, high) = shapes[0]
        return min(wide, high) > (FAT if letters in BARS else FAT / 2) * max(wide, high)
    across = max(left + wide for left, _, wide, _ in shapes) - min(left for left, _, _, _ in shapes)
    down = max(bottoms) - min(tops)
    ends = sorted(zip(tops, bottoms, strict=True))
    above = all(end <= top + LAP * down for (_, end), (top, _) in pairwise(ends))
    return above and across > NARROW * down and sum(b - t for t, b in ends) > STACKED * down


def _shapes(crop: NDArray[uint8]) -> list[tuple[int, int, int, int]]:
    """(left, top, width, height) of the parts of the ink, or none where one is not filled."""
    import cv2
    import numpy as np

    grey = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_BGR2GRAY)
    contrast = int(grey.max()) - int(grey.min())
    if contrast < LEAST_CONTRAST:
        return []
    _, ink = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    edge = np.concatenate((ink[0], ink[-1], ink[:, 0], ink[:, -1]))
    if edge.mean() > 0.5:
        ink = (1 - ink).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    found = []
    for index in range(1, count):
        left, top, wide, high, area = (int(value) for value in stats[index])
        if area <= SPECK * int(ink.sum()):
            continue
        part = (labels[top : top + high, left : left + wide] == index).astype(np.uint8)
        outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        hull = cv2.convexHull(np.concatenate(outlines))
        whole = np.zeros_like(part)
        cv2.fillConvexPoly(whole, hull, 1)
        rim = np.ones((2 * (min(wide, high) // RIM) + 1,) * 2, np.uint8)
        inside = grey[top : top + high, left : left + wide][cv2.erode(part, rim, borderValue=0) > 0]
        if area < HULL * int(whole.sum()) or not inside.size:
            return []
        if np.ptp(np.percentile(inside, (2, 98))) > FLAT * contrast:
            return []
        found.append((left, top, wide, high))
    return found
