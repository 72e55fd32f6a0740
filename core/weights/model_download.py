"""Fetching a checkpoint from Hugging Face or ModelScope: only ever by the person's own act.

The listing (names, sizes, hashes, commit) comes from the hub's API; the bytes by plain HTTP with ranges into
``<file>.<hash>.part``, because huggingface_hub 2.x throws a partial file away when a download breaks off
(file_download.py, _download_to_tmp_and_move). Nothing process-wide is changed and nothing is reported home.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from ..catalog import OCRModel
from ..errors import VramwiseError
from ..hardware.capabilities import pip_line
from ..settings import Settings
from ..units import MIB, gb_text
from .checkpoints import CONFIG, INCOMPLETE, RECORD, locate, verify
from .locks import only_writer

if TYPE_CHECKING:
    import requests

log = logging.getLogger("vramwise.weights")
CHUNK = 1 << 18
SPARE_BYTES = 256 * MIB
TRIES = 5
WAIT_SECONDS = 1.0
LOCK = ".vramwise.lock"
HUGGINGFACE, MODELSCOPE = "huggingface", "modelscope"
MODELSCOPE_ADDRESS = "https://modelscope.cn"
MODELSCOPE_REVISION = "master"
# Weights that transformers loads, and what config, tokenizer and processor need: nothing that can run.
_WANTED = re.compile(r"model\b[\w.-]*\.safetensors|\w[\w.-]*\.(json|txt|model|jinja)|LICENSE[\w.-]*", re.I)
_COMMIT = re.compile(r"[0-9a-f]{40}")

Progress = Callable[[int, int, str], None]
Cancelled = Callable[[], bool]


class DownloadStopped(VramwiseError):
    """The person stopped it; what has arrived is kept."""


class _Dropped(Exception):
    """The line broke; worth another try."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a listing. ``sha256`` of the content; ``git_sha1`` of git's blob, where that is all there
    is."""

    name: str
    size: int
    sha256: str | None
    git_sha1: str | None = None

    @property
    def part_name(self) -> str:
        """Bound to the content, so that bytes of another commit are never appended to."""
        return f"{self.name}.{(self.sha256 or self.git_sha1 or 'unknown')[:12]}.part"


@dataclass(frozen=True)
class Listing:
    """What a hub offers of one repo at one commit. ``address`` is the URL of the folder with the files."""

    source: str
    repo: str
    commit: str
    address: str
    headers: dict[str, str]
    files: tuple[RemoteFile, ...]


def download_model(
    model: OCRModel,
    settings: Settings,
    progress: Progress | None = None,
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
    listing = _listing(model, settings)
    folder = _folder_to_write(settings, model.repo)
    try:
        with only_writer(folder / LOCK, str(folder)):
            return _fetch_all(model, listing, folder, progress, cancelled or (lambda: False))
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # only an empty one goes: nothing had been fetched


def _listing(model: OCRModel, settings: Settings) -> Listing:
    listing = _modelscope(model) if settings.download_source == MODELSCOPE else _huggingface(model)
    names = [file.name for file in listing.files]
    if CONFIG not in names or not any(name.endswith(".safetensors") for name in names):
        raise VramwiseError(
            f"{listing.repo} at {listing.source} has no {CONFIG} with safetensors weights at commit "
            f"{listing.commit}; other kinds of weights are not fetched."
        )
    return listing


def _huggingface(model: OCRModel) -> Listing:
    try:
        from huggingface_hub import HfApi, constants, get_token
    except ImportError as error:
        raise VramwiseError(
            "Models are fetched with huggingface_hub, which is not installed (it comes with transformers). "
            f"Run: {pip_line('huggingface-hub')}"
        ) from error
    agent = {"user-agent": "vramwise"}
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, headers=agent)
    try:
        info = api.model_info(model.repo, revision=model.revision or None, files_metadata=True, timeout=30)
    except Exception as error:  # requests', httpx' or huggingface_hub's own, by its version
        _explain(error, model, api.endpoint)
    files = [
        RemoteFile(one.rfilename, int(one.size or 0), one.lfs.sha256 if one.lfs else None, one.blob_id)
        for one in info.siblings or ()
        if _WANTED.fullmatch(one.rfilename)
    ]
    commit = str(info.sha or model.revision or "main")
    address = f"{api.endpoint.rstrip('/')}/{model.repo}/resolve/{commit}"
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    headers = {**agent, "authorization": f"Bearer {token}"} if token else agent
    return Listing(HUGGINGFACE, model.repo, commit, address, headers, tuple(files))


def _explain(error: Exception, model: OCRModel, endpoint: str) -> NoReturn:
    """The sentence for a listing that the hub refused; ``error`` is whatever its client raised."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError) or status == 403:
        _refuse_gated(model.repo, endpoint)
    if isinstance(error, RevisionNotFoundError):
        raise VramwiseError(
            f"{model.repo} has no commit {model.revision or 'main'} at {endpoint} any more."
        ) from error
    if isinstance(error, RepositoryNotFoundError) and status != 401:
        raise VramwiseError(
            f"{endpoint} has no model {model.repo}. If HF_ENDPOINT is set, that mirror may not carry it."
        ) from error
    if status == 401:
        raise VramwiseError(
            f"{endpoint} does not show {model.repo} without a token (or does not have it). Put a token of an "
            "account that may read it into the environment variable HF_TOKEN."
        ) from error
    if type(error).__name__ == "OfflineModeIsEnabled":
        raise VramwiseError(
            f"{model.repo} cannot be fetched while HF_HUB_OFFLINE is set. Unset it and run the command again."
        ) from error
    raise VramwiseError(
        f"The files of {model.repo} could not be listed at {endpoint}: {_short(error)}. Check the network, "
        "or name a mirror in the environment variable HF_ENDPOINT."
    ) from error


