"""An event loop in a thread of its own: ComfyUI runs nodes inside a running one, where no other may start.

Not anyio's portal, which waits without end for what cannot be cancelled (docs/decisions.md has what was
measured).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
SHUTDOWN_SECONDS = 0.5  # that tasks and connections get to close


class EventLoop:
    """Runs coroutines beside the caller; leaving cancels whatever still runs, then does what ``at_shutdown``
    was given, and waits for twice SHUTDOWN_SECONDS at most.
    """

    def __init__(self) -> None:
        self._at_shutdown: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="vramwise-remote", daemon=True)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def at_shutdown(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._at_shutdown.append(close)

    def __enter__(self) -> EventLoop:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.submit(self._shut_down())
        self._thread.join(2 * SHUTDOWN_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _shut_down(self) -> None:
        this_task = asyncio.current_task()
        running = [task for task in asyncio.all_tasks() if task is not this_task]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=SHUTDOWN_SECONDS / 2)
        if self._at_shutdown:
            closing = [asyncio.create_task(close()) for close in self._at_shutdown]
            await asyncio.wait(closing, timeout=SHUTDOWN_SECONDS / 2)
        self._loop.stop()
