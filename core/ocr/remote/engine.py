"""The engine: pages in, results out in the same order, as many under way at once as the endpoint takes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from ...catalog import Family, Task
from ...errors import VramwiseError
from ..engines.protocol import NoProgress, ProgressCallback, ReadOptions
from ..images import check_size, is_blank
from ..results.result import OCRResult
from ..vlm.answers import parse
from ..vlm.page_result import page_result
from ..vlm.prompts import ignored, most_pixels, task_prompt
from .client import ChatRequest, Client, Completion
from .errors import EndpointError
from .event_loop import EventLoop
from .image_encoding import encode
from .model_match import choose_family, choose_model, seen
from .server_pool import Pool, RetryPolicy

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..vlm.engine import Answer, VLMEngine
    from .endpoints import Endpoint

LOOK_EVERY = 0.05  # seconds between two looks for Cancel while waiting
AHEAD = 2  # pages drawn from the caller for each one that may be under way

Outcome = OCRResult | VramwiseError


@dataclass(frozen=True)
class _Reply:
    """An answer with what else ``page_result`` asks of one."""

    text: str
    tokens: int
    finish_reason: str
    seen: tuple[int, int]
    seconds: float
    peak_bytes: int | None = None


@dataclass(frozen=True)
class _Reader:
    """What is decided once for a reading: whom to ask, and how. Named as ``page_result`` expects."""

    family: Family
    model: str
    task: Task
    prompt: str
    notes: tuple[str, ...]
    max_pixels: int
    max_new_tokens: int
    precision: str = "remote"


@dataclass
class _Page:
    """A page under way, and what the person who waits for it can be shown."""

    outcome: Future[OCRResult] = field(default_factory=Future)
    pieces: int = 0
    text: str = ""

    def heard(self, pieces: int, text: str) -> None:
        self.pieces, self.text = pieces, text


class RemoteEngine:
    """One endpoint behind the Engine protocol. Holds no connection between two readings, and no key."""

    def __init__(
        self, endpoint: Endpoint, key: str, model: str, family: str, concurrency: int, patience: RetryPolicy
    ) -> None:
        self._endpoint, self._key = endpoint, key
        self._model, self._family = model, family
        self._concurrency, self._patience = concurrency, patience

    def read(
        self, images: Iterable[NDArray[uint8]], options: ReadOptions, watch: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per image, in order; the first page that fails raises its VramwiseError."""
        with closing(self.read_each(images, options, watch)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome, VramwiseError):
                    raise outcome
                yield outcome

    def read_each(
        self, images: Iterable[NDArray[uint8]], options: ReadOptions, watch: ProgressCallback | None = None
    ) -> Generator[Outcome, None, None]:
        """One outcome per image, in order: a page that cannot be read is its VramwiseError in its place.

        Images are drawn only as the window of 2 x concurrency pages has room. Raises EndpointError when no
        server can read anything any more: what was yielded before is all that was read.
        """
        watch = watch or NoProgress()
        total = len(images) if isinstance(images, Sequence) else None
        with self._opened(options, watch) as reading:
            window: deque[_Page] = deque()
            done = 0
            for image in images:
                watch.check()
                window.append(reading.start(image))
                while window and (len(window) >= AHEAD * self._concurrency or window[0].outcome.done()):
                    outcome, done = _awaited(window.popleft(), reading.reader, watch), done + 1
                    watch.page_done(done, total or done)
                    yield outcome
            while window:
                outcome, done = _awaited(window.popleft(), reading.reader, watch), done + 1
                watch.page_done(done, total or done)
                yield outcome

    @contextmanager
    def _opened(self, options: ReadOptions, watch: ProgressCallback) -> Iterator[_Reading]:
        with EventLoop() as loop:
            pool = _until(loop.submit(self._connect()), watch)
            loop.at_end(pool.close)
            reader = self._reader(_until(loop.submit(self._identify(pool)), watch), options)
            yield _Reading(loop, pool, reader, options, self._endpoint.pictures, self._concurrency)

    async def _connect(self) -> Pool:
        timeout = self._patience.timeout
        clients = [Client(url, self._endpoint, self._key, timeout) for url in self._endpoint.urls]
        return Pool(clients, self._patience)

    async def _identify(self, pool: Pool) -> str:
        named = self._model or self._endpoint.model
        return choose_model(self._endpoint, self._model, {} if named else await pool.models())

    def _reader(self, model: str, options: ReadOptions) -> _Reader:
        wished = self._family if self._family != "auto" else self._endpoint.family
        family = choose_family(wished, model)
        task, prompt = task_prompt(family, options)
        limit = options.max_new_tokens or family.max_new_tokens
        pixels = most_pixels(family, options.max_pixels or family.default_pixels)
        return _Reader(family, model, task, prompt, ignored(options), pixels, limit)


