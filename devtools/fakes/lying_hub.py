"""A hub of one small model that is honest but for what it is told to lie about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from vramwise.catalog import OCRModel

from devtools.fakes import lies
from devtools.fakes.raw_server import answer

COMMIT = "89644892e4d85e24eaac8bacfd4f463576704203"
MODEL = OCRModel(
    id="qwen3_vl_2b", name="Qwen3-VL 2B", engine="vlm", runs_on="gpu", weight_bytes=None, licence="",
    about="", source="", date="", family="qwen3_vl", repo="Qwen/Qwen3-VL-2B-Instruct",
)  # fmt: skip


def safetensors(tensor: str, rows: int) -> bytes:
    entry = {"dtype": "U8", "shape": [rows, 64], "data_offsets": [0, rows * 64]}
    header = json.dumps({tensor: entry}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(range(64)) * rows


SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
FILES = {
    "config.json": b'{"model_type": "qwen3_vl"}',
    "model.safetensors.index.json": json.dumps({"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}).encode(),
    SHARDS[0]: safetensors("a", 4_000),
    SHARDS[1]: safetensors("b", 2_000),
}


def siblings() -> list[dict[str, Any]]:
    found = []
    for name, content in FILES.items():
        entry: dict[str, Any] = {"rfilename": name, "size": len(content)}
        if name in SHARDS:
            entry["lfs"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        else:
            blob = b"blob %d\0" % len(content) + content
            entry["blobId"] = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
        found.append(entry)
    return found


def listing(**changes: Any) -> bytes:
    return answer(json.dumps({"sha": COMMIT, "siblings": siblings(), **changes}).encode())


def of_range(content: bytes, headers: dict[str, str]) -> bytes:
    start = int(headers.get("range", "bytes=0-")[6:-1])
    if not start:
        return answer(content)
    place = f"bytes {start}-{len(content) - 1}/{len(content)}"
    return answer(content[start:], "206 Partial Content", Content_Range=place)


def looking(how: Any) -> Any:
    """A lie that looks at what is asked: from the path and the headers to the answer."""
    how.looks = True
    return how


class Hub:
    """``lies``: what is said of the "listing", of a file by its name, or of each "file" with weights."""

    def __init__(self, **told: Any) -> None:
        self.lies: dict[str, Any] = dict(told)

    def __call__(self, path: str, headers: dict[str, str], _: bytes) -> Iterable[bytes]:
        name = "listing" if path.startswith("/api/") else path.partition("?")[0].rsplit("/", 1)[-1]
        lie = self.lies.get(name, self.lies.get("file") if name in SHARDS else None)
        if lie is not None:
            return lie(path, headers) if getattr(lie, "looks", False) else lies.said(lie)
        if name == "listing":
            return [listing()]
        return [of_range(FILES[name], headers)] if name in FILES else [answer(b"", "404 Not Found")]
