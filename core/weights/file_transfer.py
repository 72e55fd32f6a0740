"""One file by HTTP: resumed over broken connections, checked, and named only when it is whole.

Ours and not huggingface_hub's, because that (2.x) throws a partial file away when a download breaks off
(file_download.py, _download_to_tmp_and_move). Nothing is reported home.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic_files import move_into_place, remove
from ..cancel import cancel_point
from ..errors import VramwiseError
from ..network.failures import causes, shown
from ..network.interruptible import NothingComes, interruptible
from ..network.session import Session, Unreached
from ..network.waiting import Patience, asked_to_wait, come_back
from ..network.web_pages import is_web_page
from ..units import GIB

if TYPE_CHECKING:
    import requests

log = logging.getLogger("vramwise.weights")
CHUNK = 1 << 16
WAIT_SECONDS = 1.0
STALL_SECONDS = 60.0  # that one CHUNK may take: a server that sends less drips
WONDERED_AT_SECONDS = 5.0
MOST_UNKNOWN_BYTES = GIB  # of a file whose size nobody has said

TransferProgress = Callable[[int, "int | None"], None]
"""Called with the bytes of this file that are there, and with all of its bytes or None."""
Cancelled = Callable[[], bool]
CheckAnswer = Callable[["requests.Response"], None]
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class DownloadStopped(VramwiseError):
    """The person stopped it; what has arrived is kept."""


class _ConnectionLost(Exception):
    """The line broke; worth another try, but for what is ``lasting``, and not before ``wait`` seconds."""

    def __init__(self, why: str, lasting: bool = False, wait: float = 0.0) -> None:
        super().__init__(why)
        self.lasting, self.wait = lasting, wait


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


@dataclass
class _Arriving:
    """A file on its way. ``pieced``: its bytes are of more than one answer; ``etag`` is that of the first."""

    url: str
    file: RemoteFile
    part: Path
    server: Server
    session: Session
    progress: TransferProgress
    cancelled: Cancelled
    pieced: bool = False
    ranges: bool = True
    etag: str = ""


def fetch(
    url: str,
    file: RemoteFile,
    part: Path,
    target: Path,
    server: Server,
    session: Session,
    progress: TransferProgress = lambda _done, _total: None,
    cancelled: Cancelled = lambda: False,
) -> None:
    """``file`` from ``url`` to ``target``; its bytes gather in ``part`` until size and hash are right.

    Goes on from what is in ``part``. ``progress`` is called per chunk, ``cancelled`` ten times a second
    whatever the server does. Raises DownloadStopped when cancelled and VramwiseError where the server fails
    (``part`` stays for the next try) or sends something else (what it sent is thrown away); OSError where the
    disk does.
    """
    arriving = _Arriving(url, file, part, server, session, progress, cancelled, size_of(part) > 0)
    whole = _brought(arriving)
    if not whole and arriving.pieced:  # of different files, perhaps: once more, in one piece
        remove(part)
        arriving.pieced = False
        whole = _brought(arriving)
    if not whole:
        remove(part)
        raise VramwiseError(
            f"What {_shown(url)} sent is not the file that {server.listing} describes (its "
            f"{'SHA-256' if file.sha256 else 'git hash'} differs), so it was thrown away. {server.remedy}"
        )
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    move_into_place(part, target)


def _brought(arriving: _Arriving) -> bool:
    """Whether what is in ``part``, once all has arrived, is the file."""
    _gather(arriving)
    return arriving.file.is_whole(arriving.part, arriving.cancelled)


def _gather(arriving: _Arriving) -> None:
    """Bring all bytes into ``part``, over broken lines."""
    failures, patience, server, part = 0, Patience(), arriving.server, arriving.part
    while True:
        before = size_of(part)
        try:
            _transfer(arriving)
            return
        except _ConnectionLost as lost:
            # A server that drips would never end if each drop counted as a success.
            if size_of(part) >= before + CHUNK:
                failures, patience = 0, Patience()
            asked = lost.wait > 0 and patience.suffices(lost.wait)
            failures += not asked
            if not asked and (lost.lasting or lost.wait or failures >= server.tries):
                raise VramwiseError(
                    f"{arriving.file.name} could not be fetched from {_shown(arriving.url)}: {lost}. What "
                    f"has arrived is kept and the next try goes on from there. {server.remedy}"
                ) from None
            arriving.pieced = arriving.pieced or size_of(part) > 0
            wait = lost.wait if asked else WAIT_SECONDS * 2 ** (failures - 1)
            wait_politely(wait, arriving.cancelled)


def _transfer(arriving: _Arriving) -> None:
    """One request that appends to ``part``. Raises _ConnectionLost when another try may help."""
    file, part, server = arriving.file, arriving.part, arriving.server
    done = size_of(part)
    if file.size is not None and done > file.size:
        remove(part)
        done = 0
    if done == file.size:
        part.touch()
        return
    headers = {**server.headers, "Accept-Encoding": "identity"}
    if done and arriving.ranges:
        headers["Range"] = f"bytes={done}-"
    pieces = interruptible(
        lambda: _pieces(arriving, headers),
        lambda: stop_if(arriving.cancelled),
        arriving.session.abort,
        STALL_SECONDS,
    )
    try:
        answer: Any = next(pieces)
        if answer.status_code == 416 and done and file.size is None:
            return  # already whole, or too long: the hash tells
        skipped = _checked(arriving, answer, done)
        length = answer.headers.get("Content-Length", "")
        promised = int(length) if length.isdecimal() else None
        received = _written(arriving, pieces, done, skipped, promised)
    except NothingComes:
        raise _ConnectionLost(f"the server sent almost nothing for {STALL_SECONDS:g} s") from None
    finally:
        pieces.close()
    if promised is not None and received < promised:
        raise _ConnectionLost(f"the connection ended after {size_of(part)} of {file.size or promised} bytes")
    if file.size is not None and size_of(part) < file.size:
        raise _ConnectionLost(f"the answer ended after {size_of(part)} of {file.size} bytes")


def _pieces(arriving: _Arriving, headers: Mapping[str, str]) -> Iterator[Any]:
    """The answer, then its bytes. Runs in a thread of its own."""
    import http.client

    import urllib3

    try:
        answer = arriving.session.get(arriving.url, headers)
    except Unreached as error:
        raise _ConnectionLost(str(error).rstrip("."), error.lasting) from None
    try:
        yield answer
        yield from answer.raw.stream(CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        raise _ConnectionLost(_ended(error, answer, headers, arriving)) from None
    finally:
        answer.close()


def _ended(
    error: Exception, answer: requests.Response, headers: Mapping[str, str], arriving: _Arriving
) -> str:
    """Why the bytes of ``answer`` to ``headers`` stopped coming: how far they came, or what the system says;
    a library's own words only where there is neither."""
    import http.client

    chain = list(causes(error))
    short = next((one for one in chain if isinstance(one, http.client.IncompleteRead)), None)
    if short is not None and short.expected:
        came = short.partial if isinstance(short.partial, int) else len(short.partial)
        begun = int(headers.get("Range", "bytes=0-")[6:-1]) if answer.status_code == 206 else 0
        total = arriving.file.size or begun + came + short.expected
        return f"the connection ended after {total - short.expected} of {total} bytes"
    said = next((one.strerror for one in chain if isinstance(one, OSError) and one.strerror), "")
    return shown(said, arriving.session.secrets) or in_short(error, arriving.session.secrets)


