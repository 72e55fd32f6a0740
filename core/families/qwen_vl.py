"""Qwen2-VL and Qwen3-VL: a vision tower with a merger, a Qwen decoder."""

from __future__ import annotations

from collections.abc import Iterator

from .blocks import Weight, language_model, linear, norm, text_config, vision_blocks, vision_config
from .family import Config


def qwen2_vl(config: Config) -> Iterator[Weight]:
    seen = vision_config(config)
    width, patch = seen["embed_dim"], seen["patch_size"]
    ffn, joined = int(width * seen["mlp_ratio"]), width * seen["spatial_merge_size"] ** 2
    out = text_config(config)["hidden_size"]
    channels = seen.get("in_channels", seen.get("in_chans", 3))
    yield Weight(
        "model.visual.patch_embed.proj.weight", (width, channels, seen["temporal_patch_size"], patch, patch)
    )
    mlp = (("fc1", width, ffn), ("fc2", ffn, width))
    yield from vision_blocks("model.visual.blocks.*", width, seen["depth"], mlp, True, True)
    yield from norm("model.visual.merger.ln_q", width, True)
    yield from linear("model.visual.merger.mlp.0", joined, joined, True)
    yield from linear("model.visual.merger.mlp.2", joined, out, True)
    yield from language_model(config, "model.language_model", bias=True, head_norms=False)


def qwen3_vl(config: Config) -> Iterator[Weight]:
    seen = vision_config(config)
    width, ffn, patch = seen["hidden_size"], seen["intermediate_size"], seen["patch_size"]
    joined, out = width * seen["spatial_merge_size"] ** 2, seen["out_hidden_size"]
    kernel = (width, seen.get("in_channels", 3), seen["temporal_patch_size"], patch, patch)
    yield Weight("model.visual.patch_embed.proj.weight", kernel)
    yield Weight("model.visual.patch_embed.proj.bias", (width,))
    yield Weight("model.visual.pos_embed.weight", (seen["num_position_embeddings"], width))
    mlp = (("linear_fc1", width, ffn), ("linear_fc2", ffn, width))
    yield from vision_blocks("model.visual.blocks.*", width, seen["depth"], mlp, True, True)
    deep = len(seen["deepstack_visual_indexes"])
    for name, norm_width, copies in (("merger", width, 1), ("deepstack_merger_list.*", joined, deep)):
        yield from norm(f"model.visual.{name}.norm", norm_width, True, copies)
        yield from linear(f"model.visual.{name}.linear_fc1", joined, joined, True, copies)
        yield from linear(f"model.visual.{name}.linear_fc2", joined, out, True, copies)
    yield from language_model(config, "model.language_model", bias=False, head_norms=True)
