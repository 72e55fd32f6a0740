"""The one exception base of the pack, and what its sentences are made of."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from .shell import as_called

LONGEST_NAME = 80  # characters of a name that others are compared with
MOST_NAMES = 2_000  # among which the nearest is looked for
LEAST_OF_A_NAME = 3  # characters of a name that others are said to begin with
LONGEST_SENTENCE = 8_000  # characters; somebody's megabyte is cut out of the middle
_TAIL = 2_000
# What a terminal obeys or a reader is deceived by: C0 but line feed and tab, DEL, C1, line separators, marks
# that turn the direction of all that follows. U+200E and U+200F, which turn nothing, belong to Arabic.
UNSEEN = (
    *(code for code in range(0x20) if code not in (0x09, 0x0A)),
    *range(0x7F, 0xA0),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
)
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in UNSEEN}
# Half a letter, which nothing can write down.
_ESCAPES |= {code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)}
_ESCAPED = r"""b'[^']*\\[^']*'|b"[^"]*\\[^"]*\""""
_PYTHON = re.compile(
    r"\bobject\b|'\w+' is not|instance of|unhashable|__\w+__|\btype\(s\)|too many dimensions"
)
_LONGEST_REASON = 200
_BYTES = re.compile(rf"[\s:]*(\([a-z ]*)?\b({_ESCAPED}|bytearray\(b.*?['\"]\))([^()'\"]*\))?")


def shown(text: str) -> str:
    """``text`` with its control characters as escapes (``\\x1b``): to be read, never to be obeyed."""
    return text if text.isascii() and text.isprintable() else text.translate(_ESCAPES)


def without_bytes(text: str) -> str:
    """A library's words without raw bytes as Python spells them: "broken PNG file (chunk b'...')"."""
    return _BYTES.sub("", text)


class VramwiseError(Exception):
    """A sentence for the person in front of the graph: what failed, why, and what to do about it.

    It may quote what anybody wrote: control characters are shown, and what is too long loses its middle.
    Command lines in it, "`vramwise models`", become those that run here.
    ``key`` names the sentence in the words of the reports and ``values`` fill it in, so that the command line
    can say it in another language; empty where it is said in English only. A sentence that knows its own key
    (core.catalog.words.Said) needs none.
    """

    def __init__(self, sentence: object = "", key: str = "", **values: object) -> None:
        own_key, own_values = getattr(sentence, "key", ""), getattr(sentence, "values", {})
        self.key: str = key or (own_key if isinstance(own_key, str) else "")
        self.values: dict[str, object] = values if key or not self.key else dict(own_values)
        text = str(sentence)
        if len(text) > LONGEST_SENTENCE:
            text = f"{text[: LONGEST_SENTENCE - _TAIL]} [...] {text[-_TAIL:]}"
        super().__init__(shown(as_called(text)))


_OF_A_VALUE = (TypeError, AttributeError, LookupError, ArithmeticError, AssertionError)


def in_words(error: BaseException) -> str:
    """Why something could not be read, for a person: what Python and libraries say of damaged contents in
    words of their own (``'list' object is not a mapping``) helps nobody. Without a full stop.
    """
    if isinstance(error, UnicodeError):
        return "it is no text in UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = without_bytes(str(error).strip().split("\n", 1)[0]).rstrip(".")[:_LONGEST_REASON]
    # pydantic-core and tokenizers raise plain ValueErrors and Exceptions in the same words
    if not said or isinstance(error, _OF_A_VALUE) or _PYTHON.search(said):
        return "a value in it is missing or of a wrong kind"
    return said


class UnknownName(VramwiseError):
    """A name that is in no list of ours. On the command line this is wrong usage: exit code 2."""


def nearest(word: object, known: Iterable[str]) -> str:
    """``' Did you mean "x"?'`` for the closest known word, or an empty string when nothing is close."""
    found = nearest_name(word, known)
    return f' Did you mean "{found}"?' if found else ""


def nearest_name(word: object, known: Iterable[str]) -> str:
    """The closest known word, or an empty string when nothing is close.

    Of names that begin with the very words asked for, it is the first in the order given: "qwen3" is
    "qwen3_vl_2b". Capitals do not count, and "-", "_" and a space are one.
    What is longer than a name has no nearest.
    """
    from rapidfuzz import fuzz, process

    word = str(word)  # a workflow or a file may hold anything for a name
    if len(word) > LONGEST_NAME:
        return ""
    names = (one for one in known if len(one) <= LONGEST_NAME)
    plain = {_plain(one): one for one in itertools.islice(names, MOST_NAMES)}
    wanted = _plain(word).strip()
    if wanted in plain:
        return plain[wanted]
    for name, one in plain.items():
        if len(wanted) >= LEAST_OF_A_NAME and name.startswith(f"{wanted} "):
            return one
    close = process.extract(_plain(word), list(plain), scorer=fuzz.ratio, score_cutoff=60, limit=None)
    best = max(((score, name) for name, score, _ in close), default=None)
    return plain[best[1]] if best else ""


def _plain(word: object) -> str:
    return str(word).casefold().replace("-", " ").replace("_", " ")
