"""A small server of the OpenAI chat protocol: waits as long as told, then answers with words made from the
picture's bytes. For what is not about a model: numbers of requests, order, memory, speed.

`python -m devtools.fakes.chat_server --port 8000 --latency 0.2`; in tests
`with ChatServer() as server: server.url`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import ssl
import threading
from collections import Counter
from typing import Any

from aiohttp import web

from devtools.ports import HeldPort

MODEL = "qwen3_vl_stand_in"


def words_of(picture: str) -> str:
    """The answer for a data: URL."""
    return f"page {hashlib.sha256(picture.encode()).hexdigest()[:16]}"


def picture_of(messages: list[dict[str, Any]]) -> str:
    """The first picture of a conversation, a data: URL."""
    parts = (part for message in messages for part in message["content"] if isinstance(part, dict))
    return str(next(part["image_url"]["url"] for part in parts if part["type"] == "image_url"))


class WebThread:
    """An aiohttp application on 127.0.0.1, in a thread, for the length of a with block."""

    tls: ssl.SSLContext | None = None  # set before it starts, for https

    def __init__(self, port: int = 0) -> None:
        self._held_port = HeldPort(port)  # also while it is gone, until it comes back there
        self.port = self._held_port.number
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def application(self) -> web.Application:
        raise NotImplementedError

    async def before(self) -> None:
        """Set up what needs the loop."""

    async def after(self) -> None:
        """Take that down again."""

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Any:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(120)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be gone, also before the block ends."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(120)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(120)

    async def _start(self) -> None:
        await self.before()
        self._runner = web.AppRunner(self.application(), shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls)
        await site.start()

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await self.after()


class ChatServer(WebThread):
    """Counts what it is asked: ``pictures`` by their data: URL's words, requests ``now`` and the ``most`` at
    once, the ``headers`` of the last request. ``idle`` is set while nobody waits for an answer. The first
    answer waits until ``together`` requests are under way, however slowly they come.
    """

    def __init__(
        self,
        latency: float = 0.0,
        port: int = 0,
        model: str = MODEL,
        text: str | None = None,
        together: int = 1,
    ) -> None:
        super().__init__(port)
        self.latency, self.model, self.text, self.together = latency, model, text, together
        self.pictures: Counter[str] = Counter()
        self.now = self.most = 0
        self.idle = threading.Event()
        self.idle.set()
        self.headers: dict[str, str] = {}

    def application(self) -> web.Application:
        app = web.Application(client_max_size=256 * 1024**2)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        self.headers = dict(request.headers)
        return web.json_response({"object": "list", "data": [{"id": self.model, "object": "model"}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.headers = dict(request.headers)
        self.now += 1
        self.idle.clear()
        self.most = max(self.most, self.now)
        try:
            body = json.loads(await request.read())
            answer = words_of(picture_of(body["messages"]))
            self.pictures[answer] += 1
            await self.turn()
            return await self._stream(request, self.text if self.text is not None else answer)
        finally:
            self.now -= 1
            if not self.now:
                self.idle.set()

    async def turn(self) -> None:
        """Wait for the moment of an answer: ``latency`` seconds, or what a test would rather wait for."""
        while self.most < self.together:
            await asyncio.sleep(0.005)
        await asyncio.sleep(self.latency)

    async def _stream(self, request: web.Request, text: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        words = text.split(" ")
        pieces = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
        events = [*(chunk({"content": piece}) for piece in pieces), chunk({}, "stop", len(pieces))]
        await response.write(b"".join(events) + b"data: [DONE]\n\n")
        return response


def chunk(delta: dict[str, str], finish_reason: str | None = None, tokens: int | None = None) -> bytes:
    """One event of a streamed answer."""
    data: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    if tokens is not None:
        data["usage"] = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
    return f"data: {json.dumps(data)}\n\n".encode()


def main() -> None:
    parser = argparse.ArgumentParser(prog="devtools.fakes.chat_server")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    given = parser.parse_args()
    with ChatServer(given.latency, given.port) as server:
        print(f"{server.url}/v1", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
