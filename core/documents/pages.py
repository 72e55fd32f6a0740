"""Pages from a PDF, a multi-page TIFF, a picture or a folder of those, one in memory at a time."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import VramwiseError
from ..ocr.images import MAX_SIDE, fit_pixels
from ..option_values import FRAMES, ON_BROKEN, check_choice
from ..pictures.decode import MOST_PIXELS, Decoded, Frames, decode
from ..pictures.tiff_pages import is_tiff, tiff_pages
from .folders import FolderFiles, files_of
from .page_ranges import page_numbers
from .pdf_files import PdfFile, is_pdf, without_pages
from .safe_names import storable_stem

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

log = logging.getLogger("vramwise.pages")
DEFAULT_DPI = 150
POINTS_PER_INCH = 72
REOPEN_AFTER = 64  # pages: pdfium keeps what it has parsed for as long as a document is open


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

    ``problems`` are sentences about pages and files that were left out, ``notes`` about pages that hold less
    than their file.
    """

    def __init__(
        self,
        pages: tuple[Page, ...],
        problems: tuple[str, ...],
        max_pixels: int | None,
        frames: str = FRAMES[0],
        notes: tuple[str, ...] = (),
    ) -> None:
        self.pages, self.problems, self.notes = pages, problems, notes
        self._max_pixels = max_pixels
        self._files = PageFiles(frames)

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
            picture = fit_pixels(self._files.decoded(page.file, page.index).pixels, self._max_pixels)
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
    subfolders: bool = False,
    frames: str = FRAMES[0],
) -> Book:
    """The pages of ``path``: in a folder those of its PDFs and pictures (with ``subfolders`` of folders in it
    too), by name with numbers in their order (page 2 before page 10). Of a picture that moves ``frames`` are
    "first" or "all". A file of the folder that is neither is named in ``problems`` with the reason.

    ``dpi`` is for PDFs; a page larger than ``max_pixels`` is made smaller. Every page is looked at once, so
    that the broken are known now: "stop" raises VramwiseError at the first, "skip" leaves it out and says so.
    Files that lead out of the folder ``inside`` by a link count as broken.
    """
    check_choice("on_broken", on_broken, ON_BROKEN)
    files = PageFiles(frames)
    listed = files_of(path, subfolders)
    places = _unique(_places(path, files, listed, inside))
    if not places:
        held = f" It holds {'; '.join(listed.sentences())}."[:500] if listed.others else ""
        raise VramwiseError(f"The folder {path.name} holds no PDF and no picture.{held} Put some there.")
    found: list[Page] = []
    problems: list[str] = []
    notes: list[str] = []
    for number in page_numbers(pages, len(places)):
        try:
            page, note = _checked(places[number], files, dpi, max_pixels)
            found.append(page)
            notes += [note] if note else []
        except VramwiseError as error:
            if on_broken == "stop":
                raise
            problems.append(str(error))
    problems = list(dict.fromkeys(problems))
    if not found:
        raise VramwiseError(" ".join(problems[:3]))
    return Book(tuple(found), (*problems, *listed.sentences()), max_pixels, frames, tuple(notes))


class PageFiles:
    """The file asked for last, kept open: opening a PDF of a thousand pages takes as long as rendering one,
    a TIFF's pages are found in one walk, and the next frame of an animation is cheaper than any other.

    ``frames``: "first" for one page of a picture that moves, "all" for each of its frames.
    """

    def __init__(self, frames: str = FRAMES[0]) -> None:
        check_choice("frames", frames, FRAMES)
        self._all_frames = frames == "all"
        self._known: tuple[Path, int, int] | None = None
        self._file: Any = None
        self._used = 0
        self._lock = threading.RLock()

    def count(self, path: Path) -> int:
        """How many pages ``path`` has."""
        with self._lock:
            return len(self._open(path))

    def chain_problem(self, path: Path) -> str:
        """A sentence where a TIFF's list of pages breaks off, so that there may be more than were counted."""
        with self._lock:
            opened = self._open(path)
            if isinstance(opened, TiffFile) and opened.wrong:
                return (
                    f"After page {len(opened)} {path.name} is damaged ({opened.wrong}); what follows is not "
                    "read. Save it again as TIFF or PDF."
                )
            return ""

    def size(self, path: Path, index: int) -> tuple[float, float]:
        """Width and height of a PDF's page in points, as it is turned; raises where it cannot be parsed."""
        with self._lock:
            width, height = self._open(path).size(index)
            return float(width), float(height)

    def render(self, path: Path, index: int, scale: float) -> NDArray[uint8]:
        """A PDF's page at ``scale`` pixels a point."""
        with self._lock:
            pixels: NDArray[uint8] = self._open(path).render(index, scale)
            return pixels

    def decoded(self, path: Path, index: int) -> Decoded:
        """A picture, or one page of a TIFF, or one frame of what moves."""
        with self._lock:
            found: Decoded = self._open(path).decode(index)
            return found

    def read(self, path: Path, index: int, dpi: int = DEFAULT_DPI) -> NDArray[uint8]:
        """Page ``index`` of any file, uint8 RGB (height, width, 3); ``dpi`` is for PDFs."""
        if not is_pdf(path):
            found = self.decoded(path, index)
            if found.note:
                log.warning("%s", found.note)
            return found.pixels
        return self.render(path, index, pdf_scale(*self.size(path, index), dpi))

    def _open(self, path: Path) -> Any:
        try:
            status = path.stat()
            known = (path, status.st_size, status.st_mtime_ns)
            self._used += 1
            if known != self._known or (self._used > REOPEN_AFTER and isinstance(self._file, PdfFile)):
                if self._file is not None:
                    self._file.close()
                self._file = self._known = None
                self._file, self._known, self._used = self._opened(path), known, 1
        except OSError as error:
            raise VramwiseError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
        return self._file

    def _opened(self, path: Path) -> Any:
        if is_pdf(path):
            return PdfFile(path)
        if is_tiff(path):
            return TiffFile(path)
        try:
            moving = Frames(path)
        except VramwiseError:
            decode(path)  # may be read otherwise; if not, it says why
            return Picture(path)
        if self._all_frames and len(moving) > 1:
            return moving
        moving.close()
        return Picture(path)


