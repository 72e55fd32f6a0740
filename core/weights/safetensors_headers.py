"""Headers of safetensors files: names, dtypes, shapes and bytes of every tensor, without reading one."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

from ..errors import VramwiseError

# The format allows headers up to 100 MB (safetensors/src/tensor.rs, MAX_HEADER_SIZE). Read by Python, one of
# that size takes over a gigabyte; 25 MB are some 200,000 tensors, more than any published file holds.
MAX_HEADER_BYTES = 25_000_000
MOST = 2**63 - 1  # of an offset or of a side
Header = TypeVar("Header")
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


def header(file: Path) -> dict[str, TensorInfo]:
    """The header of one safetensors file; read once per change of the file.

    Raises VramwiseError for a missing, truncated or malformed one.
    """
    return as_it_is_now(file, _read_header)


def as_it_is_now(file: Path, read: Callable[[Path, int, int], Header]) -> Header:
    """What ``read`` makes of a file of so many bytes, changed at so many nanoseconds.

    Raises VramwiseError for a missing file, for what is none, and where it cannot be read.
    """
    try:
        stat = file.stat()
        if not S_ISREG(stat.st_mode):
            raise OSError("it is no file")
        return read(file, stat.st_size, stat.st_mtime_ns)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise VramwiseError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


@functools.lru_cache(maxsize=256)
def _read_header(file: Path, size: int, _changed: int) -> dict[str, TensorInfo]:
    with file.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8:
            raise damaged(file, f"it has {size} bytes, fewer than a safetensors header needs")
        (length,) = struct.unpack("<Q", start)
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise damaged(file, f"its header claims {length} bytes and the file has {size}")
        raw = stream.read(length)
    try:
        told = json.loads(raw)
        entries = sorted(
            (*_whole(entry["data_offsets"], 2), name, _text(entry["dtype"]), _whole(entry["shape"]))
            for name, entry in told.items()
            if name != "__metadata__"
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise damaged(file, "its header is not one of a safetensors file") from error
    tensors: dict[str, TensorInfo] = {}
    end = 0
    for first, last, name, dtype, shape in entries:
        if first != end or last < first or _bytes_of(dtype, shape) not in (None, last - first):
            raise damaged(file, f"the place of tensor {name[:200]} in it is impossible")
        tensors[name], end = TensorInfo(dtype, shape, last - first), last
    if 8 + length + end != size:
        raise damaged(file, f"its header describes {8 + length + end} bytes and the file has {size}")
    return tensors


def _whole(values: Any, count: int | None = None) -> Any:
    """``values`` as a tuple of whole numbers from 0 on; ValueError for anything else that JSON can hold."""
    if not isinstance(values, list) or (count is not None and len(values) != count):
        raise ValueError("no list of numbers")
    for value in values:
        if type(value) is not int or not 0 <= value <= MOST:
            raise ValueError("no whole number")
    return tuple(values)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _bytes_of(dtype: str, shape: tuple[int, ...]) -> int | None:
    """Bytes of a tensor, None where the dtype is newer than this list; -1 where no file could hold them."""
    bits = _ITEM_BITS.get(dtype)
    if bits is None:
        return None
    if 0 in shape:
        return 0
    for side in shape:
        bits *= side
        if bits > 8 * MOST:
            return -1
    return bits // 8


def damaged(file: Path, why: str) -> VramwiseError:
    return VramwiseError(f"{file} is damaged or only half downloaded: {why}. Delete it and fetch it again.")
