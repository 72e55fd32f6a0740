"""Fetching a checkpoint from Hugging Face or ModelScope: only ever by the person's own act.

The listing (names, sizes, hashes, commit) is hub_listing's; the bytes come by file_transfer into
``<file>.<hash>.part``. Nothing process-wide is changed and nothing is reported home.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import shutil
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ..atomic_files import SUFFIX, remove, write_whole
from ..catalog import OCRModel
from ..errors import VramwiseError
from ..network.session import Session
from ..settings import Settings
from ..units import MIB, gb_text
from .checkpoint_files import CONFIG, INCOMPLETE, RECORD, verify
from .checkpoints import locate
from .file_transfer import Cancelled, RemoteFile, Server, fetch, size_of
from .hub_listing import (
    HUGGINGFACE,
    MODELSCOPE,
    Listing,
    gated,
    hub_address,
    hub_token,
    huggingface,
    modelscope,
)
from .locks import only_writer
from .writable import download_folders, folder_to_write

if TYPE_CHECKING:
    import requests

log = logging.getLogger("vramwise.weights")
SPARE_BYTES = 256 * MIB
TRIES = 6
LOCK = ".vramwise.lock"

DownloadProgress = Callable[[int, int | None, str], None]
"""Called with the bytes that have arrived, those of all files together (None where nobody says), and the name
of the present file."""


def download_model(
    model: OCRModel,
    settings: Settings,
    progress: DownloadProgress | None = None,
    cancelled: Cancelled | None = None,
) -> Path:
    """Fetch the checkpoint of ``model`` and return its folder, at once when a whole one is already here.

    Into ``<first writable models folder>/LLM/<repo name>``, of the pinned commit where the catalog has one;
    the commit and the files are recorded in ``.vramwise.json``. Until all is there and verified (sizes,
    SHA-256) the folder has an ``.incomplete`` file and is not used. ``progress(done_bytes, total_bytes,
    file)`` and ``cancelled()`` are called per chunk. Raises DownloadStopped when cancelled, VramwiseError for
    all else; what has arrived is kept for the next try.
    """
    with contextlib.suppress(VramwiseError):
        return locate(model, settings).path
    stopped = cancelled or (lambda: False)
    token = hub_token(settings.download_source)
    # An address of a mirror may hold a name and a password.
    password = urlsplit(hub_address(settings.download_source)).password or ""
    with Session([secret for secret in (token, password) if secret]) as session:
        listing = _listing(model, settings, session, token, stopped)
        folder = folder_to_write(download_folders(settings, model.repo))
        try:
            with only_writer(folder / LOCK, str(folder)):
                return _fetch_all(model, listing, folder, session, progress, stopped)
        finally:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only an empty one goes: nothing had been fetched


def _listing(
    model: OCRModel, settings: Settings, session: Session, token: str, cancelled: Cancelled
) -> Listing:
    if settings.download_source == MODELSCOPE:
        listing = modelscope(model, session, cancelled)
    else:
        listing = huggingface(model, session, token, cancelled)
    names = [file.name for file in listing.files]
    if CONFIG not in names or not any(name.endswith(".safetensors") for name in names):
        raise VramwiseError(
            f"{listing.repo} at {listing.source} has no {CONFIG} with safetensors weights at commit "
            f"{listing.commit}; other kinds of weights are not fetched."
        )
    return listing


def _fetch_all(
    model: OCRModel,
    listing: Listing,
    folder: Path,
    session: Session,
    progress: DownloadProgress | None,
    cancelled: Cancelled,
) -> Path:
    total, server = _bytes_of(listing.files), _server(listing)
    try:
        present = [file for file in listing.files if file.is_whole(folder / file.name, cancelled)]
        absent = sorted(set(listing.files) - set(present), key=lambda file: (file.size or 0, file.name))
        _check_disk(folder, absent)
        marker = {"model": model.id, "repo": listing.repo, "commit": listing.commit}
        # that it is there says enough: a torn one is read as no record
        (folder / INCOMPLETE).write_text(json.dumps(marker), encoding="utf-8")
        done = _bytes_of(present)
        for file in absent:

            def so_far(bytes_of_file: int, _: int | None, name: str = file.name, before: int = done) -> None:
                if progress is not None:
                    progress(before + bytes_of_file, total, name)

            url = f"{listing.address}/{quote(file.name)}"
            part, target = folder / _part_name(file), folder / file.name
            fetch(url, file, part, target, server, session, so_far, cancelled)
            done += file.size or 0
        _record(model, listing, folder)
    except OSError as error:
        raise _not_written(listing.repo, folder, error) from error
    verify(folder)
    log.info("%s: commit %s of %s in %s", model.name, listing.commit, listing.source, folder)
    return folder


def _not_written(repo: str, folder: Path, error: OSError) -> VramwiseError:
    """The sentence; where another try would end the same way it says what else to do."""
    told = f"{repo} could not be written to {folder}: {error.strerror or error}."
    if error.errno == errno.EFBIG:
        return VramwiseError(
            f"{told} The disk's file system or a quota takes no file so large (FAT32 takes 4 GiB): name a "
            "folder on another disk as models_dir in config.yaml."
        )
    if error.errno in (errno.EISDIR, errno.ENOTDIR):
        return VramwiseError(f"{told} See what is at {error.filename2 or error.filename or folder}.")
    return VramwiseError(f"{told} What has arrived is kept and the next try goes on from there.")


def _bytes_of(files: Iterable[RemoteFile]) -> int:
    return sum(file.size or 0 for file in files)


def _part_name(file: RemoteFile) -> str:
    """Bound to the content, so that bytes of another commit are never appended to."""
    return f"{file.name}.{(file.sha256 or file.git_sha1 or 'unknown')[:12]}.part"


def _check_disk(folder: Path, absent: list[RemoteFile]) -> None:
    have = sum(min(size_of(folder / _part_name(file)), file.size or 0) for file in absent)
    need = _bytes_of(absent) - have
    free = shutil.disk_usage(folder).free
    if absent and need + SPARE_BYTES > free:
        raise VramwiseError(
            f"{folder} has {gb_text(free)} free, and this download needs {gb_text(need)} ({need} "
            f"bytes) and {gb_text(SPARE_BYTES)} of room beside it. Free some space, or name another "
            "folder as models_dir in config.yaml."
        )


def _server(listing: Listing) -> Server:
    def refuse_gated(answer: requests.Response) -> None:
        if answer.status_code in (401, 403) and listing.source == HUGGINGFACE:
            raise gated(listing.repo, listing.address.split(f"/{listing.repo}/", 1)[0])

    remedy = "Try again later, or another mirror."
    return Server("the hub's listing", remedy, listing.headers, refuse_gated, TRIES)


def _record(model: OCRModel, listing: Listing, folder: Path) -> None:
    """Write down what was fetched and from which commit; then the folder may be used."""
    record = {
        "model": model.id,
        "repo": listing.repo,
        "source": listing.source,
        "commit": listing.commit,
        "pinned": bool(model.revision) and listing.commit == model.revision,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "files": {file.name: {"size": file.size, "sha256": file.sha256} for file in listing.files},
    }
    write_whole(folder / RECORD, json.dumps(record, indent=1).encode())
    for left in (*folder.glob("*.part"), *folder.glob(f"*{SUFFIX}")):
        remove(left)
    remove(folder / INCOMPLETE)
