"""dots.ocr and dots.mocr: a class and a processor of our own, because transformers has none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....families.family import Task
from ..adapter import Adapter, Prepared, check_aspect
from .dots_model import DotsOCRForCausalLM, DotsOCRProcessor

if TYPE_CHECKING:
    from PIL.Image import Image


class FamilyAdapter(Adapter):
    """One user turn: the picture, then the prompt. Boxes come back in pixels of the resized picture."""

    processor: DotsOCRProcessor

    @staticmethod
    def model_class() -> Any:
        return DotsOCRForCausalLM

    @staticmethod
    def open_processor(path: Path) -> DotsOCRProcessor:
        return DotsOCRProcessor.from_folder(path)

    def prepare(self, pictures: Sequence[Image], prompt: str, task: Task) -> Prepared:
        """Inputs for ``pictures``, each asked ``prompt``."""
        for picture in pictures:
            check_aspect(*picture.size)
        seen = tuple(self.processor.size(picture) for picture in pictures)
        return Prepared(self.processor(pictures, prompt), seen)
