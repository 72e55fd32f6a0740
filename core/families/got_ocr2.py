"""GOT-OCR 2.0: large pictures are cut into tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .blocks import Weight, language_model, linear, sam, text_config, vision_config
from .family import Config
from .pictures import PictureSize, Sides, closest_grid, patch_side

# The processor cuts from three tiles on, adds a thumbnail then, and never cuts more than twelve.
_MOST_TILES, _WHOLE_TILES = 12, 2


def weights(config: Config) -> Iterator[Weight]:
    """SAM-B with relative positions, two strided convolutions, a Qwen2 decoder."""
    seen, tower = vision_config(config), "model.vision_tower"
    out, text = seen["output_channels"], text_config(config)
    yield from sam(tower, seen)
    yield Weight("model.multi_modal_projector.conv_upsampler1.weight", (2 * out, out, 3, 3))
    joint = text["hidden_size"]
    yield Weight("model.multi_modal_projector.conv_upsampler2.weight", (joint, 2 * out, 3, 3))
    yield from linear("model.multi_modal_projector.multimodal_projector", joint, joint, True)
    yield from language_model(config, "model.language_model", bias=True, head_norms=False)


def picture(config: Config, pixels: int, sides: Sides | None = None) -> PictureSize:
    """256 tokens for a tile of 1024: two convolutions of stride 2 leave a sixteenth of the patches."""
    vision = vision_config(config)
    side, patch = int(vision["image_size"]), patch_side(vision)
    blocks = min(_MOST_TILES, math.ceil(pixels / side**2))
    if blocks <= _WHOLE_TILES:
        blocks = 1
    elif sides:
        columns, rows = closest_grid(*sides, side, 1, blocks)
        blocks = columns * rows
    tiles = blocks + 1 if blocks > 1 else 1
    return PictureSize(math.ceil(pixels / patch**2), tiles * max(1, (side // patch) ** 2 // 16), tiles)
