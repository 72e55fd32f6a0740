"""Masks and overlays from regions, drawn straight into float arrays (OpenCV draws those in place)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..results.polygons import MAX_CORNERS
from ..results.result import Point, Region
from .masks import FARTHEST, fill_polygons

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

LINE_COLOUR = (0.91, 0.0, 0.52)  # read; seldom a colour of paper or print
UNREAD_COLOUR = (1.0, 0.55, 0.0)  # detected, not read


def fill_mask(mask: NDArray[float32], regions: Iterable[Region]) -> None:
    """Set ``mask`` (height, width, float32 0..1, C-contiguous) to 1 inside every region's polygon, in
    place.
    """
    fill_polygons(mask, (region.polygon for region in regions))


def draw_overlay(picture: NDArray[float32], regions: Sequence[Region]) -> None:
    """Outline and number every region on ``picture`` (height, width, 3, float32 0..1, C-contiguous), in
    place.
    """
    import cv2

    thick = max(1, round(min(picture.shape[:2]) / 400))
    for region in regions:
        colour = UNREAD_COLOUR if region.category == "unread" else LINE_COLOUR
        points = _pixels(region.polygon)
        if points is None:
            continue
        cv2.polylines(picture, [points], True, colour, thick)
        x, y = (int(v) for v in points[0])
        _badge(picture, str(region.order + 1), x, y, colour, thick)


def _badge(picture: NDArray[float32], text: str, x: int, y: int, colour: Sequence[float], thick: int) -> None:
    """A filled label whose lower left corner is (x, y). OpenCV 5 writes text on 8-bit pictures only, so the
    label is written on its own and then pasted."""
    import cv2
    import numpy as np

    scale = 0.3 + 0.12 * thick
    stroke = max(1, thick // 2)
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)
    pad = 2 * thick
    label = np.empty((height + below + pad, width + 2 * pad, 3), np.uint8)
    label[:] = [round(255 * c) for c in colour]
    cv2.putText(
        label, text, (pad, height + pad // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thick
    )
    left, top = max(0, x), max(0, y - label.shape[0])
    part = picture[top : top + label.shape[0], left : left + label.shape[1]]
    part[:] = label[: part.shape[0], : part.shape[1]].astype(np.float32) / 255


def _pixels(polygon: Sequence[Point]) -> Any:
    """Corners in whole pixels; None where there are none, or one is no number."""
    import cv2
    import numpy as np

    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    if not len(points) or not np.isfinite(points).all():
        return None
    whole = np.round(points.clip(-FARTHEST, FARTHEST)).astype(np.int32)
    return whole if len(whole) <= MAX_CORNERS else cv2.convexHull(whole).reshape(-1, 2)
