"""Tokens a second of a reading against a bare ``model.generate`` of the same net, and of eight pictures at
once against one by one.

The net is a Qwen3-VL that is wide and shallow, with random weights in fp32, on the CPU. Both ways are made to
say the same words, none twice in a row, by the same logits processor: without it random weights repeat one
token, and the loop guard ends the answer, as it should. They alternate in one run; of each way the fastest
round counts, since other programs on the machine only slow a round down.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NEW_TOKENS = 48
ROUNDS = 4
AT_ONCE = 8


class Says:
    """A logits processor: tokens of the vocabulary in an order that never repeats within an answer."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count, self.step = first, count, 0

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        only = torch.full_like(scores, -torch.inf)
        only[:, self.first + (self.step * 7919) % self.count] = 0
        self.step += 1
        return only


def build(folder: Path, hidden: int = 768, layers: int = 4) -> Path:
    """A checkpoint of a wide Qwen3-VL with random weights."""
    import torch

    from devtools.tiny_models.qwen_vl import qwen3_vl
    from devtools.tiny_models.shared import save

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, processor = qwen3_vl(hidden=hidden, wide=3 * hidden, layers=layers)
    words = processor.tokenizer
    save(folder, net, processor, [words.eos_token_id], words.pad_token_id)
    return folder


def opened(folder: Path, at_once: int) -> Any:
    """The engine that a handle would open, without a plan."""
    from vramwise.families.family import family
    from vramwise.ocr.vlm import load
    from vramwise.ocr.vlm.engine import VLMEngine
    from vramwise.ocr.vlm.limits import Limits
    from vramwise.ocr.vlm.model_owner import LoadSpec, PlainOwner

    row = family("qwen3_vl")
    spec = LoadSpec(folder, "qwen3_vl", "fp32", "sdpa", "cpu")
    owner = PlainOwner(spec, lambda: load.load_net(spec, row), 0)
    return VLMEngine(row, folder, owner, "wide", "fp32", Limits(row.default_pixels, at_once))


def pictures(count: int) -> list[Any]:
    import numpy as np

    noise = np.random.default_rng(0)
    return [noise.integers(0, 255, (256, 256, 3), np.uint8) for _ in range(count)]


@contextmanager
def saying(adapter: Any) -> Iterator[None]:
    """The adapter's generation says what ``Says`` does."""
    from transformers import LogitsProcessorList

    original = adapter.generate

    def generate(net: Any, prepared: Any, decoding: Mapping[str, Any], check: Callable[[], None]) -> None:
        more = {"logits_processor": LogitsProcessorList([Says(300, 100)])}
        original(net, prepared, {**decoding, **more}, check)

    adapter.generate = generate
    try:
        yield
    finally:
        del adapter.generate


def ours(engine: Any, images: Sequence[Any]) -> float:
    """Tokens a second of a reading, from picture to text."""
    from vramwise.ocr.engines.protocol import NoProgress, ReadOptions

    with saying(engine.adapter()):
        started = time.perf_counter()
        read = list(engine.read(images, ReadOptions(max_new_tokens=NEW_TOKENS), NoProgress()))
        spent = time.perf_counter() - started
    assert [one.tokens for one in read] == [NEW_TOKENS] * len(images)
    return NEW_TOKENS * len(images) / spent


def bare(engine: Any, images: Sequence[Any]) -> float:
    """Tokens a second as a script of transformers reads: processor, ``generate``, ``batch_decode``."""
    import torch
    from PIL import Image
    from transformers import LogitsProcessorList
    from vramwise.ocr.engines.protocol import ReadOptions
    from vramwise.ocr.vlm.prompts import task_prompt

    net, processor = engine.owner.use(0), engine.adapter().processor
    prompt = task_prompt(engine.family, ReadOptions())[1]
    started = time.perf_counter()
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}
    asked = processor.apply_chat_template([turn], tokenize=False, add_generation_prompt=True)
    inputs = processor(
        images=[[Image.fromarray(image)] for image in images],
        text=[asked] * len(images),
        padding=True,
        return_tensors="pt",
    )
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        out = net.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=NEW_TOKENS,
            logits_processor=LogitsProcessorList([Says(300, 100)]),
        )
    new = out[:, inputs["input_ids"].shape[1] :]
    processor.batch_decode(new, skip_special_tokens=True)
    assert new.shape[1] == NEW_TOKENS
    return int(new.numel()) / (time.perf_counter() - started)


def run(hidden: int = 768, layers: int = 4, rounds: int = ROUNDS) -> dict[str, Any]:
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = build(Path(folder), hidden, layers)
        one, eight = opened(path, 1), opened(path, AT_ONCE)
        eight.owner, eight._adapter = one.owner, one.adapter()
        page, batch = pictures(1), pictures(AT_ONCE)
        ways: dict[str, Callable[[], float]] = {
            "bare generate": lambda: bare(one, page),
            "ours": lambda: ours(one, page),
            f"ours, {AT_ONCE} one by one": lambda: ours(one, batch),
            f"ours, {AT_ONCE} at once": lambda: ours(eight, batch),
            f"bare generate, {AT_ONCE} at once": lambda: bare(one, batch),
        }
        best = dict.fromkeys(ways, 0.0)
        for way in ways.values():
            way()  # imports and first touches
        for _ in range(rounds):
            for name, way in ways.items():
                gc.collect()
                best[name] = max(best[name], way())
    for name, figure in best.items():
        print(f"{name:28}{figure:9.1f} tokens/s")
    of_bare = best["ours"] / best["bare generate"]
    of_bare_batch = best[f"ours, {AT_ONCE} at once"] / best[f"bare generate, {AT_ONCE} at once"]
    of_single = best[f"ours, {AT_ONCE} at once"] / best[f"ours, {AT_ONCE} one by one"]
    print(
        f"a page: {of_bare:.3f} of bare generate; {AT_ONCE} at once: {of_bare_batch:.3f} of it, and "
        f"{of_single:.2f} times as fast as one by one"
    )
    return {
        **{name: round(figure, 1) for name, figure in best.items()},
        "of bare generate": round(of_bare, 3),
        "batch of bare generate": round(of_bare_batch, 3),
        "batch of one by one": round(of_single, 2),
        "threads": torch.get_num_threads(),
    }
