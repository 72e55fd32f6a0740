"""Which language the command line speaks: ``--lang``, else the system's where it is one of ours."""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar

from ..catalog.words import LANGUAGES, said, words
from ..errors import UnknownName, nearest_name

_SPOKEN: ContextVar[str] = ContextVar("spoken", default="en")
# As POSIX orders them: the first that says anything decides.
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
_WINDOWS = {0x19: "ru", 0x04: "zh"}  # primary language ids of Windows


def speak(language: str) -> None:
    """What follows is said in ``language``."""
    _SPOKEN.set(language)


def spoken() -> str:
    """The language that is spoken now, one of LANGUAGES."""
    return _SPOKEN.get()


def named_language(text: str) -> str:
    """The language of ours that ``text`` names, "" where it names none: a code of any form ("RU", "ru-RU",
    "zh_Hans", "ru_RU.UTF-8"), or its name in one of ours ("Russian", "Russian_Russia.1251", "Simplified
    Chinese").
    """
    parts = re.findall(r"[^\W\d_]+", text.casefold())
    if not parts or parts[0] in LANGUAGES:
        return parts[0] if parts else ""
    if len(parts) == 1 or len(parts[0]) > 2:  # "de_DE" needs no names, which take longer than a short report
        called = {name: code for code in LANGUAGES for name in words(code)["language_called"].split()}
        return called.get(parts[0], "") or called.get(parts[-1], "")
    return ""


def language_asked(text: str) -> str:
    """``named_language``, as argparse's ``type``. Raises UnknownName, which says which there are."""
    found = named_language(text)
    if not found:
        near, known = nearest_name(text, LANGUAGES), ", ".join(LANGUAGES)
        helps = said("error_near_of" if near else "error_one_of", near=near, known=known)
        raise UnknownName(said("error_choice", option="--lang", text=text, helps=helps))
    return found


def language_of(typed: Sequence[str], environ: Mapping[str, str] = os.environ) -> str:
    """The language of a command: what follows ``--lang`` where it is one of ours, else the environment's."""
    told = [part for word in typed for part in word.split("=", 1)]
    asked = [after for word, after in itertools.pairwise(told) if word in ("--lang", "--lan", "--la")]
    return (named_language(asked[-1]) if asked else "") or language_of_environment(environ)


def language_of_environment(environ: Mapping[str, str]) -> str:
    """What the environment says, in the order of GNU gettext: the first of LANGUAGE's list that is ours, then
    LC_ALL, LC_MESSAGES, LANG. LANGUAGE counts for nothing where those say C, or nothing at all. On Windows,
    where nobody sets them, it is the language of its windows; English where none of these is ours.
    """
    locale = next((environ[name] for name in _VARIABLES if environ.get(name)), "")
    windows = sys.platform == "win32"
    plain = re.split(r"[.@]", locale)[0] in ("C", "POSIX") or not (locale or windows)
    for wished in () if plain else filter(None, environ.get("LANGUAGE", "").split(":")):
        if found := named_language(wished):
            return found
    if plain or environ.get("LANGUAGE", "").strip(":"):
        return "en"
    if not locale:
        return _WINDOWS.get(_windows_language() & 0x3FF, "en")
    return named_language(locale) or "en"


def _windows_language() -> int:
    import ctypes

    return int(ctypes.windll.kernel32.GetUserDefaultUILanguage())  # type: ignore[attr-defined,unused-ignore]


def without_leading_lang(typed: Sequence[str]) -> list[str]:
    """``--lang ru`` in front of the verb stands behind it, where every verb takes it; ``--json`` too."""
    words = list(typed)
    if words[:1] == ["--json"] and len(words) > 1 and not words[1].startswith("-"):
        words[:2] = [words[1], words[0]]
    if words and words[0].startswith("--lang="):
        words[:1] = words[0].split("=", 1)
    if words[:1] == ["--lang"] and len(words) > 2:
        return [*words[2:], *words[:2]]
    return words
