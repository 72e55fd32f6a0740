"""A picture's file as uint8 RGB within a bound of memory: whole where that fits, else reduced while it is
decoded, else a sentence that says by how much to scale it.

The bound: what is decoded takes at most DECODED_BYTES, what comes of it at most 3 bytes a pixel of
MOST_PIXELS (of REDUCED_PIXELS where it was reduced), so that reading stays under 1 GiB above the start.
"""

from __future__ import annotations

import io
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import VramwiseError
from ..units import MIB
from .by_opencv import by_opencv
from .colours import BAND_BYTES, Converter, orientation_of, rows_of, upright
from .kinds import HEAD, described, drawn_formats, endings, signature
from .missing_end import missing_end
from .tiff_pages import STARTS, Directory, FromPage, TiffPage, tiff_pages

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

DECODED_BYTES = 768 * MIB
MOST_PIXELS = 128_000_000  # of a picture that comes back whole
REDUCED_PIXELS = 64_000_000  # of one that had to be reduced
MOST_DRAFT_PIXELS = 2**30  # a JPEG reduced while decoding is still read from end to end
# Bytes a pixel that decoding takes, measured on Pillow 13 (its own buffers beside the picture's); else 4, 2
# for 16 bits and 1 for one channel of 8 or 1 bits.
TAKES = {"WEBP": 16.5, "AVIF": 10, "HEIF": 10, "JPEG2000": 20, "PSD": 8, "ICNS": 8}
MOVING = ("GIF", "PNG", "WEBP", "AVIF")
MOST_MISSING = 0.1  # of a JPEG's height
PROGRESSIVE_BYTES = 6  # libjpeg keeps the coefficients of a progressive JPEG: 2 bytes each of 3 channels
_limit = threading.Lock()  # around Pillow's own limit, which is one for the whole process


@dataclass(frozen=True)
class Decoded:
    """``pixels``: uint8 (height, width, 3), upright. ``width`` and ``height`` are what the file says;
    ``note`` is a sentence where the picture came back smaller.
    """

    pixels: NDArray[uint8]
    width: int
    height: int
    note: str = ""


def decode(path: Path, page: TiffPage | None = None) -> Decoded:
    """A picture (of one that moves the first frame), or one ``page`` of a TIFF; without a page the first.

    Raises VramwiseError for what cannot be read.
    """
    try:
        with path.open("rb") as file:
            if page is None and file.read(4) in STARTS:
                pages, _ = tiff_pages(file)
                page = pages[0] if pages else None
            return _decoded(path, file, page)
    except OSError as error:
        raise VramwiseError(
            f"{path.name} cannot be opened: {error.strerror}. Check its permissions."
        ) from error


@contextmanager
def as_sentence(path: Path) -> Iterator[None]:
    """What Pillow says about a file that it cannot read, as a sentence."""
    try:
        yield
    except VramwiseError:
        raise
    except Exception as error:  # of a spoiled file Pillow raises whatever its decoder ran into, TypeError too
        if missing_end(path, error):
            raise _without_end(path) from error
        raise VramwiseError(
            f"{path.name} cannot be read as a picture: {_reason(error, path)}. Save it again as PNG or JPEG."
        ) from error


def _without_end(path: Path) -> VramwiseError:
    return VramwiseError(
        f"{path.name} is cut short: the end of the picture is missing. Get the whole file again."
    )


def _reason(error: Exception, path: Path) -> str:
    """What a decoder says of the file at ``path``, for a person: without its folder and without raw bytes."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is, as damaged files do"
    meant_for_people = (OSError, ValueError, SyntaxError, EOFError)
    if not isinstance(error, meant_for_people) and type(error).__name__ != "DecompressionBombError":
        return "its contents are damaged"
    said = re.sub(r"\s*\(?[a-z ]*\bb(['\"]).*?\1[^)]*\)?", "", str(error).replace(str(path), path.name))
    return said.strip().rstrip(".") or "its contents are damaged"


def opened(path: Path, file: IO[bytes]) -> Any:
    """A PIL picture over an open file, its size unchecked and its pixels not decoded. Formats that run
    another program to be drawn are never asked. Raises VramwiseError that says what a file is that no format
    opens.
    """
    from PIL import Image

    formats = drawn_formats()
    file.seek(0)
    head = file.read(16)
    said = None
    known = Image.registered_extensions().get(path.suffix.lower())
    for name in sorted(formats & set(Image.ID), key=lambda name: (name != known, Image.ID.index(name))):
        factory, accepts = Image.OPEN[name]
        if accepts is None and name != known:
            continue  # without a signature: only where the ending says so
        try:
            answer = accepts is None or accepts(head)
            if answer and not isinstance(answer, str):
                file.seek(0)
                return factory(file, "")
            said = answer or said
        except Exception as error:  # another format may open it
            said = _reason(error, path) if head else said
    file.seek(0)
    raise _not_a_picture(path, file.read(HEAD), said)


class Frames:
    """The frames of an open picture, of which the next is cheap; TIFF's are pages, and not for this class.

    Raises VramwiseError for a file that is no picture.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        try:
            with as_sentence(path):
                self._picture = opened(path, self._file)
        except VramwiseError:
            self._file.close()
            raise

    def __len__(self) -> int:
        with as_sentence(self._path):
            return int(getattr(self._picture, "n_frames", 1)) if self._picture.format in MOVING else 1

    def decode(self, index: int) -> Decoded:
        with as_sentence(self._path):
            self._picture.seek(index)
            _within_bound(self._path, self._file, self._picture, None)
            _load(self._picture)
            return _converted(self._path, self._picture, self._picture.size)

    def close(self) -> None:
        self._picture.close()
        self._file.close()


