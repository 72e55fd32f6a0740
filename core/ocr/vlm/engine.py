"""Reading pictures with a vision-language model: micro-batches, one token at a time, within a memory
limit.
"""

from __future__ import annotations

import functools
import gc
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import VramwiseError
from ...families.blocks import most_positions
from ...families.family import Family, Task
from ...weights.checkpoint_files import read_config
from ..engines.protocol import ProgressCallback, ReadOptions
from ..images import check_size, fit_pixels, is_blank
from ..results.result import OCRResult
from . import compat
from .families import adapter_class
from .model_owner import Owner
from .page_result import Answer, Source, page_result
from .prompts import ignored, most_pixels, shrunk, task_prompt

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from .adapter import Adapter

log = logging.getLogger("vramwise.ocr.vlm")
MOST_AT_ONCE = 32  # pictures that are smaller than pages
LEAST_PIXELS = 65_536  # that a picture is counted with: processors enlarge what is smaller


@dataclass(frozen=True)
class MicroBatch:
    """One micro-batch that was read and what it took, for the record of measured runs.

    ``pixels`` of the largest picture as the model saw it; ``prompt_tokens`` of one row, its picture's
    included; ``activation_peak_bytes`` without what was resident, None where the device does not count.
    """

    pixels: int
    images: int
    prompt_tokens: int
    new_tokens: int
    activation_peak_bytes: int | None
    seconds: float


@dataclass(frozen=True)
class Limits:
    """What the plan allows.

    ``activation_bytes(pixels, images, new_tokens)`` is the memory beside the weights for one micro-batch of
    ``images`` pictures of at most ``pixels``; ``remedies(pixels)`` gives this machine's sentences for the
    message that memory ran out at so many; ``record`` is told of every micro-batch that was read.
    """

    max_pixels: int
    micro_batch: int = 1
    max_new_tokens: int | None = None
    activation_bytes: Callable[[int, int, int], int] = lambda pixels, images, new_tokens: 0
    remedies: Callable[[int], str] = lambda pixels: ""
    record: Callable[[MicroBatch], None] = lambda batch: None


