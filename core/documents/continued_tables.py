"""Tables of a document: one that goes on at the top of the next page is one, as whoever reads it sees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..cancel import watched
from ..ocr.results.line_boxes import Box, visual_rows
from ..ocr.results.result import Cell, OCRResult, Table, hull
from ..ocr.results.written_tables import tables_of

EDGE = 0.12  # of a page's height, above and below, where heads, feet and numbers stand
SAME = 0.015  # of its width, by which columns of two pages may differ
FILLED = 0.5  # of the columns have something in a row that stands alone
APART, WITHIN = 3.0, 1.4  # line heights between two rows, at most, and between the lines of a cell
_DIGITS = re.compile(r"\d+")
_ONLY_NUMBER = re.compile(
    r"[\W_]*(?:\w{1,8}\.?\s)?[\W_]*\d{1,5}(?:\s*(?:/|of|\u0438\u0437)\s*\d{1,5})?[\W_]*"
)
_GOES_ON = re.compile(
    r"continued|cont\.|cont'd|\u043f\u0440\u043e\u0434\u043e\u043b\u0436\u0435\u043d\u0438\u0435"
    r"|\u043e\u043a\u043e\u043d\u0447\u0430\u043d\u0438\u0435|\u7eed\u8868|\u7e8c\u8868|\u7d9a\u304d",
    re.IGNORECASE,
)
Span = tuple[float, float]


@dataclass(frozen=True)
class DocumentTable:
    """A table that begins on page ``page`` as its ``number``-th and ends on page ``last``."""

    page: int
    number: int
    last: int
    table: Table


@dataclass(frozen=True)
class _Open:
    """The last table of a page, if it may go on: its columns, in shares of the page's width, and what stands
    in the page's head.
    """

    columns: tuple[Span, ...]
    heads: frozenset[str]


def document_tables(pages: Iterable[tuple[int, OCRResult]]) -> list[DocumentTable]:
    """The tables of ``pages`` (number, result) in order, of which one that goes on at the top of the next
    page, in the same columns and without a heading of its own, is one. A repeated heading is left out.
    """
    found: list[DocumentTable] = []
    may_go_on: _Open | None = None
    before = 0
    for page, result in pages:
        tables = list(tables_of(result))
        whole = 0  # tables of this page that only go on
        columns: tuple[Span, ...] = ()
        if may_go_on is not None and page == before + 1:
            more, whole = _more(found[-1].table, may_go_on, result, tables)
            if more or whole:
                found[-1] = replace(found[-1], last=page, table=_joined(found[-1].table, more))
                columns = may_go_on.columns
        for number, table in enumerate(tables[whole:], whole + 1):
            found.append(DocumentTable(page, number, page, table))
        alone = whole == 1 == len(tables)
        may_go_on = _left_open(result, tables, columns if alone else ())
        before = page
    return found


def _more(
    table: Table, known: _Open, result: OCRResult, tables: Sequence[Table]
) -> tuple[tuple[tuple[Cell, ...], ...], int]:
    """The rows with which ``table`` goes on at the top of the next page, and how many of its ``tables`` they
    take.
    """
    boxes = _boxes(result)
    if not boxes:
        return (), 0
    rows = visual_rows(boxes)
    while rows and all(_in_head(box, result, known.heads) for box in rows[0]):
        rows.pop(0)
    if not rows:
        return (), 0
    first = tables[0] if tables else None
    inside = _indices(first) if first else frozenset()
    if first is not None and any(box.index in inside for box in rows[0]):
        places = _columns(first, result)
        more = _without_heading(table, first) if _alike(places, known.columns) else None
        return ((), 0) if more is None else (more, 1)
    alone = _rows_alone(rows, known.columns, result, inside)
    return _without_heading(table, Table(alone)) or (), 0


def _without_heading(table: Table, more: Table) -> tuple[tuple[Cell, ...], ...] | None:
    """The rows of ``more`` below a heading that ``table`` has too; None where it has one of its own."""
    for count in range(max(more.header_rows, table.header_rows, 1), 0, -1):
        if _texts(more.rows[:count]) == _texts(table.rows[:count]):
            return more.rows[count:]
    return None if more.header_rows else more.rows


def _texts(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    return [["".join(cell.text.casefold().split()) for cell in row] for row in rows]


def _rows_alone(
    rows: Sequence[Sequence[Box]], columns: Sequence[Span], result: OCRResult, taken: frozenset[int]
) -> tuple[tuple[Cell, ...], ...]:
    """The first rows of a page that stand in ``columns``: too few to be a table by themselves."""
    found: list[list[list[Box]]] = []
    last: Sequence[Box] = ()
    for row in watched(rows, 16):
        high = max(box.height for box in row)
        apart = (row[0].middle - last[0].middle) / high if last else 0.0
        if any(box.index in taken for box in row) or apart > APART:
            break
        cells: list[list[Box]] = [[] for _ in columns]
        for box in row:
            pieces = _pieces(box, columns, result)
            if pieces is None:
                return _as_cells(found)
            for x, piece in pieces.items():
                cells[x].append(piece)
        filled = sum(map(bool, cells))
        if filled >= max(2, FILLED * len(columns)):
            found.append(cells)
        elif found and apart < WITHIN:
            for above, more in zip(found[-1], cells, strict=True):
                above.extend(more)
        else:
            break
        last = row
    return _as_cells(found)


def _pieces(box: Box, columns: Sequence[Span], result: OCRResult) -> dict[int, Box] | None:
    """A line by the columns that it stands in: of one that was read through several, the words in each. None
    where something stands in none, or in two.
    """
    own = [x for x, span in enumerate(columns) if _stands_in(box, span, result.width)]
    reaches = sum(box.x0 < end * result.width and start * result.width < box.x1 for start, end in columns)
    if len(own) == 1 and reaches < 2:
        return {own[0]: box}
    pieces: dict[int, Box] = {}
    for word in result.regions[box.index].words:
        one = Box(box.index, *hull(word.polygon), word.text)
        within = [
            x
            for x, (start, end) in enumerate(columns)
            if start - SAME < one.centre / result.width < end + SAME
        ]
        if len(within) != 1:
            return None
        before = pieces.get(within[0])
        text = one.text if before is None else f"{before.text} {one.text}"
        pieces[within[0]] = replace(one, text=text)
    return pieces or None


def _as_cells(rows: Sequence[Sequence[Sequence[Box]]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(Cell("\n".join(box.text.strip() for box in cell)) for cell in row) for row in rows)


def _joined(table: Table, more: Sequence[Sequence[Cell]]) -> Table:
    """Regions of two pages have the same numbers: the cells that are added name none."""
    return replace(table, rows=(*table.rows, *(tuple(replace(c, regions=()) for c in row) for row in more)))


def _left_open(result: OCRResult, tables: Sequence[Table], columns: tuple[Span, ...]) -> _Open | None:
    """What is known of the last table of a page where nothing but the page's foot stands below it."""
    if not tables or not result.tables:
        return None
    table = tables[-1]
    inside = _indices(table)
    boxes = _boxes(result)
    foot = max((box.y1 for box in boxes if box.index in inside), default=0.0)
    below = [box for box in boxes if box.index not in inside and box.middle > foot]
    own = columns or _columns(table, result)
    if not own or any(box.middle < (1 - EDGE) * result.height for box in below):
        return None
    top = [box for box in boxes if box.middle < EDGE * result.height and box.index not in inside]
    heads = {_DIGITS.sub("#", box.text) for box in top}
    return _Open(own, frozenset(heads))


