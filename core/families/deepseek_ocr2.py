"""DeepSeek-OCR-2: the whole picture and tiles of it, each seen by a SAM encoder and a Qwen2 with queries."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .blocks import Weight, head_dim, linear, norm, sam, text_config, vision_config
from .family import Config
from .pictures import PictureSize, Sides, closest_grid

# Pixels of the whole picture, of a tile and of a patch; fewest and most tiles.
_SIDE, _TILE, _PATCH, _TILES = 1024, 768, 16, (2, 6)
_PATCHES_A_QUERY = 16
# Width and height of a page, which a picture of unknown shape is taken for.
_PAGE = (2, 3)


def weights(config: Config) -> Iterator[Weight]:
    """SAM-B with two strided convolutions, a Qwen2 without embedding, a DeepSeek-V2 decoder with experts."""
    seen, text, tower = vision_config(config), text_config(config), "model.vision_tower"
    width, joint = text["hidden_size"], seen["encoder_config"]["hidden_size"]
    yield Weight("model.view_separator", (width,))
    yield from sam(f"{tower}.sam_encoder", {**seen, **seen["sam_config"]})
    inside = seen["output_channels"]
    for number, outside in enumerate(seen["downsample_channels"], 1):
        yield Weight(f"{tower}.sam_encoder.proj.conv{number}.weight", (outside, inside, 3, 3))
        inside = outside
    yield from _layers(seen["encoder_config"], f"{tower}.vision_encoder", True)
    for side in (_TILE, _SIDE):
        queries = (side // _PATCH) ** 2 // _PATCHES_A_QUERY
        yield Weight(f"{tower}.query_{side}_resolution.weight", (queries, joint))
    yield from linear("model.multi_modal_projector", joint, width, True)
    language = "model.language_model"
    yield Weight(f"{language}.embed_tokens.weight", (text["vocab_size"], width))
    sparse = sum(kind == "sparse" for kind in text["mlp_layer_types"])
    yield from _layers(text, language, False, sparse)
    yield from _experts(text, f"{language}.layers.*.mlp", sparse)
    yield from linear("lm_head", width, text["vocab_size"], False)


def _layers(its: Config, prefix: str, bias: bool, sparse: int = 0) -> Iterator[Weight]:
    """A Qwen2 or DeepSeek-V2 decoder; ``sparse`` of its layers have experts in the place of an MLP."""
    width, ffn, layers, size = (
        its["hidden_size"],
        its["intermediate_size"],
        its["num_hidden_layers"],
        head_dim(its),
    )
    queries, keys = its["num_attention_heads"] * size, its["num_key_value_heads"] * size
    layer = f"{prefix}.layers.*"
    for name, out in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
        yield from linear(f"{layer}.self_attn.{name}", width, out, bias, layers)
    yield from linear(f"{layer}.self_attn.o_proj", queries, width, False, layers)
    yield from _mlp(f"{layer}.mlp", width, ffn, layers - sparse)
    for name in ("input_layernorm", "post_attention_layernorm"):
        yield from norm(f"{layer}.{name}", width, copies=layers)
    yield from norm(f"{prefix}.norm", width)


def _mlp(name: str, width: int, ffn: int, copies: int) -> Iterator[Weight]:
    for part in ("gate_proj", "up_proj"):
        yield from linear(f"{name}.{part}", width, ffn, False, copies)
    yield from linear(f"{name}.down_proj", ffn, width, False, copies)


def _experts(text: Config, name: str, copies: int) -> Iterator[Weight]:
    """Experts in one tensor of each layer, which no quantisation of nn.Linear reaches, and what chooses."""
    width, ffn, count = text["hidden_size"], text["moe_intermediate_size"], text["n_routed_experts"]
    yield Weight(f"{name}.experts.gate_up_proj", (count, 2 * ffn, width), copies=copies)
    yield Weight(f"{name}.experts.down_proj", (count, width, ffn), copies=copies)
    yield Weight(f"{name}.gate.weight", (count, width), copies=copies)
    yield from _mlp(f"{name}.shared_experts", width, ffn * text["n_shared_experts"], copies)


def picture(config: Config, pixels: int, sides: Sides | None = None) -> PictureSize:
    """The whole picture at 1024 pixels, and of one with a side above 768 the tiles of 768 that come nearest
    to its shape: six of a page (2 by 3), four of a square, three of a strip of 3 to 1. A query for each 16
    patches, and one token between them and what follows.
    """
    wide, high = sides or _PAGE
    longer = max(wide, high) if sides else math.sqrt(pixels * high / wide)
    columns, rows = closest_grid(wide, high, _TILE, *_TILES) if longer > _TILE else (0, 0)
    tiles = columns * rows
    patches = (_SIDE // _PATCH) ** 2 + tiles * (_TILE // _PATCH) ** 2
    return PictureSize(patches, patches // _PATCHES_A_QUERY + 1, 1 + tiles)
