"""JSON as models write it: read strictly, and forgivingly where that fails. Never evaluated.

Not the package json-repair, which makes up what a cut left out (docs/decisions.md has the comparison).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ....cancel import STEPS, cancel_point, watched
from .fences import unfenced

MOST_BROKEN = 1_000  # objects of one answer that are no JSON: each costs a look at all of it
_NAMED = "true|false|null|True|False|None"
_NUMBER_OR_WORD = re.compile(rf"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|{_NAMED}")
# The text of an entry, whatever became of the marks before it, up to what follows a string or the end.
_TEXT_OF_ENTRY = re.compile(
    r"""(?<!:["'])(?<!:\s["'])(?:text|text_content|label)(?:["']\s{0,20}:?|\s{0,20}:)\s{0,20}["']?(.*?)(?:["']\s{0,20}(?=[,}\]])|\Z)""",
    re.DOTALL,
)
_TEXT_KEYS = frozenset({"text", "text_content", "label"})
_ENTRY_KEYS = _TEXT_KEYS | {"bbox", "bbox_2d", "box_2d", "box", "poly", "category", "natural_text"}
_CALLED = ("content", "words", "transcription", "value", "natural_text")
# Commands of LaTeX that begin as an escape does: the rest of each. The doubtful ones are commands where other
# backslashes are single, too.
_N_COMMANDS = "abla|eq|eg|otin|earrow|warrow|exists|parallel|leq|geq|subseteq|ewline|ormalsize|ode"
_N_DOUBTFUL = "u|i|e|ot|mid|sim|less|prec|cong|rightarrow|leftarrow|atural|olimits|onumber"
_T_COMMANDS = "heta|au|ext|extbf|extit|extrm|imes|frac|ilde|anh?|riangle|ag|op|o|hickapprox|binom"
_LATEX_N = re.compile(rf"(?:{_N_COMMANDS}|{_N_DOUBTFUL})(?![a-z])")
_LATEX_T = re.compile(rf"(?:{_T_COMMANDS})(?![a-z])")
_ESCAPED = re.compile(
    rf"\\(n(?!(?:{_N_COMMANDS}|{_N_DOUBTFUL})(?![a-z]))|t(?!(?:{_T_COMMANDS})(?![a-z]))"
    r"|[\"'/\\]|u[0-9a-fA-F]{4})"
)
_LONE = re.compile(r"[\f\b]|[\t\r](?=[a-z])")
_NOT_A_BREAK = re.compile(rf"\n(?=(?:{_N_COMMANDS})(?![a-z]))")
_PERHAPS_A_BREAK = re.compile(rf"\n(?=(?:{_N_DOUBTFUL})(?![a-z]))")
_PLAIN = {"n": "\n", "t": "\t", '"': '"', "'": "'", "/": "/", "\\": "\\"}
_WORDS = {"true": True, "false": False, "null": None, "none": None}
# What may follow a string: a colon, a bracket, a comma before a key or a value, or nothing.
_AFTER_STRING = re.compile(rf"\s*(?:$|[:}}\]]|,\s*(?:$|[\"'{{\[}}\]\d-]|(?:{_NAMED})\b))")


def json_objects(answer: str) -> tuple[list[dict[str, Any]], bool]:
    """Every whole object in ``answer``, and whether the list came to its end.

    JSON is read strictly; an object that is not JSON (a backslash of LaTeX, a bare quote, single quotes) is
    read by a tolerant reader of the same grammar; one that is cut off is left out.
    """
    found, _, whole = _objects(unfenced(answer))
    return found, whole


def entries(answer: str) -> tuple[list[dict[str, Any]], bool]:
    """As ``json_objects``, and in their places, as {"text": ...} alone, the words of entries that are none:
    one that is cut off or has lost a bracket. Nothing is made up; where they stood on the page is not known.
    """
    text = unfenced(answer)
    found, spans, whole = _objects(text)
    out: list[dict[str, Any]] = []
    at = 0
    for value, (start, end) in zip(found, spans, strict=True):
        out += [{"text": words} for words in _words_in(text[at:start])]
        held = _within(value)
        value = _with_text(value)
        if not held and _TEXT_KEYS.isdisjoint(value) and (words := " ".join(_words_in(text[start:end]))):
            value = {**value, "text": words}  # a key that has lost or gained a mark
        out += held or [value]
        at = end
    return [*out, *({"text": words} for words in _words_in(text[at:]))], whole


