"""Which way up is a line of text, and the page? Lines are cut from the full picture here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..results.result import Point

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

TALL = 1.5  # RapidOCR turns crops that are this much higher than wide
NARROW_GLYPH = 2.5  # below this, among level lines, a tall crop is one narrow character and stays upright


def upright(
    ocr: Any, bgr: NDArray[uint8], boxes: NDArray[Any]
) -> tuple[list[tuple[Point, ...]], list[NDArray[uint8]]]:
    """Cut every line from the full picture, right way up, and give its polygon from its own top left
    corner.

    RapidOCR turns tall crops by a quarter and asks a small net about each half turn. Single lines are
    often judged wrongly, so the half turn is decided by the majority of the page.
    """
    import cv2
    import numpy as np

    wide = [_length(b[0], b[1]) >= _length(b[0], b[3]) for b in boxes]
    level = sum(wide) >= len(wide) / 2
    crops, polygons = [], []
    for box, crop in zip(boxes, ocr.crop_text_regions(bgr, list(boxes)), strict=True):
        points = [(float(x), float(y)) for x, y in box]
        ratio = crop.shape[1] / max(1, crop.shape[0])  # RapidOCR has turned it already
        turned = int(_height(box)) / max(1, int(_width(box))) >= TALL
        if turned and level and ratio < NARROW_GLYPH:
            crop = np.rot90(crop, -1)
        elif turned:
            points = points[1:] + points[:1]
        crops.append(np.ascontiguousarray(crop))
        polygons.append(tuple(points))
    usable = [i for i, crop in enumerate(crops) if min(crop.shape[:2]) > 0]
    crops, polygons = [crops[i] for i in usable], [polygons[i] for i in usable]
    if not crops:
        return [], []
    _, judged = ocr.cls_and_rotate(crops)
    if _upside_down(crops, [score if label == "180" else 1 - score for label, score in judged.cls_res]):
        crops = [cv2.rotate(crop, cv2.ROTATE_180) for crop in crops]
        polygons = [polygon[2:] + polygon[:2] for polygon in polygons]
    return polygons, crops


def _upside_down(crops: Sequence[NDArray[uint8]], chances: Sequence[float]) -> bool:
    """Whether the page hangs upside down: the lines' chances of that, weighed by how long each line is.

    One or two short lines say little, so these must be sure.
    """
    weights = [crop.shape[1] / max(1, crop.shape[0]) for crop in crops]
    mean = sum(w * float(c) for w, c in zip(weights, chances, strict=True)) / sum(weights)
    return bool(mean > (0.5 if len(crops) > 2 else 0.9))


def _length(a: Any, b: Any) -> float:
    return math.hypot(float(a[0] - b[0]), float(a[1] - b[1]))


def _width(box: Any) -> float:
    return max(_length(box[0], box[1]), _length(box[2], box[3]))


def _height(box: Any) -> float:
    return max(_length(box[0], box[3]), _length(box[1], box[2]))
