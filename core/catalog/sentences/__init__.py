"""Sentences that the code says in English, in the other languages: ``ru.json`` and ``zh.json``.

A key is the English sentence as the code has it, with a name in braces for what is filled in. A test holds
that each is still said somewhere, and that all languages have the same ones. What a report says has keys of
its own (words.py); here are errors, notes and the help of the command line.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path

from ...shell import as_called, as_called_template

# What a system says of files and connections (``os.strerror``), which stands within sentences of ours.
OF_THE_SYSTEM = (
    "No space left on device",
    "Disk quota exceeded",
    "Permission denied",
    "Operation not permitted",
    "Read-only file system",
    "No such file or directory",
    "Is a directory",
    "Not a directory",
    "File exists",
    "File name too long",
    "File too large",
    "Input/output error",
    "Too many open files",
    "Device or resource busy",
    "Connection refused",
    "Connection reset by peer",
    "Connection timed out",
    "Network is unreachable",
    "No route to host",
    "Cannot allocate memory",
    "[Errno {number}] {why}",
    "[WinError {number}] {why}",
    "Name or service not known",
    "Temporary failure in name resolution",
    "getaddrinfo failed",
    "nodename nor servname provided, or not known",
    "No address associated with hostname",
)
LONGEST = 4_000  # characters of a sentence that is looked for
_FIELD = re.compile(r"\{(\w+)\}")
_BETWEEN = re.compile(r"[.?!] (?=[A-Z])")
_PROSE = re.compile(r"(?:\b[a-z]{2,}[,:;]? ){3}")  # four words in a row


def translated(
    text: str, lang: str, filled_in: Callable[[str, str], str] = lambda name, value: value
) -> str | None:
    """``text`` in ``lang``, with what fills it in translated too where it is a sentence, and else by
    ``filled_in`` from the field's name and the value; None where it is not known."""
    if lang == "en" or not text.strip() or len(text) > LONGEST:
        return None
    bare = text.strip()
    whole = _whole(lang).get(bare)
    if whole is None:
        whole = _filled(bare, lang, filled_in)
    if whole is None and "; " in bare:
        whole = _each(bare.split("; "), lang, filled_in)
    if whole is None:
        whole = _in_a_row(bare, lang, filled_in)
    if whole is None:
        return None
    # Chinese has no space between sentences
    begin = "" if lang == "zh" and text[0] == " " else text[: len(text) - len(text.lstrip())]
    return f"{begin}{whole}{text[len(text.rstrip()) :]}"


def _each(parts: list[str], lang: str, filled_in: Callable[[str, str], str]) -> str | None:
    """Remarks in a row, each by itself; None where none of them is known."""
    told = [translated(part, lang, filled_in) for part in parts]
    if not any(told):
        return None
    return "; ".join(said or part for said, part in zip(told, parts, strict=True))


def _in_a_row(text: str, lang: str, filled_in: Callable[[str, str], str]) -> str | None:
    """Two sentences, one behind the other, of which both are known."""
    for end in _BETWEEN.finditer(text):
        last = translated(text[end.end() :], lang, filled_in)
        first = last and translated(text[: end.start() + 1], lang, filled_in)
        if first and last:
            return f"{first}{last}" if lang == "zh" else f"{first} {last}"
    return None


def _filled(text: str, lang: str, filled_in: Callable[[str, str], str]) -> str | None:
    other = None
    for literal, english, template in _patterns(lang):
        found = _pattern(english).fullmatch(text) if literal in text else None
        if found is not None:
            parts = found.groupdict()
            known = {name: _part(value, lang, filled_in) for name, value in parts.items()}
            values = {name: known[name] or filled_in(name, value) for name, value in parts.items()}
            told = template.format(**values)
            if not any(_is_prose(value) and not known[name] for name, value in parts.items()):
                return told
            other = other or told  # it may have been cut in the wrong place
    return other


def _part(text: str, lang: str, filled_in: Callable[[str, str], str]) -> str | None:
    """What fills a sentence in; a whole sentence there may have lost its full stop."""
    told = translated(text, lang, filled_in)
    if told is None and _is_prose(text):
        told = translated(f"{text}.", lang, filled_in)
        told = told.rstrip(".\u3002") if told else None
    return told


def _is_prose(text: str) -> bool:
    """Whether these are words of ours, and no name, number or list."""
    return _PROSE.search(text) is not None


@functools.cache
def sentences(lang: str) -> dict[str, str]:
    """English to ``lang``."""
    file = Path(__file__).with_name(f"{lang}.json")
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return known


@functools.cache
def _whole(lang: str) -> dict[str, str]:
    known = sentences(lang).items()
    return {as_called(english): as_called(said) for english, said in known if not _FIELD.search(english)}


@functools.cache
def _patterns(lang: str) -> list[tuple[str, str, str]]:
    """Those that something fills in, the most telling first: the longest text that each has in it, English,
    and ``lang``. To look for that text is quicker than to compile seven hundred patterns.
    """
    filled = [
        (as_called(english), said) for english, said in sentences(lang).items() if _FIELD.search(english)
    ]
    filled.sort(key=lambda pair: -len(_FIELD.sub("", pair[0])))
    return [
        (max(_FIELD.split(english)[::2], key=len), english, as_called_template(said))
        for english, said in filled
    ]


@functools.cache
def _pattern(english: str) -> re.Pattern[str]:
    seen: set[str] = set()
    parts = []
    for place, part in enumerate(_FIELD.split(english)):
        if place % 2 == 0:
            parts.append(re.escape(part))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>.*?)")
            seen.add(part)
    return re.compile("".join(parts), re.DOTALL)