def _within(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of an object that only holds a list of them: ``{"layout": [...]}``."""
    if not _ENTRY_KEYS.isdisjoint(value):
        return []
    lists = [one if isinstance(one, list) else [one] for one in value.values()]
    return [
        _with_text(inner)
        for one in lists
        for inner in one
        if isinstance(inner, dict) and not _ENTRY_KEYS.isdisjoint(inner)
    ]


def _with_text(value: dict[str, Any]) -> dict[str, Any]:
    """An entry with its words under "text", whatever its model called them."""
    if not _TEXT_KEYS.isdisjoint(value) or _ENTRY_KEYS.isdisjoint(value):
        return value
    called = next((key for key in _CALLED if isinstance(value.get(key), str)), None)
    return value if called is None else {**value, "text": value[called]}


def _words_in(broken: str) -> Iterator[str]:
    """What stands as text in pieces of entries."""
    for said in watched(_TEXT_OF_ENTRY.finditer(broken)):
        words = _ESCAPED.sub(lambda one: _PLAIN.get(one[1]) or chr(int(one[1][1:], 16)), said[1])
        if words.strip():
            yield words.strip()


def _objects(text: str) -> tuple[list[dict[str, Any]], list[tuple[int, int]], bool]:
    """(objects, where each stands in ``text``, whether the list came to its end)."""
    strict = json.JSONDecoder(strict=False)
    objects: list[dict[str, Any]] = []
    spans: list[tuple[int, int]] = []
    at = text.find("{")
    end = broken = 0
    signs = _Signs(4 * len(text) + 1_000)
    while at >= 0:
        cancel_point()
        try:
            value, end = strict.raw_decode(text, at)
        except ValueError:
            broken += 1
            try:
                reader = _Lenient(text, at, signs)
                value, end = reader.value(), reader.at
            except (ValueError, RecursionError):
                at = _next_entry(text, at + 1)
                if at < 0 or broken > MOST_BROKEN or not signs.left:
                    return objects, spans, False
                continue
        except RecursionError:
            return objects, spans, False
        if isinstance(value, dict):
            objects.append(value)
            spans.append((at, end))
        at = text.find("{", end)
    opened = text.find("[")
    listed = 0 <= opened < (text.find("{") if "{" in text else len(text))
    return objects, spans, not listed or "]" in text[end:]


def _next_entry(text: str, at: int) -> int:
    """Where the next object that starts a line or follows a comma opens, -1 where none does: no other can be
    the next entry.
    """
    while (at := text.find("{", at)) >= 0:
        before = at - 1
        while before >= 0 and text[before].isspace() and text[before] != "\n":
            before -= 1
        if before >= 0 and text[before] in ",\n[":
            return at
        at += 1
    return -1


@dataclass
class _Signs:
    """How many more are looked at forgivingly, in all: an answer whose every line opens an object that never
    closes would be read to its end from each of them.
    """

    left: int

    def take(self) -> None:
        self.left -= 1
        if self.left <= 0:
            self.left = 0
            raise ValueError("looked at too much")
        if self.left % STEPS == 0:
            cancel_point()


class _Lenient:
    """Reads one JSON value from ``at``, forgiving what models get wrong inside strings. ValueError at a
    cut.
    """

    def __init__(self, text: str, at: int, signs: _Signs) -> None:
        self.text, self.at, self.signs = text, at, signs

    def value(self) -> Any:
        self._space()
        character = self._here()
        if character == "{":
            return self._object()
        if character == "[":
            return self._list()
        if character in "\"'":
            return self._string(character)
        found = _NUMBER_OR_WORD.match(self.text, self.at)
        if found is None:
            raise ValueError(f"no value at {self.at}")
        self.at = found.end()
        word = found[0].lower()
        return _WORDS[word] if word.isalpha() else float(word)

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while not self._closes("}"):
            self._space()
            quote = self._here()
            if quote not in "\"'":
                raise ValueError(f"no key at {self.at}")
            key = self._string(quote)
            self._space()
            self._take(":")
            found[key] = self.value()
        return found

    def _list(self) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while not self._closes("]"):
            found.append(self.value())
        return found

    def _closes(self, closing: str) -> bool:
        self._space()
        if self._here() == ",":
            self.at += 1
            self._space()
        if self._here() != closing:
            return False
        self.at += 1
        return True

    def _string(self, quote: str) -> str:
        out: list[str] = []
        self.at += 1
        while True:
            character = self._here()
            self.at += 1
            if character == "\\":
                out.append(self._escaped())
            elif character == quote and self._ends():
                return "".join(out)
            else:
                out.append(character)

    def _escaped(self) -> str:
        character = self._here()
        self.at += 1
        if character == "u":
            digits = self.text[self.at : self.at + 4]
            if re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                self.at += 4
                return chr(int(digits, 16))
        simple = {"n": "\n", "t": "\t", '"': '"', "'": "'", "/": "/", "\\": "\\"}
        commands = {"n": _LATEX_N, "t": _LATEX_T}.get(character)
        if commands is not None and commands.match(self.text, self.at):
            return "\\" + character  # \nu, \theta: this string is not JSON anyway
        return simple.get(character, "\\" + character)

    def _ends(self) -> bool:
        """Whether the quote just passed closes the string: then grammar follows, or the text is over."""
        return _AFTER_STRING.match(self.text[self.at : self.at + 32]) is not None

    def _space(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.signs.take()
            self.at += 1

    def _take(self, expected: str) -> None:
        if self._here() != expected:
            raise ValueError(f"no {expected} at {self.at}")
        self.at += 1

    def _here(self) -> str:
        self.signs.take()
        if self.at >= len(self.text):
            raise ValueError("cut off")
        return self.text[self.at]


def mended(text: Any, formula: bool = False) -> str:
    """A string out of JSON in which a lone backslash of LaTeX was taken for an escape (``\\frac`` for form
    feed).
    """
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        text = "\n".join(text)
    if not isinstance(text, str):
        try:
            return "" if text is None else str(text)
        except (RecursionError, ValueError):  # lists in lists without end, a number of 5,000 digits
            return ""
    # halves of a letter that escapes wrote one by one are put together; a single one is no letter
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    mended: str = whole.replace("\f", "\\f").replace("\b", "\\b")
    if formula:
        if _LONE.search(whole):  # then none was meant as an escape
            mended = _PERHAPS_A_BREAK.sub(r"\\n", mended)
        mended = _NOT_A_BREAK.sub(r"\\n", mended)
        mended = re.sub(r"\t(?=[a-z])", r"\\t", mended)
        mended = re.sub(r"\r(?=[a-z])", r"\\r", mended)
    return mended.strip()
