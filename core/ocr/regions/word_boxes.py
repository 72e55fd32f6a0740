"""Where the characters of a region stand on the page: from the engine's words, else by how wide letters are,
and, where the picture is at hand, by the gaps in its ink.
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...cancel import watched
from ..results.result import Point, Region, hull

if TYPE_CHECKING:
    from numpy import bool_, uint8
    from numpy.typing import NDArray

Polygon = tuple[Point, ...]
Span = tuple[int, int]

# Hundredths of the letter size, of Helvetica and its metric twins (measured on Liberation Sans).
_WIDTHS = {
    19: "'",
    22: "ijl",
    26: "|",
    28: " !,./:;I[\\]ft",
    33: "()-`r{}",
    35: '"',
    39: "*",
    47: "^",
    50: "Jcksvxyz",
    56: "#$0123456789?L_abdeghnopqu",
    58: "+<=>~",
    61: "FTZ",
    67: "&ABEKPSVXY",
    72: "CDHNRUw",
    78: "GOQ",
    83: "Mm",
    89: "%",
    94: "W",
    102: "@",
}
_ADVANCE = {letter: width / 100 for width, letters in _WIDTHS.items() for letter in letters}
USUAL = 0.58  # of other letters
LINE_HEIGHT = 1.25  # of a line in a block, in letter sizes
COLUMN = 0.6  # width over height under which one unspaced run of characters is set vertically
SLACK = 0.12  # paper kept beside a word, in line heights, where there is as much
REACH = 1.2  # how far, in line heights, a word may stand from where the engine says
INK = 0.35  # share of the way from paper to full ink that counts as ink
MOST_PAIRS = 1_000_000  # of spaces and gaps that are weighed against each other
MAX_HEIGHT, MAX_LENGTH = 64, 8_192  # pixels of the strip in which gaps are looked for
MOST_MATCHED = 1_000_000  # spaces times gaps of one row that are matched with each other
MOST_FREED = 2_000  # finds of one region whose outline is looked at in the picture, one by one


@dataclass(frozen=True)
class WordBoxes:
    """Where a span of a region's text stands: one four-cornered polygon a line, clockwise from the text's own
    top left. ``estimated``: the engine told no words, so letter widths decided.
    """

    polygons: tuple[Polygon, ...]
    estimated: bool


@dataclass(frozen=True)
class _Cell:
    """A character that is not white space: its index in the text and its extent along the row, 0 to 1."""

    index: int
    start: float
    end: float


@dataclass(frozen=True)
class _Row:
    """One line of a region."""

    polygon: Polygon
    cells: tuple[_Cell, ...]


def place(region: Region, spans: Sequence[Span], picture: NDArray[uint8] | None = None) -> list[WordBoxes]:
    """Where each of ``spans``, (start, end) in ``region.text``, stands, in pixels of the page.

    ``picture``: the page as uint8 RGB (height, width, 3); with it the ends of words are moved to the gaps in
    the ink. A span of nothing but white space has no polygons.
    """
    if not spans:
        return []
    blank = len(region.text) - len(region.text.lstrip()), len(region.text.rstrip())
    if picture is None and all(start <= blank[0] and blank[1] <= end for start, end in spans):
        return [WordBoxes((region.polygon,), False) for _ in spans]
    row = _row_of_words(region)
    rows = [row] if row else _estimated_rows(region)
    if picture is not None:
        rows = [_settled(line, picture, exact=row is not None) for line in watched(rows, 1)]
    indices = [[cell.index for cell in line.cells] for line in rows]
    found = [_parts(rows, indices, span) for span in watched(spans, 256)]
    if picture is not None and len(spans) <= MOST_FREED:
        found = [[_freed(part, picture) for part in parts] for parts in watched(found, 1)]
    return [WordBoxes(tuple(parts), row is None) for parts in found]


def _parts(rows: Sequence[_Row], indices: Sequence[Sequence[int]], span: Span) -> list[Polygon]:
    """``indices``: of the cells of each row; rows and cells stand in the order of the text."""
    parts = []
    for number in range(bisect.bisect_left(indices, span[0], key=lambda of_row: of_row[-1]), len(rows)):
        row, of_row = rows[number], indices[number]
        first, last = bisect.bisect_left(of_row, span[0]), bisect.bisect_left(of_row, span[1]) - 1
        if first > last:
            break
        slack = SLACK / max(_aspect(row.polygon), 1e-6)
        start, end = row.cells[first].start, row.cells[last].end
        before = row.cells[first - 1].end if first else start - 2 * slack
        after = row.cells[last + 1].start if last + 1 < len(row.cells) else end + 2 * slack
        start = (start + before) / 2 if before > start else start - min(slack, (start - before) / 2)
        end = (end + after) / 2 if after < end else end + min(slack, (after - end) / 2)
        parts.append(sliced(row.polygon, start, end))
    return parts


def _row_of_words(region: Region) -> _Row | None:
    """The row that the engine's words describe; None without words, or where they are not the text's."""
    polygon = corners(region.polygon)
    cells: list[_Cell] = []
    at = 0
    for word in watched(region.words):
        while at < len(region.text) and region.text[at].isspace():
            at += 1
        if not word.text or not region.text.startswith(word.text, at):
            return None
        start, end = _along(polygon, word.polygon)
        cells += _spread(word.text, at, start, end)
        at += len(word.text)
    return _Row(polygon, tuple(cells)) if cells and not region.text[at:].strip() else None


def _estimated_rows(region: Region) -> list[_Row]:
    """Rows of equal height, the widest as wide as the region; a single paragraph is wrapped as it must be."""
    polygon = corners(region.polygon)
    lines = [(line.start(), line.group()) for line in re.finditer(r"[^\n]*\S[^\n]*", region.text)]
    if len(lines) == 1 and _aspect(polygon) < COLUMN and " " not in lines[0][1].strip():
        polygon = polygon[1:] + polygon[:1]  # a column of characters, read downwards
    elif len(lines) == 1:
        lines = _wrapped(*lines[0], _aspect(polygon))
    if not lines:
        return []
    widest = max(_width(text.strip()) for _, text in lines) or 1.0  # marks alone have no width
    rows = []
    for number, (at, text) in enumerate(watched(lines)):
        lead = len(text) - len(text.lstrip())
        band = _band(polygon, number / len(lines), (number + 1) / len(lines))
        share = _width(text.strip()) / widest
        rows.append(_Row(band, tuple(_spread(text.strip(), at + lead, 0.0, share))))
    return rows


def _wrapped(at: int, text: str, aspect: float) -> list[tuple[int, str]]:
    """``text`` broken at spaces into as many lines as fill a block ``aspect`` times as wide as high."""
    count = max(1, round(math.sqrt(_width(text) / (LINE_HEIGHT * max(aspect, 0.01)))))
    if count == 1:
        return [(at, text)]
    limit = _width(text) / count * 1.08
    widths = list(itertools.accumulate(map(_advance, watched(text)), initial=0.0))  # of what stands before
    lines: list[Span] = []
    for word in watched(re.finditer(r"\S+", text)):
        if lines and widths[word.end()] - widths[lines[-1][0]] <= limit:
            lines[-1] = (lines[-1][0], word.end())
        else:
            lines.append(word.span())
    return [(at + start, text[start:end]) for start, end in lines]


def _spread(text: str, index: int, start: float, end: float) -> list[_Cell]:
    """The characters of ``text`` laid between two shares of a row, each as wide as its kind of letter."""
    total = _width(text) or 1.0
    edges = [
        start + (end - start) * x / total
        for x in itertools.accumulate(map(_advance, watched(text)), initial=0)
    ]
    return [_Cell(index + n, edges[n], edges[n + 1]) for n, letter in enumerate(text) if not letter.isspace()]


def _width(text: str) -> float:
    return sum(map(_advance, watched(text)))


def _advance(letter: str) -> float:
    """Width in letter sizes."""
    if unicodedata.combining(letter):
        return 0.0
    wide = unicodedata.east_asian_width(letter) in "WF"
    return _ADVANCE.get(letter, 1.0 if wide else USUAL)


# --- ink --------------------------------------------------------------------------------------------------


def _settled(row: _Row, picture: NDArray[uint8], exact: bool) -> _Row:
    """The row with the ends of its words at the gaps in the picture's ink.

    ``exact``: the places are the engine's own; otherwise they are first stretched over the ink that is there.
    """
    if _is_beyond(row.polygon, picture):
        return row
    height = min(MAX_HEIGHT, max(8, round(_length(row.polygon[0], row.polygon[3]))))
    length = min(MAX_LENGTH, max(8, round(height * _aspect(row.polygon))))
    edge = height // 12  # the line above and below may reach in here
    columns = _ink(_strip(picture, row.polygon, length, height))[edge : height - edge].sum(axis=0)
    inked = columns.nonzero()[0]
    if not len(inked) or not row.cells:
        return row
    first, last = int(inked[0]), int(inked[-1]) + 1
    cells = list(row.cells)
    if not exact:
        cells = _mapped(cells, cells[0].start, cells[-1].end, first / length, last / length)
    words = _split(cells)
    gaps = [gap for gap in _blank_runs(columns) if first < gap[0] and gap[1] < last]
    wanted = [(a[-1].end + b[0].start) / 2 * length for a, b in itertools.pairwise(words)]
    if (
        len(wanted) * len(gaps) > MOST_PAIRS
    ):  # more words than a row has room for; weighing them takes minutes
        return replace(row, cells=tuple(cells))
    chosen = _matched(wanted, gaps, height)
    starts, ends = [float(first)], []
    for gap, wanted_at in zip(chosen, wanted, strict=True):
        left, right = gap or _thinnest(columns, wanted_at, height)
        ends.append(float(left))
        starts.append(float(right))
    ends.append(float(last))
    settled: list[_Cell] = []
    for word, start, end in zip(words, starts, ends, strict=True):
        settled += _mapped(word, word[0].start, word[-1].end, start / length, max(start, end) / length)
    return replace(row, cells=tuple(settled))


def _freed(part: Polygon, picture: NDArray[uint8]) -> Polygon:
    """``part`` without what hangs into it from the lines above and below: ink at its very edge with paper
    between it and the text."""
    if _is_beyond(part, picture):
        return part
    height = min(MAX_HEIGHT, max(8, round(_length(part[0], part[3]))))
    length = min(MAX_LENGTH, max(8, round(height * _aspect(part))))
    ink = _ink(_strip(picture, part, length, height))
    inked = [bool(row.any()) for row in ink]
    top, bottom = _hanging(inked), _hanging(inked[::-1])
    return _band(part, top / height, 1 - bottom / height) if top or bottom else part


def _is_beyond(polygon: Polygon, picture: NDArray[uint8]) -> bool:
    """Whether a row is far larger than its page, as no text of it is: somebody's JSON may say so."""
    sides = _length(polygon[0], polygon[1]), _length(polygon[0], polygon[3])
    return max(sides) > float(picture.shape[0] + picture.shape[1])