def _written(
    arriving: _Arriving, pieces: Iterator[Any], done: int, skipped: int, promised: int | None
) -> int:
    """Append what comes to ``part``; bytes of the answer's body. ``skipped`` of them are there already."""
    file, part, received = arriving.file, arriving.part, 0
    most = file.size if file.size is not None else (promised or MOST_UNKNOWN_BYTES) + done
    with part.open("ab") as stream:
        for chunk in pieces:
            fresh = chunk[max(0, skipped - received) :]
            received += len(chunk)
            if done + len(fresh) > most:
                stream.truncate(done)
                raise VramwiseError(
                    f"{_shown(arriving.url)} sends more bytes where {arriving.server.listing} says "
                    f"{most}, so they were thrown away. {arriving.server.remedy}"
                )
            stream.write(fresh)
            done += len(fresh)
            if fresh:
                arriving.progress(done, file.size or promised)
            stop_if(arriving.cancelled)
    return received


def _checked(arriving: _Arriving, answer: requests.Response, done: int) -> int:
    """Look at an answer before its bytes; how many of them are in ``part`` already.

    Nothing that has arrived is given up for an answer that cannot be the file.
    """
    file, part, server, url = arriving.file, arriving.part, arriving.server, _shown(arriving.url)
    page = _is_page(answer)
    if not page:
        _check_status(answer, arriving)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise VramwiseError(f"{url} sends a compressed form that was not asked for. {server.remedy}")
    if page:
        raise VramwiseError(
            f"{url} answers with a web page in place of {file.name}: a sign-in page of the network, or an "
            f"address that is wrong. What has arrived is kept. {server.remedy}"
        )
    etag = answer.headers.get("ETag", "")
    changed = bool(arriving.etag and etag and etag != arriving.etag)
    arriving.etag = arriving.etag or etag
    hashed = file.sha256 or file.git_sha1
    if changed and done and not hashed:  # no hash would tell that two files were put together
        remove(part)
        arriving.etag = etag
        raise _ConnectionLost("the file has changed on the server meanwhile, so it is fetched anew")
    if answer.status_code == 206 and done:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
        if found and (int(found[1]) != done or (file.size and found[3] not in ("*", str(file.size)))):
            arriving.ranges = False
            raise _ConnectionLost(
                f"the server sent bytes {found[0][6:]} where those from {done} were asked for"
            )
        return 0
    length = answer.headers.get("Content-Length", "")
    if file.size is not None and length.isdecimal() and int(length) != file.size:
        raise VramwiseError(
            f"{url} sends {length} bytes where {server.listing} says {file.size}, so they were not taken. "
            f"{server.remedy}"
        )
    if done and not hashed:
        remove(part)
        return 0
    return done  # the whole file once more: what is there is passed over


