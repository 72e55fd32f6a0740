"""Families whose processor has a chat template: Qwen2-VL, Qwen3-VL, GLM-OCR, PaddleOCR-VL, LightOnOCR and
others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ....families.family import Task
from ..adapter import Adapter, Prepared, check_aspect

if TYPE_CHECKING:
    from PIL.Image import Image


class FamilyAdapter(Adapter):
    """One user turn: the picture, then the prompt."""

    def prepare(self, pictures: Sequence[Image], prompt: str, task: Task) -> Prepared:
        """Inputs for ``pictures``, each asked ``prompt``."""
        for picture in pictures:
            check_aspect(*picture.size)
        asked = self._asked(prompt)
        inputs = self.processor(
            images=[[picture] for picture in pictures],
            text=[asked] * len(pictures),
            padding=True,
            return_tensors="pt",
        )
        # Some processors hand out token_type_ids, which no decoder here takes.
        tensors = {
            name: value
            for name, value in inputs.items()
            if isinstance(value, torch.Tensor) and name != "token_type_ids"
        }
        return Prepared(tensors, self._seen(tensors, pictures))

    def _asked(self, prompt: str) -> str:
        content: list[dict[str, str]] = [{"type": "image"}]
        if prompt:
            content.append({"type": "text", "text": prompt})
        text: str = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        return text

    def _seen(
        self, tensors: dict[str, torch.Tensor], pictures: Sequence[Image]
    ) -> tuple[tuple[int, int], ...]:
        """(width, height) in pixels after the processor's own resizing, where its patch grid tells."""
        grid = tensors.get("image_grid_thw")
        patch = getattr(self.processor.image_processor, "patch_size", None)
        if grid is None or not isinstance(patch, int):
            return tuple(picture.size for picture in pictures)
        return tuple((int(w) * patch, int(h) * patch) for _, h, w in grid.tolist())