def _hanging(inked: Sequence[bool]) -> int:
    """How many of the first rows are the neighbour's: those before the first row of paper, if it is near."""
    near = inked[: len(inked) // 4]
    return near.index(False) if near and near[0] and False in near else 0


def _strip(picture: NDArray[uint8], polygon: Polygon, length: int, height: int) -> NDArray[uint8]:
    """The row, upright, as a grey picture (height, length).

    Shares of the row are shares of the strip. In a perspective they are not: where the ends of a box differ
    by a pixel in height, as rounded corners do, it moves the middle of a long line by letters.
    """
    import cv2
    import numpy as np

    a, b, c, d = np.asarray(polygon, np.float32)[:, None, None]
    along = ((np.arange(length, dtype=np.float32) + 0.5) / length)[None, :, None]
    down = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None, None]
    # OpenCV counts from the middle of the first pixel
    at = (a + (b - a) * along) * (1 - down) + (d + (c - d) * along) * down - np.float32(0.5)
    strip = cv2.remap(picture, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    grey: NDArray[uint8] = cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY)
    return grey


def _ink(grey: NDArray[uint8]) -> NDArray[bool_]:
    """Where there is ink; the paper is the usual tone along the upper and lower edge, because fat letters may
    fill more of a row than paper does."""
    import numpy as np

    edge = 1 + grey.shape[0] // 12
    paper = float(np.median(np.concatenate([grey[:edge], grey[-edge:]])))
    low, high = np.percentile(grey, (2, 98))
    full = low if paper - low >= high - paper else high
    if abs(full - paper) < 12:
        return np.zeros(grey.shape, np.bool_)
    inked: NDArray[bool_] = (grey.astype(np.float32) - paper) / (full - paper) > INK
    return inked


