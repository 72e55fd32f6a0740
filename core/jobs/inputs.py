"""From what a person typed to pages: files, folders and all below, globs; a PDF or TIFF page by page."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import VramwiseError
from ..pages import PICTURES, PageFiles, natural

_WANTED = PICTURES | {".pdf"}


@dataclass(frozen=True)
class Unit:
    """One page to read: page ``index`` (from 0) of ``file``. ``stem`` is where its output goes, relative to
    the job's folder, without an ending; it is unique in the job and the same in every run over equal inputs.

    ``problem`` is a sentence where the file cannot even be opened.
    """

    file: Path
    index: int
    stem: str
    problem: str = ""

    @property
    def key(self) -> str:
        """Names the page in the manifest."""
        return f"{self.file.as_posix()}#{self.index + 1}"

    def stamp(self) -> list[int]:
        """Size and time of change of the file in nanoseconds: another stamp is another page."""
        try:
            status = self.file.stat()
        except OSError:
            return [-1, -1]
        return [status.st_size, status.st_mtime_ns]


def find_units(inputs: Sequence[str], files: PageFiles) -> Iterator[Unit]:
    """Every page of ``inputs`` in order; a file named twice is read once.

    Files are opened one after another as the pages are asked for. Raises VramwiseError, before the first
    page, for an input that is not there and when there is nothing to read.
    """
    found: dict[Path, str] = {}
    for text in inputs:
        for file, stem in _files(text):
            found.setdefault(file, stem)
    if not found:
        raise VramwiseError(
            f"There is no PDF and no picture in {', '.join(inputs)}. Give files, folders or patterns such as "
            '"scans/*.png".'
        )
    stems = _unique(list(found.values()), [file.suffix for file in found])
    return (unit for file, stem in zip(found, stems, strict=True) for unit in _pages(file, stem, files))


def _files(text: str) -> Iterator[tuple[Path, str]]:
    """(file, wished stem) of one input."""
    path = Path(text)
    if path.is_dir():
        below = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
        wanted = [file for file in below if file.suffix.lower() in _WANTED and file.is_file()]
        for file in sorted(wanted, key=lambda file: [natural(part) for part in file.parts]):
            yield file, file.relative_to(path).with_suffix("").as_posix()
    elif path.is_file():
        yield path, path.stem
    elif glob.has_magic(text):
        matches = [Path(name) for name in glob.glob(text, recursive=True)]
        for file in sorted((file for file in matches if file.is_file()), key=lambda file: natural(str(file))):
            yield file, file.stem
    else:
        raise VramwiseError(f"There is no file and no folder {text}. Check the spelling.")


def _unique(stems: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    """Stems told apart also where case does not tell: a, then a_jpg, then a_2."""
    taken: set[str] = set()
    unique = []
    for stem, suffix in zip(stems, suffixes, strict=True):
        name, number = stem, 2
        if name.casefold() in taken:
            name = f"{stem}_{suffix.lstrip('.').lower()}"
        while name.casefold() in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name.casefold())
        unique.append(name)
    return unique


def _pages(file: Path, stem: str, files: PageFiles) -> Iterator[Unit]:
    try:
        count = files.count(file)
        if count == 0:
            raise VramwiseError(f"{file.name} has no pages.")
    except VramwiseError as error:
        yield Unit(file, 0, stem, str(error))
        return
    digits = max(3, len(str(count)))
    for index in range(count):
        yield Unit(file, index, stem if count == 1 else f"{stem}_p{index + 1:0{digits}d}")
