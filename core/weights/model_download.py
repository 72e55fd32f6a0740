"""Fetching a checkpoint from Hugging Face or ModelScope: only ever by the person's own act.

The listing (names, sizes, hashes, commit) comes from the hub's API; the bytes by file_transfer into
``<file>.<hash>.part``. Nothing process-wide is changed and nothing is reported home.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from ..atomic_files import SUFFIX, write_whole
from ..catalog import OCRModel
from ..errors import VramwiseError
from ..hardware.capabilities import pip_line
from ..settings import Settings
from ..units import MIB, gb_text
from .checkpoint_files import CONFIG, INCOMPLETE, RECORD, verify
from .checkpoints import locate
from .file_transfer import Cancelled, RemoteFile, Server, fetch, in_short, size_of
from .locks import only_writer

if TYPE_CHECKING:
    import requests

log = logging.getLogger("vramwise.weights")
SPARE_BYTES = 256 * MIB
TRIES = 6
LOCK = ".vramwise.lock"
HUGGINGFACE, MODELSCOPE = "huggingface", "modelscope"
MODELSCOPE_ADDRESS = "https://modelscope.cn"
MODELSCOPE_REVISION = "master"
# Weights that transformers loads, and what config, tokenizer and processor need: nothing that can run.
_WANTED = re.compile(r"model\b[\w.-]*\.safetensors|\w[\w.-]*\.(json|txt|model|jinja)|LICENSE[\w.-]*", re.I)
_COMMIT = re.compile(r"[0-9a-f]{40}")

DownloadProgress = Callable[[int, int, str], None]
"""Called with the bytes that have arrived, those of all files together, and the name of the present file."""


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
        RemoteFile(
            entry.rfilename, int(entry.size or 0), entry.lfs.sha256 if entry.lfs else None, entry.blob_id
        )
        for entry in info.siblings or ()
        if _WANTED.fullmatch(entry.rfilename)
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
        f"The files of {model.repo} could not be listed at {endpoint}: {in_short(error)}. Check the network, "
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
            f"The files of {model.repo} could not be listed at {base}: {in_short(error)}. Check the network, "
            f"or set download_source: {HUGGINGFACE}."
        ) from error
    entries = data.get("Files")
    if not entries:  # an unknown repo or revision is answered with 200 and no files
        raise VramwiseError(f"{base} has no files of {model.repo}. Try download_source: {HUGGINGFACE}.")
    commit = _modelscope_commit(data)
    files = [
        RemoteFile(str(entry["Path"]), int(entry["Size"]), entry.get("Sha256") or None)
        for entry in entries
        if entry.get("Type") != "tree" and _WANTED.fullmatch(str(entry.get("Path", "")))
    ]
    at = commit if _COMMIT.fullmatch(commit) else MODELSCOPE_REVISION
    return Listing(
        MODELSCOPE, model.repo, commit, f"{base}/models/{model.repo}/resolve/{at}", headers, tuple(files)
    )


def _modelscope_commit(data: dict[str, Any]) -> str:
    """The head commit; the API may give only its first eight digits, and per file the last commit in full."""
    latest = data.get("LatestCommitter") or {}
    short = latest.get("ShortId") or ""
    known = [str(entry.get("Revision") or "") for entry in data["Files"]]
    whole = [latest.get("Id") or "", *(commit for commit in known if short and commit.startswith(short))]
    return next((str(commit) for commit in whole if commit), str(short or MODELSCOPE_REVISION))


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
    model: OCRModel, listing: Listing, folder: Path, progress: DownloadProgress | None, cancelled: Cancelled
) -> Path:
    total, server = _bytes_of(listing.files), _server(listing)
    try:
        present = [file for file in listing.files if file.is_whole(folder / file.name, cancelled)]
        absent = sorted(set(listing.files) - set(present), key=lambda file: (file.size or 0, file.name))
        _check_disk(folder, absent)
        marker = {"model": model.id, "repo": listing.repo, "commit": listing.commit}
        (folder / INCOMPLETE).write_text(json.dumps(marker), encoding="utf-8")
        done = _bytes_of(present)
        for file in absent:

            def so_far(bytes_of_file: int, _: int | None, name: str = file.name, before: int = done) -> None:
                if progress is not None:
                    progress(before + bytes_of_file, total, name)

            url = f"{listing.address}/{quote(file.name)}"
            part, target = folder / _part_name(file), folder / file.name
            fetch(url, file, part, target, server, so_far, cancelled)
            done += file.size or 0
        _record(model, listing, folder)
    except OSError as error:
        raise VramwiseError(
            f"{listing.repo} could not be written to {folder}: {error.strerror or error}. What has arrived "
            "is kept and the next try goes on from there."
        ) from error
    verify(folder)
    log.info("%s: commit %s of %s in %s", model.name, listing.commit, listing.source, folder)
    return folder


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
            _refuse_gated(listing.repo, listing.address.split(f"/{listing.repo}/", 1)[0])

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
        left.unlink()
    (folder / INCOMPLETE).unlink(missing_ok=True)
