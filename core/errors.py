"""The one exception base of the pack."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VramwiseError(Exception):
    """A sentence for the person in front of the graph: what failed, why, and what to do about it."""


class UnknownName(VramwiseError):
    """A name that is in no list of ours. On the command line this is wrong usage: exit code 2."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``' Did you mean "x"?'`` for the closest known word, or an empty string when nothing is close."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else ""
