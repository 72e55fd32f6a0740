"""Questions to libraries and drivers that may fail in any way.

A driver that is half installed, a card that has just been lost or a library of another version raises
whatever it likes (UnicodeDecodeError, AssertionError, OSError, AttributeError, ...) or answers nonsense. What
it would have told is then unknown, and what it said instead is kept for a remark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

# More cards than any machine has, more bytes than any memory has: beyond, an answer is nonsense.
_MOST_CARDS, _MOST_BYTES = 1024, 2**56
_LONGEST = 200


@dataclass(frozen=True)
class Unanswered:
    """A question by its name ("torch.xpu.mem_get_info") and what came instead of an answer."""

    question: str
    said: str


class Asking:
    """One round of questions. ``unanswered`` holds the first failure of each."""

    def __init__(self) -> None:
        self.unanswered: list[Unanswered] = []

    def ask(self, name: str, question: Callable[[], Any], otherwise: Any = None) -> Any:
        """The answer, or ``otherwise``. Name parts of a library only inside ``question``: they may be
        missing.
        """
        try:
            return question()
        except Exception as error:
            self.failed(name, error)
            return otherwise

    def failed(self, name: str, error: Exception) -> None:
        if not any(known.question == name for known in self.unanswered):
            self.unanswered.append(Unanswered(name, with_kind(error)))

    def count(self, name: str, question: Callable[[], Any]) -> int:
        """How many cards; 0 where nobody says."""
        return int(self.ask(name, lambda: _within(question(), _MOST_CARDS), 0))

    def size(self, name: str, question: Callable[[], Any]) -> int | None:
        """Bytes, None where nobody says."""
        found: int | None = self.ask(name, lambda: _within(question(), _MOST_BYTES))
        return found

    def yes(self, name: str, question: Callable[[], Any]) -> bool:
        return bool(self.ask(name, lambda: bool(question()), False))


def with_kind(error: Exception) -> str:
    """The first line of what an exception says, with its kind."""
    line = next(iter(str(error).strip().splitlines()), "").rstrip(".")
    return f"{type(error).__name__}: {line[:_LONGEST]}" if line else type(error).__name__


def as_capability(major: Any, minor: Any) -> tuple[int, int] | None:
    """A CUDA compute capability, None where it is none."""
    numbers = [part for part in (major, minor) if type(part) is int and 0 <= part < 100]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def _within(value: Any, most: int) -> int:
    whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or not (isinstance(value, Integral) or whole) or not 0 <= value <= most:
        raise ValueError(f"the answer was {value!r:.60}")
    return int(value)
