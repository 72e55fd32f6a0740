"""The words of the reports in the languages they are printed in: report_words/en.json, ru.json, zh.json.

One flat mapping a language, key to template (``str.format`` fields). Keys begin with the report they belong
to: ``check_``, ``plan_``, ``advise_``; those of errors with ``error_``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from types import MappingProxyType

from ..errors import UnknownName, VramwiseError, nearest

LANGUAGES = ("en", "ru", "zh")
# A size that stands alone or in brackets. One within the name of a card belongs to the name.
_SIZE = re.compile(r"(^|(?<=\())([\d.-]+) (GB|GiB)(?=\+?$|\))")


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
    return MappingProxyType({**_read("en"), **_read(lang)})


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
    """``text``, or the sentence of an error, in a language where it is Said, and what fills it in too; any
    other text as it is but for the unit of a bare size. What can be called is called with the language.
    """
    if callable(text):
        return str(text(lang))
    if lang == "en":
        return str(text)
    if not isinstance(text, (Said, VramwiseError)) or text.key not in words(lang):
        return sized(str(text), words(lang))
    return words(lang)[text.key].format(
        **{name: in_language(value, lang) for name, value in text.values.items()}
    )


def joined(parts: Sequence[str], key: str = "plan_and") -> str:
    """Parts as one: "a and b", by another ``key`` "a; b"; not empty."""
    return functools.reduce(lambda first, second: said(key, first=first, second=second), parts)


def sized(text: str, say: Mapping[str, str]) -> str:
    """``text`` with the unit of a bare size ("8 GB", "24 GB+", "fp8 (11.3 GiB)") in the words of ``say``."""
    return _SIZE.sub(lambda found: f"{found[2]} {say[f'advise_unit_{found[3]}']}", text)


def _read(lang: str) -> dict[str, str]:
    text = resources.files(__package__).joinpath(f"report_words/{lang}.json").read_text(encoding="utf-8")
    known: dict[str, str] = json.loads(text)
    return known
