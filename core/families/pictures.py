"""How much of a model one picture becomes: tiles, patches and tokens. Plain integers, no tensors.

A picture is known by its ``pixels`` alone, or by its ``sides`` too, (width, height) as the processor is
given them: what is cut into tiles depends on the shape, and of a shape that nobody knows a page's is taken.
How many tiles is said here again in integers; tests/unit/test_tiles.py compares it with the processors.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from .blocks import vision_config
from .family import Config, family_of_config, formula

Sides = tuple[int, int]


@dataclass(frozen=True)
class PictureSize:
    """``patches`` that the vision tower sees and ``tokens`` that the language model gets of one picture, cut
    into ``tiles`` (1: read whole).
    """

    patches: int
    tokens: int
    tiles: int = 1


def picture_size(config: Config, pixels: int, sides: Sides | None = None) -> PictureSize:
    """Of a picture of ``pixels``, by the rule that its family names, else by its area. Raises KeyError where
    config.json lacks a number of that rule.
    """
    its = family_of_config(config)
    rule = formula(its.picture) if its is not None and its.picture else by_area
    size: PictureSize = rule(config, pixels, sides)
    return size


def by_area(config: Config, pixels: int, sides: Sides | None = None) -> PictureSize:
    """Square patches of the whole picture, of which a few are merged into each token."""
    vision = vision_config(config)
    if sides is not None:
        width, height = resized(config, pixels, sides)
        pixels = max(pixels, width * height)
    patches = math.ceil(pixels / patch_side(vision) ** 2)
    return PictureSize(patches, merged(config, vision, patches))


def resized(config: Config, pixels: int, sides: Sides | None) -> Sides:
    """The sides that the processor makes of ``sides``, or of a square of ``pixels``."""
    its = family_of_config(config)
    width, height = sides or (math.ceil(math.sqrt(pixels)),) * 2
    if its is None or not its.factor:
        return width, height
    # a recipe of the family may allow more; what comes here is within its limit
    most = its.max_pixels if width * height <= its.max_pixels else 2 * width * height
    return smart_resize(width, height, its.factor, its.min_pixels, most)


def smart_resize(width: int, height: int, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """(width, height) to which the Qwen family's processors (dots.ocr's too) scale a picture.

    Both sides become multiples of ``factor`` (pixels; patch side times merge size) and the area falls within
    the two limits. Agrees with transformers' ``smart_resize``; a test compares.
    """
    across, down = round(width / factor) * factor, round(height / factor) * factor
    if across * down > max_pixels:
        shrink = math.sqrt(width * height / max_pixels)
        across = max(factor, math.floor(width / shrink / factor) * factor)
        down = max(factor, math.floor(height / shrink / factor) * factor)
    elif across * down < min_pixels:
        grow = math.sqrt(min_pixels / (width * height))
        across = math.ceil(width * grow / factor) * factor
        down = math.ceil(height * grow / factor) * factor
    return across, down


def scaled(sides: Sides, pixels: int) -> Sides:
    """``sides`` scaled to an area of ``pixels``."""
    width, height = sides
    by = math.sqrt(pixels / (width * height))
    return max(1, round(width * by)), max(1, round(height * by))


def patch_side(vision: Config) -> int:
    """In pixels, from the vision tower's part of a config."""
    return int(vision.get("patch_size") or 14)


def merged(config: Config, vision: Config, patches: int) -> int:
    """Tokens of ``patches``: each is a square of them, of the side that the vision tower's part gives, else
    the whole config.
    """
    for given in (vision, config):
        for name in ("spatial_merge_size", "scale_factor"):
            if name in given:
                return math.ceil(patches / int(given[name]) ** 2)
    return patches


# --- tiles: what transformers' image processors do, which a plan must not import ----------------------------


@functools.lru_cache(maxsize=4096)
def closest_grid(width: int, height: int, side: int, least: int, most: int) -> tuple[int, int]:
    """(columns, rows) of the grid of ``least`` to ``most`` tiles whose shape is nearest to that of a picture
    of ``width`` x ``height`` pixels. Of two as near the one of more tiles of ``side`` pixels, unless it is
    larger than twice the picture (``get_optimal_tiled_canvas`` of GOT-OCR and DeepSeek-OCR-2).
    """
    best, off = (1, 1), float("inf")
    for columns, rows in _grids(least, most):
        away = abs(width / height - columns / rows)
        roomy = 2 * width * height > side**2 * columns * rows
        if away < off or (away == off and roomy):
            best, off = (columns, rows), away
    return best


@functools.cache
def _grids(least: int, most: int) -> tuple[tuple[int, int], ...]:
    sides = range(1, most + 1)
    grids = [(columns, rows) for columns in sides for rows in sides if least <= columns * rows <= most]
    return tuple(sorted(grids, key=lambda grid: grid[0] * grid[1]))


def covering_tiles(width: int, height: int, across: int) -> int:
    """Tiles that cover a picture scaled until its longer side is ``across`` of them, in whole rows: Idefics3,
    but for a row where the shorter side ends within a pixel of a tile.
    """
    return across * max(1, -(-across * min(width, height) // max(width, height)))
