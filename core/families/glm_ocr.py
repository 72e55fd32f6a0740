"""GLM-OCR."""

from __future__ import annotations

from collections.abc import Iterator

from .blocks import Weight, language_model, linear, norm, text_config, vision_blocks, vision_config
from .family import Config


def weights(config: Config) -> Iterator[Weight]:
    """A tower like GLM-4V with norms of queries and keys, a GLM-4 decoder; gate and up are one matrix."""
    seen, text, tower = vision_config(config), text_config(config), "model.visual"
    width, ffn, depth, patch = (
        seen[name] for name in ("hidden_size", "intermediate_size", "depth", "patch_size")
    )
    out, bias = seen["out_hidden_size"], bool(seen["attention_bias"])
    kernel = (width, seen["in_channels"], seen["temporal_patch_size"], patch, patch)
    yield Weight(f"{tower}.patch_embed.proj.weight", kernel)
    yield Weight(f"{tower}.patch_embed.proj.bias", (width,))
    mlp = (("gate_proj", width, ffn), ("up_proj", width, ffn), ("down_proj", ffn, width))
    yield from vision_blocks(f"{tower}.blocks.*", width, depth, mlp, bias, False)
    for name in ("q_norm", "k_norm"):
        yield from norm(f"{tower}.blocks.*.attn.{name}", width // seen["num_heads"], copies=depth)
    yield from linear(f"{tower}.merger.proj", out, out, False)
    yield from norm(f"{tower}.merger.post_projection_norm", out, True)
    inner = seen["in_channels"] * out
    for name, inside, outside in (
        ("gate_proj", out, inner),
        ("up_proj", out, inner),
        ("down_proj", inner, out),
    ):
        yield from linear(f"{tower}.merger.{name}", inside, outside, False)
    merge = seen["spatial_merge_size"]
    yield Weight(f"{tower}.downsample.weight", (out, width, merge, merge))
    yield Weight(f"{tower}.downsample.bias", (out,))
    yield from norm(f"{tower}.post_layernorm", width)
    language, layers = "model.language_model", text["num_hidden_layers"]
    for weight in language_model(config, language, bias=False, head_norms=False):
        if weight.name.endswith("mlp.gate_proj.weight"):
            joint = weight.name.replace("gate_proj", "gate_up_proj")
            yield Weight(joint, (2 * weight.shape[0], weight.shape[1]), True, layers)
        elif not weight.name.endswith("mlp.up_proj.weight"):
            yield weight
    for name in ("post_self_attn_layernorm", "post_mlp_layernorm"):
        yield from norm(f"{language}.layers.*.{name}", text["hidden_size"], copies=layers)
