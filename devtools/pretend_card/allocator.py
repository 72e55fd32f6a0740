"""The memory of one pretend card: torch's caching allocator, in blocks that hold nothing.

As c10/cuda/CUDACachingAllocator.cpp has it: sizes are rounded to 512 bytes; up to 1 MiB comes from segments
of 2 MiB, up to 10 MiB from segments of 20 MiB, more from a segment of its own, rounded to 2 MiB; a free part
is split, its neighbours are joined again, and whole free segments go back to the driver before it gives up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MIB = 1024**2
ROUND, SMALL, SMALL_SEGMENT, LARGE_SEGMENT, MIDDLE, STEP = 512, MIB, 2 * MIB, 20 * MIB, 10 * MIB, 2 * MIB


@dataclass(eq=False)
class _Part:
    """A run of bytes in a segment; neighbours are joined by ``before`` and ``after``."""

    bytes: int
    small: bool
    free: bool = True
    before: _Part | None = None
    after: _Part | None = None

    @property
    def whole_segment(self) -> bool:
        return self.before is None and self.after is None


class Block:
    """One storage on the card. The memory goes back when the last tensor that looks at it is gone."""

    __slots__ = ("__weakref__", "_part", "_pool", "bytes")

    def __init__(self, pool: Pool, part: _Part, size: int) -> None:
        self._pool, self._part, self.bytes = pool, part, size

    def __del__(self) -> None:
        self._pool.give_back(self._part)


@dataclass(eq=False)
class Pool:
    """``total_bytes`` of a card, of which ``others_bytes`` belong to other programs.

    ``out_of_memory(asked)`` makes the error; ``fail_at`` (a count of allocations from now) has that one fail,
    however much is free.
    """

    total_bytes: int
    out_of_memory: Callable[[Pool, int], BaseException]
    others_bytes: int = 0
    allocated: int = 0
    reserved: int = 0
    most_allocated: int = 0
    most_reserved: int = 0
    allocations: int = 0
    failures: int = 0
    fail_at: int | None = None
    _free: list[_Part] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.RLock)

    @property
    def free_bytes(self) -> int:
        """What the driver calls free."""
        return max(0, self.total_bytes - self.others_bytes - self.reserved)

    def take(self, asked: int) -> Block:
        """A block of ``asked`` bytes. Raises what ``out_of_memory`` makes."""
        with self._lock:
            self.allocations += 1
            if self.fail_at is not None:
                self.fail_at -= 1
                if self.fail_at <= 0:
                    self.fail_at = None
                    raise self._failed(asked)
            size = max(ROUND, -(-asked // ROUND) * ROUND)
            small = size <= SMALL
            part = self._fitting(size, small) or self._from_driver(size, small)
            if part is None:
                raise self._failed(asked)
            self._split(part, size)
            part.free = False
            self.allocated += part.bytes
            self.most_allocated = max(self.most_allocated, self.allocated)
            return Block(self, part, asked)

    def give_back(self, part: _Part) -> None:
        with self._lock:
            self.allocated -= part.bytes
            part.free = True
            for other in (part.before, part.after):
                if other is not None and other.free:
                    self._free.remove(other)
                    self._join(part, other)
            self._free.append(part)

    def empty_cache(self) -> None:
        """Whole free segments go back to the driver."""
        with self._lock:
            for part in [part for part in self._free if part.whole_segment]:
                self._free.remove(part)
                self.reserved -= part.bytes

    def reset_peaks(self) -> None:
        self.most_allocated, self.most_reserved = self.allocated, self.reserved

    def _failed(self, asked: int) -> BaseException:
        self.failures += 1
        return self.out_of_memory(self, asked)

    def _fitting(self, size: int, small: bool) -> _Part | None:
        fitting = [part for part in self._free if part.small == small and part.bytes >= size]
        if not fitting:
            return None
        best = min(fitting, key=lambda part: part.bytes)
        self._free.remove(best)
        return best

    def _from_driver(self, size: int, small: bool) -> _Part | None:
        wanted = SMALL_SEGMENT if small else LARGE_SEGMENT if size < MIDDLE else -(-size // STEP) * STEP
        if wanted > self.free_bytes:
            self.empty_cache()
        if wanted > self.free_bytes:
            return None
        self.reserved += wanted
        self.most_reserved = max(self.most_reserved, self.reserved)
        return _Part(wanted, small)

    def _split(self, part: _Part, size: int) -> None:
        left = part.bytes - size
        if left < (ROUND if part.small else SMALL + 1):
            return
        rest = _Part(left, part.small, True, part, part.after)
        if part.after is not None:
            part.after.before = rest
        part.after, part.bytes = rest, size
        self._free.append(rest)

    @staticmethod
    def _join(part: _Part, other: _Part) -> None:
        part.bytes += other.bytes
        if other is part.before:
            part.before = other.before
            if other.before is not None:
                other.before.after = part
        else:
            part.after = other.after
            if other.after is not None:
                other.after.before = part
        other.before = other.after = None
