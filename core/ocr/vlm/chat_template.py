"""How a chat family is asked: the chat template, wherever a checkpoint's folder keeps it.

Fine-tunes and re-uploads have it in the processor's files, in the tokenizer's, under several names, or
nowhere. The first that shows the model the picture and the words is used; without one the family's own, and
a note says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import VramwiseError
from ...families.family import Family
from .chat_history import Turn, picture_name
from .compat import first_line

# Variables by which templates are told not to think, and the value that says so.
THINKING_OFF = {
    "enable_thinking": False,  # Qwen3, GLM-4.5, Nemotron, Ernie and most others
    "thinking": False,  # DeepSeek V3.1, Granite
    "enable_think": False,
    "enable_reasoning": False,
    "skip_reasoning": True,  # HyperCLOVA X
}
_OTHER_USES = ("tool_use", "rag")
_PROBE = "Read 17 words."
_FILES = ("chat_template.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
_TOO_LONG = 2_000_000  # letters of a file with a template


@dataclass(frozen=True)
class ChatTemplate:
    """A Jinja template that shows the model a picture and a prompt. ``given`` are its variables that switch
    thinking off and those of the recipe; ``note`` is a sentence for the person where the folder's own could
    not be used, else empty.
    """

    text: str
    given: Mapping[str, bool]
    note: str = ""
    words_first: bool = False

    def asked(self, processor: Any, prompt: str, turns: Sequence[Turn] = (), pictures: int = 1) -> str:
        """One user turn, the picture and then the prompt or as the recipe has it, and the beginning of the
        answer. With ``turns`` before it the first question of all has the pictures; of several each has its
        number.
        """
        said = (*turns, Turn("user", prompt))
        first = next(at for at, turn in enumerate(said) if turn.role == "user")
        given = [
            _turn(turn.text, self.words_first, pictures)
            if at == first
            else {"role": turn.role, "content": _words(turn.text)}
            for at, turn in enumerate(said)
        ]
        return _rendered(processor, self.text, given, True, self.given)

    def turn_end(self, processor: Any) -> str:
        """What follows the words of an answer, empty where nothing does or where the template refuses."""
        said = "Seventeen words."
        answer = {"role": "assistant", "content": [{"type": "text", "text": said}]}
        for content in (answer, {**answer, "content": said}):
            try:
                whole = _rendered(processor, self.text, [_turn(_PROBE), content], False, self.given)
            except Exception:  # noqa: S112  a template is foreign code, and not every one takes an answer
                continue
            if said in whole:
                return whole.rpartition(said)[2].strip()
        return ""


def chat_template(processor: Any, family: Family, path: Path) -> ChatTemplate:
    """The template of the checkpoint in ``path``, else the family's own. VramwiseError without either."""
    tried: dict[str, str] = {}  # template -> what is wrong with it
    why: list[str] = []  # the same of those that are meant for this
    own = f"{family.name}'s own"
    for where, text in (*_of_folder(processor, path), (own, family.chat_template)):
        text = text.lstrip("\ufeff")
        if not text or text in tried:
            continue
        wished = {**THINKING_OFF, **family.template_options}
        given = {name: value for name, value in wished.items() if _takes(text, name)}
        fault = _fault(processor, text, given, family.begins_answer)
        if not fault:
            if where == own and not why:
                why = list(tried.values()) or [f"{path.name} has no chat template."]
            note = f"{' '.join(why)} The one in {where} was used." if why else ""
            note = note.replace(f"The one in {own}", own)
            return ChatTemplate(text, given, note, family.words_first)
        tried[text] = f"The chat template in {where} {fault}"
        if not where.endswith((")", ".jinja")) or where.endswith(("(default)", "chat_template.jinja")):
            why.append(tried[text])
    raise VramwiseError(
        f"{path} has no chat template that shows {family.name} a picture. {' '.join(tried.values())} "
        "Put the chat_template.jinja of the model that it was made from into the folder."
    )


