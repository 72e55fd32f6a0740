"""PDFs: opened as browsers open them, one page drawn at a time."""

from __future__ import annotations

import io
import re
import threading
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..cancel import cancel_point
from ..errors import VramwiseError
from ..units import MIB

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

HEAD_BYTES = MIB
PDFIUM_HEAD, PDFIUM_TAIL = 1024, 4096  # where pdfium looks for %PDF- and for startxref
TAIL_BYTES = 64 * MIB  # how far before the end of a file the end of its PDF is looked for
# pdfium may be entered by one thread at a time, whatever the file
pdfium_lock = threading.RLock()


class PdfFile:
    """An open PDF. ``mended``: its end is missing and pdfium made do, which shows what is lost as empty
    pages.

    Raises VramwiseError where pdfium cannot open it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with pdfium_lock:
            self._document, self.mended = _open_pdf(path)

    def __len__(self) -> int:
        with pdfium_lock:
            return len(self._document)

    def close(self) -> None:
        with pdfium_lock:
            self._document.close()

    def size(self, index: int) -> tuple[float, float]:
        """Width and height of a page in points, as it is turned; raises where it cannot be parsed."""
        with pdfium_lock:
            page = self._page(index)
            try:
                width, height = page.get_size()
                return float(width), float(height)
            finally:
                page.close()

    def render(self, index: int, scale: float) -> NDArray[uint8]:
        """A page at ``scale`` pixels a point."""
        import numpy as np

        with pdfium_lock:
            page = self._page(index)
            try:
                bitmap = page.render(scale=scale, rev_byteorder=True)
                pixels = np.ascontiguousarray(bitmap.to_numpy()[..., :3])  # RGB, or RGBX
                bitmap.close()
                return pixels
            finally:
                page.close()

    def text_boxes(self, index: int) -> list[tuple[float, float, float, float]]:
        """(left, bottom, right, top) of each letter that a page has as text, in its points as it is stored,
        whatever its turn. None of a page that cannot be parsed.
        """
        import ctypes

        from pypdfium2 import PdfiumError, raw

        found: list[tuple[float, float, float, float]] = []
        with pdfium_lock:
            try:
                page = self._page(index)
            except VramwiseError:
                return found
            with closing(page):
                try:
                    text = page.get_textpage()
                except PdfiumError:
                    return found
                with closing(text):
                    sides = [ctypes.c_double() for _ in range(4)]
                    for number in range(max(0, raw.FPDFText_CountChars(text.raw))):
                        cancel_point()
                        if chr(raw.FPDFText_GetUnicode(text.raw, number) or 32).isspace():
                            continue
                        if raw.FPDFText_GetCharBox(text.raw, number, *sides):
                            left, right, bottom, top = (side.value for side in sides)
                            found.append((left, bottom, right, top))
        return found

    def _page(self, index: int) -> Any:
        from pypdfium2 import PdfiumError, raw

        try:
            page = self._document[index]
        except (PdfiumError, IndexError) as error:
            raise VramwiseError(
                f"Page {index + 1} of {self.path.name} is damaged and cannot be loaded. Save the PDF anew "
                "with a PDF reader, or leave the page out."
            ) from error
        if self.mended and raw.FPDFPage_CountObjects(page) == 0:
            page.close()
            raise VramwiseError(
                f"Page {index + 1} of {self.path.name} is empty, and the end of the PDF is missing: what was "
                "on it may be lost. Get the whole file again."
            )
        return page


def is_pdf(file: Path) -> bool:
    """Whether ``file`` is a PDF, by its first bytes or its ending."""
    if file.suffix.lower() == ".pdf":
        return True
    try:
        with file.open("rb") as stream:
            return b"%PDF-" in stream.read(PDFIUM_HEAD)
    except OSError as error:
        raise VramwiseError(f"{file.name} cannot be opened: {error.strerror}.") from error


def _open_pdf(path: Path) -> tuple[Any, bool]:
    import pypdfium2
    from pypdfium2 import raw

    size = path.stat().st_size
    if size == 0:
        raise VramwiseError(f"{path.name} is damaged: it is empty (0 bytes). Get the file again.")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        begin, end, ended = _extent(file, head, size)
    try:
        document = _document(path, begin, end, size)
        document.init_forms()  # before any page: what was filled in is drawn on pages opened later only
        return document, not ended
    except pypdfium2.PdfiumError as error:
        # asked first: pdfium opens no such file and leaves the code of an earlier error
        if re.search(rb"/Count\s+0\b", head) and not re.search(rb"/Type\s*/Page\b", head):
            raise without_pages(path) from error
        # pypdfium2 before 5 keeps pdfium's code in words alone
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD or "password" in str(error).lower():
            raise VramwiseError(
                f"{path.name} is locked with a password. Save a copy without one; "
                "a workflow is no place for a password."
            ) from error
        if b"%PDF-" in head and not ended:
            raise VramwiseError(
                f"{path.name} is cut short: the end of the PDF is missing. Get the whole file again."
            ) from error
        raise VramwiseError(
            f"{path.name} is damaged and cannot be opened as a PDF. Get the file again."
        ) from error


def without_pages(path: Path) -> VramwiseError:
    return VramwiseError(f"{path.name} is a PDF without pages. There is nothing to load.")


def _document(path: Path, begin: int, end: int, size: int) -> Any:
    """pdfium's document of a part of a file, or of all of it where it opens no part."""
    import pypdfium2

    if (begin, end) != (0, size):
        part = _Part(path.open("rb"), begin, end)
        try:
            return pypdfium2.PdfDocument(part, autoclose=True)
        except pypdfium2.PdfiumError:
            part.close()
    try:
        return pypdfium2.PdfDocument(path)
    except UnicodeEncodeError:  # before 5 it takes no name that is no Unicode
        return pypdfium2.PdfDocument(path.open("rb"), autoclose=True)


def _extent(file: IO[bytes], head: bytes, size: int) -> tuple[int, int, bool]:
    """Where the PDF begins and ends in its file, and whether its end is there.

    Mail, portals and scanners write before and behind it. pdfium looks for the first line in 1024 bytes and
    for the last in 4096, and else pieces the file together from what it finds.
    """
    begin = head.find(b"%PDF-")
    begin = begin if begin >= PDFIUM_HEAD else 0
    for reach in (PDFIUM_TAIL, TAIL_BYTES):
        low = max(0, size - reach)
        file.seek(low)
        tail = file.read()
        last, table, body = (tail.rfind(word) for word in (b"%%EOF", b"startxref", b"endobj"))
        if max(last, table) >= 0:
            break
    ended = max(last, table) > body >= 0 or (body < 0 and last >= 0)
    if last > max(table, body) and len(tail) - last > PDFIUM_HEAD:
        return begin, low + last + len(b"%%EOF\n"), True
    return begin, size, ended


class _Part(io.RawIOBase):
    """Bytes ``begin`` to ``end`` of an open file, as a file."""

    def __init__(self, file: IO[bytes], begin: int, end: int) -> None:
        super().__init__()
        self._file, self._begin, self._end = file, begin, end
        file.seek(begin)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: self._begin, io.SEEK_CUR: self._file.tell(), io.SEEK_END: self._end}[whence]
        return self._file.seek(max(self._begin, start + offset)) - self._begin

    def tell(self) -> int:
        return self._file.tell() - self._begin

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._file.read(max(0, min(len(view), self._end - self._file.tell())))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
