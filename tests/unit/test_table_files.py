"""Tables in spreadsheets: every word in its cell, no digit lost, nothing that runs."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.catalog.words import in_language
from vramwise.documents import table_files
from vramwise.documents.saving_documents import DocumentPage, save_document
from vramwise.documents.table_files import MOST_LETTERS, csv_of, harmless, number_of, write_workbook
from vramwise.families.family import Task
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.results.result import Cell, OCRResult, Table
from vramwise.ocr.results.written_tables import tables_in, tables_of
from vramwise.ocr.vlm.page_result import Answer, Source, page_result

HTML = (
    "<table><thead><tr><th>Item</th><th colspan='2'>Price &amp; tax</th></tr></thead>"
    "<tr><td rowspan=2>Tea</td><td>1.50</td><td>7 %</td></tr><tr><td>2.00</td><td></td></tr></table>"
)
MARKDOWN = "Some text | no table\n\n| Item | Price |\n|:--|--:|\n| a \\| b | 1.50 |\n| c<br>d |\n\nafter"


def _texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def _page(text: str = "", *tables: Table) -> OCRResult:
    return OCRResult(text, text, (), 10, 10, "stop", "rapid", "fp32", 0.0, tables=tables)


def test_html_with_merged_cells() -> None:
    (table,) = tables_in(f"before {HTML} after")
    assert _texts(table) == [["Item", "Price & tax", ""], ["Tea", "1.50", "7 %"], ["", "2.00", ""]]
    assert (table.rows[0][1].across, table.rows[1][0].down, table.header_rows) == (2, 2, 1)


def test_markdown() -> None:
    (table,) = tables_in(MARKDOWN)
    assert _texts(table) == [["Item", "Price"], ["a | b", "1.50"], ["c\nd", ""]]


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("no table | at all\nor | here", []),
        ("```\n| a | b |\n|---|---|\n| 1 | 2 |\n```", []),
        ("a | b\n--- | ---\n1 | 2", [(2, 2)]),
        ("<table></table><table><tr></tr></table>", []),
        ("<TABLE><TR><TD>a<TD>b<TR><TD>c</TABLE>", [(2, 2)]),
        ("<table><tr><td>cut of", [(1, 1)]),
        ("<table><tr><td>a<table><tr><td>inner</td></tr></table></td></tr></table>", [(1, 1)]),
        (f"{HTML}\n\n{MARKDOWN}\n{HTML}", [(3, 3), (3, 2), (3, 3)]),
        ("<table><tr><td colspan=99999999 rowspan=999999>x</td></tr></table>", [(1, 1)]),
        ("<table><tr><td rowspan=3>x</td><td>y</td></tr></table>", [(1, 2)]),
    ],
)
def test_what_counts_as_a_table(text: str, shapes: list[tuple[int, int]]) -> None:
    found = list(tables_in(text))
    assert [(len(table.rows), len(table.rows[0])) for table in found] == shapes


@given(st.text(alphabet="<>/|-`\n tdrhableocspn=\"'123&;", max_size=300))
def test_no_text_breaks_it_and_all_rows_are_equally_long(text: str) -> None:
    for table in tables_in(text):
        assert len({len(row) for row in table.rows}) == 1


def test_the_engines_own_tables_come_first() -> None:
    own = Table(((Cell("own"),),))
    assert tables_of(_page(MARKDOWN, own)) == (own,)
    assert len(tables_of(_page(MARKDOWN))) == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("12", 12),
        ("-5", -5),
        ("1.50", 1.5),
        ("0.1", 0.1),
        ("123456789012345", 123456789012345),
        ("1234567890123456", None),
        ("0.1234567890123456", None),
        ("007", None),
        ("+5", None),
        ("-0", None),
        ("1,234", None),
        ("1 234", None),
        ("1e5", None),
        ("12 %", None),
        ("\u0661\u0662", None),
        ("NaN", None),
        ("", None),
    ],
)
def test_a_number_is_one_only_where_no_digit_is_lost(text: str, number: float | None) -> None:
    assert number_of(text) == number


DANGEROUS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "@SUM(A1)",
    "+1+1",
    "-2+3+cmd|x",
    "\t=1",
    " =HYPERLINK(1)",
    "\uff1d1+1",
]
UNSEEN_FIRST = ["\x00=1+1", "\ufeff=1+1", "\u200b\u202a@SUM(A1)", "\x7f \xad+1+1"]


@pytest.mark.parametrize("text", [*DANGEROUS, *UNSEEN_FIRST])
def test_nothing_in_a_csv_is_run(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-", "--", "-5", "-1.234,50", "+7 916 123", "- 12 %", "a=b", ""])
def test_what_computes_nothing_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_csv_keeps_quotes_lines_and_tables_apart() -> None:
    one = Table(((Cell('say "hi", you'), Cell("two\nlines")),))
    text = csv_of((one, one))
    assert list(csv.reader(io.StringIO(text))) == [
        ['say "hi", you', "two\nlines"],
        [],
        ['say "hi", you', "two\nlines"],
    ]


OVERLAPPING = {
    "across what reaches down": "<tr><td>a</td><td rowspan=2>b</td></tr><tr><td colspan=2>c</td></tr>",
    "down into what reaches across": "<tr><td rowspan=3>a</td><td>b</td></tr><tr><td colspan=2>c</td></tr>",
    "no end": "<tr><td colspan=9 rowspan=9>a</td><td>b</td></tr><tr><td>c</td></tr>",
}


@pytest.mark.parametrize("rows", OVERLAPPING.values(), ids=OVERLAPPING)
def test_merged_cells_that_overlap_lose_nothing(rows: str, tmp_path: Path) -> None:
    write_workbook(tmp_path / "a.xlsx", [(1, _page(f"<table>{rows}</table>"))])
    (sheet,) = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets
    assert sorted(value for row in sheet.values for value in row if value) == ["a", "b", "c"]
    places = [place for one in sheet.merged_cells.ranges for place in one.cells]
    assert len(places) == len(set(places))


def test_a_covered_cell_with_words_keeps_them(tmp_path: Path) -> None:
    table = Table(((Cell("a", across=2), Cell("b")), (Cell("=c", down=5), Cell("two\nlines"))))
    write_workbook(tmp_path / "a.xlsx", [(1, _page("", table))])
    (sheet,) = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets
    assert list(sheet.values) == [("a", "b"), ("=c", "two\nlines")]


def test_a_workbook_has_a_sheet_a_table_and_every_cell(tmp_path: Path) -> None:
    danger = Table(tuple((Cell(text), Cell("1.50"), Cell("007\x01"), Cell("#N/A")) for text in DANGEROUS))
    write_workbook(tmp_path / "a.xlsx", [(1, _page(HTML)), (2, _page()), (3, _page("", danger))])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["page 1 table 1", "page 3 table 1"]
    first, third = book.worksheets
    assert [str(one) for one in first.merged_cells.ranges] == ["B1:C1", "A2:A3"]
    assert (first["A1"].value, first["B2"].value, first["B2"].number_format) == ("Item", 1.5, "0.00")
    for row, text in enumerate(DANGEROUS, 1):
        cells = [third.cell(row, column) for column in range(1, 5)]
        assert [cell.value for cell in cells] == [text, 1.5, "007", "#N/A"]
        assert [cell.data_type for cell in cells] == ["s", "n", "s", "s"]


def test_a_workbook_without_a_table_says_so(tmp_path: Path) -> None:
    write_workbook(tmp_path / "a.xlsx", [(1, _page("words"))])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.active["A1"].value == "No table was found."


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("otsl", "<ched>Item<ched>Price<nl><fcel>Tea<fcel>1.50<nl>"),
        ("markdown", "Some words\n\n| Item | Price |\n|---|---|\n| Tea | 1.50 |\n"),
        ("html", "<table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td>1.50</td></tr></table>"),
        ("latex_table", "\\begin{tabular}{ll}Item & Price \\\\ Tea & 1.50 \\\\ \\end{tabular}"),
    ],
)
def test_what_a_model_writes_as_a_table_is_one_in_the_result(kind: str, answer: str) -> None:
    said = Answer(answer, 9, "stop", (100, 100), 0.1)
    task = Task("", kind)
    result = page_result(said, Source("a", "bf16", "none"), task, ReadOptions("table"), (100, 100), ())
    assert [_texts(table) for table in result.tables] == [[["Item", "Price"], ["Tea", "1.50"]]]


def test_a_cell_holds_as_many_letters_as_a_spreadsheet_counts(tmp_path: Path) -> None:
    """By UTF-16: Excel calls a file damaged that holds more."""
    text = "a" + "\U0001f4c4" * MOST_LETTERS
    write_workbook(tmp_path / "a.xlsx", [(1, _page("", Table(((Cell(text),),))))])
    (kept,) = next(openpyxl.load_workbook(tmp_path / "a.xlsx").active.values)
    assert len(kept.encode("utf-16-le")) // 2 == MOST_LETTERS and text.startswith(kept)


def test_what_a_sheet_does_not_hold_is_said(tmp_path: Path) -> None:
    """In the report of Save Text and on the command line, in the reader's language."""
    long, whole = "\U0001f4c4" * MOST_LETTERS, "a" * MOST_LETTERS
    table = Table(((Cell(long), Cell(whole)), (Cell(whole + "a"), Cell("\x00" + whole))))
    (note,) = write_workbook(tmp_path / "a.xlsx", [(1, _page("", table))])
    assert note.startswith("a.xlsx: cells cut to the 32,767 letters that a cell of XLSX takes: 2.")
    assert "32\u00a0767" in in_language(note, "ru") and "cells" not in in_language(note, "zh")
    assert write_workbook(tmp_path / "b.xlsx", [(1, _page("", Table(((Cell(whole),),))))]) == []
    told: list[str] = []
    markdown = f"| a | b |\n|---|---|\n| {whole}b | c |\n"
    save_document(tmp_path, "c", "xlsx", [DocumentPage(markdown, None, None)], told.append)
    assert len(told) == 1 and told[0].startswith("c.xlsx: cells cut")
    assert save_document(tmp_path, "d", "xlsx", [DocumentPage(markdown, None, None)]).is_file()


def test_a_table_larger_than_a_sheet_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "MOST_ROWS", 2)
    table = Table(((Cell("a"),), (Cell("b"),), (Cell("c"),)))
    (note,) = write_workbook(tmp_path / "a.xlsx", [(1, _page("", table))])
    assert note.startswith("a.xlsx: a table is larger than the 2 rows and 16,384 columns")
    assert not re.search("[a-z]{4} [a-z]{3}", in_language(note, "ru").replace("Save as", ""))
