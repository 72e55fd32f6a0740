"""ComfyUI's IMAGE and MASK tensors to and from the core's arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ...core.cancel import watched
from ...core.errors import VramwiseError
from .lazy_image import LazyImage

if TYPE_CHECKING:
    from ...core.ocr.results.result import OCRResult, Region, Regions

CHANNELS = (1, 2, 3, 4)  # of a picture: grey, grey with transparency, RGB, RGBA
MAX_MASK_PIXELS = 2**30  # of all masks of a batch together, 4 bytes each
SMALL_BYTES = 2**25  # of an output beside the main ones
MAX_PAGE_PIXELS = 2**27  # of one, of which no picture has more


class Pages(Sequence[Any]):
    """An IMAGE batch (B, H, W, C) float 0..1 as uint8 RGB arrays, one converted at a time."""

    def __init__(self, image: torch.Tensor) -> None:
        if not has_pixels(image):
            raise VramwiseError(
                f"The image input holds {kind_of(image)}, which is no picture. Link it to a Load Image "
                "node's output."
            )
        if image.ndim != 4 or image.shape[-1] not in CHANNELS or 0 in image.shape:
            raise VramwiseError(
                f"The image has the shape {tuple(image.shape)}; OCR needs (batch, height, width, channels) "
                "with 1 to 4 channels and at least one pixel. Check the node before it."
            )
        self._image = image

    def __len__(self) -> int:
        return int(self._image.shape[0])

    def __getitem__(self, index: Any) -> Any:
        return _eight_bit(_over_white(self._image[index].detach().cpu()))


class Frames(Sequence[Any]):
    """All pictures of several IMAGE tensors in order, as uint8 RGB arrays, one converted at a time."""

    def __init__(self, images: Sequence[torch.Tensor]) -> None:
        self._places = [(Pages(image), image, at) for image in images for at in range(len(Pages(image)))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        pages, _, at = self._places[index]
        return pages[at]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width, without making the pixels."""
        _, image, _ = self._places[index]
        return int(image.shape[1]), int(image.shape[2])

    def tensor(self, index: int) -> torch.Tensor:
        """One picture as the node before made it: (1, height, width, channels)."""
        _, image, at = self._places[index]
        return image[at : at + 1]

    def in_order(self, order: Sequence[int]) -> list[torch.Tensor]:
        """The pictures in ``order`` as one batch, or as one each where they differ in size or channels. A
        large batch is made when somebody asks for it.
        """
        shapes = {self._places[at][1].shape[1:] for at in order}
        if len(shapes) != 1:
            return [self.tensor(at) for at in order]
        shape = (len(order), *shapes.pop())
        return [whole_or_lazy(shape, lambda: torch.cat([self.tensor(at) for at in order]))]


def whole_or_lazy(shape: tuple[int, ...], make: Callable[[], torch.Tensor]) -> torch.Tensor:
    """A float32 tensor of ``shape``: made now, or where it is large at each use, so that an output nobody
    links takes no memory.
    """
    return make() if 4 * math.prod(shape) <= SMALL_BYTES else LazyImage(shape, make)


def first(value: Any) -> Any:
    """The value of a widget of a node that takes lists, where every value comes as a list."""
    return value[0] if isinstance(value, list | tuple) and value else value


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
    from ...core.ocr.regions.overlay import draw_overlay, fill_mask

    batch, height, width, _ = image.shape
    if isinstance(image, LazyImage):  # a page of many: a mask and an overlay for each would not fit either
        return (
            LazyImage((batch, height, width), lambda: masks_and_overlays(image.clone(), results)[0]),
            LazyImage((batch, height, width, 3), lambda: masks_and_overlays(image.clone(), results)[1]),
        )
    mask = torch.zeros((batch, height, width), dtype=torch.float32)
    overlay = private_rgb(image)
    for page, result in enumerate(results):
        fill_mask(mask[page].numpy(), result.regions)
        draw_overlay(overlay[page].numpy(), result.regions)
    return mask, overlay


def check_pages(regions: Any) -> None:
    """Raise VramwiseError unless ``regions`` is what travels on a VRAMWISE_REGIONS link, with a page."""
    from ...core.ocr.results.polygons import check_polygons

    if not hasattr(regions, "pages"):
        raise VramwiseError(
            f"The regions input holds {kind_of(regions)}, which are no regions. Link it to the regions "
            "output of OCR Inference."
        )
    if not regions.pages:
        raise VramwiseError("The regions hold no page at all. Give OCR Inference at least one picture.")
    check_polygons(regions.pages)


def has_pixels(value: Any) -> bool:
    """Whether ``value`` is a tensor whose every number is there: neither a shape alone nor a sparse one."""
    return isinstance(value, torch.Tensor) and value.layout is torch.strided and value.device.type != "meta"


