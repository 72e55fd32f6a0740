"""Pages whose lines the built-in engine finds and a vision-language model reads, pieces in batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import VramwiseError
from ..engines.pictures.page_pictures import pictures_on
from ..engines.protocol import (
    QUESTION_OPTIONS,
    NoProgress,
    PartProgress,
    ProgressCallback,
    ReadOptions,
    StreamEngine,
)
from ..images import check_size, is_blank
from ..remote.errors import EndpointError
from ..results.line import Line
from ..results.outcomes import Outcome
from .page import page_of
from .pieces import Piece, line_pieces, paragraph_pieces, pictures

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    Find = Callable[[NDArray[uint8], int | None, ProgressCallback], list[Line]]

UNITS = ("lines", "paragraphs")
NEW_TOKENS = {
    "lines": 256,
    "paragraphs": 1536,
}  # of a piece, where nobody says
TASKS = ("text", "markdown", "spotting", "custom")


def ignored(options: ReadOptions, unit: str) -> tuple[str, ...]:
    """Sentences on a task that needs the whole page, and on what is about whole questions."""
    why = f"with hybrid the model reads {unit}. Set hybrid to off for it."
    notes = [] if options.task in TASKS else [f"The task {options.task} is ignored: {why}"]
    return (*notes, *unasked(options, why))


def unasked(options: ReadOptions, why: str) -> Iterator[str]:
    """A sentence on options of whole questions: pieces are not asked by them."""
    drawn = ("temperature", "seed") if options.task == "custom" else ()
    asked = [name for name in QUESTION_OPTIONS if getattr(options, name) and name not in drawn]
    if asked:
        yield f"Ignored: {', '.join(asked)}, because {why}"


def question_options(options: ReadOptions, drawn: bool) -> dict[str, Any]:
    """What a piece is asked with: nothing of whole questions; ``drawn``: with temperature and seed."""
    its = {"temperature": options.temperature, "seed": options.seed} if drawn else {}
    return {"together": False, "history": "", "json_schema": "", "temperature": 0.0, "seed": 0, **its}


@dataclass
class _Page:
    """A page under way."""

    image: NDArray[uint8]
    lines: Sequence[Line]
    pieces: Sequence[Piece]
    seconds: float
    answers: list[Outcome] = field(default_factory=list)

    @property
    def is_answered(self) -> bool:
        return len(self.answers) == len(self.pieces)


class HybridEngine(StreamEngine):
    """``reader`` is a handle of a vision-language model, here or on a server; ``find`` gives the lines of a
    page; ``unit`` is one of UNITS.
    """

    def __init__(self, reader: Any, find: Find, unit: str, model: str) -> None:
        self._reader, self._find, self._unit, self._model = reader, find, unit, model

    def read_each(
        self,
        images: Iterable[NDArray[uint8]],
        options: ReadOptions,
        progress: ProgressCallback | None = None,
    ) -> Generator[Outcome, None, None]:
        """One outcome per image, in order: a page that cannot be read is its VramwiseError in its place.
        Raises EndpointError when no server can read anything any more.
        """
        heard = progress or NoProgress()
        total = len(images) if isinstance(images, Sequence) else None
        stream = getattr(self._reader, "read_each", None)
        outcomes = (
            self._streamed(images, options, heard) if stream else self._one_by_one(images, options, heard)
        )
        with closing(outcomes):
            for done, outcome in enumerate(outcomes, 1):
                heard.page_done(done, total or done)
                yield outcome

    def _one_by_one(
        self, images: Iterable[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Generator[Outcome, None, None]:
        """A model here: the pieces of a page at once, those of like size together."""
        for image in images:
            progress.check()
            try:
                page = self._opened(image, options, progress)
                cut = pictures(page.image, page.pieces, page.lines)
                alike = sorted(range(len(cut)), key=lambda at: cut[at].shape[0] * cut[at].shape[1])
                read = self._reader.read(
                    [cut[at] for at in alike], self._asked(options), PartProgress(progress)
                )
                answers = dict(zip(alike, read, strict=True))
                page.answers = [answers[at] for at in range(len(cut))]
            except VramwiseError as error:
                yield error
                continue
            yield self._outcome(page, options)

    def _streamed(
        self, images: Iterable[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Generator[Outcome, None, None]:
        """A server: pieces of further pages are under way while those of the first are waited for."""
        waiting: deque[_Page | VramwiseError] = deque()

        def pieces() -> Iterator[NDArray[uint8]]:
            for image in images:
                try:
                    page = self._opened(image, options, progress)
                except VramwiseError as error:
                    waiting.append(error)
                    continue
                waiting.append(page)
                for piece in page.pieces:
                    yield pictures(page.image, [piece], page.lines)[0]

        with closing(
            self._reader.read_each(pieces(), self._asked(options), PartProgress(progress))
        ) as answers:
            for answer in answers:
                yield from self._ready(waiting, options)
                first = waiting[0]
                assert isinstance(first, _Page)  # noqa: S101 - errors were yielded above
                first.answers.append(answer)
                yield from self._ready(waiting, options)
        yield from self._ready(waiting, options)

    def _ready(self, waiting: deque[_Page | VramwiseError], options: ReadOptions) -> Iterator[Outcome]:
        while waiting:
            first = waiting[0]
            if isinstance(first, VramwiseError):
                yield first
            elif first.is_answered:
                yield self._outcome(first, options)
            else:
                return
            waiting.popleft()

    def _opened(self, image: NDArray[uint8], options: ReadOptions, progress: ProgressCallback) -> _Page:
        check_size(image)
        started = time.perf_counter()
        lines = [] if is_blank(image) else self._find(image, options.max_pixels, progress)
        pieces = line_pieces(lines)
        if lines and self._unit == "paragraphs":
            pieces = paragraph_pieces(lines, pictures_on(image, lines))
        return _Page(image, lines, pieces, time.perf_counter() - started)

    def _outcome(self, page: _Page, options: ReadOptions) -> Outcome:
        try:
            notes = ignored(options, self._unit)
            return page_of(
                page.image, page.lines, page.pieces, page.answers, options, self._model, page.seconds, notes
            )
        except EndpointError:
            raise
        except VramwiseError as error:
            return error

    def _asked(self, options: ReadOptions) -> ReadOptions:
        """What the model is asked of a piece: its text."""
        return ReadOptions(
            task="custom" if options.task == "custom" else "text",
            prompt=options.prompt,
            language=options.language,
            max_new_tokens=options.max_new_tokens or NEW_TOKENS[self._unit],
            **question_options(options, options.task == "custom"),
        )
