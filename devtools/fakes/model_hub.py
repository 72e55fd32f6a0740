"""A hub of models on 127.0.0.1 that answers as Hugging Face and ModelScope do, or misbehaves."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from devtools.fakes.local_server import listening


@dataclass
class World:
    """What the hub holds, under which name, and how it misbehaves."""

    repo: str
    commit: str
    files: dict[str, bytes]
    url: str = ""
    sent: dict[str, bytes] = field(default_factory=dict)  # other bytes than listed
    listed_size: dict[str, int] = field(default_factory=dict)
    page: bool = False  # refusals are web pages, as of a network's sign-in
    drop_after: int | None = None
    drops: int = 0  # how many answers are still cut off; -1: all
    status: dict[str, int] = field(default_factory=dict)
    busy: dict[str, list[dict[str, str]]] = field(default_factory=dict)  # headers of each 429 to come
    asked: list[tuple[str, str | None, str | None]] = field(
        default_factory=list
    )  # path, Range, Authorization
    ranges: bool = True
    agents: set[str] = field(default_factory=set)
    slow_after: int | None = None  # bytes of an answer after which it only trickles, until `go` is set
    go: threading.Event = field(default_factory=threading.Event)

    def fetched(self, name: str) -> list[str | None]:
        return [wanted for path, wanted, _ in self.asked if path.endswith(f"/{name}") and "/resolve/" in path]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer()

    def answer(self, head: bool = False) -> None:
        world, repo, path = self.world, self.world.repo, urlsplit(self.path).path
        world.asked.append((path, self.headers.get("Range"), self.headers.get("Authorization")))
        world.agents.add(self.headers.get("User-Agent", ""))
        for part, waits in world.busy.items():
            if part in path and waits:
                self.refuse(429, waits.pop(0))
                return
        for part, status in world.status.items():
            if part in path:
                self.refuse(status)
                return
        if path == f"/api/models/{repo}" or path.startswith(f"/api/models/{repo}/revision/"):
            assert parse_qs(urlsplit(self.path).query)["blobs"][0].lower() == "true"
            self.json(
                {"id": repo, "sha": world.commit, "siblings": [self.sibling(name) for name in world.files]}
            )
        elif path == f"/api/v1/models/{repo}/repo/files":
            self.json(self.modelscope())
        elif path.startswith((f"/{repo}/resolve/", f"/models/{repo}/resolve/")):
            self.file(path.split("/resolve/", 1)[1].split("/", 1)[1], head)
        elif path.startswith("/cdn/"):
            self.file(path.removeprefix("/cdn/"), head, cdn=True)
        elif "/api/v1/" in path:
            self.json({"Code": 200, "Data": {"Files": None}, "Success": True})
        else:
            self.refuse(404)

    def sibling(self, name: str) -> dict[str, Any]:
        content = self.world.files[name]
        size = self.world.listed_size.get(name, len(content))
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": size, "blobId": blob}
        if name.endswith((".safetensors", ".bin")):
            sha = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"size": size, "sha256": sha, "pointerSize": 135}
        return entry

    def modelscope(self) -> dict[str, Any]:
        files: list[dict[str, Any]] = [{"Path": "sub", "Type": "tree", "Size": 0, "Revision": "0" * 40}]
        for name, content in self.world.files.items():
            sha = hashlib.sha256(content).hexdigest()
            entry = {"Path": name, "Type": "blob", "Size": len(content), "Sha256": sha, "Revision": "5" * 40}
            files.append(entry)
        data = {"Files": files, "LatestCommitter": {"Id": "", "ShortId": "5" * 8}}
        return {"Code": 200, "Data": data, "Success": True}

    def file(self, name: str, head: bool, cdn: bool = False) -> None:
        world = self.world
        if name not in world.files:
            self.refuse(404)
            return
        if name.endswith(".safetensors") and not cdn:  # large files lie elsewhere
            self.send_response(302)
            self.send_header("Location", f"/cdn/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = world.sent.get(name, world.files[name])
        wanted = self.headers.get("Range") if world.ranges else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and start >= len(content):
            self.refuse(416)
            return
        body = content[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", world.commit)
        self.end_headers()
        if head:
            return
        if world.drop_after is not None and world.drops and len(body) > world.drop_after:
            world.drops -= 1
            self.wfile.write(body[: world.drop_after])
            self.close_connection = True
        elif world.slow_after is not None and not world.go.is_set() and len(body) > world.slow_after:
            self.trickle(body, world.slow_after)
        else:
            self.wfile.write(body)

    def trickle(self, body: bytes, at: int) -> None:
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body[:at])
            while at < len(body) and not self.world.go.wait(0.05):
                self.wfile.write(body[at : at + 1024])
                at += 1024
            self.wfile.write(body[at:])
        self.close_connection = True

    def json(self, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, headers: dict[str, str] | None = None) -> None:
        codes = {404: "RepoNotFound", 403: "GatedRepo"}
        self.send_response(status)
        body = b"<!DOCTYPE html><title>Sign in</title>" if self.world.page else b""
        if body:
            self.send_header("Content-Type", "text/html; charset=utf-8")
        elif status in codes:
            self.send_header("X-Error-Code", codes[status])
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


@contextlib.contextmanager
def serving(world: World, tls: ssl.SSLContext | None = None) -> Iterator[World]:
    """``world`` behind a free port, in a thread; its ``url`` is set."""
    with listening(type("Handler", (_Handler,), {"world": world}), tls) as world.url:
        try:
            yield world
        finally:
            world.go.set()
