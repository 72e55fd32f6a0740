"""PP-OCR recognisers for scripts that the built-in weights lack: where they lie, whether they are whole,
fetching.
"""

from __future__ import annotations

import functools
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from ..catalog import Recogniser
from ..errors import VramwiseError
from ..network.session import Session
from ..settings import Settings
from ..units import MIB, figure
from .file_transfer import Cancelled, RemoteFile, Server, TransferProgress, fetch
from .locks import only_writer
from .writable import folder_to_write

if TYPE_CHECKING:
    import requests

log = logging.getLogger("vramwise.weights")
SUBFOLDER = "rapidocr"
SPARE_BYTES = 64 * MIB


def searched_folders(settings: Settings) -> list[Path]:
    """Folders in which a recogniser is looked for, in order."""
    return [folder / SUBFOLDER for folder in settings.all_models_dirs]


def find(recogniser: Recogniser, settings: Settings) -> Path | None:
    """The verified file of ``recogniser``, or None when no searched folder has it.

    Raises VramwiseError for a file whose SHA-256 is not the catalog's: a damaged recogniser reads garbage.
    """
    path = present(recogniser, settings)
    if path is not None and not is_whole(recogniser, path):
        raise VramwiseError(
            f"{path} is not the file that the catalog describes (its SHA-256 differs): it is damaged or only "
            f"half downloaded. To fetch it again: {settings.command('download', recogniser.id)}"
        )
    return path


def present(recogniser: Recogniser, settings: Settings) -> Path | None:
    """The first file of its name, whole or not."""
    paths = (folder / recogniser.file for folder in searched_folders(settings))
    return next((path for path in paths if path.is_file()), None)


def is_whole(recogniser: Recogniser, path: Path) -> bool:
    """Whether ``path`` holds the catalog's bytes; looked at anew where the file has changed."""
    about = path.stat()
    return _is_whole(recogniser, path, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=64)
def _is_whole(recogniser: Recogniser, path: Path, _changed: int, _size: int) -> bool:
    return _file(recogniser).is_whole(path)


def download(
    recogniser: Recogniser,
    settings: Settings,
    progress: TransferProgress | None = None,
    cancelled: Cancelled | None = None,
) -> Path:
    """Fetch ``recogniser``, resuming a broken download, and return its path.

    Only ever called for an act of the person (the command line, the button, or a machine setting). The file
    appears under its name only when its SHA-256 is right, and a damaged one is replaced.
    ``progress(done_bytes, total_bytes or None)``. Raises DownloadStopped when ``cancelled()``.
    """
    here = present(recogniser, settings)
    if here is not None and is_whole(recogniser, here):
        return here
    target = here or folder_to_write(searched_folders(settings)) / recogniser.file
    part = target.with_name(target.name + ".part")
    url = _address(recogniser.url, settings.download_mirror)
    remedy = (
        "Try again, or another download_mirror in config.yaml; or fetch it by hand and put it into "
        f"{target.parent}."
    )
    server = Server("the catalog", remedy, check=lambda answer: _check_disk(answer, target.parent))
    log.info("fetching %s to %s", url, target)
    try:
        with only_writer(target.with_name(f".{target.name}.lock"), str(target)), Session() as session:
            # another process may have brought it meanwhile
            if not (target.is_file() and is_whole(recogniser, target)):
                shown = progress or (lambda _done, _total: None)
                fetch(
                    url, _file(recogniser), part, target, server, session, shown, cancelled or (lambda: False)
                )
    except OSError as error:
        raise VramwiseError(
            f"{recogniser.file} could not be written to {part.parent}: {error.strerror or error}."
        ) from error
    return target


def _file(recogniser: Recogniser) -> RemoteFile:
    return RemoteFile(recogniser.file, sha256=recogniser.sha256)


def _check_disk(answer: requests.Response, folder: Path) -> None:
    length = answer.headers.get("Content-Length", "")
    need, free = int(length) if length.isdigit() else 0, shutil.disk_usage(folder).free
    if answer.ok and need and need + SPARE_BYTES > free:
        raise VramwiseError(
            f"{folder} has {figure(free / 1e6, '.0f')} MB free, and this download needs "
            f"{figure(need / 1e6, '.0f')} MB and some room beside it. Free some space, or name "
            "another folder as models_dir in config.yaml."
        )


def _address(url: str, mirror: str | None) -> str:
    """The catalog's address, or the same path on the mirror that the machine's owner has set."""
    if mirror is None:
        return url
    parts, host = urlsplit(url), urlsplit(mirror)
    return urlunsplit((host.scheme, host.netloc, host.path + parts.path, parts.query, ""))
