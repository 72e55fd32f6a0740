"""The one exception base of the pack."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VramwiseError(Exception):
    """A sentence for the person in front of the graph: what failed, why, and what to do about it."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``' Did you mean "x"?'`` for the closest known word, or an empty string when nothing is close."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else ""
