"""Masks and overlays from regions, drawn straight into float arrays (OpenCV draws those in place)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..results.polygons import MAX_CORNERS
from ..results.result import Point, Region
from .masks import FARTHEST, fill_polygons

if TYPE_CHECKING:
    from numpy import float32, uint8
    from numpy.typing import NDArray

LINE_COLOUR = (0.91, 0.0, 0.52)  # read; seldom a colour of paper or print
UNREAD_COLOUR = (1.0, 0.55, 0.0)  # detected, not read
FEW_CORNERS = 16
MOST_PLACED = 2_000  # regions for whose numbers a place is looked for
MOST_COVER = 20  # areas of the page that regions may cover together to be kept clear of numbers
SEEN_THROUGH = 0.6  # how opaque a number is where it must stand on text


def fill_mask(mask: NDArray[float32], regions: Iterable[Region]) -> None:
    """Set ``mask`` (height, width, float32 0..1, C-contiguous) to 1 inside every region's polygon, in
    place.
    """
    fill_polygons(mask, (region.polygon for region in regions))


def draw_overlay(picture: NDArray[float32], regions: Sequence[Region]) -> None:
    """Outline and number every region on ``picture`` (height, width, 3, float32 0..1, C-contiguous), in
    place. A number stands where it hides neither text nor another number, if there is such a place beside
    its region; else smaller, where it hides least, and the text shows through.
    """
    import cv2
    import numpy as np

    thick = max(1, round(min(picture.shape[:2]) / 400))
    taken = np.zeros(picture.shape[:2], np.uint8)
    _mark(taken, regions[:MOST_PLACED])
    for number, region in enumerate(regions):
        colour = UNREAD_COLOUR if region.category == "unread" else LINE_COLOUR
        points = _pixels(region.polygon)
        if points is None:
            continue
        cv2.polylines(picture, [points], True, colour, thick)
        _badge(picture, taken, str(region.order + 1), points, colour, thick, number < MOST_PLACED)


def _mark(taken: NDArray[uint8], regions: Iterable[Region]) -> None:
    """Set ``taken`` to 1 over the regions; the largest that cover a page many times over are left out."""
    import cv2

    height, width = taken.shape
    room = MOST_COVER * height * width
    drawn = [points for region in regions if (points := _pixels(region.polygon)) is not None]
    for points in sorted(drawn, key=lambda points: _area(points, width, height)):
        room -= _area(points, width, height)
        if room < 0:
            break
        x0, y0 = points.min(axis=0)
        x1, y1 = points.max(axis=0)
        if len(points) > FEW_CORNERS or min(x0, y0) < -width - height or max(x1, y1) > 2 * (width + height):
            # OpenCV takes seconds for what reaches far out
            taken[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 1
        else:
            cv2.fillPoly(taken, [points], 1)


def _area(points: Any, width: int, height: int) -> float:
    """Of the upright box, as far as it lies on the picture."""
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return float(max(0, min(x1, width) - max(x0, 0)) * max(0, min(y1, height) - max(y0, 0)))


def _badge(
    picture: NDArray[float32],
    taken: NDArray[uint8],
    text: str,
    points: Any,
    colour: Sequence[float],
    thick: int,
    look: bool,
) -> None:
    """A filled label beside the polygon ``points``; its place is marked in ``taken`` (1: text or a label).
    Without ``look`` it stands at the first place there is.
    OpenCV 5 writes text on 8-bit pictures only, so the label is written on its own and then pasted.
    """
    best: tuple[float, int, int, NDArray[uint8]] | None = None
    for scale in (1.0, 0.75):
        label = _label(text, colour, thick, scale)
        height, width = (min(a, b) for a, b in zip(label.shape[:2], picture.shape[:2], strict=True))
        for left, top in _places(points, width, height, picture.shape[1], picture.shape[0]):
            hidden = float(taken[top : top + height, left : left + width].mean())
            if best is None or (look and hidden < best[0]):
                best = hidden, left, top, label[:height, :width]
        if best is not None and not (look and best[0]):
            break
    if best is None:
        return
    hidden, left, top, label = best
    here = slice(top, top + label.shape[0]), slice(left, left + label.shape[1])
    taken[here] = 1
    shown = label.astype(picture.dtype) / 255
    seen = SEEN_THROUGH if hidden else 1.0
    picture[here] = picture[here] * (1 - seen) + shown * seen


def _label(text: str, colour: Sequence[float], thick: int, scale: float) -> NDArray[uint8]:
    import cv2
    import numpy as np

    size = (0.3 + 0.12 * thick) * scale
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, max(1, thick // 2))
    pad = max(1, round(2 * thick * scale))
    label = np.empty((height + below + pad, width + 2 * pad, 3), np.uint8)
    label[:] = [round(255 * c) for c in colour]
    cv2.putText(
        label,
        text,
        (pad, height + pad // 2),
        cv2.FONT_HERSHEY_SIMPLEX,
        size,
        (255, 255, 255),
        max(1, round(thick * scale)),
    )
    return label


def _places(points: Any, width: int, height: int, across: int, down: int) -> list[tuple[int, int]]:
    """Where a label of that size may stand within the picture (left, top), best first: before the text,
    over its beginning, under it, behind it, over and under its end.
    """
    import numpy as np

    corners = points.astype(np.float64)
    start, below = corners[0], corners[-1]
    end, end_below = corners[len(corners) // 2 - 1], corners[len(corners) // 2]
    along, up = end - start, start - below
    along /= max(float(np.hypot(*along)), 1.0)
    up /= max(float(np.hypot(*up)), 1.0)
    half = np.array([width / 2, height / 2])

    def beside(corner: Any, way: Any) -> Any:
        return corner + way * (float(np.abs(way) @ half) + 2)

    forth = float(np.abs(along) @ half)
    centres = [
        beside((start + below) / 2, -along),
        beside(start + along * forth, up),
        beside(below + along * forth, -up),
        beside((end + end_below) / 2, along),
        beside(end - along * forth, up),
        beside(end_below - along * forth, -up),
    ]
    lefts = [(round(float(c[0]) - width / 2), round(float(c[1]) - height / 2)) for c in centres]
    inside = [(x, y) for x, y in lefts if 0 <= x <= across - width and 0 <= y <= down - height]
    return inside or [
        (min(max(x, 0), max(across - width, 0)), min(max(y, 0), max(down - height, 0))) for x, y in lefts[:1]
    ]


def _pixels(polygon: Sequence[Point]) -> Any:
    """Corners in whole pixels; None where there are none, or one is no number."""
    import cv2
    import numpy as np

    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    if not len(points) or not np.isfinite(points).all():
        return None
    whole = np.round(points.clip(-FARTHEST, FARTHEST)).astype(np.int32)
    return whole if len(whole) <= MAX_CORNERS else cv2.convexHull(whole).reshape(-1, 2)
