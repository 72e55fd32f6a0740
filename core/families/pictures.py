"""How much of a model one picture becomes: tiles, patches and tokens. Plain integers, no tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .blocks import vision_config
from .family import Config, family_of_config, formula


@dataclass(frozen=True)
class PictureSize:
    """``patches`` that the vision tower sees and ``tokens`` that the language model gets of one picture, cut
    into ``tiles`` (1: read whole).
    """

    patches: int
    tokens: int
    tiles: int = 1


def picture_size(config: Config, pixels: int) -> PictureSize:
    """Of a picture of ``pixels``, by the rule that its family names, else by its area. Raises KeyError where
    config.json lacks a number of that rule.
    """
    its = family_of_config(config)
    rule = formula(its.picture) if its is not None and its.picture else by_area
    size: PictureSize = rule(config, pixels)
    return size


def by_area(config: Config, pixels: int) -> PictureSize:
    """Square patches of the whole picture, of which a few are merged into each token."""
    vision = vision_config(config)
    patches = math.ceil(pixels / patch_side(vision) ** 2)
    return PictureSize(patches, merged(config, vision, patches))


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
