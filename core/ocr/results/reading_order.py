"""Reading order, paragraphs and markdown from detected lines, for engines that do no page analysis of their
own.

Everything is measured in line heights, after turning the page so that most text runs left to right; nothing
here depends on resolution.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from ...cjk import is_cjk
from .blocks_beside import blocks_beside
from .columns import blocks
from .line import Line
from .line_boxes import INITIAL, Box, around, level_boxes, visual_rows
from .panels import Pictures, balloons, by_panels
from .result import Cell, Region, Table
from .rules import Rule, Ruling, turned
from .tables.grid import Grid, GridCell, find_grids, ruled_grid, tables_beside, without_leaders
from .tables.ruled import Frame, frames
from .text_angle import level_angle, runs_across, text_angle
from .vertical_text import facing_pages, groups, is_vertical, runs_down

PARAGRAPH_GAP = 0.9  # blank space between lines of one paragraph, in line heights, is smaller than this
MOST_INDENT = 3.0  # of the first line of a paragraph, in line heights
MARGINED = 3  # level lines, beside which others are in the margin
HEADING = 1.45  # a heading is this many times as high as the page's usual line
_LIST_ITEM = re.compile("^\\s*[\u2022\u25cf\u25aa\u25a0\u25e6\u25cb]\\s*(?=\\S)")
_MARKDOWN_START = re.compile(r"^(\s*)(#{1,6}\s|>|[-+*]\s|\d+[.)]\s|=+\s*$|-{3,}\s*$)")


@dataclass(frozen=True)
class ReadingOrder:
    """Lines in reading order: ``rows`` are visual rows (line indices left to right), ``breaks`` the rows
    that start a new paragraph, ``heights`` the height of each row in pixels, ``grids`` the tables among
    them."""

    rows: tuple[tuple[int, ...], ...]
    breaks: frozenset[int]
    heights: tuple[float, ...]
    grids: tuple[Grid, ...] = ()


def arrange(
    lines: Sequence[Line],
    direction: str = "auto",
    rules: Sequence[Rule] = (),
    pictures: Pictures | None = None,
) -> ReadingOrder:
    """Find the reading order of ``lines``: columns by their gutters, then rows, then paragraphs and tables.

    ``direction`` "vertical" reads columns from top to bottom and from right to left, as Chinese and Japanese
    may be written, "horizontal" level lines from left to right; "auto" goes by the lines. ``rules``: those of
    tables, ``pictures``: what else is on the page, where somebody looked for them.
    """
    if not lines:
        return ReadingOrder((), frozenset(), ())
    if direction == "vertical" or (direction == "auto" and is_vertical(lines)):
        return _arranged_vertically(lines, pictures)
    angle = level_angle(lines) if direction == "horizontal" else text_angle(lines)
    boxes, ruling = level_boxes(lines, angle), turned(rules, angle)
    upright = {} if direction == "horizontal" else _columns_beside(lines)
    taken = {index for group in upright.values() for column in group for index in column}
    boxes = [box for box in boxes if box.index not in taken]
    for number, group in upright.items():
        inside = [lines[index] for column in group for index in column]
        boxes.append(around(number, level_boxes(inside, angle)))
    margins = [] if direction == "horizontal" else _in_margins(boxes, lines, angle)
    beside = {box.index for box in margins}
    boxes = [box for box in boxes if box.index not in beside]
    found = [
        block
        for part in by_panels(boxes, angle, pictures, ruling)
        for block in (
            _balloons(part.boxes) if part.panel else _blocks(part.boxes, ruling, len(upright), pictures)
        )
    ]
    return _row_by_row(found, margins, upright, ruling, lines)


def _row_by_row(
    found: Sequence[tuple[list[Box], Frame | None]],
    margins: Sequence[Box],
    upright: dict[int, list[list[int]]],
    ruling: Ruling,
    lines: Sequence[Line],
) -> ReadingOrder:
    """The blocks ``found`` one below the other, each with its paragraphs and tables, and ``margins`` last."""
    rows: list[tuple[int, ...]] = []
    heights: list[float] = []
    breaks: set[int] = set()
    grids: list[Grid] = []
    for block, frame in _with_blocks_beside(found, upright, ruling):
        block_rows = visual_rows(block)
        if frame is not None:
            grids.append(_moved(ruled_grid(frame, block_rows), len(rows)))
        elif not any(box.index in upright for box in block):
            above = len(rows)
            grids += [_moved(grid, above) for grid in find_grids(block_rows, ruling)]
        previous: list[Box] | None = None
        indented = _indented(block_rows)
        for number, row in enumerate(block_rows):
            if previous is None or number in indented or _starts_paragraph(previous, row):
                breaks.add(len(rows))
            columns = [column for box in row for column in upright.get(box.index, [])]
            level = tuple(box.index for box in row if box.index not in upright)
            for some in (level, *map(tuple, columns)):
                if some:
                    rows.append(some)
                    heights.append(median(_height(lines[index]) for index in some))
            previous = row
    for box in margins:
        breaks.add(len(rows))
        rows.append((box.index,))
        heights.append(_height(lines[box.index]))
    return ReadingOrder(tuple(rows), frozenset(breaks), tuple(heights), tuple(grids))


def _with_blocks_beside(
    found: Sequence[tuple[list[Box], Frame | None]], upright: dict[int, list[list[int]]], ruling: Ruling
) -> Iterator[tuple[list[Box], Frame | None]]:
    for block, frame in found:
        if frame is not None or any(box.index in upright for box in block):
            yield block, frame
        else:
            yield from ((piece, None) for piece in blocks_beside(block, ruling))


def _in_margins(boxes: Sequence[Box], lines: Sequence[Line], angle: float) -> list[Box]:
    """The boxes of lines that run up or down beside all of a page's level text, from above: the stamp of an
    archive, the labels of a form's margin. They are read behind the page, of whose rows they are none.
    """
    across = [box for box in boxes if 0 <= box.index < len(lines) and runs_across(lines[box.index], angle)]
    aside = {box.index for box in across}
    level = [box for box in boxes if box.index not in aside]
    if not across or len(level) < MARGINED:
        return []
    left, right = min(box.x0 for box in level), max(box.x1 for box in level)
    found = [box for box in across if box.x1 <= left or box.x0 >= right]
    return sorted(found, key=lambda box: (box.x0 >= right, box.y0))


def arrange_parts(
    lines: Sequence[Line],
    parts: Sequence[Sequence[int]],
    direction: str = "auto",
    rules: Sequence[Rule] = (),
    pictures: Pictures | None = None,
) -> ReadingOrder:
    """As ``arrange``, one after the other for ``parts`` of the lines by their numbers, which have nothing to
    do with each other.
    """
    if len(parts) == 1:
        return arrange(lines, direction, rules, pictures)
    rows: list[tuple[int, ...]] = []
    heights: list[float] = []
    breaks: set[int] = set()
    grids: list[Grid] = []
    for part in parts:
        order = arrange([lines[index] for index in part], direction, rules, pictures)
        breaks |= {len(rows), *(len(rows) + row for row in order.breaks)}
        grids += [_renumbered(_moved(grid, len(rows)), part) for grid in order.grids]
        rows += [tuple(part[index] for index in row) for row in order.rows]
        heights += order.heights
    return ReadingOrder(tuple(rows), frozenset(breaks), tuple(heights), tuple(grids))


def _renumbered(grid: Grid, part: Sequence[int]) -> Grid:
    rows = tuple(
        tuple(replace(cell, lines=tuple(part[i] for i in cell.lines)) for cell in row) for row in grid.rows
    )
    return replace(grid, rows=rows)


def _balloons(boxes: Sequence[Box]) -> Iterator[tuple[list[Box], None]]:
    return ((unit, None) for unit in balloons(boxes))


def _blocks(
    boxes: Sequence[Box], ruling: Ruling, numbers: int, pictures: Pictures | None
) -> Iterator[tuple[list[Box], Frame | None]]:
    """Blocks of one column each, and ruled tables with their frames; ``numbers`` below 0 are taken."""
    found: list[tuple[Frame | None, list[Box]]] = [*frames(ruling, boxes)]
    framed = {box.index for _, inside in found for box in inside}
    beside = tables_beside([box for box in boxes if box.index not in framed], ruling)
    found += [(None, inside) for inside in beside]
    ruled = {-1 - numbers - n: one for n, one in enumerate(found)}
    framed = {box.index for _, inside in found for box in inside}
    rest = [box for box in boxes if box.index not in framed]
    rest += [around(number, inside) for number, (_, inside) in ruled.items()]
    return _with_tables(blocks(rest, ruling, pictures), ruled)


def _moved(grid: Grid, rows: int) -> Grid:
    return replace(grid, first=grid.first + rows, stop=grid.stop + rows)


def _with_tables(
    found: Sequence[list[Box]], ruled: dict[int, tuple[Frame | None, list[Box]]]
) -> Iterator[tuple[list[Box], Frame | None]]:
    """The blocks, and each ruled table (by the number of the box that stands for it) as one of its own:
    behind what of its block stands above it.
    """
    for block in found:
        rest = sorted(block, key=lambda b: b.middle)
        for at in range(len(rest) - 1):
            a, b = rest[at : at + 2]
            if a.index in ruled and b.index in ruled and b.x1 <= a.x0 and a.y0 < b.middle < a.y1:
                rest[at : at + 2] = [b, a]  # beside one another
        while rest:
            at = next((n for n, box in enumerate(rest) if box.index in ruled), len(rest))
            if at:
                yield rest[:at], None
            if at < len(rest):
                frame, inside = ruled[rest[at].index]
                yield inside, frame
            rest = rest[at + 1 :]


def _columns_beside(lines: Sequence[Line]) -> dict[int, list[list[int]]]:
    """Blocks of upright Chinese or Japanese columns on a page of level lines, each by a number below 0."""
    down = [index for index, line in enumerate(lines) if runs_down(line)]
    if len(down) < 2 or not is_vertical([lines[index] for index in down]):
        return {}
    blocks_of = [
        [[down[i] for i in column] for column in group] for group in groups([lines[i] for i in down])
    ]
    return {-1 - number: group for number, group in enumerate(blocks_of) if len(group) > 1}


def _arranged_vertically(lines: Sequence[Line], pictures: Pictures | None) -> ReadingOrder:
    if pages := facing_pages(lines):
        return arrange_parts(lines, pages, "vertical", pictures=pictures)
    rows: list[tuple[int, ...]] = []
    breaks: set[int] = set()
    mirrored = [replace(box, x0=-box.x1, x1=-box.x0) for box in level_boxes(lines, 0.0)]
    for part in by_panels(mirrored, 0.0, pictures and pictures.from_the_right(), Ruling()):
        some = [box.index for box in part.boxes]
        for group in groups([lines[index] for index in some]):
            breaks.add(len(rows))
            rows += [tuple(some[index] for index in row) for row in group]
    return ReadingOrder(
        tuple(rows), frozenset(breaks), tuple(median(_height(lines[index]) for index in row) for row in rows)
    )


def _indented(rows: Sequence[Sequence[Box]]) -> set[int]:
    """The rows of a block that begin a little to the right of the rows above and below, which are flush: as
    the first line of a paragraph does.
    """
    if len(rows) < 3:
        return set()
    left = median(row[0].x0 for row in rows)
    found = set()
    for number in range(1, len(rows) - 1):
        above, here, below = rows[number - 1][0], rows[number][0], rows[number + 1][0]
        flush = max(abs(above.x0 - left), abs(below.x0 - left)) < 0.4 * here.height
        centred = max(abs(above.centre - here.centre), abs(below.centre - here.centre)) < 0.25 * here.height
        if flush and not centred and 0.5 * here.height < here.x0 - left < MOST_INDENT * here.height:
            found.add(number)
    return found


def _starts_paragraph(upper: list[Box], lower: list[Box]) -> bool:
    high, low = median(b.height for b in upper), median(b.height for b in lower)
    gap = min(b.y0 for b in lower) - max(b.y1 for b in upper)
    return gap > PARAGRAPH_GAP * min(high, low) or max(high, low) > 1.3 * min(high, low)


def regions_in_order(lines: Sequence[Line], order: ReadingOrder) -> tuple[Region, ...]:
    """The lines as Regions numbered in reading order."""
    flat = [index for row in order.rows for index in row]
    return tuple(
        Region(
            text=lines[index].text,
            polygon=lines[index].polygon,
            order=place,
            confidence=lines[index].confidence,
            words=lines[index].words,
        )
        for place, index in enumerate(flat)
    )


def plain_text(lines: Sequence[Line], order: ReadingOrder) -> str:
    """One line of text per visual row."""
    return "\n".join(_row_text(lines, row) for row in order.rows)


def tables(lines: Sequence[Line], order: ReadingOrder) -> tuple[Table, ...]:
    """The tables, with the places of their cells' lines in ``regions_in_order``."""
    place = {index: number for number, index in enumerate(i for row in order.rows for i in row)}
    return tuple(
        Table(
            tuple(
                tuple(
                    Cell(
                        _cell_text(lines, cell),
                        tuple(sorted(place[index] for index in cell.lines)),
                        cell.across,
                        cell.down,
                    )
                    for cell in row
                )
                for row in grid.rows
            ),
            grid.header_rows,
        )
        for grid in order.grids
    )