def _decoded(path: Path, file: IO[bytes], page: TiffPage | None) -> Decoded:
    source: Any = file
    if page is not None:
        source = io.BufferedReader(FromPage(file, page.full.at))
    with as_sentence(path):
        try:
            picture = opened(path, source)
        except VramwiseError as error:
            if found := _by_opencv(path, file, page):
                return found
            raise (_unknown_tiff(path, page.full) if page else error) from error
        full = picture.size
        picture = _within_bound(path, file, picture, page)
        large = picture.format == "WEBP" and _takes(picture) > DECODED_BYTES
        if large and (found := _by_opencv(path, file, page, picture, full)):
            return found
        try:
            _load(picture)
        except OSError as error:
            unread = page is not None and page.full.ycbcr  # before 13 Pillow reads it compressed alone
            if unread and (found := _by_opencv(path, file, page, picture, full)):
                return found
            if picture.format not in ("JPEG", "MPO") or "truncated" not in str(error):
                raise
            return _cut_short(path, file)
        spoiled = page is not None and picture.mode == "RGB" and _lost_its_depth(picture, page.full)
        if spoiled and (found := _by_opencv(path, file, page, picture, full)):
            return found
        return _converted(path, picture, full)


def _by_opencv(
    path: Path,
    file: IO[bytes],
    page: TiffPage | None,
    picture: Any = None,
    full: tuple[int, int] | None = None,
) -> Decoded | None:
    """What OpenCV reads where Pillow cannot, spoils it or would take too much memory; None where it does not
    read it either. ``picture`` of ``full`` size, as Pillow opened it, says how one stands that is no page.
    """
    alone = picture is not None and page is None
    other = by_opencv(file, page, DECODED_BYTES, picture.info if alone else None)
    if other is None:
        return None
    turned = page.full.orientation if page else orientation_of(picture) if alone else 1
    return _converted(path, other, full or other.size, turned)


def _lost_its_depth(picture: Any, directory: Directory) -> bool:
    """Whether Pillow, which keeps the upper 8 of the 16 bits of colours, lost the picture: it reads channels
    that stand one after another as 8 bits, and 12 bits in 16 as black.
    """
    if directory.bits != 16:
        return False
    return directory.planar or max(high for _, high in picture.getextrema()) < 64


def _unknown_tiff(path: Path, directory: Directory) -> VramwiseError:
    return VramwiseError(
        f"{path.name} cannot be read as a picture: TIFFs of {directory.samples} x {directory.bits} bits with "
        f"the compression {directory.compression} are of a kind that is not known here, or this one is "
        "damaged. Save it again as PNG, or as TIFF of 8 or 16 bits with LZW."
    )


def _cut_short(path: Path, file: IO[bytes]) -> Decoded:
    """A JPEG whose end is missing, where that is little (many cameras and scanners leave the last mark out).

    What is missing is what changes with the bytes that are put in its place.
    """
    import numpy as np

    file.seek(0)
    data = file.read()
    noise = np.random.default_rng(1).integers(0, 255, 65_536, np.uint8).tobytes()  # 255 begins a mark
    ends = []
    for end in (b"", noise):
        picture = opened(path, io.BytesIO(data + end + b"\xff\xd9"))
        picture = _within_bound(path, file, picture, None)
        _load(picture)
        ends.append(picture)
    one, other = (np.asarray(picture.convert("L")) for picture in ends)
    lost = np.flatnonzero((one != other).any(axis=1))
    share = 1 - lost[0] / len(one) if lost.size else 0.0
    if share > MOST_MISSING:
        raise VramwiseError(
            f"{path.name} is cut short: the lowest {share:.0%} of the picture is missing. Get the whole file "
            "again."
        )
    found = _converted(path, ends[0], ends[0].size)
    note = f"{path.name} is cut short: the lowest {share:.1%} of the picture is missing." if share else ""
    return Decoded(found.pixels, found.width, found.height, note)


