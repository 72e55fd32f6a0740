"""HunyuanOCR."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .blocks import Weight, language_model, linear, norm, text_config, vision_config
from .family import Config
from .pictures import PictureSize, Sides, by_area, patch_side, resized


def weights(config: Config) -> Iterator[Weight]:
    """A tower with learned positions, a merger of convolutions, a HunYuan decoder."""
    seen, tower = vision_config(config), "model.vision_tower"
    width, ffn, depth = seen["hidden_size"], seen["intermediate_size"], seen["num_hidden_layers"]
    patch, merge, out = seen["patch_size"], seen["spatial_merge_size"], text_config(config)["hidden_size"]
    embedded = f"{tower}.embeddings"
    yield Weight(f"{embedded}.patch_embedding.weight", (width, seen["num_channels"], patch, patch))
    yield Weight(f"{embedded}.patch_embedding.bias", (width,))
    places = (seen["max_image_size"] // patch) ** 2 + 1
    yield Weight(f"{embedded}.position_embedding.weight", (places, width))
    layer = f"{tower}.layers.*"
    for name in ("layer_norm1", "layer_norm2"):
        yield from norm(f"{layer}.{name}", width, True, depth)
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        yield from linear(f"{layer}.self_attn.{name}", width, width, True, depth)
    yield from linear(f"{layer}.mlp.fc1", width, ffn, True, depth)
    yield from linear(f"{layer}.mlp.fc2", ffn, width, True, depth)
    merger, wide = f"{tower}.patch_merger", 4 * width
    yield Weight(f"{merger}.proj_conv.weight", (wide // 2, width, merge, merge))
    yield Weight(f"{merger}.proj_conv.bias", (wide // 2,))
    yield Weight(f"{merger}.proj_out.weight", (wide, wide // 2, 1, 1))
    yield Weight(f"{merger}.proj_out.bias", (wide,))
    yield from linear(f"{merger}.mlp", wide, out, True)
    yield Weight(f"{merger}.image_newline", (wide,))
    for name in ("image_begin", "image_end", "image_sep"):
        yield Weight(f"{merger}.{name}", (out,))
    yield from norm(f"{merger}.before_rms", width)
    yield from norm(f"{merger}.after_rms", out)
    for weight in language_model(config, "model.language_model", bias=False, head_norms=True):
        name = weight.name.replace("q_norm", "query_layernorm").replace("k_norm", "key_layernorm")
        yield Weight(name, weight.shape, weight.linear, weight.copies)


def picture(config: Config, pixels: int, sides: Sides | None = None) -> PictureSize:
    """A token behind each row of the picture and two around it, beside those of its patches."""
    vision = vision_config(config)
    size = by_area(config, pixels, sides)
    high = resized(config, pixels, sides)[1]
    rows = math.ceil(high / (patch_side(vision) * int(vision["spatial_merge_size"])))
    return PictureSize(size.patches, size.tokens + rows + 2)
