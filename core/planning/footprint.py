"""Bytes that a model needs at one precision for one workload, each term with where its number comes from."""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from ..catalog import family_of_model_type
from ..errors import VramwiseError
from .shapes import (
    Config,
    Tensor,
    Weight,
    head_dim,
    text_config,
    vision_config,
    weights_of_config,
    weights_of_files,
)

GIB, MIB = 1024**3, 1024**2
PRECISIONS = ("bf16", "fp16", "int8", "int4", "fp32")
_WIDTH = {"bf16": 2, "fp16": 2, "int8": 2, "int4": 2, "fp32": 4}

# bitsandbytes: 4-bit blocks of 64 values; double quantisation puts their scales into blocks of 256.
_BLOCK, _NESTED_BLOCK = 64, 256
# A matrix's own tables under double quantisation: 16 and 256 fp32 codes and an fp32 offset.
_NF4_TABLES = 16 * 4 + 256 * 4 + 4

# Not measured on a GPU by us: reference/models.md 4, context and library workspaces beside the first model.
_CONTEXT_BYTES = int(0.6 * GIB)
# The most that was measured for one channel of one patch (Qwen3-VL-8B, 52,992 bytes at width 1152).
_BYTES_PER_CHANNEL = 46
# Names of vision towers where the catalog has no row for the model_type.
_VISION_NAMES = ("visual", "vision_tower", "vision_model", "vision_encoder")


@dataclass(frozen=True)
class Workload:
    """What is read at once: ``images`` of ``pixels`` each, and the tokens of one prompt and one answer.

    ``pixels`` is what the model gets to see, after resizing; for GOT the sum over its tiles.
    """

    pixels: int
    images: int = 1
    prompt_tokens: int = 128
    new_tokens: int = 2048


@dataclass(frozen=True)
class Term:
    """One summand. ``name`` is weights, kv, activations, attention, context or margin."""

    name: str
    bytes: int
    source: str


@dataclass(frozen=True)
class Footprint:
    """The sum of ``terms`` at one ``precision``."""

    precision: str
    terms: tuple[Term, ...]

    def _sum(self, *names: str) -> int:
        return sum(term.bytes for term in self.terms if term.name in names)

    @property
    def weights_bytes(self) -> int:
        return self._sum("weights")

    @property
    def kv_bytes(self) -> int:
        return self._sum("kv")

    @property
    def activation_bytes(self) -> int:
        return self._sum("activations", "attention")

    @property
    def overhead_bytes(self) -> int:
        return self._sum("context", "margin")

    @property
    def need_bytes(self) -> int:
        return sum(term.bytes for term in self.terms)


def footprint(
    config: Config,
    tensors: Mapping[str, Tensor] | None,
    precision: str,
    *,
    workload: Workload,
    quantise_vision: bool = False,
    attention: str = "sdpa",
    device_kind: str = "cuda",
) -> Footprint:
    """The footprint of one model.

    ``tensors`` are the safetensors headers, None when the files are not here: then the shapes come from
    ``config``. Raises VramwiseError for an unknown precision, and where neither tells the size.
    """
    weights = weights_term(config, tensors, precision, quantise_vision)
    return with_weights(weights, config, precision, workload, attention, device_kind)


def weights_term(
    config: Config, tensors: Mapping[str, Tensor] | None, precision: str, quantise_vision: bool
) -> Term:
    """The weights alone: the part of a footprint that no workload changes."""
    weights = weights_of_config(config) if tensors is None else weights_of_files(tensors, config)
    read_from = "config.json" if tensors is None else "safetensors headers"
    held = weight_bytes(weights, precision, kept_16bit(config, quantise_vision))
    return Term("weights", held, f"{read_from}; {_RULES[precision]}")


def with_weights(
    weights: Term, config: Config, precision: str, workload: Workload, attention: str, device_kind: str
) -> Footprint:
    """The footprint around a known ``weights`` term."""
    terms = [weights, *_reading_terms(config, precision, attention, workload)]
    held, beside = weights.bytes, sum(term.bytes for term in terms[1:])
    if device_kind == "cpu":
        terms.append(Term("context", 0, "the CPU has no device context"))
    else:
        terms.append(
            Term(
                "context", _CONTEXT_BYTES, "0.6 GiB for the device context and library workspaces, estimated"
            )
        )
    terms.append(
        Term(
            "margin",
            beside // 20 + held // 100,
            "our choice for rounding and fragmentation: 5 % of activations and KV cache, 1 % of the weights",
        )
    )
    return Footprint(precision, tuple(terms))