class VLMEngine:
    """One family's model behind the Engine protocol.

    The net comes from ``owner`` at every generate call and lives in a local variable only: between two calls
    it may be evicted, and the answers are the same.
    """

    def __init__(
        self, family: Family, path: Path, owner: Owner, model: str, precision: str, limits: Limits
    ) -> None:
        self.family, self.path, self.owner = family, path, owner
        self.model, self.precision, self.limits = model, precision, limits
        self._adapter: Adapter | None = None

    def read(
        self, images: Sequence[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per image, in order. Raises VramwiseError for a task that the family does not do."""
        task, prompt = task_prompt(self.family, options)
        for image in images:
            check_size(image)
        done = 0
        while done < len(images):
            progress.check()
            for result in self._batch(self._next(images, done, options), options, task, prompt, progress):
                done += 1
                progress.page_done(done, len(images))
                yield result

    def _next(
        self, images: Sequence[NDArray[uint8]], done: int, options: ReadOptions
    ) -> list[NDArray[uint8]]:
        """Those that are read at once, after ``done`` of ``images``: as many as the plan says of whole pages,
        and of smaller pictures (lines, crops) as many as take no more memory than those. One is taken out of
        ``images`` at a time: there it may have to be made first.
        """
        limits = self.limits
        usual = max(1, limits.micro_batch)
        planned = limits.max_pixels or self.family.default_pixels
        most_tokens = limits.max_new_tokens or self.family.max_new_tokens
        tokens = min(options.max_new_tokens or most_tokens, most_tokens)
        allowed = limits.activation_bytes(planned, usual, most_tokens)
        largest = LEAST_PIXELS
        found: list[NDArray[uint8]] = []
        for number in range(done, min(len(images), done + max(usual, MOST_AT_ONCE))):
            image, size = images[number], len(found) + 1
            largest = max(largest, min(image.shape[0] * image.shape[1], planned))
            if size > usual and not 0 < limits.activation_bytes(largest, size, tokens) <= allowed:
                break
            found.append(image)
        return found

    def _batch(
        self,
        images: Sequence[NDArray[uint8]],
        options: ReadOptions,
        task: Task,
        prompt: str,
        progress: ProgressCallback,
    ) -> list[OCRResult]:
        written = [number for number, image in enumerate(images) if not is_blank(image)]
        read = _Reading(self, options, task, prompt, progress)
        answers = dict(zip(written, read.all([images[number] for number in written]), strict=True))
        source = Source(self.model, self.precision, self.family.coordinates)
        notes = tuple(read.notes)
        return [
            page_result(answers.get(number), source, task, options, (image.shape[1], image.shape[0]), notes)
            for number, image in enumerate(images)
        ]

    def load(self) -> None:
        """Bring the weights in. Raises VramwiseError with this machine's remedies where memory runs out."""
        try:
            self.owner.use(0)
            return
        except Exception as error:
            if not compat.is_out_of_memory(error):
                raise
            failed = compat.first_line(error)
        gc.collect()  # the exception is gone by now, and with it every tensor of the failed attempt
        remedies = self.limits.remedies(self.limits.max_pixels or self.family.default_pixels)
        raise VramwiseError(
            f"{self.family.name} ran out of memory while it was loaded. {failed} {remedies}".strip()
        )

    @functools.cached_property
    def most_positions(self) -> int | None:
        """Tokens of prompt and answer that the checkpoint has positions for, None where it does not say."""
        return most_positions(read_config(self.path))

    def adapter(self) -> Adapter:
        """The family's adapter with the checkpoint's processor, opened at the first read."""
        if self._adapter is None:
            compat.require_transformers(self.family)
            compat.guard_kernels()
            self._adapter = adapter_class(self.family)(self.family, self.path)
        return self._adapter


class _Reading:
    """One micro-batch on its way: shrinks in number, then once in pixels, when memory runs out."""

    def __init__(
        self, engine: VLMEngine, options: ReadOptions, task: Task, prompt: str, progress: ProgressCallback
    ) -> None:
        self.engine, self.task, self.prompt, self.progress = engine, task, prompt, progress
        self.notes = list(ignored(options))
        self.halved = False
        planned = engine.limits.max_pixels or engine.family.default_pixels
        asked = options.max_pixels or planned
        if asked > planned:
            self.notes.append(
                f"{asked / 1e6:.1f} megapixels do not fit here; "
                f"the picture was read at {planned / 1e6:.1f} at most."
            )
            asked = planned
        self.notes += shrunk(engine.family, asked if options.max_pixels else None)
        self.max_pixels = most_pixels(engine.family, asked)
        self.new_tokens = (
            options.max_new_tokens or engine.limits.max_new_tokens or engine.family.max_new_tokens
        )

    def all(self, images: Sequence[NDArray[uint8]]) -> list[Answer]:
        """Answers for ``images``. Out of memory: half as many at once (small ones down to as many as were
        planned of pages), then half the pixels, then VramwiseError.
        """
        if not images:
            return []
        size = len(images)
        answers: list[Answer] = []
        while len(answers) < len(images):
            failed = self._try(images[len(answers) : len(answers) + size], answers)
            if failed is None:
                continue
            gc.collect()  # the exception is gone by now, and with it every tensor of the failed attempt
            largest = max(image.shape[0] * image.shape[1] for image in images[len(answers) :])
            size = self._smaller(size, largest, failed)
        return answers

    def _try(self, images: Sequence[NDArray[uint8]], answers: list[Answer]) -> str | None:
        """Append the answers, or return what an out-of-memory error said (its traceback holds tensors)."""
        try:
            answers.extend(self._generate(images))
        except Exception as error:  # memory runs out under many names; everything else goes on
            if not compat.is_out_of_memory(error):
                raise
            return compat.first_line(error)
        return None

    def _smaller(self, size: int, largest: int, failed: str) -> int:
        log.warning("Out of memory: %s", failed)
        planned = max(1, self.engine.limits.micro_batch)
        fewer = max(planned, size // 2) if size > planned else size // 2  # planned ones are halved once
        if fewer and (size > planned or not self.halved):
            self.halved = size <= planned
            self.notes = [note for note in self.notes if "pictures at once" not in note]
            self.notes.append(
                f"Memory ran out with {size} pictures at once; they were read {fewer} at a time."
            )
            return fewer
        tried = min(self.max_pixels, largest)
        if not any("megapixels" in note for note in self.notes):
            self.max_pixels = tried // 2
            self.notes.append(
                f"Memory ran out at {tried / 1e6:.2g} megapixels; "
                f"the picture was read at {self.max_pixels / 1e6:.2g} megapixels."
            )
            return 1
        remedies = self.engine.limits.remedies(tried)
        raise VramwiseError(
            f"{self.engine.family.name} ran out of memory, also with one picture at a time "
            f"at {tried / 1e6:.2g} megapixels. {failed} {remedies}".strip()
        )

    def _generate(self, images: Sequence[NDArray[uint8]]) -> list[Answer]:
        from PIL import Image

        engine = self.engine
        adapter = engine.adapter()
        pictures = [Image.fromarray(fit_pixels(image, self.max_pixels)) for image in images]
        pixels = max(picture.width * picture.height for picture in pictures)
        started = time.perf_counter()
        prepared = adapter.inputs(pictures, self.prompt, self.task)
        self.progress.check()
        prompt_tokens = int(prepared.tensors["input_ids"].shape[1])
        new_tokens, cut = within_positions(
            engine.family.name, engine.most_positions, prompt_tokens, self.new_tokens
        )
        from .decoding import generate_rows

        peak, rows = generate_rows(
            adapter,
            prepared,
            engine.owner.use(engine.limits.activation_bytes(pixels, len(images), new_tokens)),
            new_tokens,
            self.progress,
        )
        taken = time.perf_counter() - started
        engine.limits.record(
            MicroBatch(
                pixels=max(width * height for width, height in prepared.seen),
                images=len(images),
                prompt_tokens=prompt_tokens,
                new_tokens=max(len(row.guard.ids) for row in rows),
                activation_peak_bytes=_activation_peak(peak, engine.owner.spec.device),
                seconds=taken,
            )
        )
        seconds = taken / len(images)
        return [
            Answer(
                text=adapter.decode(row.guard.kept(), self.task),
                tokens=len(row.guard.ids),
                finish_reason="loop" if row.guard.tripped else "stop" if row.ended else "length",
                seen=seen,
                seconds=seconds,
                peak_bytes=peak,
                notes=prepared.notes + (() if row.ended or row.guard.tripped else cut),
                opened=prepared.opened,
            )
            for row, seen in zip(rows, prepared.seen, strict=True)
        ]


def within_positions(
    name: str, most: int | None, prompt_tokens: int, new_tokens: int
) -> tuple[int, tuple[str, ...]]:
    """How many of ``new_tokens`` fit behind the prompt into ``most`` positions, and the note for an answer
    that they cut. Raises VramwiseError where the prompt alone takes all of them.
    """
    if most is None or prompt_tokens + new_tokens <= most:
        return new_tokens, ()
    if prompt_tokens >= most:
        raise VramwiseError(
            f"The picture and its prompt take {prompt_tokens} tokens, and {name} has positions for {most} "
            f"with the answer. Read it at fewer megapixels, or crop it."
        )
    left = most - prompt_tokens
    return left, (
        f"{name} has positions for {most} tokens, of which the picture and its prompt took {prompt_tokens}: "
        f"the answer was cut after {left}. Read the page at fewer megapixels, or in parts.",
    )


def _activation_peak(peak: int | None, device: str) -> int | None:
    """``peak`` without what stays on the device: our weights, and other models that are resident there."""
    if peak is None or device == "auto":  # spread over several devices, each with a peak of its own
        return None
    import torch

    return max(0, peak - int(torch.cuda.memory_allocated(device)))
