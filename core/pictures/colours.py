"""Pixels of every kind as 8-bit RGB: depths, colour profiles, transparency, as a viewer shows them."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

# Bits that cameras and scanners fill of a 16-bit value: a TIFF of 12 bits in 16 looks black otherwise.
USED_BITS = (8, 10, 12, 14, 16, 24, 32)
MAX_PROFILE_BYTES = 16 * 1024 * 1024
BAND_BYTES = 32 * 1024 * 1024  # of pixels that are converted at once
LOOKED_PIXELS = 4_000_000  # of a picture with transparency, to know what is to be seen on it
RIM = 3  # pixels: what is so near to transparency would vanish into its background
FAINT = 64  # levels of grey between ink and paper that are too few to rely on
LOST_MORE = 0.15  # white stays the paper where it loses no more than this share above the best
_MIN_IS_WHITE, _PHOTOMETRIC, _BITS, _MAX_SAMPLE, _FORMAT = 0, 262, 258, 281, 339
_SPACES = {"RGB ": ("RGB",), "GRAY": ("L",), "CMYK": ("CMYK",), "Lab ": ("LAB",)}


class Converter:
    """Makes parts of one loaded PIL picture RGB, all in the same way: the range of deep pixels is that of
    the whole picture.
    """

    def __init__(self, picture: Any) -> None:
        self._profile = _profile(picture.info.get("icc_profile"))
        self._transforms: dict[str, Any] = {}
        self._numbers = _numbers(picture)
        self._range = _range_of(picture, self._numbers) if self._numbers else (0.0, 255.0)
        self._transparency = picture.info.get("transparency")
        self._paper = _paper(picture) if not self._numbers and _see_through(picture) else 255

    def rgb(self, part: Any) -> Any:
        """``part`` (a PIL picture of the same kind) as a PIL picture RGB; transparency over white, over black
        or grey where what is drawn would be lost on white.
        """
        from PIL import Image

        if self._numbers:
            part = self._shallow(part)
        if not _see_through(part):
            return self._managed(part)
        rgba = part.convert("RGBA")
        if self._profile is not None:
            managed = self._managed(rgba.convert("RGB"))
            managed.putalpha(rgba.getchannel("A"))
            rgba = managed
        paper = Image.new("RGBA", rgba.size, (self._paper, self._paper, self._paper, 255))
        return Image.alpha_composite(paper, rgba).convert("RGB")

    def _shallow(self, part: Any) -> Any:
        """One deep channel as 8 bits; what is no number is paper, as transparency is."""
        import numpy as np
        from PIL import Image

        values = np.asarray(part)
        values = values.view(self._numbers) if values.dtype.kind in "iu" else values
        grey = _scaled(values, self._range)
        if isinstance(self._transparency, int | float):
            grey[values == self._transparency] = 255
        return Image.fromarray(grey)

    def _managed(self, part: Any) -> Any:
        if self._profile is not None:
            if part.mode in ("P", "1", "YCbCr", "HSV"):
                part = part.convert("RGB")
            if part.mode in _SPACES.get(self._profile.profile.xcolor_space, ()):
                changed = self._through_profile(part)
                if changed is not None:
                    return changed
        return part.convert("RGB")

    def _through_profile(self, part: Any) -> Any:
        """None where the profile is of no use: viewers ignore such a one."""
        from PIL import ImageCms

        try:
            if part.mode not in self._transforms:
                self._transforms[part.mode] = ImageCms.buildTransform(
                    self._profile, ImageCms.createProfile("sRGB"), part.mode, "RGB"
                )
            return ImageCms.applyTransform(part, self._transforms[part.mode])
        except (ImageCms.PyCMSError, OSError, ValueError):
            self._profile = None
            return None


def _see_through(picture: Any) -> bool:
    return picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or (
        "transparency" in picture.info and picture.mode in ("1", "L", "P", "RGB")
    )


def _paper(picture: Any) -> int:
    """The grey level to lay under a picture with transparency: 255, as documents have it, unless more of what
    borders on transparency would be lost on it than on black, or than on grey.
    """
    import numpy as np
    from PIL import Image

    factor = math.ceil(math.sqrt(picture.size[0] * picture.size[1] / LOOKED_PIXELS)) or 1
    size = max(1, picture.size[0] // factor), max(1, picture.size[1] // factor)
    few = picture.resize(size, Image.Resampling.NEAREST) if factor > 1 else picture
    rgba = few.convert("RGBA")
    alpha, grey = np.asarray(rgba.getchannel("A")), np.asarray(rgba.convert("RGB").convert("L"))
    seen = alpha >= 128
    if seen.all():
        return 255
    rim = np.zeros_like(seen)
    for axis in (0, 1):
        for step in range(1, RIM + 1):  # what borders on transparency within RIM pixels
            low, high = (
                (slice(None), slice(a, b)) if axis else (slice(a, b),) for a, b in ((0, -step), (step, None))
            )
            rim[low] |= ~seen[high]
            rim[high] |= ~seen[low]
    levels = grey[rim & seen].astype(np.int16)
    if not levels.size:
        return 255
    lost = {paper: float((abs(levels - paper) < FAINT).mean()) for paper in (255, 0, 128)}
    least = min(lost.values())
    return next(paper for paper, share in lost.items() if share <= least + LOST_MORE)


def rows_of(picture: Any, low: int, high: int) -> Any:
    """A band of rows; Image.crop would ask Pillow's limit."""
    return picture._new(picture.im.crop((0, low, picture.size[0], high)))


