"""What a hub offers of a repo: names, sizes, hashes and the commit, each looked at before it is believed.

Asked for by the client that fetches the bytes, not by huggingface_hub: that one has its own idea of proxies
and certificates, which differs by its version. Only its reading of tokens is used, where it is installed.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from ..catalog import OCRModel
from ..errors import VramwiseError
from ..network.failures import shown
from ..network.interruptible import NothingComes, interruptible
from ..network.session import Session, Unreached
from ..network.waiting import Patience, asked_to_wait, come_back
from ..units import MIB
from .file_transfer import Cancelled, RemoteFile, stop_if, wait_politely

HUGGINGFACE, MODELSCOPE = "huggingface", "modelscope"
HUGGINGFACE_ADDRESS, MODELSCOPE_ADDRESS = "https://huggingface.co", "https://modelscope.cn"
MODELSCOPE_REVISION = "master"
AGENT = {"user-agent": "vramwise"}
MOST_LISTING_BYTES = 16 * MIB
LISTING_SECONDS = 120.0  # in all; a listing of a thousand files takes one
_QUIET_SECONDS = 30.0
_PAGE = "it answered with a web page, as a network's sign-in does"
_MOST_FILES = 5000
_MOST_BYTES = 1 << 50
# Weights that transformers loads, and what config, tokenizer and processor need: nothing that can run.
_WANTED = re.compile(
    r"model\b[\w.-]*\.safetensors|\w[\w.-]*\.(json|txt|model|jinja)|LICENSE[\w.-]*", re.IGNORECASE | re.ASCII
)
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows, with any ending
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256, _GIT_SHA1 = re.compile(r"[0-9a-fA-F]{64}"), re.compile(r"[0-9a-f]{40}")
_TRUE = ("1", "on", "yes", "true")


@dataclass(frozen=True)
class Listing:
    """What a hub offers of one repo at one commit. ``address`` is the URL of the folder with the files."""

    source: str
    repo: str
    commit: str
    address: str
    headers: dict[str, str]
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_page(self) -> bool:
        """Whether it is HTML, or what else begins like it, where JSON was asked for."""
        return self.body.lstrip()[:1] == b"<"


@dataclass(frozen=True)
class _Question:
    """What is asked of a hub, about which model, and what a person can do where no answer comes."""

    url: str
    headers: Mapping[str, str]
    session: Session
    model: OCRModel
    hub: str
    remedy: str
    cancelled: Cancelled

    def unanswered(self, why: str) -> VramwiseError:
        return _unlisted(self.model, self.hub, why, self.remedy)


def hub_address(source: str) -> str:
    """The hub's own address, or the mirror that the environment names."""
    name, usual = (
        ("MODELSCOPE_ENDPOINT", MODELSCOPE_ADDRESS)
        if source == MODELSCOPE
        else ("HF_ENDPOINT", HUGGINGFACE_ADDRESS)
    )
    address = (os.environ.get(name) or usual).strip().rstrip("/")
    return address if "://" in address else f"https://{address}"


def hub_token(source: str) -> str:
    """This machine's token for Hugging Face, "" for none. Raises VramwiseError for a broken one."""
    if source == MODELSCOPE:
        return ""
    try:
        from huggingface_hub import constants, get_token
    except ImportError:
        token = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN") or ""
    else:
        token = ("" if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()) or ""
    token = token.strip()
    if not token.isascii() or not token.isprintable():
        raise VramwiseError("The token in HF_TOKEN holds characters that no token has. Set it again.")
    return token


