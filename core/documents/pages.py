"""Pages from a PDF, a multi-page TIFF, a picture or a folder of those, one in memory at a time."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import VramwiseError
from ..ocr.images import decoder_reason, fit_pixels, from_pil
from ..option_values import ON_BROKEN, check_choice
from ..units import MIB
from .page_ranges import page_numbers
from .safe_names import storable_stem

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

DEFAULT_DPI = 150
POINTS_PER_INCH = 72
REOPEN_AFTER = 64  # pages: pdfium keeps what it has parsed for as long as a document is open
HEAD_BYTES = MIB
TRAILER_BYTES = 4096  # a whole PDF ends in %%EOF; Acrobat looks for it in the last 1024 bytes
PICTURES = frozenset([".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"])
_pdfium = threading.Lock()  # pdfium may be entered by one thread at a time, whatever the file


@dataclass(frozen=True)
class Page:
    """A page that can be read. ``name`` is unique in its book and can be stored on every system; ``index``
    counts from 0 in ``file``.

    ``height`` and ``width`` are those of the picture that reading gives; ``scale`` is pixels per point in a
    PDF and None for pictures.
    """

    name: str
    file: Path
    index: int
    height: int
    width: int
    scale: float | None = None


@dataclass(frozen=True)
class _Place:
    """Where a page should be, before anybody has looked; ``problem`` where its file cannot be opened."""

    name: str
    file: Path
    index: int = 0
    problem: str = ""


class Book:
    """The chosen pages of a file or folder, checked and not kept: each is rendered when it is asked for.

    ``problems`` are sentences about pages that were left out.
    """

    def __init__(self, pages: tuple[Page, ...], problems: tuple[str, ...], max_pixels: int | None) -> None:
        self.pages, self.problems = pages, problems
        self._max_pixels = max_pixels
        self._files = PageFiles()

    def __len__(self) -> int:
        return len(self.pages)

    def __iter__(self) -> Iterator[tuple[Page, NDArray[uint8]]]:
        """Every page with its picture, in order; one picture is held at a time."""
        return ((page, self.read(page)) for page in self.pages)

    def read(self, page: Page) -> NDArray[uint8]:
        """The picture of a page: uint8 RGB (height, width, 3), transparency over white.

        Raises VramwiseError where the file has changed or gone since the book was opened.
        """
        if page.scale is None:
            picture = fit_pixels(self._files.frame(page.file, page.index), self._max_pixels)
        else:
            picture = self._files.render(page.file, page.index, page.scale)
        if picture.shape != (page.height, page.width, 3):
            raise VramwiseError(f"{page.file.name} has changed since it was loaded. Run the workflow again.")
        return picture


def open_book(
    path: Path,
    pages: str = "",
    dpi: int = DEFAULT_DPI,
    max_pixels: int | None = None,
    on_broken: str = "skip",
    inside: Path | None = None,
) -> Book:
    """The pages of ``path``: in a folder those of its PDFs and pictures (not of folders in it), by name with
    numbers in their order (page 2 before page 10).

    ``dpi`` is for PDFs; a page larger than ``max_pixels`` is made smaller. Every page is looked at once, so
    that the broken are known now: "stop" raises VramwiseError at the first, "skip" leaves it out and says so.
    Files that lead out of the folder ``inside`` by a link count as broken.
    """
    check_choice("on_broken", on_broken, ON_BROKEN)
    places = _unique(_places(path, inside))
    if not places:
        raise VramwiseError(f"The folder {path.name} holds no PDF and no picture. Put some there.")
    files = PageFiles()
    found: list[Page] = []
    problems: list[str] = []
    for number in page_numbers(pages, len(places)):
        try:
            found.append(_checked(places[number], files, dpi, max_pixels))
        except VramwiseError as error:
            if on_broken == "stop":
                raise
            problems.append(str(error))
    problems = list(dict.fromkeys(problems))
    if not found:
        raise VramwiseError(" ".join(problems[:3]))
    return Book(tuple(found), tuple(problems), max_pixels)


def files_of(path: Path) -> list[Path]:
    """``path`` itself, or the PDFs and pictures of a folder, in the order of their pages."""
    if not path.is_dir():
        return [path]
    wanted = [file for file in path.iterdir() if file.suffix.lower() in PICTURES | {".pdf"}]
    return sorted((file for file in wanted if not file.is_dir()), key=lambda file: natural(file.name))


def natural(name: str) -> tuple[Any, ...]:
    """A key that sorts numbers inside names by value; capitals matter only where nothing else differs."""
    pieces = re.split(r"([0-9]+)", name.casefold())
    return tuple(int(piece) if at % 2 else piece for at, piece in enumerate(pieces)), name


class PageFiles:
    """The file asked for last, kept open: opening a PDF of a thousand pages takes as long as rendering one,
    and a TIFF is searched from its first page.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: Any = None
        self._used = 0

    def count(self, path: Path) -> int:
        """How many pages ``path`` has. Of pictures only TIFF has pages; one that moves counts as one."""
        with _pdfium:
            opened = self._open(path)
            if _is_pdf(path):
                return len(opened)
            with _as_picture(path):
                return int(getattr(opened, "n_frames", 1)) if opened.format == "TIFF" else 1

    def size(self, path: Path, index: int) -> tuple[float, float]:
        """Width and height of a PDF's page in points, as it is turned; raises where it cannot be parsed."""
        with _pdfium:
            page = self._page(path, index)
            try:
                width, height = page.get_size()
                return float(width), float(height)
            finally:
                page.close()

    def render(self, path: Path, index: int, scale: float) -> NDArray[uint8]:
        """A PDF's page at ``scale`` pixels a point."""
        import numpy as np

        with _pdfium:
            page = self._page(path, index)
            try:
                bitmap = page.render(scale=scale, rev_byteorder=True)
                pixels = np.ascontiguousarray(bitmap.to_numpy()[..., :3])  # RGB, or RGBX
                bitmap.close()
                return pixels
            finally:
                page.close()

    def frame(self, path: Path, index: int) -> NDArray[uint8]:
        """A picture, or one page of a TIFF."""
        from PIL import ImageOps

        with _pdfium, _as_picture(path):
            picture = self._open(path)
            picture.seek(index)
            picture.load()
            return from_pil(ImageOps.exif_transpose(picture))

    def read(self, path: Path, index: int, dpi: int = DEFAULT_DPI) -> NDArray[uint8]:
        """Page ``index`` of any file, uint8 RGB (height, width, 3); ``dpi`` is for PDFs."""
        return self.render(path, index, dpi / POINTS_PER_INCH) if _is_pdf(path) else self.frame(path, index)

    def _page(self, path: Path, index: int) -> Any:
        from pypdfium2 import PdfiumError

        try:
            return self._open(path)[index]
        except (PdfiumError, IndexError) as error:
            raise VramwiseError(
                f"Page {index + 1} of {path.name} is damaged and cannot be loaded. Save the PDF anew with a "
                "PDF reader, or leave the page out."
            ) from error

    def _open(self, path: Path) -> Any:
        self._used += 1
        if path != self._path or self._used > REOPEN_AFTER:
            if self._file is not None:
                self._file.close()
            self._file = self._path = None
            self._file, self._path, self._used = _open(path), path, 1
        return self._file


