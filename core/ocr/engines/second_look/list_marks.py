"""Marks of lists that are read as what looks like them: the second letter of a Russian list as a 6, and rings
as a degree or as a full stop of Chinese.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from ...results.line import Line
from ...results.result import Word
from ..line_shapes.word_places import between

RING = "\u25e6"
RINGS = ("\u00b0", "\u3002", "\u2218", "\u25cb", RING)
# What is read, what it is behind such an item of the list.
LETTERS = {"6)": ("\u0431)", ("\u0430)", "a)")), "3)": ("\u0437)", ("\u0436)",))}
DEGREES = re.compile(r"\u00b0[CF]\b")
EDGE = 1.0  # line heights between where two items of a list begin


def with_list_marks(lines: Sequence[Line]) -> list[Line]:
    """``lines`` of a page, with the marks of its lists as they are meant."""
    out = [_with_ring(line) for line in lines]
    for number, line in enumerate(out):
        meant, behind = LETTERS.get(_mark(line), ("", ()))
        if meant and _mark(_item_above(line, out)) in behind:
            out[number] = _with_first(line, meant, line.text.split(maxsplit=1)[1:])
    return out


def _mark(line: Line | None) -> str:
    """What stands before a text in its line: "a)"."""
    parts = line.text.split(maxsplit=1) if line else []
    return parts[0] if len(parts) > 1 and len(parts[0]) < 4 and parts[0].endswith(")") else ""


def _item_above(line: Line, lines: Sequence[Line]) -> Line | None:
    """The nearest line over this one that begins where it does, with a mark."""
    (x, y), high = line.polygon[0], line.polygon[3][1] - line.polygon[0][1]
    above = [
        other
        for other in lines
        if _mark(other) and other.polygon[0][1] < y and abs(other.polygon[0][0] - x) < EDGE * high
    ]
    return max(above, key=lambda other: other.polygon[0][1], default=None)


def _with_ring(line: Line) -> Line:
    """A ring stands before a word of letters, not before Chinese, where a line may begin so, and a degree
    before C or F.
    """
    ring, rest = line.text[:1], line.text[1:].lstrip()
    if DEGREES.match(line.text):
        return line
    if ring not in RINGS or not rest[:1].isalpha() or unicodedata.east_asian_width(rest[0]) == "W":
        return line
    return line if line.text[:2] == f"{RING} " else _with_first(line, RING, [rest])


def _with_first(line: Line, first: str, rest: Sequence[str]) -> Line:
    """The line with another first word, parted from what it had been read with."""
    text = " ".join([first, *rest])
    if [word.text for word in line.words] != line.text.split():
        return replace(line, text=text, words=())
    old = line.words[0]
    words = [replace(old, text=first)] if len(line.words) == len(text.split()) else list(_parted(old, first))
    return replace(line, text=text, words=(*words, *line.words[1:]))


def _parted(word: Word, first: str) -> tuple[Word, Word]:
    """A word as its first character and the others, each as wide as its share."""
    at = 1 / len(word.text)
    mark = replace(word, text=first, polygon=between(word.polygon, 0.0, at))
    return mark, replace(word, text=word.text[1:], polygon=between(word.polygon, at, 1.0))