def _refuse_gated(repo: str, endpoint: str) -> NoReturn:
    raise VramwiseError(
        f"{repo} is gated: accept its licence at {endpoint.rstrip('/')}/{repo} and put a token of that "
        "account into the environment variable HF_TOKEN."
    )


def _modelscope(model: OCRModel) -> Listing:
    """By ModelScope's own HTTP API. Its commits are not Hugging Face's: the pinned one is not asked for."""
    import requests

    base = (os.environ.get("MODELSCOPE_ENDPOINT") or MODELSCOPE_ADDRESS).rstrip("/")
    base = base if "://" in base else f"https://{base}"
    url = f"{base}/api/v1/models/{model.repo}/repo/files"
    query = {"Recursive": "true", "Revision": MODELSCOPE_REVISION}
    headers = {"user-agent": "vramwise"}
    try:
        answer = requests.get(url, params=query, headers=headers, timeout=(10, 60))
        if answer.status_code == 404:
            raise VramwiseError(f"{base} has no model {model.repo}. Try download_source: {HUGGINGFACE}.")
        answer.raise_for_status()
        data = answer.json().get("Data") or {}
    except (requests.RequestException, ValueError, AttributeError) as error:
        raise VramwiseError(
            f"The files of {model.repo} could not be listed at {base}: {_short(error)}. Check the network, "
            f"or set download_source: {HUGGINGFACE}."
        ) from error
    entries = data.get("Files")
    if not entries:  # an unknown repo or revision is answered with 200 and no files
        raise VramwiseError(f"{base} has no files of {model.repo}. Try download_source: {HUGGINGFACE}.")
    commit = _modelscope_commit(data)
    files = [
        RemoteFile(str(one["Path"]), int(one["Size"]), one.get("Sha256") or None)
        for one in entries
        if one.get("Type") != "tree" and _WANTED.fullmatch(str(one.get("Path", "")))
    ]
    at = commit if _COMMIT.fullmatch(commit) else MODELSCOPE_REVISION
    return Listing(
        MODELSCOPE, model.repo, commit, f"{base}/models/{model.repo}/resolve/{at}", headers, tuple(files)
    )


