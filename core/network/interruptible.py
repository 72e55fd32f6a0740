"""Waiting for the network so that Cancel is heard meanwhile, whatever the network does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

T = TypeVar("T")
CHECK_SECONDS = 0.1
_AHEAD = 8  # items that are fetched before the one that is worked on


class NothingComes(Exception):
    """No item came within the time for one."""


def interruptible(
    source: Callable[[], Iterator[T]],
    check: Callable[[], None],
    abandon: Callable[[], None],
    seconds: float,
) -> Generator[T, None, None]:
    """The items of ``source()``, which runs in a thread of its own.

    ``check`` is called every CHECK_SECONDS while nothing comes, and may raise; NothingComes is raised where
    none comes for ``seconds``. ``abandon`` is called when the iteration ends early, to set the thread free.
    """
    items: queue.Queue[tuple[T | None, BaseException | None, bool]] = queue.Queue(_AHEAD)
    ended = threading.Event()

    def put(item: tuple[T | None, BaseException | None, bool]) -> None:
        while not ended.is_set():
            try:
                items.put(item, timeout=1.0)
                return
            except queue.Full:
                continue

    def run() -> None:
        try:
            for item in source():
                put((item, None, False))
                if ended.is_set():
                    return
            put((None, None, True))
        except BaseException as error:
            put((None, error, True))

    thread = threading.Thread(target=run, name="vramwise-transfer", daemon=True)
    thread.start()
    whole = False
    try:
        while True:
            item, error, last = _next(items, check, seconds)
            if error is not None:
                raise error
            if last:
                whole = True
                return
            yield item  # type: ignore[misc]  # an item may be None only with an error or at the end
    finally:
        ended.set()
        if not whole:
            abandon()


def _next(items: queue.Queue[T], check: Callable[[], None], seconds: float) -> T:
    for _ in range(max(1, round(seconds / CHECK_SECONDS))):
        try:
            return items.get(timeout=CHECK_SECONDS)
        except queue.Empty:
            check()
    raise NothingComes
