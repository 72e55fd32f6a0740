"""Asking a model: conversations as text, presets, answers with places, JSON by a schema."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.catalog.readers import presets
from vramwise.errors import VramwiseError
from vramwise.families.family import families, family
from vramwise.models.handle import ocr_handle
from vramwise.models.hybrid import with_hybrid
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
from vramwise.ocr.hybrid.engine import question_options
from vramwise.ocr.results.region_lines import texts_by_number
from vramwise.ocr.results.result import OCRResult
from vramwise.ocr.vlm.answers import KINDS, parse
from vramwise.ocr.vlm.chat_history import Turn, continued, conversation, history_of, turns_of
from vramwise.ocr.vlm.json_answers import read_checked, schema_of
from vramwise.ocr.vlm.page_result import Answer, Source, together_results
from vramwise.ocr.vlm.prompts import task_prompt
from vramwise.option_values import ASKING_TASKS

QWEN = family("qwen3_vl")
PICTURE = np.zeros((8, 8, 3), np.uint8)

# --- conversations ----------------------------------------------------------------------------------------

LINES = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r"), max_size=40)


@given(st.lists(LINES, min_size=1, max_size=6))
def test_what_was_said_comes_back_whatever_it_looks_like(said: list[str]) -> None:
    roles = ("user", "assistant")
    turns = tuple(Turn(roles[at % 2], f"x{text}") for at, text in enumerate(said))
    assert turns_of(history_of(turns)) == turns


def test_a_conversation_goes_on_by_its_own_text() -> None:
    first = continued("", "What is it?", "A receipt.\nuser: no turn\n  set in")
    second = continued(first, "Its total?", "9.50")
    assert [turn.role for turn in turns_of(second)] == ["user", "assistant"] * 2
    assert turns_of(second)[1].text == "A receipt.\nuser: no turn\n  set in"


@pytest.mark.parametrize(
    ("history", "turns"),
    [
        ("", []),
        ("  \n", []),
        ("USER: a\nAI: b", [("user", "a"), ("assistant", "b")]),
        ("Human: a\nnext line\nAssistant:b", [("user", "a\nnext line"), ("assistant", "b")]),
        ("system: short\nuser: a\nuser: b", [("system", "short"), ("user", "a\nb")]),
        ('[{"role": "user", "content": "a"}]', [("user", "a")]),
        (
            '{"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "a"}]}]}',
            [("user", "a")],
        ),
    ],
)
def test_a_history_is_read_as_people_and_programs_write_it(history: str, turns: list[Any]) -> None:
    assert [(turn.role, turn.text) for turn in turns_of(history)] == turns


@pytest.mark.parametrize(
    "history",
    ["What?", "assistant: a", "user: a\nsystem: b", "[1]", '{"role": "user"}', '["a"]', "[", "[" * 99_999],
)
def test_a_history_that_is_none_is_a_sentence(history: str) -> None:
    with pytest.raises(VramwiseError, match="history") as error:
        turns_of(history)
    assert len(str(error.value)) < 400


@given(st.text())
def test_any_text_is_a_history_or_a_sentence(text: str) -> None:
    for history in (text, f"user: {text}", f"[{text}]"):
        with contextlib.suppress(VramwiseError):
            assert all(turn.role in ("system", "user", "assistant") for turn in turns_of(history))


@given(st.sampled_from(["answer", "caption", "tags", "json"]), st.text(), st.booleans())
def test_any_answer_is_read(kind: str, said: str, cut: bool) -> None:
    parsed = parse(kind, said, cut)
    assert isinstance(parsed.text, str) and all(region.points for region in parsed.regions)


@given(st.text(), st.integers(0, 5))
def test_any_text_is_numbered_lines_or_none_or_a_sentence(text: str, count: int) -> None:
    with contextlib.suppress(VramwiseError):
        found = texts_by_number(text.split("\n"), count)
        assert found is None or len(found) == count


def test_a_question_that_nobody_answered_is_the_beginning_of_the_next() -> None:
    assert conversation("user: a\nassistant: b\nuser: And", "the date?") == (
        (Turn("user", "a"), Turn("assistant", "b")),
        "And\nthe date?",
    )
    _, prompt = task_prompt(QWEN, ReadOptions("custom", history="user: Which day?"))
    assert prompt == "Which day?"


# --- presets ----------------------------------------------------------------------------------------------


def test_every_preset_is_a_task_with_a_way_of_reading_and_a_source() -> None:
    assert set(presets()) == set(ASKING_TASKS) - {"custom"}
    for row in presets().values():
        assert row.parse in KINDS and row.source and row.prompt


@pytest.mark.parametrize("task", presets())
def test_a_preset_is_done_by_all_that_take_the_persons_words_and_by_no_others(task: str) -> None:
    for its in families():
        if "custom" not in its.tasks:
            with pytest.raises(VramwiseError, match=f"cannot do the task {task}. These can: .*Qwen3-VL"):
                task_prompt(its, ReadOptions(task))
            continue
        _, prompt = task_prompt(its, ReadOptions(task, "Begin with MYSTYLE."))
        assert prompt.startswith("Begin with MYSTYLE.\n") and len(prompt.split("\n")) == 2


def test_the_schema_stands_in_the_prompt_of_json_and_in_no_other() -> None:
    schema = '{"type": "object"}'
    assert schema in task_prompt(QWEN, ReadOptions("json", json_schema=schema))[1]
    assert schema not in task_prompt(QWEN, ReadOptions("tags", json_schema=schema))[1]


# --- answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said", "text"),
    [
        ("caption", "A red bus in rain.", "A red bus in rain."),
        ("caption", 'Here is a caption for the picture:\n\n"A red bus\nin rain."', "A red bus in rain."),
        (
            "caption",
            "**Caption:** A bus, its sign says \u201cOPEN\u201d.",
            "A bus, its sign says \u201cOPEN\u201d.",
        ),
        ("caption", '"OPEN" is written on a bus "7"', '"OPEN" is written on a bus "7"'),
        ("caption", "The image shows a red bus.", "A red bus."),
        ("caption", "This illustration shows a bus.", "This illustration shows a bus."),
        ("tags", "1girl, Solo, long_hair, solo", "1girl, solo, long_hair"),
        ("tags", "Tags:\n- 1girl\n- red dress\n- 1girl", "1girl, red dress"),
        ("tags", "1. 2boys\n2) night sky.", "2boys, night sky"),
        ("tags", "#cat #dog", "cat #dog"),
        ("tags", "1girl\uff0c\u7d05\u3044\u670d\u3001night", "1girl, \u7d05\u3044\u670d, night"),
        ("tags", "```\na, b\n```", "a, b"),
        ("answer", "The total is 9.50.", "The total is 9.50."),
    ],
)
def test_an_answer_is_what_goes_into_a_prompt(kind: str, said: str, text: str) -> None:
    assert parse(kind, said, cut=False).text == text


def test_a_tag_that_was_cut_is_no_tag() -> None:
    assert parse("tags", "1girl, solo, long ha", cut=True).text == "1girl, solo"


@pytest.mark.parametrize(
    ("said", "boxes"),
    [
        ('At {"bbox_2d": [10, 20, 110, 220], "label": "total"}.', [("total", 0)]),
        (
            '```json\n[{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {"bbox_2d": [5, 6, 7, 8]}]\n```',
            [("a", 0), ("", 0)],
        ),
        ('{"found": {"items": [{"box": [1, 2, 3, 4], "text": "deep"}]}}', [("deep", 0)]),
        ('[{"image": 2, "bbox_2d": [1, 2, 3, 4], "label": "b"}]', [("b", 1)]),
        (
            '[{"image": "Picture 1", "bbox_2d": [1, 2, 3, 4]}, {"image": 2, "bbox_2d": [1, 2, 3, 4]}]',
            [("", 0), ("", 1)],
        ),
        (
            '[{"image_index": 0, "bbox_2d": [1, 2, 3, 4]}, {"image_index": 1, "bbox_2d": [1, 2, 3, 4]}]',
            [("", 0), ("", 1)],
        ),
        ("The dog(80,120),(460,900) and the cat(1,2),(3,4).", [("The dog", 0), ("and the cat", 0)]),
        ("From (30,20),(10,5) back, in 2020 (2), (3).", []),
        ("No place at all.", []),
    ],
)
def test_places_in_an_answer_are_regions_and_its_words_stay(said: str, boxes: list[Any]) -> None:
    parsed = parse("answer", said, cut=False)
    assert [(region.text, region.picture) for region in parsed.regions] == boxes
    assert "".join(parsed.text.split()) in "".join(said.split())


def test_of_one_question_about_two_pictures_each_has_its_own_places() -> None:
    said = '[{"image": 1, "bbox_2d": [0, 0, 500, 500]}, {"image": 2, "bbox_2d": [500, 500, 1000, 1000]}]'
    answer = Answer(said, 9, "stop", (100, 50), 1.0, others_seen=((80, 80),))
    task, _ = task_prompt(QWEN, ReadOptions("custom", "Where do they differ?"))
    source = Source("m", "bf16", "thousandths")
    first, second = together_results(
        answer, source, task, ReadOptions("custom"), [(100, 50), (80, 40)], ("n",)
    )
    assert (first.text, second.text, second.notes) == (said, "", ())
    assert first.regions[0].box == (0, 0, 50, 25) and second.regions[0].box == (40, 20, 80, 40)
    assert (second.width, second.height, second.tokens) == (80, 40, None)


# --- JSON -------------------------------------------------------------------------------------------------

TOTAL = '{"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}'


class Model:
    """Says what it is told, one answer a question, and keeps the questions."""

    def __init__(self, *says: str, reason: str = "stop") -> None:
        self.says, self.reason, self.asked = list(says), reason, []

    def read(self, images: Any, options: ReadOptions, progress: Any) -> Iterator[OCRResult]:
        for _ in images:
            self.asked.append(options)
            text = self.says.pop(0)
            reason = self.reason if text else "blank"
            yield OCRResult(text, text, (), 8, 8, reason, "m", "bf16", 1.0, tokens=3)


def asked(model: Model, schema: str = TOTAL, pictures: Any = (PICTURE,), **more: Any) -> list[OCRResult]:
    options = ReadOptions("json", json_schema=schema, **more)
    return list(read_checked(model.read, pictures, options, NoProgress()))


@pytest.mark.parametrize(
    "said",
    ['{"total": 9.5}', '```json\n{"total": 9.5}\n```', 'Here it is:\n{"total": 9.5}\nAnything else?'],
)
def test_an_answer_that_matches_is_the_text(said: str) -> None:
    model = Model(said)
    (page,) = asked(model)
    assert json.loads(page.text) == {"total": 9.5} and page.notes == () and len(model.asked) == 1


@pytest.mark.parametrize(
    "said", ['{"total": "9.5"}', "{}", "nine fifty", '{"total": 9.5', '{"total": NaN}', "[" * 9999]
)
def test_one_that_does_not_is_asked_for_once_more(said: str) -> None:
    model = Model(said, '{"total": 9.5}')
    (page,) = asked(model, prompt="Sum it up.")
    assert json.loads(page.text) == {"total": 9.5}
    assert "asked once more" in page.notes[0] and page.tokens == 6
    again = model.asked[1]
    turns = turns_of(again.history)
    assert again.task == "custom" and turns[0].text.startswith("Sum it up.") and TOTAL in turns[0].text
    assert turns[1].text.strip() == said.strip()


def test_one_that_never_does_keeps_its_words() -> None:
    model = Model("nine", "ten")
    (page,) = asked(model)
    assert page.text == "nine" and len(model.asked) == 2
    assert (
        "not the JSON that was asked for" in page.notes[0]
        and "its words are the text" in page.notes[0].lower()
    )


def test_one_that_was_cut_is_not_asked_again() -> None:
    model = Model('{"total": ', reason="length")
    (page,) = asked(model)
    assert page.text == '{"total": ' and "Raise max_new_tokens" in page.notes[0] and len(model.asked) == 1


@pytest.mark.parametrize("stream", [list, iter])
def test_of_several_pages_only_the_wrong_one_is_asked_again(stream: Any) -> None:
    model = Model('{"total": 1}', "what?", '{"total": 2}', "", '{"total": 4}')
    pages = asked(model, pictures=stream([PICTURE] * 4))
    assert [page.text and json.loads(page.text)["total"] for page in pages] == [1, 2, "", 4]


def test_without_a_schema_any_json_will_do() -> None:
    assert json.loads(asked(Model("[1, 2]"), schema="")[0].text) == [1, 2]


DOUBLING = {"$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}}
DOUBLING["$defs"]["d40"] = {}  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ("total", "is no JSON"),
        ("[]", "is an object in braces"),
        ('{"type": "numbr"}', "is no JSON schema"),
        ('{"$ref": "http://127.0.0.1:9/schema"}', "Nothing is fetched"),
        ('{"$ref": "#/$defs/lost"}', "Nothing is fetched"),
        ('{"$ref": "#"}', "leads to itself"),
        (json.dumps({**DOUBLING, "$ref": "#/$defs/d0"}), "leads to itself"),
        ('{"patternProperties": {"(a+)+$": {}}}', "patternProperties"),
        ('{"properties": {"a": {"pattern": "^(a|a)*$"}}}', "sensible time"),
        ('{"properties": {"a": {"pattern": "("}}}', "pattern|is no JSON schema"),
        ("{" * 99_999, "is no JSON"),
        (" " * 100_001 + "{", "more than 100000"),
    ],
)
def test_a_schema_that_cannot_be_checked_is_a_sentence(schema: str, says: str) -> None:
    said = json.dumps({"a": "a" * 60 + "b"})
    with pytest.raises(VramwiseError, match=says) as error:
        asked(Model(said, said), schema=schema)
    assert len(str(error.value)) < 600


def test_a_missing_package_is_named_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(VramwiseError, match=r"jsonschema>=4\.20"):
        schema_of(TOTAL)
    assert schema_of("").problem([1]) == ""


# --- options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"temperature": True},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": 1.5},
        {"temperature": "hot"},
    ],
)
def test_a_temperature_or_seed_out_of_range_is_a_sentence(wrong: dict[str, Any]) -> None:
    with pytest.raises(VramwiseError, match="must be"):
        replace(ReadOptions(), **wrong)


@pytest.mark.parametrize("unit", ["lines", "layout"])
def test_pieces_of_a_page_are_not_asked_as_a_whole_question(unit: str) -> None:
    given = ReadOptions("custom", "a", together=True, history="user: a", temperature=0.5, seed=3)
    reader = ocr_handle("qwen3_vl_2b")
    (note,) = with_hybrid(reader, unit).not_used(given)
    assert note.startswith("Ignored: together, history, because")
    piece = question_options(given, drawn=True)
    assert piece == {"together": False, "history": "", "json_schema": "", "temperature": 0.5, "seed": 3}
