"""Pages of a graph as documents: a searchable PDF of their pictures, or a workbook of their tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic_files import NotWritten
from ..cancel import watched
from ..errors import VramwiseError
from ..ocr.results.result import OCRResult
from ..ocr.results.written_tables import tables_in, tables_of
from .page_pictures import of_pixels
from .searchable_pdf import SearchablePdf
from .table_files import csv_of, write_workbook

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


def save_document(folder: Path, stem: str, form: str, pages: Sequence[DocumentPage]) -> Path:
    """Write ``stem.form`` ("pdf" or "xlsx") with all ``pages``.

    Raises VramwiseError where a package is missing and where the folder cannot be written.
    """
    path = folder / f"{stem}.{form}"
    try:
        if form == "xlsx":
            write_workbook(path, [(number, _result(page, 1, 1)) for number, page in enumerate(pages, 1)])
        else:
            _write_pdf(path, pages)
    except NotWritten as error:
        raise VramwiseError(
            f"{error} Free space on the disk, or let ComfyUI write to that folder."
        ) from error
    return path


def csv_text(page: DocumentPage) -> str:
    """The tables of a page as CSV; "" where it has none."""
    return csv_of(tables_of(page.result) if page.result is not None else tuple(tables_in(page.text)))


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
    return OCRResult(page.text, page.text, (), width, height, "stop", "text", "none", 0.0)
