"""The one exception base of the pack."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VramwiseError(Exception):
    """A sentence for the person in front of the graph: what failed, why, and what to do about it."""


class UnknownName(VramwiseError):
    """A name that is in no list of ours. On the command line this is wrong usage: exit code 2."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``' Did you mean "x"?'`` for the closest known word, or an empty string when nothing is close.

    Capitals do not count, and "-", "_" and a space are one.
    """
    plain = {_plain(one): one for one in known}
    close = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=0.6)
    return f' Did you mean "{plain[close[0]]}"?' if close else ""


def _plain(word: object) -> str:
    return str(word).casefold().replace("-", " ").replace("_", " ")
