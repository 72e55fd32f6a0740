"""GOT-OCR 2.0: the processor writes the prompt itself, and a large picture is cut into tiles."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ....families.family import Family, Task
from ..adapter import Adapter, Prepared

if TYPE_CHECKING:
    from PIL.Image import Image

SCALED_DOWN = 4  # two convolutions of stride 2 between the encoder's patches and the language model's tokens
TILES_FROM = 2.0  # times the encoder's own pixels: a smaller picture is read whole
MAX_TILES = 12  # of the processor


class FamilyAdapter(Adapter):
    """Plain text, or Mathpix markdown where the task's prompt is "format".

    Tiles are encoded one by one: the encoder's eager attention takes 2.28 GiB for each 1024 x 1024 tile, and
    the model's own forward would take them all at once. The tokens are the same
    (docs/sources.md#tiles-of-got-ocr).
    """

    def __init__(self, family: Family, path: Path) -> None:
        super().__init__(family, path)
        vision = json.loads((path / "config.json").read_text(encoding="utf-8")).get("vision_config") or {}
        self.tile = int(self.processor.image_processor.size["height"])
        self.tile_tokens = (self.tile // int(vision.get("patch_size", 16)) // SCALED_DOWN) ** 2

    def prepare(self, pictures: Sequence[Image], prompt: str, task: Task) -> Prepared:
        """Inputs for ``pictures``; "pixel_values" is (tiles of all pictures, 3, side, side)."""
        rows = [self._one(picture, formatted=prompt == "format") for picture in pictures]
        width = max(row["input_ids"].shape[1] for row in rows)
        pad = self.tokenizer.pad_token_id
        tensors = {
            "input_ids": torch.cat([_left(row["input_ids"], width, pad) for row in rows]),
            "attention_mask": torch.cat([_left(row["attention_mask"], width, 0) for row in rows]),
            "pixel_values": torch.cat([row["pixel_values"] for row in rows]),
        }
        return Prepared(tensors, tuple(picture.size for picture in pictures))

    def _one(self, picture: Image, formatted: bool) -> Any:
        tiles = min(MAX_TILES, math.ceil(picture.width * picture.height / self.tile**2))
        cut: dict[str, Any] = {}
        if tiles > TILES_FROM:
            cut = {"crop_to_patches": True, "min_patches": 1, "max_patches": tiles}
        return self.processor(
            images=picture, format=formatted, num_image_tokens=self.tile_tokens, return_tensors="pt", **cut
        )

    def generate(
        self, net: Any, prepared: Prepared, decoding: Mapping[str, Any], check: Callable[[], None]
    ) -> None:
        """As in Adapter, with the picture encoded tile by tile."""
        tensors = self.placed(net, prepared.tensors)
        with torch.inference_mode():
            ids = tensors["input_ids"]
            embeds = net.get_input_embeddings()(ids)
            features = []
            for tile in tensors["pixel_values"]:
                check()
                found = net.model.get_image_features(pixel_values=tile[None])
                features.append(getattr(found, "pooler_output", found).to(embeds))  # perhaps another card's
            image = (ids == self.processor.image_token_id).to(embeds.device)
            embeds = embeds.masked_scatter(image[..., None], torch.cat(features))
        # Without input_ids beside the embeddings, generate answers with new tokens only.
        given = {"inputs_embeds": embeds, "attention_mask": tensors["attention_mask"]}
        self.run(net, given, decoding)


def _left(row: torch.Tensor, width: int, value: int) -> torch.Tensor:
    return torch.nn.functional.pad(row, (width - row.shape[1], 0), value=value)
