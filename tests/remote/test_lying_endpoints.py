"""Endpoints that lie: a sentence in bounded time, and the key in no text, debug logs included."""

from __future__ import annotations

import json
import logging
import re
import socket
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from vramwise.errors import VramwiseError
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.remote import errors, open_remote, resolve
from vramwise.ocr.remote.engine import RemoteEngine
from vramwise.ocr.remote.server_pool import RetryPolicy
from vramwise.settings import load_settings

from devtools.fakes import lies
from devtools.fakes.chat_server import MODEL, chunk
from devtools.fakes.raw_server import answer, saying

KEY = "sk-lying-0123456789abcdef"
GOOD = answer(chunk({"content": "page"}) + chunk({}, "stop"), Content_Type="text/event-stream")
Endpoints = Callable[..., None]
Pictures = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_KEY", KEY)


def outcome(url: str, endpoints: Endpoints, pages: list[Any], timeout: float = 60.0) -> Any:
    endpoints(studio={"urls": [url], "key_env": "STUDIO_KEY"})
    policy = RetryPolicy(timeout=timeout, tries=1, first_tries=1, first_wait=0.01, longest_wait=0.01)
    engine = RemoteEngine(resolve("studio", load_settings()), KEY, MODEL, "auto", 1, policy)
    try:
        (found,) = engine.read_each(pages, ReadOptions())
    except VramwiseError as error:
        return error
    return found


def test_a_lie_is_a_sentence_and_the_next_page_is_read(endpoints: Endpoints, pictures: Pictures) -> None:
    pages, lie = pictures(1), [b""]

    def say(path: str, _: dict[str, str], __: bytes) -> Iterable[bytes]:
        return lies.said(lie[0])

    with saying(say) as server:
        for name, lie[0] in lies.ANYWHERE.items():  # type: ignore[assignment]
            found = outcome(server.url, endpoints, pages, 1.0 if name in lies.UNENDING else 60.0)
            assert isinstance(found, VramwiseError), name
            said = str(found)
            assert f"127.0.0.1:{server.port}" in said and len(said) < 900 and "Traceback" not in said, name
        lie[0] = GOOD
        assert outcome(server.url, endpoints, pages).text == "page"


def test_lists_of_models_that_lie_are_a_sentence_in_the_plan(endpoints: Endpoints) -> None:
    with saying(lambda *_: lies.said(lie)) as server:
        endpoints(studio={"urls": [server.url], "key_env": "STUDIO_KEY"})
        for name in ("a sign-in page", "a gzip bomb", "nested", "twenty thousand headers", "no HTTP"):
            lie = lies.ANYWHERE[name]
            said = open_remote("studio").plan()
            assert said.startswith("Read by the endpoint studio") and KEY not in said, name


def test_names_of_models_and_words_of_errors_hold_nothing_that_a_terminal_obeys(
    endpoints: Endpoints, pictures: Pictures
) -> None:
    names = [MODEL, "a\x1b[2Jb", KEY, "x" * 5000]
    listed = answer(json.dumps({"data": [{"id": name} for name in names]}).encode())
    words = json.dumps({"error": {"message": "no\x1b[2J\r\u202eway\x07"}}).encode()

    def say(path: str, _: dict[str, str], __: bytes) -> Iterable[bytes]:
        return [listed if path.endswith("/models") else answer(words, "400 Bad")]

    with saying(say) as server:
        said = str(outcome(server.url, endpoints, pictures(1))) + open_remote("studio").plan()
    assert f"it serves {MODEL}." in said and "no" in said and "way" in said
    assert all(letter.isprintable() or letter == "\n" for letter in said)