def shown_pictures(count: int) -> list[dict[str, str]]:
    """The parts of a message that show ``count`` pictures, "Picture 1: " before each of several (as Qwen's
    own templates write with add_vision_id).
    """
    one = {"type": "image"}
    if count == 1:
        return [one]
    return [part for at in range(count) for part in ({"type": "text", "text": picture_name(at)}, one)]


def _words(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}] if text else []


def _turn(prompt: str, words_first: bool = False, pictures: int = 1) -> dict[str, Any]:
    shown, words = shown_pictures(pictures), _words(prompt)
    return {"role": "user", "content": [*words, *shown] if words_first else [*shown, *words]}


def _rendered(
    processor: Any, text: str, turns: list[dict[str, Any]], begins: bool, given: Mapping[str, bool]
) -> str:
    said = processor.apply_chat_template(
        turns, chat_template=text, tokenize=False, add_generation_prompt=begins, **given
    )
    return str(said)


def _takes(text: str, variable: str) -> bool:
    """Whether the template ``text`` looks at ``variable``: named in a block of Jinja, and in no word."""
    return any(
        re.search(rf"(?<![\w.'\"]){variable}(?![\w'\"])", block[0])
        for block in re.finditer(r"\{[%{].*?[%}]\}", text, re.DOTALL)
    )


def _fault(processor: Any, text: str, given: Mapping[str, bool], begins: bool) -> str:
    """What is wrong with a template, as the end of a sentence; empty for one that can be used. ``begins``:
    it has to write something where the answer begins.
    """
    try:
        asked = _rendered(processor, text, [_turn(_PROBE)], True, given)
        without = _rendered(processor, text, [_turn(_PROBE)], False, given)
    except Exception as error:  # a template is foreign code: whatever it raises is its fault
        return f"cannot be used: {first_line(error)}"
    mark = image_mark(processor)
    if mark and asked.count(mark) != 1:
        twice = mark in asked
        return "shows the picture twice." if twice else "is for text alone: it leaves the picture out."
    if _PROBE not in asked:
        return "leaves the prompt out."
    return "never begins the answer." if begins and asked == without else ""


def image_mark(processor: Any) -> str:
    """What stands for a picture in a prompt, empty where the processor does not say."""
    for holder in (processor, processor.tokenizer):
        mark = getattr(holder, "image_token", None)
        if isinstance(mark, str) and mark:
            return mark
    return ""


def _of_folder(processor: Any, path: Path) -> Iterator[tuple[str, str]]:
    """(where, template) of the checkpoint, in the order in which transformers prefers them."""
    for where, value in (
        ("its processor", getattr(processor, "chat_template", None)),
        ("its tokenizer", getattr(processor.tokenizer, "chat_template", None)),
    ):
        for name, text in _named(value):
            yield f"{where}{name}", text
    yield "chat_template.jinja", _read(path / "chat_template.jinja")
    for file_name in _FILES:
        try:
            data = json.loads(_read(path / file_name))
        except (ValueError, RecursionError):
            continue
        value = data.get("chat_template") if isinstance(data, dict) else data
        for name, text in _named(value):
            yield f"{file_name}{name}", text
    for file in sorted((path / "additional_chat_templates").glob("*.jinja")):
        yield file.name, _read(file)


def _named(value: Any) -> Iterator[tuple[str, str]]:
    """(" (name)" or nothing, template): one, or several by name, "default" first."""
    if isinstance(value, str):
        yield "", value
        return
    if isinstance(value, list):
        value = {str(entry.get("name")): entry.get("template") for entry in value if isinstance(entry, dict)}
    if isinstance(value, dict):
        for name in sorted(value, key=lambda name: (name != "default", name in _OTHER_USES, str(name))):
            if isinstance(value[name], str):
                yield f" ({name})", value[name]


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return ""
    return text if len(text) <= _TOO_LONG else ""
