"""Lines that a detector drew through a gutter or through a rule of a table, parted there."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, median

from ...cancel import watched
from .columns import blocks
from .line import Line
from .line_boxes import Box, level_boxes, visual_rows
from .result import Point, Word
from .rules import Rule, Ruling, turned
from .tables.grid import Grid, find_grids, is_number
from .text_angle import runs_across, text_angle

OPEN = 0.2  # line heights: a narrower space between two words is one (recognisers' spans mostly touch)
WIDER, WIDER_THAN_USUAL = 0.4, 1.4  # what may part the headings of two columns; times the page's usual space
TELLING = 5  # spaces at least tell the usual one
LEAST_NUMBERS = 2  # of a column, one a row
OWN = 0.5  # of what stands in such a column are lines of their own
CELLS = 1.2  # a wider one is no space between words: Tesseract reads the cells of a row as one line
MANY = 0.3  # of a page's lines have some where they part cells
AROUND = 12.0  # line heights above and below in which the gutter must go on
NEEDED = 3  # boxes on each side of it there
BAR = 0.5  # line heights from a line's end to a rule that was read as a bar
REACH = 0.1  # of its height a line may stand out over the end of a rule that parts it

_Column = tuple[int, int, int]  # its block, the table in it, the column of that


def parted(lines: Sequence[Line], rules: Sequence[Rule] = ()) -> list[Line]:
    """``lines``, and instead of one whose words stand on both sides of a strip that the lines around it leave
    open, or of one of the ``rules``, its pieces. Lines without words stay as they are.
    """
    if not any(len(line.words) > 1 for line in lines):
        return list(lines)
    angle = text_angle(lines)
    ruling = turned(rules, angle)
    boxes = sorted(level_boxes(lines, angle), key=lambda b: b.middle)
    words = {}
    for box in boxes:
        line = lines[box.index]
        if len(line.words) > 1 and not runs_across(line, angle):
            words[box.index] = level_boxes([Line(w.text, w.polygon) for w in line.words], angle)
    gaps = {index: _wide_gaps(some, _height(some)) for index, some in words.items()}
    cells = {index: found for index, some in words.items() if (found := _between_cells(some))}
    if len(cells) < max(NEEDED, MANY * len(words)):
        cells = {}
    out: list[Line] = []
    for place, box in watched(enumerate(boxes)):
        cuts = [after for after, x0, x1 in gaps.get(box.index, []) if _goes_on(boxes, place, gaps, x0, x1)]
        cuts += _at_rules(words.get(box.index, ()), box, ruling) + cells.get(box.index, [])
        out += _pieces(lines[box.index], sorted(set(cuts)))
    if ruling.upright:
        out = _without_bars(out, angle, ruling)
    return _parted_at_columns(out, angle, ruling)


@dataclass(frozen=True)
class _Piece:
    """Words of a line between two wider spaces. ``before``: how many of the line's words stand before it."""

    box: Box  # its index is the piece's own number
    line: int
    before: int


@dataclass(frozen=True)
class _Columns:
    """The columns in which pieces stand, each as (block, table, column of it). ``of``: by a piece's number;
    ``numbers``: those with numbers under the heading; ``own``: those of which most is lines of their own.
    """

    of: Mapping[int, _Column]
    headings: frozenset[int]  # the pieces in first rows
    numbers: frozenset[_Column]
    own: frozenset[_Column]

    def part(self, a: _Piece, b: _Piece) -> bool:
        """Whether two neighbours of one line are cells of two columns."""
        one, other = self.of.get(a.box.index), self.of.get(b.box.index)
        if one is None or other is None or one == other:
            return False
        return (
            {a.box.index, b.box.index} <= self.headings
            or {one, other} <= self.own
            or (bool({one, other} & self.numbers) and _has_text(a) and _has_text(b))
            or b.box.x0 - a.box.x1 > CELLS * a.box.height
        )


def _parted_at_columns(lines: Sequence[Line], angle: float, ruling: Ruling) -> list[Line]:
    """Headings of two columns that were read as one line: where the words of lines are cells of a table once
    the wider spaces between them part them, and stand in different columns of it.
    """
    pieces = _between_wider_spaces(lines, angle)
    if len(pieces) == len(lines):
        return list(lines)
    columns = _columns(pieces, ruling)
    cuts: dict[int, list[int]] = {}
    for a, b in itertools.pairwise(pieces):
        if a.line == b.line and columns.part(a, b):
            cuts.setdefault(b.line, []).append(b.before)
    return [piece for n, line in enumerate(lines) for piece in _pieces(line, cuts.get(n, []))]


