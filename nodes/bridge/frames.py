"""The pictures of an IMAGE input that takes lists: tensors of any batch size and of different sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .images import Pages


def first(value: Any) -> Any:
    """The value of a widget of a node that takes lists, where every value comes as a list."""
    return value[0] if isinstance(value, list | tuple) and value else value


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
