"""One writer at a time in a folder that several processes share."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import VramwiseError

CLOCK_SECONDS = 5


@contextlib.contextmanager
def only_writer(lock: Path, what: str) -> Iterator[None]:
    """Hold the file ``lock`` (exclusive create, our pid in it) while the block runs.

    The lock of a process that is gone is taken over. Raises VramwiseError that says ``what`` is being written
    by which process, or that the folder takes no file.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(20):
        try:
            handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            if _has_no_number_yet(lock):
                time.sleep(0.1)
                continue
            owner = _owner(lock)
            if owner is not None:
                raise VramwiseError(
                    f"{what} is being written by process {owner}. Wait for it, or end it; if that "
                    f"is not a process of VRAMwise, delete {lock}."
                ) from None
            with contextlib.suppress(FileNotFoundError):
                lock.unlink()
        except OSError as error:
            raise VramwiseError(
                f"{what} cannot be written: {lock.parent} takes no file ({error.strerror or error}). "
                "Choose a folder that you may write to."
            ) from error
    else:
        raise VramwiseError(f"{what} is being written by another process (it holds {lock}). Try again later.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            lock.unlink()


def _has_no_number_yet(lock: Path) -> bool:
    """True in the moment between another process's making the file and its writing into it."""
    try:
        stat = lock.stat()
    except OSError:
        return False
    return stat.st_size == 0 and time.time() - stat.st_mtime < CLOCK_SECONDS


def _owner(lock: Path) -> int | None:
    """The process that holds the lock; None when it is gone, or its number belongs to a younger process."""
    import psutil

    try:
        pid, taken = int(lock.read_text(encoding="ascii")), lock.stat().st_mtime
        return None if psutil.Process(pid).create_time() > taken + CLOCK_SECONDS else pid
    except psutil.AccessDenied:
        return pid
    except (OSError, ValueError, OverflowError, psutil.NoSuchProcess):
        return None