def _between_wider_spaces(lines: Sequence[Line], angle: float) -> list[_Piece]:
    """The lines in pieces, line by line; most are one."""
    boxes = level_boxes(lines, angle)
    words = {
        box.index: level_boxes([Line(w.text, w.polygon) for w in lines[box.index].words], angle)
        for box in boxes
        if len(lines[box.index].words) > 1
        and len(lines[box.index].polygon) == 4
        and not runs_across(lines[box.index], angle)
    }
    spaces = [(b.x0 - a.x1) / _height(some) for some in words.values() for a, b in itertools.pairwise(some)]
    usual = median(spaces) if len(spaces) >= TELLING else WIDER
    wide = max(WIDER, WIDER_THAN_USUAL * usual)
    pieces: list[_Piece] = []
    for box in boxes:
        line, some = lines[box.index], words.get(box.index, [])
        cuts = [n for n, (a, b) in enumerate(itertools.pairwise(some), 1) if b.x0 - a.x1 > wide * box.height]
        for start, end in zip((0, *cuts), (*cuts, len(some)), strict=True):
            x0 = some[start].x0 if start else box.x0
            x1 = some[end - 1].x1 if end < len(some) else box.x1
            text = _text_of(line, line.words[start:end], start) if cuts else box.text
            pieces.append(_Piece(Box(len(pieces), x0, box.y0, x1, box.y1, text), box.index, start))
    return pieces


def _columns(pieces: Sequence[_Piece], ruling: Ruling) -> _Columns:
    boxes = [piece.box for piece in pieces]
    column: dict[int, _Column] = {}
    headings: set[int] = set()
    numbers: set[_Column] = set()
    for block in blocks(boxes, ruling):
        for number, grid in enumerate(find_grids(visual_rows(block), ruling)):
            table = block[0].index, number
            named = grid.rows[: max(1, grid.header_rows)]
            headings.update(index for row in named for cell in row for index in cell.lines)
            numbers.update((*table, at) for at in _number_columns(grid, boxes))
            for row in grid.rows:
                for at, cell in enumerate(row):
                    column.update({index: (*table, at) for index in cell.lines})
    count = Counter(piece.line for piece in pieces)
    whole = Counter(at for index, at in column.items() if count[pieces[index].line] == 1)
    own = {at for at, standing in Counter(column.values()).items() if whole[at] > OWN * standing}
    return _Columns(column, frozenset(headings), frozenset(numbers), frozenset(own))


def _has_text(piece: _Piece) -> bool:
    return any(map(str.isalnum, piece.box.text))


def _number_columns(grid: Grid, pieces: Sequence[Box]) -> Iterator[int]:
    """The columns of a table in which each cell under the heading is one number, and there are some."""
    for at, column in enumerate(zip(*grid.rows[max(1, grid.header_rows) :], strict=True)):
        texts = [[pieces[index].text.strip() for index in cell.lines] for cell in column if cell.lines]
        if len(texts) >= LEAST_NUMBERS and all(len(some) == 1 and is_number(some[0]) for some in texts):
            yield at


def _height(words: Sequence[Box]) -> float:
    return median(word.height for word in words)


def _wide_gaps(words: Sequence[Box], unit: float) -> list[tuple[int, float, float]]:
    """The spaces that are wide and wider than the line's usual: (words before it, its left and right)."""
    spaces = [b.x0 - a.x1 for a, b in itertools.pairwise(words)]
    usual = max(0.0, median(spaces))
    return [
        (number, words[number - 1].x1, words[number].x0)
        for number, space in enumerate(spaces, 1)
        if space > OPEN * unit and (space > 1.6 * usual or len(spaces) == 1)
    ]


def _goes_on(
    boxes: Sequence[Box], place: int, gaps: dict[int, list[tuple[int, float, float]]], x0: float, x1: float
) -> bool:
    """Whether the lines around leave a strip within ``x0`` to ``x1`` open, with text on both its sides."""
    here = boxes[place]
    unit = here.height
    left: list[Box] = []
    right: list[Box] = []
    low, high = x0 - 0.4 * unit, x1 + 0.4 * unit
    for step in (-1, 1):
        at = place + step
        while 0 <= at < len(boxes) and abs(boxes[at].middle - here.middle) < AROUND * unit:
            other = boxes[at]
            at += step
            if abs(other.middle - here.middle) < 0.4 * unit:
                continue
            if other.x1 < high and other.x0 < low:
                left, low = [*left, other], max(low, other.x1)
            elif other.x0 > low and other.x1 > high:
                right, high = [*right, other], min(high, other.x0)
            elif not any(a < high and b > low for _, a, b in gaps.get(other.index, [])):
                break  # crosses: the gutter ends here
    return (
        high - low > OPEN * unit
        and min(len(left), len(right)) >= NEEDED
        and abs(median(b.height for b in (*left, *right)) - unit) < 0.3 * unit
        # a headline across both columns begins elsewhere
        and max(_near(here.x0, [b.x0 for b in left], unit), _near(x0, [b.x1 for b in left], 0.3 * unit))
        >= NEEDED
        and max(_near(x1, [b.x0 for b in right], 0.5 * unit), _near(here.x1, [b.x1 for b in right], unit))
        >= NEEDED
    )


