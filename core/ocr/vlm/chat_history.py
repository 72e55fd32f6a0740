"""A conversation as text: what a graph hands from one question about a picture to the next.

A line that begins with ``user:``, ``assistant:`` or ``system:`` begins a turn, the lines behind it belong to
it. Written here, they are set in by two spaces, so that no line of an answer can be taken for a turn. JSON as
chat programs export it, a list of objects with role and content, is read too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...cancel import watched
from ...errors import VramwiseError

_ROLES = {"user": "user", "human": "user", "assistant": "assistant", "ai": "assistant", "system": "system"}
_BEGINS = re.compile(rf"({'|'.join(_ROLES)})[ \t]*:[ \t]?", re.IGNORECASE)
_SET_IN = "  "
_MOST_LETTERS = 1_000_000
_HOW = (
    "Write it as lines that begin with user: and assistant:, in turns, or link it to the history of another "
    "OCR Inference."
)


@dataclass(frozen=True)
class Turn:
    """What one side said. ``role``: "system" (before all others), "user" or "assistant"."""

    role: str
    text: str


def conversation(history: str, question: str) -> tuple[tuple[Turn, ...], str]:
    """The turns before the question, ending with an answer, and the question itself: words of the person
    that nobody has answered yet are its beginning. Raises VramwiseError for a history that is none.
    """
    turns = turns_of(history)
    if turns and turns[-1].role == "user":
        return turns[:-1], "\n".join(filter(None, (turns[-1].text, question.strip())))
    return turns, question


def turns_of(history: str) -> tuple[Turn, ...]:
    """The turns of a history in either form; user and assistant alternate. Raises VramwiseError."""
    if len(history) > _MOST_LETTERS:
        raise VramwiseError(
            f"The history has {len(history)} letters, more than {_MOST_LETTERS}. Begin a new one."
        )
    text = history.replace("\r\n", "\n").strip("\n")
    if not text.strip():
        return ()
    turns: list[Turn] = []
    for turn in _of_json(text) if text.lstrip()[:1] in ("[", "{") else _of_lines(text):
        if turns and turns[-1].role == turn.role:
            turn = Turn(turn.role, f"{turns.pop().text}\n{turn.text}")
        turns.append(turn)
    said = [turn.role for turn in turns if turn.role != "system"]
    if [turn.role for turn in turns].count("system") > (turns[0].role == "system"):
        raise VramwiseError(f"In the history system stands between the turns, not before them. {_HOW}")
    if said[:1] == ["assistant"]:
        raise VramwiseError(f"The history begins with an answer, and not with a question. {_HOW}")
    return tuple(turns)


def history_of(turns: Sequence[Turn]) -> str:
    """``turns`` as text, which ``turns_of`` reads back."""
    return "\n".join(f"{turn.role}: " + turn.text.replace("\n", f"\n{_SET_IN}") for turn in turns)


def continued(history: str, question: str, answer: str) -> str:
    """``history`` with one more question and its answer."""
    turns, asked = conversation(history, question)
    return history_of((*turns, Turn("user", asked.strip()), Turn("assistant", answer.strip())))


def picture_name(at: int) -> str:
    """What stands before picture ``at`` (from 0) of several."""
    return f"Picture {at + 1}: "


def _of_lines(text: str) -> Iterator[Turn]:
    role, held = "", []
    for line in watched(text.split("\n")):
        begins = _BEGINS.match(line)
        if begins is None:
            if not role:
                raise VramwiseError(
                    f'The history begins with "{line.strip()[:40]}", and with no turn. {_HOW}'
                )
            held.append(line.removeprefix(_SET_IN))
            continue
        if role:
            yield Turn(role, "\n".join(held))
        role, held = _ROLES[begins[1].lower()], [line[begins.end() :]]
    yield Turn(role, "\n".join(held))


def _of_json(text: str) -> Iterator[Turn]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VramwiseError(f"The history looks like JSON and is none ({error}). {_HOW}") from None
    if isinstance(data, dict):
        data = data.get("messages")
    if not isinstance(data, list) or not data:
        raise VramwiseError(f"The JSON of the history holds no list of messages. {_HOW}")
    for entry in watched(data):
        role = _ROLES.get(str(entry.get("role")).lower()) if isinstance(entry, dict) else None
        if role is None:
            raise VramwiseError(
                f"The history holds {json.dumps(entry)[:60]}, which is no message with a role of user or "
                f"assistant. {_HOW}"
            )
        yield Turn(role, _words(entry.get("content")))


def _words(content: Any) -> str:
    """The text of a message; its pictures are those of the question."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    words = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(word for word in words if isinstance(word, str))
