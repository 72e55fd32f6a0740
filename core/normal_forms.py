"""Unicode's normal forms in linear time."""

from __future__ import annotations

import functools
import itertools
import unicodedata
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    Pattern = Any

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
# UAX 15, Stream-Safe Text: no writing has more marks behind one letter.
MOST_MARKS = 30


def normalised(form: Form, text: str) -> str:
    """``unicodedata.normalize``, also for thousands of marks behind one letter: those it sorts by insertion,
    which takes the square of their number (40,000 in two seconds) and holds the interpreter's lock.
    """
    if text.isascii():
        return text
    return unicodedata.normalize(form, _long_runs().sub(lambda run: _sorted(form, run[0]), text))


def _sorted(form: Form, run: str) -> str:
    """The marks of ``run`` taken apart and put into their canonical order."""
    apart: Form = "NFKD" if "K" in form else "NFD"
    marks = itertools.chain.from_iterable(unicodedata.normalize(apart, mark) for mark in run)
    groups = itertools.groupby(marks, lambda mark: unicodedata.combining(mark) > 0)
    return "".join("".join(sorted(group, key=unicodedata.combining)) for _, group in groups)


@functools.cache
def _long_runs() -> Pattern:
    import regex

    # Half-width voiced marks are letters until NFKC makes marks of them.
    return regex.compile(rf"[\p{{M}}\uff9e\uff9f]{{{MOST_MARKS + 1},}}")