def eight_bits(values: Any) -> NDArray[uint8]:
    """Numbers of any kind (height, width[, channels]) as uint8, the range of all of them together."""
    import numpy as np

    if values.dtype == np.uint8:
        same: NDArray[uint8] = values
        return same
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    known = _float_range(low, high) if values.dtype.kind == "f" else _whole_range(low, high, 0, 0)
    return _scaled(values, known)


def upright(pixels: NDArray[uint8], orientation: int) -> NDArray[uint8]:
    """``pixels`` (height, width, channels) turned as EXIF's orientation (1 to 8) says."""
    import numpy as np

    turned = pixels
    if orientation in (5, 6, 7, 8):
        turned = turned.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)


def orientation_of(picture: Any) -> int:
    """EXIF's orientation of a PIL picture; 1 (upright) where its EXIF cannot be read."""
    try:
        said = picture.getexif().get(0x0112, 1)
    except Exception:  # a dozen kinds come out of damaged EXIF, and viewers show the picture all the same
        return 1
    return said if isinstance(said, int) and 1 <= said <= 8 else 1


def _numbers(picture: Any) -> str:
    """NumPy's name of the numbers of one channel that are not plain 8 bits; an empty string for those."""
    tags = getattr(picture, "tag_v2", {})
    signed, bits = (_first(tags.get(tag), usual) for tag, usual in ((_FORMAT, 1), (_BITS, 8)))
    if picture.mode == "L":
        return "i1" if (signed, bits) == (2, 8) else ""
    if picture.mode == "I":
        return "u4" if (signed, bits) == (1, 32) else "i4"
    if picture.mode == "F":
        return "f4"
    return f"{'>' if picture.mode == 'I;16B' else '='}u2" if picture.mode.startswith("I;") else ""


def _first(value: Any, usual: int) -> int:
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else usual


def _profile(data: Any) -> Any:
    """The colour profile, or None where there is none, it is sRGB already, or it cannot be read."""
    if not isinstance(data, bytes) or not 128 <= len(data) <= MAX_PROFILE_BYTES:
        return None
    try:
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        name = ImageCms.getProfileDescription(profile)
    except (ImportError, OSError, ValueError, TypeError, AttributeError):
        return None
    except Exception as error:
        if type(error).__name__ == "PyCMSError":
            return None
        raise
    return None if "srgb" in name.casefold() and profile.profile.xcolor_space == "RGB " else profile


def _range_of(picture: Any, numbers: str) -> tuple[float, float]:
    """(what is black, what is white) of a picture of one deep channel; the larger first where 0 is white."""
    tags = getattr(picture, "tag_v2", {})
    low, high = _extrema(picture, numbers)
    if picture.mode == "F":
        black, white = _float_range(low, high)
    else:
        bits, most = _first(tags.get(_BITS), 16), _first(tags.get(_MAX_SAMPLE), 0)
        black, white = _whole_range(low, high, bits, most)
    return (white, black) if tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE else (black, white)


def _whole_range(low: float, high: float, bits: int, most: int) -> tuple[float, float]:
    if low < 0:  # signed: no viewer agrees with another, so that everything is seen
        return low, max(high, low + 1)
    if 8 < bits < 16 and high < 2**bits:  # packed: the depth is certain
        return 0.0, 2.0**bits - 1
    if high <= most and most + 1 in (2**10, 2**12, 2**14):
        return 0.0, float(most)
    return 0.0, 2.0 ** next((used for used in USED_BITS if high < 2**used), 32) - 1


def _float_range(low: float, high: float) -> tuple[float, float]:
    """Floats are shares from 0 to 1, or 8 or 16 bits that were computed with; all else is shown from the
    least to the most.
    """
    if low >= -0.01 * max(high, 1.0):
        for most in (1.0, 255.0, 65535.0):
            if high <= most * 1.01:
                return 0.0, most
    return low, high if high > low else low + 1.0


def _scaled(values: Any, known: tuple[float, float]) -> NDArray[uint8]:
    """0 to 255 for what is black to what is white; what is no number is white, as transparency is."""
    import numpy as np

    low, high = known
    shares = (values.astype(np.float32) - np.float32(low)) * np.float32(255.0 / (high - low))
    shares = np.nan_to_num(shares, copy=False, nan=255.0, posinf=255.0, neginf=0.0)
    eight: NDArray[uint8] = np.rint(shares.clip(0, 255, out=shares), out=shares).astype(np.uint8)
    return eight


def _extrema(picture: Any, numbers: str) -> tuple[float, float]:
    """Least and largest finite value, a band at a time."""
    import numpy as np

    width, height = picture.size
    rows = max(1, BAND_BYTES // max(1, 4 * width))
    low, high = math.inf, -math.inf
    for top in range(0, height, rows):
        values = np.asarray(rows_of(picture, top, min(height, top + rows)))
        values = values[np.isfinite(values)] if values.dtype.kind == "f" else values.view(numbers)
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return (low, high) if low <= high else (0.0, 1.0)
