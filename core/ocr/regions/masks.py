"""Masks over polygons for inpainting: full inside, grown by whole pixels, fading outside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...cancel import watched
from ..results.result import Point

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

FINE = 4  # bits after the point in the coordinates that OpenCV is given


def fill_polygons(
    mask: NDArray[float32], polygons: Iterable[Sequence[Point]], grow: int = 0, feather: int = 0
) -> None:
    """Raise ``mask`` (height, width, float32 0..1, C-contiguous) over ``polygons`` (pixels), in place.

    1 inside and up to ``grow`` pixels around, then falling smoothly to 0 over ``feather`` pixels, so that
    feathering never takes from the text itself. What is there already is kept where it is higher.
    """
    import cv2
    import numpy as np

    height, width = mask.shape
    edge = grow + feather + 2
    for polygon in watched(polygons, 8):
        points = np.asarray(polygon, np.float64) - 0.5  # OpenCV counts from the middle of the first pixel
        left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - edge, 0)
        right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + edge + 1, (width, height))
        if left >= right or top >= bottom:
            continue
        part = mask[top:bottom, left:right]
        inside = np.zeros(part.shape, np.uint8)
        fine = np.round((points - (left, top)) * 2**FINE).astype(np.int32)
        cv2.fillPoly(inside, [fine], 1, shift=FINE)
        if not grow + feather:
            np.maximum(part, inside, out=part)
            continue
        if not inside.any():  # wholly outside the page; a distance to nothing is no distance
            continue
        away = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        fade = np.clip(1 - (away - grow) / (feather + 1), 0, 1)
        np.maximum(part, fade * fade * (3 - 2 * fade), out=part)


def upright_box(polygons: Iterable[Sequence[Point]]) -> tuple[Point, ...]:
    """The smallest upright box of whole pixels around ``polygons``, clockwise from its top left."""
    points = [point for polygon in polygons for point in polygon]
    left, top = (float(math.floor(min(point[axis] for point in points))) for axis in (0, 1))
    right, bottom = (float(math.ceil(max(point[axis] for point in points))) for axis in (0, 1))
    return (left, top), (right, top), (right, bottom), (left, bottom)
