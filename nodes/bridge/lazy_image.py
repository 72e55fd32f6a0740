"""IMAGE tensors whose pixels are made when somebody asks for them.

ComfyUI keeps every item of an output list, and a float page of an A4 sheet at 150 DPI is 26 MB: a thousand
of them would not fit. A LazyImage keeps a shape and a way to render; what a node gets out of any operation
on it is an ordinary tensor. Keep plain tensors where there are few: packs with compiled code of their own may
reach for memory that a LazyImage does not have.
"""

from __future__ import annotations

import functools
import math
import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_map_only

if TYPE_CHECKING:
    from ...core.documents.pages import Book, Page

EAGER_BYTES = 2**28  # some ten A4 pages at 150 DPI
_PROPERTIES = ("shape", "ndim", "dtype", "device", "layout", "requires_grad", "nbytes", "itemsize")
_WHERE = ("is_cpu", "is_cuda", "is_mps", "is_xpu", "is_meta", "is_sparse", "is_quantized")
_KNOWN = frozenset(
    [
        # torch's types call these values, and they are descriptors
        *(getattr(torch.Tensor, name).__get__ for name in (*_PROPERTIES, *_WHERE)),
        torch.Tensor.size,
        torch.Tensor.dim,
        torch.Tensor.numel,
        torch.Tensor.nelement,
        torch.Tensor.element_size,
        torch.Tensor.is_floating_point,
        torch.Tensor.__len__,
    ]
)  # what is answered without rendering


class LazyImage(torch.Tensor):
    """A float32 CPU tensor of ``shape`` that ``render()`` makes anew at each use; nothing is kept."""

    _render: Callable[[], torch.Tensor]

    @staticmethod
    def __new__(cls, shape: tuple[int, ...], render: Callable[[], torch.Tensor]) -> LazyImage:
        made: LazyImage = torch.Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float32)
        made._render = render
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _KNOWN:
            # torch has no types for it
            return super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]
        if func is torch.Tensor.untyped_storage:
            # what is kept of it; newer caches of ComfyUI count the RAM of outputs by their storages
            return torch.UntypedStorage(0)  # type: ignore[no-untyped-call]
        return func(*_rendered(args), **_rendered(kwargs or {}))

    # torch's types know only the function that stands in for an absent one
    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return func(*_rendered(args), **_rendered(kwargs or {}))


def _rendered(arguments: Any) -> Any:
    return tree_map_only(LazyImage, lambda image: image._render(), arguments)


def page_images(book: Book) -> list[torch.Tensor]:
    """One IMAGE (1, height, width, 3) a page: plain tensors where all fit into EAGER_BYTES, else lazy."""
    shapes = [(1, page.height, page.width, 3) for page in book.pages]
    if 4 * sum(math.prod(shape) for shape in shapes) <= EAGER_BYTES:
        return [_image(book, page) for page in book.pages]
    return [
        LazyImage(shape, functools.partial(_image, book, page))
        for shape, page in zip(shapes, book.pages, strict=True)
    ]


def _image(book: Book, page: Page) -> torch.Tensor:
    """One page in memory of its own, which the system takes back with the tensor: from the common heap, pages
    and whatever small is kept of them leave holes, measured as 2 GB after 150 pages on Linux.
    """
    import numpy as np

    picture = book.read(page)
    image = torch.frombuffer(mmap.mmap(-1, 4 * picture.size), dtype=torch.float32)
    image = image.reshape(1, *picture.shape)
    np.divide(picture[None], np.float32(255), out=image.numpy())
    return image
