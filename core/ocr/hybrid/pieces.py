"""What of a page is shown to the model at once: a line, or a paragraph with its lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from ...cancel import watched
from ..images import edge_colour
from ..regions.crops import crop
from ..regions.word_boxes import corners
from ..results import reading_order
from ..results.line import Line
from ..results.line_boxes import rotated
from ..results.panels import Pictures
from ..results.result import Point, hull
from ..results.text_angle import text_angle

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

PADDING = 0.2  # around a piece, in line heights: boxes end at the ink
ROW = 64  # pixels from row to row as the model sees it
LEAST_WIDTH = 320
MOST_SIDE = 4096  # of a piece


@dataclass(frozen=True)
class Piece:
    """``rows`` are the lines of each row, by their place in the page's list; ``polygon`` is what is shown."""

    rows: tuple[tuple[int, ...], ...]
    polygon: tuple[Point, ...]


def line_pieces(lines: Sequence[Line]) -> list[Piece]:
    """A piece a line."""
    return [Piece(((number,),), corners(line.polygon)) for number, line in enumerate(lines)]


def paragraph_pieces(lines: Sequence[Line], pictures: Pictures | None = None) -> list[Piece]:
    """A piece a paragraph, as the reading order parts them."""
    order = reading_order.arrange(lines, pictures=pictures)
    groups: list[list[tuple[int, ...]]] = []
    for number, row in enumerate(order.rows):
        if not groups or number in order.breaks:
            groups.append([])
        groups[-1].append(row)
    angle = text_angle(lines)
    return [
        Piece(tuple(group), _around([lines[index] for row in group for index in row], angle))
        for group in groups
    ]


def _around(lines: Sequence[Line], angle: float) -> tuple[Point, ...]:
    """The smallest box along ``angle`` that holds all lines, clockwise from the text's own top left."""
    points = rotated([point for line in lines for point in line.polygon], -angle)
    left, top, right, bottom = hull(points)
    box = (left, top), (right, top), (right, bottom), (left, bottom)
    return tuple(rotated(box, angle))


def pictures(image: NDArray[uint8], pieces: Sequence[Piece], lines: Sequence[Line]) -> list[NDArray[uint8]]:
    """Each piece cut from ``image`` (uint8 RGB), its text level and upright."""
    return [_cut(image, piece, lines) for piece in watched(pieces, 4)]


def _cut(image: NDArray[uint8], piece: Piece, lines: Sequence[Line]) -> NDArray[uint8]:
    import numpy as np

    heights = [_height(lines[index]) for row in piece.rows for index in row]
    padding = max(2, round(PADDING * median(heights)))
    # crop() wants shares of light; only the part of the page that it will look at is made such
    xs, ys = [x for x, _ in piece.polygon], [y for _, y in piece.polygon]
    left, top = max(0, math.floor(min(xs)) - 2 * padding), max(0, math.floor(min(ys)) - 2 * padding)
    part = image[top : math.ceil(max(ys)) + 2 * padding, left : math.ceil(max(xs)) + 2 * padding]
    moved = tuple((x - left, y - top) for x, y in piece.polygon)
    light = part.astype(np.float32) / np.float32(255)
    cut = crop(light, moved, padding, straighten=True) if part.size else None
    if cut is None:
        return np.full((ROW, LEAST_WIDTH, 3), 255, np.uint8)
    level = np.ascontiguousarray((cut * 255).round().astype(np.uint8))
    return _on_paper(level, ROW / (median(heights) + 2 * padding))


def _height(line: Line) -> float:
    a, b, c, d = corners(line.polygon)
    return max(1.0, (math.dist(a, d) + math.dist(b, c)) / 2)


def _on_paper(level: NDArray[uint8], scale: float) -> NDArray[uint8]:
    """A piece with rows of ROW pixels, and paper beside what is narrow: models shrink and enlarge a picture
    to the number of pixels that they know, and of two words alone would make giants.
    """
    import cv2

    height, width = level.shape[:2]
    scale = min(scale, MOST_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled: NDArray[uint8] = cv2.resize(level, size, interpolation=way)
    lacking = max(0, LEAST_WIDTH - size[0]), max(0, ROW - size[1])
    if not any(lacking):
        return scaled
    paper = [int(value) for value in edge_colour(scaled)]
    sides = 0, lacking[1], 0, lacking[0]
    laid: NDArray[uint8] = cv2.copyMakeBorder(scaled, *sides, cv2.BORDER_CONSTANT, value=paper)
    return laid
