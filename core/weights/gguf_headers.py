"""Headers of GGUF files: the architecture and every tensor's kind, shape and bytes, without reading one.

The gguf library maps the whole file and builds an array a tensor; here only the head is read, within bounds,
since a folder of models is anybody's. Layout: ggml-org/ggml docs/gguf.md, versions 2 and 3, little endian.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .safetensors_headers import MOST, TensorInfo, as_it_is_now, damaged

# More than any published file has; a language model's words are the longest head by far.
_MOST_TENSORS, _MOST_KEYS, _MOST_HEAD = 100_000, 10_000, 24_000_000
_MOST_SIDES = 8
# ggml_type: name, values of a block, bytes of a block (gguf 0.19 constants.py GGML_QUANT_SIZES).
_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8),
    28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36),
}  # fmt: skip
# gguf_metadata_value_type: struct's letter; 8 is a string, 9 an array.
_VALUES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class GGUFHeader:
    """``architecture`` is general.architecture ("flux", "wan"), empty where it is missing. ``tensors`` have
    their shapes in torch's order, the last side varying fastest."""

    architecture: str
    tensors: dict[str, TensorInfo]


def gguf_header(file: Path) -> GGUFHeader:
    """The header of one GGUF file; read once per change of the file.

    Raises VramwiseError for a missing, truncated or malformed one.
    """
    return as_it_is_now(file, _read)


@functools.lru_cache(maxsize=256)
def _read(file: Path, size: int, _changed: int) -> GGUFHeader:
    with file.open("rb") as stream:
        try:
            return _Head(stream, size).header()
        except _Broken as why:
            raise damaged(file, str(why)) from None


class _Broken(Exception):
    pass


class _Head:
    """A cursor over the head of a file of ``size`` bytes."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream, self.size, self.left = stream, size, _MOST_HEAD

    def header(self) -> GGUFHeader:
        if self._take(4) != b"GGUF":
            raise _Broken("it does not begin as a GGUF file does")
        version = self._number("I")
        if version not in (2, 3):
            raise _Broken(f"its version {version} is none that is known")
        tensors, keys = self._number("Q"), self._number("Q")
        if tensors > _MOST_TENSORS or keys > _MOST_KEYS:
            raise _Broken(f"its header claims {tensors} tensors and {keys} keys")
        architecture = ""
        alignment = 32
        for _ in range(keys):
            name = self._text()
            value = self._value(self._number("I"), 0)
            if name == "general.architecture" and isinstance(value, str):
                architecture = value
            if name == "general.alignment" and isinstance(value, int) and value > 0:
                alignment = value
        found = dict(self._tensors(tensors))
        data = -(-self.stream.tell() // alignment) * alignment
        ends = [place + info.nbytes for info, place in found.values()]
        if data + max(ends, default=0) > self.size:
            raise _Broken(f"its tensors end at byte {data + max(ends)} and the file has {self.size}")
        return GGUFHeader(architecture, {name: info for name, (info, _) in found.items()})

    def _tensors(self, count: int) -> Iterator[tuple[str, tuple[TensorInfo, int]]]:
        for _ in range(count):
            name, sides = self._text(), self._number("I")
            if sides > _MOST_SIDES:
                raise _Broken(f"tensor {name[:200]} has {sides} sides")
            shape = tuple(reversed([self._number("Q") for _ in range(sides)]))
            kind, place = self._number("I"), self._number("Q")
            if kind not in _TYPES:
                raise _Broken(f"tensor {name[:200]} is of the kind {kind}, which is not known")
            word, block, size = _TYPES[kind]
            values = 1
            for side in shape:
                values *= side
                if values > MOST:
                    raise _Broken(f"the shape of tensor {name[:200]} is impossible")
            if values % block or place > MOST:
                raise _Broken(f"the place of tensor {name[:200]} in it is impossible")
            yield name, (TensorInfo(word, shape, values // block * size), place)

    def _value(self, kind: int, depth: int) -> Any:
        """A value of the metadata; None for an array, which is passed over."""
        if kind in _VALUES:
            return self._number(_VALUES[kind])
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY or depth > 2:
            raise _Broken(f"its metadata has a value of the kind {kind}")
        inner, count = self._number("I"), self._number("Q")
        if inner in _VALUES:
            self._take(count * struct.calcsize(_VALUES[inner]), keep=False)
            return None
        for _ in range(count):  # each takes bytes of the head, so the bound ends this
            self._value(inner, depth + 1)
        return None

    def _number(self, letter: str) -> Any:
        (value,) = struct.unpack("<" + letter, self._take(struct.calcsize("<" + letter)))
        return value

    def _text(self) -> str:
        return self._take(self._number("Q")).decode("utf-8", "replace")

    def _take(self, count: int, *, keep: bool = True) -> bytes:
        self.left -= count
        if self.left < 0:
            raise _Broken(f"its header is longer than {_MOST_HEAD} bytes")
        if not keep:
            self.stream.seek(count, 1)
            if self.stream.tell() > self.size:
                raise _Broken("its header goes on behind its end")
            return b""
        found = self.stream.read(count)
        if len(found) < count:
            raise _Broken("its header goes on behind its end")
        return found