def offline_variables() -> list[str]:
    """Those of the environment that forbid asking the hub, as huggingface_hub reads them."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return [name for name in names if os.environ.get(name, "").lower() in _TRUE]


def huggingface(model: OCRModel, session: Session, token: str, cancelled: Cancelled) -> Listing:
    """Raises VramwiseError for all that is no listing, with the way out."""
    endpoint = hub_address(HUGGINGFACE)
    if offline_variables():
        raise VramwiseError(
            f"{model.repo} cannot be fetched while HF_HUB_OFFLINE is set. Unset it and run the command again."
        )
    headers = {**AGENT, "authorization": f"Bearer {token}"} if token else AGENT
    revision = f"/revision/{quote(model.revision, safe='')}" if model.revision else ""
    url = f"{endpoint}/api/models/{quote(model.repo)}{revision}?blobs=true"
    remedy = "Check the network, or name a mirror in the environment variable HF_ENDPOINT."
    answer = _asked(_Question(url, headers, session, model, endpoint, remedy, cancelled))
    if answer.status != 200:
        _explain(answer, model, endpoint)
    data = _object(answer, model, endpoint, remedy)
    commit = str(data.get("sha") or model.revision or "main")
    pinned = model.revision if _COMMIT.fullmatch(model.revision or "") else None
    if data.get("sha") and (not _COMMIT.fullmatch(commit) or commit != (pinned or commit)):
        told = shown(commit, session.secrets)
        raise _lie(endpoint, model, f"commit {told} where {pinned or 'one of 40 digits'} was asked for")
    files = []
    for entry in _entries(data.get("siblings"), endpoint, model):
        lfs = entry.get("lfs")
        sha256 = lfs.get("sha256") or lfs.get("oid") if isinstance(lfs, Mapping) else None
        hashes = sha256, entry.get("blobId")
        files.append((entry.get("rfilename"), entry.get("size"), *hashes))
    address = f"{endpoint}/{quote(model.repo)}/resolve/{quote(commit, safe='')}"
    return Listing(HUGGINGFACE, model.repo, commit, address, headers, _files(files, endpoint, model))


def modelscope(model: OCRModel, session: Session, cancelled: Cancelled) -> Listing:
    """By ModelScope's own HTTP API. Its commits are not Hugging Face's: the pinned one is not asked for."""
    base = hub_address(MODELSCOPE)
    query = urlencode({"Recursive": "true", "Revision": MODELSCOPE_REVISION})
    url = f"{base}/api/v1/models/{quote(model.repo)}/repo/files?{query}"
    remedy = f"Check the network, or set download_source: {HUGGINGFACE}."
    answer = _asked(_Question(url, AGENT, session, model, base, remedy, cancelled))
    if answer.status == 404:
        raise VramwiseError(f"{shown(base)} has no model {model.repo}. Try download_source: {HUGGINGFACE}.")
    if answer.status != 200:
        raise _unlisted(model, base, f"it answered {answer.status}", remedy)
    data = _object(answer, model, base, remedy).get("Data") or {}
    entries = data.get("Files") if isinstance(data, Mapping) else None
    if not entries:  # an unknown repo or revision is answered with 200 and no files
        raise VramwiseError(
            f"{shown(base)} has no files of {model.repo}. Try download_source: {HUGGINGFACE}."
        )
    found = _entries(entries, base, model)
    files = [
        (entry.get("Path"), entry.get("Size"), entry.get("Sha256"), None)
        for entry in found
        if entry.get("Type") != "tree"
    ]
    commit = _modelscope_commit(data, found)
    at = commit if _COMMIT.fullmatch(commit) else MODELSCOPE_REVISION
    address = f"{base}/models/{quote(model.repo)}/resolve/{at}"
    return Listing(MODELSCOPE, model.repo, commit, address, AGENT, _files(files, base, model))


def _modelscope_commit(data: Mapping[str, Any], entries: list[Mapping[str, Any]]) -> str:
    """The head commit; the API may give only its first eight digits, and per file the last commit in full."""
    latest = data.get("LatestCommitter")
    latest = latest if isinstance(latest, Mapping) else {}
    short = str(latest.get("ShortId") or "")
    known = [str(entry.get("Revision") or "") for entry in entries]
    whole = [str(latest.get("Id") or ""), *(commit for commit in known if short and commit.startswith(short))]
    found = next((commit for commit in whole if commit), short or MODELSCOPE_REVISION)
    return found if re.fullmatch(r"[\w.-]{1,64}", found, re.ASCII) else MODELSCOPE_REVISION


def _asked(question: _Question) -> _Answer:
    """The hub's answer, after the waits that it asks for where they are bearable. Raises VramwiseError."""
    patience = Patience()
    while True:
        answer = _asked_once(question)
        wait = asked_to_wait(answer.status, answer.headers)
        if wait is None:
            break
        if not patience.suffices(wait):
            raise replace(question, remedy="Try again later.").unanswered(come_back(answer.status, wait))
        wait_politely(wait, question.cancelled)
    page = answer.is_page and "X-Error-Code" not in answer.headers
    if answer.status == 511 or (answer.status in (401, 403) and page):
        raise question.unanswered(_PAGE)
    return answer


def _asked_once(question: _Question) -> _Answer:
    """One answer of the hub, of a bounded size and in a bounded time, whatever it does."""
    until = time.monotonic() + LISTING_SECONDS

    def check() -> None:
        stop_if(question.cancelled)
        if time.monotonic() > until:
            raise NothingComes

    def parts() -> Iterable[Any]:
        answer = question.session.get(question.url, {**question.headers, "Accept-Encoding": "identity"})
        try:
            yield answer
            yield from answer.raw.stream(1 << 14, decode_content=False)
        finally:
            answer.close()

    from http.client import HTTPException

    from urllib3.exceptions import HTTPError

    try:
        pieces = interruptible(lambda: iter(parts()), check, question.session.abort, _QUIET_SECONDS)
        answer: Any = next(pieces)
        body = bytearray()
        for piece in pieces:
            check()
            body += piece
            if len(body) > MOST_LISTING_BYTES:
                pieces.close()
                raise question.unanswered(f"its answer is longer than {MOST_LISTING_BYTES // MIB} MiB")
    except NothingComes:
        raise question.unanswered("it did not finish its answer in time") from None
    except Unreached as error:
        question = replace(question, remedy="") if error.advised else question
        raise question.unanswered(str(error).rstrip(".")) from None
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        raise question.unanswered(shown(str(error), question.session.secrets)) from None
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise question.unanswered("it answered in a compressed form that was not asked for")
    return _Answer(answer.status_code, answer.headers, bytes(body))


