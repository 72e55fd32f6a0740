"""The parts of ``bench gpu``: what is measured of one model at one precision on a card.

Random weights repeat one token, and the loop guard ends such an answer, as it should: therefore a reading and
the bare ``generate`` beside it are both made to say the same words (``decoding.Says``).
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.gpu import Session

BATCHES = (1, 4, 16)
TOKENS = 64
PAGE = (1024, 1024)
A4 = (2480, 3508)  # at 300 dpi
PRETEND_PAGE = (224, 112)
LONG_ANSWER = 4000  # tokens; Cancel comes long before


def page(number: int = 0, size: tuple[int, int] = PAGE) -> Any:
    """A written page as uint8 RGB."""
    import numpy
    from PIL import Image, ImageDraw

    made = Image.new("RGB", size, "white")
    for line in range(max(1, size[1] // 48)):
        words = f"Line {line} of page {number}"
        ImageDraw.Draw(made).text((20, 10 + 48 * line), words, fill="black", font_size=32)
    return numpy.asarray(made)


def held() -> int:
    import torch

    gc.collect()
    torch.cuda.synchronize()
    return int(torch.cuda.memory_allocated(0))


@contextmanager
def _opened(model: str, precision: str, attention: str, fast: bool) -> Iterator[tuple[Any, Any]]:
    """(handle, its engine), closed whatever happens: what fails leaves no weights to the parts behind it."""
    from vramwise.models.handle import OCRHandle
    from vramwise.settings import load_settings

    handle = OCRHandle(f"bench_{model}", precision, attention, "cuda:0", fast_decode=fast)
    engine: Any = handle._engine(load_settings())
    try:
        yield handle, engine
    finally:
        engine.owner.close()
        gc.collect()


def measure(session: Session, model: str, precision: str, attention: str = "auto") -> None:
    """Rows for load, each batch, an A4 page, bare generate, Cancel and eviction; of an ``attention`` that
    was asked for by name one load and one page alone.
    """
    from vramwise.errors import VramwiseError

    what = {"model": model, "precision": precision, "attention": attention}
    try:
        with _opened(model, precision, attention, False) as (handle, engine):
            of_engine(session, handle, engine, what, whole=attention == "auto")
    except VramwiseError as error:
        session.add(**what, refused=str(error))


def of_engine(session: Session, handle: Any, engine: Any, what: Mapping[str, Any], whole: bool) -> None:
    what = {**what, "attention": handle._live.decided.spec.attention}
    weights = _loaded(session, handle, engine, what, twice=whole)
    one_page = _size(session)
    for at_once in BATCHES if whole else (1,):
        with session.step(f"{_name(what)} {at_once} at once"):
            _read(session, handle, engine, what, weights, [page(n, one_page) for n in range(at_once)])
    if not whole:
        return
    with session.step(f"{_name(what)} A4"):
        _read(session, handle, engine, what, weights, [page(0, one_page if session.pretend else A4)])
    with session.step(f"{_name(what)} bare generate"):
        _bare(session, engine, what)
    with session.step(f"{_name(what)} cancel"):
        _cancelled(session, handle, engine, what)
    with session.step(f"{_name(what)} eviction"):
        _evicted(session, engine, what)


def _name(what: Mapping[str, Any]) -> str:
    return " ".join(str(part) for part in what.values())


def _loaded(
    session: Session, handle: Any, engine: Any, what: Mapping[str, Any], twice: bool
) -> tuple[int, int]:
    """Bytes of the weights: (held, planned)."""
    import torch

    before, seconds = held(), []
    for number in range(2 if twice else 1):
        if number:
            engine.owner.release()
        begun = time.perf_counter()
        engine.load()
        torch.cuda.synchronize()
        seconds.append(round(time.perf_counter() - begun, 3))
    plan = handle._live.decided.plan
    planned = plan.verdict(plan.chosen.precision).footprint.weights_bytes
    weights = held() - before
    session.add(
        **what,
        load_seconds=seconds[0],
        **({"reload_seconds": seconds[1]} if twice else {}),
        weights_bytes=weights,
        planned_weights_bytes=planned,
        weights_off_percent=round(100 * (planned / max(1, weights) - 1), 2),
    )
    return weights, planned


def _read(
    session: Session,
    handle: Any,
    engine: Any,
    what: Mapping[str, Any],
    weights: tuple[int, int],
    pages: Sequence[Any],
) -> None:
    """One micro-batch of ``pages``: seconds, tokens a second, and the plan against the allocator's peak."""
    import torch
    from vramwise.ocr.engines.protocol import ReadOptions

    pixels, seen = pages[0].shape[0] * pages[0].shape[1], []
    usual = engine.limits
    most = max(pixels, usual.max_pixels or engine.family.default_pixels)  # no page is read smaller
    engine.limits = replace(usual, micro_batch=len(pages), max_pixels=most, record=seen.append)
    try:
        # kernels are chosen at the first
        _said(handle, engine, pages[:1], ReadOptions(max_pixels=pixels, max_new_tokens=2))
        seen.clear()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats(0)
        resident, begun = held(), time.perf_counter()
        found = _said(handle, engine, pages, ReadOptions(max_pixels=pixels, max_new_tokens=TOKENS))
        took = time.perf_counter() - begun
    finally:
        engine.limits = usual
    peak = int(torch.cuda.max_memory_allocated(0)) - resident
    tokens = sum(one.tokens for one in found)
    shown = max((batch.pixels for batch in seen), default=pixels)
    together = max((batch.images for batch in seen), default=len(pages))
    plan = usual.activation_bytes(shown, together, TOKENS)
    session.add(
        **what,
        at_once=len(pages),
        read_at_once=together,  # fewer where memory ran out and the batch was halved
        pixels=shown,
        read_seconds=round(took, 3),
        tokens=tokens,
        tokens_per_second=round(tokens / took, 2),
        peak_bytes=peak,
        planned_bytes=plan,
        off_percent=round(100 * ((plan + weights[1]) / max(1, peak + weights[0]) - 1), 2),
        notes=[note for one in found[:1] for note in one.notes],
    )
    for batch in seen[:1]:
        session.found["runs"].append(
            {
                **{"device": session.found["card"], "model": what["model"], "precision": what["precision"]},
                **{"attention": what["attention"], "pixels": batch.pixels, "images": batch.images},
                **{"prompt_tokens": batch.prompt_tokens, "new_tokens": batch.new_tokens},
                "activation_peak_bytes": batch.activation_peak_bytes or peak,
                **{"read_seconds": round(took, 3), "load_seconds": None},
            }
        )


