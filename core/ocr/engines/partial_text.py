"""What of a page that nobody here can read was read all the same: its numbers, and words in other scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..results.line import Line
from .script_judge import LIKE_LATIN

SURE = 0.9  # of each word that is kept
NUMBER = re.compile(r"[\d.,:;/%+()\u2116#$\u20ac\u00a3-]*\d[\d.,:;/%+()$\u20ac\u00a3-]*")
WORD = re.compile(r"[A-Za-z][A-Za-z'@._-]{2,}")


def with_parts(lines: Sequence[Line], script: str | None = None) -> Iterator[Line]:
    """``lines``; a foreign one is followed by a line of each of its words that is a number of two digits
    or more, or, where its script is unlike Latin, a Latin word. ``script``: only lines in that one.
    """
    for line in lines:
        yield line
        for word in line.words if line.foreign and script in (None, line.foreign) else ():
            if (word.confidence or 0.0) < SURE:
                continue
            number = NUMBER.fullmatch(word.text) and sum(map(str.isdigit, word.text)) > 1
            latin = line.foreign not in LIKE_LATIN and WORD.fullmatch(word.text)
            if number or latin:
                yield replace(
                    line,
                    text=word.text,
                    polygon=word.polygon,
                    confidence=word.confidence,
                    words=(word,),
                    foreign=None,
                )