def _between_cells(words: Sequence[Box]) -> list[int]:
    """The numbers of words before each space that is wide for a space between words."""
    wide = CELLS * _height(words)
    return [number for number, (a, b) in enumerate(itertools.pairwise(words), 1) if b.x0 - a.x1 > wide]


def _at_rules(words: Sequence[Box], line: Box, ruling: Ruling) -> list[int]:
    """The numbers of words before each upright rule that runs through a line between two words."""
    spare, bar = REACH * line.height, BAR * line.height
    return [
        number
        for number, (a, b) in enumerate(itertools.pairwise(words), 1)
        if ruling.between(
            min(a.x1, b.x0) - spare - bar * a.text.endswith("|"),
            max(a.x1, b.x0) + spare + bar * b.text.startswith("|"),
            line.y0 + spare,
            line.y1 - spare,
        )
    ]


def _without_bars(lines: Sequence[Line], angle: float, ruling: Ruling) -> list[Line]:
    """``lines`` without the bars at their ends that are upright rules; without such as are nothing else."""
    out = []
    for line, box in zip(lines, level_boxes(lines, angle), strict=True):
        text, spare = line.text.strip(), REACH * box.height
        bars = [text.startswith("|"), text.endswith("|")]
        for side, x in enumerate((box.x0, box.x1)):
            near = x - BAR * box.height, x + BAR * box.height
            bars[side] &= ruling.between(*near, box.y0 + spare, box.y1 - spare)
        out += _stripped(line, *bars) if any(bars) else [line]
    return out


def _stripped(line: Line, before: bool, behind: bool) -> list[Line]:
    def bare(text: str) -> str:
        text = text.strip().lstrip("| ") if before else text.strip()
        return text.rstrip("| ") if behind else text

    if not bare(line.text):
        return []
    words = list(line.words)
    for at, is_there in ((0, before), (-1, behind)):
        if words and is_there:
            words[at] = replace(words[at], text=words[at].text.strip("|"))
            words = [word for word in words if word.text]
    return [replace(line, text=bare(line.text), words=tuple(words))]


def _near(x: float, others: Sequence[float], slack: float) -> int:
    return sum(abs(x - other) < slack for other in others)


def _pieces(line: Line, cuts: Sequence[int]) -> list[Line]:
    """``line`` in two or more, each with its own words; ``cuts`` are the numbers of words before each cut."""
    if not cuts or len(line.polygon) != 4:
        return [line]
    pieces = []
    for start, end in zip((0, *cuts), (*cuts, len(line.words)), strict=True):
        words = line.words[start:end]
        a, b, c, d = line.polygon
        if start:
            a, d = _on(line, words[0].polygon[0]), _on(line, words[0].polygon[3], foot=True)
        if end < len(line.words):
            b, c = _on(line, words[-1].polygon[1]), _on(line, words[-1].polygon[2], foot=True)
        known = [word.confidence for word in words if word.confidence is not None]
        text = _text_of(line, words, start)
        sure = mean(known) if known else line.confidence
        piece = replace(line, text=text, polygon=(a, b, c, d), words=words, confidence=sure, crown=None)
        pieces.append(piece)
    return pieces


def _on(line: Line, point: Point, foot: bool = False) -> Point:
    """The point of a line's upper or lower edge next to ``point``: all pieces are as high as the line,
    whatever letters they have.
    """
    (x0, y0), (x1, y1) = (line.polygon[3], line.polygon[2]) if foot else line.polygon[:2]
    along, down = x1 - x0, y1 - y0
    share = ((point[0] - x0) * along + (point[1] - y0) * down) / ((along**2 + down**2) or 1.0)
    return x0 + share * along, y0 + share * down


def _text_of(line: Line, words: Sequence[Word], before: int) -> str:
    """The part of the line's text that ``words`` are, with its spaces."""
    start = sum(len(word.text) for word in line.words[:before])
    count = sum(len(word.text) for word in words)
    out: list[str] = []
    seen = 0
    for character in line.text:
        if start <= seen < start + count:
            out.append(character)
        seen += not character.isspace()
    return "".join(out).strip()
