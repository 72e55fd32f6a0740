"""Vertical text: columns from right to left, characters upright, Latin words turned, punctuation in its
vertical form."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

from .glyphs import ASCENT, Ink, TextShaper
from .line_breaking import dense

Kind = Literal["upright", "together", "turned", "corner"]
FORMS = (*range(0xFE10, 0xFE13), *range(0xFE17, 0xFE1A), *range(0xFE30, 0xFE33), *range(0xFE35, 0xFE45))
VERTICAL = {unicodedata.normalize("NFKC", chr(form)): chr(form) for form in FORMS}
"""A sign and its form for vertical text; ! ? : ; stand as they are."""
FULL_WIDTH = {
    "\uff08": "(", "\uff09": ")", "\uff5b": "{", "\uff5d": "}", "\uff0c": ",",
    "\u2026": "...", "\u2025": "..",
}  # fmt: skip
TURNED = (
    frozenset("\u30fc\u301c\uff5e\uff1d\uff0d\u2014\u2015\u2013\u2026\u2025\uff1a\uff1b")
    | {sign for sign in VERTICAL if unicodedata.category(sign[0]) in ("Ps", "Pe")}
    | {"\uff08", "\uff09", "\uff5b", "\uff5d", "\uff3b", "\uff3d"}
)
"""Turned by 90 degrees where the font has no vertical form."""
CORNER = frozenset("\u3001\u3002\uff0c\uff0e")
"""Moved into the upper right corner of the square where the font has no vertical form."""


@dataclass(frozen=True)
class Cell:
    """A part of a column. ``length`` in ems: 1 for a square, more for a turned word."""

    text: str
    kind: Kind
    length: float = 1.0


def cells(text: str, shaper: TextShaper) -> list[Cell]:
    """The column's parts from top to bottom."""
    found: list[Cell] = []
    latin = ""
    for character in text + "\u3000":
        if not (dense(character) or character.isspace() or character in TURNED):
            latin += character
            continue
        if latin:
            found.append(_latin(latin, shaper))
            latin = ""
        if character == " ":
            found.append(Cell("", "upright", 0.5))
        elif not character.isspace():
            found.append(_square(character, shaper))
        else:
            found.append(Cell("", "upright"))
    return found[:-1]


def _latin(text: str, shaper: TextShaper) -> Cell:
    if len(text) == 1 and text.isalnum():
        return Cell(text, "together")
    if len(text) <= 2 and (text.isdigit() or text in ("!!", "!?", "?!")):
        return Cell(text, "together")
    return Cell(text, "turned", shaper.extent(text).advance)


def _square(character: str, shaper: TextShaper) -> Cell:
    form = VERTICAL.get(FULL_WIDTH.get(character, character))
    if form and shaper.has(form):
        return Cell(form, "upright")
    if character in CORNER:
        return Cell(character, "corner")
    return Cell(character, "turned" if character in TURNED else "upright")


def column_length(text: str, shaper: TextShaper) -> float:
    """In ems."""
    return sum(cell.length for cell in cells(text, shaper))


def draw_column(ink: Ink, middle: float, top: float, text: str, size: int, shaper: TextShaper) -> None:
    """One column around the line x = ``middle`` from y = ``top`` down; ``size`` in pixels."""
    for cell in cells(text, shaper):
        if cell.text:
            _draw_cell(ink, middle, top, cell, size, shaper)
        top += cell.length * size


def _draw_cell(ink: Ink, middle: float, top: float, cell: Cell, size: int, shaper: TextShaper) -> None:
    advance = shaper.extent(cell.text).advance
    if cell.kind == "turned":
        margin = size // 2  # ink and outline beyond the em
        tile = Ink(round(advance * size) + 2 * margin, size + 2 * margin, ink.outline)
        shaper.draw(tile, margin, margin + ASCENT * size, cell.text, size)
        ink.paste(tile, round(middle - size / 2) - margin, round(top) - margin, turned=True)
        return
    if cell.kind == "together" and advance > 1:
        size, top = int(size / advance), top + size * (1 - 1 / advance) / 2
        advance = 1.0
    x, y = middle - advance * size / 2, top + ASCENT * size
    if cell.kind == "corner":
        x, y = x + 0.55 * size, y - 0.55 * size
    shaper.draw(ink, x, y, cell.text, size)
