"""LightOnOCR."""

from __future__ import annotations

from collections.abc import Iterator

from .blocks import Weight, language_model, linear, norm, text_config, vision_config
from .family import Config


def weights(config: Config) -> Iterator[Weight]:
    """Pixtral's tower, Mistral 3's merger of patches, a Qwen3 decoder."""
    seen, text, tower = vision_config(config), text_config(config), "model.vision_encoder"
    width, ffn, depth, patch = (
        seen[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "patch_size")
    )
    yield Weight(f"{tower}.patch_conv.weight", (width, seen["num_channels"], patch, patch))
    yield from norm(f"{tower}.ln_pre", width)
    layer = f"{tower}.transformer.layers.*"
    for name in ("attention_norm", "ffn_norm"):
        yield from norm(f"{layer}.{name}", width, copies=depth)
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        yield from linear(f"{layer}.attention.{name}", width, width, False, depth)
    for name, inside, outside in (
        ("gate_proj", width, ffn),
        ("up_proj", width, ffn),
        ("down_proj", ffn, width),
    ):
        yield from linear(f"{layer}.feed_forward.{name}", inside, outside, False, depth)
    merger, out = "model.vision_projection", text["hidden_size"]
    yield from norm(f"{merger}.norm", width)
    yield from linear(
        f"{merger}.patch_merger.merging_layer", width * config["spatial_merge_size"] ** 2, width, False
    )
    yield from linear(f"{merger}.linear_1", width, out, False)
    yield from linear(f"{merger}.linear_2", out, out, False)
    yield from language_model(
        config, "model.language_model", bias=bool(text["attention_bias"]), head_norms=True
    )
