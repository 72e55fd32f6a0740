"""Pictures that Pillow cannot read, or takes too much memory for, by OpenCV."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from .colours import eight_bits
from .tiff_pages import FromPage, TiffPage, turn_off


def by_opencv(file: IO[bytes], page: TiffPage | None, most_bytes: int, info: Any = None) -> Any:
    """OpenCV's reading as a PIL picture, not turned; None where it reads none or would take more than
    ``most_bytes``. It knows TIFFs of three deep channels,
    passes over damaged notes in a PNG, and takes a fifth of Pillow's memory for WebP.
    """
    import cv2
    import numpy as np
    from PIL import Image

    file.seek(0)
    data = bytearray(file.read(most_bytes // 4 + 1))
    if len(data) > most_bytes // 4:
        return None
    how = cv2.IMREAD_UNCHANGED
    if page is not None:
        if not page.full.known_to_opencv or page.full.width * page.full.height * 16 > most_bytes:
            return None
        how = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION if page.full.planar else cv2.IMREAD_UNCHANGED
        head = FromPage(file, page.full.at).read(16)
        data[: len(head)] = head
        turn_off(data, page.full.at)
    elif info is None and not _small_png(data, most_bytes):
        return None
    with _quiet_opencv():
        try:
            found = cv2.imdecode(np.frombuffer(data, np.uint8), how)
        except cv2.error:
            return None
    if found is None or found.ndim not in (2, 3):
        return None
    shown = eight_bits(found)
    turned = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(shown.shape[2] if shown.ndim == 3 else 1)
    if turned is None:
        return Image.fromarray(shown) if shown.ndim == 2 else None
    picture = Image.fromarray(np.ascontiguousarray(shown[..., turned]))
    picture.info.update({key: value for key, value in (info or {}).items() if key == "icc_profile"})
    return picture


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Without OpenCV's own words on standard error: what cannot be read is said in a sentence."""
    import cv2

    log = getattr(getattr(cv2, "utils", None), "logging", None)
    if log is None:
        yield
        return
    before = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(before)


def _small_png(data: bytearray, most_bytes: int) -> bool:
    """Whether this is a PNG with a header, that takes no more memory than is allowed at 8 bytes a pixel, and
    whose chunks lie within it: OpenCV makes room for as many bytes as a chunk says that it has.
    """
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or data[12:16] != b"IHDR":
        return False
    at = 8
    while at + 8 <= len(data):
        at += 12 + int(struct.unpack_from(">I", data, at)[0])
        if at > len(data):
            return False
    width, height = struct.unpack(">II", data[16:24])
    return bool(width * height * 12 <= most_bytes)
