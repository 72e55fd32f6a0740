"""A table that goes on at the top of the next page."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from vramwise.documents.continued_tables import document_tables
from vramwise.documents.saving_documents import DocumentPage, save_document
from vramwise.ocr.results.result import Cell, OCRResult, Region, Table, Word

WIDE, HIGH = 1000, 1400
LEFT = (100, 400, 800)
HEAD = ("Name", "City", "Sum")


def page_of(
    rows: list[tuple[str, ...]],
    top: float,
    *,
    heads: int = 0,
    table: bool = True,
    others: tuple[tuple[str, float, float], ...] = (),
    left: tuple[int, ...] = LEFT,
) -> OCRResult:
    """A page with ``rows`` from ``top`` down, as a table or as lines alone; ``others``: (text, x, y)."""
    regions = [_region(text, x, y, n) for n, (text, x, y) in enumerate(others)]
    grid = []
    for number, row in enumerate(rows):
        cells = []
        for x, text in zip(left, row, strict=True):
            if not text:
                cells.append(Cell(""))
                continue
            cells.append(Cell(text, (len(regions),)))
            regions.append(_region(text, x, top + 40 * number, len(regions)))
        grid.append(tuple(cells))
    tables = (Table(tuple(grid), heads),) if table else ()
    return OCRResult("", "", tuple(regions), WIDE, HIGH, "stop", "rapid", "none", 0.0, tables=tables)


def _region(text: str, x: float, y: float, order: int) -> Region:
    wide = 12 * len(text)
    return Region(text, ((x, y), (x + wide, y), (x + wide, y + 24), (x, y + 24)), order)


def rows_of(count: int, start: int = 0) -> list[tuple[str, ...]]:
    return [(f"Name {n}", "Rome" if n % 2 else "Oslo", f"{n}.50") for n in range(start, start + count)]


def texts(table: Table) -> list[tuple[str, ...]]:
    return [tuple(cell.text for cell in row) for row in table.rows]


FIRST = page_of([HEAD, *rows_of(20)], 500, heads=1, others=(("Sales of a year", 100, 60), ("1", 500, 1350)))


def test_a_table_that_goes_on_is_one_and_keeps_one_heading():
    for again in ([], [HEAD]):
        second = page_of([*again, *rows_of(5, 20)], 100, heads=len(again), others=(("2", 500, 1350),))
        (one,) = document_tables([(1, FIRST), (2, second)])
        assert (one.page, one.last) == (1, 2)
        assert texts(one.table) == [HEAD, *rows_of(25)]
        assert not any(cell.regions for row in one.table.rows[21:] for cell in row)


def test_two_rows_alone_at_the_top_of_the_next_page_belong_to_it():
    second = page_of(
        rows_of(2, 20), 160, table=False, others=(("2", 500, 60), ("What follows is text.", 100, 400))
    )
    (one,) = document_tables([(1, FIRST), (2, second)])
    assert texts(one.table)[-2:] == rows_of(2, 20)


def test_a_cell_of_two_lines_in_such_a_row_stays_whole():
    lines = [("Name 20", "Rome", "1.50"), ("the Great", "", ""), ("Name 21", "Oslo", "2.50")]
    second = page_of(lines, 160, table=False)
    regions = list(second.regions)
    regions[3] = _region("the Great", 100, 190, 3)
    (one,) = document_tables([(1, FIRST), (2, replace(second, regions=tuple(regions)))])
    assert texts(one.table)[-2:] == [("Name 20\nthe Great", "Rome", "1.50"), ("Name 21", "Oslo", "2.50")]


def test_it_goes_on_over_several_pages():
    pages = [FIRST, page_of(rows_of(25, 20), 100), page_of(rows_of(2, 45), 100, table=False)]
    (one,) = document_tables(enumerate(pages, 1))
    assert (one.last, len(one.table.rows)) == (3, 48)


@pytest.mark.parametrize(
    "said",
    [
        "Table 1 (continued)",
        "\u041f\u0440\u043e\u0434\u043e\u043b\u0436\u0435\u043d\u0438\u0435 \u0442\u0430\u0431\u043b. 1",
        "\u7eed\u8868 1",
    ],
)
def test_a_line_that_says_so_may_stand_above(said):
    second = page_of([HEAD, *rows_of(5, 20)], 200, heads=1, others=((said, 100, 120),))
    assert len(document_tables([(1, FIRST), (2, second)])) == 1


def test_a_running_head_may_stand_above():
    head = ("Report 2024, page 1", 300, 60), ("Report 2024, page 2", 300, 60)
    first = page_of([HEAD, *rows_of(20)], 300, heads=1, others=(head[0],))
    assert len(document_tables([(1, first), (2, page_of(rows_of(5, 20), 160, others=(head[1],)))])) == 1


@pytest.mark.parametrize(
    "second",
    [
        page_of([("Name", "City", "Price"), *rows_of(5)], 100, heads=1),  # a heading of its own
        page_of(rows_of(5), 200, others=(("Another table", 100, 120),)),
        page_of(rows_of(5), 100, left=(100, 300, 600)),
        page_of([(a, c) for a, _, c in rows_of(5)], 100, left=(100, 800)),
        page_of(rows_of(2), 100, left=(160, 560, 720), table=False),
        page_of([], 100, others=(("Text that begins at the top.", 100, 100),)),
    ],
)
def test_what_only_follows_is_a_table_of_its_own(second):
    found = document_tables([(1, FIRST), (2, second)])
    assert [one.page for one in found] == [1, *([2] if second.tables else [])]
    assert texts(found[0].table) == [HEAD, *rows_of(20)]


def test_a_table_with_text_below_it_or_a_page_between_does_not_go_on():
    ended = page_of([HEAD, *rows_of(10)], 300, heads=1, others=(("That is all there is.", 100, 800),))
    assert len(document_tables([(1, ended), (2, page_of(rows_of(5), 100))])) == 2
    assert len(document_tables([(1, FIRST), (3, page_of(rows_of(5), 100))])) == 2


def test_tables_of_a_text_without_places_stay_apart():
    def told(rows: list[tuple[str, ...]]) -> OCRResult:
        lines = [HEAD, ("---",) * 3, *rows]
        text = "\n".join(f"| {' | '.join(row)} |" for row in lines)
        return OCRResult(text, text, (), WIDE, HIGH, "stop", "model", "bf16", 0.0)

    assert len(document_tables([(1, told(rows_of(3))), (2, told(rows_of(3)))])) == 2


def test_files_of_a_document_have_one_table(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    pages = [DocumentPage("", one, None) for one in (FIRST, page_of(rows_of(5, 20), 100))]
    save_document(tmp_path, "a", "xlsx", pages)
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["pages 1-2 table 1"]
    assert book.worksheets[0].max_row == 26
    save_document(tmp_path, "a", "csv", pages)
    read = list(csv.reader(io.StringIO((tmp_path / "a.csv").read_text("utf-8-sig"), newline="")))
    assert read == [list(row) for row in (HEAD, *rows_of(25))]


def test_a_row_that_was_read_as_one_line_is_parted_by_its_words():
    second = page_of([], 0, table=False, others=(("Name 20 Rome", 100, 160), ("1.50", 800, 160)))
    places = (("Name", 100), ("20", 160), ("Rome", 400))
    words = tuple(Word(text, _region(text, x, 160, 0).polygon) for text, x in places)
    across = (words[0].polygon[0], words[2].polygon[1], words[2].polygon[2], words[0].polygon[3])
    first = replace(second.regions[0], polygon=across, words=words)
    (one,) = document_tables([(1, FIRST), (2, replace(second, regions=(first, second.regions[1])))])
    assert texts(one.table)[-1] == ("Name 20", "Rome", "1.50")


def test_a_repeated_heading_over_two_rows_alone_is_left_out():
    second = page_of([HEAD, *rows_of(2, 20)], 160, table=False)
    (one,) = document_tables([(1, FIRST), (2, second)])
    assert texts(one.table) == [HEAD, *rows_of(22)]
