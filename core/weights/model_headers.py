"""What a file of a diffusion model is and weighs, by its header: exact bytes, format, architecture.

Nothing is loaded. The marks of each architecture are in catalog/tables/diffusion/architectures.csv, as
ComfyUI's comfy/model_detection.py looks for them.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from ..catalog.csv_rows import Row, table
from .gguf_headers import gguf_header
from .safetensors_headers import TensorInfo, header

# Where a checkpoint keeps its diffusion model, and what stands before every name in a bare one.
_INSIDE = ("model.diffusion_model.", "diffusion_model.", "net.")
_BARE = ("", "model.")
_GGUF = re.compile(
    r"(?:^|[^a-z0-9])(I?Q\d(?:_\d|_K_[SML]|_K|_[NX]L|_[XS]{1,3})?)(?:[^a-z0-9]|$)", re.IGNORECASE
)
# Of dtypes as files spell them: the format of formats.csv.
_FORMATS = {
    "F32": "fp32",
    "F16": "fp16",
    "BF16": "bf16",
    "F8_E4M3": "fp8",
    "F8_E5M2": "fp8",
    "F8_E4M3FN": "fp8",
    "I8": "int8",
    "U8": "nvfp4",
    "F4": "nvfp4",
}
# A file of a low format with more than this share of its bytes in 16 bits is called mixed.
_MIXED = 0.05


@dataclass(frozen=True)
class ModelFile:
    """A file as its header tells it. Sizes in bytes.

    ``held_bytes`` is the diffusion model alone, as ComfyUI holds it (32-bit files in 16 bit), ``rest_bytes``
    the text encoder and VAE of a checkpoint. ``format`` is one of formats.csv or empty, ``comfy_class`` the
    architecture ("Flux", "WAN21_T2V") or empty.
    """

    path: Path
    file_bytes: int
    held_bytes: int
    rest_bytes: int
    parameters: int
    format: str
    comfy_class: str


@dataclass(frozen=True)
class Architecture:
    """A row of architectures.csv: all of ``keys`` are there, and of ``sides`` (name, place, length) each."""

    comfy_class: str
    keys: tuple[str, ...]
    sides: tuple[tuple[str, int, int], ...]

    def matches(self, tensors: Mapping[str, TensorInfo]) -> bool:
        return all(key in tensors for key in self.keys) and all(
            name in tensors and len(tensors[name].shape) > place and tensors[name].shape[place] == length
            for name, place, length in self.sides
        )


def model_file(path: Path) -> ModelFile:
    """``path``, a safetensors or GGUF file, by its header.

    Raises VramwiseError for a missing, truncated or malformed one, and for one of another kind.
    """
    if path.suffix.lower() == ".gguf":
        told = gguf_header(path)
        tensors, architecture = told.tensors, told.architecture
    else:
        tensors, architecture = header(path), ""
    inside, rest = diffusion_tensors(tensors)
    held = sum(info.nbytes for info in inside.values())
    kind = _format(path.name, inside)
    parameters = sum(_count(info, kind) for info in inside.values())
    return ModelFile(
        path=path,
        file_bytes=path.stat().st_size,
        held_bytes=min(held, parameters * 2) if kind == "fp32" else held,
        rest_bytes=sum(info.nbytes for info in rest.values()),
        parameters=parameters,
        format=kind,
        comfy_class=comfy_class(inside) or _GGUF_CLASSES.get(architecture, ""),
    )


# general.architecture of city96/ComfyUI-GGUF, where the tensors do not tell: its own short words.
_GGUF_CLASSES = {"sd1": "SD15", "sdxl": "SDXL", "sd3": "SD3", "aura": "AuraFlow", "cosmos": "CosmosT2V"}


def diffusion_tensors(
    tensors: Mapping[str, TensorInfo],
) -> tuple[dict[str, TensorInfo], dict[str, TensorInfo]]:
    """The diffusion model's tensors by their bare names, and the others of the file."""
    for prefix in _INSIDE:
        inside = {name[len(prefix) :]: info for name, info in tensors.items() if name.startswith(prefix)}
        if inside:
            return inside, {name: info for name, info in tensors.items() if not name.startswith(prefix)}
    return dict(tensors), {}


def comfy_class(tensors: Mapping[str, TensorInfo]) -> str:
    """The first architecture whose marks are in ``tensors`` (bare names); empty where none is."""
    for prefix in _BARE:
        bare = {name[len(prefix) :]: info for name, info in tensors.items() if name.startswith(prefix)}
        for row in architectures():
            if row.matches(bare):
                return row.comfy_class
    return ""


@functools.cache
def architectures() -> tuple[Architecture, ...]:
    """Every row, in the order in which they are tried."""
    return table("diffusion/architectures.csv", _architecture)


def _architecture(row: Row) -> Architecture:
    sides = []
    for side in filter(None, row["sides"].split("|")):
        name, _, rest = side.partition(":")
        place, _, length = rest.partition("=")
        sides.append((name, int(place), int(length)))
    return Architecture(row["comfy_class"], tuple(row["keys"].split("&")), tuple(sides))


def _format(name: str, tensors: Mapping[str, TensorInfo]) -> str:
    bytes_of: Counter[str] = Counter()
    for info in tensors.values():
        bytes_of[info.dtype] += info.nbytes
    if not bytes_of:
        return ""
    main, most = bytes_of.most_common(1)[0]
    if main in _FORMATS:
        kind = _FORMATS[main]
        wide = sum(bytes_of[word] for word in ("F16", "BF16", "F32")) / sum(bytes_of.values())
        if kind == "fp8" and wide > _MIXED:
            return "fp8mixed"
        if kind == "int8" and "convrot" in name.lower():
            return "int8_convrot"
        return kind
    # A GGUF: Q4_K_M and Q4_K_S have the same blocks, so the name tells which it is.
    named = _GGUF.search(name)
    word = named.group(1).upper() if named else ""
    if word.startswith(main.partition("_")[0]):
        return word
    return f"{main}_S" if main in ("Q3_K", "Q4_K", "Q5_K") else main if most else ""


def _count(info: TensorInfo, kind: str) -> int:
    """Weights of a tensor; two stand in a byte of a packed 4-bit one."""
    return prod(info.shape) * (2 if kind == "nvfp4" and info.dtype == "U8" else 1)
