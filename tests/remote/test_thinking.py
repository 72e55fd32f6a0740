"""Thinking of served models: asked off, set apart from the text, and no blank page where nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
from vramwise.ocr.remote import resolve
from vramwise.ocr.remote.engine import RemoteEngine
from vramwise.ocr.remote.server_pool import RetryPolicy
from vramwise.ocr.results.result import OCRResult
from vramwise.ocr.vlm.page_result import ONLY_THOUGHT
from vramwise.settings import load_settings

from devtools.fakes.chat_server import MODEL, ChatServer, chunk

PAGE = "Invoice 17\nTotal 12.50"
THOUGHT = "The user wants the text."
DONE = b"data: [DONE]\n\n"
QUICK = RetryPolicy(timeout=120.0, tries=2, first_tries=2, first_wait=0.01, longest_wait=0.02)


class Thinker(ChatServer):
    """Answers with ``thinking`` until one of the fields ``off`` is sent, then with ``plain``; a field of
    ``refused`` is a 400.
    """

    def __init__(self, thinking: bytes, off: str = "", refused: str = "", kind: str = "text/event-stream"):
        super().__init__()
        self.thinking, self.off, self.refused, self.kind = thinking, off, refused, kind
        self.bodies: list[dict[str, Any]] = []

    async def _chat(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        self.bodies.append(body)
        if self.refused in body:
            message = f"Unrecognized request argument supplied: {self.refused}"
            return web.json_response({"error": {"message": message}}, status=400)
        said = chunk({"content": PAGE}) + chunk({}, "stop") + DONE if self.off in body else self.thinking
        return web.Response(body=said, content_type=self.kind)


def streamed(*deltas: dict[str, str], reason: str = "stop") -> bytes:
    return b"".join((*(chunk(delta) for delta in deltas), chunk({}, reason, 9), DONE))


def whole(reason: str = "stop", **message: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()


def always_thinking(name: str, answer: bytes) -> Thinker:
    """A server that no field keeps from thinking; ``name`` says whether its answer comes whole."""
    kind = "application/json" if name.startswith("whole") else "text/event-stream"
    return Thinker(answer, off="never", kind=kind)


@pytest.fixture
def read(endpoints: Callable[..., None], pictures: Callable[..., Any]) -> Callable[..., list[OCRResult]]:
    def run(server: Thinker, pages: int = 1, task: str = "text", shown: Any = None) -> list[OCRResult]:
        endpoints(studio={"urls": [server.url]})
        engine = RemoteEngine(resolve("studio", load_settings()), "", MODEL, "auto", 1, QUICK)
        return list(engine.read(pictures(pages), ReadOptions(task=task), shown or NoProgress()))

    return run


LETTERS = tuple({"content": letter} for letter in f"<think>\n{THOUGHT}\n</think>\n\n{PAGE}")
ANSWERED = {
    "tags, in two pieces": streamed({"content": f"<think>{THOUGHT}"}, {"content": f"</think>\n{PAGE}"}),
    "tags, letter by letter": streamed(*LETTERS),
    "only the closing tag": streamed({"content": f"{THOUGHT}\n</think>\n\n{PAGE}"}),
    "reasoning_content": streamed({"reasoning_content": THOUGHT}, {"content": PAGE}),
    "reasoning": streamed({"reasoning": THOUGHT}, {"content": PAGE}),
    "a field, and a tag left over": streamed({"reasoning": THOUGHT}, {"content": f"</think>\n\n{PAGE}"}),
    "boxes": streamed({"content": f"<think>{THOUGHT}</think><|begin_of_box|>{PAGE}<|end_of_box|>"}),
    "whole, tags": whole(content=f"<think>{THOUGHT}</think>{PAGE}"),
    "whole, reasoning_content": whole(content=PAGE, reasoning_content=THOUGHT),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_what_a_served_model_thought_is_in_reasoning_alone(
    name: str, read: Callable[..., list[OCRResult]]
) -> None:
    with always_thinking(name, ANSWERED[name]) as server:
        (result,) = read(server)
    assert (result.text, result.reasoning, result.finish_reason) == (PAGE, THOUGHT, "stop")
    assert THOUGHT not in result.markdown


ALONE = {
    "reasoning_content to the limit": streamed({"reasoning_content": THOUGHT}, reason="length"),
    "reasoning, and ended": streamed({"reasoning": THOUGHT}),
    "a tag that is never closed": streamed({"content": f"<think>\n{THOUGHT}"}, reason="length"),
    "whole, content null": whole("length", content=None, reasoning_content=THOUGHT),
    "whole, content empty": whole(content="", reasoning=THOUGHT),
}


@pytest.mark.parametrize("name", ALONE)
def test_an_answer_of_thoughts_alone_is_asked_once_more_and_is_no_blank_page(
    name: str, read: Callable[..., list[OCRResult]]
) -> None:
    with always_thinking(name, ALONE[name]) as server:
        (result,) = read(server)
    assert (result.text, result.reasoning, result.finish_reason) == ("", THOUGHT, "length")
    assert ONLY_THOUGHT in result.notes
    assert [body.get("reasoning_effort") for body in server.bodies] == [None, "none"]


@pytest.mark.parametrize("task", ["text", "markdown", "layout", "spotting"])
def test_thinking_is_asked_off(task: str, read: Callable[..., list[OCRResult]]) -> None:
    with Thinker(streamed({"reasoning": THOUGHT}), off="chat_template_kwargs") as server:
        read(server, task=task)
    (body,) = server.bodies
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert "reasoning_effort" not in body


def test_a_server_that_thinks_nevertheless_is_asked_in_ollamas_words_from_then_on(
    read: Callable[..., list[OCRResult]],
) -> None:
    with Thinker(streamed({"reasoning": THOUGHT}), off="reasoning_effort") as server:
        results = read(server, pages=3)
    assert [(result.text, result.reasoning) for result in results] == [(PAGE, "")] * 3
    assert [body.get("reasoning_effort") for body in server.bodies] == [None, "none", "none", "none"]


@pytest.mark.parametrize("refused", ["chat_template_kwargs", "reasoning_effort"])
def test_a_server_that_knows_no_such_field_is_asked_without(
    refused: str, read: Callable[..., list[OCRResult]]
) -> None:
    with Thinker(ANSWERED["reasoning"], off="never", refused=refused) as server:
        results = read(server, pages=2)
    assert [(result.text, result.reasoning) for result in results] == [(PAGE, THOUGHT)] * 2
    assert len([body for body in server.bodies if refused in body]) == 1


def test_who_watches_sees_no_thoughts(read: Callable[..., list[OCRResult]]) -> None:
    class Shown(NoProgress):
        texts: tuple[str, ...] = ()

        def token(self, done: int, limit: int, text: str) -> None:
            self.texts = (*self.texts, text)

    shown = Shown()
    with Thinker(streamed(*LETTERS), off="never") as server:
        read(server, shown=shown)
    assert not any("user" in text or "think" in text for text in shown.texts)
