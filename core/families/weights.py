"""Every weight of a model by name and shape: from safetensors headers, else from config.json.

The formulas are checked against the real classes of transformers on the meta device, name by name.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from math import prod
from typing import Any, Protocol

from ..errors import VramwiseError

Config = Mapping[str, Any]


class Tensor(Protocol):
    """What is read of core.weights.checkpoints.TensorInfo."""

    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def nbytes(self) -> int: ...


@dataclass(frozen=True)
class Weight:
    """``copies`` equal tensors, one a layer. ``linear``: the matrix of an nn.Linear, all that bitsandbytes
    quantises. ``stored_bytes`` of one is given when it stays as the file holds it (a checkpoint saved
    quantised), else None.
    """

    name: str
    shape: tuple[int, ...]
    linear: bool = False
    copies: int = 1
    stored_bytes: int | None = None

    @property
    def count(self) -> int:
        return prod(self.shape) * self.copies


# GOT-OCR-2.0-hf leaves out of its config.json what equals the class defaults of transformers 5.23.0.
_DEFAULTS: Mapping[str, Mapping[str, Config]] = {
    "got_ocr2": {
        "text": {
            "hidden_size": 1024,
            "intermediate_size": 2816,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "vocab_size": 151860,
            "tie_word_embeddings": True,
        },
        "vision": {
            "hidden_size": 768,
            "output_channels": 256,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "num_channels": 3,
            "image_size": 1024,
            "patch_size": 16,
            "window_size": 14,
            "global_attn_indexes": [2, 5, 8, 11],
            "mlp_dim": 3072,
        },
    },
    "qwen2_vl": {
        "vision": {"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "mlp_ratio": 4}
    },
    "qwen3_vl": {"vision": {"patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2}},
    "dots_ocr": {"vision": {"patch_size": 14, "spatial_merge_size": 2, "post_norm": True, "use_bias": False}},
}


def text_config(config: Config) -> dict[str, Any]:
    """The language model's part. Older files keep it at the top level."""
    defaults = _DEFAULTS.get(str(config.get("model_type")), {}).get("text", {})
    return {**defaults, **config, **(config.get("text_config") or {})}


def vision_config(config: Config) -> dict[str, Any]:
    """The vision tower's part, with the defaults of its class."""
    defaults = _DEFAULTS.get(str(config.get("model_type")), {}).get("vision", {})
    return {**defaults, **(config.get("vision_config") or {})}


def tied(config: Config) -> bool | None:
    """Whether lm_head and the embedding are one tensor; None where the config does not say."""
    if "tie_word_embeddings" in config:
        return bool(config["tie_word_embeddings"])
    said = text_config(config).get("tie_word_embeddings")
    return None if said is None else bool(said)


