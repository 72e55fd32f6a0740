"""Regions picked by what is known of them, and cut out of their page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...cancel import watched
from ...errors import VramwiseError
from ...units import megapixels
from ..results.result import OCRResult, Region
from .masks import window_of
from .text_match import Finder
from .word_boxes import Polygon, corners

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray


MOST_CROPS, LEAST_CROPS = 8, 2**25  # areas of the page; pixels that are always allowed


@dataclass(frozen=True)
class RegionFilter:
    """What a region must be to be picked. A limit of 0, an empty ``categories`` and a ``last`` of -1 let all
    pass, and so does a region without a confidence. Sizes are the height of the text line in pixels, the
    shorter side of the region. ``first`` and ``last`` are places in reading order from 0, both included.
    """

    finder: Finder
    categories: frozenset[str] = frozenset()
    min_confidence: float = 0.0
    min_size: int = 0
    max_size: int = 0
    first: int = 0
    last: int = -1

    def picked(self, page: OCRResult) -> tuple[Region, ...]:
        """The regions of ``page`` that pass, as they are."""
        return tuple(region for region in watched(page.regions, 16) if self._passes(region))

    def _passes(self, region: Region) -> bool:
        size = _sides(corners(region.polygon))[1]
        return (
            region.order >= self.first
            and (self.last < 0 or region.order <= self.last)
            and (not self.categories or region.category.casefold() in self.categories)
            and (region.confidence is None or region.confidence >= self.min_confidence)
            and size >= self.min_size
            and (not self.max_size or size <= self.max_size)
            and (self.finder.query.match == "everything" or bool(self.finder.spans(region.text)))
        )


def categories_of(text: str) -> frozenset[str]:
    """The category names in a text with commas between them, without regard to case."""
    return frozenset(name.strip().casefold() for name in watched(text.split(",")) if name.strip())


def check_crops(polygons: Sequence[Polygon], width: int, height: int, padding: int) -> None:
    """Raise VramwiseError where the crops of one page would hold far more pixels than it has."""
    import numpy as np

    pixels = 0
    for polygon in polygons:
        window = window_of(np.asarray(polygon), width, height, padding)
        if window is not None:
            straight = _straight_size(polygon, width, height, padding) or (0, 0)
            left, top, right, bottom = window
            pixels += max((right - left) * (bottom - top), straight[0] * straight[1])
    if pixels > max(MOST_CROPS * width * height, LEAST_CROPS):
        raise VramwiseError(
            f"The crops of {len(polygons):,} regions would hold {megapixels(pixels, ',.0f')} megapixels of a "
            f"page of {megapixels(width * height)}. Pick fewer or smaller regions, by find, category, first "
            "and last."
        )


def _straight_size(polygon: Polygon, width: int, height: int, padding: int) -> tuple[int, int] | None:
    """Width and height of the crop that is turned level; None where it need not be, or cannot: a polygon of
    somebody's JSON may be far larger than its page.
    """
    if _is_upright(polygon):
        return None
    long, high = _sides(polygon, ordered=False)
    if max(long, high) > 2 * (width + height) or long * high > 2 * width * height:
        return None
    return max(1, round(long)) + 2 * padding, max(1, round(high)) + 2 * padding


def crop(
    picture: NDArray[float32], polygon: Polygon, padding: int, straighten: bool
) -> NDArray[float32] | None:
    """The part of ``picture`` (height, width, channels; float32 0..1) under ``polygon``, with ``padding``
    pixels around it.

    ``straighten`` turns it until the text runs level, with the picture's edge repeated where the padding
    leaves it; otherwise it is the upright box, cut at the edge. None when no pixel of the picture lies in it.
    """
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    left, top = (math.floor(min(point[axis] for point in polygon)) - padding for axis in (0, 1))
    right, bottom = (math.ceil(max(point[axis] for point in polygon)) + padding for axis in (0, 1))
    left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
    if left >= right or top >= bottom:
        return None
    size = _straight_size(polygon, width, height, padding) if straighten else None
    if size is None:
        return np.ascontiguousarray(picture[top:bottom, left:right])
    inner = [
        (padding, padding),
        (size[0] - padding, padding),
        (size[0] - padding, size[1] - padding),
        (padding, size[1] - padding),
    ]
    matrix = cv2.getPerspectiveTransform(np.asarray(polygon, np.float32), np.asarray(inner, np.float32))
    # Whole channels only: warpPerspective takes four at most, and drops the axis of a single one.
    level = cv2.warpPerspective(
        picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    ).reshape(size[1], size[0], picture.shape[2])
    clipped: NDArray[float32] = np.clip(level, 0.0, 1.0)
    return clipped


def _is_upright(polygon: Polygon) -> bool:
    """Whether the text runs level already, so that pixels need not be resampled."""
    if len(polygon) != 4:
        return True
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = polygon
    return max(abs(y0 - y1), abs(x1 - x2), abs(y2 - y3), abs(x3 - x0)) < 0.5 and x0 < x1 and y0 < y3


def _sides(polygon: Polygon, ordered: bool = True) -> tuple[float, float]:
    """(length along the text, height) of four corners; ``ordered``: (longer, shorter)."""
    a, b, c, d = polygon
    along = max(math.dist(a, b), math.dist(d, c))
    high = max(math.dist(a, d), math.dist(b, c))
    return (max(along, high), min(along, high)) if ordered else (along, high)


def chosen(page: OCRResult, regions: Iterable[Region]) -> OCRResult:
    """The page with only these of its regions; they keep their place in reading order."""
    kept = tuple(regions)
    text = "\n".join(region.text for region in kept if region.text)
    return replace(page, text=text, markdown=text, regions=kept, tables=())
