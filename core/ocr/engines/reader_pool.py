"""Live readers outside torch: one user at a time, evicted on request even while one is busy."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast


class Resource(Protocol):
    def release(self) -> None:
        """Free what is held; not used afterwards."""


R = TypeVar("R", bound=Resource)


class _Slot:
    """A resource with who may use it; ``evict_requested``: whoever holds it drops it on the way out."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.resource: Resource | None = None
        self.evict_requested = False


def in_each_fork(forget: Callable[[], None]) -> None:
    """Have a process that is forked off this one (multiprocessing's way on Linux) call ``forget``. Threads of
    a network do not come along, so that its first use there would wait for ever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)


class ReaderPool:
    """Resources by key. Two users of one key share one resource, one after the other."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._slots: dict[Hashable, _Slot] = {}
        self._left_behind: list[object] = []
        in_each_fork(self._begin_anew)

    def _begin_anew(self) -> None:
        """Own nothing. What the parent made is not freed either: that would wait for its threads too."""
        self._left_behind.append(self._slots)
        self._guard, self._slots = threading.Lock(), {}

    @contextmanager
    def acquire(self, key: Hashable, make: Callable[[], R]) -> Iterator[R]:
        """The resource of ``key``, made at first use and kept until ``release``."""
        with self._guard:
            slot = self._slots.setdefault(key, _Slot())
        try:
            with slot.lock:
                if slot.resource is None:
                    slot.evict_requested = False
                    slot.resource = make()
                yield cast(R, slot.resource)
        finally:
            self._evict_if_requested(slot)

    def present(self) -> list[Hashable]:
        """Keys of what is in memory now."""
        with self._guard:
            return [key for key, slot in self._slots.items() if slot.resource is not None]

    def release(self) -> int:
        """Drop everything. A busy resource is dropped when its reader is done. Returns how many are
        affected. Nothing is collected here: inside ComfyUI this runs in the server's thread, and a collection
        there beside the prompt thread's own unloading lets models die between two of its lines.
        """
        with self._guard:
            slots = [slot for slot in self._slots.values() if slot.resource is not None]
        for slot in slots:
            slot.evict_requested = True
            self._evict_if_requested(slot)
        return len(slots)

    @staticmethod
    def _evict_if_requested(slot: _Slot) -> None:
        """Drop a resource that is to go, unless somebody holds it; that one then drops it on the way out."""
        if slot.evict_requested and slot.lock.acquire(blocking=False):
            try:
                resource, slot.resource, slot.evict_requested = slot.resource, None, False
                if resource is not None:
                    resource.release()
            finally:
                slot.lock.release()
