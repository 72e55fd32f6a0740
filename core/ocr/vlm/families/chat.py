"""Families whose processor has a chat template: Qwen2-VL, Qwen3-VL, GLM-OCR, PaddleOCR-VL, LightOnOCR and
others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ....errors import VramwiseError
from ....families.family import Family, Task
from ..adapter import Adapter, Prepared, check_aspect, tensors_of
from ..answers.reasoning import opens_thinking
from ..chat_history import Turn
from ..chat_template import chat_template, image_mark

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
        asked = self.template.asked(self.processor, prompt)
        return self._prepared([[picture] for picture in pictures], asked)

    def converse(
        self, pictures: Sequence[Image], prompt: str, task: Task, turns: Sequence[Turn], together: bool
    ) -> Prepared:
        """Inputs for a question with others before it, or about several pictures at once."""
        rows = [list(pictures)] if together else [[picture] for picture in pictures]
        asked = self.template.asked(self.processor, prompt, turns, len(rows[0]))
        mark = image_mark(self.processor)
        if mark and asked.count(mark) != len(rows[0]):
            if mark in prompt or any(mark in turn.text for turn in turns):
                raise VramwiseError(
                    f"The prompt or the history holds {mark}, by which this model knows a picture. Leave it "
                    "out."
                )
            shown = f"{asked.count(mark)} of {len(rows[0])}"
            raise VramwiseError(
                f"The chat template of {self.path.name} shows {shown} pictures. Ask about one at a time."
            )
        return self._prepared(rows, asked)

    def _prepared(self, rows: Sequence[Sequence[Image]], asked: str) -> Prepared:
        """Inputs for ``rows`` of pictures, all asked the same."""
        pictures = [picture for row in rows for picture in row]
        for picture in pictures:
            check_aspect(*picture.size)
        begun = self.tokenizer.bos_token
        # A template that writes the first token itself would otherwise be given it twice.
        more = {"add_special_tokens": False} if begun and asked.startswith(begun) else {}
        inputs = self.processor(
            images=[list(row) for row in rows],
            text=[asked] * len(rows),
            padding=True,
            return_tensors="pt",
            **more,
        )
        tensors = tensors_of(inputs)
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
