"""An event loop in a thread of its own: ComfyUI runs nodes inside a running one, where no other may start."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
_FAREWELL = 0.5  # seconds that tasks get to close their connections


class EventLoop:
    """Runs coroutines beside the caller; leaving cancels whatever still runs, then does what ``at_end`` was
    given.
    """

    def __init__(self) -> None:
        self._at_end: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="vramwise-remote", daemon=True)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def at_end(self, farewell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._at_end.append(farewell)

    def __enter__(self) -> EventLoop:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.submit(self._wind_up())
        self._thread.join(2 * _FAREWELL)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _wind_up(self) -> None:
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_FAREWELL / 2)
        if self._at_end:
            await asyncio.wait([asyncio.create_task(one()) for one in self._at_end], timeout=_FAREWELL / 2)
        self._loop.stop()
