"""How standard output and standard error spell: in the encoding that the person has set, with a likeness for
what it does not have, and never an exception.

Python has already done what PYTHONIOENCODING, PYTHONUTF8 and the locale say. Only on Windows, where nobody
has said anything, it takes the old code page for a pipe; that is UTF-8 here.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterator
from typing import TextIO

LIKENESS = "vramwise_likeness"  # the name of the error handler
# What has a likeness that Unicode's decompositions do not know.
_LIKE = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u00ab\u00bb\u201c\u201d\u201e\u300c\u300d\u300e\u300f", '"'),
    **dict.fromkeys("\u2018\u2019\u201a", "'"),
    **dict.fromkeys("\u2022\u25cf\u25aa", "*"),
    "\u3001": ", ",
    "\u3002": ". ",
    "\u300a": '"',
    "\u300b": '"',
    "\u00d7": "x",
    "\u2192": "->",
    "\u2190": "<-",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2248": "~",
    "\u2116": "No.",
    "\u20bd": "RUB",
    "\u0451": "\u0435",
}
# What each language cannot do without.
_LETTERS = {"ru": "\u0430\u0416\u044f", "zh": "\u4e2d\u6587\u7684"}


class Likeness:
    """What is written for letters that an encoding does not have; ``lost`` of them had no likeness."""

    def __init__(self) -> None:
        self.lost = 0

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        letters = error.object[error.start : error.end]
        written = [_written(letter, error.encoding) for letter in letters]
        self.lost += written.count("?")
        return "".join(written), error.end


def settle() -> Likeness:
    """Let both streams write whatever is said; to be called before anything is. One that is not there (the
    shell's ``>&-``, a program without a console) takes what is said to nowhere.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as we run
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    likeness = Likeness()
    codecs.register_error(LIKENESS, likeness)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            if sys.platform == "win32" and not _is_chosen():
                stream.reconfigure(encoding="utf-8")
            stream.reconfigure(errors=_handler())
    return likeness


def spells(text: str, *streams: TextIO) -> bool:
    """Whether all of ``streams`` have every letter of ``text``."""
    for stream in streams:
        try:
            text.encode(getattr(stream, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return False
    return True


def spellable(language: str) -> str:
    """``language`` where both streams have its letters, else English: question marks are no answer."""
    return language if spells(_LETTERS.get(language, ""), sys.stdout, sys.stderr) else "en"


def is_utf8(stream: TextIO) -> bool:
    """Whether ``stream`` takes UTF-8; what is no real file (a test's) does."""
    with contextlib.suppress(LookupError):
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name.startswith("utf")
    return False


def _is_chosen() -> bool:
    """Whether the person has said how this Python writes."""
    return bool(os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8") or sys.flags.utf8_mode)


def _handler() -> str:
    """What PYTHONIOENCODING says to do with the rest, where that raises nothing."""
    asked = os.environ.get("PYTHONIOENCODING", "").partition(":")[2]
    return asked if asked in ("replace", "ignore", "backslashreplace", "xmlcharrefreplace") else LIKENESS


def _written(letter: str, encoding: str) -> str:
    """The nearest to ``letter`` that ``encoding`` has; a question mark where nothing is like it."""
    for likeness in _likenesses(letter):
        with contextlib.suppress(UnicodeEncodeError):
            likeness.encode(encoding)
            return likeness
    return "?"


def _likenesses(letter: str) -> Iterator[str]:
    if letter in _LIKE:
        yield _LIKE[letter]
    whole = unicodedata.normalize("NFKD", letter)
    bare = "".join(part for part in whole if not unicodedata.combining(part))
    if bare and bare != letter:
        yield bare
