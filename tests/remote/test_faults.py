"""What networks and servers do to requests: the right text, or a sentence, and never a hang."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from vramwise.catalog.words import in_language
from vramwise.errors import VramwiseError
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
from vramwise.ocr.remote import EndpointError, open_remote, resolve
from vramwise.ocr.remote.engine import RemoteEngine
from vramwise.ocr.remote.image_encoding import encode
from vramwise.ocr.remote.server_pool import RetryPolicy
from vramwise.settings import load_settings

from devtools.fakes.chat_server import MODEL, ChatServer, words_of
from devtools.fakes.fault_proxy import FaultProxy

# Quick to ask again and slow to give up: on a busy machine an answer takes its time.
QUICK = RetryPolicy(timeout=120.0, tries=4, first_wait=0.02, longest_wait=0.1)
# For a stall, which only time can end: five seconds in the place of the product's five minutes.
SHORT = RetryPolicy(timeout=5.0, tries=4, first_wait=0.02, longest_wait=0.1)
STALL = 600.0

Endpoints = Callable[..., None]
Pictures = Callable[..., list[Any]]


def engine(at_once: int = 1, retry_policy: RetryPolicy = QUICK) -> RemoteEngine:
    return RemoteEngine(resolve("studio", load_settings()), "", MODEL, "auto", at_once, retry_policy)


def truth(pages: list[Any]) -> list[str]:
    return [words_of(encode(page, 10**7, "png")[0]) for page in pages]


HEALED = (
    "busy",
    "internal",
    "memory",
    "reset",
    "reset_midway",
    "cut",
    "stalled",
    "stalled_midway",
    "truncated_event",
    "truncated_json",
    "wrong_schema",
    "wrong_event",
    "html",
    "html_error",
    "endless_bytes",
)


@pytest.mark.parametrize("fault", HEALED)
def test_a_fault_that_passes_leaves_no_trace_in_the_texts(
    fault: str, endpoints: Endpoints, pictures: Pictures
) -> None:
    pages = pictures(3)
    with ChatServer() as server, FaultProxy(server.url, ["pass", fault], stall=STALL, wait=0.3) as proxy:
        endpoints(studio={"urls": [proxy.url]})
        retry_policy = SHORT if fault.startswith("stalled") else QUICK
        results = list(engine(retry_policy=retry_policy).read(pages, ReadOptions(), NoProgress()))
        assert [result.text for result in results] == truth(pages)
        assert proxy.done == ["pass", fault, "pass", "pass"], "the page was asked for again, once"
        assert all(result.finish_reason == "stop" and not result.notes for result in results)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("busy", r"asks to come back later \(HTTP 429\)"),
        ("internal", r'answered with an error \(HTTP 500\)\. It says: "EngineCore died"'),
        ("memory", r"ran out of memory\. Ask for fewer pages at once"),
        ("reset", r"cannot be reached|broke off"),
        ("cut", r"broke off in the middle"),
        ("stalled", r"did not finish a page in 1\.5 s"),
        ("truncated_event", r"damaged data"),
        ("truncated_json", r"JSON that is damaged"),
        ("wrong_schema", r"in another form"),
        ("wrong_event", r"in another form|damaged data"),
        ("html", r"answered with text/html, which is not the OpenAI chat protocol"),
        ("html_error", r"answered with an error \(HTTP 502\)"),
        ("redirect", r"redirects are not followed"),
    ],
)
def test_a_fault_that_stays_becomes_a_sentence_with_the_servers_place(
    fault: str, says: str, endpoints: Endpoints, pictures: Pictures
) -> None:
    timeout = 1.5 if fault == "stalled" else QUICK.timeout
    quick = RetryPolicy(timeout=timeout, tries=2, first_tries=2, first_wait=0.02, longest_wait=0.05)
    with ChatServer() as server, FaultProxy(server.url, [fault] * 50, stall=STALL, wait=STALL) as proxy:
        endpoints(studio={"urls": [proxy.url]})
        with pytest.raises(VramwiseError, match=says) as caught:
            list(engine(retry_policy=quick).read(pictures(1), ReadOptions(), NoProgress()))
        assert f"127.0.0.1:{proxy.port}" in str(caught.value)
        assert "<html" not in str(caught.value)
        assert not server.pictures or fault == "stalled"


@pytest.mark.parametrize(("fault", "reason"), [("endless", "length"), ("endless_circle", "loop")])
def test_a_stream_without_end_is_cut_and_says_so(
    fault: str, reason: str, endpoints: Endpoints, pictures: Pictures
) -> None:
    with ChatServer() as server, FaultProxy(server.url, [fault]) as proxy:
        endpoints(studio={"urls": [proxy.url]})
        options = ReadOptions(max_new_tokens=200 if fault == "endless" else 4096)
        (result,) = engine().read(pictures(1), options, NoProgress())
        assert result.finish_reason == reason
        if reason == "loop":
            assert result.text.startswith("the same again") and len(result.text) < 40
        else:
            assert any("did not stop at max_new_tokens" in note for note in result.notes)


def test_a_page_that_fails_is_its_sentence_in_its_place_and_the_others_are_read(
    endpoints: Endpoints, pictures: Pictures
) -> None:
    pages = pictures(6)
    with ChatServer() as server, FaultProxy(server.url, ["pass", "pass", *["html"] * 4]) as proxy:
        endpoints(studio={"urls": [proxy.url]})
        outcomes = list(engine().read_each(pages, ReadOptions(), NoProgress()))
        failed = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, VramwiseError)]
        assert len(failed) == 1 and failed[0] in (2, 3), "pages of one window may overtake each other"
        assert not isinstance(outcomes[failed[0]], EndpointError)
        for number, text in enumerate(truth(pages)):
            if number not in failed:
                assert getattr(outcomes[number], "text", outcomes[number]) == text


def test_a_server_that_goes_away_for_good_ends_the_reading_after_what_was_read(
    endpoints: Endpoints, pictures: Pictures
) -> None:
    pages = pictures(8)
    server = ChatServer()
    with server:
        endpoints(studio={"urls": [server.url]})
        outcomes = engine().read_each(pages, ReadOptions(), NoProgress())
        before = [next(outcomes) for _ in range(3)]
    with pytest.raises(EndpointError, match=r"cannot be reached.*Check that the server runs"):
        before += list(outcomes)
    texts = [getattr(outcome, "text", "") for outcome in before]
    assert len(texts) >= 3 and texts == truth(pages)[: len(texts)]


def test_with_two_servers_a_broken_one_costs_no_page(endpoints: Endpoints, pictures: Pictures) -> None:
    pages = pictures(40)
    with ChatServer(0.01) as server, FaultProxy(server.url, ["reset"] * 1000) as broken:
        endpoints(studio={"urls": [broken.url, server.url]})
        results = list(engine(8).read(pages, ReadOptions(), NoProgress()))
        assert [result.text for result in results] == truth(pages)
        assert set(server.pictures.values()) == {1}


def test_retry_after_is_waited_for(endpoints: Endpoints, pictures: Pictures) -> None:
    with ChatServer() as server, FaultProxy(server.url, ["busy"], wait=1.0) as proxy:
        endpoints(studio={"urls": [proxy.url]})
        started = time.monotonic()
        list(engine().read(pictures(1), ReadOptions(), NoProgress()))
        assert time.monotonic() - started >= 1.0


class Site(ChatServer):
    """A web page at every address, as a network's sign-in; ``open_after`` questions on, a server."""

    def __init__(self, status: int = 200, open_after: int = 10**9) -> None:
        super().__init__()
        self.status, self.open_after, self.asked = status, open_after, []

    def application(self) -> web.Application:
        app = super().application()
        app.middlewares.append(self._page)
        return app

    @web.middleware
    async def _page(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        if len(self.asked) > self.open_after:
            return await handler(request)
        return web.Response(text="<!DOCTYPE html><p>Sign in", status=self.status, content_type="text/html")


@pytest.mark.parametrize("status", [200, 405, 511])
def test_a_web_page_in_an_endpoints_place_is_told_at_once(
    status: int, endpoints: Endpoints, pictures: Pictures
) -> None:
    with Site(status) as site:
        endpoints(studio={"urls": [site.url]})
        says = r"no chat protocol at this address" if status == 405 else r"not the OpenAI chat .* a web page"
        with pytest.raises(EndpointError, match=says) as caught:
            list(engine(1).read(pictures(5), ReadOptions(), NoProgress()))
        assert len(site.asked) <= 2 and "tried several times" not in str(caught.value)
        for lang in ("ru", "zh"):
            assert not re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{3,}", in_language(caught.value, lang))


def test_a_list_of_models_that_is_a_web_page_is_called_one_in_the_plan(endpoints: Endpoints) -> None:
    """Before anything is read, in the panel, on the command line and in vramwise doctor."""
    with Site() as site:
        endpoints(studio={"urls": [site.url]})
        plan = open_remote("studio").plan()
    assert "but a web page" in plan and "cannot be reached" not in plan


def test_a_page_of_a_proxy_that_passes_costs_no_reading(endpoints: Endpoints, pictures: Pictures) -> None:
    with Site(open_after=1) as site:
        endpoints(studio={"urls": [site.url]})
        pages = pictures(2)
        texts = [result.text for result in engine(1).read(pages, ReadOptions(), NoProgress())]
        assert texts == truth(pages) and site.asked[1].endswith("/models")


def test_cancel_while_the_server_is_silent_is_heard_and_drops_the_requests(
    endpoints: Endpoints, pictures: Pictures
) -> None:
    class Cancelled(Exception):
        pass

    class Watched(NoProgress):
        def check(self) -> None:
            if server.now == 4:
                raise Cancelled

    with ChatServer(latency=600) as server:
        endpoints(studio={"urls": [server.url]})
        with pytest.raises(Cancelled):
            list(engine(4, RetryPolicy()).read(pictures(20), ReadOptions(), Watched()))
        assert server.idle.wait(120), "the server hears that nobody waits any more"


def test_cancel_is_heard_while_a_host_name_is_looked_up(
    endpoints: Endpoints, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cancelled(Exception):
        pass

    class Watched(NoProgress):
        def check(self) -> None:
            if asked.is_set():
                raise Cancelled

    def look_up(host: Any, *rest: Any, **how: Any) -> Any:
        if host not in ("studio.invalid", b"studio.invalid"):
            return resolve_name(host, *rest, **how)
        asked.set()
        nobody_waits.wait(60)
        raise socket.gaierror("no such host")

    asked, nobody_waits, resolve_name = threading.Event(), threading.Event(), socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    endpoints(studio={"urls": ["http://studio.invalid:8000/v1"]})
    started = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            list(engine(4, RetryPolicy()).read(pictures(4), ReadOptions(), Watched()))
        assert time.monotonic() - started < 60, "the look-up cannot be cancelled, and is not waited for"
    finally:
        nobody_waits.set()


def test_a_program_that_ends_in_the_middle_of_a_reading_ends(endpoints: Endpoints) -> None:
    script = """
import numpy as np
from vramwise.ocr.remote import open_remote
page = np.random.default_rng(7).integers(0, 256, (48, 64, 3), dtype=np.uint8)
outcomes = open_remote("studio", model="Qwen3-VL-2B").read(iter([page] * 9))
print(next(outcomes).finish_reason)
"""
    with ChatServer() as server:
        endpoints(studio={"urls": [server.url], "concurrency": 2})
        command = [sys.executable, "-c", script]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, "stop"), ended.stderr


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (404, {"message": "The model `x` does not exist.", "code": 404}, "has no model"),
        (404, {"error": {"message": 'model "x" not found, try pulling it first'}}, "has no model"),
        (400, {"detail": "Server is pinned to '/a'; requested 'x'."}, "has no model"),
        (
            400,
            {"message": "This model's maximum context length is 4096 tokens. However, you requested 9000"},
            "not enough context for this page",
        ),
        (400, {"error": {"message": "the request exceeds the available context size"}}, "not enough context"),
        (500, {"error": {"message": "CUDA error: out of memory"}}, "ran out of memory"),
        (400, {"message": "x is not a multimodal model"}, "not a vision model"),
        (
            500,
            {"error": {"message": "image input is not supported - hint: provide the mmproj"}},
            "not a vision",
        ),
        (401, {"error": {"message": "Incorrect API key provided: sk-12"}}, r"refuses the key \(HTTP 401\)"),
        (403, {}, r"refuses the key \(HTTP 403\)"),
        (404, {"detail": "Not Found"}, "knows no chat protocol at this address"),
        (
            402,
            {"error": {"message": "Insufficient credits"}},
            r"has no credit left for this key \(HTTP 402\)",
        ),
        (429, {"error": {"message": "You exceeded your current quota"}}, "has no credit left for this key"),
        (429, {"error": {"message": "You exceeded your current quota. Retry in 9 s"}}, "too many requests"),
        (413, {}, "too large for"),
        (422, {"detail": "Unexpected fields in the request"}, "HTTP 422"),
    ],
)
def test_what_servers_say_comes_out_as_a_sentence(status: int, body: Any, says: str) -> None:
    from vramwise.ocr.remote.errors import message_of, of_status

    error = of_status(status, message_of(body), {}, "gpu1:8000", "x", "STUDIO_KEY")
    assert re.search(says, error.message)
    assert "gpu1:8000" in error.message
    assert "sk-12" not in error.message