def _open(path: Path) -> Any:
    if _is_pdf(path):
        return _open_pdf(path)
    from PIL import Image

    with _as_picture(path):
        return Image.open(path)


def _open_pdf(path: Path) -> Any:
    import pypdfium2
    from pypdfium2 import raw

    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, path.stat().st_size - TRAILER_BYTES))
        whole = b"%%EOF" in file.read()
    if not whole:  # pdfium may mend such a file, and shows what is lost as empty pages
        raise VramwiseError(
            f"{path.name} is cut short: the end of the PDF is missing. Get the whole file again."
        )
    try:
        document = pypdfium2.PdfDocument(path)
        document.init_forms()  # before any page: what was filled in is drawn on pages opened later only
        return document
    except pypdfium2.PdfiumError as error:
        # asked first: pdfium opens no such file and leaves the code of an earlier error
        if re.search(rb"/Count\s+0\b", head) and not re.search(rb"/Type\s*/Page\b", head):
            raise _without_pages(path) from error
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise VramwiseError(
                f"{path.name} is locked with a password. Save a copy without one; "
                "a workflow is no place for a password."
            ) from error
        raise VramwiseError(
            f"{path.name} is damaged and cannot be opened as a PDF. Get the file again."
        ) from error


def _without_pages(path: Path) -> VramwiseError:
    return VramwiseError(f"{path.name} is a PDF without pages. There is nothing to load.")


