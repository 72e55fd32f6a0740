"""JSON over HTTP for the browser's routes: what a request may carry, and how its answer looks."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiohttp import web

from ...core.catalog.words import LANGUAGES, in_language
from ...core.errors import VramwiseError
from ...core.settings import load_settings
from .origin import host_names, refusal
from .reader_language import language_of

log = logging.getLogger("vramwise")
Handler = Callable[[web.Request], Awaitable[Any]]

# The longest order is a few names. ComfyUI itself takes uploads of 100 MB, which would be parsed in its
# server's own thread.
MOST_BODY_BYTES = 16 * 1024
LONGEST_BODY_SECONDS = 5.0


class RefusedError(VramwiseError):
    """A request that is not answered, with the HTTP status that says of which kind."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


async def json_object(request: web.Request) -> dict[str, Any]:
    """The JSON object of a POST. Other kinds of body are what a foreign page could send without asking.

    Raises RefusedError for a body that is too long (compressed ones are counted as they unfold), comes too
    slowly or is no such object.
    """
    if request.content_type != "application/json":
        raise RefusedError(400, _NO_OBJECT)
    try:
        body = await asyncio.wait_for(_body(request), LONGEST_BODY_SECONDS)
    except asyncio.TimeoutError:
        raise RefusedError(
            408, f"The request's body did not arrive within {LONGEST_BODY_SECONDS:g} seconds. Send it again."
        ) from None
    except RefusedError:
        raise
    except Exception as error:  # a broken chunk or compression: aiohttp has a class for each, and zlib's own
        raise RefusedError(400, f"The request's body cannot be read: {error}.") from error
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise RefusedError(400, _NO_OBJECT)
    return given


_NO_OBJECT = "The request must carry a JSON object, sent as application/json."


async def _body(request: web.Request) -> bytes:
    body = b""
    while True:
        if max(len(body), request.content_length or 0) > MOST_BODY_BYTES:
            raise RefusedError(413, f"The request's body is longer than {MOST_BODY_BYTES} bytes.")
        piece = await request.content.read(MOST_BODY_BYTES + 1)
        if not piece:
            return body
        body += piece


def as_json(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """``handler`` for those who may ask. Its answer is JSON that nobody caches; a VramwiseError is a status
    with its sentence in the language of whoever asks, and so is whatever else goes wrong: the log has where.
    """

    async def answer(request: web.Request) -> web.Response:
        try:
            await _let_in(request)
            found, status = await handler(request), 200
        except VramwiseError as error:
            found, status = {"error": _told(error, request)}, getattr(error, "status", 400)
        except web.HTTPException:
            raise
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            sentence = (
                f"VRAMwise could not answer {request.path} ({type(error).__name__}: {error}). ComfyUI's log "
                "says where; the next question is free."
            )
            found, status = {"error": _told(sentence, request)}, 500
        return web.json_response(found, status=status, headers={"Cache-Control": "no-store"})

    return answer


def _told(sentence: object, request: web.Request) -> str:
    """In the language that the question names, else in that of whoever asks."""
    named = request.query.get("lang")
    return in_language(sentence, named if named in LANGUAGES else language_of(request))


async def _let_in(request: web.Request) -> None:
    """Raises RefusedError for a request of a foreign page, or for a foreign host."""
    further: frozenset[str] = frozenset()
    if may_need_names(request):
        further = host_names(await asyncio.to_thread(_allowed_hosts))
    reason = refusal(request.method, request.headers, _arrived_at(request), lambda: further, _cors())
    if reason is not None:
        log.warning("%s %s refused: %s", request.method, request.path, reason)
        raise RefusedError(403, reason)


def may_need_names(request: web.Request) -> bool:
    """Whether the names in config.yaml decide: what passes without them reads no file."""
    asked: list[bool] = []

    def allowed() -> Collection[str]:
        asked.append(True)
        return ()

    refusal(request.method, request.headers, _arrived_at(request), allowed, _cors())
    return bool(asked)


def _allowed_hosts() -> tuple[str, ...]:
    return load_settings().allowed_hosts


def _arrived_at(request: web.Request) -> str:
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return str(name[0]) if isinstance(name, tuple) else ""


def _cors() -> str | None:
    """ComfyUI's --enable-cors-header, as it was started."""
    try:
        from comfy.cli_args import args
    except ImportError:
        return None
    given = getattr(args, "enable_cors_header", None)
    return given if isinstance(given, str) else None
