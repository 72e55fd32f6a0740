"""Reading pictures with a vision-language model: micro-batches, one token at a time, within a memory
limit.
"""

from __future__ import annotations

import functools
import gc
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import VramwiseError
from ...families.blocks import most_positions
from ...families.family import Family, Task
from ...units import megapixels, megapixels_text
from ...weights.checkpoint_files import read_config
from ..engines.protocol import ProgressCallback, ReadOptions
from ..images import as_asked, check_size, is_blank, sides_as_asked
from ..results.result import OCRResult
from . import compat
from .families import adapter_class
from .limits import LEAST_IN_TILES, LEAST_PIXELS, OF_THE_PLANS_MARGIN, Limits, MicroBatch, within_positions
from .model_owner import Owner
from .page_result import Answer, Source, page_result, together_results
from .prompts import (
    check_together,
    ignored,
    is_together,
    most_pixels,
    sampling_of,
    shrunk,
    task_prompt,
    turns_before,
)

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ...families.pictures import Sides
    from .adapter import Adapter
    from .decoding import Row
    from .fast_decoding import FastDecoding

log = logging.getLogger("vramwise.ocr.vlm")
MOST_AT_ONCE = 32  # pictures that are smaller than pages


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
        self._fast: FastDecoding | None = None

    def read(
        self, images: Sequence[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per image, in order. Raises VramwiseError for a task that the family does not do."""
        task, prompt = task_prompt(self.family, options)
        for image in images:
            check_size(image)
        if is_together(options) and len(images) > 1:
            yield from self._together(images, options, task, prompt, progress)
            return
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
        task = self.family.tasks.get(options.task)
        doubled = task.doubled_below if task is not None else 0
        allowed = limits.activation_bytes(planned, usual, most_tokens)
        shown: list[Sides] = []
        found: list[NDArray[uint8]] = []
        for number in range(done, min(len(images), done + max(usual, MOST_AT_ONCE))):
            image, size = images[number], len(found) + 1
            height, width = image.shape[:2]
            shown.append(sides_as_asked(width, height, planned, self.family.longest_side, doubled))
            if size > usual and not 0 < limits.needed(shown, tokens) <= allowed:
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

    def _together(
        self,
        images: Sequence[NDArray[uint8]],
        options: ReadOptions,
        task: Task,
        prompt: str,
        progress: ProgressCallback,
    ) -> list[OCRResult]:
        """One question about all ``images``: a result each, the answer in the first."""
        check_together(len(images))
        progress.check()
        read = _Reading(self, options, task, prompt, progress, together=True)
        (answer,) = read.all(list(images))
        source = Source(self.model, self.precision, self.family.coordinates)
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        results = together_results(answer, source, task, options, sizes, tuple(read.notes))
        progress.page_done(len(images), len(images))
        return results

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
        """Tokens of prompt and answer that checkpoint and recipe have positions for; None: neither says."""
        return most_positions(read_config(self.path), self.family.positions)

    def fast(self) -> FastDecoding:
        """Whether it decodes with CUDA graphs; once they failed, no more."""
        if self._fast is None:
            from .fast_decoding import FastDecoding

            self._fast = FastDecoding(self.limits.fast_decode)
        return self._fast

    def adapter(self) -> Adapter:
        """The family's adapter with the checkpoint's processor, opened at the first read."""
        if self._adapter is None:
            compat.require_transformers(self.family)
            compat.guard_kernels()
            self._adapter = adapter_class(self.family)(self.family, self.path)
        return self._adapter


class _Reading:
    """One micro-batch on its way: shrinks in number, then once in pixels, when memory runs out. ``together``:
    it is one question about all its pictures, whose number stays.
    """

    def __init__(
        self,
        engine: VLMEngine,
        options: ReadOptions,
        task: Task,
        prompt: str,
        progress: ProgressCallback,
        together: bool = False,
    ) -> None:
        self.engine, self.task, self.prompt, self.progress = engine, task, prompt, progress
        self.together, self.turns, self.sampling = together, turns_before(options), sampling_of(options)
        self.notes = [*ignored(options), *filter(None, [engine.family.note])]
        self.halved = False
        planned = engine.limits.max_pixels or engine.family.default_pixels
        asked = options.max_pixels or planned
        if asked > planned:
            self.notes.append(
                f"{megapixels(asked)} megapixels do not fit here; "
                f"the picture was read at {megapixels(planned)} at most."
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
        if self.together:
            self._fit_all(images)
        while len(answers) < (1 if self.together else len(images)):
            failed = self._try(images[len(answers) : len(answers) + size], answers)
            if failed is None:
                continue
            gc.collect()  # the exception is gone by now, and with it every tensor of the failed attempt
            largest = max(image.shape[0] * image.shape[1] for image in images[len(answers) :])
            fewer = self._smaller(size, largest, failed)
            size = len(images) if self.together else fewer
        return answers

    def _fit_all(self, images: Sequence[NDArray[uint8]]) -> None:
        """Fewer pixels for each of ``images`` until one prompt with all of them takes no more memory than was
        planned for one page of the most pixels.
        """
        limits, largest = self.engine.limits, max(image.shape[0] * image.shape[1] for image in images)
        planned = limits.max_pixels or self.engine.family.default_pixels
        batch = limits.activation_bytes(planned, max(1, limits.micro_batch), self.new_tokens)
        allowed = max(batch, limits.activation_bytes(planned, 1, self.new_tokens))
        pixels = min(self.max_pixels, largest)
        while (
            pixels > LEAST_PIXELS and limits.needed_together(pixels, len(images), self.new_tokens) > allowed
        ):
            pixels = max(LEAST_PIXELS, pixels * 4 // 5)
        if pixels < min(self.max_pixels, largest):
            self.max_pixels = pixels
            self.notes.append(
                f"{len(images)} pictures in one question do not fit here at their size; each was shown at "
                f"{megapixels_text(pixels)} megapixels at most."
            )

    def _room_for(self, image: NDArray[uint8], side: int, doubled: int) -> int:
        """Pixels for ``image``: as many as for all, unless the plan is for fewer than usual and the tiles of
        a picture of this shape take more than a page's.
        """
        engine, pixels = self.engine, self.max_pixels
        planned = engine.limits.max_pixels or engine.family.default_pixels
        if self.together or planned >= engine.family.default_pixels:
            return pixels
        allowed = engine.limits.activation_bytes(planned, 1, self.new_tokens) * OF_THE_PLANS_MARGIN
        height, width = image.shape[:2]
        while pixels > LEAST_IN_TILES:
            shown = sides_as_asked(width, height, pixels, side, doubled)
            if engine.limits.needed([shown], self.new_tokens) <= allowed:
                break
            pixels = min(pixels, shown[0] * shown[1]) * 4 // 5
        if pixels < min(self.max_pixels, width * height):
            note = (
                f"A picture of {width} x {height} is cut into more tiles than fit here; it was read smaller."
            )
            self.notes += [note] if note not in self.notes else []
        return pixels

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
        if self.together:
            return self._fewer_pixels(largest, failed)
        planned = max(1, self.engine.limits.micro_batch)
        fewer = max(planned, size // 2) if size > planned else size // 2  # planned ones are halved once
        if fewer and (size > planned or not self.halved):
            self.halved = size <= planned
            self.notes = [note for note in self.notes if "pictures at once" not in note]
            self.notes.append(
                f"Memory ran out with {size} pictures at once; they were read {fewer} at a time."
            )
            return fewer
        return self._fewer_pixels(largest, failed)

    def _fewer_pixels(self, largest: int, failed: str) -> int:
        tried = min(self.max_pixels, largest)
        if not any("Memory ran out at" in note for note in self.notes):
            self.max_pixels = tried // 2
            self.notes.append(
                f"Memory ran out at {megapixels_text(tried)} megapixels; "
                f"the picture was read at {megapixels_text(self.max_pixels)} megapixels."
            )
            return 1
        remedies = self.engine.limits.remedies(tried)
        fewest = "ran out of memory on all pictures in one question" if self.together else ""
        raise VramwiseError(
            f"{self.engine.family.name} {fewest or 'ran out of memory, also with one picture at a time'} "
            f"at {megapixels_text(tried)} megapixels. {failed} {remedies}".strip()
        )

    def _generate(self, images: Sequence[NDArray[uint8]]) -> list[Answer]:
        from PIL import Image

        engine = self.engine
        adapter = engine.adapter()
        side, doubled = engine.family.longest_side, self.task.doubled_below
        shown = [as_asked(image, self._room_for(image, side, doubled), side, doubled) for image in images]
        pictures = [Image.fromarray(image) for image in shown]
        started = time.perf_counter()
        prepared = adapter.inputs(pictures, self.prompt, self.task, self.turns, self.together)
        self.progress.check()
        prompt_tokens = int(prepared.tensors["input_ids"].shape[1])
        new_tokens, cut = within_positions(
            engine.family.name, engine.most_positions, prompt_tokens, self.new_tokens
        )
        need = self._needed([picture.size for picture in pictures], new_tokens)
        from .decoding import generate_rows

        peak, rows = generate_rows(
            adapter,
            prepared,
            engine.owner.use(need),
            new_tokens,
            self.progress,
            self.sampling,
            engine.fast(),
        )
        self.notes += [note for note in engine.fast().notes if note not in self.notes]
        taken = time.perf_counter() - started
        if not self.together:  # whose one prompt of several pictures would be taken for that of one
            self._record(prepared.seen, prompt_tokens, rows, peak, taken)
        seconds = taken / len(rows)
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
                others_seen=prepared.seen[1:] if self.together else (),
            )
            for row, seen in zip(rows, prepared.seen, strict=not self.together)
        ]

    def _needed(self, sides: Sequence[tuple[int, int]], new_tokens: int) -> int:
        """Bytes that pictures of these ``sides`` take with answers of ``new_tokens``."""
        limits = self.engine.limits
        if not self.together:
            return limits.needed(sides, new_tokens)
        return limits.needed_together(max(wide * high for wide, high in sides), len(sides), new_tokens)

    def _record(
        self,
        seen: Sequence[tuple[int, int]],
        prompt_tokens: int,
        rows: Sequence[Row],
        peak: int | None,
        seconds: float,
    ) -> None:
        """Remember what this batch took, for later plans."""
        engine = self.engine
        own = None if engine.fast().in_use else _activation_peak(peak, engine.owner.spec.device)
        engine.limits.record(
            MicroBatch(
                pixels=max(width * height for width, height in seen),
                images=len(seen),
                prompt_tokens=prompt_tokens,
                new_tokens=max(len(row.guard.ids) for row in rows),
                activation_peak_bytes=own,  # of a static cache it is another figure
                seconds=seconds,
            )
        )


def _activation_peak(peak: int | None, device: str) -> int | None:
    """``peak`` without what stays on the device: our weights, and other models that are resident there."""
    if peak is None or device == "auto":  # spread over several devices, each with a peak of its own
        return None
    import torch

    return max(0, peak - int(torch.cuda.memory_allocated(device)))
