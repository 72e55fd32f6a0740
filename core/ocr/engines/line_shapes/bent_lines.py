"""Lines on an arc (badges, banners, logos), of which the detector would keep no box, or one that is mostly
picture: found as one band of its answer, unrolled to a straight line, their words laid back on the arc.
Bands on no arc may be lines of a curled page (curled_lines.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...results.result import Point
from .curled_lines import Curl, curl_through

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

FILLED = 0.78  # of its smallest rectangle a straight line's band fills more than this
CURLED = 0.66  # and one that fills less, on no arc, is read along its own curve: others reach into the rest
LONG = 3.5  # a bent band is so many times as long as thick, or it may be a blot
SCATTER = 0.5  # radial spread of the band, in its thicknesses, of one arc at most; an even band has 0.29
RISE = 0.2  # the arc rises by so many thicknesses of its band at least, or a straight cut reads it as well
WIDEST = math.radians(300)
ROUNDS = 12  # of Gauss and Newton
CLOSER = 0.9  # of its pixels' spread beside an arc they may have beside another curve, which is taken then
FLATTEST = 100.0  # roots of the band's area: centres farther away are of straight lines
UNCLIP = 0.6  # thicknesses by which letters reach beyond the detector's bands, to each side


@dataclass(frozen=True)
class Bend:
    """An arc of text in pixels of the page, read from angle ``start`` to ``end`` (radians; 0 is the middle
    of the top of the circle, of its foot where not ``arch``). ``half``: half the height of its letters.
    """

    centre: Point
    radius: float
    half: float
    start: float
    end: float
    arch: bool

    @property
    def steep(self) -> bool:
        return False

    def spread(self, points: NDArray[Any]) -> float:
        """How far (pixels, standard deviation) points (n, 2) lie beside its middle."""
        import numpy as np

        away = np.hypot(points[:, 0] - self.centre[0], points[:, 1] - self.centre[1])
        return float(np.std(away - self.radius))

    def moved(self, x: float, y: float) -> Bend:
        return replace(self, centre=(self.centre[0] + x, self.centre[1] + y))

    def at(self, along: float, down: float) -> Point:
        """The page's point at shares of the line's length and of its height."""
        x, y = self._points(along, down)
        return float(x), float(y)

    def _points(self, along: Any, down: Any) -> tuple[Any, Any]:
        import numpy as np

        angle = self.start + (self.end - self.start) * along
        inwards = (2 * down - 1) * self.half
        if self.arch:
            away = self.radius - inwards
            return self.centre[0] + away * np.sin(angle), self.centre[1] - away * np.cos(angle)
        away = self.radius + inwards
        return self.centre[0] + away * np.sin(angle), self.centre[1] + away * np.cos(angle)

    def unrolled(self, bgr: NDArray[uint8]) -> NDArray[uint8]:
        """The line made straight, uint8 BGR (height, width, 3)."""
        import cv2
        import numpy as np

        width = max(1, round(self.radius * (self.end - self.start)))
        height = max(1, round(2 * self.half))
        along = (np.arange(width, dtype=np.float32) + 0.5)[None, :] / width
        down = (np.arange(height, dtype=np.float32) + 0.5)[:, None] / height
        x, y = self._points(along, down)
        straight = cv2.remap(
            bgr, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return np.ascontiguousarray(straight)

    def piece(self, start: float, end: float) -> tuple[Point, ...]:
        """The four corners of the part between two shares of the line's length."""
        return self.at(start, 0.0), self.at(end, 0.0), self.at(end, 1.0), self.at(start, 1.0)

    def outline(self) -> tuple[Point, ...]:
        """The smallest rectangle around the line, clockwise from the text's own top left."""
        import cv2
        import numpy as np

        steps = np.linspace(0, 1, 24)
        points = [self.at(step, down) for step in steps for down in (0.0, 1.0)]
        corners = cv2.boxPoints(cv2.minAreaRect(np.array(points, np.float32)))
        middle = corners.mean(axis=0)
        along = np.array(self.at(1.0, 0.5)) - np.array(self.at(0.0, 0.5))
        along = along / (np.linalg.norm(along) or 1.0)
        below = np.array((-along[1], along[0]))
        marks = (-along - below, along - below, along + below, below - along)
        ordered = [max(corners, key=lambda corner: float((corner - middle) @ mark)) for mark in marks]
        return tuple((float(x), float(y)) for x, y in ordered)