def test_the_handle_of_the_node_reads_through_the_same_engine(
    endpoints: Endpoints, pictures: Pictures
) -> None:
    pages = pictures(3)
    with ChatServer() as server:
        endpoints(studio={"urls": [server.url]})
        handle = open_remote("studio", concurrency=2)
        assert [result.text for result in handle.read(pages)] == truth(pages)
        assert server.most <= 2


# A machine that is busy: what the client still imports at its first request, and the program that it asks for
# the processor's name, take longer than a server is given.
BUSY = """
import sys, time

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name in ("openai.resources.models", "anyio._backends._asyncio"):
            time.sleep(2.2)

sys.meta_path.insert(0, Slow())
from vramwise.ocr.remote import open_remote
print(open_remote("studio").plan())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows starts no program for the processor's name.")
def test_a_slow_start_of_this_machine_is_not_taken_for_a_slow_server(
    endpoints: Endpoints, tmp_path: Path
) -> None:
    slow = tmp_path / "uname"
    slow.write_text("#!/bin/sh\nsleep 2.2\necho unknown\n", encoding="ascii")
    slow.chmod(0o755)
    with ChatServer() as server:
        endpoints(studio={"urls": server.url})
        done = subprocess.run(
            [sys.executable, "-c", BUSY],
            env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "1 of 1 server answers now" in done.stdout
