"""Files that are whole or not there: written beside their place, then given their name in one step."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .errors import VramwiseError

SUFFIX = ".vramwise-tmp"  # of what is being written; where one is left, its writer was killed
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
# Windows: access denied, sharing violation, lock violation. A virus scanner or an indexer that has opened a
# new file lets it go within a moment.
_HELD_BY_ANOTHER = (5, 32, 33)
_PATIENCE_SECONDS = 2.0
_LONGEST_ON_WINDOWS = 259  # MAX_PATH less its end


class NotWritten(VramwiseError):
    """A file that could not be written: the sentence names it and says why; what was there before stays.

    ``disk_full`` is True where room on the disk (or a quota) would help.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        told = f"{path} could not be written: {error.strerror or error}."
        length = len(os.path.abspath(path)) + len(SUFFIX)
        if sys.platform == "win32" and length > _LONGEST_ON_WINDOWS:
            told += (
                f" Its path has {length} characters, more than Windows takes by default: choose a folder "
                "nearer to the drive's root, or switch long paths on (LongPathsEnabled)."
            )
        super().__init__(told)
        self.disk_full = error.errno in _FULL


def write_whole(path: Path, data: bytes) -> None:
    """``data`` at ``path``, on the disk before the file has its name; missing folders are made.

    A link of that name is replaced and not followed. Raises NotWritten, and then nothing is left behind.
    """
    write_whole_by(path, lambda file: file.write(data))


def write_whole_by(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """As ``write_whole``, for what ``write`` puts into a new file that is open for reading and writing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{os.urandom(8).hex()}{SUFFIX}")
        try:
            with unfinished.open("x+b") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            move_into_place(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise NotWritten(path, error) from error


def move_into_place(source: Path, target: Path) -> None:
    """os.replace, which on Windows waits up to two seconds for another program to let go of either.

    Raises OSError as os.replace does.
    """
    _patiently(lambda: os.replace(source, target))


def remove(path: Path) -> None:
    """Remove a file that may be gone already; waits as ``move_into_place`` does. Raises OSError."""
    _patiently(lambda: path.unlink(missing_ok=True))


def remove_folder(path: Path) -> None:
    """Remove a folder with all that is in it; waits as ``move_into_place`` does. Raises OSError."""
    import shutil

    _patiently(lambda: shutil.rmtree(path))


def _patiently(act: Callable[[], object]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            act()
            return
        except OSError as error:
            if getattr(error, "winerror", None) not in _HELD_BY_ANOTHER or time.monotonic() > end:
                raise
        time.sleep(0.05)
