"""Every route of /vramwise/ against requests that nobody should send: an answer or a sentence."""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from devtools.comfy.client import ComfyClient
    from devtools.comfy.server import ComfyServer

pytestmark = pytest.mark.comfy

LOOKS = (
    "machine",
    "plan?model=rapid",
    "advise?gpu=RTX%203060&task=OCR",
    "cards",
    "residents",
    "shown?workflow=nobody",
    "downloads",
)
ORDERS = ("endpoint", "evict", "download")
EVERY = [("GET", path) for path in LOOKS] + [("POST", path) for path in ORDERS]
JSON = {"Content-Type": "application/json"}
NOTHING = b'{"id": "nobody", "model": "nobody", "endpoint": "nobody"}'


def ask(
    client: ComfyClient, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[int, Any]:
    """(status, JSON or the text) of a request with exactly these headers: Host too may be any."""
    headers = dict(headers or {})
    where = urlsplit(client.url)
    line = http.client.HTTPConnection(str(where.hostname), where.port, timeout=600)
    try:
        line.putrequest(method, f"/vramwise/{path}", skip_host=True, skip_accept_encoding=True)
        sent = {"Host": where.netloc, **({"Content-Length": str(len(body))} if method == "POST" else {})}
        for name, value in {**sent, **headers}.items():
            line.putheader(name, value)
        line.endheaders(body if method == "POST" else None)
        reply = line.getresponse()
        said = reply.read()
    finally:
        line.close()
    try:
        return reply.status, json.loads(said)
    except ValueError:
        return reply.status, said.decode("utf-8", "replace")


@pytest.mark.parametrize(("method", "path"), EVERY)
def test_a_foreign_host_and_a_foreign_page_get_nothing(client: ComfyClient, method: str, path: str) -> None:
    rebound = {"Host": "evil.example:8188", "Origin": "http://evil.example:8188", **JSON}
    for headers in (rebound, {**JSON, "Host": "127.0.0.1.evil.example"}):
        status, said = ask(client, method, path, headers, NOTHING)
        assert status == 403 and "allowed_hosts" in said["error"]
    for foreign in ("http://evil.example", "null", "http://127.0.0.1:1"):
        status, said = ask(client, method, path, {"Origin": foreign, **JSON}, NOTHING)
        assert status == 403, foreign  # ComfyUI's own check has no sentence


@pytest.mark.parametrize("path", ORDERS)
def test_an_order_of_our_own_page_and_of_a_program_is_heard(client: ComfyClient, path: str) -> None:
    for headers in ({"Origin": client.url, "Sec-Fetch-Site": "same-origin"}, {}):
        status, said = ask(client, "POST", path, {**headers, **JSON}, NOTHING)
        assert status == 400 and "nobody" in said["error"]


@pytest.mark.parametrize(("right", "path"), EVERY)
def test_another_method_is_refused(client: ComfyClient, right: str, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "NONSENSE"):
        if method != right:
            assert ask(client, method, path, JSON)[0] in (400, 404, 405, 501), method


BODIES = {
    "nothing": (JSON, b"", 400),
    "a list": (JSON, b"[]", 400),
    "no JSON": (JSON, b"{", 400),
    "not UTF-8": (JSON, b'{"id": "\xff"}', 400),
    "deep": (JSON, b"[" * 9_000, 400),
    "a long number": (JSON, b'{"id": ' + b"9" * 9_000 + b"}", 400),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, b"all=true", 400),
    "plain text": ({"Content-Type": "text/plain"}, NOTHING, 400),
    "no type": ({}, NOTHING, 400),
    "an odd alphabet": ({"Content-Type": "application/json; charset=nothing"}, NOTHING, 400),
    "wrong types": (JSON, b'{"id": 1, "model": [], "endpoint": {}, "all": "yes"}', 400),
    "long words": (JSON, json.dumps(dict.fromkeys(("id", "model", "endpoint"), "x" * 300)).encode(), 400),
    "broken gzip": ({**JSON, "Content-Encoding": "gzip"}, b"no gzip", 400),
    "large": (JSON, b'{"id": "' + b"x" * 2_000_000 + b'"}', 413),
    "a bomb": ({**JSON, "Content-Encoding": "gzip"}, gzip.compress(b" " * 50_000_000), 413),
}


@pytest.mark.parametrize("path", ORDERS)
def test_a_body_that_is_no_order_is_a_sentence(client: ComfyClient, path: str) -> None:
    for name, (headers, body, expected) in BODIES.items():
        status, said = ask(client, "POST", path, headers, body)
        assert status == expected, name
        # aiohttp itself refuses what it cannot unpack
        assert isinstance(said, str) or said["error"].endswith("."), name


def files_of(base: Path) -> dict[str, tuple[int, int]]:
    found = (path for path in base.rglob("*") if path.is_file() and path.suffix != ".log")
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def test_to_look_changes_no_file_and_nothing_in_memory(client: ComfyClient, comfy: ComfyServer) -> None:
    before = files_of(Path(comfy.base_dir)), client.get_json("/vramwise/residents")
    for path in (*LOOKS, "plan?model=qwen3_vl_2b", "advise", "machine?lang=ru"):
        assert ask(client, "GET", path)[0] == 200
    for path in ORDERS:
        assert ask(client, "GET", f"{path}?all=true&model=qwen3_vl_2b&id=cpu")[0] in (404, 405)
    assert (files_of(Path(comfy.base_dir)), client.get_json("/vramwise/residents")) == before


@pytest.fixture
def dripping(client: ComfyClient) -> Iterator[list[socket.socket]]:
    """Forty orders whose bodies never arrive."""
    where = urlsplit(client.url)
    head = f"POST /vramwise/evict HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
    lines = [socket.create_connection((str(where.hostname), int(where.port or 0))) for _ in range(40)]
    for line in lines:
        line.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    yield lines
    for line in lines:
        line.close()


def test_two_hundred_at_once_are_answered_while_slow_bodies_wait(
    client: ComfyClient, dripping: list[socket.socket]
) -> None:
    kinds = itertools.cycle([*EVERY, ("GET", "advise?gpu={}%20GB"), ("GET", "plan?model=qwen3_vl_2b")])
    asked = [(method, path.format(4 + at)) for at, (method, path) in zip(range(200), kinds, strict=False)]
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda one: ask(client, *one, JSON, NOTHING), asked))
    for (method, path), (status, said) in zip(asked, answers, strict=True):
        assert status == (400 if method == "POST" else 200), (path, said)


def test_a_body_that_never_ends_is_given_up(client: ComfyClient, dripping: list[socket.socket]) -> None:
    line = dripping[0]
    line.settimeout(600)
    reply = http.client.HTTPResponse(line)
    reply.begin()
    assert reply.status == 408 and "did not arrive" in json.loads(reply.read())["error"]