def _modelscope_commit(data: dict[str, Any]) -> str:
    """The head commit; the API may give only its first eight digits, and per file the last commit in full."""
    latest = data.get("LatestCommitter") or {}
    short = latest.get("ShortId") or ""
    known = [str(one.get("Revision") or "") for one in data["Files"]]
    whole = [latest.get("Id") or "", *(one for one in known if short and one.startswith(short))]
    return next((str(one) for one in whole if one), str(short or MODELSCOPE_REVISION))


def _folder_to_write(settings: Settings, repo: str) -> Path:
    """``LLM/<repo name>`` in the first models folder that can be written."""
    tried = []
    for base in settings.all_models_dirs:
        folder = base / "LLM" / repo.rsplit("/", 1)[-1]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            tried.append(f"{base} ({error.strerror})")
            continue
        if os.access(folder, os.W_OK):
            return folder
        tried.append(f"{base} (not writable)")
    raise VramwiseError(
        f"There is no folder to write to: {', '.join(tried)}. Name one as models_dir in config.yaml "
        "or in the environment variable VRAMWISE_MODELS."
    )


def _fetch_all(
    model: OCRModel, listing: Listing, folder: Path, progress: Progress | None, cancelled: Cancelled
) -> Path:
    total = sum(file.size for file in listing.files)
    try:
        present = [file for file in listing.files if _is_whole(folder / file.name, file, cancelled)]
        absent = sorted(set(listing.files) - set(present), key=lambda file: (file.size, file.name))
        _check_disk(folder, absent)
        marker = {"model": model.id, "repo": listing.repo, "commit": listing.commit}
        (folder / INCOMPLETE).write_text(json.dumps(marker), encoding="utf-8")
        done = sum(file.size for file in present)
        for file in absent:
            before = done

            def at(bytes_of_file: int, name: str = file.name, before: int = before) -> None:
                if progress is not None:
                    progress(before + bytes_of_file, total, name)

            _fetch(file, listing, folder, at, cancelled)
            done += file.size
        _record(model, listing, folder)
    except OSError as error:
        raise VramwiseError(
            f"{listing.repo} could not be written to {folder}: {error.strerror or error}. What has arrived "
            "is kept and the next try goes on from there."
        ) from error
    verify(folder)
    log.info("%s: commit %s of %s in %s", model.name, listing.commit, listing.source, folder)
    return folder


def _check_disk(folder: Path, absent: list[RemoteFile]) -> None:
    have = sum(min(_size(folder / file.part_name), file.size) for file in absent)
    need = sum(file.size for file in absent) - have
    free = shutil.disk_usage(folder).free
    if absent and need + SPARE_BYTES > free:
        raise VramwiseError(
            f"{folder} has {gb_text(free)} free, and this download needs {gb_text(need)} ({need} "
            f"bytes) and {gb_text(SPARE_BYTES)} of room beside it. Free some space, or name another "
            "folder as models_dir in config.yaml."
        )


def _fetch(
    file: RemoteFile, listing: Listing, folder: Path, at: Callable[[int], None], cancelled: Cancelled
) -> None:
    """One file, resumed over dropped lines; it gets its name when its size and hash are right."""
    part = folder / file.part_name
    failures, url = 0, f"{listing.address}/{quote(file.name)}"
    while True:
        before = _size(part)
        try:
            _transfer(url, listing, part, file, at, cancelled)
            break
        except _Dropped as drop:
            failures = 0 if _size(part) > before else failures + 1
            if failures >= TRIES:
                raise VramwiseError(
                    f"{file.name} could not be fetched from {url}: {drop}. What has arrived is kept and the "
                    "next try goes on from there."
                ) from drop
            _wait(WAIT_SECONDS * 2**failures, cancelled)
    if not _is_whole(part, file, cancelled):
        part.unlink()
        raise VramwiseError(
            f"What {url} sent is not the file that the hub's listing describes (its hash differs), so it was "
            "thrown away. Try again, or another mirror."
        )
    os.replace(part, folder / file.name)


