"""What a folder was saved quantised as, from its config.json: before a byte of weights is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...catalog.precisions import AS_SAVED
from ...catalog.saved_formats import SavedFormat, saved_format
from ...errors import VramwiseError
from ..blocks import Tensor, Weight, quantisation_details
from ..family import Config

# compressed-tensors by the name of its format, where no group of layers tells more.
_COMPRESSED = {
    "float-quantized": "fp8",
    "int-quantized": "int8",
    "marlin-24": "int4",
    "mxfp4-pack-quantized": "mxfp4",
    "nvfp4-pack-quantized": "nvfp4",
    "pack-quantized": "int4",
}
# Ends of the names of tensors that say how a quantised matrix is read.
_BESIDE = (
    *("weight_scale_inv", "weight_scale", "input_scale", "activation_scale", "weight_zero_point", "qzeros"),
    *("scales", "g_idx", "weight_shape", "weight_g_idx", "weight_scale_2", "weight_global_scale"),
    *("input_global_scale", "SCB", "absmax", "quant_map", "nested_absmax", "nested_quant_map"),
    *("quant_state.bitsandbytes__nf4", "quant_state.bitsandbytes__fp4", "qscale_weight", "qscale_act"),
)
_SPELT = (
    (("nvfp4",), "nvfp4"),
    (("float8", "fp8", "qfloat8"), "fp8"),
    (("int4", "uint4", "w4"), "int4"),
    (("int8", "w8"), "int8"),
    (("int2",), "int2"),
)
_PACKED = ("qweight", "weight_packed", "weight_blocks")
_BITS = {"int2": 2, "int3": 3, "int4": 4, "nf4": 4, "nvfp4": 4, "mxfp4": 4, "fp4": 4, "int6": 6}


@dataclass(frozen=True)
class SavedQuantised:
    """``label`` is the number format ("fp8", "awq int4"), ``details`` config.json's own words on it, ``row``
    what is known of the method (None: nothing). ``skipped`` are modules that stayed 16-bit.
    """

    method: str
    label: str
    row: SavedFormat | None
    details: Mapping[str, Any]
    skipped: tuple[str, ...]

    @property
    def precision(self) -> str:
        """How plans and results name it: "fp8 as saved"."""
        return f"{self.label}{AS_SAVED}"

    @property
    def bits(self) -> int:
        """Bits of a weight inside a quantised matrix."""
        return next((bits for name, bits in _BITS.items() if name in self.label.split()), 8)

    def is_asked(self, precision: str) -> bool:
        """Whether a person who asks for ``precision`` means what this folder is."""
        return precision in ("auto", self.precision, *self.label.split())


def saved_quantised(config: Config) -> SavedQuantised | None:
    """What ``config`` says of how the folder was saved; None for 16- and 32-bit weights.

    Raises VramwiseError where it says so in a form that nobody writes.
    """
    told = quantisation_details(config)
    if not told:
        return None
    if not isinstance(told, Mapping):
        raise VramwiseError(
            "The quantization_config in config.json is not the object that it should be: the file is "
            "damaged. Fetch it again."
        )
    method = _method(told)
    return SavedQuantised(method, _label(method, told), saved_format(method), told, _skipped(told))


def _method(told: Mapping[str, Any]) -> str:
    if told.get("load_in_8bit") or told.get("load_in_4bit"):
        return "bitsandbytes"
    named = told.get("quant_method")
    if isinstance(named, str) and named:
        return named.lower() if saved_format(named) is None else str(saved_format(named).method)  # type: ignore[union-attr]
    if "config_groups" in told or "sparsity_config" in told:
        return "compressed-tensors"
    if "quant_algo" in told or "producer" in told:
        return "modelopt"
    return "an unnamed method"


def _label(method: str, told: Mapping[str, Any]) -> str:
    if method == "bitsandbytes":
        return "int8" if told.get("load_in_8bit") else "int4"
    if method in ("fp8", "mxfp8", "mxfp4", "nvfp4"):
        return method
    if method == "fbgemm_fp8":
        return "fp8"
    if method == "compressed-tensors":
        return _compressed_label(told)
    name = method.replace("an unnamed method", "unknown")[:40]
    return f"{name} {_number_format(told)}".strip()


def _number_format(told: Mapping[str, Any]) -> str:
    """ "int4", "fp8", ... as GPTQ, AWQ, HQQ, quanto, torchao and ModelOpt write it; "" where they do not."""
    hqq = told.get("quant_config")
    inner = hqq.get("weight_quant_params") if isinstance(hqq, Mapping) else None
    for part in (told, inner if isinstance(inner, Mapping) else {}):
        for key in ("bits", "w_bit", "nbits"):
            if type(part.get(key)) is int and 1 <= part[key] <= 8:
                return f"int{part[key]}"
    named = (str(told.get(name, "")) for name in ("weights", "quant_type", "quant_algo"))
    said = " ".join(named).lower()[:2000]
    for words, number in _SPELT:
        if any(word in said for word in words):
            return number
    return ""


def _compressed_label(told: Mapping[str, Any]) -> str:
    groups = told.get("config_groups")
    kinds = set()
    for group in groups.values() if isinstance(groups, Mapping) else ():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if isinstance(weights, Mapping):
            bits, kind = weights.get("num_bits"), str(weights.get("type", "int"))
            name = {"float": "fp", "int": "int"}.get(kind, kind[:8])
            if type(bits) is int and 1 <= bits <= 16:
                kinds.add(f"nvfp{bits}" if name == "fp" and bits == 4 else f"{name}{bits}")
    if len(kinds) == 1:
        return kinds.pop()
    return _COMPRESSED.get(str(told.get("format")), "") or "compressed-tensors"


def _skipped(told: Mapping[str, Any]) -> tuple[str, ...]:
    names: list[str] = []
    for key in ("modules_to_not_convert", "ignored_layers", "ignore", "llm_int8_skip_modules"):
        found = told.get(key)
        names += [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
    return tuple(names)


# --- bytes ------------------------------------------------------------------------------------------------


def published_bytes(weights: Iterable[Weight], saved: SavedQuantised) -> int:
    """Bytes of ``weights`` by their shapes, where no file tells: a value in ``bits`` and a scale a block.

    Blocks are 128 x 128 with an fp32 scale for fp8 (or as config.json says), rows or whole matrices with a
    16-bit scale for compressed-tensors that say so, else 128 values with 2 bytes of scale and half a byte of
    zero point, as integers in groups have.
    """
    total = 0
    for weight in weights:
        if not weight.linear or _stays(weight.name, saved.skipped):
            total += weight.count * 2
            continue
        rows, columns = weight.shape[0], math.prod(weight.shape[1:])
        held = math.ceil(rows * columns * saved.bits / 8)
        total += (held + _scale_bytes(rows, columns, saved)) * weight.copies
    return total


def _scale_bytes(rows: int, columns: int, saved: SavedQuantised) -> int:
    if saved.method in ("fp8", "mxfp8"):
        down, across = _block(saved.details.get("weight_block_size", (128, 128)))
        return 4 * math.ceil(rows / (down or rows)) * math.ceil(columns / (across or columns))
    told = _of_weights(saved.details)
    if told.get("strategy") in ("channel", "tensor"):
        return 2 * (rows if told["strategy"] == "channel" else 1)
    group = told.get("group_size") or saved.details.get("group_size", 128)
    group = group if type(group) is int and group > 0 else columns
    return math.ceil(rows * columns / max(1, group) * 2.5)


def _of_weights(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """How compressed-tensors has quantised weights, of its first group of layers that says it."""
    groups = told.get("config_groups")
    for group in groups.values() if isinstance(groups, Mapping) else ():
        its = group.get("weights") if isinstance(group, Mapping) else None
        if isinstance(its, Mapping):
            return its
    return {}


def _block(told: Any) -> tuple[int, int]:
    """(rows, columns) of a block, (0, 0) for one scale a matrix."""
    if isinstance(told, list | tuple) and [type(side) for side in told] == [int, int] and min(told) > 0:
        return told[0], told[1]
    return 0, 0


def _stays(name: str, skipped: Sequence[str]) -> bool:
    """Whether a module is left in 16 bit: its name, or a part of it, is in the list; lm_head always is."""
    module = f".{name.rpartition('.')[0]}."
    plain = (one.removeprefix("re:").strip("^$.*") for one in ("lm_head", *skipped))
    return any(one and f".{one}." in module for one in plain)


def dense_bytes(tensors: Mapping[str, Tensor], saved: SavedQuantised) -> int:
    """Bytes of what ``tensors`` become when every matrix is turned into 16 bit again."""
    total = 0
    for name, tensor in tensors.items():
        end = name.rpartition(".")[2]
        if name.endswith(_BESIDE) and end not in ("weight", "bias"):
            continue
        count = math.prod(tensor.shape)
        if end in _PACKED or name.endswith(tuple(f"_{part}" for part in ("blocks", "packed"))):
            total += tensor.nbytes * 8 // saved.bits * 2
        elif tensor.dtype.upper() in ("I8", "U8") and saved.bits == 4:
            total += count * 2 * 2
        else:
            total += count * 2
    return total


def largest_matrix_bytes(
    saved: SavedQuantised, tensors: Mapping[str, Tensor] | None, weights: Iterable[Weight] = ()
) -> int:
    """16-bit bytes of the largest fp8 matrix: it is unpacked while it is computed with."""
    if tensors is None:
        quantised = (one for one in weights if one.linear and not _stays(one.name, saved.skipped))
        shapes = [weight.shape for weight in quantised]
    else:
        shapes = [one.shape for one in tensors.values() if one.dtype.upper().startswith("F8")]
    return max((2 * math.prod(shape) for shape in shapes), default=0)