_RULES = {
    "bf16": "2 bytes a parameter",
    "fp16": "2 bytes a parameter",
    "fp32": "4 bytes a parameter",
    "int8": "bitsandbytes int8: 1 byte a parameter and 4 a row of each quantised nn.Linear, 2 elsewhere",
    "int4": "bitsandbytes nf4, double quantisation: 1/2 byte a parameter, 1 a block of 64, 4 a block "
    "of 16384 of each quantised nn.Linear, 2 elsewhere",
}


def weight_bytes(
    weights: Iterable[Weight],
    precision: str,
    keep_16bit: Iterable[str] = ("lm_head",),
    *,
    double_quant: bool = True,
) -> int:
    """Bytes of ``weights`` as transformers and bitsandbytes hold them.

    A Linear stays 16-bit when a part of its dotted name is the last part of one of ``keep_16bit`` (files of
    older checkpoints say ``visual`` where the class says ``model.visual``).
    """
    if precision not in PRECISIONS:
        raise VramwiseError(f'There is no precision "{precision}". Use one of: {", ".join(PRECISIONS)}.')
    kept = {name.rpartition(".")[2] for name in keep_16bit}
    total = 0
    for weight in weights:
        if weight.stored_bytes is not None:
            total += weight.stored_bytes * weight.copies
        elif weight.linear and precision in ("int8", "int4") and kept.isdisjoint(weight.name.split(".")):
            total += _quantised_bytes(weight, precision, double_quant) * weight.copies
        else:
            total += weight.count * _WIDTH[precision]
    return total


def _quantised_bytes(weight: Weight, precision: str, double_quant: bool) -> int:
    count = math.prod(weight.shape)
    if precision == "int8":
        return count + 4 * weight.shape[0]
    blocks = math.ceil(count / _BLOCK)
    if not double_quant:
        return math.ceil(count / 2) + 4 * blocks + 16 * 4
    return math.ceil(count / 2) + blocks + 4 * math.ceil(blocks / _NESTED_BLOCK) + _NF4_TABLES


def kept_16bit(config: Config, quantise_vision: bool) -> tuple[str, ...]:
    """Module names that quantisation leaves alone, as the catalog's family has them."""
    family = family_of_model_type(str(config.get("model_type")))
    if family is None:
        return ("lm_head",) if quantise_vision else ("lm_head", *_VISION_NAMES)
    return family.keep_16bit if quantise_vision else (*family.keep_16bit, *family.vision_modules)


def reading_bytes(config: Config, precision: str, attention: str = "sdpa") -> Callable[[int, int, int], int]:
    """``(pixels, images, new_tokens) -> bytes`` beside the weights while reading: activations and KV cache.

    What an engine hands to Owner.use before each micro-batch.
    """

    def beside(pixels: int, images: int, new_tokens: int) -> int:
        workload = Workload(pixels, images, new_tokens=new_tokens)
        return sum(term.bytes for term in _reading_terms(config, precision, attention, workload))

    return beside


def _reading_terms(config: Config, precision: str, attention: str, workload: Workload) -> list[Term]:
    text, scale = text_config(config), _WIDTH[precision] // 2
    try:
        layers, size = int(text["num_hidden_layers"]), head_dim(text)
        heads = int(text.get("num_key_value_heads") or text["num_attention_heads"])
        text["hidden_size"]
    except KeyError as error:
        raise VramwiseError(
            f"config.json of this {config.get('model_type')} model does not give {error}, so the memory for "
            "reading cannot be computed. Its file is damaged: download the folder again."
        ) from None
    token_bytes = 2 * layers * heads * size * _WIDTH[precision]
    tokens = image_tokens(config, workload.pixels) + workload.prompt_tokens + workload.new_tokens
    kv = Term(
        "kv",
        token_bytes * tokens * workload.images,
        f"config.json: 2 x {layers} layers x {heads} heads x {size} x {_WIDTH[precision]} bytes "
        f"x {tokens} tokens" + (f" x {workload.images} images" if workload.images > 1 else ""),
    )
    return [kv, *_activation_terms(config, attention, workload, scale)]


