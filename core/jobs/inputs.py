"""From what a person typed to pages: files, folders and all below, globs; a PDF or TIFF page by page."""

from __future__ import annotations

import glob
import itertools
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..catalog.words import said
from ..documents.folders import files_of, natural
from ..documents.pages import PageFiles, check_file, page_suffix
from ..documents.safe_names import storable_stem
from ..errors import UnknownName, VramwiseError, nearest_name
from .manifest import page_key

log = logging.getLogger("vramwise.jobs")


@dataclass(frozen=True)
class JobPage:
    """One page to read: page ``index`` (from 0) of the ``pages`` of ``file``. ``stem`` is where its output
    goes, relative to the job's folder, without an ending; it is unique in the job and stays with the page.

    ``problem`` is a sentence where the file cannot even be opened.
    """

    file: Path
    index: int
    stem: str
    problem: str = ""
    pages: int = 1

    @property
    def name(self) -> str:
        """The page for a person: the file as it was typed, and the page's number."""
        return f"{self.file.as_posix()}#{self.index + 1}"

    @property
    def key(self) -> str:
        """Names the page in the manifest, however its file was typed."""
        return page_key(self.name)

    def stamp(self) -> list[int]:
        """Size and time of change of the file in nanoseconds: another stamp is another page."""
        try:
            status = self.file.stat()
        except OSError:
            return [-1, -1]
        return [status.st_size, status.st_mtime_ns]


def find_pages(inputs: Sequence[str], files: PageFiles) -> Iterator[JobPage]:
    """Every page of ``inputs`` in order, as ``find_files`` and ``pages_of`` find them."""
    return pages_of(find_files(inputs), files)


def find_files(inputs: Sequence[str], without: Path | None = None) -> list[tuple[Path, str]]:
    """Every file of ``inputs`` in order with the stem it would like; a file named twice counts once.

    Raises VramwiseError for an input that is not there and when there is nothing to read. A folder or a
    pattern that holds nothing beside others that do is a warning, and so is every file of a folder that is
    neither picture nor PDF. The folder ``without`` is passed over.
    """
    found: dict[str, tuple[Path, str]] = {}
    empty = []
    for text in inputs:
        files = list(_files(text, without))
        if not files:
            empty.append(text)
        for file, stem in files:
            found.setdefault(os.path.abspath(file), (file, stem))
    if not found:
        raise VramwiseError(f'{_nothing(inputs)} Give files, folders or patterns such as "scans/*.png".')
    if empty:
        log.warning("%s The other inputs are read.", _nothing(empty))
    return list(found.values())


def pages_of(
    found: Iterable[tuple[Path, str]],
    files: PageFiles,
    kept: Mapping[str, str] | None = None,
    together: bool = False,
) -> Iterator[JobPage]:
    """Every page of ``found`` in order. Files are opened one after another as the pages are asked for.

    ``kept`` are the stems of the pages that were read before, by their keys and with the latest last. No
    other page is given one of them; of two pages with the same the latest keeps it. ``together``: the pages
    of a file go into one output, and have one stem.
    """
    kept = kept or {}
    owner_of = document_key if together else str
    owners = {stem.casefold(): owner_of(key) for key, stem in kept.items()}
    for file, wished in found:
        count, problem = _count(file, files)
        for stem in _stems(file, wished, count, kept, together):
            pages = [
                JobPage(file, index, stem + ("" if together else page_suffix(index, count)), problem, count)
                for index in range(count)
            ]
            takers = {page.stem.casefold(): owner_of(page.key) for page in pages}
            if all(owners.get(name, key) == key for name, key in takers.items()):
                owners.update(takers)
                yield from pages
                break


def _nothing(inputs: Sequence[str]) -> str:
    return f"There is no PDF and no picture in {', '.join(inputs)}."


def _files(text: str, without: Path | None) -> Iterator[tuple[Path, str]]:
    """(file, wished stem) of one input."""
    if not text.strip():  # Path("") would be the current folder
        raise UnknownName(
            "One of the inputs is empty, and names no file and no folder: a variable of the shell may not be "
            "set."
        )
    path = Path(text)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # a folder above it that is closed, a name that is too long
        raise VramwiseError(f"{text} cannot be opened: {error.strerror}.") from error
    if is_folder:
        listed = files_of(path, subfolders=True, without=without)
        for sentence in listed.sentences():
            log.warning("%s: left out %s", text, sentence)
        for file in listed.files:
            parts = file.relative_to(path).with_suffix("").parts
            yield file, "/".join(storable_stem(part) for part in parts)
    elif is_file:
        yield path, storable_stem(path.stem)
    elif path.exists():
        raise VramwiseError(
            f"{text} is a pipe or a device and no file. Save as a file what comes out of it, or pipe that in "
            "and name - as the input."
        )
    elif path.is_symlink():
        raise VramwiseError(f"{text} is a link that leads nowhere.")
    elif glob.has_magic(text):
        matches = [Path(name) for name in glob.glob(text, recursive=True)]
        for file in sorted((file for file in matches if file.is_file()), key=lambda file: natural(str(file))):
            yield file, storable_stem(file.stem)
    else:
        raise _no_input(path, text)


def _no_input(path: Path, text: str) -> UnknownName:
    """That there is no such file, with the nearest name beside it."""
    try:
        beside = sorted(entry.name for entry in os.scandir(path.parent))
    except OSError:
        beside = []
    by_stem = {Path(name).stem: name for name in reversed(beside)}  # endings are alike anyway
    near = by_stem.get(nearest_name(path.stem, by_stem), "")
    if near and "/" not in text and os.sep not in text:
        helps = said("error_near", near=near)
    elif near:
        helps = said("error_near", near=str(path.parent / near))
    else:
        helps = said("error_check_spelling")
    return UnknownName(said("error_no_input", text=text, helps=helps))


def _count(file: Path, files: PageFiles) -> tuple[int, str]:
    """How many pages ``file`` has; 1 and the problem where it cannot be opened."""
    try:
        check_file(file)
        pages = files.count(file)
    except VramwiseError as error:
        return 1, str(error)
    return (pages, "") if pages else (1, f"{file.name} has no pages.")


def document_key(key: str) -> str:
    """A page's key without the page's number: names its file in the manifest."""
    return key.rpartition("#")[0]


def _stems(
    file: Path, wished: str, pages: int, kept: Mapping[str, str], together: bool = False
) -> Iterator[str]:
    """What ``file`` may be called, the best first: as before, then a, a_jpg, a_2, a_3 and so on."""
    for index in range(pages):
        before = kept.get(JobPage(file, index, "").key, "")
        number = "" if together else page_suffix(index, pages)
        if before and before.endswith(number):
            yield before.removesuffix(number)
            break
    yield wished
    if file.suffix:
        yield f"{wished}_{file.suffix.lstrip('.').lower()}"
    yield from (f"{wished}_{number}" for number in itertools.count(2))