def _cell_text(lines: Sequence[Line], cell: GridCell) -> str:
    return join_words([text for index in cell.lines if (text := without_leaders(lines[index].text))])


def markdown(lines: Sequence[Line], order: ReadingOrder) -> str:
    """Paragraphs set apart by blank lines, headings by their height, bullets as items of a list, tables in
    the way of GitHub, characters that would be markup escaped.
    """
    if not order.rows:
        return ""
    usual = median(order.heights)
    several = len(order.rows) > 2
    begun = {grid.first: grid for grid in order.grids}
    out: list[str] = []
    number = 0
    while number < len(order.rows):
        grid = begun.get(number)
        if grid is not None:
            out += [*([""] if out and out[-1] else []), *_table_lines(lines, grid), ""]
            number = grid.stop
            continue
        text = _MARKDOWN_START.sub(lambda m: f"{m[1]}\\{m[2]}", _row_text(lines, order.rows[number]))
        heading = several and order.heights[number] > HEADING * usual
        if out and out[-1] and (number in order.breaks or heading):
            out.append("")
        out.append(f"## {text}" if heading else _LIST_ITEM.sub("- ", text))
        number += 1
    return "\n".join(out).rstrip("\n")


def _table_lines(lines: Sequence[Line], grid: Grid) -> list[str]:
    """The first row is the heading, because GitHub's tables have one."""
    rows = [
        "| " + " | ".join(_cell_text(lines, cell).replace("|", "\\|") for cell in row) + " |"
        for row in grid.rows
    ]
    return [rows[0], "|" + " --- |" * len(grid.rows[0]), *rows[1:]]


