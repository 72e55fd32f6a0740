"""A real card, in under 25 minutes: full-size models with random weights at bf16, int8 and int4.

Built on the machine from their published configs, read by the product's own engine. Of each: the plan against
the allocator's peak, seconds to load and to load again, tokens a second against a bare ``generate``, 1, 4 and
16 pictures at once, what eviction by a sampler-like allocation takes, sdpa, eager and flash-attn. "runs" are
rows of run_history, which ``remember`` puts into the record of measured runs.

Options: model ids, ``--pretend`` for a rehearsal on a pretend card with tiny models, ``--minutes N``
(default 22), after which nothing new is begun, ``--out FILE``.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GIB = 1024**3
MODELS = ("qwen3_vl_2b", "qwen3_vl_4b", "qwen3_vl_8b")
PRECISIONS = ("bf16", "int8", "int4")
BATCHES = (1, 4, 16)
ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
TOKENS = 64
PAGE = (1024, 1024)


def build(model: str, folder: Path, cut: bool = False) -> None:
    """A folder as a download has it: the published shape (``cut``: the tiny one), random bf16 weights
    made on the card where there is one, and the tiny checkpoint's processor.
    """
    import torch

    from benchmarks.activations import net_of
    from benchmarks.footprints import published
    from devtools.tiny_models.build import tiny_checkpoint

    tiny = tiny_checkpoint("qwen3_vl")
    if cut:
        shutil.copytree(tiny, folder)
        return
    config = published(model)
    # the tiny processor's numbers of special tokens, which fit in every published vocabulary
    small = json.loads((tiny / "config.json").read_text(encoding="utf-8"))
    for name, value in small.items():
        if name.endswith("_token_id"):
            config[name] = value
    folder.mkdir(parents=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device), torch.no_grad():
        net = net_of(config, "sdpa")
        for weight in net.parameters():
            weight.normal_(0, 0.02)
    net.save_pretrained(folder, max_shard_size="2GB")
    del net
    gc.collect()
    for file in tiny.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            shutil.copyfile(file, folder / file.name)


def page(number: int = 0, size: tuple[int, int] = PAGE) -> Any:
    """A written page as uint8 RGB."""
    import numpy
    from PIL import Image, ImageDraw

    made = Image.new("RGB", size, "white")
    for line in range(max(1, size[1] // 48)):
        words = f"Line {line} of page {number}"
        ImageDraw.Draw(made).text((20, 10 + 48 * line), words, fill="black", font_size=32)
    return numpy.asarray(made)


class Session:
    """The rows of one card, written after each so that a lease that ends early loses one."""

    def __init__(self, out: Path, minutes: float, pretend: bool) -> None:
        import torch

        card = torch.cuda.get_device_properties(0)
        self.out, self.end, self.pretend = out, time.monotonic() + 60 * minutes, pretend
        self.found: dict[str, Any] = {
            "card": card.name,
            "pretend": pretend,
            "total_bytes": card.total_memory,
            "capability": f"{card.major}.{card.minor}",
            "versions": versions(),
            "rows": [],
            "runs": [],
            "failed": [],
        }

    @property
    def over(self) -> bool:
        return time.monotonic() > self.end

    def add(self, **row: Any) -> None:
        self.found["rows"].append(row)
        print("  ".join(f"{name} {_short(value)}" for name, value in row.items()), flush=True)
        self.write()

    def write(self) -> None:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.out.with_suffix(".new")
        fresh.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")
        fresh.replace(self.out)

    @contextlib.contextmanager
    def part(self, what: str) -> Iterator[None]:
        """One that fails is a line among "failed", and the next one is tried."""
        try:
            yield
        except Exception as error:
            said = f"{what}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            self.found["failed"].append(said)
            print(f"FAILED {said}", flush=True)
            self.write()
        gc.collect()


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value / GIB:.3f} GiB" if isinstance(value, int) and value > 1 << 20 else str(value)


def versions() -> dict[str, str]:
    from importlib import metadata

    names = ("torch", "transformers", "accelerate", "bitsandbytes", "flash-attn")
    found = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def measure(session: Session, model: str, precision: str, attention: str = "auto") -> None:
    """One model at one precision: rows for load, each batch, bare generate and eviction."""
    import torch
    from vramwise.errors import VramwiseError
    from vramwise.models.handle import OCRHandle
    from vramwise.planning import reading_bytes

    what = {"model": model, "precision": precision}
    handle = OCRHandle(f"bench_{model}", precision, attention, "cuda:0")
    before = _held()
    try:
        engine: Any = handle._engine(_settings())
    except VramwiseError as error:
        session.add(**what, attention=attention, refused=str(error))
        return
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        engine.load()
        torch.cuda.synchronize()
        seconds.append(round(time.perf_counter() - begun, 3))
        if len(seconds) == 1:
            engine.owner.release()
    decided: Any = handle._live.decided
    what["attention"] = decided.spec.attention
    held = _held() - before
    planned = decided.plan.verdict(decided.plan.chosen.precision).footprint.weights_bytes
    session.add(
        **what,
        load_seconds=seconds[0],
        reload_seconds=seconds[1],
        weights_bytes=held,
        planned_weights_bytes=planned,
        weights_off_percent=round(100 * (planned / max(1, held) - 1), 2),
    )
    planned_reading = reading_bytes(decided.config, precision, decided.spec.attention)
    for at_once in BATCHES if attention == "auto" else (1,):
        if session.over:
            return
        engine.limits = _with(engine.limits, at_once)
        with session.part(f"{model} {precision} {at_once} at once"):
            plan = planned_reading(math.prod(_size(session)), at_once, TOKENS)
            _batch(session, handle, what, at_once, _Bytes(held, planned, plan))
    if attention == "auto":
        with session.part(f"{model} {precision} bare generate"):
            _bare(session, engine, what)
        with session.part(f"{model} {precision} eviction"):
            _evicted(session, engine, what)
    engine.owner.close()


@dataclass(frozen=True)
class _Bytes:
    """What weights take (``held``), were to take (``planned``), and a reading is to take beside them."""

    held: int
    planned: int
    reading: int


def _batch(session: Session, handle: Any, what: Mapping[str, Any], at_once: int, weights: _Bytes) -> None:
    """So many pages read at once: its row, and its run for the record of measured runs."""
    import torch
    from vramwise.ocr.engines.protocol import ReadOptions

    pages = [page(number, _size(session)) for number in range(at_once)]
    list(handle.read(pages[:1], ReadOptions(max_new_tokens=2)))  # kernels are chosen at the first
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats(0)
    resident, begun = _held(), time.perf_counter()
    found = list(handle.read(pages, ReadOptions(max_new_tokens=TOKENS)))
    took = time.perf_counter() - begun
    peak = int(torch.cuda.max_memory_allocated(0)) - resident
    expected, true = weights.reading + weights.planned, peak + weights.held
    session.add(
        **what,
        at_once=at_once,
        read_seconds=round(took, 3),
        tokens_per_second=round(sum(one.tokens for one in found) / took, 2),
        peak_bytes=peak,
        planned_bytes=weights.reading,
        off_percent=round(100 * (expected / max(1, true) - 1), 2),
        notes=[note for one in found[:1] for note in one.notes],
    )
    session.found["runs"].append(
        {
            **what,
            **{"device": session.found["card"], "pixels": math.prod(_size(session)), "images": at_once},
            **{"new_tokens": TOKENS, "activation_peak_bytes": peak},
            **{"read_seconds": round(took / max(1, at_once), 3), "load_seconds": None},
        }
    )


def _bare(session: Session, engine: Any, what: Mapping[str, Any]) -> None:
    """The same net's own ``generate`` on the same inputs: what the engine adds is the difference."""
    import torch
    from PIL import Image
    from vramwise.ocr.engines.protocol import ReadOptions
    from vramwise.ocr.vlm.prompts import task_prompt

    task, prompt = task_prompt(engine.family, ReadOptions())
    adapter, net = engine.adapter(), engine.owner.use(0)
    prepared = adapter.inputs([Image.fromarray(page(0, _size(session)))], prompt, task)
    tensors = adapter.placed(net, prepared.tensors)
    begun = time.perf_counter()
    with torch.inference_mode():
        made = net.generate(**tensors, do_sample=False, max_new_tokens=TOKENS, eos_token_id=None)
    torch.cuda.synchronize()
    took = time.perf_counter() - begun
    tokens = int(made.shape[1]) - int(tensors["input_ids"].shape[1])
    session.add(**what, bare_tokens_per_second=round(tokens / took, 2))


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


