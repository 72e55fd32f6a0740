"""The blocks of a page: which of those that were found stay, and how each is cut out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...cancel import watched
from ...catalog.layout import block_label
from ..images import edge_colour
from ..results.result import Point

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

MOST = 300  # blocks of a page: as many as the net has queries
LEAST_SIDE = 4  # pixels, below which a block is noise (PaddleX's filter_overlap_boxes)
INSIDE = 0.7  # of the smaller of two blocks, from which they are one (the same)
LEVEL = 0.8  # of its box that an outline fills which is drawn as that box


@dataclass(frozen=True)
class Block:
    """``box`` is (left, top, right, bottom), ``outline`` its polygon, both in pixels of the page; ``score``
    from 0 to 1.
    """

    label: str
    box: tuple[float, float, float, float]
    score: float = 1.0
    outline: tuple[Point, ...] = ()

    @property
    def polygon(self) -> tuple[Point, ...]:
        """The outline where the block is askew, else the box's corners, clockwise from its top left."""
        left, top, right, bottom = self.box
        if len(self.outline) >= 4 and _area(self.outline) < LEVEL * (right - left) * (bottom - top):
            return self.outline
        return (left, top), (right, top), (right, bottom), (left, bottom)


def whole_page(width: int, height: int) -> Block:
    return Block("text", (0.0, 0.0, float(width), float(height)))


def kept(blocks: Sequence[Block], width: int, height: int) -> list[Block]:
    """``blocks`` within the page and in their order, without those that lie in another one: of two the larger
    stays, a figure beside what is written on it too. A list of references gives way to its entries.
    """
    inner = [clipped for block in blocks[:MOST] if (clipped := _clipped(block, width, height)) is not None]
    entries = any(block.label == "reference_content" for block in inner)
    inner = [block for block in inner if not (entries and block.label == "reference")]
    gone: set[int] = set()
    for i, first in enumerate(inner):
        for j in watched(range(i + 1, len(inner))):
            second = inner[j]
            if i in gone or j in gone or _shared(first.box, second.box) <= INSIDE:
                continue
            kinds = {block_label(block.label).kind for block in (first, second)}
            if "figure" in kinds and len(kinds) > 1:
                continue
            gone.add(j if _size(first.box) >= _size(second.box) else i)
    return [block for number, block in enumerate(inner) if number not in gone]


def cut_out(image: NDArray[uint8], block: Block) -> NDArray[uint8]:
    """The block's part of ``image`` (uint8 RGB). Beside a block that stands askew there is paper."""
    import cv2
    import numpy as np

    left, top, right, bottom = block.box
    x, y = math.floor(left), math.floor(top)
    part = image[y : math.ceil(bottom), x : math.ceil(right)]
    if block.polygon is not block.outline:
        return np.ascontiguousarray(part)
    inside = np.zeros(part.shape[:2], np.uint8)
    corners = np.array([[(px - x, py - y) for px, py in block.outline]]).round().astype(np.int32)
    cv2.fillPoly(inside, corners, (1,))
    cut: NDArray[uint8] = np.where(inside[:, :, None] > 0, part, edge_colour(image).astype(np.uint8))
    return cut


def _clipped(block: Block, width: int, height: int) -> Block | None:
    """The block within the page; None for what is none."""
    if not all(map(math.isfinite, block.box)):
        return None
    left, top, right, bottom = block.box
    box = max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)
    if box[2] - box[0] < LEAST_SIDE or box[3] - box[1] < LEAST_SIDE:
        return None
    whole = all(math.isfinite(value) for point in block.outline for value in point)
    outline = tuple(
        (min(max(px, box[0]), box[2]), min(max(py, box[1]), box[3])) for px, py in block.outline if whole
    )
    return Block(block.label, box, block.score, outline)


def _size(box: Sequence[float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _shared(a: Sequence[float], b: Sequence[float]) -> float:
    """Of the smaller box, what lies in the other."""
    common = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    if common[2] <= common[0] or common[3] <= common[1]:
        return 0.0
    return _size(common) / max(1e-9, min(_size(a), _size(b)))


def _area(points: Sequence[Point]) -> float:
    sides = zip(points, [*points[1:], points[0]], strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in sides)) / 2