@pytest.mark.parametrize(("lang", "letters"), [("ru", "[\u0400-\u04ff]"), ("zh", "[\u4e00-\u9fff]")])
def test_the_plan_is_in_the_readers_language(endpoints: Endpoints, lang: str, letters: str) -> None:
    listed = {"data": [{"id": MODEL, "max_model_len": 32_768}, {"id": "it serves x"}]}
    with saying(lambda *_: [answer(json.dumps(listed).encode())]) as server:
        endpoints(studio={"urls": [server.url, "http://127.0.0.1:9"], "key_env": "STUDIO_KEY"})
        for model in ("", MODEL, "another"):
            plan = open_remote("studio", model)
            told = plan.plan(lang).splitlines()
            assert len(told) == len(plan.plan().splitlines()) >= 3
            assert [line for line in told if not re.search(letters, line)] == []
            named = " ".join(told).replace("it serves x", "")
            assert not re.search(r"\b(answers?|serves|of|the|now|is|for)\b", named), named
            assert "it serves x" in plan.plan(lang) or model == MODEL


# Where a server may repeat the key that it was sent.
ECHOES: dict[str, bytes] = {
    "header": answer(b"{}", X_Key=KEY),
    "reason": answer(b"{}", f"500 {KEY}"),
    "status": f"HTTP/1.1 {KEY}\r\n\r\n".encode(),
    "redirect": lies.redirect(f"https://{KEY}.test/{KEY}"),
    "content type": answer(b"x", Content_Type=KEY),
    "encoding": answer(b"x", Content_Encoding=KEY),
    "error": answer(
        json.dumps({"error": {"message": f"no {KEY}", "param": KEY}}).encode(), "400 Bad Request"
    ),
    "error in the stream": answer(b"data: " + json.dumps({"error": KEY}).encode() + b"\n\n"),
    "refusal": answer(json.dumps({"choices": [{"message": {"refusal": KEY}}]}).encode()),
    "text": answer(chunk({"content": KEY[:9]}) + chunk({"content": KEY[9:]}, "stop")),
    "reasoning": answer(chunk({"reasoning": KEY}, "stop")),
    "comment": answer(f": {KEY}\n\n".encode()),
    "damaged": answer(f"data: {{{KEY}\n\n".encode()),
    "no event": answer(KEY.encode()),
    "chunk size": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
    "retry after": answer(b"", "429 Busy", Retry_After=KEY),
}


@pytest.mark.parametrize("where", ECHOES)
def test_a_key_that_a_server_repeats_is_in_no_text(
    where: str, endpoints: Endpoints, pictures: Pictures, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with saying(lambda *_: [ECHOES[where]]) as server:
        found = outcome(server.url, endpoints, pictures(1), 1.0 if where == "retry after" else 60.0)
        said = [open_remote("studio").plan(), repr(found)]
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    if isinstance(found, VramwiseError):
        said += traceback.format_exception(found)
    else:
        said.append(json.dumps(found.to_dict()))
    assert not [text for text in said if KEY in text]
    assert caplog.text and KEY not in caplog.text


@pytest.mark.parametrize("address", ["169.254.169.254", "169.254.3.4", "::ffff:169.254.169.254", "fe80::1"])
def test_a_name_that_resolves_to_link_local_is_not_asked(
    address: str, endpoints: Endpoints, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **how: Any) -> Any:
        if host in ("studio.vramwise.test", b"studio.vramwise.test"):
            kind = socket.AF_INET6 if ":" in address else socket.AF_INET
            return [(kind, socket.SOCK_STREAM, 6, "", (address, port))]
        return real(host, port, *rest, **how)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    found = outcome("http://studio.vramwise.test:8000/v1", endpoints, pictures(1))
    assert "Nothing was sent there" in str(found) and "studio.vramwise.test" in str(found)


@pytest.mark.parametrize(
    ("server", "after", "seconds"),
    [
        ("Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:30 GMT", 30.0),
        ("Sat, 01 Jan 2050 00:00:00 GMT", "Sat, 01 Jan 2050 00:00:30 GMT", 30.0),
        ("nonsense", "Sat, 01 Jan 2000 00:00:30 GMT", 0.0),
        ("Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 31 Dec 1999 00:00:30 GMT", 0.0),
    ],
)
def test_a_wait_is_by_the_servers_clock(server: str, after: str, seconds: float) -> None:
    assert errors.retry_after({"date": server, "retry-after": after}) == seconds
