"""Qwen2-VL to Qwen3.5: a vision tower with a merger, a Qwen decoder."""

from __future__ import annotations

from collections.abc import Iterator

from .blocks import (
    Weight,
    full_attention_layers,
    language_model,
    linear,
    norm,
    text_config,
    vision_blocks,
    vision_config,
)
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


def qwen2_5_vl(config: Config) -> Iterator[Weight]:
    seen = vision_config(config)
    width, patch, depth, ffn = (
        seen[name] for name in ("hidden_size", "patch_size", "depth", "intermediate_size")
    )
    joined = width * seen["spatial_merge_size"] ** 2
    channels = seen.get("in_channels", seen.get("in_chans", 3))
    yield Weight(
        "model.visual.patch_embed.proj.weight", (width, channels, seen["temporal_patch_size"], patch, patch)
    )
    gated = (("gate_proj", width, ffn), ("up_proj", width, ffn), ("down_proj", ffn, width))
    yield from vision_blocks("model.visual.blocks.*", width, depth, gated, True, False)
    yield from norm("model.visual.merger.ln_q", width)
    yield from linear("model.visual.merger.mlp.0", joined, joined, True)
    yield from linear("model.visual.merger.mlp.2", joined, seen["out_hidden_size"], True)
    yield from language_model(config, "model.language_model", bias=True, head_norms=False)


def qwen3_vl(config: Config) -> Iterator[Weight]:
    yield from _qwen3_vision(config)
    yield from language_model(config, "model.language_model", bias=False, head_norms=True)


def qwen3_5(config: Config) -> Iterator[Weight]:
    """Three of four layers have Gated DeltaNet in the place of attention; attention's output is gated."""
    yield from _qwen3_vision(config)
    text, prefix = text_config(config), "model.language_model"
    yield from language_model(config, prefix, bias=False, head_norms=True, gated=True)
    linear_layers = text["num_hidden_layers"] - full_attention_layers(text)
    yield from _delta_net(text, f"{prefix}.layers.*.linear_attn", linear_layers)


def _delta_net(text: Config, name: str, copies: int) -> Iterator[Weight]:
    width, heads = text["hidden_size"], text["linear_num_value_heads"]
    values = heads * text["linear_value_head_dim"]
    mixed = 2 * text["linear_num_key_heads"] * text["linear_key_head_dim"] + values
    yield Weight(f"{name}.conv1d.weight", (mixed, 1, text["linear_conv_kernel_dim"]), copies=copies)
    for part in ("dt_bias", "A_log"):
        yield Weight(f"{name}.{part}", (heads,), copies=copies)
    yield from norm(f"{name}.norm", text["linear_value_head_dim"], copies=copies)
    for part, out in (("qkv", mixed), ("z", values), ("b", heads), ("a", heads)):
        yield from linear(f"{name}.in_proj_{part}", width, out, False, copies)
    yield from linear(f"{name}.out_proj", values, width, False, copies)


def _qwen3_vision(config: Config) -> Iterator[Weight]:
    seen = vision_config(config)
    width, ffn, patch = seen["hidden_size"], seen["intermediate_size"], seen["patch_size"]
    joined, out = width * seen["spatial_merge_size"] ** 2, seen["out_hidden_size"]
    kernel = (width, seen.get("in_channels", 3), seen["temporal_patch_size"], patch, patch)
    yield Weight("model.visual.patch_embed.proj.weight", kernel)
    yield Weight("model.visual.patch_embed.proj.bias", (width,))
    yield Weight("model.visual.pos_embed.weight", (seen["num_position_embeddings"], width))
    mlp = (("linear_fc1", width, ffn), ("linear_fc2", ffn, width))
    yield from vision_blocks("model.visual.blocks.*", width, seen["depth"], mlp, True, True)
    deep = len(seen.get("deepstack_visual_indexes") or ())
    for name, norm_width, copies in (("merger", width, 1), ("deepstack_merger_list.*", joined, deep)):
        if not copies:
            continue
        yield from norm(f"model.visual.{name}.norm", norm_width, True, copies)
        yield from linear(f"model.visual.{name}.linear_fc1", joined, joined, True, copies)
        yield from linear(f"model.visual.{name}.linear_fc2", joined, out, True, copies)
