"""Progress, running text and cancel inside a running node."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

import comfy.model_management as mm
from comfy.utils import ProgressBar

from ...core.cancel import cancellable

PAGE = 1000  # progress steps of a page whose tokens are counted
TEXT_EVERY_SECONDS = 0.2
TEXT_TAIL = 600
Execute = TypeVar("Execute", bound=Callable[..., Any])


def interruptible(execute: Execute) -> Execute:
    """A node's ``execute`` in whose loops over texts ComfyUI's Cancel is heard (``core/cancel.py``)."""

    @functools.wraps(execute)
    def heard(*values: Any, **named: Any) -> Any:
        with cancellable(mm.throw_exception_if_processing_interrupted):
            return execute(*values, **named)

    return heard  # type: ignore[return-value]


class NodeProgress:
    """The core's ProgressCallback in ComfyUI. ``check`` raises ComfyUI's interrupt; nobody may swallow it."""

    def __init__(self, total: int, node_id: str | None) -> None:
        self._bar, self._total, self._node_id = ProgressBar(total), total, node_id
        self._pages, self._counts_tokens, self._sent = 0, False, 0.0

    def check(self) -> None:
        mm.throw_exception_if_processing_interrupted()

    def page_done(self, done: int, total: int) -> None:
        self._pages = done
        scale = PAGE if self._counts_tokens else 1
        self._bar.update_absolute(done * scale, total * scale)

    def token(self, done: int, limit: int, text: str) -> None:
        self.check()
        self._counts_tokens = True
        self._bar.update_absolute(self._pages * PAGE + PAGE * done // max(1, limit), self._total * PAGE)
        now = time.monotonic()
        if text and now - self._sent > TEXT_EVERY_SECONDS:
            self._sent = now
            self._show(text[-TEXT_TAIL:])

    def _show(self, text: str) -> None:
        """The text so far, on the node itself; without a server (unit tests) nothing happens."""
        from server import PromptServer

        server = getattr(PromptServer, "instance", None)
        if server is not None and self._node_id is not None:
            # Frontends set this text as HTML: behind "<" and a character of no width no tag begins.
            server.send_progress_text(text.replace("<", "<\u200b"), _shown_as(self._node_id))


def _shown_as(node_id: str) -> str:
    """The node of the person's graph: one that another node made in the run is shown on that node."""
    from comfy_execution.progress import get_progress_state

    return str(get_progress_state().dynprompt.get_display_node_id(node_id))