def kind_of(value: Any) -> str:
    """What ``value`` is, in few words: a list of pictures would be pages of numbers."""
    if isinstance(value, torch.Tensor):
        return f"a tensor with {value.dim()} sides" if has_pixels(value) else "a tensor without pixels"
    return f"{value!r:.60}" if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"


def check_same_pages(image: torch.Tensor, regions: Regions) -> None:
    """Raise VramwiseError unless ``image`` (B, H, W, C) has the number and size of the pages read."""
    if not has_pixels(image) or image.dim() != 4:
        raise VramwiseError(
            f"The image input holds {kind_of(image)}, which is no batch of pictures. Link it to an image."
        )
    batch, height, width = image.shape[:3]
    if batch != len(regions):
        raise VramwiseError(
            f"The image is a batch of {batch}, the regions are of {len(regions)} pages. Give both nodes the "
            "same pictures."
        )
    for number, page in enumerate(regions, 1):
        if (page.width, page.height) != (width, height):
            raise VramwiseError(
                f"The image is {width} x {height} pixels, but page {number} was read at {page.width} x "
                f"{page.height}. Give both nodes the same pictures, and scale them before reading or not at "
                "all."
            )


def masks_over(
    outlines: Sequence[Sequence[Sequence[Any]]], size: tuple[int, int], grow: int, feather: int
) -> torch.Tensor:
    """MASK (B, H, W) of ``size`` (width, height), one for each list of polygons."""
    from ...core.ocr.regions.masks import fill_polygons

    width, height = size
    if len(outlines) * width * height > MAX_MASK_PIXELS or width * height > MAX_PAGE_PIXELS:
        raise VramwiseError(
            f"{len(outlines)} masks of {width} x {height} pixels do not fit into memory sensibly (4 GiB and "
            "more). Combine them by page, or give fewer or smaller pages."
        )
    masks = torch.zeros((len(outlines), height, width), dtype=torch.float32)
    for mask, polygons in zip(masks, outlines, strict=True):
        fill_polygons(mask.numpy(), polygons, grow, feather)
    return masks


def crops_of(
    page: torch.Tensor, regions: Sequence[Region], padding: int, straighten: bool
) -> list[tuple[Region, torch.Tensor]]:
    """Each region with its crop, IMAGE (1, h, w, 3 or 4), of a page (H, W, C); none of one off the page."""
    from ...core.ocr.regions.crops import check_crops, crop

    picture = _viewable(page.detach().to("cpu", torch.float32)).contiguous().numpy()
    height, width = picture.shape[:2]
    check_crops([region.polygon for region in regions], width, height, padding)
    cut = ((region, crop(picture, region.polygon, padding, straighten)) for region in watched(regions, 4))
    # A copy each: a view would keep the whole page alive, and nodes may write into what they are given.
    return [(region, torch.from_numpy(part.copy())[None]) for region, part in cut if part is not None]


def _viewable(page: torch.Tensor) -> torch.Tensor:
    """A page (H, W, C) with the channels that every node takes: PIL, and with it core's Preview and Save
    Image, makes no picture of one grey channel, nor of grey with transparency.
    """
    channels = page.shape[-1]
    if channels in (3, 4):
        return page
    if channels == 1:
        return page.expand(-1, -1, 3)
    if channels == 2:
        return torch.cat((page[..., :1].expand(-1, -1, 3), page[..., 1:]), dim=-1)
    raise VramwiseError(
        f"The picture has {channels} channels; a picture has 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 "
        "(RGBA). Check the node before this one."
    )


def nothing_follows() -> Any:
    """What an output carries when nothing that needs it shall run; ComfyUI breaks off at an empty list."""
    from comfy_execution.graph_utils import ExecutionBlocker

    return ExecutionBlocker(None)


def private_rgb(image: torch.Tensor) -> torch.Tensor:
    """A copy (B, H, W, 3) float32 on the CPU of pictures of any of CHANNELS: inputs are shared between nodes
    and never drawn on.
    """
    picture = _over_white(image.detach().to("cpu", torch.float32))
    if image.shape[-1] == 4:  # made anew already
        return picture.contiguous()
    # One thread: torch's own would wait for the engine's, which spin for a while after a reading.
    return torch.from_numpy(picture.numpy().copy())


def _over_white(picture: torch.Tensor) -> torch.Tensor:
    """(..., 3) of a picture (..., channels), maybe a view: grey is repeated, transparency laid over white."""
    if picture.shape[-1] in (2, 4):
        cover = picture[..., -1:]
        picture = picture[..., :-1] * cover + (1 - cover)
    return picture.expand(*picture.shape[:-1], 3)
