"""Pages laid out at random, with the order in which a person reads their lines: magazines, papers and
newspapers of two to four columns, and what only looks like columns (receipts, price lists, forms, contents).

``columns_page(seed)`` and ``rows_page(seed)`` give lines with their places and no picture; ``drawn`` draws
one with a font. Sizes are in pixels.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vramwise.ocr.results.line import Line

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Width = Callable[[str, float], float]  # of a text at a font size
WORDS = """
the of and to in a is that it was for on are as with his they at be this from have or by one had not but
what all were when we there can an your which their said if do will each about how up out them then she
many some so these would other into has more her two like him see time could no make than first been its
who now people my made over did down only way find use may water long little very after words called just
where most know measurement government international competitive commission
""".split()  # noqa: SIM905


@dataclass(frozen=True)
class Placed:
    """A line: its left end and the top of its letters, and how large they are."""

    text: str
    x: float
    y: float
    size: float
    width: float


@dataclass(frozen=True)
class Laid:
    """``lines`` in reading order."""

    lines: tuple[Placed, ...]
    width: float
    height: float


def average_width(factor: float) -> Width:
    """Widths of a font whose letters are ``factor`` times as wide as those of a usual serif."""

    def width(text: str, size: float) -> float:
        return (
            sum(0.28 if c in " ijlt.,;:'|I1" else 0.78 if c in "mwMW" else 0.48 for c in text) * size * factor
        )

    return width


class _Setter:
    """Sets lines one below the other; every page has one."""

    def __init__(self, rng: random.Random, width: Width) -> None:
        self.rng, self.measure = rng, width
        self.lines: list[Placed] = []
        self.size = rng.uniform(12, 34)
        self.leading = rng.uniform(1.15, 1.45)

    def put(self, text: str, x: float, y: float, size: float) -> float:
        """Where the next line goes."""
        self.lines.append(Placed(text, x, y, size, self.measure(text, size)))
        return y + size * self.leading

    def words(self, count: int) -> list[str]:
        return [self.rng.choice(WORDS) for _ in range(count)]

    def filled(self, words: list[str], width: float, size: float, first: float = 0.0) -> list[str]:
        """Lines no longer than ``width``; the first is ``first`` shorter."""
        lines, line = [], ""
        for word in words:
            longer = f"{line} {word}".strip()
            if line and self.measure(longer, size) > width - (0 if lines else first):
                lines.append(line)
                longer = word
            line = longer
        return [*lines, line]

    def paragraph(self, x: float, y: float, width: float, count: int, style: dict[str, float]) -> float:
        size = style["size"]
        words = self.words(count)
        words[0], words[-1] = words[0].capitalize(), words[-1] + "."
        indent = style["indent"] * size
        lines = self.filled(words, width, size, indent)
        for number, text in enumerate(lines):
            at = x if number else x + indent
            self.lines.append(Placed(text, at, y, size, self.measure(text, size)))
            if style["justified"] and number + 1 < len(lines):
                self.lines[-1] = replace(self.lines[-1], width=x + width - at)
            y += size * self.leading
        return y

    def centred(self, x: float, y: float, width: float, count: int, size: float) -> float:
        for text in self.filled([w.capitalize() for w in self.words(count)], width, size):
            y = self.put(text, x + (width - self.measure(text, size)) / 2, y, size)
        return y

    def column(self, x: float, y: float, bottom: float, width: float, style: dict[str, float]) -> float:
        """A column of paragraphs, headings, pictures with captions and lists, down to ``bottom``."""
        rng, size = self.rng, style["size"]
        first = True
        while y + 2 * size * self.leading < bottom:
            kind = rng.random()
            room = int((bottom - y) / (size * self.leading))
            per_line = max(2, int(width / (2.6 * size)))
            if first and style["drop_cap"] and room > 6:
                y = self._drop_cap(x, y, width, style)
            elif kind < 0.12 and room > 5:
                y = self.put(" ".join(self.words(2)).title(), x, y + 0.5 * size, size * rng.uniform(1.0, 1.3))
                y += 0.3 * size
            elif kind < 0.2 and room > 14:
                y += rng.uniform(4, 9) * size
                y = self.centred(x, y, width, min(2 * per_line, 12), 0.85 * size) + 0.8 * size
            elif kind < 0.28 and room > 6:
                y = self._list(x, y, width, style)
            else:
                count = rng.randint(3, max(3, min(9, room - 1))) * per_line
                y = self.paragraph(x, y, width, count, style) + style["between"] * size
            first = False
        return y

    def _drop_cap(self, x: float, y: float, width: float, style: dict[str, float]) -> float:
        size = style["size"]
        large = 2.6 * size
        self.lines.append(Placed("S", x, y, large, self.measure("S", large)))
        beside = self.measure("S", large) + 0.2 * size
        lines = self.filled(self.words(90), width - beside, size)[:3]
        for text in lines:
            y = self.put(text, x + beside, y, size)
        return self.paragraph(x, y, width, 20, {**style, "indent": 0})

    def _list(self, x: float, y: float, width: float, style: dict[str, float]) -> float:
        size = style["size"]
        for number in range(self.rng.randint(2, 4)):
            hang = self.measure("[10] ", size)
            for at, text in enumerate(self.filled(self.words(self.rng.randint(3, 14)), width - hang, size)):
                y = self.put(text if at else f"[{number + 1}] {text}", x + (hang if at else 0), y, size)
        return y + 0.4 * size


def columns_page(seed: int, width: Width | None = None, gutter: float | None = None) -> Laid:
    """A page of columns. ``gutter``: line heights between the boxes of two columns, else 0.6 to 2."""
    rng = random.Random(seed)
    page = _Setter(rng, width or average_width(rng.choice((0.85, 1.0, 1.1, 1.25))))
    size, count = page.size, rng.choice((2, 2, 2, 3, 3, 4))
    column = rng.uniform(13, 22) * size
    gap = (gutter or rng.uniform(0.6, 2.0)) * 1.2 * size + 0.3 * size  # boxes stand over by 0.15
    left, y = rng.uniform(2, 6) * size, rng.uniform(2, 5) * size
    across = count * column + (count - 1) * gap
    if rng.random() < 0.3:  # a running head
        page.put("12", left, y, 0.8 * size)
        page.put("A Running Head", left + across - page.measure("A Running Head", 0.8 * size), y, 0.8 * size)
        y += 4 * size
    if rng.random() < 0.7:
        y = page.centred(left, y, across, rng.randint(3, 9), rng.uniform(1.5, 3) * size)
        y = page.centred(left, y + 0.5 * size, across, 5, size) + rng.uniform(0.8, 3) * size
    if rng.random() < 0.3:
        style = {"size": size, "indent": 0, "justified": True, "between": 0.0}
        y = page.paragraph(left, y, across, 70, style) + rng.uniform(0.8, 2) * size
    bands = rng.choice((1, 1, 1, 2))
    for band in range(bands):
        depth = rng.uniform(18, 45 if bands == 1 else 26) * size
        y = _band(page, left, y, column, gap, count, depth)
        if band + 1 < bands:  # something across all columns: a heading, or a picture with its caption
            if rng.random() < 0.5:
                y = page.centred(left, y + 1.2 * size, across, 8, 1.6 * size) + size
            else:
                y = page.put(_across(page, across), left, y + rng.uniform(6, 12) * size, 0.9 * size) + size
    if rng.random() < 0.6:  # a page number in the middle, on the left or on the right
        at = rng.choice((left + across / 2, left, left + across - size))
        page.put("127", at, y + rng.uniform(2.4, 4) * size, size)
    return Laid(tuple(page.lines), left + across + 3 * size, y + 9 * size)


def _across(page: _Setter, width: float) -> str:
    return "Figure 3. " + page.filled(page.words(200), width - 6 * page.size, page.size)[0]


def _band(page: _Setter, left: float, y: float, column: float, gap: float, count: int, depth: float) -> float:
    rng, size = page.rng, page.size
    style = {
        "size": size,
        "indent": rng.choice((0.0, 0.0, 1.0, 1.5)),
        "justified": rng.random() < 0.6,
        "between": rng.choice((0.0, 0.0, 0.5, 1.0)),
        "drop_cap": 0.0,
    }
    same_grid = rng.random() < 0.5
    lowest = y
    for number in range(count):
        style["drop_cap"] = float(number == 0 and rng.random() < 0.2)
        style["size"] = size if same_grid else size * rng.uniform(0.88, 1.08)
        start = y if same_grid else y + rng.uniform(0, 1.2) * size
        end = y + depth * (rng.uniform(0.5, 1.0) if number + 1 == count else rng.uniform(0.93, 1.0))
        lowest = max(lowest, page.column(left + number * (column + gap), start, end, column, style))
    return lowest


PRICES = ("3.49", "12.00", "0.99", "129.90", "7.25", "1,204.00", "18.50")


def rows_page(seed: int, width: Width | None = None) -> Laid:
    """A page whose rows are read across: a receipt, a price list, a form, contents, a table of words."""
    rng = random.Random(seed)
    page = _Setter(rng, width or average_width(rng.choice((0.85, 1.0, 1.1, 1.25))))
    size = page.size
    page.leading = rng.uniform(1.15, 2.2)
    left, y = rng.uniform(1, 5) * size, rng.uniform(1, 4) * size
    y = page.put(" ".join(page.words(3)).title(), left, y, 1.3 * size) + 0.8 * size
    kind = rng.choice(("receipt", "receipt", "form", "contents", "words"))
    across = rng.uniform(16, 40) * size
    for number in range(rng.randint(3, 16)):
        if kind == "form":
            cells = [
                (page.words(1)[0].title() + ":", 0.0),
                (" ".join(page.words(rng.randint(1, 3))), 8 * size),
            ]
        elif kind == "words":
            cells = [(" ".join(page.words(rng.randint(1, 2))).title(), k * across / 3) for k in range(3)]
        else:
            count = rng.randint(1, 2 if kind == "receipt" else 4)
            price = rng.choice(PRICES) if kind == "receipt" else str(3 + 4 * number)
            name = " ".join(page.words(count)).title()
            cells = [(name, 0.0), (price, across - page.measure(price, size))]
        for text, x in cells:
            page.put(text, left + x, y, size)
        y += size * page.leading
    return Laid(tuple(page.lines), left + across + 10 * size, y + 3 * size)


def boxes(laid: Laid, seed: int, texts: bool = True, degrees: float | None = None) -> list[Line]:
    """The lines as a detector gives them, in the order of ``laid``: boxes that stand over the letters and
    are not exact, on a page that leans a little. Without ``texts`` each says only "x".
    """
    rng = random.Random(seed)
    lean = math.radians(rng.choice((0.0, 0.0, rng.uniform(-2, 2))) if degrees is None else degrees)
    cos, sin = math.cos(lean), math.sin(lean)
    found = []
    for line in laid.lines:
        over, shake = 0.15 * line.size, 0.05 * line.size
        x0, x1 = line.x - over + rng.uniform(-shake, shake), line.x + line.width + over
        y0, y1 = line.y - 0.1 * line.size, line.y + 1.1 * line.size + rng.uniform(-shake, shake)
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        turned = tuple((x * cos - y * sin, x * sin + y * cos) for x, y in corners)
        found.append(Line(line.text if texts else "x", turned, 0.99))
    return found


def drawn(laid: Laid, font_file: str) -> Image:
    """A picture of ``laid``, whose lines were measured with the same font."""
    from PIL import Image as pictures
    from PIL import ImageDraw

    picture = pictures.new("RGB", (round(laid.width), round(laid.height)), "white")
    pen = ImageDraw.Draw(picture)
    for line in laid.lines:
        pen.text(
            (line.x, line.y), line.text, (25, 25, 25), font=_font(font_file, round(line.size)), anchor="la"
        )
    return picture


@functools.cache
def _font(font_file: str, pixels: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(font_file, pixels)


def font_width(font_file: str) -> Width:
    """Widths as a font file has them."""

    def width(text: str, size: float) -> float:
        return float(_font(font_file, round(size)).getlength(text))

    return width


@dataclass(frozen=True)
class LaidTable:
    """A page with a table: ``cells`` are (row, column, across, text), ``rules`` lines (x0, y0, x1, y1)."""

    page: Laid
    cells: tuple[tuple[int, int, int, str], ...]
    rules: tuple[tuple[float, float, float, float], ...]


def _cell(page: _Setter, kind: str, width: float, empty: float) -> list[str]:
    """The lines of a cell; ``empty`` is the share of numbers that are missing."""
    if kind == "number":
        return [page.rng.choice(PRICES) if page.rng.random() >= empty else ""]
    count = page.rng.randint(3, 7) if kind == "wrapped" else 1
    return page.filled([word.title() for word in page.words(count)], width, page.size)[:3]


def table_page(seed: int, width: Width | None = None) -> LaidTable:
    """A table between two paragraphs: names and numbers, empty cells, cells of several lines, a merged
    heading, with rules or without.
    """
    rng = random.Random(seed)
    page = _Setter(rng, width or average_width(rng.choice((0.85, 1.0, 1.1))))
    size = page.size
    columns, rows = rng.randint(2, 6), rng.randint(3, 12)
    kinds = ["words", *(rng.choice(("number", "number", "words", "wrapped")) for _ in range(columns - 1))]
    if "number" not in kinds:
        kinds[-1] = "number"
    widths = [{"words": 8, "number": 6, "wrapped": 10}[kind] * size for kind in kinds]
    gap, ruled = rng.uniform(1.0, 2.5) * size, rng.random() < 0.5
    loose = rng.uniform(1.7, 2.4) if ruled or "wrapped" in kinds else rng.uniform(1.2, 2.0)
    middle, empty = rng.random() < 0.5, rng.choice((0.0, 0.1, 0.25))
    left = rng.uniform(2, 5) * size
    *starts, across = itertools.accumulate((one + gap for one in widths), initial=0.0)
    lefts = [left + start for start in starts]
    style = {"size": size, "indent": 0.0, "justified": False, "between": 0.0}
    page.leading = 1.3
    y = page.paragraph(left, 2 * size, max(across, 24 * size), 30, style) + 1.5 * size
    cells: list[tuple[int, int, int, str]] = []
    edges = [y - 0.3 * size]
    number, merged = 0, False
    if columns > 3 and rng.random() < 0.3:
        text = " ".join(page.words(2)).title()
        span = (lefts[1], lefts[columns - 1] + widths[-1])
        page.put(text, sum(span) / 2 - page.measure(text, size) / 2, y, size)
        cells.append((0, 1, columns - 1, text))
        number, y, merged = 1, y + loose * size, True
        edges.append(y - 0.3 * size)
    for row in range(rows):
        texts = [
            [page.words(1)[0].title()] if row == 0 else _cell(page, kind, one, empty)
            for kind, one in zip(kinds, widths, strict=True)
        ]
        most = max(map(len, texts))
        for column, (lines, kind) in enumerate(zip(texts, kinds, strict=True)):
            top = y + (most - len(lines)) / 2 * 1.25 * size * middle
            for text in filter(None, lines):
                w = page.measure(text, size)
                x = lefts[column] + (widths[column] - w) * (kind == "number")
                page.lines.append(Placed(text, x, top, size, w))
                top += 1.25 * size
            if lines != [""]:
                cells.append((number, column, 1, " ".join(lines)))
        number, y = number + 1, y + ((most - 1) * 1.25 + loose) * size
        edges.append(y - (loose - 1) / 2 * size - 0.1 * size)
    page.paragraph(left, y + 1.2 * size, max(across, 24 * size), 30, style)
    side = 0.5 * gap
    rules = [(left - side, at, left + across - side, at) for at in edges] if ruled else []
    for column, x in enumerate((*lefts, left + across) if ruled else ()):  # none through a merged heading
        rules.append((x - side, edges[merged and 1 < column < columns], x - side, edges[-1]))
    return LaidTable(
        Laid(tuple(page.lines), left + max(across, 26 * size) + 3 * size, y + 8 * size),
        tuple(cells),
        tuple(rules),
    )


def cards_page(seed: int, width: Width | None = None) -> Laid:
    """Two or three labels, signs or panels side by side, each with lines of its own sizes: read one by one.
    Often all are of one layout, a little higher or lower.
    """
    rng = random.Random(seed)
    page = _Setter(rng, width or average_width(rng.choice((0.85, 1.0, 1.1, 1.25))))
    size, count = page.size, rng.choice((2, 2, 3))
    layout = [rng.choice((0.7, 0.8, 1.0, 1.0, 1.6, 2.4, 3.0)) for _ in range(rng.randint(5, 9))]
    same, centred = rng.random() < 0.6, rng.random() < 0.5
    left, lowest = rng.uniform(1, 4) * size, 0.0
    for _ in range(count):
        sizes = layout if same else [rng.choice((0.7, 1.0, 1.6, 2.4)) for _ in range(rng.randint(5, 9))]
        scale = rng.uniform(0.92, 1.08)
        texts = [" ".join(page.words(rng.randint(1, 3))).title() for _ in sizes]
        across = max(page.measure(t, s * size * scale) for t, s in zip(texts, sizes, strict=True))
        y = rng.uniform(1, 2.5) * size
        for text, share in zip(texts, sizes, strict=True):
            high = share * size * scale
            x = left + (across - page.measure(text, high)) / 2 if centred else left
            y = page.put(text, x, y, high) + rng.uniform(0, 0.4) * size
        left, lowest = left + across + rng.uniform(4, 9) * size, max(lowest, y)
    return Laid(tuple(page.lines), left, lowest + 2 * size)


def captions_page(seed: int, width: Width | None = None) -> Laid:
    """Two or three captions of a comic or meme side by side, each of two to four centred lines in capitals of
    a size of its own, a little higher or lower than the other: read one by one.
    """
    rng = random.Random(seed)
    page = _Setter(rng, width or average_width(rng.choice((0.9, 1.0, 1.1))))
    left, lowest = rng.uniform(1, 4) * page.size, 0.0
    for _ in range(rng.choice((2, 2, 3))):
        size = page.size * rng.uniform(0.8, 1.5)
        texts = [" ".join(page.words(rng.randint(1, 3))).upper() for _ in range(rng.randint(2, 4))]
        across = max(page.measure(text, size) for text in texts)
        y = rng.uniform(2, 4.5) * page.size
        for text in texts:
            y = page.put(text, left + (across - page.measure(text, size)) / 2, y, size)
        left, lowest = left + across + rng.uniform(2.5, 6) * size, max(lowest, y)
    return Laid(tuple(page.lines), left, lowest + 2 * page.size)
