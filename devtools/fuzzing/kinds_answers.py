"""Texts that come from outside: JSON of regions and boxes from a workflow, answers of a model's server."""

from __future__ import annotations

import functools
import json
import random
import socketserver
import threading
from typing import Any

from devtools.fuzzing.kinds import Kind, Place
from devtools.fuzzing.mutator import mutated_bytes, mutated_json, mutated_lines

# --- regions ----------------------------------------------------------------------------------------------

_WIDTH, _HEIGHT = 120, 80


@functools.cache
def _regions_samples() -> dict[str, bytes]:
    from vramwise.ocr.results.result import OCRResult, Region, Regions, Word

    box = ((10.0, 10.0), (60.0, 12.0), (60.0, 30.0), (10.0, 28.0))
    words = (Word("two", box, 0.9), Word("words", box, None))
    lines = (Region("two words", box, 0, words=words), Region("2", box, 1, "title", 0.5))
    page = OCRResult(
        "two words\n2", "two words\n2", lines, _WIDTH, _HEIGHT, "stop", "fuzz", "fp32", 0.1, language="en"
    )
    boxes = [
        {"x": 5, "y": 5, "width": 40, "height": 20, "label": "a", "score": 0.5, "metadata": {"text": "b"}}
    ]
    return {
        "pages": Regions((page, page)).to_json().encode(),
        "page": json.dumps(page.to_dict()).encode(),
        "boxes": json.dumps([boxes]).encode(),
    }


def _regions(data: bytes, sample: str, place: Place) -> None:
    """As Convert Regions takes it, then everything that is done with regions."""
    import numpy as np
    from vramwise.ocr.regions.bounding_boxes import boxes_of, is_boxes, pages_of_boxes
    from vramwise.ocr.regions.crops import crop
    from vramwise.ocr.regions.overlay import draw_overlay, fill_mask
    from vramwise.ocr.regions.search import search
    from vramwise.ocr.regions.text_match import Finder, Query
    from vramwise.ocr.results.from_json import pages_from, parse_json
    from vramwise.ocr.results.result import Regions

    found = parse_json(data.decode("utf-8", "replace"))
    pages = pages_of_boxes(found, _WIDTH, _HEIGHT) if is_boxes(found) else pages_from(found)
    Regions(pages).to_json()
    finder = Finder(Query("two", "fuzzy"))
    for page in pages[:4]:
        picture = np.ones((_HEIGHT, _WIDTH, 3), np.float32)
        fill_mask(np.zeros((_HEIGHT, _WIDTH), np.float32), page.regions)
        draw_overlay(picture, page.regions)
        boxes_of(page)
        search(page, finder)
        for region in page.regions[:20]:
            crop(picture, region.polygon, 4, True)
            crop(picture, region.polygon, 4, False)
        _draw(picture, page.regions[:3], place)


def _draw(picture: Any, regions: Any, place: Place) -> None:
    import numpy as np
    from vramwise.typesetting import Style, TextRenderer

    mask = np.zeros(picture.shape[:2], np.float32)
    renderer = place.kept.setdefault("renderer", TextRenderer(Style(), place.kept["fonts"]))
    renderer.page(picture, mask, regions, ["new text"] * len(regions))


def _regions_prepare(place: Place) -> None:
    from vramwise.typesetting.fonts import FontIndex

    place.kept["fonts"] = FontIndex()


# --- answers of a server ----------------------------------------------------------------------------------


def _chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    data = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }
    return b"data: " + json.dumps(data).encode() + b"\n\n"


@functools.cache
def _answer_samples() -> dict[str, bytes]:
    """Whole HTTP answers: a body and how it is called."""
    used = {"usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}
    pieces = [_chunk({"role": "assistant", "content": "Total"}), _chunk({"content": " 9.50"})]
    streamed = b"".join([*pieces, _chunk({}, "stop", **used), b"data: [DONE]\n\n"])
    message = {"role": "assistant", "content": "Total 9.50"}
    whole = {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **used}
    thought = _chunk({"reasoning_content": "A receipt."}) + pieces[0] + _chunk({}, "length")
    error = {"error": {"message": "The picture is too large.", "type": "invalid_request_error", "code": 400}}
    return {
        "stream": _http("200 OK", "text/event-stream", streamed),
        "thoughts": _http("200 OK", "text/event-stream", thought + b"data: [DONE]\n\n"),
        "whole": _http("200 OK", "application/json", json.dumps(whole).encode()),
        "chunked": _http("200 OK", "text/event-stream", streamed, chunked=True),
        "refused": _http("400 Bad Request", "application/json", json.dumps(error).encode()),
        "busy": _http("503 Service Unavailable", "text/html", b"<html>try later</html>"),
    }


def _http(status: str, kind: str, body: bytes, chunked: bool = False) -> bytes:
    if chunked:
        body = (
            b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:200], body[200:])) + b"0\r\n\r\n"
        )
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{length}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def _answer_spoil(sample: bytes, rng: random.Random) -> bytes:
    """The body's events and JSON changed under a right length, or any byte of the whole answer."""
    head, _, body = sample.partition(b"\r\n\r\n")
    if rng.random() < 0.3 or b"chunked" in head:
        return mutated_bytes(sample, rng)
    if b"json" in head:
        body = mutated_json(body, rng)
    else:
        events = body.split(b"\n\n")
        at = rng.randrange(len(events))
        if events[at].startswith(b"data: {") and rng.random() < 0.7:
            events[at] = b"data: " + mutated_json(events[at].removeprefix(b"data: "), rng)
            body = b"\n\n".join(events)
        else:
            body = mutated_lines(body, rng)
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", b""]) + body


class _Server(socketserver.ThreadingTCPServer):
    """Answers every request with the bytes of the case, and closes."""

    daemon_threads = True
    answer = b""


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        received = b""
        while b"\r\n\r\n" not in received and (part := self.request.recv(65536)):
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            ),
            0,
        )
        while len(body) < length and (part := self.request.recv(65536)):
            body += part
        try:
            self.request.sendall(self.server.answer)  # type: ignore[attr-defined]
        except OSError:
            return


def _answer_prepare(place: Place) -> None:
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    place.kept["server"] = server


def _answer_finish(place: Place) -> None:
    if "server" in place.kept:
        place.kept["server"].shutdown()
        place.kept["server"].server_close()


def _answer(data: bytes, sample: str, place: Place) -> None:
    import numpy as np
    from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
    from vramwise.ocr.remote.endpoints import Endpoint
    from vramwise.ocr.remote.engine import RemoteEngine
    from vramwise.ocr.remote.server_pool import RetryPolicy

    server = place.kept["server"]
    server.answer = data
    endpoint = Endpoint("fuzz", (f"http://127.0.0.1:{server.server_address[1]}/v1",), model="Qwen3-VL-2B")
    policy = RetryPolicy(timeout=2.0, tries=1, first_tries=1, first_wait=0.01, longest_wait=0.01)
    engine = RemoteEngine(endpoint, "a-secret-key", "", "qwen3_vl", 1, policy)
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:20] = 255
    from vramwise.errors import VramwiseError

    try:
        for result in engine.read([picture], ReadOptions(max_new_tokens=64), NoProgress()):
            assert "a-secret-key" not in json.dumps(result.to_dict())
    except VramwiseError as error:
        assert "a-secret-key" not in str(error)
        if sample not in ("refused", "busy") or data != _answer_samples()[sample]:
            raise


KINDS = {
    "regions": Kind(_regions_samples, mutated_json, _regions, _regions_prepare),
    "answer": Kind(_answer_samples, _answer_spoil, _answer, _answer_prepare, _answer_finish),
}
