"""JSON of one shape: an object with ``schema_version`` and ``catalog_date``, its answer beside them, errors
too; and which catalog a text is from.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from ..catalog.words import words
from .language import language_asked, spoken
from .streams import spellable
from .terminal import say, say_json, say_lines

SCHEMA_VERSION = 2


def head() -> dict[str, Any]:
    """What every object begins with."""
    from ..catalog.edition import edition

    found = edition()
    return {"schema_version": SCHEMA_VERSION, "catalog_date": found.date}


def add_lang(verb: argparse.ArgumentParser) -> None:
    """Add the option of the language of the report."""
    verb.add_argument(
        "--lang",
        default=spoken(),
        type=_language,
        metavar="LANG",
        help="language of what is said: en, ru or zh; default: the system's",
    )


def _language(text: str) -> str:
    return spellable(language_asked(text))


def say_edition(lang: str, before: str = "\n") -> None:
    """The last line of a report for a person: which catalog it is from."""
    from ..catalog.edition import edition

    say(before, end="")
    say_lines([edition().text(words(lang))])


def say_object(facts: Mapping[str, Any]) -> None:
    """Print one answer."""
    say_json({**head(), **facts})


def say_answers(name: str, answers: Sequence[Mapping[str, Any]], **more: Any) -> None:
    """Print answers of one question: all under ``name``, and the first one's keys beside it, where scripts of
    version 1 look for them."""
    first = dict(answers[0]) if answers else {}
    say_json({**head(), **first, name: [dict(answer) for answer in answers], **more})


def say_error(code: str, sentence: str, exit_code: int) -> None:
    """Print why there is no answer. ``code``: "unknown_name", "usage", "failed", "stopped"."""
    try:
        begin = head()
    except Exception:  # a broken table is itself what failed
        begin = {"schema_version": SCHEMA_VERSION, "catalog_date": None}
    say_json({**begin, "error": {"code": code, "message": sentence, "exit_code": exit_code}})
