"""The protocol every engine shares. Adding a family is one file that provides it plus one catalog row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Protocol

from ...errors import VramwiseError
from ...option_values import MOST_SEED, MOST_TEMPERATURE, READING_DIRECTIONS, check_choice

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..results.outcomes import Outcome
    from ..results.result import OCRResult


# What the engines outside torch compute in, whatever else is asked for.
CPU_PRECISION = "fp32"
# What of ReadOptions is about questions to a model.
QUESTION_OPTIONS = ("together", "history", "json_schema", "temperature", "seed")


@dataclass(frozen=True)
class ReadOptions:
    """What the person asked for. ``max_pixels`` and ``max_new_tokens`` are None or 0 for the engine's own
    choice; VramwiseError for what is less, or no number. ``reading_direction`` is one of
    READING_DIRECTIONS. ``partial``: a page mostly in a script that cannot be read here is not refused, but
    comes with what could be read. ``block``: the picture is such a block of a page ("table", "formula",
    "chart", "seal"), which the task text then asks for by the family's prompt for it, where it has one.

    Of questions to a model (ASKING_TASKS): ``together``, all pictures are one question, whose answer stands
    in the first result; ``history`` is the conversation before it (vlm/chat_history.py), ``json_schema`` what
    the answer of the task json must match. For custom alone ``temperature`` (0: the likeliest word each time)
    and ``seed``.
    """

    task: str = "text"
    prompt: str = ""
    language: str = "auto"
    max_pixels: int | None = None
    max_new_tokens: int | None = None
    reading_direction: str = "auto"
    partial: bool = False
    block: str = ""
    together: bool = False
    history: str = ""
    json_schema: str = ""
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("reading_direction", self.reading_direction, READING_DIRECTIONS)
        if not (_is_number(self.temperature) and 0 <= self.temperature <= MOST_TEMPERATURE):
            raise VramwiseError(
                f"temperature must be from 0 (the likeliest word each time) to {MOST_TEMPERATURE:g}; not "
                f"{self.temperature!r}."
            )
        if not (type(self.seed) is int and 0 <= self.seed <= MOST_SEED):
            raise VramwiseError(f"seed must be a whole number from 0 to {MOST_SEED}; not {self.seed!r}.")
        for name in ("max_pixels", "max_new_tokens"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Real) and float(value) >= 0):
                raise VramwiseError(
                    f"{name} must be a number of 1 or more, or 0 for automatic; not {value!r}."
                )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


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


class PartProgress:
    """Progress of a part of a page, or of a second question about it: Cancel and the running text pass, pages
    are counted elsewhere.
    """

    def __init__(self, progress: ProgressCallback) -> None:
        self._progress = progress

    def check(self) -> None:
        self._progress.check()

    def page_done(self, done: int, total: int) -> None:
        self._progress.check()

    def token(self, done: int, limit: int, text: str) -> None:
        self._progress.token(done, limit, text)


class Engine(Protocol):
    """A live OCR engine. Not shared between threads: the pool gives one reader at a time."""

    def read(
        self, images: Sequence[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per image, in order. Images are uint8 RGB (height, width, 3)."""


class StreamEngine(ABC):
    """An engine that draws pages one by one and goes on behind one that fails."""

    @abstractmethod
    def read_each(
        self,
        images: Iterable[NDArray[uint8]],
        options: ReadOptions,
        progress: ProgressCallback | None = None,
    ) -> Generator[Outcome, None, None]:
        """One outcome per image, in order: a page that cannot be read is its VramwiseError in its place.
        Raises EndpointError when no server can read anything any more: what was yielded before is all that
        was read.
        """

    def read(
        self, images: Iterable[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per image, in order; the first page that fails raises its VramwiseError."""
        from ..results.outcomes import until_failure

        return until_failure(self.read_each(images, options, progress))
