"""Asking and reading with the published vocabularies (151,665 tokens of Qwen2.5-VL, 151,669 of Qwen3-VL,
248,070 of Qwen3.5) instead of the tiny tokenizer: tiny random weights, true tokens.

A vocabulary that cannot be fetched is a skip with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("torchvision")

from PIL import Image  # noqa: E402
from vramwise.families.family import family  # noqa: E402
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions  # noqa: E402
from vramwise.ocr.results.result import OCRResult  # noqa: E402
from vramwise.ocr.vlm import load  # noqa: E402
from vramwise.ocr.vlm.engine import VLMEngine  # noqa: E402
from vramwise.ocr.vlm.limits import Limits  # noqa: E402
from vramwise.ocr.vlm.model_owner import LoadSpec, PlainOwner  # noqa: E402

from devtools.tiny_models.vocabularies import FIRST_ADDED, with_vocabulary  # noqa: E402

pytestmark = pytest.mark.slow
FAMILIES = ("qwen2_5_vl", "qwen3_vl", "qwen3_5")  # Qwen2-VL's is Qwen2.5-VL's
PICTURES = [Image.new("RGB", (320, 256), "white"), Image.new("RGB", (640, 512), "white")]


@dataclass
class Opened:
    """A reader with a true vocabulary."""

    engine: VLMEngine
    tokens: Any
    first: int  # of the added tokens

    def read(self, text: str, options: ReadOptions, end: bool = True) -> OCRResult:
        """What comes of an answer that says ``text``."""
        from transformers import LogitsProcessorList

        adapter = self.engine.adapter()
        ids = self.tokens.encode(text, add_special_tokens=False) + ([self.first + 2] if end else [])
        steps = iter([*ids, *[ids[-1]] * 500])

        def say(input_ids: Any, scores: Any) -> Any:
            only = torch.full_like(scores, -torch.inf)
            only[:, next(steps)] = 0
            return only

        original = type(adapter).generate

        def generate(net: Any, prepared: Any, decoding: Mapping[str, Any], check: Any) -> None:
            original(
                adapter, net, prepared, {**decoding, "logits_processor": LogitsProcessorList([say])}, check
            )

        adapter.generate = generate  # type: ignore[method-assign]
        try:
            page = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
            (result,) = self.engine.read([page], options, NoProgress())
        finally:
            del adapter.generate
        return result


@pytest.fixture(scope="module", params=FAMILIES)
def reader(request: pytest.FixtureRequest, built: Callable[..., Path]) -> Iterator[Opened]:
    path, row = built(with_vocabulary, request.param), family(request.param)
    spec = LoadSpec(path, request.param, "bf16", "sdpa", "cpu")
    owner = PlainOwner(spec, lambda: load.load_net(spec, row), 0)
    engine = VLMEngine(row, path, owner, "tiny", "bf16", Limits(row.default_pixels))
    yield Opened(engine, engine.adapter().tokenizer, FIRST_ADDED[request.param])
    owner.release()


def test_a_prompt_is_the_published_turn_with_as_many_picture_tokens_as_the_picture_has(
    reader: Opened,
) -> None:
    task = reader.engine.family.tasks["text"]
    prepared = reader.engine.adapter().prepare(PICTURES, task.prompt, task)
    ids, grid = prepared.tensors["input_ids"], prepared.tensors["image_grid_thw"]
    image = reader.first + 12
    assert (ids == image).sum(1).tolist() == [int(t * h * w) // 4 for t, h, w in grid.tolist()]
    for row, mask in zip(ids, prepared.tensors["attention_mask"], strict=True):
        asked = row[mask.bool()].tolist()
        begun, pads = asked.index(reader.first + 9), (row == image).sum().item()
        assert asked[begun + 1 : begun + 2 + pads] == [image] * pads + [reader.first + 10]
        words = reader.tokens.decode([token for token in asked if token != image])
        turn = f"<|im_start|>user\n<|vision_start|><|vision_end|>{task.prompt}<|im_end|>\n"
        assert turn + "<|im_start|>assistant\n" in words
        assert (words.endswith("<think>\n\n</think>\n\n")) is (reader.engine.family.id == "qwen3_5")
    assert not prepared.opened


def test_the_shorter_row_of_a_batch_is_padded_on_the_left(reader: Opened) -> None:
    task = reader.engine.family.tasks["text"]
    prepared = reader.engine.adapter().prepare(PICTURES, task.prompt, task)
    ids, mask = prepared.tensors["input_ids"], prepared.tensors["attention_mask"]
    padding = int((mask[0] == 0).sum())
    assert padding > 0 and mask[0, :padding].sum() == 0 and mask[1].all()
    assert set(ids[0, :padding].tolist()) == {reader.first}


def test_answers_end_at_the_published_tokens(reader: Opened) -> None:
    assert {reader.first, reader.first + 2} <= set(reader.engine.adapter().stop_ids())
    ended = reader.read("Total 12", ReadOptions())
    cut = reader.read("Total 12 and", ReadOptions(max_new_tokens=3), end=False)
    assert (ended.text, ended.finish_reason, cut.finish_reason) == ("Total 12", "stop", "length")


@pytest.mark.parametrize(
    "text",
    [
        "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440: 1 234,50 \u20bd",
        "\u4f60\u597d\uff0c\u4e16\u754c\u3002\U00020bb7\u91ce\u5bb6 \uff76\uff80\uff76\uff85",
        "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22",
        "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea",
        "e\u0301 combined, \U0001f469\u200d\U0001f52c and \u00a0spaces",
        "a < b && c > d <tool> <|x|>",
        "$$\\frac{\\theta}{\\nu}$$",
        "line\n\n\tindented  twice",
    ],
)
def test_text_comes_back_as_it_was_said(text: str, reader: Opened) -> None:
    import unicodedata

    assert reader.read(text, ReadOptions()).text == unicodedata.normalize("NFC", text)


def test_thinking_is_set_apart_from_the_text(reader: Opened) -> None:
    read = reader.read("<think>\nA receipt.\n</think>\n\nTotal 12", ReadOptions())
    assert (read.text, read.reasoning) == ("Total 12", "A receipt.")
    alone = reader.read("<think>\nA receipt", ReadOptions(max_new_tokens=4), end=False)
    assert (alone.text, alone.finish_reason) == ("", "length")


def test_boxes_are_in_pixels_of_the_picture(reader: Opened) -> None:
    """Of a picture of 400 x 300: thousandths of it, or pixels of what the processor made of it."""
    row = reader.engine.family
    task = row.tasks["spotting"]
    page = Image.new("RGB", (400, 300))
    seen = reader.engine.adapter().prepare([page], task.prompt, task).seen[0]
    side = (1000, 1000) if row.coordinates == "thousandths" else seen
    box = [side[0] // 10, side[1] // 5, side[0] // 2, side[1]]
    answer = f'```json\n[{{"bbox_2d": {box}, "text_content": "\u0421\u0443\u043c\u043c\u0430 12"}}]\n```'
    (region,) = reader.read(answer, ReadOptions(task="spotting")).regions
    assert region.text == "\u0421\u0443\u043c\u043c\u0430 12"
    assert np.allclose(region.box, (40, 60, 200, 300), atol=1.5)
