"""Granite-Docling: the Idefics3 class."""

from __future__ import annotations

from collections.abc import Iterator

from .blocks import Weight, language_model, linear, siglip, text_config, vision_config
from .family import Config
from .pictures import PictureSize, Sides, covering_tiles, merged, patch_side

# The processor scales every picture until its longer side is four tiles, and adds a small one.
_ACROSS = 4


def weights(config: Config) -> Iterator[Weight]:
    """SigLIP, one matrix over squares of patches, a Llama decoder."""
    seen, text = vision_config(config), text_config(config)
    yield from siglip("model.vision_model", seen)
    joined = seen["hidden_size"] * config["scale_factor"] ** 2
    yield from linear("model.connector.modality_projection.proj", joined, text["hidden_size"], False)
    yield from language_model(config, "model.text_model", bias=False, head_norms=False)


def picture(config: Config, pixels: int, sides: Sides | None = None) -> PictureSize:
    """As many tiles of every picture of a shape, whatever its ``pixels``; the most where it is not known."""
    vision = vision_config(config)
    tiles = covering_tiles(*(sides or (1, 1)), _ACROSS) + 1
    patches = tiles * (int(vision["image_size"]) // patch_side(vision)) ** 2
    return PictureSize(patches, merged(config, vision, patches))
