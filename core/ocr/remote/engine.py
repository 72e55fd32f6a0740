"""The engine: pages in, results out in the same order, as many under way at once as the endpoint takes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import VramwiseError
from ...families.family import Family, Sampling, Task
from ..engines.protocol import NoProgress, ProgressCallback, ReadOptions, StreamEngine
from ..images import as_asked, check_size, is_blank
from ..results.outcomes import Outcome
from ..results.result import OCRResult
from ..vlm.answers import MADE_OF_TOKENS
from ..vlm.chat_history import Turn
from ..vlm.json_answers import schema_of
from ..vlm.page_result import Answer, Source, page_result, together_results
from ..vlm.prompts import (
    check_together,
    ignored,
    is_together,
    most_pixels,
    sampling_of,
    shrunk,
    task_prompt,
    turns_before,
)
from .chat_request import ChatRequest
from .client import Client
from .errors import EndpointError
from .event_loop import EventLoop
from .image_encoding import encode
from .model_match import choose_family, choose_model, seen
from .server_pool import RetryPolicy, ServerPool

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from .endpoints import Endpoint

CHECK_SECONDS = 0.05  # between two looks for Cancel while waiting
AHEAD = 2  # pages drawn from the caller for each one that may be under way


@dataclass(frozen=True)
class _Question:
    """What is decided once for a reading: whom to ask, what, and how its answers are to be taken."""

    family: Family
    model: str
    task: Task
    prompt: str
    notes: tuple[str, ...]
    max_pixels: int
    max_new_tokens: int
    turns: tuple[Turn, ...] = ()
    sampling: Sampling | None = None
    schema: Mapping[str, Any] | None = None

    def request(self, pictures: Sequence[str]) -> ChatRequest:
        """The request for one page, or about several; ``pictures`` are their data: URLs."""
        family = self.family
        return ChatRequest(
            self.model,
            self.prompt,
            pictures[0],
            self.max_new_tokens,
            self.task.parse in MADE_OF_TOKENS,
            family.words_first,
            self.sampling or family.sampling,
            family.template_options,
            tuple(pictures[1:]),
            self.turns,
            self.schema,
            family.repetition_penalty,
        )


@dataclass
class _PendingPage:
    """A page under way, and what the person who waits for it can be shown."""

    outcome: Future[Any] = field(default_factory=Future)
    pieces: int = 0
    text: str = ""

    def stream(self, pieces: int, text: str) -> None:
        self.pieces, self.text = pieces, text


class RemoteEngine(StreamEngine):
    """One endpoint behind the Engine protocol. Holds no connection between two readings, and no key."""

    def __init__(
        self,
        endpoint: Endpoint,
        key: str,
        model: str,
        family: str,
        concurrency: int,
        retry_policy: RetryPolicy,
    ) -> None:
        self._endpoint, self._key = endpoint, key
        self._model, self._family = model, family
        self._concurrency, self._retry_policy = concurrency, retry_policy

    def read_each(
        self,
        images: Iterable[NDArray[uint8]],
        options: ReadOptions,
        progress: ProgressCallback | None = None,
    ) -> Generator[Outcome, None, None]:
        """One outcome per image, in order: a page that cannot be read is its VramwiseError in its place.

        Images are drawn only as the window of 2 x concurrency pages has room. Raises EndpointError when no
        server can read anything any more: what was yielded before is all that was read.
        """
        progress = progress or NoProgress()
        if is_together(options):
            yield from self._together(list(images), options, progress)
            return
        total = len(images) if isinstance(images, Sequence) else None
        with self._opened(options, progress) as reading:
            window: deque[_PendingPage] = deque()
            done = 0
            for image in images:
                progress.check()
                window.append(reading.start(image))
                while window and (len(window) >= AHEAD * self._concurrency or window[0].outcome.done()):
                    outcome, done = reading.awaited(window.popleft(), progress), done + 1
                    progress.page_done(done, total or done)
                    yield outcome
            while window:
                outcome, done = reading.awaited(window.popleft(), progress), done + 1
                progress.page_done(done, total or done)
                yield outcome

    def _together(
        self, images: Sequence[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[Outcome]:
        """One question about all ``images``: an outcome each, the answer in the first."""
        check_together(len(images))
        if not images:
            return
        with self._opened(options, progress) as reading:
            outcomes = reading.awaited(reading.start_together(images), progress)
        progress.page_done(len(images), len(images))
        yield from [outcomes] if isinstance(outcomes, VramwiseError) else outcomes

    @contextmanager
    def _opened(self, options: ReadOptions, progress: ProgressCallback) -> Iterator[_Reading]:
        with EventLoop() as loop:
            pool = _until(loop.submit(self._connect()), progress)
            loop.at_shutdown(pool.close)
            question = self._question(_until(loop.submit(self._identify(pool)), progress), options)
            yield _Reading(loop, pool, question, options, self._endpoint.pictures, self._concurrency)

    async def _connect(self) -> ServerPool:
        timeout = self._retry_policy.timeout
        clients = [Client(url, self._endpoint, self._key, timeout) for url in self._endpoint.urls]
        return ServerPool(clients, self._retry_policy)

    async def _identify(self, pool: ServerPool) -> str:
        named = self._model or self._endpoint.model
        return choose_model(self._endpoint, self._model, {} if named else await pool.models())

    def _question(self, model: str, options: ReadOptions) -> _Question:
        wished = self._family if self._family != "auto" else self._endpoint.family
        family = choose_family(wished, model)
        task, prompt = task_prompt(family, options)
        limit = options.max_new_tokens or family.max_new_tokens
        pixels = most_pixels(family, options.max_pixels or family.default_pixels)
        own = (family.note,) if family.note else ()
        notes = (*ignored(options), *own, *shrunk(family, options.max_pixels))
        schema = schema_of(options.json_schema).rules if options.task == "json" else None
        turns, sampling = turns_before(options), sampling_of(options)
        return _Question(family, model, task, prompt, notes, pixels, limit, turns, sampling, schema)


class _Reading:
    """One run over some pages, with its connections."""

    def __init__(
        self,
        loop: EventLoop,
        pool: ServerPool,
        question: _Question,
        options: ReadOptions,
        form: str,
        concurrency: int,
    ) -> None:
        self._loop, self._pool, self._question = loop, pool, question
        self._options, self._form = options, form
        self._source = Source(question.model, "remote", question.family.coordinates)
        self._turns = asyncio.Semaphore(concurrency)
        self._last_in_line: asyncio.Event | None = None

    def start(self, image: NDArray[uint8]) -> _PendingPage:
        page = _PendingPage()
        before, self._last_in_line = self._last_in_line, asyncio.Event()
        page.outcome = self._loop.submit(self._read(image, page, before, self._last_in_line))
        return page

    def start_together(self, images: Sequence[NDArray[uint8]]) -> _PendingPage:
        page = _PendingPage()
        page.outcome = self._loop.submit(self._ask(images, page))
        return page

    def awaited(self, page: _PendingPage, progress: ProgressCallback) -> Any:
        """The page's outcome; the running text and Cancel are looked after meanwhile."""
        shown, limit = 0, self._question.max_new_tokens
        while not page.outcome.done():
            progress.check()
            if page.pieces != shown:
                shown = page.pieces
                progress.token(min(shown, limit), limit, page.text)
            wait([page.outcome], CHECK_SECONDS)
        progress.check()
        try:
            return page.outcome.result()
        except EndpointError:
            raise
        except VramwiseError as error:
            return error

    async def _read(
        self,
        image: NDArray[uint8],
        page: _PendingPage,
        before: asyncio.Event | None,
        in_line: asyncio.Event,
    ) -> OCRResult:
        """Pages are encoded at the same time and asked about in order: this one queues after the one
        ``before``, however soon it is encoded, and sets ``in_line`` as it does, or as it fails.
        """
        question, size = self._question, (image.shape[1], image.shape[0])
        try:
            encoded = await asyncio.to_thread(_encoded, image, question, self._form)
            del image  # a page that waits for its turn is held as it is sent, and only so
            if before is not None:
                await before.wait()
        finally:
            in_line.set()
        answer = await self._answer([encoded], page) if encoded is not None else None
        return page_result(answer, self._source, question.task, self._options, size, question.notes)

    async def _ask(self, images: Sequence[NDArray[uint8]], page: _PendingPage) -> list[OCRResult]:
        question, sizes = self._question, [(image.shape[1], image.shape[0]) for image in images]
        encoded = [await asyncio.to_thread(_shown, image, question, self._form) for image in images]
        answer = await self._answer(encoded, page)
        return together_results(answer, self._source, question.task, self._options, sizes, question.notes)

    async def _answer(self, encoded: Sequence[tuple[str, tuple[int, int]]], page: _PendingPage) -> Answer:
        question = self._question
        request = question.request([picture for picture, _ in encoded])
        async with self._turns:
            started = time.perf_counter()
            completion = await self._pool.answer(request, page.stream)
            seconds = time.perf_counter() - started
        as_seen = [seen(question.family, sent) for _, sent in encoded]
        return Answer(
            text=completion.text,
            tokens=completion.tokens,
            finish_reason=completion.finish_reason,
            seen=as_seen[0],
            seconds=seconds,
            notes=completion.notes,
            reasoning=completion.reasoning,
            others_seen=tuple(as_seen[1:]),
        )


def _encoded(image: NDArray[uint8], question: _Question, form: str) -> tuple[str, tuple[int, int]] | None:
    """The picture as it is sent and its (width, height), None for a blank page, which is not."""
    check_size(image)
    return None if is_blank(image) else _shown(image, question, form)


def _shown(image: NDArray[uint8], question: _Question, form: str) -> tuple[str, tuple[int, int]]:
    """The picture as the recipe wants it, encoded."""
    check_size(image)
    shown = as_asked(image, question.max_pixels, question.family.longest_side, question.task.doubled_below)
    return encode(shown, question.max_pixels, form)


def _until(future: Future[Any], progress: ProgressCallback) -> Any:
    while not future.done():
        progress.check()
        wait([future], CHECK_SECONDS)
    return future.result()
