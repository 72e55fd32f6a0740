"""Fields of a request that a server may not know: asked once more without them, and remembered.

A server that refuses a request with 400 or 422 and names such a field gets it without, each field once. What
helped is kept for the address and model while this process runs.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

NEEDED = frozenset(("model", "messages"))
_MAX_TOKENS, _NEW_NAME = "max_tokens", "max_completion_tokens"
_MOST_REMEMBERED = 256
_LEAST_TOKENS = 16
_AT_MOST = re.compile(
    r"(?:at most|maximum(?: value)?(?: is| of)?|less than or equal to|up to|<=)\D{0,24}(\d{2,9})",
    re.I,
)


@dataclass
class Dialect:
    """What one server takes: fields that it refused, and the most tokens where it named a number. ``thinks``:
    its model thought although the chat template was told not to (Ollama reads another field).
    """

    refused: set[str] = field(default_factory=set)
    most_tokens: int | None = None
    thinks: bool = False

    def spoken(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """``body`` as this server takes it."""
        asked = {**body, "reasoning_effort": "none"} if self.thinks else body
        said = {name: value for name, value in asked.items() if name not in self.refused}
        limit = body.get(_MAX_TOKENS)
        if _MAX_TOKENS in self.refused and limit is not None and _NEW_NAME not in self.refused:
            said[_NEW_NAME] = limit
        for name in (_MAX_TOKENS, _NEW_NAME):
            if name in said and self.most_tokens is not None:
                said[name] = min(said[name], self.most_tokens)
        return said

    def without(self, answer: Any, said: Mapping[str, Any]) -> Dialect | None:
        """The next to try after ``answer``, the refusal of ``said``; None where it names no field."""
        named = set(_named(answer, said))
        if not named:
            return None
        most = _most_tokens(answer, said) if named & {_MAX_TOKENS, _NEW_NAME} else None
        if most is not None and self.most_tokens is None:
            return replace(self, refused=self.refused | (named - {_MAX_TOKENS, _NEW_NAME}), most_tokens=most)
        return replace(self, refused=self.refused | named)


class Remembered:
    """Dialects by address and model."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Dialect] = {}
        self._lock = threading.Lock()

    def of(self, url: str, model: str) -> Dialect:
        with self._lock:
            return self._known.get((url, model)) or Dialect()

    def keep(self, url: str, model: str, dialect: Dialect) -> None:
        with self._lock:
            self._known[(url, model)] = dialect
            while len(self._known) > _MOST_REMEMBERED:
                del self._known[next(iter(self._known))]


REMEMBERED = Remembered()


def points_at_fields(answer: Any) -> bool:
    """Whether a refusal points at a field, and does not only use its name."""
    return any(_pointers(answer))


def _named(answer: Any, said: Mapping[str, Any]) -> Iterator[str]:
    """Optional fields of ``said`` that a refusal names: where it points at, else in its words."""
    optional = [name for name in said if name not in NEEDED]
    pointers = {_plain(name) for name in _pointers(answer)}
    pointed = [name for name in optional if _plain(name) in pointers]
    if pointed:
        yield from pointed
        return
    words = " ".join(_sentences(answer))[:20_000]
    for name in optional:
        inner = said[name] if isinstance(said[name], Mapping) else ()
        called = "|".join(one.replace("_", "[_ -]?") for one in (name, *inner))  # some name what is in it
        pattern = r"\bstream(ing|ed)?\b" if name == "stream" else rf"\b({called})\b"
        if re.search(pattern, words, re.IGNORECASE):
            yield name


def _plain(name: str) -> str:
    """streamOptions and stream-options are stream_options."""
    return re.sub(r"[^a-z]", "", name.lower())


def _pointers(answer: Any) -> Iterator[str]:
    """First names in OpenAI's ``param`` and in the ``loc`` of FastAPI's and pydantic's errors."""
    for part in _parts(answer):
        if isinstance(part, Mapping):
            param, place = part.get("param"), part.get("loc")
            if isinstance(param, str) and param.strip():
                yield re.split(r"[.\[]", param, maxsplit=1)[0].strip()
            if isinstance(place, list):
                yield from (name for name in place if isinstance(name, str))


def _sentences(answer: Any) -> Iterator[str]:
    return (part for part in _parts(answer) if isinstance(part, str))


def _parts(answer: Any, depth: int = 0) -> Iterator[Any]:
    """All objects and texts of a refusal, without the request that some servers repeat in it."""
    if depth > 8:
        return
    if isinstance(answer, str) and answer.lstrip()[:1] in ("{", "["):  # Mistral: JSON in a text of JSON
        with contextlib.suppress(ValueError, RecursionError):
            answer = json.loads(answer)
    if isinstance(answer, str):
        yield answer
    elif isinstance(answer, Mapping):
        yield answer
        for name, value in answer.items():
            if name not in ("input", "ctx", "body"):
                yield from _parts(value, depth + 1)
    elif isinstance(answer, list):
        for value in answer[:64]:
            yield from _parts(value, depth + 1)


def _most_tokens(answer: Any, said: Mapping[str, Any]) -> int | None:
    """The number of tokens that a refusal names as the most, where it is less than was asked for."""
    asked = said.get(_MAX_TOKENS, said.get(_NEW_NAME))
    for found in _AT_MOST.finditer(" ".join(_sentences(answer))[:20_000]):
        number = int(found[1])
        if isinstance(asked, int) and _LEAST_TOKENS <= number < asked:
            return number
    return None
