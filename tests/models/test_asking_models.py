"""Questions to real classes with tiny weights: several pictures at once, a conversation, drawn words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vramwise.errors import VramwiseError  # noqa: E402
from vramwise.families.family import family  # noqa: E402
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions  # noqa: E402
from vramwise.ocr.vlm import load  # noqa: E402
from vramwise.ocr.vlm.engine import VLMEngine  # noqa: E402
from vramwise.ocr.vlm.json_answers import checked_results  # noqa: E402
from vramwise.ocr.vlm.limits import Limits  # noqa: E402
from vramwise.ocr.vlm.model_owner import LoadSpec, PlainOwner  # noqa: E402

from devtools.tiny_models.build import NotHere, tiny_checkpoint  # noqa: E402

ASKED = "What differs?"
TALK = "user: What is it?\nassistant: A bill."


class Kept(PlainOwner):
    """Knows what it was asked to make room for."""

    room: int = 0

    def use(self, activation_bytes: int) -> Any:
        self.room = activation_bytes
        return super().use(activation_bytes)


def engine_of(family_id: str, limits: Limits | None = None) -> VLMEngine:
    torch.set_num_threads(1)
    try:
        row, path = family(family_id), tiny_checkpoint(family_id)
    except NotHere as reason:
        pytest.skip(str(reason))
    spec = LoadSpec(
        model_type=family_id,
        precision="fp32",
        path=path,
        device="cpu",
        attention="eager" if family_id == "got_ocr2" else "sdpa",
    )
    owner = Kept(spec, lambda: load.load_net(spec, row), 0)
    engine = VLMEngine(row, path, owner, "tiny", "fp32", limits or Limits(row.default_pixels))
    adapter = engine.adapter()
    adapter.decode = lambda ids, task=None: " ".join(map(str, ids))  # type: ignore[method-assign]
    return engine


@pytest.fixture(scope="module")
def qwen() -> VLMEngine:
    return engine_of("qwen3_vl")


@pytest.fixture(scope="module")
def pictures() -> list[Any]:
    chance = np.random.default_rng(3)
    return [chance.integers(0, 256, (side, 96, 3), dtype=np.uint8) for side in (64, 96, 128)]


def read(engine: VLMEngine, images: list[Any], **options: Any) -> list[Any]:
    given = {"task": "custom", "prompt": ASKED, "max_new_tokens": 6, **options}
    return list(engine.read(images, ReadOptions(**given), NoProgress()))


def scores(engine: VLMEngine, images: list[Any], **options: Any) -> Any:
    """(rows, vocabulary) of the first token: tiny random weights say the same of nearly everything."""
    from transformers import LogitsProcessorList

    adapter, kept = engine.adapter(), []

    def keep(input_ids: Any, values: Any) -> Any:
        kept.append(values.clone())
        return values

    original = adapter.generate

    def generate(net: Any, prepared: Any, decoding: Any, check: Any) -> None:
        original(net, prepared, {**decoding, "logits_processor": LogitsProcessorList([keep])}, check)

    adapter.generate = generate  # type: ignore[method-assign]
    try:
        read(engine, images, max_new_tokens=1, **options)
    finally:
        adapter.generate = original  # type: ignore[method-assign]
    return torch.cat(kept)


@pytest.mark.parametrize("family_id", ["qwen3_vl", "qwen2_vl", "glm_ocr"])
def test_several_pictures_are_one_question_whose_answer_sees_all(family_id: str, pictures: list[Any]) -> None:
    engine = engine_of(family_id)
    first, *others = read(engine, pictures, together=True)
    assert first.text and [page.text for page in others] == ["", ""]
    assert [(page.width, page.height) for page in (first, *others)] == [(96, 64), (96, 96), (96, 128)]
    changed = [*pictures[:2], 255 - pictures[2]]
    known, other = (scores(engine, images, together=True) for images in (pictures, changed))
    assert known.shape[0] == 1 and not torch.equal(known, other), "the last picture was looked at"
    one = [scores(engine, pictures[:1], together=together) for together in (True, False)]
    assert torch.equal(*one)


def test_the_prompt_names_the_pictures_and_keeps_the_conversation(qwen: VLMEngine) -> None:
    adapter = qwen.adapter()
    from vramwise.ocr.vlm.chat_history import turns_of

    said = adapter.template.asked(adapter.processor, ASKED, turns_of(TALK), 2)  # type: ignore[attr-defined]
    order = [said.index(part) for part in ("Picture 1: ", "Picture 2: ", "What is it?", "A bill.", ASKED)]
    assert order == sorted(order) and said.count("<|image_pad|>") == 2


def test_a_conversation_changes_the_answer_of_each_picture(qwen: VLMEngine, pictures: list[Any]) -> None:
    alone, talked = scores(qwen, pictures[:2]), scores(qwen, pictures[:2], history=TALK)
    assert len(alone) == len(talked) == 2 and not (alone == talked).all(dim=-1).any()


@pytest.mark.parametrize("more", [{"together": True}, {"history": TALK}])
def test_a_model_of_one_picture_and_one_question_says_so(pictures: list[Any], more: dict[str, Any]) -> None:
    with pytest.raises(VramwiseError, match="takes one picture and one question"):
        read(engine_of("dots_ocr"), pictures[:2], **more)


@pytest.mark.parametrize(
    "more", [{"prompt": "<|image_pad|>?", "together": True}, {"history": TALK + "<|image_pad|>"}]
)
def test_words_that_are_a_picture_to_the_model_are_a_sentence(
    qwen: VLMEngine, pictures: list[Any], more: dict[str, Any]
) -> None:
    with pytest.raises(VramwiseError, match="by which this model knows a picture"):
        read(qwen, pictures[:2], **more)


def test_more_pictures_than_a_question_takes_are_a_sentence(qwen: VLMEngine, pictures: list[Any]) -> None:
    with pytest.raises(VramwiseError, match="33 pictures are more than one question takes, 32"):
        read(qwen, pictures * 11, together=True)


def test_memory_is_asked_for_all_pictures_of_a_question(pictures: list[Any]) -> None:
    limits = Limits(1_000_000, activation_bytes=lambda pixels, images, tokens, sides=None: pixels * images)
    engine = engine_of("qwen3_vl", limits)
    read(engine, pictures, together=True)
    assert engine.owner.room == 3 * max(picture[..., 0].size for picture in pictures)  # type: ignore[attr-defined]


def test_pictures_that_do_not_fit_together_are_shown_smaller_and_a_note_says_so() -> None:
    pages = [np.random.default_rng(at).integers(0, 256, (512, 512, 3), dtype=np.uint8) for at in range(3)]
    limits = Limits(512 * 512, activation_bytes=lambda pixels, images, tokens, sides=None: pixels * images)
    engine = engine_of("qwen3_vl", limits)
    first = read(engine, pages, together=True)[0]
    assert engine.owner.room <= 512 * 512  # type: ignore[attr-defined]
    assert any("3 pictures in one question do not fit here" in note for note in first.notes)


def test_drawn_words_are_the_seeds_alone_and_in_a_batch(qwen: VLMEngine, pictures: list[Any]) -> None:
    hot = {"temperature": 1.5, "seed": 7}
    state = torch.get_rng_state()
    alone = [read(qwen, [picture], **hot)[0].text for picture in pictures]
    assert [page.text for page in read(qwen, pictures, **hot)] == alone
    assert read(qwen, pictures[:1], temperature=1.5, seed=8)[0].text != alone[0]
    assert read(qwen, pictures[:1], seed=8)[0].text == read(qwen, pictures[:1])[0].text, "temperature 0"
    assert torch.equal(torch.get_rng_state(), state), "nobody else's chance is touched"


def test_an_answer_that_is_no_json_is_asked_for_once_more_about_the_same_picture(
    qwen: VLMEngine, pictures: list[Any]
) -> None:
    seen: list[tuple[int, str]] = []
    adapter = qwen.adapter()
    inputs, decode = adapter.inputs, adapter.decode

    def watched(shown: Any, prompt: str, task: Any, turns: Any = (), together: bool = False) -> Any:
        seen.append((len(shown), prompt))
        return inputs(shown, prompt, task, turns, together)

    answers = iter(['{"n": 1}', "no", '{"n": 2}'])
    try:
        adapter.inputs = watched  # type: ignore[method-assign]
        adapter.decode = lambda ids, task=None: next(answers) if task else ""  # type: ignore[method-assign]
        options = ReadOptions("json", max_new_tokens=3)
        ended = [page for page in checked_results(_stopped(qwen), pictures[:2], options, NoProgress())]
    finally:
        adapter.inputs, adapter.decode = inputs, decode  # type: ignore[method-assign]
    assert [json.loads(page.text)["n"] for page in ended] == [1, 2]
    assert seen[-1][0] == 1 and "not what was asked for" in seen[-1][1]


def _stopped(engine: VLMEngine) -> Any:
    """Its pages as if they had come to their end: random weights never do."""
    from dataclasses import replace

    def read(*given: Any) -> Any:
        for page in engine.read(*given):
            yield replace(page, finish_reason="stop")

    return read