def page_suffix(index: int, count: int) -> str:
    """What a page's name ends in: "_p003" for ``index`` 2 of ``count``, nothing for a file of one page."""
    return "" if count == 1 else f"_p{index + 1:0{max(3, len(str(count)))}d}"


def _places(path: Path, inside: Path | None) -> list[_Place]:
    files = PageFiles()
    places: list[_Place] = []
    for file in files_of(path):
        stem = storable_stem(file.stem)
        try:
            _check_file(file, inside)
            count = files.count(file)
            if count == 0:
                raise _without_pages(file)
        except VramwiseError as error:
            places.append(_Place(stem, file, 0, str(error)))
            continue
        places += [_Place(stem + page_suffix(index, count), file, index) for index in range(count)]
    return places


def _check_file(file: Path, inside: Path | None) -> None:
    """Refuse what leads out of ``inside`` by a link, and what is no file: opening a named pipe never ends."""
    try:
        real = file.resolve()
    except (OSError, RuntimeError) as error:  # a ring of links: RuntimeError before Python 3.13
        raise VramwiseError(f"{file.name} is a link that leads nowhere.") from error
    if inside is not None and inside.resolve() not in real.parents:
        raise VramwiseError(
            f"{file.name} leads out of the {inside.name} folder by a link, so it is not read."
        )
    if not real.is_file():
        raise VramwiseError(f"{file.name} is not a file that can be read.")


def _unique(places: list[_Place]) -> list[_Place]:
    """Names that tell pages apart also where case does not: scan.png and scan.jpg become scan, scan_jpg."""
    taken: set[str] = set()
    named = []
    for place in places:
        name, number = place.name, 2
        if name.casefold() in taken:
            name = f"{place.name}_{place.file.suffix.lstrip('.').lower()}"
        while name.casefold() in taken:
            name, number = f"{place.name}_{number}", number + 1
        taken.add(name.casefold())
        named.append(_Place(name, place.file, place.index, place.problem))
    return named


def _checked(place: _Place, files: PageFiles, dpi: int, max_pixels: int | None) -> Page:
    if place.problem:
        raise VramwiseError(place.problem)
    if not _is_pdf(place.file):
        height, width = fit_pixels(files.frame(place.file, place.index), max_pixels).shape[:2]
        return Page(place.name, place.file, place.index, height, width)
    across, down = files.size(place.file, place.index)
    scale = dpi / POINTS_PER_INCH
    if max_pixels is not None:
        scale = min(scale, math.sqrt(max_pixels / max(1.0, across * down)))
    # as pypdfium2's PdfPage.render rounds
    height, width = math.ceil(down * scale), math.ceil(across * scale)
    return Page(place.name, place.file, place.index, height, width, scale)


def _is_pdf(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return b"%PDF-" in stream.read(1024) or file.suffix.lower() == ".pdf"
    except OSError as error:
        raise VramwiseError(f"{file.name} cannot be opened: {error.strerror}.") from error


@contextmanager
def _as_picture(file: Path) -> Iterator[None]:
    """What Pillow says about a file that it cannot read, as a sentence."""
    try:
        yield
    except VramwiseError:
        raise
    except Exception as error:  # of a spoiled file Pillow raises whatever its decoder ran into, TypeError too
        raise VramwiseError(
            f"{file.name} cannot be read as a picture: {decoder_reason(error, file)}. "
            "Save it again as PNG or JPEG."
        ) from error
