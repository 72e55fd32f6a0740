"""The one reader of CSV files: a wrong row is named, and every row of the pack says where it comes from."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import pytest
import vramwise
from vramwise.catalog.csv_rows import Row, count, csv_rows, number, version
from vramwise.errors import VramwiseError

CORE = Path(vramwise.__file__).parent
TABLES = sorted(path.relative_to(CORE) for path in CORE.rglob("*.csv"))
# an order of preference of what systems bring, not facts; its column comes_with names the system
UNDATED = {"typesetting/families.csv"}
READS_CSV = re.compile(r"\bcsv\.(reader|DictReader)\b|^\s*from csv import\b", re.MULTILINE)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "package_of_tables"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    return folder


def rows(package: Path, text: str, make=dict):
    (package / "cards.csv").write_bytes(text.encode("utf-8"))
    return csv_rows(package.name, "cards.csv", make)


def test_quotes_empty_lines_a_byte_order_mark_and_windows_line_ends_are_read(package: Path) -> None:
    text = '\ufeffname,note\r\nA,"one, two"\r\n\r\nB,"line\r\nbreak \u2028 kept"\r\n'
    assert rows(package, text) == (
        {"name": "A", "note": "one, two"},
        {"name": "B", "note": "line\nbreak \u2028 kept"},
    )


@pytest.mark.parametrize(("row", "columns"), [("B,1", 2), ("B,1,2,3", 4), ("B", 1)])
def test_a_row_with_a_missing_or_an_extra_column_is_named_with_file_and_line(
    package: Path, row: str, columns: int
) -> None:
    with pytest.raises(VramwiseError) as raised:
        rows(package, f"name,size,source\nA,1,x\n{row}\nC,1,x\n")
    said = str(raised.value)
    place = f'{package / "cards.csv"}, line 3, the row of "B"'
    assert f"{place}: it has {columns} columns and the header 3 (name, size, source)" in said


def of_size(size: str) -> str:
    return size


def of_known(row: Row) -> int:
    return {"A": 1}[row["name"]]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda row: int(row["size"]), "invalid literal for int() with base 10: 'big'"),
        (of_known, "'B' is not known"),
        (lambda row: of_size(**row), "of_size() got an unexpected keyword argument 'name'"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named_with_file_and_line(package: Path, make, why: str) -> None:
    with pytest.raises(VramwiseError) as raised:
        rows(package, "name,size\nB,big\n", make)
    assert f'{package / "cards.csv"}, line 2, the row of "B": {why}' in str(raised.value)


def test_cells_that_may_be_empty() -> None:
    assert (count(""), count("12"), number(""), number("1.5")) == (None, 12, None, 1.5)
    assert (version(""), version("8"), version("12.1")) == (None, (8, 0), (12, 1))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.as_posix())
def test_every_row_of_every_table_is_whole_and_says_where_it_is_from_and_when(path: Path) -> None:
    found = csv_rows(f"vramwise.{path.parts[0]}", "/".join(path.parts[1:]), dict)
    with (CORE / path).open(encoding="utf-8", newline="") as file:
        assert list(found) == list(csv.DictReader(file))
    for row in found:
        assert path.as_posix() in UNDATED or (row["source"] and row["date"].startswith("20")), row


def test_there_are_tables_and_no_folder_of_the_catalog_is_crowded() -> None:
    assert len(TABLES) > 15
    folders = [CORE / "catalog", *(path for path in (CORE / "catalog").rglob("*") if path.is_dir())]
    for folder in folders:
        files = [path.name for path in folder.iterdir() if path.is_file()]
        assert len(files) <= 14, (folder.name, files)


def test_nothing_else_in_the_core_reads_csv() -> None:
    others = {
        path.relative_to(CORE).as_posix()
        for path in CORE.rglob("*.py")
        if READS_CSV.search(path.read_text(encoding="utf-8"))
    }
    of_pages = "documents/table_files.py"  # tables of pages, which Save Text takes back as it wrote them
    assert others == {"catalog/csv_rows.py", of_pages}