def _in_head(box: Box, result: OCRResult, heads: frozenset[str]) -> bool:
    """Whether a line is the page's number, its running head, or says that a table goes on."""
    text = box.text.strip()
    if _GOES_ON.search(text):
        return True
    known = _ONLY_NUMBER.fullmatch(text) or _DIGITS.sub("#", box.text) in heads
    return bool(known) and box.middle < EDGE * result.height


def _boxes(result: OCRResult) -> list[Box]:
    return [Box(n, *hull(one.polygon), one.text) for n, one in enumerate(result.regions) if one.text.strip()]


def _indices(table: Table) -> frozenset[int]:
    return frozenset(index for row in table.rows for cell in row for index in cell.regions)


def _columns(table: Table, result: OCRResult) -> tuple[Span, ...]:
    """From where to where each column has something, in shares of the page's width; () where nobody knows."""
    found: list[Span] = []
    for x in range(len(table.rows[0]) if table.rows else 0):
        cells = [row[x] for row in table.rows if row[x].across == 1]
        known = [n for cell in cells for n in cell.regions if n < len(result.regions)]
        boxes = [hull(result.regions[n].polygon) for n in known]
        if not boxes:
            return ()
        found.append((min(b[0] for b in boxes) / result.width, max(b[2] for b in boxes) / result.width))
    return tuple(found)


def _alike(some: Sequence[Span], others: Sequence[Span]) -> bool:
    """Whether columns begin, end or have their middles at the same places."""
    return len(some) == len(others) and all(map(_near, some, others))


def _near(one: Span, other: Span) -> bool:
    edges = abs(one[0] - other[0]), abs(one[1] - other[1]), abs(sum(one) - sum(other)) / 2
    return min(edges) < SAME


def _stands_in(box: Box, span: Span, width: int) -> bool:
    own = box.x0 / width, box.x1 / width
    inside = span[0] - SAME < own[0] and own[1] < span[1] + SAME
    return inside or (_near(own, span) and own[0] < span[1] and span[0] < own[1])
