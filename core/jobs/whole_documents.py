"""Files that hold a whole document, a PDF, a workbook or a text: its pages are kept one by one while a job
reads them, and put together when the last is read.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from ..atomic_files import NotWritten, write_whole
from ..documents.page_pictures import of_file, of_pixels
from ..documents.pages import PageFiles
from ..documents.pdf_files import is_pdf
from ..documents.saving_documents import joined_texts
from ..documents.searchable_pdf import SearchablePdf
from ..documents.table_files import write_workbook
from ..errors import VramwiseError
from ..ocr.results.from_json import parse_json, result_from_dict
from ..ocr.results.result import OCRResult
from .inputs import JobPage, document_key

log = logging.getLogger("vramwise.jobs")
PARTS = ".vramwise-pages"


class Documents:
    """The documents of a job. A page that was read is kept by itself, below PARTS in the job's folder, until
    the file that holds its document is written with all of its pages.
    """

    def __init__(
        self, pages: Sequence[JobPage], out: Path, form: str, ending: str, dpi: int, files: PageFiles
    ) -> None:
        self._out, self._form, self._ending, self._dpi, self._files = out, form, ending, dpi, files
        self._pages: dict[str, list[JobPage]] = {}
        for page in pages:
            self._pages.setdefault(document_key(page.key), []).append(page)
        self._waiting: dict[str, set[str]] = {}

    def there(self, read: Collection[str]) -> set[str]:
        """The keys of those pages of ``read`` (by the manifest) that need not be read again: their document
        is whole, or they are kept. What was kept for a document that is whole goes.
        """
        there: set[str] = set()
        for pages in self._pages.values():
            keys = {page.key for page in pages}
            if keys <= set(read) and self._target(pages).is_file():
                there |= keys
                self._forget(pages)
            else:
                there |= {page.key for page in pages if page.key in read and self._kept(page).is_file()}
        return there

    def finish_those_without(self, todo: Iterable[JobPage]) -> list[tuple[str, str]]:
        """Write the documents of which every page is kept, and wait for the pages ``todo`` of the others.
        Gives (document, sentence) of what could not be written.
        """
        for page in todo:
            self._waiting.setdefault(document_key(page.key), set()).add(page.key)
        failed = []
        for key, pages in self._pages.items():
            if key not in self._waiting and not self._target(pages).is_file():
                failed += self._finish(pages)
        return failed

    def keep(self, page: JobPage, result: OCRResult) -> None:
        """Raises NotWritten."""
        text = json.dumps(result.to_dict(exact=True), ensure_ascii=False)
        write_whole(self._kept(page), text.encode("utf-8", "replace"))

    def page_done(self, page: JobPage) -> list[tuple[str, str]]:
        """Write the document if ``page`` was the last that it waited for; as ``finish_those_without``."""
        key = document_key(page.key)
        self._waiting[key].discard(page.key)
        return [] if self._waiting[key] else self._finish(self._pages[key])

    def _finish(self, pages: Sequence[JobPage]) -> list[tuple[str, str]]:
        results = [self._result(page) for page in pages]
        if not any(results):
            return []  # each of its pages has failed
        target = self._target(pages)
        try:
            write_document(pages, results, self._form, target, self._files, self._dpi)
        except NotWritten as error:
            if error.disk_full:
                raise disk_is_full(error) from error
            return [(target.name, f"{error} See what is there; --resume tries again.")]
        except VramwiseError as error:
            return [(target.name, f"{error} Its pages are kept; --resume tries again.")]
        if all(results):
            self._forget(pages)
        return []

    def _result(self, page: JobPage) -> OCRResult | None:
        """What was kept of a page; None where nothing was, or where it is damaged."""
        try:
            return result_from_dict(parse_json(self._kept(page).read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, VramwiseError) as error:
            log.warning("%s cannot be used: %s", self._kept(page), error)
            return None

    def _target(self, pages: Sequence[JobPage]) -> Path:
        return self._out / f"{pages[0].stem}.{self._ending}"

    def _kept(self, page: JobPage) -> Path:
        # with an ending, so that the pages of "a" and a document "a/b" stay apart
        return self._out / PARTS / f"{page.stem}.pages" / f"{page.index + 1}.json"

    def _forget(self, pages: Sequence[JobPage]) -> None:
        folder = self._kept(pages[0]).parent
        shutil.rmtree(folder, ignore_errors=True)
        while (folder := folder.parent) != self._out:
            try:
                folder.rmdir()  # where it is empty
            except OSError:
                return


def disk_is_full(error: NotWritten) -> VramwiseError:
    return VramwiseError(f"{error} Free space on the disk and go on with --resume.")


def write_document(
    pages: Sequence[JobPage],
    results: Sequence[OCRResult | None],
    form: str,
    target: Path,
    files: PageFiles,
    dpi: int,
) -> None:
    """All ``pages`` of one file as ``target``; of a page without a result only what it shows.

    Raises NotWritten where the disk does not take it, VramwiseError where it cannot be made.
    """
    if form in ("text", "markdown"):
        write_whole(target, joined_text(results, form).encode("utf-8", "replace"))
        return
    if form == "xlsx":
        numbered = [(page.index + 1, result) for page, result in zip(pages, results, strict=True) if result]
        for note in write_workbook(target, numbered):
            log.warning("%s", note)
        return
    copy = _copy_of(pages)
    with closing(SearchablePdf(pages[0].file.stem) if copy is None else copy) as pdf:
        if copy is None:
            _add_pictures(pdf, pages, results, files, dpi)
        else:
            for page, result in zip(pages, results, strict=True):
                if result is not None:
                    pdf.add_text(page.index, result)
        pdf.write(target)
        for note in pdf.notes:
            log.warning("%s", note)


def joined_text(results: Sequence[OCRResult | None], form: str) -> str:
    """The text of all pages in one. Of a page that could not be read nothing but its mark stands there."""
    if form == "text":
        return joined_texts(["" if one is None else f"{one.text}\n" for one in results], "txt")
    return joined_texts(["" if one is None else one.markdown for one in results], "md")


def _copy_of(pages: Sequence[JobPage]) -> SearchablePdf | None:
    """The PDF that the pages are from; None for other files, and where it must be drawn."""
    file = pages[0].file
    if not is_pdf(file):
        return None
    try:
        pdf = SearchablePdf(file.stem, file)
    except VramwiseError as error:
        log.warning("%s Its pages become pictures.", error)
        return None
    if len(pdf) != len(pages):
        log.warning(
            "pikepdf finds %d pages in %s where pdfium shows %d: they become pictures.",
            *(len(pdf), file.name, len(pages)),
        )
        pdf.close()
        return None
    return pdf


def _add_pictures(
    pdf: SearchablePdf,
    pages: Sequence[JobPage],
    results: Sequence[OCRResult | None],
    files: PageFiles,
    dpi: int,
) -> None:
    for page, result in zip(pages, results, strict=True):
        try:
            pixels = files.read(page.file, page.index, dpi)
        except VramwiseError as error:
            if result is not None:
                raise
            log.warning("%s is not in the PDF: %s", page.name, error)
            continue
        drawn = is_pdf(page.file)
        pdf.add_picture(
            of_pixels(pixels, (dpi, dpi)) if drawn else of_file(page.file, page.index, pixels), result
        )
