"""Lines of a curled page (an open book, a sheet that does not lie flat), of which the detector would keep no
box: the rectangle around such a line is mostly what stands beside it. They are cut along their own middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...results.result import Point

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

LONG = 8.0  # a curled band is so many times as long as thick, or it may be anything
SCATTER = 0.45  # spread of the band beside its middle, in its thicknesses, at most; an even band has 0.29
DEGREE = 4  # of the curve along its middle: a page bends up at its spine and down at its edge
GAPS = 0.1  # of its length at most where the band has no pixel
STEEPEST = 0.6  # rise of the curve beside its rectangle; steeper ones are no lines of a page
UNCLIP = 0.6  # thicknesses by which letters reach beyond the detector's bands, to each side
STEPS = 48  # in which a band's length is looked at


@dataclass(frozen=True)
class Curl:
    """A line of text along a curve. ``origin``: the middle of its band's rectangle, pixels of the page.
    ``angle``: of the direction it is read in (radians, clockwise). ``length``: along that. ``curve``: by
    numpy's order of powers, how far below its rectangle's middle it runs at -1 (its beginning) to 1.
    ``half``: half the height of its letters.
    """

    origin: Point
    angle: float
    length: float
    curve: tuple[float, ...]
    half: float

    @property
    def steep(self) -> bool:
        """Whether it runs up or down the page."""
        return abs(math.sin(self.angle)) > math.sqrt(0.5)

    def moved(self, x: float, y: float) -> Curl:
        return replace(self, origin=(self.origin[0] + x, self.origin[1] + y))

    def spread(self, points: NDArray[Any]) -> float:
        """How far (pixels, standard deviation) points (n, 2) lie beside its middle."""
        import numpy as np

        u, v = _turned_back(points, self.origin, self.angle)
        return float(np.std(v - np.polyval(self.curve, 2 * u / self.length)))

    def at(self, along: float, down: float) -> Point:
        """The page's point at shares of the line's length and of its height."""
        x, y = self._points(along, down)
        return float(x), float(y)

    def _points(self, along: Any, down: Any) -> tuple[Any, Any]:
        import numpy as np

        u = (along - 0.5) * self.length
        v = np.polyval(self.curve, 2 * along - 1) + (2 * down - 1) * self.half
        right, below = math.cos(self.angle), math.sin(self.angle)
        return self.origin[0] + u * right - v * below, self.origin[1] + u * below + v * right

    def unrolled(self, bgr: NDArray[uint8]) -> NDArray[uint8]:
        """The line made straight, uint8 BGR (height, width, 3)."""
        import cv2
        import numpy as np

        width, height = max(1, round(self.length)), max(1, round(2 * self.half))
        along = (np.arange(width, dtype=np.float32) + 0.5)[None, :] / width
        down = (np.arange(height, dtype=np.float32) + 0.5)[:, None] / height
        x, y = self._points(along, down)
        places = x.astype(np.float32), y.astype(np.float32)
        straight = cv2.remap(bgr, *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(straight)

    def piece(self, start: float, end: float) -> tuple[Point, ...]:
        """The four corners of the part between two shares of the line's length."""
        return self.at(start, 0.0), self.at(end, 0.0), self.at(end, 1.0), self.at(start, 1.0)

    def outline(self) -> tuple[Point, ...]:
        """The rectangle around the line, clockwise from the text's own top left."""
        import numpy as np

        middle = np.polyval(self.curve, np.linspace(-1, 1, STEPS))
        above, below = float(middle.min()) - self.half, float(middle.max()) + self.half
        right, down = math.cos(self.angle), math.sin(self.angle)
        corners = ((-0.5, above), (0.5, above), (0.5, below), (-0.5, below))
        return tuple(
            (
                self.origin[0] + u * self.length * right - v * down,
                self.origin[1] + u * self.length * down + v * right,
            )
            for u, v in corners
        )


def curl_through(points: NDArray[Any], density: float) -> Curl | None:
    """The curve through the middle of a band's pixels (n, 2), or None where they are no single line.
    ``density``: pixels of the band in one of the page.
    """
    import cv2
    import numpy as np

    some = points[:: max(1, len(points) // 4000)].astype(np.float32)
    (x, y), (wide, high), degrees = cv2.minAreaRect(some)
    angle = math.radians(degrees if wide >= high else degrees + 90)
    angle = math.remainder(angle, math.pi)  # to the right, and of steep ones downwards
    if abs(math.sin(angle)) > math.sqrt(0.5) and math.sin(angle) < 0:
        angle += math.pi
    length = max(wide, high)
    if not length:
        return None
    u, v = _turned_back(some, (x, y), angle)
    along = (2 * u / length).clip(-1, 1)
    thick = len(points) / density / length
    reached = np.bincount(((along + 1) / 2 * (STEPS - 1)).astype(int), minlength=STEPS)
    if length < LONG * thick or (reached == 0).mean() > GAPS:
        return None
    curve = np.polyfit(along.astype(np.float64), v.astype(np.float64), DEGREE)
    if np.std(v - np.polyval(curve, along)) > SCATTER * thick:
        return None
    rise = np.polyval(np.polyder(curve), np.linspace(-1, 1, STEPS)) * 2 / length
    if abs(rise).max() > STEEPEST:
        return None
    longer = length + 2 * UNCLIP * thick
    stretched = [float(c * (longer / length) ** power) for power, c in enumerate(curve[::-1])][::-1]
    return Curl((x, y), angle, longer, tuple(stretched), thick / 2 + UNCLIP * thick)


def _turned_back(points: NDArray[Any], origin: Point, angle: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """How far points (n, 2) lie along a direction and below it."""
    right, down = math.cos(angle), math.sin(angle)
    x, y = points[:, 0] - origin[0], points[:, 1] - origin[1]
    return x * right + y * down, y * right - x * down