def _explain(answer: _Answer, model: OCRModel, endpoint: str) -> None:
    """The sentence for a listing that Hugging Face refused: its X-Error-Code says more than the status."""
    code = answer.headers.get("X-Error-Code", "")
    if code == "GatedRepo" or answer.status == 403:
        raise gated(model.repo, endpoint)
    if code == "RevisionNotFound":
        raise VramwiseError(
            f"{model.repo} has no commit {model.revision or 'main'} at {shown(endpoint)} any more."
        )
    if answer.status == 401:
        raise VramwiseError(
            f"{shown(endpoint)} does not show {model.repo} without a token (or does not have it). Put a "
            "token of an account that may read it into the environment variable HF_TOKEN."
        )
    if answer.status in (404, 410):
        raise VramwiseError(
            f"{shown(endpoint)} has no model {model.repo}. If HF_ENDPOINT is set, that mirror may not "
            "carry it."
        )
    when = "Try again later." if answer.status in (408, 429) or answer.status >= 500 else "Check HF_ENDPOINT."
    raise _unlisted(model, endpoint, f"it answered {answer.status}", when)


def gated(repo: str, endpoint: str) -> VramwiseError:
    return VramwiseError(
        f"{repo} is gated: accept its licence at {shown(endpoint.rstrip('/'))}/{repo} and put a token of "
        "that account into the environment variable HF_TOKEN."
    )


def _object(answer: _Answer, model: OCRModel, hub: str, remedy: str) -> Mapping[str, Any]:
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        why = _PAGE if answer.is_page else "its answer is no JSON"
        raise _unlisted(model, hub, why, remedy) from None
    if not isinstance(data, Mapping):
        raise _unlisted(model, hub, "its answer is no listing", remedy)
    return data


def _entries(entries: Any, hub: str, model: OCRModel) -> list[Mapping[str, Any]]:
    if not isinstance(entries, list):
        return []
    if len(entries) > _MOST_FILES or not all(isinstance(entry, Mapping) for entry in entries):
        raise _lie(hub, model, f"{len(entries)} entries that are no list of files")
    return entries


def _files(found: list[tuple[Any, Any, Any, Any]], hub: str, model: OCRModel) -> tuple[RemoteFile, ...]:
    """The wanted files of (name, size, SHA-256, git's SHA-1); a hash becomes part of a file's name here."""
    files: dict[str, RemoteFile] = {}
    for name, size, sha256, git_sha1 in found:
        if not isinstance(name, str) or not _WANTED.fullmatch(name) or _DEVICE.fullmatch(name):
            continue
        if len(name) > 200 or name.casefold() in files:
            raise _lie(hub, model, f"{name[:80]} twice, or by too long a name")
        if isinstance(size, str) and size.isdecimal() and len(size) < 16:
            size = int(size)
        if isinstance(size, bool) or not (
            size is None or (isinstance(size, int) and 0 <= size < _MOST_BYTES)
        ):
            raise _lie(hub, model, f"{name} with a size that is none ({shown(str(size))[:40]})")
        if sha256 and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
            raise _lie(hub, model, f"{name} with a SHA-256 that is none")
        known = isinstance(git_sha1, str) and bool(_GIT_SHA1.fullmatch(git_sha1))
        file = RemoteFile(name, size, sha256.lower() if sha256 else None, git_sha1 if known else None)
        if name.endswith(".safetensors") and size is None and not (file.sha256 or file.git_sha1):
            raise _lie(
                hub, model, f"{name} with neither a size nor a hash, so that nobody could tell it whole"
            )
        files[name.casefold()] = file
    return tuple(files.values())


def _lie(hub: str, model: OCRModel, what: str) -> VramwiseError:
    return VramwiseError(
        f"{shown(hub)} lists {what} for {model.repo}. Nothing was fetched. Try another mirror, or none."
    )


def _unlisted(model: OCRModel, hub: str, why: str, remedy: str) -> VramwiseError:
    where = shown(hub)
    return VramwiseError(
        f"The files of {model.repo} could not be listed at {where}: {why}. {remedy}".rstrip()
    )
