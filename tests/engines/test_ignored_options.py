"""Options times engines: each option is used, or a note of every result names it; none is lost in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from vramwise import ocr_handle
from vramwise.errors import VramwiseError
from vramwise.families.family import families
from vramwise.models.handle import OCRHandle, release_all
from vramwise.models.script_api import ModelLoader
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.remote.handle import RemoteHandle
from vramwise.ocr.vlm.prompts import shrunk
from vramwise.option_values import ASKING_TASKS, TASKS

BLANK = np.full((48, 96, 3), 255, np.uint8)


@pytest.fixture(autouse=True, scope="module")
def nothing_stays() -> Iterator[None]:
    yield
    release_all()


# option of a reading: (value, engines outside torch name it as, models name it as); None: it is used
READING: dict[str, list[tuple[Any, str | None, str | None]]] = {
    "task": [
        *((task, None, None) for task in ("text", "markdown", "spotting")),
        *(
            (task, f"task {task} is ignored", None)
            for task in ("table", "formula", "layout", "chart", "seal", *ASKING_TASKS)
        ),
    ],
    "prompt": [("Translate.", "The prompt is ignored", "The prompt is ignored")],
    "language": [("ru", None, "language ru is ignored")],
    "max_pixels": [(500_000, None, None)],
    "max_new_tokens": [(64, "max_new_tokens is ignored", None)],
    "reading_direction": [
        ("vertical", None, "reading direction vertical is ignored"),
        ("horizontal", None, "reading direction horizontal is ignored"),
    ],
    "partial": [(True, None, "partial is ignored")],
    "block": [("table", None, None)],  # of hybrid layout alone, which asks no engine outside torch
    "together": [(True, "together", "together is ignored")],
    "history": [("user: a", "history", "The history is ignored")],
    "json_schema": [("{}", "json_schema", "json_schema is ignored")],
    "temperature": [(0.5, "temperature", "temperature is ignored")],
    "seed": [(3, "seed", "seed is ignored")],
}
# option of a handle: (value, what an engine outside torch calls it)
HANDLE: dict[str, list[tuple[Any, str]]] = {
    "precision": [("int4", "precision int4"), ("bf16", "precision bf16")],
    "attention": [("eager", "attention eager")],
    "device": [("cuda:7", "device cuda:7")],
    "quantise_vision": [(True, "quantise_vision")],
    "fast_decode": [(True, "fast_decode")],
}


def test_the_tables_have_every_option_and_every_task() -> None:
    assert set(READING) == {field.name for field in fields(ReadOptions)}
    not_chosen = {"model", "beside_bytes"}  # the latter is what a layout net takes beside the model
    handled = {field.name for field in fields(OCRHandle) if field.compare and field.name not in not_chosen}
    assert set(HANDLE) == handled
    assert {value for value, *_ in READING["task"]} == set(TASKS)


@pytest.mark.parametrize("model", ["rapid", "tesseract"])
@pytest.mark.parametrize("option", READING)
def test_an_engine_outside_torch_says_what_of_a_reading_it_does_not_use(model: str, option: str) -> None:
    for value, said, _ in READING[option]:
        (page,) = ocr_handle(model).read([BLANK], ReadOptions(**{option: value}))
        assert [note for note in page.notes if said and said in note] == list(page.notes), (value, page.notes)
        assert bool(page.notes) == bool(said), value
        assert page.notes == ocr_handle(model).not_used(ReadOptions(**{option: value}))


@pytest.mark.parametrize("model", ["rapid", "tesseract"])
@pytest.mark.parametrize("option", HANDLE)
def test_an_engine_outside_torch_says_what_of_the_handle_it_has_not(model: str, option: str) -> None:
    for value, said in HANDLE[option]:
        handle = ocr_handle(model, **{option: value})
        (page,) = handle.read([BLANK])
        assert len(page.notes) == 1 and said in page.notes[0] and "Ignored" in page.notes[0]
        assert said in handle.plan()


@pytest.mark.parametrize("handle", [ocr_handle("qwen3_vl_2b"), RemoteHandle("localhost:8000")], ids=str)
@pytest.mark.parametrize("option", READING)
def test_a_model_says_what_of_a_reading_it_does_not_use(
    handle: OCRHandle | RemoteHandle, option: str
) -> None:
    for value, _, said in READING[option]:
        notes = handle.not_used(ReadOptions(**{option: value}))
        assert bool(notes) == bool(said) and all(said in note for note in notes if said), value


@pytest.mark.parametrize(
    ("task", "used"),
    [
        ("custom", {"together": True, "history": "user: a", "temperature": 0.5, "seed": 3}),
        ("json", {"together": True, "history": "user: a", "json_schema": "{}"}),
        ("tags", {"together": True}),
        ("caption_long", {"together": True, "prompt": "In the style of a catalogue."}),
    ],
)
def test_what_a_question_uses_is_no_note(task: str, used: dict[str, Any]) -> None:
    assert ocr_handle("qwen3_vl_2b").not_used(ReadOptions(**{"task": task, "prompt": "a", **used})) == ()
    asked = {"together": True, "history": "user: a", "json_schema": "{}", "temperature": 0.5, "seed": 3}
    others = {name: value for name, value in asked.items() if name not in used}
    notes = ocr_handle("qwen3_vl_2b").not_used(ReadOptions(task=task, prompt="a", **others))
    assert len(notes) == len(others), notes


def test_more_pixels_than_a_family_sees_are_said() -> None:
    limited = [family for family in families() if family.max_pixels]
    assert limited
    for family in limited:
        assert shrunk(family, None) == () == shrunk(family, family.max_pixels)
        (note,) = shrunk(family, 2 * family.max_pixels)
        assert "megapixels at most" in note


def test_nothing_asked_for_in_vain_is_no_note() -> None:
    (page,) = ocr_handle("rapid", device="cpu").read([BLANK])
    assert page.notes == ()


def test_a_script_that_wishes_for_flash_attention_hears_that_it_is_ignored() -> None:
    (page,) = ModelLoader.load_model("rapid", "int8", True).read(BLANK)
    assert "precision int8" in page.notes[0] and "attention flash_attention_2" in page.notes[0]


@pytest.mark.parametrize("handle", [ocr_handle("qwen3_vl_2b"), RemoteHandle("localhost:8000")], ids=str)
@pytest.mark.parametrize("code", ["klingon", "rus", None, 5, ["ru"]])
def test_a_language_that_nobody_knows_is_refused_by_every_engine(handle: Any, code: Any) -> None:
    with pytest.raises(VramwiseError, match="is not a language that VRAMwise knows"):
        list(handle.read([BLANK], ReadOptions(language=code)))
