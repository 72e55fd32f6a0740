"""The protocol every engine shares. Adding a family is one file that provides it plus one catalog row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Protocol

from ...errors import VramwiseError
from ...option_values import READING_DIRECTIONS, check_choice

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..results.result import OCRResult


# What the engines outside torch compute in, whatever else is asked for.
CPU_PRECISION = "fp32"


@dataclass(frozen=True)
class ReadOptions:
    """What the person asked for. ``max_pixels`` and ``max_new_tokens`` are None or 0 for the engine's own
    choice; VramwiseError for what is less, or no number. ``reading_direction`` is one of
    READING_DIRECTIONS. ``partial``: a page mostly in a script that cannot be read here is not refused, but
    comes with what could be read.
    """

    task: str = "text"
    prompt: str = ""
    language: str = "auto"
    max_pixels: int | None = None
    max_new_tokens: int | None = None
    reading_direction: str = "auto"
    partial: bool = False

    def __post_init__(self) -> None:
        check_choice("reading_direction", self.reading_direction, READING_DIRECTIONS)
        for name in ("max_pixels", "max_new_tokens"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Real) and float(value) >= 0):
                raise VramwiseError(
                    f"{name} must be a number of 1 or more, or 0 for automatic; not {value!r}."
                )


class ProgressCallback(Protocol):
    """How a running engine hears of a cancel and says how far it is."""

    def check(self) -> None:
        """Raise the host's interrupt exception when the person pressed Cancel."""

    def page_done(self, done: int, total: int) -> None:
        """``done`` of ``total`` images are finished."""

    def token(self, done: int, limit: int, text: str) -> None:
        """``done`` of at most ``limit`` tokens are generated and say ``text`` so far. Also a place to
        cancel.
        """


class NoProgress:
    """For a script: nobody cancels, nobody looks."""

    def check(self) -> None:
        return None

    def page_done(self, done: int, total: int) -> None:
        return None

    def token(self, done: int, limit: int, text: str) -> None:
        return None


class Engine(Protocol):
    """A live OCR engine. Not shared between threads: the pool gives one reader at a time."""

    def read(
        self, images: Sequence[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per image, in order. Images are uint8 RGB (height, width, 3)."""
