"""A server on 127.0.0.1 that sends whatever bytes it is told to, also such as no library would send."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator

Say = Callable[[str, dict[str, str], bytes], Iterable[bytes]]
"""From the path, the headers (lower-case names) and the body of a request to the bytes of the answer."""


class RawServer:
    """``asked`` lists the paths. ``going`` is cleared at the end, for answers that would not end."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.going = True
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(socketserver.StreamRequestHandler):
    raw: RawServer

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            path = self.rfile.readline(65_536).split()[1].decode("latin-1")
            headers = {}
            while line := self.rfile.readline(65_536).strip():
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", "0")))
            self.raw.asked.append(path)
            self.raw.headers.append(headers)
            for piece in self.raw.say(path, headers, body):
                if not self.raw.going:
                    break
                self.wfile.write(piece)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    block_on_close = False
    request_queue_size = 64


@contextlib.contextmanager
def saying(say: Say) -> Iterator[RawServer]:
    """A RawServer behind a free port, one thread a connection, closed after each answer."""
    raw = RawServer(say)
    handler = type("Handler", (_Handler,), {"raw": raw})
    with _Server(("127.0.0.1", 0), handler) as server:
        raw.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield raw
        finally:
            raw.going = False
            server.shutdown()


def answer(body: bytes, status: str = "200 OK", **headers: object) -> bytes:
    """An honest answer; ``Content_Type="text/plain"`` and the like are further headers."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"Content-Length": len(body), **more, "Connection": "close"}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
