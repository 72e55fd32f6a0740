"""Cut every line from the full picture, and know how it stands: level, turned by a quarter, or unclear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..results.result import Point
from .line_shapes.bent_lines import Bend
from .line_shapes.curled_lines import Curl
from .line_shapes.word_places import between

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

TALL = 1.5  # RapidOCR turns crops that are this much higher than wide
NARROW_GLYPH = 2.5  # below this, among level lines, a tall crop is one narrow character and stays upright


@dataclass(frozen=True)
class Cut:
    """One line cut from its page. ``crop``: uint8 BGR (height, width, 3). ``polygon``: clockwise from the
    crop's own top left. ``quarters``: how often the crop was turned counterclockwise. ``unclear``: among
    lines turned by a quarter, a box too square to tell whether it is too.
    ``bend``: the curve it was unrolled from.
    """

    crop: NDArray[uint8]
    polygon: tuple[Point, ...]
    quarters: int = 0
    unclear: bool = False
    bend: Bend | Curl | None = None

    @property
    def aspect(self) -> float:
        """Width over height: about twice the number of its letters, for Han once."""
        return float(self.crop.shape[1] / max(1, self.crop.shape[0]))

    def piece(self, start: float, end: float) -> tuple[Point, ...]:
        """The part of its polygon between two shares of the crop's length."""
        if self.bend is None:
            return between(self.polygon, start, end)
        return self.bend.piece(1 - start, 1 - end) if self.quarters >= 2 else self.bend.piece(start, end)

    @property
    def tall(self) -> bool:
        """Whether its text runs up or down the page."""
        return self.quarters % 2 == 1

    @cached_property
    def other_way_up(self) -> Cut:
        return self.turned(2)

    def turned(self, quarters: int) -> Cut:
        """Turned counterclockwise by so many quarters more, as ``numpy.rot90`` does."""
        import numpy as np

        k = quarters % 4
        crop = np.ascontiguousarray(np.rot90(self.crop, k))
        polygon = self.polygon[k:] + self.polygon[:k]
        return replace(self, crop=crop, polygon=polygon, quarters=(self.quarters + k) % 4)


def cut_lines(
    ocr: Any, bgr: NDArray[uint8], boxes: NDArray[Any], bends: Sequence[Bend | Curl] = ()
) -> list[Cut]:
    """The lines of a page, tall ones turned by a quarter as RapidOCR does, which way up is not known yet."""
    import numpy as np

    wide = [_length(b[0], b[1]) >= _length(b[0], b[3]) for b in boxes]
    level = sum(wide) >= len(wide) / 2
    cuts = []
    for box, crop in zip(boxes, ocr.crop_text_regions(bgr, list(boxes)), strict=True):
        points = tuple((float(x), float(y)) for x, y in box)
        ratio = crop.shape[1] / max(1, crop.shape[0])  # RapidOCR has turned it already
        shape = int(_height(box)) / max(1, int(_width(box)))
        quarters = 0
        if shape >= TALL and level and ratio < NARROW_GLYPH:
            crop = np.rot90(crop, -1)
        elif shape >= TALL:
            points, quarters = points[1:] + points[:1], 1
        if min(crop.shape[:2]) > 0:
            unclear = not level and 1 / TALL < shape < TALL
            cuts.append(Cut(np.ascontiguousarray(crop), points, quarters, unclear))
    return cuts + [Cut(bend.unrolled(bgr), bend.outline(), int(bend.steep), bend=bend) for bend in bends]


def half_turns(ocr: Any, cuts: Sequence[Cut]) -> list[float]:
    """RapidOCR's small net on each line: the chance (0 to 1) that it hangs upside down."""
    if not cuts:
        return []
    _, judged = ocr.cls_and_rotate([cut.crop for cut in cuts])
    return [float(score) if label == "180" else 1 - float(score) for label, score in judged.cls_res]


def _length(a: Any, b: Any) -> float:
    return math.hypot(float(a[0] - b[0]), float(a[1] - b[1]))


def _width(box: Any) -> float:
    return max(_length(box[0], box[1]), _length(box[2], box[3]))


def _height(box: Any) -> float:
    return max(_length(box[0], box[3]), _length(box[1], box[2]))
