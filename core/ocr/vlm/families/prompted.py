"""Families without turns: the processor takes a text with the picture's mark in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....families.family import Task
from ..adapter import Adapter, Prepared, tensors_of

if TYPE_CHECKING:
    from PIL.Image import Image


class FamilyAdapter(Adapter):
    """What the family's ``chat_template`` says stands in front of every prompt."""

    def prepare(self, pictures: Sequence[Image], prompt: str, task: Task) -> Prepared:
        """Inputs for ``pictures``, each asked ``prompt``."""
        inputs = self.processor(
            images=list(pictures),
            text=[f"{self.family.chat_template}{prompt}"] * len(pictures),
            padding=True,
            return_tensors="pt",
        )
        return Prepared(tensors_of(inputs), tuple(picture.size for picture in pictures))
