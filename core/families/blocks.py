"""The parts that several families are built of, as named weights; and how a config.json is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

from .family import Config, family_of_config


class Tensor(Protocol):
    """What is read of core.weights.checkpoint_files.TensorInfo."""

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


def text_config(config: Config) -> dict[str, Any]:
    """The language model's part. Older files keep it at the top level."""
    return {**_defaults(config, "text"), **config, **(config.get("text_config") or {})}


def most_positions(config: Config, of_recipe: int = 0) -> int | None:
    """Tokens of prompt and answer together that the language model has positions for
    (``max_position_embeddings`` of its config), and no more than its recipe has (0: it says nothing); None
    where neither says.
    """
    most = text_config(config).get("max_position_embeddings")
    known = [number for number in (most, of_recipe) if isinstance(number, int) and number > 0]
    return min(known, default=None)


def vision_config(config: Config) -> dict[str, Any]:
    """The vision tower's part, with the defaults of its class."""
    return {**_defaults(config, "vision"), **(config.get("vision_config") or {})}


def _defaults(config: Config, part: str) -> Config:
    its = family_of_config(config)
    return {} if its is None else its.defaults.get(part, {})


def tied(config: Config) -> bool | None:
    """Whether lm_head and the embedding are one tensor; None where the config does not say."""
    if "tie_word_embeddings" in config:
        return bool(config["tie_word_embeddings"])
    said = text_config(config).get("tie_word_embeddings")
    return None if said is None else bool(said)


def quantisation_details(config: Config) -> Any:
    """What config.json says of how the folder was quantised: at the top, by the older name, or of the
    language model.
    """
    text = config.get("text_config")
    inner = text.get("quantization_config") if isinstance(text, Mapping) else None
    return config.get("quantization_config") or config.get("compression_config") or inner


def head_dim(text: Config) -> int:
    """Channels of one attention head, from a language model's part."""
    return int(text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"])


def full_attention_layers(text: Config) -> int:
    """Layers with attention over all tokens, which alone have a cache that grows with them. Hybrid models
    name the kind of each layer, or every which one it is.
    """
    layers, kinds = int(text["num_hidden_layers"]), text.get("layer_types")
    if kinds:
        return sum(kind != "linear_attention" for kind in kinds)
    if "linear_num_value_heads" in text:
        return layers // int(text.get("full_attention_interval") or 4)
    return layers


def linear(name: str, inside: int, outside: int, bias: bool, copies: int = 1) -> Iterator[Weight]:
    """An nn.Linear of ``inside`` to ``outside`` channels, ``copies`` times."""
    yield Weight(f"{name}.weight", (outside, inside), True, copies)
    if bias:
        yield Weight(f"{name}.bias", (outside,), copies=copies)


def norm(name: str, width: int, bias: bool = False, copies: int = 1) -> Iterator[Weight]:
    """A norm over ``width`` channels, ``copies`` times."""
    yield Weight(f"{name}.weight", (width,), copies=copies)
    if bias:
        yield Weight(f"{name}.bias", (width,), copies=copies)


def language_model(
    config: Config, prefix: str, bias: bool, head_norms: bool, gated: bool = False
) -> Iterator[Weight]:
    """A Qwen2 or Qwen3 decoder with its embedding and, unless tied, lm_head. ``gated``: queries come with as
    many channels of a gate. Layers with linear attention in the place of it lack that.
    """
    text = text_config(config)
    width, ffn, layers = text["hidden_size"], text["intermediate_size"], text["num_hidden_layers"]
    size, full = head_dim(text), full_attention_layers(text)
    queries, keys = text["num_attention_heads"] * size, text["num_key_value_heads"] * size
    yield Weight(f"{prefix}.embed_tokens.weight", (text["vocab_size"], width))
    layer = f"{prefix}.layers.*"
    for name, out in (("q_proj", queries * (2 if gated else 1)), ("k_proj", keys), ("v_proj", keys)):
        yield from linear(f"{layer}.self_attn.{name}", width, out, bias, full)
    yield from linear(f"{layer}.self_attn.o_proj", queries, width, False, full)
    if head_norms:
        yield from norm(f"{layer}.self_attn.q_norm", size, copies=full)
        yield from norm(f"{layer}.self_attn.k_norm", size, copies=full)
    for name in ("gate_proj", "up_proj"):
        yield from linear(f"{layer}.mlp.{name}", width, ffn, False, layers)
    yield from linear(f"{layer}.mlp.down_proj", ffn, width, False, layers)
    for name in ("input_layernorm", "post_attention_layernorm"):
        yield from norm(f"{layer}.{name}", width, copies=layers)
    yield from norm(f"{prefix}.norm", width)
    if not tied(config):
        yield from linear("lm_head", width, text["vocab_size"], False)


def vision_blocks(
    prefix: str, width: int, depth: int, mlp: Sequence[tuple[str, int, int]], bias: bool, norm_bias: bool
) -> Iterator[Weight]:
    """``depth`` transformer blocks with a joint qkv; ``mlp`` as (name, inside, outside)."""
    for name in ("norm1", "norm2"):
        yield from norm(f"{prefix}.{name}", width, norm_bias, depth)
    yield from linear(f"{prefix}.attn.qkv", width, 3 * width, bias, depth)
    yield from linear(f"{prefix}.attn.proj", width, width, bias, depth)
    for name, inside, outside in mlp:
        yield from linear(f"{prefix}.mlp.{name}", inside, outside, bias, depth)


def siglip(tower: str, seen: Mapping[str, Any]) -> Iterator[Weight]:
    """A SigLIP tower; ``seen`` is its part of the config."""
    width, ffn, depth, patch = (
        seen[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "patch_size")
    )
    yield Weight(f"{tower}.embeddings.patch_embedding.weight", (width, seen["num_channels"], patch, patch))
    yield Weight(f"{tower}.embeddings.patch_embedding.bias", (width,))
    yield Weight(f"{tower}.embeddings.position_embedding.weight", ((seen["image_size"] // patch) ** 2, width))
    layer = f"{tower}.encoder.layers.*"
    for name in ("layer_norm1", "layer_norm2"):
        yield from norm(f"{layer}.{name}", width, True, depth)
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        yield from linear(f"{layer}.self_attn.{name}", width, width, True, depth)
    yield from linear(f"{layer}.mlp.fc1", width, ffn, True, depth)
    yield from linear(f"{layer}.mlp.fc2", ffn, width, True, depth)
    yield from norm(f"{tower}.post_layernorm", width, True)


def sam(tower: str, seen: Mapping[str, Any]) -> Iterator[Weight]:
    """SAM's encoder with relative positions and its neck; ``seen`` is its part of the config."""
    width, patch, out = seen["hidden_size"], seen["patch_size"], seen["output_channels"]
    depth, whole, ffn = seen["num_hidden_layers"], len(seen["global_attn_indexes"]), seen["mlp_dim"]
    grid, size = seen["image_size"] // patch, width // seen["num_attention_heads"]
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
