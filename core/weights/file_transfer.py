"""One file by HTTP: resumed over broken connections, checked, and named only when it is whole.

Ours and not huggingface_hub's, because that (2.x) throws a partial file away when a download breaks off
(file_download.py, _download_to_tmp_and_move). Nothing is reported home.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic_files import move_into_place
from ..errors import VramwiseError

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 18
WAIT_SECONDS = 1.0

TransferProgress = Callable[[int, "int | None"], None]
"""Called with the bytes of this file that are there, and with all of its bytes or None."""
Cancelled = Callable[[], bool]
CheckAnswer = Callable[["requests.Response"], None]


class DownloadStopped(VramwiseError):
    """The person stopped it; what has arrived is kept."""


class _ConnectionLost(Exception):
    """The line broke; worth another try."""


@dataclass(frozen=True)
class RemoteFile:
    """One file and what it must be: ``size`` in bytes, ``sha256`` of the content, or ``git_sha1`` of git's
    blob where that is all there is; None where nobody says.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None

    def is_whole(self, path: Path, cancelled: Cancelled = lambda: False) -> bool:
        """True when ``path`` has this size and this hash. Raises DownloadStopped when cancelled."""
        if not path.is_file() or self.size not in (None, path.stat().st_size):
            return False
        if self.sha256:
            digest, expected = hashlib.sha256(), self.sha256.lower()
        elif self.git_sha1:
            digest, expected = hashlib.sha1(usedforsecurity=False), self.git_sha1
            digest.update(b"blob %d\0" % path.stat().st_size)
        else:
            return True
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 22):
                digest.update(chunk)
                stop_if(cancelled)
        return digest.hexdigest() == expected


@dataclass(frozen=True)
class Server:
    """How a file is asked for, and what its errors say.

    ``listing`` is who says what the file must be ("the catalog"), ``remedy`` a sentence on what to try.
    ``check`` sees every answer before its bytes are taken, and raises VramwiseError where they should not be.
    ``tries`` in a row may bring nothing before it is given up; with 1 the first broken line ends it.
    """

    listing: str
    remedy: str
    headers: Mapping[str, str] = field(default_factory=dict)
    check: CheckAnswer = lambda _: None
    tries: int = 1


def fetch(
    url: str,
    file: RemoteFile,
    part: Path,
    target: Path,
    server: Server,
    progress: TransferProgress = lambda _done, _total: None,
    cancelled: Cancelled = lambda: False,
) -> None:
    """``file`` from ``url`` to ``target``; its bytes gather in ``part`` until size and hash are right.

    Goes on from what is in ``part``. ``progress`` and ``cancelled`` are called per chunk. Raises
    DownloadStopped when cancelled and VramwiseError where the server fails (``part`` stays for the next try)
    or sends something else (``part`` is thrown away); OSError where the disk does.
    """
    failures = 0
    while True:
        before = size_of(part)
        try:
            _transfer(url, file, part, server, progress, cancelled)
            break
        except _ConnectionLost as lost:
            failures = 1 if size_of(part) > before else failures + 1
            if failures >= server.tries:
                raise VramwiseError(
                    f"{file.name} could not be fetched from {url}: {lost}. What has arrived is kept and the "
                    f"next try goes on from there. {server.remedy}"
                ) from lost
            _wait(WAIT_SECONDS * 2 ** (failures - 1), cancelled)
    if not file.is_whole(part, cancelled):
        part.unlink()
        raise VramwiseError(
            f"What {url} sent is not the file that {server.listing} describes (its "
            f"{'SHA-256' if file.sha256 else 'git hash'} differs), so it was thrown away. {server.remedy}"
        )
    move_into_place(part, target)


def _transfer(
    url: str,
    file: RemoteFile,
    part: Path,
    server: Server,
    progress: TransferProgress,
    cancelled: Cancelled,
) -> None:
    """One request that appends to ``part``. Raises _ConnectionLost when another try may help."""
    import requests

    done = size_of(part)
    if file.size is not None and done > file.size:
        part.unlink()
        done = 0
    if done == file.size:
        part.touch()
        return
    headers = {**server.headers, "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as answer:
            if answer.status_code == 416 and done and file.size is None:
                return  # already whole, or too long: the hash tells
            _check_status(answer, url, part, server)
            resumed = answer.status_code == 206 and done > 0
            done = done if resumed else 0
            length = answer.headers.get("Content-Length", "")
            promised = done + int(length) if length.isdigit() else None
            with part.open("ab" if resumed else "wb") as stream:
                for chunk in answer.iter_content(CHUNK):
                    stream.write(chunk)
                    done += len(chunk)
                    if file.size is not None and done > file.size:
                        break
                    progress(done, file.size or promised)
                    stop_if(cancelled)
    except requests.RequestException as error:
        raise _ConnectionLost(in_short(error)) from error
    known = [size for size in (promised, file.size) if size is not None]
    if promised is not None and done < min(known):
        raise _ConnectionLost(f"the connection ended after {done} of {file.size or promised} bytes")
    if file.size is not None and done != file.size:
        part.unlink()
        raise VramwiseError(
            f"{url} sends {'more' if done > file.size else str(done)} bytes where {server.listing} says "
            f"{file.size}, so they were thrown away. {server.remedy}"
        )


def _check_status(answer: requests.Response, url: str, part: Path, server: Server) -> None:
    server.check(answer)
    status = answer.status_code
    if status == 416:
        part.unlink(missing_ok=True)
        raise _ConnectionLost("the server has fewer bytes than had arrived")
    if status in (408, 429) or status >= 500:
        raise _ConnectionLost(f"the server answered {status}")
    if status >= 400:
        raise VramwiseError(f"{url} answered {status} {answer.reason}. {server.remedy}")


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def stop_if(cancelled: Cancelled) -> None:
    """Raise DownloadStopped when ``cancelled()``."""
    if cancelled():
        raise DownloadStopped(
            "The download was stopped. What has arrived is kept and the next try goes on from there."
        )


def in_short(error: Exception) -> str:
    """What a library's error says, cut to a line."""
    text = str(error).split("\n", 1)[0]
    return text if text and len(text) < 200 else f"{type(error).__name__}: {text[:160]}"


def _wait(seconds: float, cancelled: Cancelled) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        stop_if(cancelled)
        time.sleep(min(left, 0.1))