def _with(limits: Any, at_once: int) -> Any:
    from dataclasses import replace

    return replace(limits, micro_batch=at_once)


def _size(session: Session) -> tuple[int, int]:
    return (224, 112) if session.pretend else PAGE


def _held() -> int:
    import torch

    gc.collect()
    torch.cuda.synchronize()
    return int(torch.cuda.memory_allocated(0))


def _settings() -> Any:
    from vramwise.settings import load_settings

    return load_settings()


def remember(file: Path, folder: Path) -> int:
    """The runs of ``file`` into the record of measured runs in ``folder``. Returns how many; none of a
    pretend card.
    """
    from vramwise.planning import run_history

    found = json.loads(file.read_text(encoding="utf-8"))
    if found["pretend"]:
        return 0
    for run in found["runs"]:
        run_history.record(folder, run_history.Run(**run))
    return len(found["runs"])


def run(options: Sequence[str] = ()) -> dict[str, Any]:
    import torch

    parser = argparse.ArgumentParser(prog="dev.py bench gpu")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--pretend", action="store_true")
    parser.add_argument("--minutes", type=float, default=22)
    parser.add_argument("--out", type=Path, default=Path(".comfy/bench/gpu_session.json"))
    asked = parser.parse_args(list(options))
    with contextlib.ExitStack() as stack:
        if asked.pretend:
            from devtools.pretend_card import Card, pretend_cards

            stack.enter_context(pretend_cards(Card("Pretend RTX 4060", 8, (8, 9))))
        elif not torch.cuda.is_available():
            raise SystemExit("There is no CUDA device here. `bench gpu --pretend` rehearses without one.")
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vramwise-gpu-")))
        kept = dict(os.environ)
        stack.callback(lambda: (os.environ.clear(), os.environ.update(kept)))
        os.environ |= {"VRAMWISE_MODELS": str(home / "models"), "XDG_CONFIG_HOME": str(home / "config")}
        os.environ |= {"HF_HUB_OFFLINE": "1"}
        session = Session(asked.out, asked.minutes, asked.pretend)
        for model in asked.models or MODELS:
            folder = home / "models" / f"bench_{model}"
            with session.part(f"{model} is built"):
                begun = time.perf_counter()
                build(model, folder, cut=asked.pretend)
                session.add(model=model, build_seconds=round(time.perf_counter() - begun, 1))
            for precision in PRECISIONS:
                if folder.is_dir() and not session.over:
                    with session.part(f"{model} {precision}"):
                        measure(session, model, precision)
            for attention in ATTENTIONS:
                if folder.is_dir() and not session.over:
                    with session.part(f"{model} bf16 {attention}"):
                        measure(session, model, "bf16", attention)
            shutil.rmtree(folder, ignore_errors=True)
        session.found["finished"] = not session.over
        session.write()
        print(
            f"{len(session.found['rows'])} rows in {asked.out}; failed: {session.found['failed'] or 'none'}"
        )
    return session.found
