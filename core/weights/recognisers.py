"""PP-OCR recognisers for scripts that the built-in weights lack: where they lie, whether they are whole,
fetching.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ..catalog import Recogniser
from ..errors import VramwiseError
from ..settings import Settings
from ..units import MIB

log = logging.getLogger("vramwise.weights")
SUBFOLDER = "rapidocr"
CHUNK = 1 << 18
SPARE_BYTES = 64 * MIB
Progress = Callable[[int, "int | None"], None]


def searched_folders(settings: Settings) -> list[Path]:
    """Folders in which a recogniser is looked for, in order."""
    return [folder / SUBFOLDER for folder in settings.all_models_dirs]


def find(recogniser: Recogniser, settings: Settings) -> Path | None:
    """The verified file of ``recogniser``, or None when no searched folder has it.

    Raises VramwiseError for a file whose SHA-256 is not the catalog's: a damaged recogniser reads garbage.
    """
    for folder in searched_folders(settings):
        path = folder / recogniser.file
        if path.is_file():
            if _sha256(path) != recogniser.sha256:
                raise VramwiseError(
                    f"{path} is not the file that the catalog describes (its SHA-256 differs): it is "
                    f"damaged or only "
                    f"half downloaded. Delete it and run: {settings.command('download', recogniser.id)}"
                )
            return path
    return None


def folder_to_write(settings: Settings) -> Path:
    """The first models folder that can be written, with our sub-folder made; VramwiseError when there is
    none.
    """
    tried = []
    for folder in searched_folders(settings):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            tried.append(f"{folder} ({error.strerror})")
            continue
        if os.access(folder, os.W_OK):
            return folder
        tried.append(f"{folder} (not writable)")
    raise VramwiseError(
        f"There is no folder to write to: {', '.join(tried)}. Name one as models_dir in config.yaml "
        "or in the environment variable VRAMWISE_MODELS."
    )


def download(recogniser: Recogniser, settings: Settings, progress: Progress | None = None) -> Path:
    """Fetch ``recogniser``, resuming a broken download, and return its path.

    Only ever called for an act of the person (the command line, or a machine setting). The file appears
    under its name only when its SHA-256 is right. ``progress(done_bytes, total_bytes or None)``.
    """
    present = find(recogniser, settings)
    if present is not None:
        return present
    import requests

    target = folder_to_write(settings) / recogniser.file
    part = target.with_name(target.name + ".part")
    url = _address(recogniser.url, settings.download_mirror)
    log.info("fetching %s to %s", url, target)
    try:
        _fetch(url, part, progress)
    except requests.RequestException as error:
        raise VramwiseError(
            f"{recogniser.file} could not be fetched from {url}: {_short(error)}. What has arrived is kept "
            f"and the next "
            f"try goes on from there. Or fetch it by hand and put it into {target.parent}."
        ) from error
    except OSError as error:
        raise VramwiseError(
            f"{recogniser.file} could not be written to {part.parent}: {error.strerror or error}."
        ) from error
    if _sha256(part) != recogniser.sha256:
        part.unlink()
        raise VramwiseError(
            f"What {url} sent is not the file that the catalog describes (its SHA-256 differs), so it was "
            f"thrown away. "
            "Try again, or another download_mirror in config.yaml."
        )
    os.replace(part, target)
    return target


def _fetch(url: str, part: Path, progress: Progress | None) -> None:
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as answer:
        if answer.status_code == 416:  # the part is already whole (or too long: the hash will tell)
            return
        answer.raise_for_status()
        resumed = answer.status_code == 206
        length = answer.headers.get("Content-Length")
        done = have if resumed else 0
        total = done + int(length) if length and length.isdigit() else None
        free = shutil.disk_usage(part.parent).free
        if total is not None and total - done + SPARE_BYTES > free:
            raise VramwiseError(
                f"{part.parent} has {free / 1e6:.0f} MB free, and this download needs "
                f"{(total - done) / 1e6:.0f} MB "
                "and some room beside it. Free some space, or name another folder as models_dir in "
                "config.yaml."
            )
        with part.open("ab" if resumed else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
        if total is not None and done < total:
            raise requests.ConnectionError(f"the connection ended after {done} of {total} bytes")


def _address(url: str, mirror: str | None) -> str:
    """The catalog's address, or the same path on the mirror that the machine's owner has set."""
    if mirror is None:
        return url
    parts, host = urlsplit(url), urlsplit(mirror)
    return urlunsplit((host.scheme, host.netloc, host.path + parts.path, parts.query, ""))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _short(error: Exception) -> str:
    text = str(error)
    return text if len(text) < 200 else f"{type(error).__name__}: {text[:160]}..."
