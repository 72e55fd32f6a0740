"""Where on a page are lines of text? The live RapidOCR's detector, on the page scaled once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..images import edge_colour, fit_pixels
from .line_shapes.bent_lines import Bend, bands_of, bends_through
from .line_shapes.curled_lines import Curl
from .pictures.colour_steps import from_colour

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

MAX_ASPECT = 8.0  # detection upscales the short side to 736; longer strips are padded instead
SHORT_SIDE = 736  # pixels; what is smaller is enlarged to it
MIN_SIDE = 320  # RapidOCR upscales the short side to 736: of a small strip it would make giant letters
# A page is looked at so small for what is on it; grey levels off the paper; pixels of paper around it; of the
# page at most.
SEEN_PIXELS, OFF_PAPER, PAPER, MOSTLY_BLANK = 500_000, 24, 40, 0.5


def detect(ocr: Any, bgr: NDArray[uint8], max_pixels: int) -> tuple[NDArray[Any], list[Bend | Curl]]:
    """Four-point boxes (n, 4, 2) float32 in pixels of ``bgr``, and lines along a curve. ``ocr``: a live
    RapidOCR. Of a large page that is mostly blank only what is on it is looked at, larger than with all of
    the paper.
    """
    import numpy as np

    x, y, page = _what_is_on_it(bgr, max_pixels)
    boxes, bends = _detect(ocr, page, max_pixels)
    if not x and not y:
        return boxes, bends
    return boxes + np.asarray((x, y), np.float32), [bend.moved(x, y) for bend in bends]


def _detect(ocr: Any, bgr: NDArray[uint8], max_pixels: int) -> tuple[NDArray[Any], list[Bend | Curl]]:
    import cv2
    import numpy as np

    small = fit_pixels(bgr, _most_pixels(bgr.shape[0], bgr.shape[1], max_pixels))
    scale_x, scale_y = bgr.shape[1] / small.shape[1], bgr.shape[0] / small.shape[0]
    height, width = small.shape[:2]
    want_h = max(height, MIN_SIDE, math.ceil(width / MAX_ASPECT))
    want_w = max(width, MIN_SIDE, math.ceil(height / MAX_ASPECT))
    top, left = (want_h - height) // 2, (want_w - width) // 2
    if (want_h, want_w) != (height, width):
        paper = [int(c) for c in edge_colour(small)]
        sides = top, want_h - height - top, left, want_w - width - left
        small = cv2.copyMakeBorder(small, *sides, cv2.BORDER_CONSTANT, value=paper)
    bands = bands_of(ocr)
    found = ocr.text_det(small).boxes  # which bands_of loaded
    corners = np.zeros((0, 4, 2), np.float32) if found is None else np.asarray(found, np.float32)
    bends = bends_through([(band - (left, top)) * (scale_x, scale_y) for band in bands.taken()])
    boxes = (corners - (left, top)) * (scale_x, scale_y)
    boxes[..., 0] = boxes[..., 0].clip(0, bgr.shape[1])
    boxes[..., 1] = boxes[..., 1].clip(0, bgr.shape[0])
    level: NDArray[Any] = boxes.astype(np.float32)
    return level, bends


def _what_is_on_it(bgr: NDArray[uint8], max_pixels: int) -> tuple[int, int, NDArray[uint8]]:
    """The left, the top and the part of a page that is not blank, where the whole would be scaled down and
    most of it is blank; else all of it.
    """
    import cv2
    import numpy as np

    height, width = bgr.shape[:2]
    if height * width <= max_pixels:
        return 0, 0, bgr
    scale = math.sqrt(SEEN_PIXELS / (height * width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    seen = cv2.resize(bgr[::2], size, interpolation=cv2.INTER_AREA)
    ys, xs = np.nonzero(from_colour(seen, edge_colour(bgr).astype(np.int16)) > OFF_PAPER)
    if not len(ys):
        return 0, 0, bgr
    x0, x1 = (max(0, int(xs.min() / scale) - PAPER), min(width, int((xs.max() + 1) / scale) + PAPER))
    y0, y1 = (max(0, int(ys.min() / scale) - PAPER), min(height, int((ys.max() + 1) / scale) + PAPER))
    most = pixels_at_once(height, width, max_pixels)
    if (x1 - x0) * (y1 - y0) > MOSTLY_BLANK * height * width or (
        pixels_at_once(y1 - y0, x1 - x0, max_pixels) > most  # for which room was made
    ):
        return 0, 0, bgr
    return x0, y0, np.ascontiguousarray(bgr[y0:y1, x0:x1])


def pixels_at_once(height: int, width: int, max_pixels: int) -> int:
    """How many pixels the detector sees of a page of so many, padding included, where it looks at full
    size.
    """
    scale = min(1.0, math.sqrt(_most_pixels(height, width, max_pixels) / (height * width)))
    long, short = scale * max(height, width), scale * min(height, width)
    short = max(short, MIN_SIDE, long / MAX_ASPECT)
    long = max(long, MIN_SIDE)
    return round(long * short * max(1.0, SHORT_SIDE / short) ** 2)


def _most_pixels(height: int, width: int, max_pixels: int) -> int:
    """What may be seen of a page without its padding: the budget counts that."""
    long, short = max(height, width), min(height, width)
    return max(1, int(max_pixels * short / max(short, math.ceil(long / MAX_ASPECT))))