def _takes(picture: Any) -> float:
    """Bytes that decoding ``picture`` takes at its present size."""
    width, height = picture.size
    one = 1 if picture.mode in ("1", "L", "P") else 2 if picture.mode.startswith("I;16") else 4
    return float(width * height * max(one, TAKES.get(picture.format or "", 0)))


def _within_bound(path: Path, file: IO[bytes], picture: Any, page: TiffPage | None) -> Any:
    """``picture``, reduced while it is decoded where it is too large, or VramwiseError."""
    width, height = picture.size
    many = width * height
    if many <= MOST_PIXELS and _takes(picture) <= DECODED_BYTES:
        return picture
    if picture.format in ("JPEG", "MPO"):
        coefficients = PROGRESSIVE_BYTES * many if picture.info.get("progressive") else 0
        if many <= MOST_DRAFT_PIXELS and coefficients <= DECODED_BYTES:
            factor = next((f for f in (2, 4, 8) if many <= REDUCED_PIXELS * f * f), 8)
            picture.draft(picture.mode, (max(1, width // factor), max(1, height // factor)))
            return picture
        raise _too_large(path, width, height, math.sqrt(many * (6 if coefficients else 1) / (DECODED_BYTES)))
    if page is not None:
        for level in page.levels:
            smaller = opened(path, io.BufferedReader(FromPage(file, level.at)))
            if level.width * level.height <= MOST_PIXELS and _takes(smaller) <= DECODED_BYTES:
                return smaller
    if picture.format == "JPEG2000":
        steps = next(
            n for n in range(32) if _takes(picture) <= DECODED_BYTES * 4**n and many <= REDUCED_PIXELS * 4**n
        )
        picture.reduce = steps
        return picture
    if picture.format == "WEBP" and many * 4 <= DECODED_BYTES * 1.05:
        return picture
    if _takes(picture) > DECODED_BYTES:
        raise _too_large(path, width, height, math.sqrt(_takes(picture) / DECODED_BYTES))
    return picture


def _too_large(path: Path, width: int, height: int, factor: float) -> VramwiseError:
    share = max(1, math.floor(100 / factor))
    return VramwiseError(
        f"{path.name} is {width} x {height} pixels, and decoding that takes more than {DECODED_BYTES // MIB} "
        f"MiB. Scale it to {share} % ({width * share // 100} x {height * share // 100}) or less, or cut it "
        "into parts, and load that."
    )


def _load(picture: Any) -> None:
    """Decode. Pillow's own limit is lifted for a picture that is above it: the bound here is the narrower."""
    from PIL import Image

    width, height = picture.size
    if width * height <= (Image.MAX_IMAGE_PIXELS or math.inf):
        picture.load()
        return
    with _limit:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            picture.load()
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _converted(path: Path, picture: Any, full: tuple[int, int], turned: int | None = None) -> Decoded:
    """RGB a band of rows at a time, by a whole factor smaller where the result would be too large."""
    import numpy as np

    width, height = picture.size
    factor = 1
    if width * height > MOST_PIXELS:
        factor = math.ceil(math.sqrt(width * height / REDUCED_PIXELS))
    converter = Converter(picture)
    across, down = math.ceil(width / factor), math.ceil(height / factor)
    pixels: NDArray[uint8] = np.empty((down, across, 3), np.uint8)
    rows = max(1, BAND_BYTES // (4 * width * factor))
    for top in range(0, down, rows):
        low, high = top * factor, min(height, (top + rows) * factor)
        whole = factor == 1 and rows >= down
        band = converter.rgb(picture if whole else rows_of(picture, low, high))
        pixels[top : top + rows] = np.asarray(band if factor == 1 else band.reduce(factor))
    orientation = orientation_of(picture) if turned is None else turned
    note = ""
    if across * down < full[0] * full[1]:
        note = f"{path.name} is {full[0]} x {full[1]} pixels; it is read at {across} x {down}."
    return Decoded(upright(pixels, orientation), *full, note)


def _not_a_picture(path: Path, head: bytes, said: object) -> VramwiseError:
    what, remedy = described(head)
    if (signature(head) or what.startswith("no picture")) and missing_end(path, said):
        return _without_end(path)
    if what.startswith("no picture") and (path.suffix.lower() in endings() or said):
        told = isinstance(said, str) and re.search("[A-Za-z]{3}", said) and "identified" not in said
        reason = f" ({said})" if told else ""  # numbers alone, or that nobody knows it, are no reason
        return VramwiseError(
            f"{path.name} cannot be read as a picture: it is damaged or of a kind that is not known"
            f"{reason}. Save it again as PNG or JPEG."
        )
    return VramwiseError(f"{path.name} cannot be read as a picture: it is {what}. {remedy}")