def _row_text(lines: Sequence[Line], row: Sequence[int]) -> str:
    texts = [(text, index) for text, index in ((lines[index].text.strip(), index) for index in row) if text]
    if len(texts) > 1 and _is_initial(lines[texts[0][1]], lines[texts[1][1]]):
        texts[:2] = [(texts[0][0] + texts[1][0], texts[1][1])]
    if any(runs_down(lines[index]) for _, index in texts):
        return join_words([text for text, _ in texts])  # pieces of a column
    return " ".join(text for text, _ in texts)


def _is_initial(first: Line, second: Line) -> bool:
    """Whether ``first`` is the large first letter of the word with which ``second`` begins. A, I and O may be
    words of their own.
    """
    letter = first.text.strip()
    return (
        len(letter) == 1
        and letter.isalpha()
        and letter not in "AIO"
        and second.text[:1].isalpha()
        and _height(first) > INITIAL * _height(second)
    )


def _height(line: Line) -> float:
    return math.dist(line.polygon[0], line.polygon[-1])


def join_words(words: Sequence[str]) -> str:
    """Words with spaces between them, except between two CJK characters."""
    out: list[str] = []
    last = ""  # character
    for word in words:
        spaced = last and word and not (is_cjk(last) and is_cjk(word[0]))
        out.append(f" {word}" if spaced else word)
        last = word[-1:] or last
    return "".join(out)
