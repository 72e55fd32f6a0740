"""A proxy of an office on 127.0.0.1: CONNECT for TLS, whole addresses for plain HTTP, and its moods."""

from __future__ import annotations

import base64
import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from devtools.fakes.local_server import listening


@dataclass
class OfficeProxy:
    """``leads_to`` maps a host's name to a port on this machine. ``password`` is NAME:PASSWORD, where it asks
    for one; ``refuses`` is the status that it answers to all. ``asked`` are the places that it was asked for.
    """

    leads_to: dict[str, int] = field(default_factory=dict)
    password: str = ""
    refuses: int = 0
    url: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: OfficeProxy

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        self.proxy.asked.append(self.path)
        if self._refused():
            return
        with self._line(host, int(port)) as line:
            self.send_response(200)
            self.end_headers()
            self._pass(line)
        self.close_connection = True

    def do_GET(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def _forward(self) -> None:
        parts = urlsplit(self.path)
        self.proxy.asked.append(parts.netloc)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._refused():
            return
        with self._line(parts.hostname or "", parts.port or 80) as line:
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            kept = [(name, value) for name, value in self.headers.items() if "connection" not in name.lower()]
            lines = [f"{name}: {value}" for name, value in kept if "proxy" not in name.lower()]
            head = [f"{self.command} {path} HTTP/1.1", *lines, "Connection: close", "", ""]
            line.sendall("\r\n".join(head).encode() + body)
            while data := line.recv(1 << 16):
                self.wfile.write(data)
        self.close_connection = True

    def _refused(self) -> bool:
        wanted = "Basic " + base64.b64encode(self.proxy.password.encode()).decode()
        status = self.proxy.refuses
        if not status and self.proxy.password and self.headers.get("Proxy-Authorization") != wanted:
            status = 407
        if status:
            self.send_response(status)
            self.send_header("Proxy-Authenticate", 'Basic realm="office"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        return bool(status)

    def _line(self, host: str, port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.proxy.leads_to.get(host, port)))

    def _pass(self, line: socket.socket) -> None:
        def back() -> None:
            with contextlib.suppress(OSError):
                while data := line.recv(1 << 16):
                    self.connection.sendall(data)
                self.connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=back, daemon=True)
        thread.start()
        with contextlib.suppress(OSError):
            while data := self.connection.recv(1 << 16):
                line.sendall(data)
            line.shutdown(socket.SHUT_WR)
        thread.join(10)

    def log_message(self, *_: object) -> None:
        return None


@contextlib.contextmanager
def proxying(proxy: OfficeProxy, tls: ssl.SSLContext | None = None) -> Iterator[OfficeProxy]:
    """``proxy`` behind a free port, in a thread, spoken to by TLS with ``tls``; its ``url`` is set."""
    with listening(type("Handler", (_Handler,), {"proxy": proxy}), tls) as proxy.url:
        yield proxy
