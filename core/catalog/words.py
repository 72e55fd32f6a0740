"""The words of the reports in the languages they are printed in: report_words/en.json, ru.json, zh.json.

One flat mapping a language, key to template (``str.format`` fields). Keys begin with the report they belong
to: ``check_``, ``plan_``, ``advise_``; those of errors with ``error_``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import UnknownName, VramwiseError, nearest
from ..shell import as_called_template
from ..units import Figure
from .sentences import translated

LANGUAGES = ("en", "ru", "zh")
# A size that stands alone or in brackets. One within the name of a card belongs to the name.
_SIZE = re.compile(r"(^|(?<=\())([\d.,-]+) (GB|GiB|MB|MiB)(?=\+?$|\))")
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
# Fields of ``sentences`` that hold an amount. A number in another one may be a version, or what was typed.
_COUNTS = ("all", "bytes", "count", "fewer", "images", "length", "most", "pixels")
_AMOUNTS = frozenset((*_COUNTS, "asked", "free", "megapixels", "ratio", "seconds", "size"))


@functools.cache
def words(lang: str) -> Mapping[str, str]:
    """The templates of a language: "en", "ru" or "zh".

    A key that a language lacks is answered in English. Raises UnknownName for another language.
    """
    if lang not in LANGUAGES:
        raise UnknownName(
            f'There are no reports in the language "{lang}".{nearest(lang, LANGUAGES)} '
            f"Use one of: {', '.join(LANGUAGES)}."
        )
    known = _read("en")
    return _Templates(known if lang == "en" else {**known, **_read(lang)})


class _Template(str):
    """A template whose figures are written as its language writes them."""

    say: Mapping[str, str]

    def format(self, *parts: object, **values: object) -> str:
        figures = {
            name: written(value, self.say) if isinstance(value, Figure) else value
            for name, value in values.items()
        }
        return super().format(*parts, **figures)


class _Templates(Mapping[str, str]):
    """Templates by key. A command line in one is written as it is called here when it is first asked for:
    finding that out takes longer than all else of a short report.
    """

    def __init__(self, written: Mapping[str, str]) -> None:
        self._written = written
        self._called: dict[str, _Template] = {}

    def __getitem__(self, key: str) -> str:
        called = self._called.get(key)
        if called is None:
            called = self._called[key] = _Template(as_called_template(self._written[key]))
            called.say = self
        return called

    def __contains__(self, key: object) -> bool:
        return key in self._written

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)


class Said(str):
    """An English sentence, or a part of one, that knows its ``key`` and the ``values`` that fill it in: a
    string for all who read English, and ``in_language`` says it in another language.
    """

    key: str
    values: Mapping[str, object]


def said(key: str, **values: object) -> Said:
    """The sentence of ``key`` in English."""
    return _said(key, **values) if values else _said_alone(key)


@functools.cache
def _said_alone(key: str) -> Said:
    """A sentence that nothing fills in, made once: plans of a hundred rows say it thousands of times."""
    return _said(key)


def _said(key: str, **values: object) -> Said:
    made = Said(words("en")[key].format(**{name: in_language(value, "en") for name, value in values.items()}))
    made.key, made.values = key, values
    return made


def in_language(text: object, lang: str) -> str:
    """``text``, or the sentence of an error, in a language where it is Said or one of ``sentences``, and what
    fills it in too, a figure with the marks of that language; any other text as it is but for a bare size.
    What can be called is called with the language.
    """
    if callable(text):
        return str(text(lang))
    if lang == "en":
        return str(text)
    if isinstance(text, Figure):
        return written(text, words(lang))
    if not isinstance(text, (Said, VramwiseError)) or text.key not in words(lang):
        say = words(lang)
        return translated(str(text), lang, lambda name, value: _filled_in(name, value, say)) or sized(
            str(text), say
        )
    return words(lang)[text.key].format(
        **{name: in_language(value, lang) for name, value in text.values.items()}
    )


def as_written(text: str) -> Callable[[str], str]:
    """``text`` as what fills in a sentence, the same in every language though it reads like one of ours: what
    a picture, a file's name or a font says."""
    return lambda lang: text


def joined(parts: Sequence[str], key: str = "plan_and") -> str:
    """Parts as one: "a and b", by another ``key`` "a; b"; not empty."""
    return functools.reduce(lambda first, second: said(key, first=first, second=second), parts)


def sized(text: str, say: Mapping[str, str]) -> str:
    """``text`` with a bare size ("8 GB", "24 GB+", "fp8 (11.3 GiB)") in the words and marks of ``say``."""
    return _SIZE.sub(lambda found: f"{_marked(found[2], say)} {say[f'advise_unit_{found[3]}']}", text)


def written(figure: str, say: Mapping[str, str]) -> str:
    """A number of units.py, its unit with it, as the language of ``say`` writes it: "11,2 GiB"."""
    number, gap, unit = figure.partition(" ")
    if figure == "unknown":
        return say["check_unknown"]
    return f"{_marked(number, say)}{gap}{say.get(f'advise_unit_{unit}', unit)}"


def _marked(number: str, say: Mapping[str, str]) -> str:
    marks = say["mark_thousands"] + say["mark_decimal"]
    return number if marks == ",." else number.translate(str.maketrans(",.", marks))


def amount(text: str, say: Mapping[str, str]) -> str:
    """``text`` that may be a number or a bare size, and no version, in the words and marks of ``say``."""
    return _marked(text, say) if _NUMBER.fullmatch(text) else sized(text, say)


def _filled_in(name: str, value: str, say: Mapping[str, str]) -> str:
    """What fills the field ``name`` of a sentence and is no sentence itself."""
    return amount(value, say) if name in _AMOUNTS else sized(value, say)


@functools.cache
def _read(lang: str) -> Mapping[str, str]:
    text = Path(__file__).with_name("report_words").joinpath(f"{lang}.json").read_text(encoding="utf-8")
    known: dict[str, str] = json.loads(text)
    return known