class _Reading:
    """One run over some pages, with its connections."""

    def __init__(
        self, loop: EventLoop, pool: Pool, reader: _Reader, options: ReadOptions, form: str, concurrency: int
    ) -> None:
        self.reader = reader
        self._loop, self._pool, self._options, self._form = loop, pool, options, form
        self._turns = asyncio.Semaphore(concurrency)

    def start(self, image: NDArray[uint8]) -> _Page:
        page = _Page()
        page.outcome = self._loop.submit(self._read(image, page))
        return page

    async def _read(self, image: NDArray[uint8], page: _Page) -> OCRResult:
        reader = self.reader
        shape = image.shape
        encoded = await asyncio.to_thread(_encoded, image, reader.max_pixels, self._form)
        del image  # a page that waits for its turn is held as it is sent, and only so
        if encoded is None:
            return self._result(shape, None, None)
        picture, sent = encoded
        tags = reader.task.parse == "doctags"
        question = ChatRequest(reader.model, reader.prompt, picture, reader.max_new_tokens, tags)
        async with self._turns:
            started = time.perf_counter()
            said = await self._pool.answer(question, page.heard)
            seconds = time.perf_counter() - started
        return self._result(shape, said, (sent, seconds))

    def _result(
        self, shape: tuple[int, ...], said: Completion | None, how: tuple[tuple[int, int], float] | None
    ) -> OCRResult:
        reader, reply, parsed = self.reader, None, None
        if said is not None and how is not None:
            reply = _Reply(said.text, said.tokens, said.finish_reason, seen(reader.family, how[0]), how[1])
            parsed = parse(reader.task.parse, said.text, said.finish_reason != "stop")
        result = page_result(
            cast("VLMEngine", reader),
            cast("NDArray[uint8]", _Sized(shape)),
            parsed,
            cast("Answer | None", reply),
            self._options,
            reader.notes,
        )
        return replace(result, notes=(*result.notes, *said.notes)) if said else result


@dataclass(frozen=True)
class _Sized:
    """What is left of a picture once it was sent: its shape."""

    shape: tuple[int, ...]


def _encoded(image: NDArray[uint8], max_pixels: int, form: str) -> tuple[str, tuple[int, int]] | None:
    """The picture as it is sent and its (width, height), None for a blank page, which is not."""
    check_size(image)
    return None if is_blank(image) else encode(image, max_pixels, form)


def _awaited(page: _Page, reader: _Reader, watch: ProgressCallback) -> Outcome:
    """The page's outcome; the running text and Cancel are looked after meanwhile."""
    shown = 0
    while not page.outcome.done():
        watch.check()
        if page.pieces != shown:
            shown = page.pieces
            watch.token(min(shown, reader.max_new_tokens), reader.max_new_tokens, page.text)
        wait([page.outcome], LOOK_EVERY)
    watch.check()
    try:
        return page.outcome.result()
    except EndpointError:
        raise
    except VramwiseError as error:
        return error


def _until(future: Future[Any], watch: ProgressCallback) -> Any:
    while not future.done():
        watch.check()
        wait([future], LOOK_EVERY)
    return future.result()
