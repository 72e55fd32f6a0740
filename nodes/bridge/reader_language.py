"""In which language whoever presses Run reads, so that a refusal is not English above its translated button.

That is the browser's own choice: the language of ComfyUI's settings, else the first that the request accepts,
as the frontend takes it. A script accepts none, and is answered in English.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextvars import ContextVar
from typing import Any

from aiohttp import web

from ...core.catalog.words import LANGUAGES, in_language
from ...core.errors import VramwiseError
from . import example_words

log = logging.getLogger(__name__)
_SETTING = "Comfy.Locale"
_MOST_READERS = 256
# Of the request that is answered now.
_ASKED: ContextVar[str] = ContextVar("asked", default="en")
# By the client id of the browser whose prompt it was.
_readers: OrderedDict[str, str] = OrderedDict()


def told(error: VramwiseError) -> str:
    """The sentence of ``error``, for the answer to the request that is being answered."""
    return in_language(error, _ASKED.get())


def of_the_reader() -> str:
    """The language of whoever queued the prompt that runs."""
    return _readers.get(str(getattr(_server(), "client_id", None)), "en")


def tell(error: VramwiseError) -> None:
    """Let ``error`` say its sentence in the language of whoever queued the prompt that runs."""
    lang = of_the_reader()
    if lang != "en":
        error.args = (in_language(error, lang),)


def listen_for_language() -> None:
    """Hear of every prompt in which language its reader reads. Without a server (unit tests) nothing
    happens."""
    server = _server()
    if server is None or server.app.frozen:
        return
    server.app.middlewares.append(_hear)
    server.app.middlewares.append(example_words.middleware(language_of))
    server.add_on_prompt_handler(_remember)


def _server() -> Any:
    try:
        from server import PromptServer
    except ImportError:  # a node that runs without ComfyUI
        return None
    return getattr(PromptServer, "instance", None)


@web.middleware
async def _hear(request: web.Request, handler: Any) -> Any:
    if request.method != "POST" or request.path not in ("/prompt", "/api/prompt"):
        return await handler(request)
    before = _ASKED.set(language_of(request))
    try:
        return await handler(request)
    finally:
        _ASKED.reset(before)


def _remember(prompt: Any) -> Any:
    """ComfyUI calls this within the request, with its body."""
    if isinstance(prompt, dict) and isinstance(prompt.get("client_id"), str):
        _readers[prompt["client_id"]] = _ASKED.get()
        _readers.move_to_end(prompt["client_id"])
        while len(_readers) > _MOST_READERS:
            _readers.popitem(last=False)
    return prompt


def language_of(request: web.Request) -> str:
    """The language of whoever sent ``request``; English for a script."""
    accepted = request.headers.get("Accept-Language", "").partition(",")[0]
    if not accepted:
        return "en"  # no browser
    try:
        chosen = str(_server().user_manager.settings.get_settings(request).get(_SETTING) or accepted)
    except Exception:  # somebody else's file, in whatever state
        log.debug("ComfyUI's settings do not say the language", exc_info=True)
        chosen = accepted
    return next((lang for lang in LANGUAGES if chosen.strip().lower().startswith(lang)), "en")
