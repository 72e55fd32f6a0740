"""ComfyUI's IMAGE and MASK tensors to and from the core's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import VramwiseError

if TYPE_CHECKING:
    from ...core.ocr.result import OCRResult


class Pages(Sequence[Any]):
    """An IMAGE batch (B, H, W, C) float 0..1 as uint8 RGB arrays, one converted at a time.

    One channel is repeated; a fourth is transparency and is laid over white.
    """

    def __init__(self, image: torch.Tensor) -> None:
        if not isinstance(image, torch.Tensor):
            raise VramwiseError(
                f"The image input holds {image!r}, which is no picture. Link it to a Load Image node's "
                f"output."
            )
        if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
            raise VramwiseError(
                f"The image has the shape {tuple(image.shape)}; OCR needs (batch, height, width, channels) "
                f"with 1, 3 or "
                "4 channels and at least one pixel. Check the node before it."
            )
        self._image = image

    def __len__(self) -> int:
        return int(self._image.shape[0])

    def __getitem__(self, index: Any) -> Any:
        page = self._image[index].detach().cpu()
        if page.shape[-1] == 4:
            page = page[..., :3] * page[..., 3:] + (1 - page[..., 3:])
        if page.shape[-1] == 1:
            page = page.expand(-1, -1, 3)
        return _eight_bit(page)


def _eight_bit(page: torch.Tensor) -> Any:
    """(H, W, C) float 0..1 as a uint8 array; OpenCV rounds and saturates in one pass over the memory."""
    import cv2
    import numpy as np

    values = np.ascontiguousarray(page.to(torch.float32).numpy())
    if values.min() < 0:  # some upscalers leave such values, and convertScaleAbs would mirror them
        values = values.clip(0)
    flat = values.reshape(values.shape[0], -1)
    return cv2.convertScaleAbs(flat, alpha=255.0).reshape(values.shape)


def masks_and_overlays(
    image: torch.Tensor, results: Sequence[OCRResult]
) -> tuple[torch.Tensor, torch.Tensor]:
    """MASK (B, H, W) with the union of each page's polygons, and IMAGE (B, H, W, 3) with them drawn on it."""
    from ...core.ocr.drawing import draw_overlay, fill_mask

    batch, height, width, channels = image.shape
    mask = torch.zeros((batch, height, width), dtype=torch.float32)
    overlay = _rgb(image, channels)
    for page, result in enumerate(results):
        fill_mask(mask[page].numpy(), result.regions)
        draw_overlay(overlay[page].numpy(), result.regions)
    return mask, overlay


def _rgb(image: torch.Tensor, channels: int) -> torch.Tensor:
    """A private float32 copy with three channels: inputs are shared between nodes and never drawn on."""
    picture = image.detach().to("cpu", torch.float32)
    if channels == 4:
        return (picture[..., :3] * picture[..., 3:] + (1 - picture[..., 3:])).contiguous()
    if channels == 1:
        return picture.repeat(1, 1, 1, 3)
    # One thread: torch's own would wait for the engine's, which spin for a while after a reading.
    return torch.from_numpy(picture.numpy().copy())
