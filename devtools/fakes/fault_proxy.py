"""A proxy in front of a server of the OpenAI chat protocol that does what networks and servers do.

`python -m devtools.fakes.fault_proxy --to http://127.0.0.1:8000 --port 9000 --faults busy,pass,reset` treats
the first request as busy, passes the second, breaks the third, and passes all further ones
(--again starts over).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator

import aiohttp
from aiohttp import web

from devtools.fakes.chat_server import WebThread, chunk

Fault = Callable[["FaultProxy", web.Request], Awaitable[web.StreamResponse]]


class FaultProxy(WebThread):
    """``faults`` are names of FAULTS, one a chat request; after the last one everything passes.

    ``upstream`` is the real server's address without a path, ``stall`` the seconds that a stall takes,
    ``wait`` what Retry-After says. ``done`` lists what became of each request.
    """

    def __init__(
        self,
        upstream: str,
        faults: Iterable[str] = (),
        *,
        stall: float = 20.0,
        wait: float = 1.0,
        port: int = 0,
    ) -> None:
        super().__init__(port)
        self.upstream, self.stall, self.wait = upstream.rstrip("/"), stall, wait
        self._faults: Iterator[str] = itertools.chain(faults, itertools.repeat("pass"))
        self.done: list[str] = []
        self._session: aiohttp.ClientSession | None = None

    async def before(self) -> None:
        self._session = aiohttp.ClientSession()

    async def after(self) -> None:
        assert self._session is not None
        await self._session.close()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=256 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        name = next(self._faults) if request.path.endswith("/chat/completions") else "pass"
        if request.path.endswith("/chat/completions"):
            self.done.append(name)
        return await FAULTS[name](self, request)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """The real answer, event by event."""
        assert self._session is not None
        url = f"{self.upstream}{request.rel_url}"
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in ("host", "content-length", "transfer-encoding")
        }
        data = await request.read()
        async with self._session.request(request.method, url, data=data, headers=headers) as answer:
            kind = answer.headers.get("Content-Type", "application/octet-stream")
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": kind})
            await response.prepare(request)
            async for part in answer.content.iter_any():
                await response.write(part)
        return response


async def _busy(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    await request.read()
    said = {"error": {"message": "Rate limit reached", "type": "requests", "code": 429}}
    return web.json_response(said, status=429, headers={"Retry-After": f"{proxy.wait:g}"})


async def _internal(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    await request.read()
    return web.json_response({"object": "error", "message": "EngineCore died", "code": 500}, status=500)


async def _memory(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    await request.read()
    said = {"error": {"message": "CUDA out of memory. Tried to allocate 2.28 GiB", "code": 500}}
    return web.json_response(said, status=500)


async def _reset(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


async def _reset_midway(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    response = await _begun(request)
    await response.write(chunk({"content": "half of"}))
    await asyncio.sleep(0.05)
    return await _reset(proxy, request)


async def _cut(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    """An orderly end of the connection in the middle of the answer."""
    response = await _begun(request)
    await response.write(chunk({"content": "half of"}))
    return response


async def _stalled(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    await request.read()
    await asyncio.sleep(proxy.stall)
    return await proxy.forward(request)


async def _stalled_midway(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    response = await _begun(request)
    await response.write(chunk({"content": "half of"}))
    await asyncio.sleep(proxy.stall)
    return response


async def _truncated_event(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    response = await _begun(request)
    await response.write(chunk({"content": "half"}) + b'data: {"id": "1", "choices": [{"del\n\n')
    return response


async def _truncated_json(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    await request.read()
    text = '{"id": "1", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assi'
    return web.Response(text=text, content_type="application/json")


async def _wrong_schema(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    await request.read()
    return web.json_response({"result": ["something", "else"], "choices": {"text": 1}})


async def _wrong_event(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    response = await _begun(request)
    for event in ({"choices": "none"}, [1, 2], 7, {"choices": [{"delta": None}]}):
        await response.write(f"data: {json.dumps(event)}\n\n".encode())
    return response


async def _html(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    await request.read()
    page = "<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"
    return web.Response(text=page, content_type="text/html")


async def _html_error(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    await request.read()
    return web.Response(
        text="<html><body>502 Bad Gateway</body></html>", status=502, content_type="text/html"
    )


async def _endless(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    """Words that are never the same and never stop."""
    response = await _begun(request)
    for number in itertools.count():
        await response.write(chunk({"content": f" {number * 7919}"}) * 8)
    return response


async def _endless_circle(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    response = await _begun(request)
    while True:
        await response.write(chunk({"content": "the same again "}))


async def _endless_bytes(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    """One event without an end, a megabyte at a time."""
    response = await _begun(request)
    await response.write(b"data: ")
    while True:
        await response.write(b"x" * 1024**2)


async def _redirect(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    await request.read()
    return web.Response(status=307, headers={"Location": "http://localhost:9/v1/chat/completions"})


async def _begun(request: web.Request) -> web.StreamResponse:
    await request.read()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


FAULTS: dict[str, Fault] = {
    "pass": FaultProxy.forward,
    "busy": _busy,
    "internal": _internal,
    "memory": _memory,
    "reset": _reset,
    "reset_midway": _reset_midway,
    "cut": _cut,
    "stalled": _stalled,
    "stalled_midway": _stalled_midway,
    "truncated_event": _truncated_event,
    "truncated_json": _truncated_json,
    "wrong_schema": _wrong_schema,
    "wrong_event": _wrong_event,
    "html": _html,
    "html_error": _html_error,
    "endless": _endless,
    "endless_circle": _endless_circle,
    "endless_bytes": _endless_bytes,
    "redirect": _redirect,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="devtools.fakes.fault_proxy")
    parser.add_argument("--to", required=True, metavar="URL", help="the real server, without a path")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--faults", default="", help=f"names, commas between: {', '.join(FAULTS)}")
    parser.add_argument("--again", action="store_true", help="start over after the last one")
    given = parser.parse_args()
    faults = [name for name in given.faults.split(",") if name]
    unknown = [name for name in faults if name not in FAULTS]
    if unknown:
        parser.error(f"unknown fault {unknown[0]}")
    with FaultProxy(given.to, itertools.cycle(faults) if given.again else faults, port=given.port) as proxy:
        print(f"{proxy.url}/v1", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
