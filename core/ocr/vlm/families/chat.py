"""Families whose processor has a chat template: Qwen2-VL, Qwen3-VL, GLM-OCR, PaddleOCR-VL, LightOnOCR and
others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ....families.family import Family, Task
from ..adapter import Adapter, Prepared, check_aspect
from ..answers.reasoning import opens_thinking
from ..chat_template import chat_template

if TYPE_CHECKING:
    from PIL.Image import Image


class FamilyAdapter(Adapter):
    """One user turn: the picture, then the prompt."""

    def __init__(self, family: Family, path: Path) -> None:
        super().__init__(family, path)
        self.template = chat_template(self.processor, family, path)

    def stop_ids(self) -> tuple[int, ...]:
        """Also the token that the chat template puts behind an answer."""
        follows = self.template.turn_end(self.processor)
        added = (token for token in self.tokenizer.get_added_vocab() if follows.startswith(token))
        return (*super().stop_ids(), *self.ids_of(max(added, key=len, default="")))

    def prepare(self, pictures: Sequence[Image], prompt: str, task: Task) -> Prepared:
        """Inputs for ``pictures``, each asked ``prompt``."""
        for picture in pictures:
            check_aspect(*picture.size)
        asked = self.template.asked(self.processor, prompt)
        begun = self.tokenizer.bos_token
        # A template that writes the first token itself would otherwise be given it twice.
        more = {"add_special_tokens": False} if begun and asked.startswith(begun) else {}
        inputs = self.processor(
            images=[[picture] for picture in pictures],
            text=[asked] * len(pictures),
            padding=True,
            return_tensors="pt",
            **more,
        )
        # Some processors hand out token_type_ids, which no decoder here takes.
        tensors = {
            name: value
            for name, value in inputs.items()
            if isinstance(value, torch.Tensor) and name != "token_type_ids"
        }
        notes = (self.template.note,) if self.template.note else ()
        return Prepared(tensors, self._seen(tensors, pictures), opens_thinking(asked), notes)

    def _seen(
        self, tensors: dict[str, torch.Tensor], pictures: Sequence[Image]
    ) -> tuple[tuple[int, int], ...]:
        """(width, height) in pixels after the processor's own resizing, where its patch grid tells."""
        grid = tensors.get("image_grid_thw")
        patch = getattr(self.processor.image_processor, "patch_size", None)
        if grid is None or not isinstance(patch, int):
            return tuple(picture.size for picture in pictures)
        return tuple((int(w) * patch, int(h) * patch) for _, h, w in grid.tolist())
