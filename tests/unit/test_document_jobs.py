"""Jobs whose outputs hold whole documents: one file for all pages, whole or not there, and resumable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pikepdf
import pypdfium2
import pytest
from PIL import Image
from vramwise.errors import VramwiseError
from vramwise.jobs import JobOptions, run_job
from vramwise.jobs.whole_documents import PARTS
from vramwise.ocr.results.result import Cell, OCRResult, Region, Table, Word

from tests.fixtures.write_pdf import write_pdf


class Reader:
    """Reads the colour of each page. ``broken`` colours are refused; ``ends_at`` is a kill."""

    def __init__(self, broken: Sequence[int] = (), ends_at: int = -1) -> None:
        self.broken, self.ends_at = broken, ends_at
        self.seen: list[int] = []

    def read(self, images: Sequence[Any], options: Any = None, progress: Any = None) -> Iterator[OCRResult]:
        for image in images:
            colour = int(image[0, 0, 0])
            if colour == self.ends_at:
                raise KeyboardInterrupt
            self.seen.append(colour)
            if colour in self.broken:
                raise VramwiseError(f"{colour} cannot be read.")
            yield _result(f"colour{colour}", image)


def _result(text: str, image: Any) -> OCRResult:
    box = ((2.0, 2.0), (60.0, 2.0), (60.0, 12.0), (2.0, 12.0))
    table = Table(((Cell(text), Cell("7")),))
    size = image.shape[1], image.shape[0]
    region = Region(text, box, 0, words=(Word(text, box),))
    return OCRResult(text, text, (region,), *size, "stop", "rapid", "fp32", 0.0, tables=(table,))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    pages = [Image.new("RGB", (80, 60), (colour,) * 3) for colour in (10, 20, 30)]
    pages[0].save(folder / "fax.tif", save_all=True, append_images=pages[1:])
    Image.new("RGB", (80, 60), (40, 40, 40)).save(folder / "fax.png")
    return folder


def run(scans: Path, out: Path, reader: Reader, form: str = "pdf", **more: Any) -> Any:
    return run_job([str(scans)], out, reader, JobOptions("test", form), **more)


def texts(path: Path) -> list[str]:
    document = pypdfium2.PdfDocument(path)
    try:
        return [page.get_textpage().get_text_bounded().strip() for page in document]
    finally:
        document.close()


def test_a_document_is_one_file_of_all_its_pages(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = run(scans, out, Reader())
    assert (report.read, report.failed, report.unwritten) == (4, (), ())
    assert sorted(path.name for path in out.iterdir()) == ["fax.pdf", "fax_tif.pdf", "manifest.jsonl"]
    assert texts(out / "fax_tif.pdf") == ["colour10", "colour20", "colour30"]
    assert texts(out / "fax.pdf") == ["colour40"]


def test_resuming_reads_no_page_twice(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_job([str(scans / "fax.tif")], out, _One(ends_at=30), JobOptions("test", "pdf"))
    assert not (out / "fax.pdf").exists()
    reader = _One()
    report = run_job([str(scans / "fax.tif")], out, reader, JobOptions("test", "pdf"), resume=True)
    assert (reader.seen, report.before) == ([30], 2)
    assert texts(out / "fax.pdf") == ["colour10", "colour20", "colour30"]
    assert not (out / PARTS).exists()


class _One(Reader):
    """The same, handed page by page, as from a server: what was read before a kill is kept."""

    def read_each(self, images: Any, options: Any, progress: Any) -> Iterator[OCRResult]:
        for image in images:
            yield from self.read([image])


def test_a_page_that_fails_is_shown_and_tried_again(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = run(scans, out, Reader(broken=[20]))
    assert [name.rpartition("/")[2] for name, _ in report.failed] == ["fax.tif#2"]
    assert texts(out / "fax_tif.pdf") == ["colour10", "", "colour30"]
    reader = Reader()
    run(scans, out, reader, resume=True)
    assert reader.seen == [20]
    assert texts(out / "fax_tif.pdf") == ["colour10", "colour20", "colour30"]


def test_a_document_that_is_gone_is_read_again_and_one_that_is_there_is_not(
    scans: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(scans, out, Reader())
    (out / "fax.pdf").unlink()
    reader = Reader()
    run(scans, out, reader, resume=True)
    assert reader.seen == [40] and (out / "fax.pdf").is_file()


def test_a_document_of_which_no_page_was_read_is_not_written(scans: Path, tmp_path: Path) -> None:
    run(scans, tmp_path / "out", Reader(broken=[40]))
    assert not (tmp_path / "out" / "fax.pdf").exists()


def test_a_pdf_keeps_its_pages(tmp_path: Path) -> None:
    (tmp_path / "in.pdf").write_bytes(write_pdf(["one", "two"]))
    run_job([str(tmp_path / "in.pdf")], tmp_path / "out", Reader(), JobOptions("test", "pdf"))
    with pikepdf.open(tmp_path / "in.pdf") as before, pikepdf.open(tmp_path / "out" / "in.pdf") as after:
        kept = [page.Contents[-1].read_bytes() for page in after.pages]
        assert kept == [page.Contents.read_bytes() for page in before.pages]
    assert [sorted(text.split()) for text in texts(tmp_path / "out" / "in.pdf")] == [
        ["colour255", "one"],
        ["colour255", "two"],
    ]


def test_what_pikepdf_cannot_open_becomes_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.pdf").write_bytes(write_pdf(["one", "two"]))

    def refuse(*arguments: Any, **more: Any) -> None:
        raise pikepdf.PdfError("unable to find trailer dictionary")

    monkeypatch.setattr(pikepdf, "open", refuse)
    run_job([str(tmp_path / "in.pdf")], tmp_path / "out", Reader(), JobOptions("test", "pdf"))
    assert texts(tmp_path / "out" / "in.pdf") == ["colour255", "colour255"]


def test_a_full_disk_leaves_a_job_to_go_on_with(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from vramwise.jobs import whole_documents

    def full(path: Path, write: Any) -> None:
        raise whole_documents.NotWritten(path, OSError(errno.ENOSPC, "No space left on device"))

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("vramwise.documents.searchable_pdf.write_whole_by", full)
        with pytest.raises(VramwiseError, match="--resume"):
            run(scans, out, Reader())
    assert not list(out.glob("*.pdf"))
    run(scans, out, Reader(), resume=True)
    assert texts(out / "fax_tif.pdf") == ["colour10", "colour20", "colour30"]


def test_a_workbook_has_the_tables_of_all_pages(scans: Path, tmp_path: Path) -> None:
    run(scans, tmp_path / "out", Reader(), form="xlsx")
    book = openpyxl.load_workbook(tmp_path / "out" / "fax_tif.xlsx")
    assert [(sheet.title, sheet["A1"].value, sheet["B1"].value) for sheet in book] == [
        (f"page {number} table 1", f"colour{number * 10}", 7) for number in (1, 2, 3)
    ]


def test_csv_is_a_file_a_page(scans: Path, tmp_path: Path) -> None:
    run(scans, tmp_path / "out", Reader(), form="csv")
    assert (tmp_path / "out" / "fax.csv").read_bytes() == "\ufeffcolour40,7\r\n".encode()
    assert len(list((tmp_path / "out").glob("*.csv"))) == 4


# --- texts -------------------------------------------------------------------------------------------------


def texts_of(scans: Path, out: Path, reader: Reader, form: str = "text", **more: Any) -> Any:
    return run_job([str(scans)], out, reader, JobOptions("test", form, documents=True), **more)


def test_a_document_is_one_text_with_a_form_feed_between_its_pages(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    texts_of(scans, out, Reader(broken=[20]))
    assert (out / "fax_tif.txt").read_bytes() == b"colour10\n\f\fcolour30\n"
    assert (out / "fax.txt").read_bytes() == b"colour40\n", "a page alone is written as ever"
    assert sorted(path.name for path in out.iterdir())[1:] == ["fax.txt", "fax_tif.txt", "manifest.jsonl"]
    reader = Reader()
    texts_of(scans, out, reader, resume=True)
    assert reader.seen == [20]
    assert (out / "fax_tif.txt").read_text().split("\f") == ["colour10\n", "colour20\n", "colour30\n"]
    texts_of(scans, tmp_path / "md", Reader(), "markdown")
    told = (tmp_path / "md" / "fax_tif.md").read_text()
    assert told.startswith("<!-- page 1 -->\n\ncolour10\n\n<!-- page 2 -->")


def test_a_job_that_was_begun_with_a_file_a_page_goes_on_so(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_job([str(scans / "fax.tif")], out, _One(ends_at=30), JobOptions("test"))
    reader = _One()
    texts_of(scans / "fax.tif", out, reader, resume=True)
    assert reader.seen == [30]
    assert sorted(path.name for path in out.glob("*.txt")) == [f"fax_p00{number}.txt" for number in (1, 2, 3)]
