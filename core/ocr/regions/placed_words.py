"""The words of a region with their places, row by row: the engine's own, else estimated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import unescape

from ...cancel import watched
from ...cjk import is_cjk
from ..results.result import Point, Region, Word
from .word_boxes import corners, place, sliced

# control characters, and halves of surrogate pairs, which no file can hold
_CLEAN = {code: None for code in range(32) if code not in (9, 10, 13)}
_CLEAN |= dict.fromkeys((127, 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)))
_ROW_END = re.compile(r"</tr\s{0,5}>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,2000}>")


@dataclass(frozen=True)
class PlacedWord:
    """A word as it is read. ``polygon``: four corners, clockwise from its own top left, pixels of the page.
    ``spaced``: there is white space in front of it in the text.
    """

    text: str
    polygon: tuple[Point, ...]
    spaced: bool = True


def placed_rows(region: Region) -> list[list[PlacedWord]]:
    """The words of ``region`` in the order of its text, one list a row; control characters are left out."""
    own = _own_words(region)
    if own:
        return [own]
    text = _without_tags(region.text.translate(_CLEAN))
    if not text.strip() or len(region.polygon) < 3:
        return []
    if is_right_to_left(text):
        # place() goes from left to right: the region is looked at in a mirror
        rows = _estimated(replace(region, text=text, polygon=_mirrored(corners(region.polygon))))
        return [[replace(word, polygon=_mirrored(word.polygon)) for word in row] for row in rows]
    return _estimated(replace(region, text=text))


def _without_tags(text: str) -> str:
    """The words of a table that a model wrote in HTML, a row a line."""
    if "<table" not in text.lower():
        return text
    return unescape(_TAG.sub(" ", _ROW_END.sub("\n", text)))


def _own_words(region: Region) -> list[PlacedWord]:
    """The engine's words; none where one has no place."""
    found: list[PlacedWord] = []
    at = 0
    for word in watched(region.words):
        if len(word.polygon) < 3:
            return []
        start = region.text.find(word.text, at)
        if start < 0:
            spaced = not _joined(found[-1].text if found else "", word.text)
        else:
            spaced, at = start > at, start + len(word.text)
        text = "".join(word.text.translate(_CLEAN).split())
        if text:
            found.append(PlacedWord(text, _along_line(region, word), spaced and bool(found)))
    return found


def _along_line(region: Region, word: Word) -> tuple[Point, ...]:
    """The part of the line on which the word stands, as high as the line, so that all its words have one
    baseline. Of a line that is bent the word's own corners.
    """
    line, box = corners(region.polygon), corners(word.polygon)
    (ax, ay), (bx, by) = line[0], line[1]
    across, down = bx - ax, by - ay
    long = across * across + down * down
    high = (line[3][0] - ax) * -down + (line[3][1] - ay) * across
    if len(region.polygon) != 4 or long <= 0 or high <= 0:
        return box
    shares = [((x - ax) * across + (y - ay) * down) / long for x, y in box]
    depth = [((x - ax) * -down + (y - ay) * across) / high for x, y in box]
    if not 0 <= sum(depth) / 4 <= 1 or max(depth) - min(depth) > 1.6:
        return box
    return sliced(line, min(shares), max(shares))


def _estimated(region: Region) -> list[list[PlacedWord]]:
    """By ``place``; a new row begins where a word stands below the one before, or in the next column."""
    spans = [
        span
        for found in watched(re.finditer(r"\S+", region.text))
        for span in _pieces(region.text, *found.span())
    ]
    rows: list[list[PlacedWord]] = []
    end = 0
    for (start, stop), boxes in watched(zip(spans, place(region, spans), strict=True)):
        if not boxes.polygons:
            continue
        spaced = start > end
        end = stop
        word = PlacedWord(region.text[start:stop], boxes.polygons[0], spaced)
        if rows and _same_row(rows[-1][-1].polygon, word.polygon):
            rows[-1].append(word)
        else:
            rows.append([word])
    return rows


def _pieces(text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """A run without white space as words; Chinese and Japanese letter by letter, for a run may fill lines."""
    pieces: list[tuple[int, int]] = []
    begin, before = start, is_cjk(text[start])
    for at in watched(range(start + 1, stop)):
        here = is_cjk(text[at])
        if here or before:
            pieces.append((begin, at))
            begin = at
        before = here
    return [*pieces, (begin, stop)]


def _same_row(before: Sequence[Point], after: Sequence[Point]) -> bool:
    """Whether ``after`` stands on the line of ``before``: its middle within half a line's height."""
    (ax, ay), _, _, (dx, dy) = before[:4]
    down = dx - ax, dy - ay
    high = down[0] ** 2 + down[1] ** 2 or 1.0
    middles = [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in (before, after)
    ]
    (mx, my), (nx, ny) = middles
    return abs((nx - mx) * down[0] + (ny - my) * down[1]) / high < 0.5


def is_right_to_left(text: str) -> bool:
    """Whether most letters of ``text`` are of scripts that run from right to left."""
    right = left = 0
    for letter in watched(text):
        kind = unicodedata.bidirectional(letter)
        right += kind in ("R", "AL")
        left += kind == "L"
    return right > left


def _mirrored(polygon: Sequence[Point]) -> tuple[Point, ...]:
    a, b, c, d = polygon[:4]
    return b, a, d, c


def _joined(before: str, after: str) -> bool:
    return not before or (is_cjk(before[-1]) and is_cjk(after[0]))
