"""What is in a checkpoint's folder, and whether it is whole: config.json, safetensors headers, records.

Nothing here imports torch or reads a tensor. Files that can run code when opened (.bin, .pt) never are.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import VramwiseError
from ..families.family import families

CONFIG = "config.json"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
INCOMPLETE = ".incomplete"
RECORD = ".vramwise.json"
UNSAFE = (".bin", ".pt", ".pth", ".ckpt")
# The format's own reader refuses larger headers (safetensors/src/tensor.rs, MAX_HEADER_SIZE).
MAX_HEADER_BYTES = 100_000_000
_ITEM_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a safetensors header. ``dtype`` as the file spells it ("BF16"), ``nbytes`` on disk."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int


def written_config(path: Path) -> dict[str, Any]:
    """config.json of the checkpoint folder ``path`` (or that file itself); parsed once per change of it.

    Raises VramwiseError when it is absent or is not a JSON object.
    """
    file = path if path.name == CONFIG else path / CONFIG
    try:
        changed = file.stat().st_mtime_ns
    except OSError as error:
        raise VramwiseError(f"{file} cannot be read: {error.strerror or error}.") from error
    return copy.deepcopy(_parsed(file, changed))


def read_config(path: Path) -> dict[str, Any]:
    """``written_config`` with the family's ``model_type`` where the file says another's and its architecture
    tells the family (LightOnOCR's says mistral3). Raises as that does.
    """
    config = written_config(path)
    named = config.get("architectures")
    for family in families():
        if isinstance(named, list) and any(name in named for name in family.architectures):
            config["model_type"] = family.model_types[0]
    return config


def tensor_index(path: Path) -> dict[str, TensorInfo]:
    """Name, dtype, shape and bytes of every tensor of the checkpoint folder (or single file) ``path``.

    Reads safetensors headers only. Raises VramwiseError for a missing, truncated or malformed file.
    """
    files = (path,) if path.is_file() else weight_files(path)
    return {name: info for file in files for name, info in header(file).items()}


def weight_files(path: Path) -> tuple[Path, ...]:
    """The safetensors files that transformers would load from the folder ``path``, present or not.

    ``model.safetensors``, else the shards that ``model.safetensors.index.json`` names. Raises VramwiseError
    when there is neither, or when the index names a file outside the folder.
    """
    if (path / SINGLE).exists():
        return (path / SINGLE,)
    if (path / INDEX).exists():
        return tuple(path / name for name in sorted(set(_weight_map(path).values())))
    raise VramwiseError(why_no_weights(path))


def verify(path: Path) -> None:
    """Return when the folder ``path`` holds a whole checkpoint: every shard present, sizes right.

    Raises VramwiseError that names the missing, truncated or refused file. Reads headers, not tensors.
    """
    if (path / INCOMPLETE).exists():
        raise VramwiseError(
            f"{path} is only partly downloaded. What has arrived is kept, and downloading it again "
            "goes on from there."
        )
    read_config(path)
    files = weight_files(path)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise VramwiseError(
            f"{path} lacks {', '.join(missing)} ({len(missing)} of {len(files)} weight files): the download "
            "or the copy broke off."
        )
    tensors = {file.name: header(file) for file in files}
    if not (path / SINGLE).exists():
        for name, shard in _weight_map(path).items():
            if name not in tensors[shard]:
                raise VramwiseError(
                    f"{path / shard} has no tensor {name}, which {INDEX} promises: the files are not of one "
                    "checkpoint."
                )


def header(file: Path) -> dict[str, TensorInfo]:
    """The header of one safetensors file; read once per change of the file."""
    try:
        stat = file.stat()
        return _read_header(file, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise VramwiseError(f"{file} cannot be read: {error.strerror or error}.") from error


@functools.lru_cache(maxsize=256)
def _read_header(file: Path, size: int, _changed: int) -> dict[str, TensorInfo]:
    with file.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8:
            raise _broken(file, f"it has {size} bytes, fewer than a safetensors header needs")
        (length,) = struct.unpack("<Q", start)
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise _broken(file, f"its header claims {length} bytes and the file has {size}")
        raw = stream.read(length)
    try:
        told = json.loads(raw)
        entries = [
            (*_offsets(entry), name, str(entry["dtype"]), tuple(map(int, entry["shape"])))
            for name, entry in told.items()
            if name != "__metadata__"
        ]
        tensors: dict[str, TensorInfo] = {}
        end = 0
        for first, last, name, dtype, shape in sorted(entries):
            if first != end or last < first or _bytes_of(dtype, shape) not in (None, last - first):
                raise _broken(file, f"the place of tensor {name} in it is impossible")
            tensors[name], end = TensorInfo(dtype, shape, last - first), last
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _broken(file, "its header is not one of a safetensors file") from error
    if 8 + length + end != size:
        raise _broken(file, f"its header describes {8 + length + end} bytes and the file has {size}")
    return tensors


def _offsets(entry: dict[str, Any]) -> tuple[int, int]:
    first, last = entry["data_offsets"]
    return int(first), int(last)


def _bytes_of(dtype: str, shape: tuple[int, ...]) -> int | None:
    """Bytes of a tensor, None where the dtype is newer than this list."""
    bits = _ITEM_BITS.get(dtype)
    if bits is None:
        return None
    for side in shape:
        bits *= side
    return bits // 8


def _broken(file: Path, why: str) -> VramwiseError:
    return VramwiseError(f"{file} is damaged or only half downloaded: {why}. Delete it and fetch it again.")


@functools.lru_cache(maxsize=512)
def _parsed(file: Path, _changed: int) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise VramwiseError(
            f"{file} cannot be read as JSON ({error}): it is damaged. Fetch it again."
        ) from error
    if not isinstance(data, dict):
        raise VramwiseError(f"{file} is not the JSON object that it should be. Fetch it again.")
    return data


def _weight_map(path: Path) -> dict[str, str]:
    file = path / INDEX
    try:
        named = _parsed(file, file.stat().st_mtime_ns).get("weight_map")
    except OSError as error:
        raise VramwiseError(f"{file} cannot be read: {error.strerror or error}.") from error
    if not isinstance(named, dict) or not named:
        raise VramwiseError(f"{file} has no weight_map: it is damaged. Fetch it again.")
    for name in named.values():
        plain = isinstance(name, str) and name not in ("", ".", "..") and not re.search(r"[/\\:]", name)
        if not plain or not name.endswith(".safetensors"):
            raise VramwiseError(
                f"{file} names {name!r} as a weight file. Only safetensors files beside it are loaded."
            )
    return named


def why_no_weights(path: Path) -> str:
    """Why nothing in the folder ``path`` can be loaded, and what to do."""
    names = sorted(names_in(path))
    shards = [name for name in names if name.endswith(".safetensors")]
    unsafe = [name for name in names if name.endswith(UNSAFE)]
    gguf = [name for name in names if name.lower().endswith(".gguf")]
    if shards:
        return f"{path} has {', '.join(shards[:3])} but neither {SINGLE} nor {INDEX}: a file is missing."
    if gguf:
        return how_to_serve(path / gguf[0])
    if unsafe:
        return (
            f"{path} has its weights only as {unsafe[0]}. Such a file can run any "
            f"Python code when it is opened, so VRAMwise loads safetensors only. Fetch the model's {SINGLE}."
        )
    return f"{path} has {CONFIG} but no weights ({SINGLE} or {INDEX})."


def how_to_serve(gguf: Path) -> str:
    """What to do with a .gguf file."""
    return (
        f"{gguf} is a GGUF file, which torch does not run here: serve it with llama.cpp "
        f"(llama-server -m {gguf.name} --mmproj <its mmproj file>) or Ollama, and read through that endpoint."
    )


def names_in(folder: Path) -> list[str]:
    """Names in ``folder``; an unreadable one has none."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except OSError:
        return []


def has_weights(folder: Path) -> bool:
    """True where there is a safetensors file, or the index of some, that transformers would load."""
    return any(name in (SINGLE, INDEX) for name in names_in(folder))


def read_record(file: Path) -> dict[str, Any]:
    """The JSON object in ``file``; empty where there is none."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
