"""The pages of a TIFF: where each begins, found in one walk, and the smaller versions stored with it.

Pillow walks from the first page to the one that is asked for, so that a file of thousands takes minutes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
ORIENTATION, SAMPLES, PLANAR, SUB_IFDS, SAMPLE_FORMAT = 274, 277, 284, 330, 339
_TAGS = {SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC}
_TAGS |= {ORIENTATION, SAMPLES, PLANAR, SUB_IFDS, SAMPLE_FORMAT}
# Compressions by their numbers (TIFF 6.0 and libtiff's tiff.h), and those that every build of OpenCV has: it
# gives a black picture for another.
COMPRESSIONS = {
    1: "none",
    5: "LZW",
    6: "old JPEG",
    7: "JPEG",
    8: "Deflate",
    32773: "PackBits",
    32946: "Deflate",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34676: "SGI LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
OPENCV = (1, 5, 7, 8, 32773, 32946)
STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
REDUCED, MASK = 1, 4  # bits of NewSubfileType (TIFF 6.0, page 36)
MOST_PAGES = 100_000
MOST_LEVELS = 32
_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # of whole numbers


@dataclass(frozen=True)
class Directory:
    """One image file directory: ``at`` is where it begins in the file, ``tags`` are its whole numbers."""

    at: int
    tags: Mapping[int, tuple[int, ...]]

    def first(self, tag: int, usual: int = 0) -> int:
        """The first value of ``tag``."""
        return (self.tags.get(tag) or (usual,))[0]

    @property
    def width(self) -> int:
        return self.first(WIDTH)

    @property
    def height(self) -> int:
        return self.first(HEIGHT)

    @property
    def bits(self) -> int:
        return self.first(BITS, 1)

    @property
    def samples(self) -> int:
        return self.first(SAMPLES, 1)

    @property
    def orientation(self) -> int:
        return self.first(ORIENTATION, 1)

    @property
    def planar(self) -> bool:
        """Whether the channels stand one after another."""
        return self.samples > 1 and self.first(PLANAR, 1) == 2

    @property
    def reduced(self) -> bool:
        return bool(self.first(SUBFILE) & REDUCED) or self.tags.get(OLD_SUBFILE) == (2,)

    @property
    def mask(self) -> bool:
        return bool(self.first(SUBFILE) & MASK)

    @property
    def compression(self) -> str:
        number = self.first(COMPRESSION, 1)
        return COMPRESSIONS.get(number, f"number {number}")

    @property
    def ycbcr(self) -> bool:
        """Whether its channels are light and two differences of colour."""
        return self.first(PHOTOMETRIC) == 6

    @property
    def known_to_opencv(self) -> bool:
        """Whether OpenCV decodes it, for sure: 3 or 4 channels, or one that is not of half floats."""
        half = self.bits == 16 and self.first(SAMPLE_FORMAT, 1) == 3
        return self.first(COMPRESSION, 1) in OPENCV and self.samples in (1, 3, 4) and not half


@dataclass(frozen=True)
class TiffPage:
    """A page and its smaller versions (as in pyramids and GeoTIFFs), the largest first."""

    full: Directory
    levels: tuple[Directory, ...] = ()


class _Layout:
    """How numbers are written in a file: ``order`` is < or >, ``big`` a BigTIFF of 64-bit offsets."""

    def __init__(self, head: bytes) -> None:
        self.order = "<" if head[:2] == b"II" else ">"
        self.big = head[2:4] in (b"+\0", b"\0+")
        self.count, self.entry, self.offset = ("Q", "HHQ8s", "Q") if self.big else ("H", "HHI4s", "I")

    @property
    def entry_value(self) -> bytes:
        """The number 1 as the value of an entry."""
        return struct.pack(self.order + "H", 1).ljust(8 if self.big else 4, b"\0")

    def unpack(self, form: str, data: bytes) -> tuple[Any, ...]:
        return struct.unpack(self.order + form, data)

    def size(self, form: str) -> int:
        return struct.calcsize(self.order + form)


def is_tiff(path: Path) -> bool:
    """Whether ``path`` begins like a TIFF."""
    with path.open("rb") as file:
        return file.read(4) in STARTS


def tiff_pages(file: IO[bytes]) -> tuple[tuple[TiffPage, ...], str]:
    """The pages of an open TIFF in order, and what is wrong with the chain of them (else an empty string).

    Versions of reduced size and masks are no pages, unless a file has nothing else.
    """
    file.seek(0)
    head = file.read(16)
    if len(head) < 8 or head[:2] not in (b"II", b"MM"):
        return (), "it does not begin like a TIFF"
    layout = _Layout(head)
    found: list[Directory] = []
    wrong = ""
    for item in _chain(file, layout, head):
        if isinstance(item, str):
            wrong = item
        else:
            found.append(item)
    pages: list[tuple[Directory, list[Directory]]] = []
    for directory in found:
        if not directory.reduced and not directory.mask:
            pages.append((directory, []))
        elif pages and not directory.mask:
            pages[-1][1].append(directory)
    pages = pages or [(directory, []) for directory in found]
    return tuple(_with_levels(file, layout, full, chained) for full, chained in pages), wrong


def _chain(file: IO[bytes], layout: _Layout, head: bytes) -> Iterator[Directory | str]:
    at = layout.unpack(layout.offset, head[8:16] if layout.big else head[4:8])[0]
    seen: set[int] = set()
    while at:
        if at in seen:
            yield "the list of its pages runs in a circle"
            return
        if len(seen) >= MOST_PAGES:
            yield f"it has more than {MOST_PAGES:,} pages"
            return
        seen.add(at)
        directory, at = _directory(file, layout, at)
        if directory is None:
            yield "the list of its pages leads out of the file"
            return
        yield directory


def _directory(file: IO[bytes], layout: _Layout, at: int) -> tuple[Directory | None, int]:
    """The directory at ``at`` and where the next one is (0: there is none)."""
    try:
        file.seek(at)
        count = layout.unpack(layout.count, file.read(layout.size(layout.count)))[0]
        step, link = layout.size(layout.entry), layout.size(layout.offset)
        data = file.read(min(count, 65_535) * step + link)
        if count > 65_535 or len(data) < count * step:
            return None, 0
        following = data[count * step :]
        # a file that ends in its last directory lacks only the 0 that says so
        after = int(layout.unpack(layout.offset, following)[0]) if len(following) == link else 0
    except (struct.error, OSError, OverflowError, ValueError):
        return None, 0
    values: dict[int, tuple[int, ...]] = {}
    for tag, kind, many, value in struct.iter_unpack(layout.order + layout.entry, data[: count * step]):
        if tag in _TAGS and kind in _TYPES:
            values[tag] = _numbers(file, layout, _TYPES[kind], many, value)
    return Directory(at, values), after


def _numbers(file: IO[bytes], layout: _Layout, form: str, many: int, value: bytes) -> tuple[int, ...]:
    """The value of an entry; nothing where it lies outside the file."""
    many = min(many, MOST_LEVELS)
    size = layout.size(f"{many}{form}")
    if size > len(value):
        try:
            file.seek(layout.unpack(layout.offset, value)[0])
            value = file.read(size)
        except (OSError, OverflowError, ValueError):
            return ()
    return layout.unpack(f"{many}{form}", value[:size]) if len(value) >= size else ()


def _with_levels(file: IO[bytes], layout: _Layout, full: Directory, chained: list[Directory]) -> TiffPage:
    inside = [_directory(file, layout, at)[0] for at in full.tags.get(SUB_IFDS, ())[:MOST_LEVELS]]
    levels = [
        level
        for level in [*chained, *inside]
        if level is not None
        and level.reduced
        and not level.mask
        and 0 < level.width < full.width
        and _alike(level, full)
    ]
    return TiffPage(full, tuple(sorted(levels, key=lambda level: -level.width)))


def _alike(one: Directory, other: Directory) -> bool:
    """Whether both have the same shape, but for what rounding takes."""
    return abs(one.width * other.height - one.height * other.width) <= 2 * max(other.width, other.height)


def turn_off(data: bytearray, at: int) -> None:
    """Take the orientation out of the directory at ``at`` of a whole TIFF in memory."""
    layout = _Layout(bytes(data[:16]))
    start, step = at + layout.size(layout.count), layout.size(layout.entry)
    for number in range(layout.unpack(layout.count, bytes(data[at:start]))[0]):
        place = start + number * step
        if layout.unpack("H", bytes(data[place : place + 2])) == (ORIENTATION,):
            data[place + step - len(layout.entry_value) : place + step] = layout.entry_value


class FromPage(io.RawIOBase):
    """A TIFF whose header leads to the directory at ``at``, over an open file: Pillow then finds it first."""

    def __init__(self, file: IO[bytes], at: int) -> None:
        super().__init__()
        file.seek(0)
        head = file.read(16)
        layout = _Layout(head)
        place = struct.pack(layout.order + layout.offset, at)
        self._head = head[:8] + place if layout.big else head[:4] + place
        self._file = file
        file.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer: Any) -> int:
        at = self._file.tell()
        data = self._file.read(len(buffer))
        if at < len(self._head):
            data = (self._head[at:] + data[len(self._head) - at :])[: len(data)]
        buffer[: len(data)] = data
        return len(data)
