"""Tables as files for spreadsheets: CSV, and XLSX with a sheet a table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..atomic_files import write_whole_by
from ..cancel import watched
from ..hardware.capabilities import required
from ..ocr.results.result import Cell, OCRResult, Table
from ..units import figure
from .continued_tables import document_tables

# What makes a spreadsheet take a text for a formula (OWASP, "CSV Injection"), also behind white space and
# what nobody sees: importers drop control characters and marks of direction and of byte order.
_UNSEEN = r"[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*"
_FORMULA = re.compile(_UNSEEN + r"[=+\-@\uff1d\uff0b\uff0d\uff20]")
# What begins like one and computes nothing: dashes alone, a signed number, a telephone number.
_NO_FORMULA = re.compile(r"[-+]+|[-+]\s?\d[\d .,]*\s?[%$\u20ac\u00a3\u20bd]?")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,14})?")
MOST_DIGITS = 15  # that a spreadsheet's number keeps
MOST_LETTERS = 32_767  # in a cell of XLSX, as UTF-16 counts them: an emoji is two
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384  # of a sheet
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
NO_TABLE = "No table was found."


def require_openpyxl() -> Any:
    """The package openpyxl. Raises VramwiseError with the line that installs it."""
    return required("openpyxl", "An XLSX file", "openpyxl>=3.1")


def csv_of(tables: Sequence[Table]) -> str:
    """The tables one below the other, with an empty line between them; "" without one.

    A cell that a spreadsheet would run as a formula has an apostrophe in front; a number never has.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    for number, table in enumerate(tables):
        if number:
            out.write("\r\n")
        for row in watched(table.rows, 64):
            writer.writerow([harmless(cell.text) for cell in row])
    return out.getvalue()


def table_of_csv(text: str) -> Table | None:
    """The table that ``csv_of`` wrote as ``text``, None for any other text: only lines of CSV by RFC 4180 end
    with both characters, the last one too.
    """
    if not text.endswith("\r\n"):
        return None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return None
    if not rows or len({len(row) for row in rows}) != 1:
        return None
    return Table(tuple(tuple(Cell(cell) for cell in row) for row in watched(rows, 64)))


def harmless(text: str) -> str:
    """``text`` as no spreadsheet runs it."""
    return f"'{text}" if _FORMULA.match(text) and not _NO_FORMULA.fullmatch(text) else text


def number_of(text: str) -> int | float | None:
    """The number that ``text`` is written as, where a spreadsheet shows and keeps the very same digits.

    None for 007, 1,234, 12 %, +5, 1e5, -0 and what has more than 15 digits.
    """
    if not _NUMBER.fullmatch(text) or len(text.replace(".", "").lstrip("-0")) > MOST_DIGITS:
        return None
    value = float(text) if "." in text else int(text)
    return value if _written(value, text) == text else None


def _written(value: int | float, text: str) -> str:
    decimals = len(text.partition(".")[2])
    return f"{value:.{decimals}f}"


def write_workbook(path: Path, pages: Iterable[tuple[int, OCRResult]]) -> list[str]:
    """The tables of ``pages`` (number, result), a sheet each, as an XLSX at ``path``, whole or not at all. A
    table that goes on at the top of the next page is one.

    Numbers are numbers where nothing of them is lost, with the decimals they were written with; all else is
    text and is never a formula. Merged cells are merged. Returns sentences on what a sheet does not hold.
    Raises NotWritten.
    """
    openpyxl = require_openpyxl()
    book = openpyxl.Workbook()
    book.remove(book.active)
    numbered = list(pages)
    found = document_tables(numbered)
    for one in found:
        where = f"page {one.page}" if one.page == one.last else f"pages {one.page}-{one.last}"
        name = f"{where} table {one.number}" if len(numbered) > 1 else f"table {one.number}"
        _fill(openpyxl, book.create_sheet(name), one.table)
    if not book.sheetnames:  # a workbook has a sheet
        book.create_sheet("no table")["A1"] = NO_TABLE

    write_whole_by(path, book.save)
    return _left_out(path.name, [one.table for one in found])


def _left_out(name: str, tables: Sequence[Table]) -> list[str]:
    cells = (cell.text for table in tables for row in watched(table.rows, 64) for cell in row)
    cut = sum(len(text) > MOST_LETTERS // 2 and len(_letters(text)) > 2 * MOST_LETTERS for text in cells)
    notes = []
    if cut:
        notes.append(
            f"{name}: cells cut to the {figure(MOST_LETTERS, ',')} letters that a cell of XLSX takes: {cut}. "
            "Save as csv to keep them whole."
        )
    if any(len(table.rows) > MOST_ROWS or len(table.rows[0]) > MOST_COLUMNS for table in tables):
        notes.append(
            f"{name}: a table is larger than the {figure(MOST_ROWS, ',')} rows and "
            f"{figure(MOST_COLUMNS, ',')} columns that a sheet of XLSX has; what is beyond was left out. "
            "Save as csv to keep it."
        )
    return notes


def _letters(text: str) -> bytes:
    """As a cell holds them, two bytes each."""
    return _NOT_XML.sub("", text).encode("utf-16-le")


def _fill(openpyxl: Any, sheet: Any, table: Table) -> None:
    merged = _merged(table)
    for y, row in enumerate(watched(table.rows[:MOST_ROWS], 16), 1):
        for x, cell in enumerate(row[:MOST_COLUMNS], 1):
            if cell.text:
                _set(sheet.cell(y, x), cell.text, y <= table.header_rows, openpyxl)
    for y, x, last_row, last_column in merged:
        sheet.merge_cells(start_row=y, start_column=x, end_row=last_row, end_column=last_column)
    if table.header_rows and table.header_rows < len(table.rows):
        sheet.freeze_panes = sheet.cell(table.header_rows + 1, 1)


def _merged(table: Table) -> list[tuple[int, int, int, int]]:
    """The cells to be merged, as (row, column, last row, last column) from 1. Merging loses what the covered
    cells hold, and no spreadsheet opens overlapping ones: such cells, as models write them, stay single.
    """
    found = []
    taken: set[tuple[int, int]] = set()
    for y, row in enumerate(watched(table.rows[:MOST_ROWS], 16), 1):
        for x, cell in enumerate(row[:MOST_COLUMNS], 1):
            if cell.across < 2 and cell.down < 2:
                continue
            last_row = min(y + cell.down - 1, MOST_ROWS, len(table.rows))
            last_column = min(x + cell.across - 1, MOST_COLUMNS, len(row))
            places = {(a, b) for a in range(y, last_row + 1) for b in range(x, last_column + 1)}
            covered = places - {(y, x)}
            if taken & places or not covered or any(table.rows[a - 1][b - 1].text for a, b in covered):
                continue
            taken |= places
            found.append((y, x, last_row, last_column))
    return found


def _set(cell: Any, text: str, head: bool, openpyxl: Any) -> None:
    value = None if head else number_of(text)
    if value is None:
        shown = _letters(text)[: 2 * MOST_LETTERS]
        cell.value = shown.decode("utf-16-le", "ignore")  # without the half of a letter at the end
        cell.data_type = "s"  # else openpyxl takes "=1+1" for a formula and "#N/A" for an error
        cell.quotePrefix = bool(_FORMULA.match(text))
    else:
        decimals = len(text.partition(".")[2])
        cell.value = value
        cell.number_format = f"0.{'0' * decimals}" if decimals else "0"
    if head:
        cell.font = openpyxl.styles.Font(bold=True)
    if "\n" in text:
        cell.alignment = openpyxl.styles.Alignment(wrap_text=True, vertical="top")
