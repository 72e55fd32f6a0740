"""A picture turned until its text runs level, and what was found on it brought back onto the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..images import edge_colour
from ..results.line import Line
from ..results.result import Point

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

Affine = tuple[tuple[float, float, float], tuple[float, float, float]]

LEVEL_ENOUGH = math.radians(0.7)  # below this Tesseract straightens better than resampling would
AROUND = 0.12  # of a line's height, cut with it
LIKE_SIZE = 1.25  # times as large, at most, is as good for reading


@dataclass(frozen=True)
class LevelPicture:
    """``picture``: uint8 RGB (height, width, 3). ``back``: the two rows of the affine map from its points to
    the original's.
    """

    picture: NDArray[uint8]
    back: Affine

    def point(self, at: Point) -> Point:
        """A point of the level picture, on the original."""
        (a, b, c), (d, e, f) = self.back
        return a * at[0] + b * at[1] + c, d * at[0] + e * at[1] + f

    def forth(self, at: Point) -> Point:
        """A point of the original, on the level picture."""
        (a, b, c), (d, e, f) = self.back
        x, y, whole = at[0] - c, at[1] - f, a * e - b * d
        return (e * x - b * y) / whole, (a * y - d * x) / whole

    def cut(self, polygon: Sequence[Point]) -> NDArray[uint8]:
        """The line under a four-point polygon of the original, cut from this picture."""
        a, b, c, d = map(self.forth, polygon)
        return straight_line(self.picture, (a, b, c, d), AROUND)

    @property
    def angle(self) -> float:
        """By how many radians what runs level here runs down on the original."""
        return math.atan2(self.back[1][0], self.back[0][0])

    @property
    def times(self) -> float:
        """How many times as large as the original it is."""
        return 1.0 / math.hypot(self.back[0][0], self.back[1][0])

    def is_like(self, other: LevelPicture) -> bool:
        """Whether a reader would find the same on the other level picture of the same original."""
        apart = abs(math.remainder(self.angle - other.angle, 2 * math.pi))
        sizes = sorted((self.times, other.times))
        return apart < LEVEL_ENOUGH and sizes[1] <= LIKE_SIZE * sizes[0]

    def enlarged(self, times: float) -> LevelPicture:
        """The same picture, so many times as large."""
        import cv2
        import numpy as np

        size = round(self.picture.shape[1] * times), round(self.picture.shape[0] * times)
        large = cv2.resize(self.picture, size, interpolation=cv2.INTER_CUBIC)
        x, y = self.picture.shape[1] / size[0], self.picture.shape[0] / size[1]
        (a, b, c), (d, e, f) = self.back
        return LevelPicture(np.asarray(large, np.uint8), ((a * x, b * y, c), (d * x, e * y, f)))

    def line(self, line: Line) -> Line:
        """A line of the level picture, on the original."""
        words = tuple(replace(w, polygon=tuple(map(self.point, w.polygon))) for w in line.words)
        return replace(line, polygon=tuple(map(self.point, line.polygon)), words=words)


def level_picture(image: NDArray[uint8], angle: float, scale: float = 1.0) -> LevelPicture:
    """``image`` turned so that text running at ``angle`` (radians, clockwise from left to right) runs level,
    and ``scale`` times as large.

    Quarter turns move pixels and change none. The paper that a slant uncovers has the colour of the edge.
    """
    import cv2
    import numpy as np

    quarters = round(angle / (math.pi / 2)) % 4
    rest = math.remainder(angle - quarters * math.pi / 2, 2 * math.pi)
    height, width = image.shape[:2]
    level = np.ascontiguousarray(np.rot90(image, quarters))
    back = _quarters_back(quarters, width, height)
    if abs(rest) < LEVEL_ENOUGH:
        rest = 0.0
    if not rest and scale == 1.0:
        return LevelPicture(level, back)
    high, wide = level.shape[:2]
    cos, sin = scale * math.cos(rest), scale * math.sin(rest)
    new_wide = math.ceil(wide * abs(cos) + high * abs(sin))
    new_high = math.ceil(high * abs(cos) + wide * abs(sin))
    forth = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    forth[:, 2] = np.array([new_wide / 2, new_high / 2]) - forth[:, :2] @ np.array([wide / 2, high / 2])
    paper = [int(c) for c in edge_colour(level)]
    # OpenCV counts from pixels' centres, a polygon from the picture's corner
    shift = np.array([0.5, 0.5])
    pixels = forth.copy()
    pixels[:, 2] += forth[:, :2] @ shift - shift
    size = new_wide, new_high
    turned = cv2.warpAffine(
        level, pixels, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=paper
    )
    slant = np.vstack([forth, [0.0, 0.0, 1.0]])
    whole = np.array([*back, (0.0, 0.0, 1.0)]) @ np.linalg.inv(slant)
    rows = [tuple(float(v) for v in row) for row in whole[:2]]
    return LevelPicture(np.asarray(turned, np.uint8), (rows[0], rows[1]))  # type: ignore[arg-type]


def straight_line(image: NDArray[uint8], polygon: tuple[Point, ...], margin: float) -> NDArray[uint8]:
    """The line under a four-point polygon, level, with ``margin`` of its height of what surrounds it; uint8
    RGB as ``image``.
    """
    import cv2
    import numpy as np

    a, b, c, d = polygon
    wide = max(1.0, math.dist(a, b), math.dist(d, c))
    high = max(1.0, math.dist(a, d), math.dist(b, c))
    pad = margin * high
    inner = [(pad, pad), (pad + wide, pad), (pad + wide, pad + high), (pad, pad + high)]
    matrix = cv2.getPerspectiveTransform(np.asarray(polygon, np.float32), np.asarray(inner, np.float32))
    size = max(1, round(wide + 2 * pad)), max(1, round(high + 2 * pad))
    found = cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.uint8)


def _quarters_back(quarters: int, width: int, height: int) -> Affine:
    """From points of ``numpy.rot90(image, quarters)`` to those of ``image`` (width, height)."""
    return (
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
        ((0.0, -1.0, float(width)), (1.0, 0.0, 0.0)),
        ((-1.0, 0.0, float(width)), (0.0, -1.0, float(height))),
        ((0.0, 1.0, 0.0), (-1.0, 0.0, float(height))),
    )[quarters]
