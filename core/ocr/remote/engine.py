"""The engine: pages in, results out in the same order, as many under way at once as the endpoint takes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import VramwiseError
from ...families.family import Family, Task
from ..engines.protocol import NoProgress, ProgressCallback, ReadOptions
from ..images import check_size, is_blank
from ..results.outcomes import Outcome, until_failure
from ..results.result import OCRResult
from ..vlm.page_result import Answer, Source, page_result
from ..vlm.prompts import ignored, most_pixels, shrunk, task_prompt
from .client import ChatRequest, Client
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

    def request(self, picture: str) -> ChatRequest:
        """The request for one page; ``picture`` is its data: URL."""
        tags = self.task.parse == "doctags"
        return ChatRequest(self.model, self.prompt, picture, self.max_new_tokens, tags)


@dataclass
class _PendingPage:
    """A page under way, and what the person who waits for it can be shown."""

    outcome: Future[OCRResult] = field(default_factory=Future)
    pieces: int = 0
    text: str = ""

    def stream(self, pieces: int, text: str) -> None:
        self.pieces, self.text = pieces, text


class RemoteEngine:
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

    def read(
        self, images: Iterable[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per image, in order; the first page that fails raises its VramwiseError."""
        return until_failure(self.read_each(images, options, progress))

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
        notes = (*ignored(options), *shrunk(family, options.max_pixels))
        return _Question(family, model, task, prompt, notes, pixels, limit)


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

    def start(self, image: NDArray[uint8]) -> _PendingPage:
        page = _PendingPage()
        page.outcome = self._loop.submit(self._read(image, page))
        return page

    def awaited(self, page: _PendingPage, progress: ProgressCallback) -> Outcome:
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

    async def _read(self, image: NDArray[uint8], page: _PendingPage) -> OCRResult:
        question, size = self._question, (image.shape[1], image.shape[0])
        encoded = await asyncio.to_thread(_encoded, image, question.max_pixels, self._form)
        del image  # a page that waits for its turn is held as it is sent, and only so
        answer = None
        if encoded is not None:
            picture, sent = encoded
            async with self._turns:
                started = time.perf_counter()
                completion = await self._pool.answer(question.request(picture), page.stream)
                seconds = time.perf_counter() - started
            answer = Answer(
                text=completion.text,
                tokens=completion.tokens,
                finish_reason=completion.finish_reason,
                seen=seen(question.family, sent),
                seconds=seconds,
                notes=completion.notes,
                reasoning=completion.reasoning,
            )
        return page_result(answer, self._source, question.task, self._options, size, question.notes)


def _encoded(image: NDArray[uint8], max_pixels: int, form: str) -> tuple[str, tuple[int, int]] | None:
    """The picture as it is sent and its (width, height), None for a blank page, which is not."""
    check_size(image)
    return None if is_blank(image) else encode(image, max_pixels, form)


def _until(future: Future[Any], progress: ProgressCallback) -> Any:
    while not future.done():
        progress.check()
        wait([future], CHECK_SECONDS)
    return future.result()