class Picture:
    """A picture's file of one page."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __len__(self) -> int:
        return 1

    def decode(self, index: int) -> Decoded:
        return decode(self._path)

    def close(self) -> None:
        """Nothing is kept open."""


class TiffFile:
    """A TIFF's pages, found in one walk; ``wrong`` says where their list breaks off."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._pages, self.wrong = tiff_pages(file)
        self._path = path
        if not self._pages:
            decode(path)  # says why
            raise VramwiseError(f"{path.name} is a TIFF without pages. There is nothing to load.")

    def __len__(self) -> int:
        return len(self._pages)

    def decode(self, index: int) -> Decoded:
        if index >= len(self._pages):
            raise VramwiseError(f"{self._path.name} has changed since it was loaded. Run the workflow again.")
        return decode(self._path, self._pages[index])

    def close(self) -> None:
        """Nothing is kept open."""


def pdf_scale(across: float, down: float, dpi: float, max_pixels: int | None = None) -> float:
    """Pixels a point for a page of ``across`` x ``down`` points: by ``dpi``, less where the picture would
    have more than ``max_pixels``, more than is decoded of any picture, or a longer side than OCR takes.
    """
    most = min(max_pixels or MOST_PIXELS, MOST_PIXELS)
    by_area = math.sqrt(most / max(1.0, across * down))
    by_side = (MAX_SIDE - 1) / max(1.0, across, down)
    return min(dpi / POINTS_PER_INCH, by_area, by_side)


def page_suffix(index: int, count: int) -> str:
    """What a page's name ends in: "_p003" for ``index`` 2 of ``count``, nothing for a file of one page."""
    return "" if count == 1 else f"_p{index + 1:0{max(3, len(str(count)))}d}"


def _places(path: Path, files: PageFiles, found: FolderFiles, inside: Path | None) -> list[_Place]:
    places: list[_Place] = []
    for file in found.files:
        below = file.relative_to(path).parent.parts if file != path else ()
        stem = storable_stem("_".join([*below, file.stem]))
        where = f"In {'/'.join(below)}: " if below else ""
        try:
            check_file(file, inside)
            count = files.count(file)
            if count == 0:
                raise without_pages(file)
            problem = files.chain_problem(file)
        except VramwiseError as error:
            places.append(_Place(stem, file, 0, f"{where}{error}"))
            continue
        places += [_Place(stem + page_suffix(index, count), file, index) for index in range(count)]
        if problem:
            places.append(_Place(f"{stem}_rest", file, count, f"{where}{problem}"))
    return places


def check_file(file: Path, inside: Path | None = None) -> None:
    """Refuse what leads out of ``inside`` by a link, and what is no file: opening a named pipe never ends."""
    try:
        real = file.resolve()
    except (OSError, RuntimeError) as error:  # a ring of links: RuntimeError before Python 3.13
        raise VramwiseError(f"{file.name} is a link that leads nowhere.") from error
    if inside is not None and inside.resolve() not in real.parents:
        raise VramwiseError(
            f"{file.name} leads out of the {inside.name} folder by a link, so it is not read."
        )
    if not os.path.lexists(real):
        raise VramwiseError(f"{file.name} is a link that leads nowhere.")
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


def _checked(place: _Place, files: PageFiles, dpi: int, max_pixels: int | None) -> tuple[Page, str]:
    """The page, and a sentence where it is not all that its file holds."""
    if place.problem:
        raise VramwiseError(place.problem)
    if not is_pdf(place.file):
        found = files.decoded(place.file, place.index)
        height, width = fit_pixels(found.pixels, max_pixels).shape[:2]
        return Page(place.name, place.file, place.index, height, width), found.note
    across, down = files.size(place.file, place.index)
    scale = pdf_scale(across, down, dpi, max_pixels)
    # as pypdfium2's PdfPage.render rounds
    height, width = math.ceil(down * scale), math.ceil(across * scale)
    return Page(place.name, place.file, place.index, height, width, scale), ""