def head_dim(text: Config) -> int:
    return int(text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"])


@functools.cache
def _published() -> dict[str, dict[str, Any]]:
    text = resources.files(__package__).joinpath("configs.json").read_text(encoding="utf-8")
    return {row["repo"].lower(): row for row in json.loads(text)}


def published_config(repo: str) -> Config | None:
    """The architecture of a catalogued repository whose files are not here, or None when it is not known."""
    row = _published().get(repo.lower())
    return None if row is None else row["config"]


def read_from(config: Config) -> str:
    """Where ``config`` is from, in a few words: the catalog's note on an architecture of its own, else the
    file.
    """
    sources = (row["source"] for row in _published().values() if row["config"] == config)
    return str(next(sources, "config.json")).partition(" (")[0]


def weights_of_files(tensors: Mapping[str, Tensor], config: Config) -> tuple[Weight, ...]:
    """From safetensors headers. A matrix named ``*.weight`` is an nn.Linear's unless of an embedding.

    A tied lm_head that the file repeats is counted once.
    """
    once = tied(config) and any(name.endswith("embed_tokens.weight") for name in tensors)
    rows = []
    for name, tensor in tensors.items():
        if once and name.split(".")[-2:] == ["lm_head", "weight"]:
            continue
        parts = name.split(".")
        linear = (
            len(tensor.shape) == 2 and parts[-1] == "weight" and len(parts) > 1 and "embed" not in parts[-2]
        )
        kept = tensor.dtype.upper() in ("BF16", "F16", "F32", "F64")
        stored = None if kept and "quantization_config" not in config else tensor.nbytes
        rows.append(Weight(name, tuple(tensor.shape), linear, stored_bytes=stored))
    return tuple(rows)


def weights_of_config(config: Config) -> tuple[Weight, ...]:
    """From config.json alone, for the families whose classes the formulas below follow.

    Raises VramwiseError for another model_type or where a number is missing.
    """
    model_type = str(config.get("model_type"))
    family = _FAMILIES.get(model_type)
    if family is None:
        raise VramwiseError(
            f'The size of a "{model_type}" model is only known from its files, and they are not here. '
            f"Download them first, or choose one of: {', '.join(_FAMILIES)}."
        )
    try:
        return tuple(family(config))
    except KeyError as error:
        raise VramwiseError(
            f"config.json of this {model_type} model does not give {error}, so its size cannot be computed. "
            "Its file is damaged or of a newer form: download the folder again or update VRAMwise."
        ) from None


def _linear(name: str, inside: int, outside: int, bias: bool, copies: int = 1) -> Iterator[Weight]:
    yield Weight(f"{name}.weight", (outside, inside), True, copies)
    if bias:
        yield Weight(f"{name}.bias", (outside,), copies=copies)


def _norm(name: str, width: int, bias: bool = False, copies: int = 1) -> Iterator[Weight]:
    yield Weight(f"{name}.weight", (width,), copies=copies)
    if bias:
        yield Weight(f"{name}.bias", (width,), copies=copies)


def _language_model(config: Config, prefix: str, bias: bool, head_norms: bool) -> Iterator[Weight]:
    """A Qwen2 or Qwen3 decoder with its embedding and, unless tied, lm_head."""
    text = text_config(config)
    width, ffn, layers = text["hidden_size"], text["intermediate_size"], text["num_hidden_layers"]
    size = head_dim(text)
    queries, keys = text["num_attention_heads"] * size, text["num_key_value_heads"] * size
    yield Weight(f"{prefix}.embed_tokens.weight", (text["vocab_size"], width))
    layer = f"{prefix}.layers.*"
    for name, out in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
        yield from _linear(f"{layer}.self_attn.{name}", width, out, bias, layers)
    yield from _linear(f"{layer}.self_attn.o_proj", queries, width, False, layers)
    if head_norms:
        yield from _norm(f"{layer}.self_attn.q_norm", size, copies=layers)
        yield from _norm(f"{layer}.self_attn.k_norm", size, copies=layers)
    for name in ("gate_proj", "up_proj"):
        yield from _linear(f"{layer}.mlp.{name}", width, ffn, False, layers)
    yield from _linear(f"{layer}.mlp.down_proj", ffn, width, False, layers)
    for name in ("input_layernorm", "post_attention_layernorm"):
        yield from _norm(f"{layer}.{name}", width, copies=layers)
    yield from _norm(f"{prefix}.norm", width)
    if not tied(config):
        yield from _linear("lm_head", width, text["vocab_size"], False)


def _blocks(
    prefix: str, width: int, depth: int, mlp: Sequence[tuple[str, int, int]], bias: bool, norm_bias: bool
) -> Iterator[Weight]:
    """``depth`` transformer blocks with a joint qkv; ``mlp`` as (name, inside, outside)."""
    for name in ("norm1", "norm2"):
        yield from _norm(f"{prefix}.{name}", width, norm_bias, depth)
    yield from _linear(f"{prefix}.attn.qkv", width, 3 * width, bias, depth)
    yield from _linear(f"{prefix}.attn.proj", width, width, bias, depth)
    for name, inside, outside in mlp:
        yield from _linear(f"{prefix}.mlp.{name}", inside, outside, bias, depth)


def _qwen2_vl(config: Config) -> Iterator[Weight]:
    seen = vision_config(config)
    width, patch = seen["embed_dim"], seen["patch_size"]
    ffn, joined = int(width * seen["mlp_ratio"]), width * seen["spatial_merge_size"] ** 2
    out = text_config(config)["hidden_size"]
    channels = seen.get("in_channels", seen.get("in_chans", 3))
    yield Weight(
        "model.visual.patch_embed.proj.weight", (width, channels, seen["temporal_patch_size"], patch, patch)
    )
    mlp = (("fc1", width, ffn), ("fc2", ffn, width))
    yield from _blocks("model.visual.blocks.*", width, seen["depth"], mlp, True, True)
    yield from _norm("model.visual.merger.ln_q", width, True)
    yield from _linear("model.visual.merger.mlp.0", joined, joined, True)
    yield from _linear("model.visual.merger.mlp.2", joined, out, True)
    yield from _language_model(config, "model.language_model", bias=True, head_norms=False)


def _qwen3_vl(config: Config) -> Iterator[Weight]:
    seen = vision_config(config)
    width, ffn, patch = seen["hidden_size"], seen["intermediate_size"], seen["patch_size"]
    joined, out = width * seen["spatial_merge_size"] ** 2, seen["out_hidden_size"]
    kernel = (width, seen.get("in_channels", 3), seen["temporal_patch_size"], patch, patch)
    yield Weight("model.visual.patch_embed.proj.weight", kernel)
    yield Weight("model.visual.patch_embed.proj.bias", (width,))
    yield Weight("model.visual.pos_embed.weight", (seen["num_position_embeddings"], width))
    mlp = (("linear_fc1", width, ffn), ("linear_fc2", ffn, width))
    yield from _blocks("model.visual.blocks.*", width, seen["depth"], mlp, True, True)
    deep = len(seen["deepstack_visual_indexes"])
    for name, norm_width, copies in (("merger", width, 1), ("deepstack_merger_list.*", joined, deep)):
        yield from _norm(f"model.visual.{name}.norm", norm_width, True, copies)
        yield from _linear(f"model.visual.{name}.linear_fc1", joined, joined, True, copies)
        yield from _linear(f"model.visual.{name}.linear_fc2", joined, out, True, copies)
    yield from _language_model(config, "model.language_model", bias=False, head_norms=True)


def _got_ocr2(config: Config) -> Iterator[Weight]:
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
        yield from _norm(f"{layer}.{name}", width, True, depth)
    yield from _linear(f"{layer}.attn.qkv", width, 3 * width, True, depth)
    yield from _linear(f"{layer}.attn.proj", width, width, True, depth)
    yield from _linear(f"{layer}.mlp.lin1", width, ffn, True, depth)
    yield from _linear(f"{layer}.mlp.lin2", ffn, width, True, depth)
    yield Weight(f"{tower}.neck.conv1.weight", (out, width, 1, 1))
    yield Weight(f"{tower}.neck.conv2.weight", (out, out, 3, 3))
    yield from _norm(f"{tower}.neck.layer_norm1", out, True)
    yield from _norm(f"{tower}.neck.layer_norm2", out, True)
    yield Weight("model.multi_modal_projector.conv_upsampler1.weight", (2 * out, out, 3, 3))
    joint = text["hidden_size"]
    yield Weight("model.multi_modal_projector.conv_upsampler2.weight", (joint, 2 * out, 3, 3))
    yield from _linear("model.multi_modal_projector.multimodal_projector", joint, joint, True)
    yield from _language_model(config, "model.language_model", bias=True, head_norms=False)


def _dots_ocr(config: Config) -> Iterator[Weight]:
    seen = vision_config(config)
    width, ffn, patch = seen["embed_dim"], seen["intermediate_size"], seen["patch_size"]
    bias, joined = bool(seen["use_bias"]), width * seen["spatial_merge_size"] ** 2
    embedding = "vision_tower.patch_embed.patchifier"
    yield Weight(f"{embedding}.proj.weight", (width, seen.get("num_channels", 3), patch, patch))
    yield Weight(f"{embedding}.proj.bias", (width,))
    yield from _norm(f"{embedding}.norm", width)
    mlp = (("fc1", width, ffn), ("fc2", ffn, width), ("fc3", width, ffn))
    yield from _blocks("vision_tower.blocks.*", width, seen["num_hidden_layers"], mlp, bias, False)
    if seen["post_norm"]:
        yield from _norm("vision_tower.post_trunk_norm", width)
    yield from _norm("vision_tower.merger.ln_q", width, True)
    yield from _linear("vision_tower.merger.mlp.0", joined, joined, True)
    yield from _linear("vision_tower.merger.mlp.2", joined, text_config(config)["hidden_size"], True)
    yield from _language_model(config, "model", bias=True, head_norms=False)


def _glm_ocr(config: Config) -> Iterator[Weight]:
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
    yield from _blocks(f"{tower}.blocks.*", width, depth, mlp, bias, False)
    for name in ("q_norm", "k_norm"):
        yield from _norm(f"{tower}.blocks.*.attn.{name}", width // seen["num_heads"], copies=depth)
    yield from _linear(f"{tower}.merger.proj", out, out, False)
    yield from _norm(f"{tower}.merger.post_projection_norm", out, True)
    inner = seen["in_channels"] * out
    for name, inside, outside in (
        ("gate_proj", out, inner),
        ("up_proj", out, inner),
        ("down_proj", inner, out),
    ):
        yield from _linear(f"{tower}.merger.{name}", inside, outside, False)
    merge = seen["spatial_merge_size"]
    yield Weight(f"{tower}.downsample.weight", (out, width, merge, merge))
    yield Weight(f"{tower}.downsample.bias", (out,))
    yield from _norm(f"{tower}.post_layernorm", width)
    language, layers = "model.language_model", text["num_hidden_layers"]
    for weight in _language_model(config, language, bias=False, head_norms=False):
        if weight.name.endswith("mlp.gate_proj.weight"):
            joint = weight.name.replace("gate_proj", "gate_up_proj")
            yield Weight(joint, (2 * weight.shape[0], weight.shape[1]), True, layers)
        elif not weight.name.endswith("mlp.up_proj.weight"):
            yield weight
    for name in ("post_self_attn_layernorm", "post_mlp_layernorm"):
        yield from _norm(f"{language}.layers.*.{name}", text["hidden_size"], copies=layers)


def _siglip(tower: str, seen: Mapping[str, Any]) -> Iterator[Weight]:
    width, ffn, depth, patch = (
        seen[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "patch_size")
    )
    yield Weight(f"{tower}.embeddings.patch_embedding.weight", (width, seen["num_channels"], patch, patch))
    yield Weight(f"{tower}.embeddings.patch_embedding.bias", (width,))
    yield Weight(f"{tower}.embeddings.position_embedding.weight", ((seen["image_size"] // patch) ** 2, width))
    layer = f"{tower}.encoder.layers.*"
    for name in ("layer_norm1", "layer_norm2"):
        yield from _norm(f"{layer}.{name}", width, True, depth)
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        yield from _linear(f"{layer}.self_attn.{name}", width, width, True, depth)
    yield from _linear(f"{layer}.mlp.fc1", width, ffn, True, depth)
    yield from _linear(f"{layer}.mlp.fc2", ffn, width, True, depth)
    yield from _norm(f"{tower}.post_layernorm", width, True)


def _paddleocr_vl(config: Config) -> Iterator[Weight]:
    """SigLIP, a projector over squares of patches, an ERNIE 4.5 decoder."""
    seen, text = vision_config(config), text_config(config)
    yield from _siglip("model.visual.vision_model", seen)
    width = seen["hidden_size"]
    joined = width * seen["spatial_merge_size"] ** 2
    yield from _norm("model.projector.pre_norm", width, True)
    yield from _linear("model.projector.linear_1", joined, joined, True)
    yield from _linear("model.projector.linear_2", joined, text["hidden_size"], True)
    yield from _language_model(config, "model.language_model", bias=bool(text["use_bias"]), head_norms=False)


def _idefics3(config: Config) -> Iterator[Weight]:
    """SigLIP, one matrix over squares of patches, a Llama decoder."""
    seen, text = vision_config(config), text_config(config)
    yield from _siglip("model.vision_model", seen)
    joined = seen["hidden_size"] * config["scale_factor"] ** 2
    yield from _linear("model.connector.modality_projection.proj", joined, text["hidden_size"], False)
    yield from _language_model(config, "model.text_model", bias=False, head_norms=False)


def _lighton_ocr(config: Config) -> Iterator[Weight]:
    """Pixtral's tower, Mistral 3's merger of patches, a Qwen3 decoder."""
    seen, text, tower = vision_config(config), text_config(config), "model.vision_encoder"
    width, ffn, depth, patch = (
        seen[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "patch_size")
    )
    yield Weight(f"{tower}.patch_conv.weight", (width, seen["num_channels"], patch, patch))
    yield from _norm(f"{tower}.ln_pre", width)
    layer = f"{tower}.transformer.layers.*"
    for name in ("attention_norm", "ffn_norm"):
        yield from _norm(f"{layer}.{name}", width, copies=depth)
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        yield from _linear(f"{layer}.attention.{name}", width, width, False, depth)
    for name, inside, outside in (
        ("gate_proj", width, ffn),
        ("up_proj", width, ffn),
        ("down_proj", ffn, width),
    ):
        yield from _linear(f"{layer}.feed_forward.{name}", inside, outside, False, depth)
    merger, out = "model.vision_projection", text["hidden_size"]
    yield from _norm(f"{merger}.norm", width)
    yield from _linear(
        f"{merger}.patch_merger.merging_layer", width * config["spatial_merge_size"] ** 2, width, False
    )
    yield from _linear(f"{merger}.linear_1", width, out, False)
    yield from _linear(f"{merger}.linear_2", out, out, False)
    yield from _language_model(
        config, "model.language_model", bias=bool(text["attention_bias"]), head_norms=True
    )


_FAMILIES: Mapping[str, Callable[[Config], Iterator[Weight]]] = {
    "got_ocr2": _got_ocr2,
    "qwen2_vl": _qwen2_vl,
    "qwen3_vl": _qwen3_vl,
    "dots_ocr": _dots_ocr,
    "glm_ocr": _glm_ocr,
    "paddleocr_vl": _paddleocr_vl,
    "lighton_ocr": _lighton_ocr,
    "idefics3": _idefics3,
}
