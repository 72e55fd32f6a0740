"""What polygons must be before anything is made of them: another node or somebody's JSON wrote them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence, Sized

from ...errors import VramwiseError
from .result import OCRResult, Region

MAX_REGIONS = 100_000  # a page
MAX_CORNERS = 1_000
MAX_PAGE_CORNERS = 500_000  # of all regions and words of a page
MAX_COORDINATE = 1e6


def check_polygons(pages: Sequence[OCRResult]) -> None:
    """Raise VramwiseError that names the first region of ``pages`` whose polygon is none, and why."""
    for number, page in enumerate(pages, 1):
        if len(page.regions) > MAX_REGIONS:
            raise VramwiseError(
                f"Page {number} has {len(page.regions):,} regions; at most {MAX_REGIONS:,} are worked on. "
                "Give fewer."
            )
        corners = sum(map(_corners, page.regions))
        if corners > MAX_PAGE_CORNERS:
            raise VramwiseError(
                f"The regions of page {number} have {corners:,} corners together; at most "
                f"{MAX_PAGE_CORNERS:,} are worked on. Give fewer regions, or simpler ones."
            )
        for place, region in enumerate(page.regions, 1):
            for polygon in (region.polygon, *(word.polygon for word in region.words)):
                why = _fault(polygon)
                if why:
                    raise VramwiseError(
                        f"Region {place} of page {number} has {why}. Give regions as OCR Inference or "
                        "Convert Regions makes them: 3 or more corners (x, y) in pixels of the page."
                    )


def _corners(region: Region) -> int:
    """Corners of a region and its words."""
    polygons = [region.polygon, *(word.polygon for word in region.words)]
    return sum(len(polygon) for polygon in polygons if isinstance(polygon, Sized))


def _fault(polygon: object) -> str:
    """What is wrong with one polygon; an empty string where it is usable."""
    if not isinstance(polygon, Sized) or not isinstance(polygon, Iterable):
        return f"the polygon {str(polygon)[:60]}, which is no list of corners"
    if not 3 <= len(polygon) <= MAX_CORNERS:
        return f"a polygon of {len(polygon):,} corners, and 3 to {MAX_CORNERS:,} are worked on"
    for corner in polygon:
        try:
            x, y = corner
            if math.isfinite(x) and math.isfinite(y):
                if abs(x) <= MAX_COORDINATE and abs(y) <= MAX_COORDINATE:
                    continue
                return f"a corner at ({x:g}, {y:g}), farther than {MAX_COORDINATE:,.0f} pixels from the page"
        except (TypeError, ValueError, OverflowError):
            pass
        return f"the corner {str(corner)[:60]}, which is no pair of numbers"
    return ""
