"""Tables as models write them into their text, HTML or markdown, as rows of cells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from ...cancel import watched
from .result import Cell, OCRResult, Table

MOST_ACROSS, MOST_DOWN = 1_000, 10_000  # that a cell may claim to take
MOST_CELLS = 1_000_000  # of a table, with those that a claim makes
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})((?:\s[^<>]{0,2000})?)/?>")
_SPAN = re.compile(r"\b(colspan|rowspan)\s{0,5}=\s{0,5}[\"']?(\d{1,6})", re.IGNORECASE)
_TABLE = re.compile(r"<table\b", re.IGNORECASE)
_DASHES = re.compile(r":?-{1,200}:?")
_FENCE = re.compile(r"^\s{0,3}(```|~~~)")


def tables_of(result: OCRResult) -> tuple[Table, ...]:
    """The tables of a page: those that the engine found, else those in its text and in its regions."""
    if result.tables:
        return result.tables
    for text in (result.markdown, result.text):
        if found := tuple(tables_in(text)):
            return found
    return tuple(table for region in result.regions for table in tables_in(region.text))


def tables_in(text: str) -> Iterator[Table]:
    """Every table in ``text``, HTML's and markdown's, in order. What is no table is passed over."""
    at = 0
    while (found := _TABLE.search(text, at)) is not None:
        begin = found.start()
        yield from _markdown_tables(text[at:begin])
        end, table = _html_table(text, begin)
        if table is not None:
            yield table
        at = end
    yield from _markdown_tables(text[at:])


class _Grid:
    """Rows being written; a cell that takes several places keeps them free."""

    def __init__(self) -> None:
        self.rows: list[dict[int, Cell]] = []
        self.taken: dict[int, set[int]] = {}
        self.heads: list[bool] = []
        self.cells = 0

    def begin_row(self) -> None:
        self.rows.append({})
        self.heads.append(True)

    def add(self, text: str, across: int, down: int, head: bool) -> None:
        if not self.rows:
            self.begin_row()
        row = len(self.rows) - 1
        taken = self.taken.setdefault(row, set())
        column = len(self.rows[row])
        while column in self.rows[row] or column in taken:
            column += 1
        if self.cells + across * down > MOST_CELLS:
            across = down = 1
        self.cells += across * down
        self.rows[row][column] = Cell(text, across=across, down=down)
        self.heads[row] = self.heads[row] and head
        for below in range(row, row + down):
            self.taken.setdefault(below, set()).update(range(column, column + across))

    def table(self) -> Table | None:
        """All rows equally long. Rows without a cell are dropped unless a cell above reaches into them."""
        kept = [(number, cells) for number, cells in enumerate(self.rows) if cells or self.taken.get(number)]
        if not kept or not any(cells for _, cells in kept):
            return None
        width = max(
            max((column + cell.across for column, cell in cells.items()), default=0) for _, cells in kept
        )
        if width * len(kept) > MOST_CELLS:
            width = max(max(cells, default=0) for _, cells in kept) + 1
        heads = 0
        while heads < len(kept) - 1 and kept[heads][1] and self.heads[kept[heads][0]]:
            heads += 1
        empty = Cell("")
        left = len(kept)
        rows = []
        for at, (_, cells) in enumerate(watched(kept, 64)):
            row = [cells.get(column, empty) for column in range(width)]
            rows.append(tuple(_within(cell, width - x, left - at) for x, cell in enumerate(row)))
        return Table(tuple(rows), heads)


def _within(cell: Cell, across: int, down: int) -> Cell:
    """``cell``, taking no more than there is."""
    if cell.across <= across and cell.down <= down:
        return cell
    return Cell(cell.text, cell.regions, min(cell.across, across), min(cell.down, down))


def _html_table(text: str, begin: int) -> tuple[int, Table | None]:
    """(where it ends, the table) of the HTML table at ``begin``. A table in a cell is words of that cell."""
    grid = _Grid()
    words: list[str] | None = None
    spans, head, depth, at = (1, 1), False, 0, begin

    def close() -> None:
        nonlocal words
        if words is not None:
            grid.add(_clean("".join(words)), *spans, head)
        words = None

    for tag in watched(_TAG.finditer(text, begin)):
        closing, name = tag[1] == "/", tag[2].lower()
        if words is not None:
            words.append(text[at : tag.start()])
        at = tag.end()
        if name == "table":
            depth += -1 if closing else 1
            if depth == 0:
                close()
                return at, grid.table()
        elif depth > 1:
            if words is not None:
                words.append(" ")
        elif name == "tr":
            close()
            if not closing:
                grid.begin_row()
        elif name in ("td", "th"):
            close()
            if not closing:
                words, head, spans = [], name == "th", _spans(tag[3])
        elif words is not None and name in ("br", "p", "div", "li"):
            words.append("\n")
    if words is not None:
        words.append(text[at:])
    close()
    return len(text), grid.table()


def _spans(attributes: str) -> tuple[int, int]:
    said = {name.lower(): int(value) for name, value in _SPAN.findall(attributes)}
    across = min(max(said.get("colspan", 1), 1), MOST_ACROSS)
    return across, min(max(said.get("rowspan", 1), 1), MOST_DOWN)


def _clean(words: str) -> str:
    lines = (" ".join(line.split()) for line in unescape(words).split("\n"))
    return "\n".join(line for line in lines if line)


def _markdown_tables(text: str) -> Iterator[Table]:
    """Pipe tables (GitHub Flavored Markdown, 4.10): a row, a rule of dashes with as many cells, rows."""
    if "|" not in text:
        return
    lines = text.split("\n")
    fenced, end = "", 0
    for at, line in enumerate(watched(lines)):
        if at < end:
            continue  # of the table before
        fence = _FENCE.match(line)
        if fence and (not fenced or fence[1] == fenced):
            fenced = "" if fenced else fence[1]
        elif not fenced and "|" in line and at + 1 < len(lines) and _is_rule(lines[at + 1]):
            head = _row(line)
            if len(head) == len(_row(lines[at + 1])):
                end = at + 2
                while end < len(lines) and "|" in lines[end]:
                    end += 1
                yield _from_rows([head, *(_row(row) for row in watched(lines[at + 2 : end], 64))])


def _is_rule(line: str) -> bool:
    cells = line.strip().removeprefix("|").removesuffix("|").split("|")
    return all(_DASHES.fullmatch(cell.strip()) for cell in cells)


def _row(line: str) -> list[str]:
    """The cells of a line; ``\\|`` and a pipe in `code` are words."""
    inside = line.strip()
    inside = inside[1:] if inside.startswith("|") else inside
    cells, cell, code, at = [], "", False, 0
    while at < len(inside):
        letter = inside[at]
        if letter == "\\" and inside[at + 1 : at + 2] == "|":
            cell, at = cell + "|", at + 2
            continue
        code ^= letter == "`"
        if letter == "|" and not code:
            cells.append(cell)
            cell = ""
        else:
            cell += letter
        at += 1
    if cell.strip() or not inside.endswith("|"):
        cells.append(cell)
    return [_clean(re.sub(r"<br\s{0,5}/?>", "\n", one)) for one in cells]


def _from_rows(rows: list[list[str]]) -> Table:
    width = max(map(len, rows))
    if width * len(rows) > MOST_CELLS:
        width = len(rows[0])
    cells = (tuple(Cell(row[x] if x < len(row) else "") for x in range(width)) for row in watched(rows, 64))
    return Table(tuple(cells), 1)
