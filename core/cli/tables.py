"""Tables and paragraphs for a terminal of any width, in any script: aligned, never a stack of single words.

A table that is too wide loses its least columns, which are named beneath it; the last column is wrapped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

GAP = "  "
LEAST_WRAPPED = 24  # cells of a column that is broken into lines
_NUMBER = re.compile(r"[-+]?[\d.,]+( ?[%x])?|-|")
# A break may stand behind a space, and between characters of scripts written without them.
_WORDS = re.compile(r"\s+|[^\s\u3000-\u9fff\uf900-\ufaff\uff00-\uff60]+|.")
_CLOSING = frozenset("\u3001\u3002\uff0c\uff1b\uff1a\uff09\uff1f\uff01")  # never at the beginning of a line


def cells(text: str) -> int:
    """How many cells of a terminal ``text`` takes: two for a wide character, none for a mark over another."""
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """``text`` in lines of at most ``width`` cells, the later ones behind ``indent`` and what it is itself
    indented by. A word that is longer than a line is broken."""
    begin = text[: len(text) - len(text.lstrip(" "))]
    lines, line = [], begin
    later = begin + indent
    for word in _pieces(text.strip(" "), max(1, width - cells(later))):
        if line.strip() and cells(line) + cells(word.rstrip()) > width and word not in _CLOSING:
            lines.append(line.rstrip())
            line = later
        if line.strip() or not word.isspace():
            line += word
    return [*lines, line.rstrip()]


def _pieces(text: str, most: int) -> Iterable[str]:
    for word in _WORDS.findall(text):
        while cells(word) > most:
            yield word[:most]
            word = word[most:]
        yield word


@dataclass(frozen=True)
class Table:
    """Lines of a table, and the heads of the columns that there was no room for. ``styles`` is one a line:
    "head", or the row's own."""

    lines: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    styles: tuple[str, ...] = field(default=(), compare=False)


def fitted(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    least: Sequence[int] | None = None,
    styles: Sequence[str] = (),
) -> Table:
    """The table in ``width`` cells. ``least`` are the columns that may go, the first one first (default: from
    the last but one backwards to the second); ``styles`` one word a row."""
    going = list(least if least is not None else range(len(head) - 2, 0, -1))
    kept = list(range(len(head)))
    bodies = [max((cells(row[place]) for row in rows), default=0) for place in range(len(head))]
    whole = [max(cells(name), body) for name, body in zip(head, bodies, strict=True)]
    # the words of a head may stand one above the other
    tight = [max(_longest_word(name), body) for name, body in zip(head, bodies, strict=True)]
    while going and _least_width(tight, kept, rows) > width:
        kept.remove(going.pop(0))
    sizes = list(whole)
    for place in sorted(kept, key=lambda place: tight[place] - whole[place]):
        if _sum(sizes, kept[:-1]) + _least_last(sizes, kept[-1], rows) > width:
            sizes[place] = tight[place]
    last = kept[-1]
    sizes[last] = max(1, min(sizes[last], width - _sum(sizes, kept[:-1])))
    if len(kept) > 1 and sizes[kept[0]] + len(GAP) + sizes[last] > width:  # two long columns: both are broken
        sizes[kept[0]] = max(1, min(sizes[kept[0]], width // 2))
        sizes[last] = max(1, width - len(GAP) - sizes[kept[0]])
    right = [all(_NUMBER.fullmatch(row[place].strip()) for row in rows) for place in range(len(head))]
    lines, styled = [], []
    for row, style in ((head, "head"), *zip(rows, (*styles, *[""] * len(rows)), strict=False)):
        broken = [wrapped(row[place], sizes[place]) for place in kept]
        for number in range(max(map(len, broken))):
            parts = [its[number] if number < len(its) else "" for its in broken]
            padded = [
                _padded(part, sizes[place], right[place]) for part, place in zip(parts, kept, strict=True)
            ]
            lines.append(GAP.join(padded).rstrip())
            styled.append(style)
    left_out = tuple(name for place, name in enumerate(head) if place not in kept)
    return Table(tuple(lines), left_out, tuple(styled))


def _longest_word(text: str) -> int:
    return max(map(cells, text.split()), default=0)


def _least_last(sizes: Sequence[int], last: int, rows: Sequence[Sequence[str]]) -> int:
    """The last column is broken into lines where it holds sentences."""
    sentences = any(row[last].count(" ") > 2 for row in rows)
    return min(sizes[last], LEAST_WRAPPED) if sentences else sizes[last]


def _least_width(sizes: Sequence[int], kept: Sequence[int], rows: Sequence[Sequence[str]]) -> int:
    return _sum(sizes, kept[:-1]) + _least_last(sizes, kept[-1], rows)


def _sum(sizes: Sequence[int], places: Sequence[int]) -> int:
    return sum(sizes[place] + len(GAP) for place in places)


def _padded(text: str, size: int, right: bool) -> str:
    space = " " * max(0, size - cells(text))
    return space + text if right else text + space