def _said(handle: Any, engine: Any, pages: Sequence[Any], options: Any, progress: Any = None) -> list[Any]:
    """A reading that says words without an end."""
    from benchmarks.decoding import saying

    with saying(engine.adapter()):
        return list(handle.read(pages, options, progress))


def _bare(session: Session, engine: Any, what: Mapping[str, Any]) -> None:
    """The same net's own ``generate`` on the same inputs: what the engine adds is the difference."""
    import torch
    from PIL import Image
    from transformers import LogitsProcessorList
    from vramwise.ocr.engines.protocol import ReadOptions
    from vramwise.ocr.vlm.prompts import task_prompt

    from benchmarks.decoding import Says

    task, prompt = task_prompt(engine.family, ReadOptions())
    adapter, net = engine.adapter(), engine.owner.use(0)
    begun = time.perf_counter()
    prepared = adapter.inputs([Image.fromarray(page(0, _size(session)))], prompt, task)
    tensors = adapter.placed(net, prepared.tensors)
    said = LogitsProcessorList([Says(300, 100)])
    with torch.inference_mode():
        made = net.generate(**tensors, do_sample=False, max_new_tokens=TOKENS, logits_processor=said)
    torch.cuda.synchronize()
    took = time.perf_counter() - begun
    tokens = int(made.shape[1]) - int(tensors["input_ids"].shape[1])
    session.add(**what, bare_seconds=round(took, 3), bare_tokens_per_second=round(tokens / took, 2))


class Cancelled(Exception):
    """What the host raises where the person pressed Cancel."""


def _cancelled(session: Session, handle: Any, engine: Any, what: Mapping[str, Any]) -> None:
    """Milliseconds from Cancel, in the middle of a long answer, until the reading is over."""
    from vramwise.ocr.engines.protocol import NoProgress, ReadOptions

    pressed: list[float] = []
    timer = threading.Timer(1.0, lambda: pressed.append(time.perf_counter()))

    class Pressed(NoProgress):
        def check(self) -> None:
            if pressed:
                raise Cancelled

        def token(self, done: int, limit: int, text: str) -> None:
            if done == 1:
                timer.start()

    took = None
    try:
        _said(handle, engine, [page(0, _size(session))], ReadOptions(max_new_tokens=LONG_ANSWER), Pressed())
    except Cancelled:
        took = round(1000 * (time.perf_counter() - pressed[0]), 1)
    timer.cancel()
    session.add(**what, cancel_milliseconds=took)


def _evicted(session: Session, engine: Any, what: Mapping[str, Any]) -> None:
    """A sampler takes nine tenths of the card in one piece: seconds to let go, and to come back."""
    import torch

    begun = time.perf_counter()
    engine.owner.release()
    torch.cuda.synchronize()
    gone = time.perf_counter() - begun
    free = torch.cuda.mem_get_info(0)[0]
    latents = torch.empty(int(free * 0.9), dtype=torch.uint8, device="cuda:0")
    del latents
    torch.cuda.empty_cache()
    begun = time.perf_counter()
    engine.owner.use(0)
    torch.cuda.synchronize()
    back = time.perf_counter() - begun
    session.add(
        **what, sampler_bytes=int(free * 0.9), evict_seconds=round(gone, 3), back_seconds=round(back, 3)
    )


def fast(session: Session, model: str) -> None:
    """Tokens a second with a cache of fixed size and CUDA graphs, and what the first use costs."""
    from vramwise.errors import VramwiseError
    from vramwise.ocr.engines.protocol import ReadOptions

    what = {"model": model, "precision": "bf16", "fast_decode": True}
    try:
        with _opened(model, "bf16", "auto", True) as (handle, engine):
            engine.load()
            seconds, found = [], []
            for _ in range(3):
                begun = time.perf_counter()
                found = _said(handle, engine, [page(0, _size(session))], ReadOptions(max_new_tokens=TOKENS))
                seconds.append(time.perf_counter() - begun)
            session.add(
                **what,
                first_seconds=round(seconds[0], 3),
                read_seconds=round(seconds[-1], 3),
                tokens=found[0].tokens,
                tokens_per_second=round(found[0].tokens / seconds[-1], 2),
                notes=list(found[0].notes),
            )
    except VramwiseError as error:
        session.add(**what, refused=str(error))


def _size(session: Session) -> tuple[int, int]:
    return PRETEND_PAGE if session.pretend else PAGE
