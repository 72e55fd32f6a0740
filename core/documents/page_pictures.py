"""Pictures of pages as a PDF holds them: a JPEG's own bytes where they can stay, else PNG's or a fine
JPEG's.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import VramwiseError
from ..pictures.colours import orientation_of
from ..pictures.decode import opened
from ..pictures.tiff_pages import FromPage, is_tiff, tiff_pages

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

POINTS_PER_INCH = 72
USUAL_DPI = 200  # of a picture that does not say, or says what screens say
LEAST_DPI, MOST_DPI = 100, 2400
LONGEST = 14_400  # points, the most that a PDF's page may have on a side
FINE = 95  # of JPEG, without subsampled colours
WORTH_IT = 2  # how many times smaller a fine JPEG must be to be taken instead of what loses nothing
_SEQUENTIAL = (0xC0, 0xC1, 0xC2)  # a JPEG's kinds that PDF knows: baseline, extended, progressive
_CHANNELS = {"L": (1, "GRAY"), "RGB": (3, "RGB ")}


@dataclass(frozen=True)
class PagePicture:
    """``data`` with the ``entries`` of a PDF's image dictionary; ``turned`` is the EXIF orientation (1 to 8)
    in which it is to be shown, ``dpi`` across and down. ``profile``: an ICC profile, or b"".
    """

    data: bytes
    entries: Mapping[str, Any]
    width: int
    height: int
    dpi: tuple[float, float]
    turned: int = 1
    profile: bytes = field(default=b"", repr=False)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page in points, as it is shown."""
        width, height = self.width / self.dpi[0], self.height / self.dpi[1]
        if self.turned >= 5:
            width, height = height, width
        width, height = width * POINTS_PER_INCH, height * POINTS_PER_INCH
        fit = min(1.0, LONGEST / max(width, height))
        return max(width * fit, 3.0), max(height * fit, 3.0)

    @property
    def matrix(self) -> tuple[float, float, float, float, float, float]:
        """What takes the image's unit square to the page."""
        w, h = self.size
        return {
            2: (-w, 0, 0, h, w, 0),
            3: (-w, 0, 0, -h, w, h),
            4: (w, 0, 0, -h, 0, h),
            5: (0, -h, -w, 0, w, h),
            6: (0, -h, w, 0, 0, h),
            7: (0, h, w, 0, 0, 0),
            8: (0, h, -w, 0, w, 0),
        }.get(self.turned, (w, 0, 0, h, 0, 0))


def of_pixels(pixels: NDArray[uint8], dpi: tuple[float, float] = (USUAL_DPI, USUAL_DPI)) -> PagePicture:
    """uint8 RGB (height, width, 3): grey, black and white where it is no more than that, and without loss
    unless a JPEG that nobody tells from it is far smaller.
    """
    from PIL import Image

    picture = Image.fromarray(_fewest_channels(pixels))
    if picture.mode == "L" and _is_black_and_white(pixels):
        picture = picture.convert("1", dither=Image.Dither.NONE)
    plain = io.BytesIO()
    picture.save(plain, "PNG", compress_level=6)
    width, height = picture.size
    if picture.mode != "1":
        fine = io.BytesIO()
        picture.save(fine, "JPEG", quality=FINE, subsampling=0)
        if fine.tell() * WORTH_IT < plain.tell():
            return PagePicture(fine.getvalue(), _jpeg_entries(picture.mode), width, height, dpi)
    channels = 3 if picture.mode == "RGB" else 1
    bits = 1 if picture.mode == "1" else 8
    entries = {
        "ColorSpace": "/DeviceRGB" if channels == 3 else "/DeviceGray",
        "BitsPerComponent": bits,
        "Filter": "/FlateDecode",
        "DecodeParms": {"Predictor": 15, "Colors": channels, "BitsPerComponent": bits, "Columns": width},
    }
    return PagePicture(_png_data(plain.getvalue()), entries, width, height, dpi)


def of_file(path: Path, index: int, pixels: NDArray[uint8]) -> PagePicture:
    """Page ``index`` of a picture's file. ``pixels``: the page as it was read, for a file whose own bytes a
    PDF cannot hold.
    """
    dpi: tuple[float, float] = (USUAL_DPI, USUAL_DPI)
    try:
        with path.open("rb") as file:
            source: Any = file
            if is_tiff(path):
                source = io.BufferedReader(FromPage(file, tiff_pages(file)[0][index].full.at))
            picture = opened(path, source)
            orientation = orientation_of(picture)
            dpi = _stated_dpi(picture)
            kept = _kept_jpeg(path, picture, orientation, dpi) if index == 0 else None
    except (OSError, VramwiseError, IndexError, ValueError, SyntaxError):
        kept, orientation = None, 1  # what was read was read otherwise
    if kept is not None:
        return kept
    return of_pixels(pixels, dpi[::-1] if orientation >= 5 else dpi)


def _kept_jpeg(path: Path, picture: Any, orientation: int, dpi: tuple[float, float]) -> PagePicture | None:
    if picture.format not in ("JPEG", "MPO") or picture.mode not in _CHANNELS:
        return None
    data = path.read_bytes()
    if _kind(data) not in _SEQUENTIAL or b"\xff\xd9" not in data[-65_536:]:
        return None
    profile = picture.info.get("icc_profile") or b""
    fits = profile[16:20] == _CHANNELS[picture.mode][1].encode() if profile else True
    if not fits:
        return None  # a viewer ignores such a profile, a PDF would not
    width, height = picture.size
    return PagePicture(data, _jpeg_entries(picture.mode), width, height, dpi, orientation, bytes(profile))


def _jpeg_entries(mode: str) -> dict[str, Any]:
    space = "/DeviceGray" if mode == "L" else "/DeviceRGB"
    return {"ColorSpace": space, "BitsPerComponent": 8, "Filter": "/DCTDecode"}


def _kind(data: bytes) -> int:
    """The start-of-frame mark of a JPEG (ITU-T T.81, table B.1); 0 where there is none."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        mark = data[at + 1]
        if mark == 0xFF:  # padding
            at += 1
        elif 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            return mark
        elif mark in (0xD8, 0xD9, 0xDA):
            return 0
        else:
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return 0


def _stated_dpi(picture: Any) -> tuple[float, float]:
    try:
        across, down = (float(value) for value in picture.info.get("dpi", (0, 0)))
    except (TypeError, ValueError, ZeroDivisionError):
        across = down = 0.0
    # a fax has half as many lines down as dots across
    sane = LEAST_DPI <= max(across, down) <= MOST_DPI and min(across, down) >= max(across, down) / 4
    return (across, down) if sane else (float(USUAL_DPI), float(USUAL_DPI))


def _fewest_channels(pixels: NDArray[uint8]) -> NDArray[uint8]:
    grey = pixels[..., 0]
    same = bool((grey == pixels[..., 1]).all() and (grey == pixels[..., 2]).all())
    return grey if same else pixels


def _is_black_and_white(pixels: NDArray[uint8]) -> bool:
    grey = pixels[..., 0]
    return bool(((grey == 0) | (grey == 255)).all())


def _png_data(png: bytes) -> bytes:
    """The compressed rows of a PNG, which a PDF takes as they are."""
    at, parts = 8, []
    while at + 8 <= len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IDAT":
            parts.append(png[at + 8 : at + 8 + length])
        at += 12 + length
    return b"".join(parts)
