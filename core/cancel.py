"""Cancel inside long work on texts, without a callback in every signature.

The host puts its question into the context of the thread that runs a node, loops ask it every so many steps.
Elsewhere (scripts, routes, worker threads) nobody is asked, so nobody else's cancel is taken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
STEPS = 1024  # of a loop in Python between two questions: a few milliseconds
POLL_SECONDS = 0.05

_question: ContextVar[Callable[[], None] | None] = ContextVar("vramwise_cancel", default=None)


@contextmanager
def cancellable(check: Callable[[], None]) -> Iterator[None]:
    """Until the end of the block ``check`` is asked at every cancel point of this thread; it raises the
    host's interrupt when the person pressed Cancel.
    """
    token = _question.set(check)
    try:
        yield
    finally:
        _question.reset(token)


def cancel_point() -> None:
    """A place to stop: raises what the host raises."""
    check = _question.get()
    if check is not None:
        check()


def watched(items: Iterable[Item], every: int = STEPS) -> Iterator[Item]:
    """``items`` with a cancel point before each ``every`` of them."""
    for number, item in enumerate(items):
        if number % every == 0:
            cancel_point()
        yield item


def aside(work: Callable[[], Item]) -> Item:
    """What ``work`` returns or raises; where Cancel is heard, it runs on a thread of its own meanwhile.

    Only for work that lets go of the interpreter's lock and has an end: after a cancel nobody waits for it.
    """
    if _question.get() is None:
        return work()
    future: Future[Item] = Future()
    threading.Thread(target=_answer, args=(future, work), daemon=True).start()
    while not wait((future,), POLL_SECONDS).done:
        cancel_point()
    return future.result()


def _answer(future: Future[Item], work: Callable[[], Item]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # whatever it is, the thread that waits raises it
        future.set_exception(error)
