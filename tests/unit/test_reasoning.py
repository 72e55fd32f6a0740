"""What a model thought reaches no text, and no word of a page is taken for a thought."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vramwise.families.family import Task
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.results.from_json import regions_from_json
from vramwise.ocr.results.result import OCRResult, Regions
from vramwise.ocr.vlm.answers import GUESSED, parse
from vramwise.ocr.vlm.answers.reasoning import VisibleStream, is_mark, opens_thinking, taken_apart, visible
from vramwise.ocr.vlm.page_result import ONLY_THOUGHT, Answer, Source, page_result

PAGE = "Invoice 17\nTotal 12.50"
THOUGHT = "The user wants the text.\nI see two lines."

FORMS = {
    "Qwen3": "<think>\n{t}\n</think>\n\n{p}",
    "Qwen3, nothing thought": "<think>\n\n</think>\n\n{p}",
    "the prompt opened it": "{t}\n</think>\n\n{p}",
    "DeepSeek V3.1, no line break": "{t}</think>{p}",
    "upper case": "<THINK>{t}</THINK>\n{p}",
    "thinking": "<thinking>{t}</thinking>\n{p}",
    "opened and closed by two names": "<think>{t}</thinking>\n{p}",
    "spaces in the tags": "\n < think >{t}</ think >\n{p}",
    "thought": "<thought>{t}</thought>{p}",
    "Seed-OSS": "<seed:think>{t}</seed:think>{p}",
    "Magistral": "[THINK]{t}[/THINK]{p}",
    "Kimi": "\u25c1think\u25b7{t}\u25c1/think\u25b7{p}",
    "OpenThinker": "<|begin_of_thought|>{t}<|end_of_thought|><|begin_of_solution|>{p}<|end_of_solution|>",
    "Command A": "<|START_THINKING|>{t}<|END_THINKING|><|START_RESPONSE|>{p}<|END_RESPONSE|>",
    "Gemma 4": "<|channel>thought\n{t}<channel|>{p}<turn|>",
    "MedGemma": "<unused94>thought\n{t}<unused95>{p}",
    "gpt-oss": "<|channel|>analysis<|message|>{t}<|end|><|start|>assistant<|channel|>final<|message|>{p}"
    "<|return|>",
    "gpt-oss without its special tokens": "analysis{t}assistantfinal{p}",
    "GLM-4.1V": "<think>{t}</think><answer><|begin_of_box|>{p}<|end_of_box|></answer>",
    "Hunyuan": "<think>\n{t}\n</think>\n<answer>\n{p}\n</answer>",
    "a form that some fine-tunes write": "<|thinking|>{t}<|/thinking|>{p}",
    "Open WebUI": '<details type="reasoning" done="true">\n{t}\n</details>\n{p}',
    "the turn's own beginning": "<|im_start|>assistant\n<think>{t}</think>{p}",
    "a last mark, twice": "{t}\n</think>\n\n</think>\n{p}",
    "output": "<thinking>{t}</thinking>\n<output>{p}</output>",
    "two thoughts": "<think>The user wants the text.</think>\n<think>I see two lines.</think>{p}",
    "closed twice": "<think>{t}</think>\n</think>\n{p}",
    "a fence around both": "```\n<think>{t}</think>\n{p}\n```",
    "a fence around the answer": "<think>{t}</think>\n```markdown\n{p}\n```",
    "a fence among the thoughts": "<think>\n```json\n[]\n```\n{t}</think>{p}",
    "an end token as text": "<think>{t}</think>\n{p}<|im_end|>",
}


@pytest.mark.parametrize("name", FORMS)
def test_thinking_is_set_apart_in_every_form_that_models_write(name: str) -> None:
    said = FORMS[name].format(t=THOUGHT, p=PAGE)
    parsed = parse("plain", said, cut=False)
    assert (parsed.text, parsed.markdown, parsed.answered) == (PAGE, PAGE, True)
    expected = "" if "nothing" in name else THOUGHT
    assert parsed.reasoning.replace("\n\n", "\n").endswith(expected)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("size", [1, 3, 7])
def test_who_watches_a_stream_never_sees_the_end_of_the_answer_mixed_with_thoughts(
    name: str, size: int
) -> None:
    said = FORMS[name].format(t=THOUGHT, p=PAGE)
    stream = VisibleStream(2000)
    for start in range(0, len(said), size):
        stream.add(said[start : start + size])
    assert "Total 12.50" in stream.end
    assert "two lines" not in stream.end


PAGES = {
    "in the middle": "How models think:\n<think>\nlet me see\n</think>\nand then they answer.",
    "only opened, in the middle": "The tag\n<think>\nopens the thinking.",
    "only closed, in quotes": 'The tag "</think>" ends it.',
    "only closed, as code": "The tag `</think>` ends it.",
    "a chat as it is written": "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>",
    "no tag": "I think </b> so. [THINKING] about it.",
    "words": "analysis of the assistant: final",
    "another element": "<think-tank>RAND</think-tank>",
    "strike-through": "<p><s>12.00</s> 11.00</p>\n<s>old</s>",
    "an answer as a word": "<answer>42</answer>",
}


@pytest.mark.parametrize("name", PAGES)
def test_marks_that_the_page_shows_stay_in_its_text(name: str) -> None:
    parsed = parse("plain", PAGES[name], cut=False)
    assert (parsed.text, parsed.reasoning) == (PAGES[name], "")


def boxes(*texts: str) -> str:
    return json.dumps([{"bbox_2d": [1, 2, 30, 40], "text_content": text} for text in texts])


@pytest.mark.parametrize("before", ["<think>\nPerhaps {}?\n</think>\n", "Perhaps {}?\n</think>\n"])
def test_a_draft_among_the_thoughts_is_no_region(before: str) -> None:
    said = before.format(boxes("draft")) + f"```json\n{boxes('Invoice')}\n```"
    parsed = parse("qwen_boxes", said, cut=False)
    assert [region.text for region in parsed.regions] == ["Invoice"]
    assert "draft" in parsed.reasoning


@pytest.mark.parametrize("text", ["<think>a</think>", "</think>", "a </think> b", "<|im_end|>"])
def test_marks_inside_an_entry_of_a_list_are_its_words(text: str) -> None:
    parsed = parse("qwen_boxes", boxes("before", text, "after"), cut=False)
    assert [region.text for region in parsed.regions] == ["before", text, "after"]
    assert not parsed.reasoning


def read(text: str, finish_reason: str = "stop", kind: str = "plain", **more: Any) -> OCRResult:
    answer = Answer(text, 9, finish_reason, (64, 48), 0.1, **more)
    source = Source("m", "bf16", "thousandths")
    return page_result(answer, source, Task("", kind), ReadOptions(), (64, 48), ())


ONLY = {
    "cut in the middle": {"text": f"<think>\n{THOUGHT}", "finish_reason": "length"},
    "never closed, and ended": {"text": f"<think>\n{THOUGHT}"},
    "closed, and nothing behind": {"text": f"<think>\n{THOUGHT}\n</think>\n\n"},
    "only a closing mark": {"text": f"{THOUGHT}\n</think>"},
    "cut, opened in the prompt": {"text": THOUGHT, "finish_reason": "length", "opened": True},
    "a field of its own": {"text": "", "reasoning": THOUGHT},
    "a field of its own, cut": {"text": "", "reasoning": THOUGHT, "finish_reason": "length"},
    "a field of its own and white space": {"text": "\n\n", "reasoning": THOUGHT},
}


@pytest.mark.parametrize("kind", ["plain", "markdown", "qwen_boxes", "html", "doctags", "otsl"])
@pytest.mark.parametrize("name", ONLY)
def test_an_answer_of_thoughts_alone_is_no_blank_page(name: str, kind: str) -> None:
    result = read(**ONLY[name], kind=kind)
    assert (result.text, result.markdown, result.regions) == ("", "", ())
    assert (result.finish_reason, result.reasoning) == ("length", THOUGHT)
    assert ONLY_THOUGHT in result.notes


def test_an_empty_list_after_thinking_is_an_empty_page() -> None:
    result = read("<think>Nothing is there.</think>[]", kind="qwen_boxes")
    assert (result.finish_reason, result.text, result.notes) == ("stop", "", ())


def test_an_answer_that_did_not_think_in_an_opened_prompt_is_the_answer() -> None:
    assert read(PAGE, opened=True).text == PAGE


def test_thoughts_of_the_server_and_of_the_text_are_both_kept() -> None:
    result = read(f"<think>second</think>{PAGE}", reasoning="first")
    assert (result.text, result.reasoning) == (PAGE, "first\n\nsecond")


def test_where_a_thought_began_unseen_a_note_says_so() -> None:
    assert read(f"{THOUGHT}</think>{PAGE}").notes == (GUESSED,)
    assert read(f"{THOUGHT}</think>{PAGE}", opened=True).notes == ()


def test_reasoning_stands_in_the_json_and_old_json_without_it_is_read() -> None:
    page = read(f"<think>{THOUGHT}</think>{PAGE}")
    written = Regions((page,)).to_json()
    assert regions_from_json(written).pages[0].reasoning == THOUGHT
    old = [
        {key: value for key, value in entry.items() if key != "reasoning"} for entry in json.loads(written)
    ]
    assert regions_from_json(json.dumps(old)).pages[0].reasoning == ""


@pytest.mark.parametrize(
    ("prompt", "opened"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("<|assistant|><think>", True),
        ("Assistant: \u25c1think\u25b7", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
        ("What is <think>?<|im_end|>\n<|im_start|>assistant\n", False),
        ("<|im_start|>assistant\n", False),
        ("", False),
    ],
)
def test_a_prompt_that_ends_inside_thinking_is_known(prompt: str, opened: bool) -> None:
    assert opens_thinking(prompt) is opened


def test_marks_are_known_among_special_tokens_and_nothing_else_is() -> None:
    assert all(map(is_mark, ["<think>", "</think>", "[THINK]", "[/THINK]", "<|END_THINKING|>", "<channel|>"]))
    assert not any(map(is_mark, ["<|im_end|>", "</s>", "<|image_pad|>", "<table>", "<fcel>", "<loc_17>"]))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("<|begin_of_box|>Invoice 17<|end_of_box|>", "Invoice 17"),
        ("The answer is <|begin_of_box|>17<|end_of_box|>.", "The answer is 17."),
        ("<|begin_of_box|>Invoice 17", "Invoice 17"),
        ("Invoice 17<|im_end|>", "Invoice 17"),
        ("Invoice 17</s>\n", "Invoice 17"),
        ("Invoice 17<|user|>", "Invoice 17"),
        ("Invoice 17<|im_end|>\n<|im_start|>user\nAnother?", "Invoice 17"),
    ],
)
def test_tokens_around_an_answer_are_no_text(said: str, text: str) -> None:
    assert parse("plain", said, cut=False).text == text


REPEATED = "<think> </think> <think></think> <thought></think> <think></thinking> <|begin_of_box|> < `"
REPEATED += " analysis <|channel|>final <|im_end|> </s> <s> ```\n ```a\n <think>\n"


@pytest.mark.parametrize("piece", REPEATED.split(" "))
def test_any_answer_is_taken_apart_in_one_pass(piece: str) -> None:
    """A quadratic reading of one of these takes minutes: the test's own time limit is the guard."""
    said = piece * (1_000_000 // len(piece))
    assert len(parse("plain", said, cut=True).text) <= len(said)
    assert len(visible(said)) <= len(said)
    assert taken_apart(said, cut=False) == taken_apart(said, cut=False)


FENCES = {
    "```markdown\nInvoice 17\n```": "Invoice 17",
    "```text\nInvoice 17\n```": "Invoice 17",
    "```\nInvoice 17\n```": "Invoice 17",
    "~~~\nInvoice 17\n~~~": "Invoice 17",
    "````\n```python\nx = 1\n```\n````": "```python\nx = 1\n```",
    "```\r\nInvoice 17\r\n```": "Invoice 17",
    "```Invoice 17```": "Invoice 17",
    "```text Invoice 17```": "Invoice 17",
    "```\nInvoice 17```": "Invoice 17",
    "```Invoice 17\nTotal\n```": "Invoice 17\nTotal",
    "```text\nInvoice 17": "Invoice 17",
    "\n\n```\nInvoice 17\n```\n\n": "Invoice 17",
    "```markdown\n# A\n```\ncode\n```\nB\n```": "# A\n```\ncode\n```\nB",
    "```markdown\n# A\n```python\nx\n```\nB\n```": "# A\n```python\nx\n```\nB",
    # fences of the page itself
    "```python\nx = 1\n```\nand\n```python\ny = 2\n```": None,
    "```\na\n```\nb\n```\nc\n```": None,
    "```python\nx = 1\n```\nprints nothing.": None,
    "Listing 1\n```python\nx = 1\n```": None,
    "Listing 1\n```python\nx = 1\n```\nprints nothing.": None,
    "a ``` b": None,
    "```": None,
}


@pytest.mark.parametrize("kind", ["plain", "markdown"])
@pytest.mark.parametrize("said", FENCES)
def test_a_fence_around_a_whole_answer_is_taken_off_and_others_stay(said: str, kind: str) -> None:
    assert parse(kind, said, cut=False).text == (said if FENCES[said] is None else FENCES[said])


def test_words_behind_a_fence_that_names_markdown_are_kept_and_the_fence_is_not() -> None:
    said = "```markdown\n# A\n```\n\nThe second column is hard to read."
    assert parse("markdown", said, cut=False).text == "# A\n\nThe second column is hard to read."
    said = "```html\n<table><tr><td>1</td></tr></table>\n```\nNote"
    assert parse("html", said, cut=False).text == "<table><tr><td>1</td></tr></table>\nNote"
