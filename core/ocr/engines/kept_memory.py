"""What a CPU runtime keeps between pages, and how it is held within a bound.

OpenVINO's CPU plugin compiles kernels for each new shape and keeps them, and its largest tensors, as long as
the compiled model lives: pages of many sizes grow without end (openvinotoolkit/openvino issues 20633, 23316).
``CompiledModel.release_memory`` (OpenVINO 2024.5 and newer) frees the tensors; the kernels go with the model
alone.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ...units import MIB

FREE_ABOVE = 480 * MIB  # bytes a reader may have grown before its tensors are given back
RENEW_ABOVE = 400 * MIB  # bytes that may be left after that before its models are compiled anew
JUMP = 128 * MIB  # bytes between two pages that cannot come from handing pages on
WITHIN = 560 * MIB  # bytes by which a reader may grow within a page, as far as that can be foreseen
PAGES_BETWEEN = 8  # pages between two renewals at least: large pages alone may exceed the bound


class KeptMemory:
    """Watches how the process grows since a reader was made.

    ``free``: give back what costs little to have again; ``renew``: start with nothing. Both are called
    between pages, in the thread that reads. What else grows by little in the process is counted too, which
    only makes them come sooner; a jump between two pages (a model was loaded or left) is not, unless it is
    memory that somebody has freed (Tesseract, a large picture's other readings) and the C heap has kept.
    """

    def __init__(self, free: Callable[[], None], renew: Callable[[], None]) -> None:
        self._free, self._renew = free, renew
        self._base = self._last = resident()
        self._pages = 0

    @contextmanager
    def page(self, coming: int = 0) -> Iterator[None]:
        """Around the reading of one page, which takes so many bytes at once, as far as is known."""
        if resident() - self._last > JUMP:
            trim()
        jump = resident() - self._last
        if abs(jump) > JUMP:
            self._base += jump
        self._last = resident()
        if not self.room(coming) and self._pages >= PAGES_BETWEEN:
            self._renewed()
        try:
            yield
        finally:
            self._pages += 1
            self._last = resident()
            lasting = not self._within(FREE_ABOVE) and self._grown > RENEW_ABOVE
            if lasting and self._pages >= PAGES_BETWEEN:
                self._renewed()

    def room(self, coming: int) -> bool:
        """Before a step of a page that takes so many bytes: give back what is kept, if they would be too
        many beside it. Whether there is room then. What this step itself needs must not be kept yet.
        """
        self._within(WITHIN - coming)
        return self._grown <= WITHIN - coming

    @property
    def _grown(self) -> int:
        return resident() - self._base

    def _within(self, bound: int) -> bool:
        """Give back as much as costs little until no more than so many bytes are left: first the holes that
        pages of growing sizes leave between tensors in the C heap, then the tensors. Whether the first
        sufficed: what is needed for the next page is there still.
        """
        if self._grown > bound:
            self._give_back(_nothing)
        if self._grown <= bound:
            return True
        self._give_back(self._free)
        return False

    def _renewed(self) -> None:
        self._give_back(self._renew)
        self._pages = 0

    def _give_back(self, how: Callable[[], None]) -> None:
        how()
        trim()
        self._last = resident()


def _nothing() -> None:
    """What is freed already is handed back to the system, no more."""


def resident() -> int:
    """Bytes of RAM that this process has now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def trim() -> None:
    """Hand freed memory back to the system: glibc keeps it otherwise (malloc_trim(3)); other systems do so
    themselves.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has none
            ctypes.CDLL(None).malloc_trim(0)
