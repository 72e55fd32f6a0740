"""Which files of a folder are pages, in which order, and why each other file is none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog.words import Said, as_written, said
from ..errors import VramwiseError
from ..pictures.kinds import left_out
from ..units import figure

SHOWN = 1000  # names of files that were left out for one reason


@dataclass(frozen=True)
class FolderFiles:
    """``files`` are pictures and PDFs in the order of their pages; ``others`` are (name, why it is left out),
    names relative to the folder with / between folders.
    """

    files: tuple[Path, ...]
    others: tuple[tuple[str, str], ...] = ()

    def marks(self) -> list[tuple[str, int, int]]:
        """(path, time of change, size) of each file, by which a change is seen; 0 where nobody can tell."""
        marks = []
        for file in self.files:
            try:
                status = file.stat()
                marks.append((str(file), status.st_mtime_ns, status.st_size))
            except OSError:
                marks.append((str(file), 0, 0))
        return marks

    def sentences(self) -> list[Said]:
        """One a reason, with the name of each file that it holds for."""
        reasons: dict[str, list[str]] = {}
        for name, why in self.others:
            reasons.setdefault(why, []).append(name)
        return [said("pages_other_files", names=_named(names), why=why) for why, names in reasons.items()]


def files_of(path: Path, subfolders: bool = False, without: Path | None = None) -> FolderFiles:
    """``path`` itself, or the pictures and PDFs of a folder, with ``subfolders`` of those in it too.

    ``without`` is a folder that is passed over, such as the one the results go to. Links to folders are not
    followed. Raises VramwiseError where ``path`` cannot be listed; a folder in it that cannot is an other.
    """
    if not path.is_dir():
        return FolderFiles((path,))
    files: list[Path] = []
    others: list[tuple[str, str]] = []

    def closed(error: OSError) -> None:
        below = Path(error.filename)
        if below == path:
            raise VramwiseError(
                f"{path} cannot be opened: {error.strerror}. Check its permissions."
            ) from error
        others.append((_relative(below, path) + "/", f"cannot be opened ({error.strerror})"))

    for folder, folders, names in os.walk(path, onerror=closed):
        here = Path(folder)
        for name in sorted(folders, key=natural):
            below = here / name
            if without is not None and below.resolve() == without:
                folders.remove(name)
            elif below.is_symlink():
                others.append((_relative(below, path) + "/", "a link to a folder"))
            elif not subfolders:
                others.append((_relative(below, path) + "/", "a folder in it; subfolders are not asked for"))
        for name in names:
            file = here / name
            why = "" if _looks_like_a_page(file) else left_out(file) if file.is_file() else "not a file"
            if why:
                others.append((_relative(file, path), why))
            else:
                files.append(file)
        if not subfolders:
            break
    files.sort(key=lambda file: [natural(part) for part in file.relative_to(path).parts])
    return FolderFiles(tuple(files), tuple(sorted(others, key=lambda other: natural(other[0]))))


def natural(name: str) -> tuple[Any, ...]:
    """A key that sorts numbers inside names by value; capitals matter only where nothing else differs."""
    pieces = re.split(r"([0-9]+)", name.casefold())
    return tuple(int(piece) if at % 2 else piece for at, piece in enumerate(pieces)), name


def _looks_like_a_page(file: Path) -> bool:
    """What has a picture's name and is a dead link or no file at all is a broken page, not another file."""
    from ..pictures.kinds import endings

    return file.suffix.lower() in endings() and not file.name.startswith("._") and not file.is_file()


def _relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _named(names: Sequence[str]) -> Said | Callable[[str], str]:
    shown = as_written(", ".join(names[:SHOWN]))
    if len(names) <= SHOWN:
        return shown
    return said("summary_and_more", names=shown, count=figure(len(names) - SHOWN, ","))
