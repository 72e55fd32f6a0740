"""What a page says as a PDF's content: invisible text where the words stand, to be searched and selected."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..cancel import watched
from ..ocr.regions.placed_words import PlacedWord, is_right_to_left, placed_rows
from ..ocr.results.result import OCRResult, Point, Region
from .glyphless_font import ADVANCE, UNITS, GlyphlessFont, step_of

if TYPE_CHECKING:
    Affine = tuple[float, float, float, float, float, float]

LEVEL = math.radians(1.5)  # a row that runs like this is written word by word, others in one piece
STEEP = 0.5  # the sine of a row's angle, from which it runs up or down
NARROWEST = 0.05  # of a word or a space, in pixels
SPACE = 0.2  # between words, in line heights, at least: engines share the gap out among them
_CELL = ADVANCE / UNITS


def text_layer(
    result: OCRResult,
    to_page: Affine,
    font: GlyphlessFont,
    name: str,
    is_there: Callable[[Point], bool] = lambda middle: False,
) -> bytes:
    """Content of a PDF's page with the words of ``result``; b"" where there are none.

    ``to_page`` takes pixels of the picture that was read to the page's points, as (a, b, c, d, e, f) with
    x' = a x + c y + e and y' = b x + d y + f. ``name`` is the font's in the page's resources. ``is_there``
    tells of a place on the page, in points, whether it has text already: such words are left out.
    """
    pieces: list[str] = []
    for region in watched(_regions(result), 16):
        for row in placed_rows(region):
            words = [_Run(word) for word in row]
            seen = [word for word in words if word.is_drawn and not is_there(_moved(word.middle, to_page))]
            pieces += _row(seen, to_page, font)
    if not pieces:
        return b""
    # in q and Q, at the beginning of the page: nothing that follows can move it, and it moves nothing
    return "\n".join(["q", "BT", "3 Tr", f"{name} 1 Tf", *pieces, "ET", "Q", ""]).encode("ascii")


def _regions(result: OCRResult) -> Iterator[Region]:
    """In reading order; a text of which no place is known lies over the whole page."""
    if any(region.text for region in result.regions):
        yield from result.regions
    elif result.text.strip():
        x, y = float(result.width), float(result.height)
        yield Region(result.text, ((0.0, 0.0), (x, 0.0), (x, y), (0.0, y)), 0)


class _Run:
    """A word: where its baseline starts and ends, and where its height leads, in pixels of the picture."""

    def __init__(self, word: PlacedWord) -> None:
        self.text, self.spaced = _as_seen(word.text), word.spaced
        top, _, self.end, self.start = word.polygon[:4]
        self.up = (top[0] - self.start[0], top[1] - self.start[1])
        self.height = math.hypot(*self.up)
        self.middle = (
            sum(x for x, _ in word.polygon) / len(word.polygon),
            sum(y for _, y in word.polygon) / len(word.polygon),
        )

    @property
    def along(self) -> Point:
        return self.end[0] - self.start[0], self.end[1] - self.start[1]

    @property
    def width(self) -> float:
        return math.hypot(*self.along)

    @property
    def pitch(self) -> float:
        return self.width / len(self.text)

    @property
    def is_drawn(self) -> bool:
        finite = all(map(math.isfinite, (*self.start, *self.end, *self.up)))
        return finite and self.width > NARROWEST and self.height > NARROWEST

    def place(self, point: Point, unit: Point) -> float:
        """How far behind ``point`` it starts, along ``unit``."""
        return (self.start[0] - point[0]) * unit[0] + (self.start[1] - point[1]) * unit[1]

    def narrow(self, start: float = 0.0, end: float = 0.0) -> None:
        """Take so many pixels off its ends."""
        x, y = self.along[0] / self.width, self.along[1] / self.width
        self.start = (self.start[0] + x * start, self.start[1] + y * start)
        self.end = (self.end[0] - x * end, self.end[1] - y * end)

    def flatten(self) -> None:
        middle = (self.start[1] + self.end[1]) / 2
        self.start, self.end = (self.start[0], middle), (self.start[0] + self.width, middle)
        self.up = (0.0, -self.height)


def _row(words: Sequence[_Run], to_page: Affine, font: GlyphlessFont) -> list[str]:
    if not words:
        return []
    backwards = is_right_to_left("".join(word.text for word in words))
    for before, word in itertools.pairwise(words):
        if word.spaced:
            _part(*((word, before) if backwards else (before, word)))
    angle = math.atan2(words[0].along[1], words[0].along[0])
    if abs(angle) <= LEVEL:
        return list(_level(words, to_page, font, backwards))
    return _turned(words[::-1] if backwards else words, to_page, font, backwards)


def _part(left: _Run, right: _Run) -> None:
    """Have a space between two words, at the cost of both."""
    unit = (left.along[0] / left.width, left.along[1] / left.width)
    lacking = (SPACE * min(left.height, right.height) - right.place(left.end, unit)) / 2
    if lacking > 0:
        left.narrow(end=min(lacking, left.width / 4))
        right.narrow(start=min(lacking, right.width / 4))


def _level(words: Sequence[_Run], to_page: Affine, font: GlyphlessFont, backwards: bool) -> Iterator[str]:
    """Word by word, each at its place and flat: within a word that leans a little, poppler's layout would see
    the letters on two lines. Spaces fill what is between them.
    """
    for number, word in enumerate(words):
        word.flatten()
        if number and word.spaced:
            before = words[number - 1]
            left, right = (word, before) if backwards else (before, word)
            gap = max(right.start[0] - left.end[0], NARROWEST)
            yield _shown(" ", left.end, (gap, 0.0), before.up, to_page, font)
        yield _shown(word.text, word.start, word.along, word.up, to_page, font)


def _shown(text: str, at: Point, along: Point, up: Point, to_page: Affine, font: GlyphlessFont) -> str:
    share = 1 / (_CELL * len(text))
    matrix = _matrix((along[0] * share, along[1] * share), up, at, to_page)
    return f"{matrix} Tm <{font.codes(text)}> Tj"


def _turned(words: Sequence[_Run], to_page: Affine, font: GlyphlessFont, backwards: bool) -> list[str]:
    """The row as one string with gaps: readers take strings that lie below one another for lines. Of a row
    that runs up or down the space at its end is a string of its own: pdfium sorts strings one after another
    that begin at one height by where they stand from left to right.

    ``words`` from where the row begins on the page.
    """
    first = words[0]
    unit = (first.along[0] / first.width, first.along[1] / first.width)
    size = max(word.height for word in words)  # of an em
    parts: list[str] = []
    at = 0.0
    for number, word in enumerate(words):
        start = word.place(first.start, unit)
        if number and (words[number - 1] if backwards else word).spaced:
            gap = max(start - at, NARROWEST)
            parts.append(f"<{font.codes(' ', UNITS * gap / size)}>")
            at += _advance(gap, size)
        if abs(start - at) > NARROWEST:
            parts.append(_number(-UNITS * (start - at) / size))
        parts.append(f"<{font.codes(word.text, UNITS * word.pitch / size)}>")
        at = start + len(word.text) * _advance(word.pitch, size)
    steep = abs(unit[1]) > STEEP
    if not steep and any(word.spaced for word in words[1:]):
        parts.append(f"<{font.codes(' ')}>")  # else the next row's first word is joined to this one's last
    matrix = _matrix((unit[0] * size, unit[1] * size), first.up, first.start, to_page)
    row = f"{matrix} Tm [{' '.join(parts)}] TJ"
    if not steep:
        return [row]
    end = first.start[0] + unit[0] * at, first.start[1] + unit[1] * at
    space = unit[0] * SPACE * size, unit[1] * SPACE * size
    return [row, _shown(" ", end, space, first.up, to_page, font)]


def _advance(width: float, size: float) -> float:
    """A letter's advance, where ``width`` is wanted."""
    return step_of(UNITS * width / size) * size / UNITS


def _moved(point: Point, to_page: Affine) -> Point:
    a, b, c, d, e, f = to_page
    return a * point[0] + c * point[1] + e, b * point[0] + d * point[1] + f


def _matrix(along: Point, up: Point, at: Point, to_page: Affine) -> str:
    """A text matrix: an em along the text, an em upwards, and where it begins."""
    a, b, c, d, _, _ = to_page
    turned = [value for x, y in (along, up) for value in (a * x + c * y, b * x + d * y)]
    return " ".join(map(_number, (*turned, *_moved(at, to_page))))


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) >= 5e-5 else "0"


def _as_seen(text: str) -> str:
    """A word's letters from left to right, as a PDF has them; only numbers keep their order within a word
    that runs from right to left. Readers turn it back.
    """
    if not any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text):
        return text
    out: list[str] = []
    number: list[str] = []
    for letter in reversed(text):
        if unicodedata.bidirectional(letter) in ("L", "EN", "AN"):
            number.insert(0, letter)
            continue
        out += number
        number = []
        out.append(letter)
    return "".join(out + number)