def image_tokens(config: Config, pixels: int) -> int:
    """Tokens that one picture of ``pixels`` becomes."""
    vision = vision_config(config)
    if config.get("model_type") == "got_ocr2":
        tiles = math.ceil(pixels / _tile_pixels(vision))
        return _got_tile_tokens(vision) * (tiles + 1 if tiles > 1 else 1)  # several tiles bring a thumbnail
    return math.ceil(patches(config, pixels) / _merge(config, vision) ** 2)


def patches(config: Config, pixels: int) -> int:
    """Patches that the vision tower sees of one picture of ``pixels``."""
    patch = int(vision_config(config).get("patch_size", 14))
    return math.ceil(pixels / patch**2)


def _merge(config: Config, vision: Config) -> int:
    for given in (vision, config):
        for name in ("spatial_merge_size", "scale_factor"):
            if name in given:
                return int(given[name])
    return 1


def _tile_pixels(vision: Config) -> int:
    return int(vision["image_size"]) ** 2


def _got_tile_tokens(vision: Config) -> int:
    """256 for a tile of 1024: two convolutions of stride 2 leave a sixteenth of the patches."""
    return max(1, (int(vision["image_size"]) // int(vision["patch_size"])) ** 2 // 16)


@functools.cache
def _measured() -> tuple[Mapping[str, str], ...]:
    text = resources.files(__package__).joinpath("activations.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _activation_terms(config: Config, attention: str, workload: Workload, scale: int) -> list[Term]:
    vision, text = vision_config(config), text_config(config)
    width = int(vision.get("embed_dim") or vision.get("hidden_size") or 1024)
    row = _nearest_row(str(config.get("model_type")), width, int(text["hidden_size"]))
    if row is not None and row["per"] == "tile":
        return [_tile_term(row, vision, scale)]
    total = patches(config, workload.pixels) * workload.images
    if row is None:
        per_patch: float = _BYTES_PER_CHANNEL * width
        source = f"{_BYTES_PER_CHANNEL} bytes a channel and patch, the most measured of the families known"
    else:
        measured = int(row["measured_mib"]) * MIB / int(row["patches"])
        per_patch = measured * width / int(row["vision_width"])
        same = width == int(row["vision_width"])
        source = f"{measured / 1024:.1f} KiB a patch measured; {row['source']}" + (
            "" if same else f"; scaled from width {row['vision_width']} to {width}"
        )
    terms = [Term("activations", int(per_patch * total) * scale, f"{total} patches x {source}")]
    if attention == "eager":
        heads = int(vision.get("num_heads") or vision.get("num_attention_heads") or 16)
        matrix = patches(config, workload.pixels) ** 2 * heads * (2 * scale + 4)
        terms.append(
            Term(
                "attention", matrix, f"eager: {heads} heads x patches^2 x (scores and fp32 softmax), computed"
            )
        )
    return terms


def _nearest_row(model_type: str, vision_width: int, text_width: int) -> Mapping[str, str] | None:
    rows = [row for row in _measured() if row["model_type"] == model_type]
    return min(
        rows,
        key=lambda row: (
            abs(int(row["vision_width"]) - vision_width),
            abs(int(row["text_width"]) - text_width),
        ),
        default=None,
    )


def _tile_term(row: Mapping[str, str], vision: Config, scale: int) -> Term:
    """One tile at a time, whatever the number of tiles and pictures: the engine encodes them in turn."""
    grid = (int(vision["image_size"]) // int(vision["patch_size"])) ** 2
    heads = int(vision["num_attention_heads"])
    ratio = (grid / int(row["patches"])) ** 2 * heads / 12
    source = f"{row['measured_mib']} MiB a tile measured, tiles are encoded one by one; {row['source']}"
    if ratio != 1:
        source += "; scaled by patches^2 x heads"
    return Term("activations", int(int(row["measured_mib"]) * MIB * ratio) * scale, source)
