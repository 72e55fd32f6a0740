"""One writer at a time in a folder that several processes share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import VramwiseError

# Long enough to take a lock that is let go in this moment, and for its new holder to write its number.
_PATIENCE_SECONDS = 0.3
# Windows keeps others from the locked first byte, so the number of the holder stands behind it.
_OWNER_AT = 1


@contextlib.contextmanager
def only_writer(lock: Path, what: str) -> Iterator[None]:
    """Hold the file ``lock`` while the block runs. The operating system lets it go when the process ends, in
    whatever way; a file that was left behind holds nothing.

    Raises VramwiseError that says ``what`` is being written by which process, or that the folder takes no
    file.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock, timeout=_PATIENCE_SECONDS)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held.acquire(poll_interval=0.02)
    except Timeout:
        raise VramwiseError(f"{what} is being written by {_owner(lock)}. Wait for it, or end it.") from None
    except OSError as error:
        raise VramwiseError(
            f"{what} cannot be written: {lock.parent} takes no file ({error.strerror or error}). "
            "Choose a folder that you may write to."
        ) from error
    try:
        _sign(lock)
        yield
    finally:
        # While it is still held: filelock (3.30 and newer) sees that a file it has waited for is gone and
        # takes a new one. Windows deletes no open file; there filelock does it after letting go.
        with contextlib.suppress(OSError):
            lock.unlink()
        held.release()


def _sign(lock: Path) -> None:
    """Write our process number into ``lock``, for the sentence that others get."""
    with contextlib.suppress(OSError), lock.open("r+b", buffering=0) as file:
        file.seek(_OWNER_AT)
        file.write(str(os.getpid()).encode())
        file.truncate()


def _owner(lock: Path) -> str:
    """The holder of ``lock`` in words."""
    with contextlib.suppress(OSError, ValueError), lock.open("rb", buffering=0) as file:
        file.seek(_OWNER_AT)
        return f"process {int(file.read(20))}"
    return f"another process (it holds {lock})"
