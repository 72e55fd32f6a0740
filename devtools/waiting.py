"""Waiting for what another thread or process does a moment later, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
HANGS = 300.0  # seconds after which something has hung, however busy the machine
PAUSE = 0.02


def soon(ask: Callable[[], Answer], seconds: float = HANGS) -> Answer:
    """The first true answer of ``ask``. Raises AssertionError with the last one where none comes in time."""
    until = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < until, f"After {seconds:g} s it is still {answer!r}."
        time.sleep(PAUSE)
    return answer
