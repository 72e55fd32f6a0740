"""Pictures on their way into an engine: 8-bit RGB, upright, within a pixel budget."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import VramwiseError

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

log = logging.getLogger("vramwise.ocr")
MAX_SIDE = 32_000  # cv2.resize and warpPerspective refuse sides of 32767 and more (SHRT_MAX)


def load_picture(path: str | Path) -> NDArray[uint8]:
    """Read a picture file as uint8 RGB (height, width, 3), turned upright by its EXIF tag, alpha over
    white (over black or grey where white would hide what is drawn). One of more than 128 megapixels comes
    back smaller, with a warning.
    """
    from ..pictures.decode import decode

    path = Path(path)
    if not path.is_file():
        raise VramwiseError(
            f"There is no file {path}. Give the path of a picture (PNG, JPEG, WebP, TIFF or BMP)."
        )
    found = decode(path)
    if found.note:
        log.warning("%s", found.note)
    return found.pixels


def from_pil(picture: Any) -> NDArray[uint8]:
    """A PIL image as uint8 RGB (height, width, 3); transparency as ``load_picture`` has it."""
    import numpy as np

    from ..pictures.colours import Converter

    picture.load()
    return np.ascontiguousarray(np.asarray(Converter(picture).rgb(picture), dtype=np.uint8))


def check_size(image: NDArray[uint8]) -> None:
    """Refuse what no engine can take, with the remedy."""
    height, width = image.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise VramwiseError(
            f"The picture is {width} x {height} pixels; OCR takes at most {MAX_SIDE} on a side. "
            "Cut it into pages or scale it down first."
        )


def fit_pixels(image: NDArray[uint8], max_pixels: int | None) -> NDArray[uint8]:
    """Scale down (never up) so that height x width <= max_pixels. The same array comes back when it fits."""
    height, width = image.shape[:2]
    if max_pixels is None or height * width <= max_pixels:
        return image
    import cv2

    size = _within(width, height, max_pixels)
    smaller: NDArray[uint8] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return smaller


def sides_as_asked(
    width: int, height: int, max_pixels: int | None, longest_side: int = 0, doubled_below: int = 0
) -> tuple[int, int]:
    """(width, height) of what ``as_asked`` makes of a picture of these sides."""
    if max(width, height) < doubled_below:
        width, height = 2 * width, 2 * height
    most = _most_pixels(width, height, max_pixels, longest_side)
    return (width, height) if most is None else _within(width, height, most)


def _most_pixels(width: int, height: int, max_pixels: int | None, longest_side: int) -> int | None:
    """``max_pixels``, or fewer where the longer side would be longer than ``longest_side``."""
    if not longest_side or max(width, height) <= longest_side:
        return max_pixels
    within = max(1, longest_side**2 * min(height, width) // max(height, width))
    return within if max_pixels is None else min(max_pixels, within)


def _within(width: int, height: int, most: int) -> tuple[int, int]:
    if width * height <= most:
        return width, height
    scale = (most / (height * width)) ** 0.5
    return max(1, int(width * scale)), max(1, int(height * scale))


def as_asked(
    image: NDArray[uint8], max_pixels: int | None, longest_side: int = 0, doubled_below: int = 0
) -> NDArray[uint8]:
    """``image`` as a recipe wants it shown: doubled where both sides are below ``doubled_below`` pixels, then
    no longer than ``longest_side`` (0: as long as it is) and within ``max_pixels``.
    """
    height, width = image.shape[:2]
    if max(height, width) < doubled_below:
        import cv2

        size = 2 * width, 2 * height
        image = cast("NDArray[uint8]", cv2.resize(image, size, interpolation=cv2.INTER_LANCZOS4))
        height, width = image.shape[:2]
    return fit_pixels(image, _most_pixels(width, height, max_pixels, longest_side))


def is_blank(image: NDArray[uint8]) -> bool:
    """True for a picture of one even tone (spread of grey below 2 of 255 levels) or with a side under 4
    pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < 4:
        return True
    step = max(1, int((height * width / 4_000_000) ** 0.5))
    sample = image[::step, ::step]
    return int(sample.max()) - int(sample.min()) < 2


class Pictures(Sequence[Any]):
    """Pictures as a caller gave them, each looked at by ``as_picture`` when it is taken. One alone is one of
    one, and what can be gone through once is a list.
    """

    def __init__(self, images: Any) -> None:
        alone = isinstance(images, str | Path) or hasattr(images, "convert")
        alone = alone or len(getattr(images, "shape", (0,) * 4)) < 4
        if alone or isinstance(images, Mapping) or not isinstance(images, Iterable):
            images = [as_picture(images)]  # an array of another kind is told of as a whole, not row by row
        self._images = (
            images if hasattr(images, "__len__") and hasattr(images, "__getitem__") else list(images)
        )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        taken = self._images[index]
        return [as_picture(image) for image in taken] if isinstance(index, slice) else as_picture(taken)


def as_picture(image: Any) -> NDArray[uint8]:
    """A file path, a PIL image or an array as uint8 RGB (height, width, 3).

    Arrays must be uint8 with shape (height, width, 3); anything else raises VramwiseError.
    """
    if isinstance(image, str | Path):
        return load_picture(image)
    if hasattr(image, "mode") and hasattr(image, "convert"):
        return from_pil(image)
    shape: tuple[int, ...] = getattr(image, "shape", ())
    kind = str(getattr(image, "dtype", type(image).__name__))
    if len(shape) == 3 and shape[2] == 3 and kind == "uint8":
        picture: NDArray[uint8] = image
        return picture
    raise VramwiseError(
        "A picture must be a file path, a PIL image or a uint8 RGB array (height, width, 3), "
        f"not {kind} {shape}."
    )


def edge_colour(picture: NDArray[uint8]) -> NDArray[Any]:
    """The paper's colour: the median of the border of a picture (height, width, channels), a number each."""
    import numpy as np

    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    colour: NDArray[Any] = np.median(border, axis=0)
    return colour
