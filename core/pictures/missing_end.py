"""Is the end of a picture's file missing, by what the file itself says of its length?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

_PNG, _FIRST_OF_PNG = b"\x89PNG\r\n\x1a\n", b"\0\0\0\x0dIHDR"
_BOXES = (b"ftyp", b"jP  ")  # AVIF and HEIF, JPEG 2000: boxes that each begin with their length
_MOST_PARTS = 100_000  # that a file is asked for
# Decoders' words for pixels that do not come.
_SAID = ("truncated", "not enough image data", "unexpected end", "premature end")


def missing_end(path: Path, said: object = "") -> bool:
    """Whether the file at ``path`` ends before its picture does; ``said`` is what its decoder said."""
    if any(words in str(said).lower() for words in _SAID):
        return True
    try:
        with path.open("rb") as file:
            return _ends_early(file)
    except OSError:
        return False


def _ends_early(file: IO[bytes]) -> bool:
    """RIFF (WebP) has its length in front, PNG and the kinds made of boxes one in each part."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(16)
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little") > size
    if head.startswith(_PNG) and _FIRST_OF_PNG.startswith(head[len(_PNG) :]):
        return _last_part(file, 8, size, 12)[0] != b"IEND"
    if head[4:8] in _BOXES:
        return _last_part(file, 0, size, 0)[1] > size
    return False


def _last_part(file: IO[bytes], at: int, size: int, around: int) -> tuple[bytes, int]:
    """Name of the last part that begins in the file, and where it would end. ``around``: the bytes of a part
    that its length does not count; where they are none, the length counts all and stands as 1 for one of 64
    bits, as 0 for the rest of the file.
    """
    name, end = b"", at
    for _ in range(_MOST_PARTS):
        file.seek(end)
        head = file.read(16)
        if len(head) < 8:
            return (name, end) if not head else (b"", size + 1)
        at, name, length = end, head[4:8], int.from_bytes(head[:4], "big")
        if not around and length == 0:
            return name, size
        if not around and length == 1:
            length = int.from_bytes(head[8:16], "big")
        end = at + max(8, length + around)
        if end > size:
            return b"", end
        if name == b"IEND":
            break
    return name, end
