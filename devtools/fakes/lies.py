"""What hubs and endpoints may send instead of an answer. Each lie is a function to the bytes of one; the
generators among them do not end by themselves.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any

from devtools.fakes.raw_server import answer

METADATA = (
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
)
STRANGE_TARGETS = (
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "//user:pass@127.0.0.1/x",
    "http://",
    "http://[::1",
    "http://" + "a" * 300 + "/",
    "javascript:alert(1)",
)
DRIP_SECONDS = 0.02


def redirect(target: str, status: int = 302) -> bytes:
    return answer(b"", f"{status} Found", Location=target)


def bomb(kind: str = "application/json") -> bytes:
    """A few kilobytes that unpack to 64 MiB."""
    return answer(_packed(), Content_Encoding="gzip", Content_Type=kind)


@functools.cache
def _packed() -> bytes:
    return gzip.compress(bytes(64 << 20), 9)


def endless(kind: str = "application/json") -> Iterator[bytes]:
    yield f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n[".encode()
    yield from itertools.repeat(b" " * 65_536)


def drip(kind: str = "application/json", length: int = 1000) -> Iterator[bytes]:
    yield f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()
    for _ in range(length):
        time.sleep(DRIP_SECONDS)
        yield b" "


def silence() -> Iterator[bytes]:
    """Not a byte."""
    while True:
        time.sleep(DRIP_SECONDS)
        yield b""


def continues() -> Iterator[bytes]:
    """An answer is announced without end."""
    yield from itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")


def many_headers() -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n{}"


def long_header() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Long: "
    yield from itertools.repeat(b"y" * 65_536)


SIGN_IN = answer(b"<!doctype html><title>Sign in to Wi-Fi</title>", Content_Type="text/html; charset=utf-8")

# Of any answer: hub's listing, hub's file, endpoint's models, endpoint's chat.
ANYWHERE: dict[str, Any] = {
    "nothing": b"",
    "half a status line": b"HTTP/1.",
    "no HTTP": b"SSH-2.0-OpenSSH_9.7\r\n",
    "a status that is none": b"HTTP/1.1 abc OK\r\n\r\n",
    "status 416": answer(b"", "416 Range Not Satisfiable"),
    "status 999": answer(b"", "999 Nonsense"),
    "status 204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "length negative": answer(b"{}", Content_Length=-5),
    "length twice": answer(b"{}").replace(b"Connection", b"Content-Length: 9\r\nConnection"),
    "length huge": answer(b"{}", Content_Length=10**18),
    "chunk size nonsense": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n{}\r\n0\r\n\r\n",
    "chunk size huge": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n{}",
    "chunks that break off": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    "headers without end": long_header,
    "twenty thousand headers": many_headers(),
    "a hundred continues": continues,
    "a sign-in page": SIGN_IN,
    "a gzip bomb": bomb,
    "an unknown encoding": answer(b"{}", Content_Encoding="br, zstd, made-up"),
    "without end": endless,
    "drop by drop": drip,
    "silence": silence,
    "redirects in circles": redirect("/again"),
    "no text at all": answer(bytes(range(256)), "500 \xff\xfe"),
    "a page of errors": answer(b"<html>" + b"x" * 100_000, "502 Bad Gateway", Content_Type="text/html"),
    "nested": answer(b"[" * 200_000),
    **{f"redirect to {target[:40]}": redirect(target) for target in (*METADATA, *STRANGE_TARGETS)},
}


UNENDING = ("headers without end", "a hundred continues", "without end", "drop by drop", "silence")


def said(lie: Any) -> Iterable[bytes]:
    """The bytes of a lie."""
    found = lie() if callable(lie) else lie
    return [found] if isinstance(found, bytes) else found