def _is_page(answer: requests.Response) -> bool:
    """Whether it is a web page that says nothing of the file: a hub's own refusal has a code beside it, and a
    page about an error is as good as the error.
    """
    found = is_web_page(answer.headers.get("Content-Type", "")) and "X-Error-Code" not in answer.headers
    return found and answer.status_code in (200, 206, 401, 403)


def _check_status(answer: requests.Response, arriving: _Arriving) -> None:
    arriving.server.check(answer)
    status = answer.status_code
    if status == 416 and arriving.file.size is None:
        remove(arriving.part)
        raise _ConnectionLost("the server has fewer bytes than had arrived")
    if status == 416:
        arriving.ranges = False
        raise _ConnectionLost("the server does not go on from what has arrived")
    wait = asked_to_wait(status, answer.headers)
    if wait is not None:
        raise _ConnectionLost(come_back(status, wait), wait=wait)
    if status == 511:
        raise VramwiseError(
            f"{_shown(arriving.url)} is not reached before somebody signs in to the network (HTTP 511): open "
            "any page in a browser. What has arrived is kept."
        )
    if status in (408, 429) or status >= 500:
        raise _ConnectionLost(f"the server answered {status}")
    if status >= 300 or status < 200:
        reason = shown(answer.reason or "", arriving.session.secrets)
        raise VramwiseError(f"{_shown(arriving.url)} answered {status} {reason}. {arriving.server.remedy}")


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def stop_if(cancelled: Cancelled) -> None:
    """Raise DownloadStopped when ``cancelled()``, and what the host raises where its Cancel was pressed."""
    cancel_point()
    if cancelled():
        raise DownloadStopped(
            "The download was stopped. What has arrived is kept and the next try goes on from there."
        )


def in_short(error: Exception, secrets: tuple[str, ...] = ()) -> str:
    """What a library's error says, cut to a line and without secrets."""
    return shown(str(error), secrets) or type(error).__name__


def _shown(url: str) -> str:
    """An address without what may be a signature or a password in it."""
    return shown(url.partition("?")[0])


def wait_politely(seconds: float, cancelled: Cancelled) -> None:
    """Do nothing for so long, and hear of Cancel meanwhile; a wait that somebody would wonder at is told."""
    if seconds >= WONDERED_AT_SECONDS:
        log.warning(f"The server asks to wait: the download goes on in {seconds:.0f} s.")
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        stop_if(cancelled)
        time.sleep(min(left, 0.1))
