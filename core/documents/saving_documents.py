"""Pages of a graph as documents: a searchable PDF of their pictures, a workbook of their tables, or their
texts in one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic_files import NotWritten, write_whole
from ..cancel import watched
from ..errors import VramwiseError
from ..ocr.results.result import OCRResult, Table
from ..ocr.results.written_tables import tables_in, tables_of
from .continued_tables import document_tables
from .page_pictures import of_pixels
from .saving import content
from .searchable_pdf import SearchablePdf
from .table_files import csv_of, table_of_csv, write_workbook

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

_NUMBER = re.compile(r"_p\d{3,}$")


@dataclass(frozen=True)
class DocumentPage:
    """A page: its text, what a reading gave of it (None: the text is all), and what makes its picture, uint8
    RGB (height, width, 3), when it is needed (None: there is none).
    """

    text: str
    result: OCRResult | None
    picture: Callable[[], NDArray[uint8]] | None


def document_names(names: Sequence[str]) -> list[str]:
    """The document that each page is of, by names as Load Pages gives them: scan_p001, scan_p002 are scan."""
    return [_NUMBER.sub("", name) or name for name in names]


def save_document(
    folder: Path,
    stem: str,
    form: str,
    pages: Sequence[DocumentPage],
    tell: Callable[[str], object] = lambda note: None,
) -> Path:
    """Write ``stem.form`` with all ``pages``, and ``tell`` what it does not hold of them, a sentence each.

    Raises VramwiseError where a package is missing and where the folder cannot be written.
    """
    path = folder / f"{stem}.{form}"
    try:
        if form == "xlsx":
            numbered = [(number, _result(page, 1, 1)) for number, page in enumerate(pages, 1)]
            for note in write_workbook(path, numbered):
                tell(note)
        elif form == "pdf":
            _write_pdf(path, pages)
        else:
            write_whole(path, _one_text(pages, form))
    except NotWritten as error:
        raise VramwiseError(
            f"{error} Free space on the disk, or let ComfyUI write to that folder."
        ) from error
    return path


def joined_texts(texts: Sequence[str], form: str) -> str:
    """The text of all pages: between two of them a form feed, as pdftotext and Tesseract write it, in
    markdown ("md") before each a comment with the page's number.
    """
    if form != "md":
        return "\f".join(texts)
    return "\n\n".join(f"<!-- page {number} -->\n\n{text}" for number, text in enumerate(texts, 1)) + "\n"


def _one_text(pages: Sequence[DocumentPage], form: str) -> bytes:
    """All pages as one file: of "csv" all tables, of "json" a list with an entry a page."""
    if form == "csv":
        numbered = ((number, _result(page, 1, 1)) for number, page in enumerate(pages, 1))
        return content(csv_of([one.table for one in document_tables(numbered)]), form)
    if form == "json":
        return b"[\n" + b",\n".join(content(page.text, form) for page in pages) + b"\n]\n"
    ends = "\n" if form == "txt" else ""
    return content(joined_texts([f"{page.text}{ends}" for page in pages], form), form)


def csv_text(page: DocumentPage) -> str:
    """The tables of a page as CSV; "" where it has none."""
    return csv_of(tables_of(page.result) if page.result is not None else _tables(page.text))


def _tables(text: str) -> tuple[Table, ...]:
    """Of a text alone: a table as the tables of OCR Inference have it, else those written in it."""
    table = table_of_csv(text)
    return tuple(tables_in(text)) if table is None else (table,)


def _write_pdf(path: Path, pages: Sequence[DocumentPage]) -> None:
    pdf = SearchablePdf(path.stem)
    try:
        for page in watched(pages, 1):
            if page.picture is None:
                raise VramwiseError(
                    'format "pdf" shows the pages: connect their images to image, one for each text.'
                )
            picture = of_pixels(page.picture())
            pdf.add_picture(picture, _result(page, picture.width, picture.height))
        pdf.write(path)
    finally:
        pdf.close()


def _result(page: DocumentPage, width: int, height: int) -> OCRResult:
    """The reading, or the text as one: without places, for a picture of that size."""
    if page.result is not None:
        return page.result
    tables = _tables(page.text)
    return OCRResult(page.text, page.text, (), width, height, "stop", "text", "none", 0.0, tables=tables)