def _blank_runs(columns: NDArray[uint8]) -> list[Span]:
    """(start, end) of each run of columns without ink."""
    import numpy as np

    blank = np.concatenate([[False], columns == 0, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(blank))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _matched(wanted: Sequence[float], gaps: Sequence[Span], height: int) -> list[Span | None]:
    """For each space of the text a gap of the ink, in order: wide ones near by are best; None where none is.

    All spaces are decided together, so that one shifted by a letter does not take its neighbour's gap.
    """
    if len(wanted) * len(gaps) > MOST_MATCHED:
        return [None] * len(wanted)
    best: list[list[float]] = [[0.0] * (len(gaps) + 1)]  # [spaces done][gaps seen]
    for wanted_at in wanted:
        line = [best[-1][0] - 0.3]
        for n, gap in enumerate(gaps, 1):
            taken = best[-1][n - 1] + _worth(gap, wanted_at, height)
            line.append(max(line[-1], taken, best[-1][n] - 0.3))
        best.append(line)
    chosen: list[Span | None] = []
    n = len(gaps)
    for space in range(len(wanted), 0, -1):
        while n and best[space][n] == best[space][n - 1]:
            n -= 1
        if n and best[space][n] == best[space - 1][n - 1] + _worth(gaps[n - 1], wanted[space - 1], height):
            chosen.append(gaps[n - 1])
            n -= 1
        else:
            chosen.append(None)
    return chosen[::-1]


def _worth(gap: Span, wanted_at: float, height: int) -> float:
    far = abs((gap[0] + gap[1]) / 2 - wanted_at) / height
    return -9.0 if far > REACH else 3 * min(gap[1] - gap[0], 0.5 * height) / height - far


def _thinnest(columns: NDArray[uint8], wanted_at: float, height: int) -> tuple[float, float]:
    """The column with least ink near ``wanted_at``, for words that touch."""
    reach = max(1, height // 5)
    start = max(0, min(round(wanted_at) - reach, len(columns) - 1))
    near = columns[start : round(wanted_at) + reach + 1]
    at = start + (int(near.argmin()) if len(near) else 0) + 0.5
    return at, at


def _split(cells: Sequence[_Cell]) -> list[list[_Cell]]:
    """The cells of each word; indices jump over white space."""
    words: list[list[_Cell]] = []
    for cell in cells:
        if not words or cell.index > words[-1][-1].index + 1:
            words.append([])
        words[-1].append(cell)
    return words


def _mapped(cells: Sequence[_Cell], a: float, b: float, to_a: float, to_b: float) -> list[_Cell]:
    scale = (to_b - to_a) / (b - a) if b > a else 0.0
    return [
        _Cell(cell.index, to_a + (cell.start - a) * scale, to_a + (cell.end - a) * scale) for cell in cells
    ]


# --- polygons ---------------------------------------------------------------------------------------------


def corners(polygon: Polygon) -> Polygon:
    """Four corners, clockwise from the text's own top left: the polygon's or its upright box's."""
    if len(polygon) == 4:
        return polygon
    left, top, right, bottom = hull(polygon)
    return (left, top), (right, top), (right, bottom), (left, bottom)


def sliced(polygon: Polygon, start: float, end: float) -> Polygon:
    """The part of a row between two shares of its length."""
    a, b, c, d = polygon
    return _between(a, b, start), _between(a, b, end), _between(d, c, end), _between(d, c, start)


def _band(polygon: Polygon, top: float, bottom: float) -> Polygon:
    """The part of a block between two shares of its height."""
    a, b, c, d = polygon
    return _between(a, d, top), _between(b, c, top), _between(b, c, bottom), _between(a, d, bottom)


def _along(polygon: Polygon, part: Polygon) -> tuple[float, float]:
    """The first and last share of the row's length that ``part`` stands at."""
    (x, y), (x1, y1) = polygon[0], polygon[1]
    across, down = x1 - x, y1 - y
    squared = across * across + down * down or 1.0
    shares = [((px - x) * across + (py - y) * down) / squared for px, py in part]
    return min(shares), max(shares)


def _aspect(polygon: Polygon) -> float:
    high = (_length(polygon[0], polygon[3]) + _length(polygon[1], polygon[2])) / 2
    return _length(polygon[0], polygon[1]) / max(high, 1e-6)


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _length(a: Point, b: Point) -> float:
    return math.hypot(a[0] - b[0], a[1] - b[1])
