"""The rectangle of a region that text is set in, and the way from it into the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..ocr.results.result import OCRResult, Point, Region

if TYPE_CHECKING:
    from numpy import float32, float64, uint8
    from numpy.typing import NDArray

FINEST = 4  # pixels a side in which a pixel of the picture is drawn
MOST_PIXELS = 24_000_000  # of one drawing; larger ones are drawn coarser
MOST_SIDE = 32_000  # what OpenCV's warp can address
MOST_CORNERS = 48  # of an outline that a rectangle is looked for in; one of more is made simpler
STEPS = 8


@dataclass(frozen=True)
class RegionFrame:
    """``corners``: clockwise from the text's own top left, pixels of the picture. ``width`` runs along the
    first edge. ``fineness``: how many drawn pixels go into one of the picture, a side.
    """

    corners: tuple[Point, ...]
    width: float
    height: float
    fineness: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the drawing, in drawn pixels, rounded down: text never leaves the region."""
        return int(self.width * self.fineness), int(self.height * self.fineness)

    def window(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """(x0, y0, x1, y1): the pixels of a picture that the frame touches; None where it lies outside."""
        xs, ys = zip(*self.corners, strict=True)
        x0, y0 = max(0, math.floor(min(xs))), max(0, math.floor(min(ys)))
        x1, y1 = min(width, math.ceil(max(xs))), min(height, math.ceil(max(ys)))
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def carried(self, layer: Any, window: tuple[int, int, int, int]) -> NDArray[float32]:
        """A drawing (8 bit, ``size``) in the picture's window: coverage 0..1, float32."""
        import cv2
        import numpy as np

        x0, y0, x1, y1 = window
        fine = self.fineness
        while fine > 1 and (x1 - x0) * (y1 - y0) * fine**2 > MOST_PIXELS:  # a thin frame across a large page
            fine //= 2
        width, height = self.size
        target = (np.asarray(self.corners, np.float64) - (x0, y0)) * fine
        matrix = _projection(width, height, target)
        there = ((x1 - x0) * fine, (y1 - y0) * fine)
        warped = cv2.warpPerspective(np.asarray(layer), matrix, there, flags=cv2.INTER_LINEAR)
        return _averaged(warped, (x1 - x0, y1 - y0))

    def flat(self, picture: NDArray[float32], longest: int = 320) -> NDArray[float32]:
        """The picture's pixels in the frame, turned upright; at most ``longest`` a side."""
        import cv2
        import numpy as np

        scale = min(1.0, longest / max(self.width, self.height))
        width, height = max(2, round(self.width * scale)), max(2, round(self.height * scale))
        x0, y0, x1, y1 = self.window(*picture.shape[:2]) or (0, 0, 1, 1)
        part = np.ascontiguousarray(picture[y0:y1, x0:x1])
        corners = np.asarray(self.corners, np.float64) - (x0, y0)
        matrix = np.linalg.inv(_projection(width, height, corners))
        flat: NDArray[float32] = cv2.warpPerspective(
            part, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return flat


def frame_of(polygon: Sequence[Point]) -> RegionFrame | None:
    """The frame of a polygon: its own corners where it has four and is convex, else a rectangle inside it.

    None where that is less than a pixel wide or high, or no picture's size.
    """
    import cv2
    import numpy as np

    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    if len(points) < 3 or not np.isfinite(points).all() or np.abs(points).max() > MOST_SIDE:
        return None
    clockwise = cv2.contourArea(points.astype(np.float32), oriented=True) > 0
    if len(points) == 4 and clockwise and cv2.isContourConvex(points.astype(np.float32)):
        corners = points
    else:
        corners = _inner_rectangle(points)
    edges = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    width, height = float(min(edges[0], edges[2])), float(min(edges[1], edges[3]))
    if width < 1 or height < 1:
        return None
    fineness = FINEST
    while fineness > 1 and width * height * fineness**2 > MOST_PIXELS:
        fineness //= 2
    if max(width, height) * fineness > MOST_SIDE:
        fineness = 1
    return RegionFrame(tuple((float(x), float(y)) for x, y in corners), width, height, fineness)


def filled_polygon(polygon: Sequence[Point], window: tuple[int, int, int, int]) -> NDArray[float32]:
    """Coverage 0..1 of the polygon in the picture's window, float32."""
    import cv2
    import numpy as np

    x0, y0, x1, y1 = window
    fine = FINEST if (x1 - x0) * (y1 - y0) * FINEST**2 <= MOST_PIXELS else 1
    canvas: NDArray[uint8] = np.zeros(((y1 - y0) * fine, (x1 - x0) * fine), np.uint8)
    points = (np.asarray(polygon, np.float64) - (x0, y0)) * fine - 0.5
    cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 255)
    return _averaged(canvas, (x1 - x0, y1 - y0))


def _averaged(fine: Any, size: tuple[int, int]) -> NDArray[float32]:
    import cv2
    import numpy as np

    share: NDArray[float32] = cv2.resize(fine, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share /= 255
    return share


def _projection(width: float, height: float, target: NDArray[float64]) -> NDArray[float64]:
    """From a drawing to its place, between pixel indices: the middle of pixel 0 lies half a pixel from the
    edge.
    """
    import cv2
    import numpy as np

    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) - 0.5
    goal = (target - 0.5).astype(np.float32)
    matrix: NDArray[float64] = cv2.getPerspectiveTransform(source.astype(np.float32), goal)
    return matrix


def rescaled(result: OCRResult, height: int, width: int) -> list[Region]:
    """A page's regions for a picture of another size than the one that was read."""
    across, down = width / max(1, result.width), height / max(1, result.height)
    return [
        replace(region, polygon=tuple((x * across, y * down) for x, y in region.polygon))
        for region in result.regions
    ]


def _inner_rectangle(points: NDArray[float64]) -> NDArray[float64]:
    """The rectangle around the points, upright where the points are, shrunk until it lies inside them."""
    import cv2
    import numpy as np

    contour = points.astype(np.float32)
    coarse = 0.5  # pixels
    while len(contour) > MOST_CORNERS and coarse < MOST_SIDE:
        contour = cv2.approxPolyDP(points.astype(np.float32), coarse, True).reshape(-1, 2)
        coarse *= 2
    around = cv2.boxPoints(cv2.minAreaRect(contour)).astype(np.float64)
    first = int(np.argmin(around @ np.array([1.0, 1.0])))  # the corner that is nearest to the top left
    corners = np.roll(around, -first, axis=0)
    if cv2.contourArea(corners.astype(np.float32), oriented=True) < 0:
        corners = np.roll(corners[::-1], 1, axis=0)
    if len(points) == 4 and _inside(contour, corners):
        return np.asarray(corners)
    shares = np.linspace(-0.75, 0.75, 13)
    across, down = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    middles = [corners.mean(axis=0) + across * x + down * y for y in shares for x in shares]
    half = np.array([-across - down, across - down, across + down, down - across])
    largest, best = 0.0, corners[:1].repeat(4, axis=0)
    for middle in middles:
        share = _largest_share(contour, middle, half, largest)
        if share > largest:
            largest, best = share, middle + half * share
    return np.asarray(best)


def _largest_share(
    contour: NDArray[float32], middle: NDArray[float64], half: NDArray[float64], known: float
) -> float:
    """How large the rectangle may be around ``middle``; 0 where it may not be larger than is ``known``."""
    if not _inside(contour, middle + half * max(known, 0.02)):
        return 0.0
    low, high = known, 1.0
    for _ in range(STEPS):
        share = (low + high) / 2
        if _inside(contour, middle + half * share):
            low = share
        else:
            high = share
    return low


def _inside(contour: NDArray[float32], corners: NDArray[float64]) -> bool:
    """Whether the rectangle's edges lie within the contour, half a pixel allowed."""
    import cv2
    import numpy as np

    steps = np.linspace(0, 1, 9)[:, None]
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        for x, y in start + (end - start) * steps:
            if cv2.pointPolygonTest(contour, (float(x), float(y)), True) < -0.5:
                return False
    return True
