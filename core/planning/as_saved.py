"""How a folder that was saved quantised runs on a device: as it was saved, dequantised, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from ..catalog.saved_formats import distribution
from ..catalog.words import said
from ..errors import VramwiseError
from ..families.blocks import Tensor
from ..families.family import Config
from ..families.published import read_from
from ..families.saved.quantised import SavedQuantised, dense_bytes, largest_matrix_bytes, published_bytes
from ..families.weights import weights_of_config, weights_of_files
from ..hardware.budget import Budget
from ..hardware.capabilities import Capability
from ..shell import pip_line
from ..units import gib_text
from . import activations
from .activations import Term
from .footprint import used_tensors, weight_bytes

DEQUANTISED = "dequantised from"
# The first transformers that unpacks fp8 while it loads; an older one only computes with it.
_UNPACKS_FP8 = 5
_KINDS = {
    "cpu": "the CPU",
    "cuda": "an NVIDIA GPU",
    "mps": "an Apple GPU",
    "rocm": "an AMD GPU",
    "xpu": "an Intel GPU",
}


@dataclass(frozen=True)
class Running:
    """``weights`` is what the matrices take; ``runs`` names what computes ("fp8 as saved", "bf16 (dequantised
    from fp8)"); ``unpacked_bytes`` is taken beside for the largest matrix while it is computed with;
    ``refused`` says why nothing can run; ``note`` is a sentence for the plan.
    """

    saved: SavedQuantised
    weights: Term
    runs: str
    note: str
    unpacked_bytes: int = 0
    refused: str | None = None


def how_it_runs(
    saved: SavedQuantised,
    config: Config,
    tensors: Mapping[str, Tensor] | None,
    budget: Budget,
    available: Mapping[str, Capability],
) -> Running:
    """Decides from the method's row of the catalog, the device and what is installed. Reads no weights."""
    kept = _kept_term(saved, config, tensors)
    dtype = "fp16" if budget.kind == "cuda" and (budget.capability or (8, 0)) < (8, 0) else "bf16"
    words = saved.row.words if saved.row is not None else saved.method
    refused = _refused(saved, words, available)
    why_not = _why_not_kept(saved, budget)
    if refused is None and why_not is not None and (saved.row is None or not saved.row.dequantises):
        refused = why_not
    elif refused is None and why_not is not None:
        refused = _not_unpacked(saved)
    if refused is not None or why_not is None:
        note = f"This folder was saved as {saved.label} ({words}) and is read as it is, computed in {dtype}."
        unpacked = largest_matrix_bytes(saved, tensors, weights_of_config(config) if tensors is None else ())
        unpacked = unpacked if saved.method == "fp8" else 0
        return Running(saved, kept, saved.precision, note, unpacked, refused)
    dense = _dense_term(saved, config, tensors, dtype)
    sizes = f"{gib_text(dense.bytes, 2)} instead of the {gib_text(kept.bytes, 2)} of its files"
    note = (
        f"This folder was saved as {saved.label} ({words}). It is dequantised to {dtype} while it is loaded, "
        f"because {why_not}: {sizes}."
    )
    return Running(saved, dense, f"{dtype} ({DEQUANTISED} {saved.label})", note)


def _kept_term(saved: SavedQuantised, config: Config, tensors: Mapping[str, Tensor] | None) -> Term:
    if tensors is None:
        held = published_bytes(weights_of_config(config), saved)
        return Term("weights", held, said("plan_source_shape", source=read_from(config), format=saved.label))
    weights = weights_of_files(used_tensors(tensors, config), config)
    held = sum((weight.stored_bytes or 0) * weight.copies for weight in weights)
    return Term(
        "weights", held, said("plan_source_kept", source=said("plan_source_headers"), format=saved.label)
    )


def _dense_term(
    saved: SavedQuantised, config: Config, tensors: Mapping[str, Tensor] | None, dtype: str
) -> Term:
    """From the architecture where it is known, else from the headers."""
    try:
        held = weight_bytes(weights_of_config(config), "bf16")
        held += sum(
            2 * prod(one.shape) for name, one in (tensors or {}).items() if name.endswith("(adapter)")
        )
        source = "config.json"
    except VramwiseError:
        if tensors is None:
            raise
        held, source = dense_bytes(used_tensors(tensors, config), saved), said("plan_source_headers")
    return Term(
        "weights", held, said("plan_source_dequantised", source=source, format=saved.label, dtype=dtype)
    )


def _refused(saved: SavedQuantised, words: str, available: Mapping[str, Capability]) -> str | None:
    """Why no device can run it here: a method that nobody knows, no torch, a package that is missing."""
    torch = available.get("bf16")
    if torch is not None and not torch.usable:
        return torch.reason
    row = saved.row
    if row is None:
        return (
            f"it was saved by {words}, which transformers does not load here; serve it where that runs "
            "(vLLM, SGLang) and read through that endpoint, or take the model's 16-bit files"
        )
    if row.runs_on == ("none",):
        return (
            f"{row.why}; serve it where that runs (vLLM, SGLang, llama.cpp) and read through that endpoint, "
            "or take the model's 16-bit files"
        )
    lacking = [
        named
        for named in row.packages
        if (said := available.get(distribution(named))) is not None and not said.usable
    ]
    if lacking:
        names = " and ".join(distribution(named) for named in lacking)
        return f"{words} needs {names}, not installed; {pip_line(*lacking)} adds it"
    return None


def _not_unpacked(saved: SavedQuantised) -> str | None:
    """Why the transformers that is installed cannot turn the weights into 16 bit; None where it can."""
    installed = activations.transformers_major()
    if saved.method not in ("fp8", "mxfp8") or installed is None or installed >= _UNPACKS_FP8:
        return None
    update = pip_line(f"transformers>={_UNPACKS_FP8}")
    return (
        f"this transformers cannot unpack {saved.label}; {update} brings one that can, "
        "or take the model's 16-bit files"
    )


def _why_not_kept(saved: SavedQuantised, budget: Budget) -> str | None:
    """Why the weights cannot stay as they were saved on this device; None where they can."""
    row = saved.row
    if row is None:
        return None
    if budget.kind not in row.runs_on:
        if row.why:
            return row.why
        runs, this = (_KINDS.get(kind, kind) for kind in (row.runs_on[0], budget.kind))
        others = [_KINDS.get(kind, kind) for kind in row.runs_on[1:]]
        return f"{row.words} stays as it is only on {' and '.join((runs, *others))}, and this is {this}"
    least, has = row.min_capability, budget.capability
    if budget.kind == "cuda" and least and has and has < least:
        wanted, there = (".".join(map(str, pair)) for pair in (least, has))
        return f"{saved.label} needs compute capability {wanted} and this GPU has {there}"
    return None
