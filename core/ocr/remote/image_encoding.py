"""A picture as it travels: scaled to the pixels that count, encoded once."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from ...errors import VramwiseError
from ..images import fit_pixels

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

JPEG_QUALITY = 95
MAX_ASPECT = 200  # processors of the Qwen kind refuse longer strips, each server in words of its own


def encode(image: NDArray[uint8], max_pixels: int, form: str) -> tuple[str, tuple[int, int]]:
    """(data: URL, (width, height) as sent) of a uint8 RGB image (height, width, 3); ``form`` is png or jpeg.

    PNG carries every pixel, so that a server reads exactly what the local engine would. A picture without
    colours is sent as one channel: servers make three of it again.
    """
    import cv2

    height, width = image.shape[:2]
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise VramwiseError(
            f"The picture is {width} x {height} pixels: longer than {MAX_ASPECT} times its width. Cut it "
            "into pieces first."
        )
    sent = fit_pixels(image, max_pixels)
    # OpenCV's own PNG settings are for speed: half the time of level 1, and up to twice its size.
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if form == "jpeg" else []
    ending = ".jpg" if form == "jpeg" else ".png"
    grey = _grey(sent)
    pixels = cv2.cvtColor(sent, cv2.COLOR_RGB2BGR) if grey is None else grey
    done, encoded = cv2.imencode(ending, pixels, quality)
    if not done:
        raise VramwiseError(f"The picture of {width} x {height} pixels could not be written as {form}.")
    text = base64.b64encode(encoded.data).decode("ascii")
    return f"data:image/{form};base64,{text}", (sent.shape[1], sent.shape[0])


def _grey(image: NDArray[uint8]) -> NDArray[uint8] | None:
    """The picture as (height, width) where all three channels are alike, as in most scans; else None."""
    import cv2

    grey = cast("NDArray[uint8]", cv2.extractChannel(image, 0))
    return None if cv2.norm(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), image, cv2.NORM_INF) else grey
