"""GOT-OCR 2.0: large pictures are cut into tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .blocks import Weight, language_model, linear, norm, text_config, vision_config
from .family import Config
from .pictures import PictureSize, patch_side

# The processor cuts from three tiles on, adds a thumbnail then, and never cuts more than twelve.
_MOST_TILES, _WHOLE_TILES = 12, 2


def weights(config: Config) -> Iterator[Weight]:
    """SAM-B with relative positions, two strided convolutions, a Qwen2 decoder."""
    seen, tower = vision_config(config), "model.vision_tower"
    width, patch, out = seen["hidden_size"], seen["patch_size"], seen["output_channels"]
    depth, whole, ffn = seen["num_hidden_layers"], len(seen["global_attn_indexes"]), seen["mlp_dim"]
    grid, size, text = seen["image_size"] // patch, width // seen["num_attention_heads"], text_config(config)
    yield Weight(f"{tower}.pos_embed", (1, grid, grid, width))
    yield Weight(f"{tower}.patch_embed.projection.weight", (width, seen["num_channels"], patch, patch))
    yield Weight(f"{tower}.patch_embed.projection.bias", (width,))
    layer = f"{tower}.layers.*"
    for axis in ("h", "w"):
        yield Weight(
            f"{layer}.attn.rel_pos_{axis}", (2 * seen["window_size"] - 1, size), copies=depth - whole
        )
        yield Weight(f"{layer}.attn.rel_pos_{axis}", (2 * grid - 1, size), copies=whole)
    for name in ("layer_norm1", "layer_norm2"):
        yield from norm(f"{layer}.{name}", width, True, depth)
    yield from linear(f"{layer}.attn.qkv", width, 3 * width, True, depth)
    yield from linear(f"{layer}.attn.proj", width, width, True, depth)
    yield from linear(f"{layer}.mlp.lin1", width, ffn, True, depth)
    yield from linear(f"{layer}.mlp.lin2", ffn, width, True, depth)
    yield Weight(f"{tower}.neck.conv1.weight", (out, width, 1, 1))
    yield Weight(f"{tower}.neck.conv2.weight", (out, out, 3, 3))
    yield from norm(f"{tower}.neck.layer_norm1", out, True)
    yield from norm(f"{tower}.neck.layer_norm2", out, True)
    yield Weight("model.multi_modal_projector.conv_upsampler1.weight", (2 * out, out, 3, 3))
    joint = text["hidden_size"]
    yield Weight("model.multi_modal_projector.conv_upsampler2.weight", (joint, 2 * out, 3, 3))
    yield from linear("model.multi_modal_projector.multimodal_projector", joint, joint, True)
    yield from language_model(config, "model.language_model", bias=True, head_norms=False)


def picture(config: Config, pixels: int) -> PictureSize:
    """256 tokens for a tile of 1024: two convolutions of stride 2 leave a sixteenth of the patches."""
    vision = vision_config(config)
    side, patch = int(vision["image_size"]), patch_side(vision)
    cut = min(_MOST_TILES, math.ceil(pixels / side**2))
    tiles = cut + 1 if cut > _WHOLE_TILES else 1
    return PictureSize(math.ceil(pixels / patch**2), tiles * max(1, (side // patch) ** 2 // 16), tiles)
