"""Masks over polygons for inpainting: full inside, grown by whole pixels, fading outside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ...cancel import watched
from ...errors import VramwiseError
from ..results.polygons import MAX_CORNERS
from ..results.result import Point

if TYPE_CHECKING:
    from numpy import float32, float64
    from numpy.typing import NDArray

FINE = 4  # bits after the point in the coordinates that OpenCV is given
FARTHEST = 1e6  # pixels from the page's corner: with FINE more bits OpenCV's numbers hold them
BAND_PIXELS = 8_000_000  # whose distances are measured at once
MOST_EDGES = 10**8  # edges that rows of pixels meet, some 30 ns each
MOST_COVER, LEAST_COVER = (
    100,
    2**28,
)  # areas of a page that all regions may have together; pixels always allowed
Window = tuple[int, int, int, int]


def fill_polygons(
    mask: NDArray[float32], polygons: Iterable[Sequence[Point]], grow: int = 0, feather: int = 0
) -> None:
    """Raise ``mask`` (height, width, float32 0..1, C-contiguous) over ``polygons`` (pixels), in place.

    1 inside and up to ``grow`` pixels around, then falling smoothly to 0 over ``feather`` pixels, so that
    feathering never takes from the text itself. What is there already is kept where it is higher. A polygon
    with a corner that is no number is left out.
    """
    import cv2
    import numpy as np

    height, width = mask.shape
    edge = grow + feather + 2
    drawn: list[NDArray[float64]] = []
    windows: list[Window] = []
    for polygon in watched(polygons, 64):
        points = np.asarray(polygon, np.float64).reshape(-1, 2) - 0.5  # OpenCV counts from the pixel's middle
        if len(points) > MAX_CORNERS:  # the time that OpenCV takes grows with their square
            points = cv2.convexHull(points.clip(-FARTHEST, FARTHEST).astype(np.float32)).reshape(-1, 2)
        window = window_of(points, width, height, edge)
        if window is not None:
            drawn.append(points)
            windows.append(window)
    if not drawn:
        return
    check_cover(windows, width, height)
    _check_edges(drawn, windows)
    left, top = (min(window[side] for window in windows) for side in (0, 1))
    right, bottom = (max(window[side] for window in windows) for side in (2, 3))
    inside = np.zeros((bottom - top, right - left), np.uint8)
    for points in watched(drawn, 8):
        fine = np.round((points.clip(-FARTHEST, FARTHEST) - (left, top)) * 2**FINE).astype(np.int32)
        cv2.fillPoly(inside, [fine], 1, shift=FINE)
    part = mask[top:bottom, left:right]
    if not grow + feather:
        np.maximum(part, inside, out=part)
        return
    # The nearest text of a pixel that it reaches lies within ``edge``, so that bands of rows suffice.
    rows = max(1, BAND_PIXELS // (right - left))
    for at in range(0, bottom - top, rows):
        low = max(0, at - edge)
        near = inside[low : at + rows + edge]
        if not near.any():  # a distance to nothing is no distance
            continue
        away = cv2.distanceTransform(1 - near, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[at - low :][:rows]
        fade = np.clip(1 - (away - grow) / (feather + 1), 0, 1)
        np.maximum(part[at : at + rows], fade * fade * (3 - 2 * fade), out=part[at : at + rows])


def _check_edges(drawn: Sequence[Any], windows: Sequence[Window]) -> None:
    """Raise VramwiseError for outlines of so many corners that filling them would take very long."""
    met = sum(
        len(points) * (bottom - top)
        for points, (_, top, _, bottom) in zip(drawn, windows, strict=True)
        if len(points) > 8
    )
    if met > MOST_EDGES:
        corners = sum(map(len, drawn))
        raise VramwiseError(
            f"The outlines of the {len(drawn):,} regions have {corners:,} corners, too many to be filled in "
            "a bounded time. Give fewer regions, or simpler ones."
        )


def window_of(points: Any, width: int, height: int, edge: int = 0) -> Window | None:
    """(left, top, right, bottom) of the pixels of a page that ``points`` (n, 2) reach with ``edge`` pixels
    around them; None where that is nothing, or a point is no number.
    """
    import numpy as np

    if not len(points) or not np.isfinite(points).all():
        return None
    near = points.clip(-FARTHEST, FARTHEST)
    left, top = (max(0, int(low) - edge) for low in np.floor(near.min(axis=0)))
    right, bottom = (
        min(most, int(high) + edge + 1)
        for most, high in zip((width, height), np.ceil(near.max(axis=0)), strict=True)
    )
    return (left, top, right, bottom) if left < right and top < bottom else None


def check_cover(windows: Iterable[Window], width: int, height: int) -> None:
    """Raise VramwiseError where ``windows`` cover a page so often that drawing them would take very long, as
    no text does.
    """
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in windows]
    if sum(areas) > max(MOST_COVER * width * height, LEAST_COVER):
        raise VramwiseError(
            f"The {len(areas):,} regions cover the page of {width} x {height} pixels "
            f"{sum(areas) / (width * height):,.0f} times over; at most {MOST_COVER} times is worked on. Give "
            "fewer or smaller regions."
        )


def upright_box(polygons: Iterable[Sequence[Point]]) -> tuple[Point, ...]:
    """The smallest upright box of whole pixels around ``polygons``, clockwise from its top left."""
    points = [point for polygon in polygons for point in polygon]
    left, top = (float(math.floor(min(point[axis] for point in points))) for axis in (0, 1))
    right, bottom = (float(math.ceil(max(point[axis] for point in points))) for axis in (0, 1))
    return (left, top), (right, top), (right, bottom), (left, bottom)