def _transfer(
    url: str,
    listing: Listing,
    part: Path,
    file: RemoteFile,
    at: Callable[[int], None],
    cancelled: Cancelled,
) -> None:
    """One request that appends to ``part``. Raises _Dropped when another try may help."""
    import requests

    done = _size(part)
    if done > file.size:
        part.unlink()
        done = 0
    if done == file.size:
        part.touch()
        return
    headers = {**listing.headers, "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as answer:
            _check_answer(answer, url, part, listing)
            resumed = answer.status_code == 206 and done > 0
            done = done if resumed else 0
            length = answer.headers.get("Content-Length", "")
            promised = done + int(length) if length.isdigit() else None
            with part.open("ab" if resumed else "wb") as stream:
                for chunk in answer.iter_content(CHUNK):
                    stream.write(chunk)
                    done += len(chunk)
                    if done > file.size:
                        break
                    at(done)
                    _stop_if(cancelled)
    except requests.RequestException as error:
        raise _Dropped(_short(error)) from error
    if promised is not None and done < min(promised, file.size):
        raise _Dropped(f"the connection ended after {done} of {file.size} bytes")
    if done != file.size:
        part.unlink()
        raise VramwiseError(
            f"{url} sends {'more' if done > file.size else str(done)} bytes where the hub's listing says "
            f"{file.size}, so they were thrown away. Try again, or another mirror."
        )


def _check_answer(answer: requests.Response, url: str, part: Path, listing: Listing) -> None:
    status = answer.status_code
    if status in (401, 403) and listing.source == HUGGINGFACE:
        _refuse_gated(listing.repo, listing.address.split(f"/{listing.repo}/", 1)[0])
    if status == 416:
        part.unlink(missing_ok=True)
        raise _Dropped("the server has fewer bytes than had arrived")
    if status in (408, 429) or status >= 500:
        raise _Dropped(f"the server answered {status}")
    if status >= 400:
        raise VramwiseError(f"{url} answered {status} {answer.reason}. Try again later, or another mirror.")


def _record(model: OCRModel, listing: Listing, folder: Path) -> None:
    """Write down what was fetched and from which commit; then the folder may be used."""
    record = {
        "model": model.id,
        "repo": listing.repo,
        "source": listing.source,
        "commit": listing.commit,
        "pinned": bool(model.revision) and listing.commit == model.revision,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "files": {one.name: {"size": one.size, "sha256": one.sha256} for one in listing.files},
    }
    new = folder / f"{RECORD}.new"
    new.write_text(json.dumps(record, indent=1), encoding="utf-8")
    os.replace(new, folder / RECORD)
    for left in folder.glob("*.part"):
        left.unlink()
    (folder / INCOMPLETE).unlink(missing_ok=True)


def _is_whole(path: Path, file: RemoteFile, cancelled: Cancelled) -> bool:
    """True when ``path`` has the size and the hash that the listing gives."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.sha256:
        digest, expected = hashlib.sha256(), file.sha256.lower()
    elif file.git_sha1:
        digest, expected = hashlib.sha1(usedforsecurity=False), file.git_sha1
        digest.update(b"blob %d\0" % file.size)
    else:
        return True
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 22):
            digest.update(chunk)
            _stop_if(cancelled)
    return digest.hexdigest() == expected


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _stop_if(cancelled: Cancelled) -> None:
    if cancelled():
        raise DownloadStopped(
            "The download was stopped. What has arrived is kept and the next try goes on from there."
        )


def _wait(seconds: float, cancelled: Cancelled) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        _stop_if(cancelled)
        time.sleep(min(left, 0.1))


def _short(error: Exception) -> str:
    text = str(error).split("\n", 1)[0]
    return text if text and len(text) < 200 else f"{type(error).__name__}: {text[:160]}"