class BentBands:
    """Stands in for the detector's last step (RapidOCR's ``postprocess_op``): bands on an arc are taken out
    of the answer and kept until they are ``taken``, as points (n, 2) in pixels of the detector's picture.
    """

    def __init__(self, usual: Any) -> None:
        self.usual = usual
        self._found: list[NDArray[Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.usual, name)

    def __call__(self, pred: Any, ori_shape: tuple[int, int]) -> Any:
        import cv2
        import numpy as np

        self._found = []
        chances = pred[0, 0]
        mask = (chances > self.usual.thresh).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        scale = np.array((ori_shape[1] / mask.shape[1], ori_shape[0] / mask.shape[0]), np.float32)
        straight = None
        for contour in contours:
            if not _may_be_bent(contour):
                continue
            x, y, width, height = cv2.boundingRect(contour)
            band = np.zeros((height, width), np.uint8)
            cv2.drawContours(band, [contour], -1, 1, cv2.FILLED, offset=(-x, -y))
            inside = band > 0
            chance = chances[y : y + height, x : x + width][inside].mean()
            if chance < self.usual.box_thresh:
                continue
            rows, columns = np.nonzero(inside)
            points = (np.stack((columns + x, rows + y), axis=1) + 0.5).astype(np.float32) * scale
            # of a curled line's rectangle: about its chance, by which it would be lost
            poor = min(_filled(contour) / CURLED, chance * _filled(contour) / self.usual.box_thresh) < 1
            if bend_through(points) is None and not (poor and _curled(points)):
                continue
            self._found.append(points)
            straight = pred.copy() if straight is None else straight
            straight[0, 0, y : y + height, x : x + width][inside] = 0
        return self.usual(pred if straight is None else straight, ori_shape)

    def enlarge(self, across: float, down: float) -> None:
        """Bring what was found to pixels of a picture so much larger."""
        self._found = [points * (across, down) for points in self._found]

    def taken(self) -> list[NDArray[Any]]:
        """What the last picture had, once."""
        found, self._found = self._found, []
        return found


def bands_of(ocr: Any) -> BentBands:
    """The last step of a RapidOCR's detector, which newer ones load at their first picture."""
    load = getattr(ocr, "_load_det_model", None)
    detector = load() if load else ocr.text_det
    if not isinstance(detector.postprocess_op, BentBands):
        detector.postprocess_op = BentBands(detector.postprocess_op)
    last: BentBands = detector.postprocess_op
    return last


def _may_be_bent(contour: Any) -> bool:
    import cv2

    (_, (width, height), _) = cv2.minAreaRect(contour)
    area, around = cv2.contourArea(contour), cv2.arcLength(contour, True)
    if min(width, height) < 6 or not area or not around:
        return False
    thick = 2 * area / around
    return bool(_filled(contour) < FILLED and around / 2 / thick > LONG)


def _filled(contour: Any) -> float:
    """The share of a band in the smallest rectangle around it."""
    import cv2

    (_, (width, height), _) = cv2.minAreaRect(contour)
    return float(cv2.contourArea(contour) / (width * height or 1.0))


def _curled(points: NDArray[Any]) -> Curl | None:
    return curl_through(points, _density(points))


def bend_through(points: NDArray[Any]) -> Bend | None:
    """The arc on which the pixels (n, 2) of a band lie, or None where they lie on no single one.

    The circle of least squares after I. Kasa (1976), which is linear but too small for a thick band, then by
    Gauss and Newton that of least distances.
    """
    import numpy as np

    some = points[:: max(1, len(points) // 2000)].astype(np.float64)
    origin = some.mean(axis=0)
    x, y = (some - origin).T
    system = np.stack((x, y, np.ones_like(x)), axis=1)
    answer, _, rank, _ = np.linalg.lstsq(system, x * x + y * y, rcond=None)
    if rank < 3:
        return None
    middle_x, middle_y = answer[0] / 2, answer[1] / 2
    for _ in range(ROUNDS):
        away = np.hypot(x - middle_x, y - middle_y)
        if not away.all():
            return None
        slopes = np.stack(((middle_x - x) / away, (middle_y - y) / away, -np.ones_like(x)), axis=1)
        step, *_ = np.linalg.lstsq(slopes, away.mean() - away, rcond=None)
        middle_x, middle_y = middle_x + step[0], middle_y + step[1]
        if math.hypot(middle_x, middle_y) > FLATTEST * math.sqrt(len(points)):
            return None
    away = np.hypot(x - middle_x, y - middle_y)
    radius = float(np.median(away))
    arch = bool(middle_y > 0)
    angle = np.arctan2(x - middle_x, (middle_y - y) if arch else (y - middle_y))
    start, end = np.percentile(angle, (0.5, 99.5))
    length = radius * (end - start)
    if length <= 0 or end - start > WIDEST:
        return None
    thick = len(points) / _density(points) / length  # of an even band
    if length < LONG * thick or np.std(away) > SCATTER * thick:
        return None
    if radius * (1 - math.cos((end - start) / 2)) < RISE * thick:
        return None
    spare = UNCLIP * thick / radius
    centre = float(origin[0] + middle_x), float(origin[1] + middle_y)
    half = min(thick / 2 + UNCLIP * thick, 0.9 * radius)
    return Bend(centre, float(radius), float(half), float(start - spare), float(end + spare), arch)


def bends_through(bands: Sequence[NDArray[Any]]) -> list[Bend | Curl]:
    """The arcs of a page's bands, of which neighbours on one circle, a space apart, are one line, and the
    lines that run along another curve.
    """
    import numpy as np

    lines: list[tuple[NDArray[Any], Bend]] = []
    curls: list[Curl] = []
    for band in bands:
        bend, curl = bend_through(band), _curled(band)
        if curl and (bend is None or curl.spread(band) < CLOSER * bend.spread(band)):
            curls.append(curl)
        elif bend:
            lines.append((band, bend))
    joined = True
    while joined:
        joined = False
        for one, other in itertools.combinations(range(len(lines)), 2):
            if not _one_circle(lines[one][1], lines[other][1]):
                continue
            both = np.concatenate((lines[one][0], lines[other][0]))
            if bend := bend_through(both):
                lines = [line for i, line in enumerate(lines) if i not in (one, other)] + [(both, bend)]
                joined = True
                break
    return [*(bend for _, bend in lines), *curls]


def _one_circle(one: Bend, other: Bend) -> bool:
    """Whether the middle of one lies on the other's circle, and their ends are near."""
    first, second = sorted((one, other), key=lambda bend: bend.at(0.5, 0.5)[0])
    half = max(one.half, other.half)
    if one.arch != other.arch or min(one.half, other.half) < 0.6 * half:
        return False
    ends = math.dist(first.at(1.0, 0.5), second.at(0.0, 0.5))
    away = max(abs(math.dist(a.at(0.5, 0.5), b.centre) - b.radius) for a, b in ((one, other), (other, one)))
    return ends < 3 * half and away < 2 * half


def _density(points: NDArray[Any]) -> float:
    """Points per square pixel: the detector's picture is not of the page's size."""
    import numpy as np

    steps = [np.diff(np.unique(points[:, axis])) for axis in (0, 1)]
    if any(not step.size for step in steps):
        return 1.0
    return float(1 / (np.median(steps[0]) * np.median(steps[1])))
