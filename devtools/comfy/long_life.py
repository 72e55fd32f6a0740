"""A ComfyUI that lives long: mixed prompts with the sidebar open, and what the server holds meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from devtools.comfy.client import ComfyClient, Prompt, RunResult
from devtools.comfy.server import ComfyServer

MODEL, FOLDER = "qwen3_vl_2b", "Qwen3-VL-2B-Instruct"
ASKED = ("machine?lang=en", "residents")  # what the open sidebar asks, each in its turn
PANEL = ("plan?model=qwen3_vl_2b&precision=auto", "downloads", "cards")
LEAST_ROUNDS = 9
WARMING_UP = 3  # rounds before those: on a busy machine a ninth one still took 1 % more than all before it


@contextlib.contextmanager
def server_with_a_model(base: Path) -> Iterator[ComfyServer]:
    """A real ComfyUI on the CPU with a tiny vision-language model in its models folder."""
    from devtools.tiny_models.build import talkative_checkpoint

    shelf = base / "models" / "LLM"
    shelf.mkdir(parents=True, exist_ok=True)
    talkative_checkpoint("qwen3_vl", shelf / FOLDER)
    away = {"HF_HOME": str(base / "nobody"), "HF_HUB_CACHE": None, "HUGGINGFACE_HUB_CACHE": None}
    env = {**away, "VRAMWISE_MODELS": None, "VRAMWISE_CONFIG": None, "OMP_NUM_THREADS": "1"}
    with ComfyServer(base_dir=base, env=env) as server:
        server.wait_ready()
        yield server
    shutil.rmtree(shelf, ignore_errors=True)


@dataclass
class Sidebars:
    """Pollers that ask what an open sidebar asks, each again as soon as it has its answer and slept
    ``pause_s``.
    """

    url: str
    pollers: int = 4
    pause_s: float = 0.05
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _turns: list[threading.Lock] = field(default_factory=list)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """While nobody asks: no connection of theirs is open."""
        with contextlib.ExitStack() as held:
            for turn in self._turns:
                held.enter_context(turn)
            yield

    def __enter__(self) -> Sidebars:
        self._turns = [threading.Lock() for _ in range(self.pollers)]
        self._threads = [threading.Thread(target=self._poll, args=(n,)) for n in range(self.pollers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _poll(self, number: int) -> None:
        client = ComfyClient(self.url)
        paths = itertools.cycle([*ASKED, *PANEL[: number % 2 * 3]])
        while not self._stop.wait(self.pause_s):
            path, begun = next(paths), time.monotonic()
            try:
                with self._turns[number]:
                    reply = client.request(f"/vramwise/{path}")
            except OSError as error:
                self.faults.append(f"{path}: {error}")
                continue
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
            self.statuses[reply.status] += 1
            if reply.status != 200:
                self.faults.append(f"{path}: {reply.status} {reply.body[:300]!r}")
            elif path == "machine?lang=en" and any("attribute" in one for one in reply.json["remarks"]):
                self.faults.append(f"{path}: {reply.json['remarks']}")


@dataclass(frozen=True)
class Vitals:
    """What the server holds: bytes of its own (not shared, not of files), threads, open descriptors."""

    own_bytes: int
    threads: int
    descriptors: int

    def growth(self, since: Vitals) -> dict[str, float]:
        """Percent that each grew since."""
        pairs = {
            "memory": (self.own_bytes, since.own_bytes),
            "threads": (self.threads, since.threads),
            "descriptors": (self.descriptors, since.descriptors),
        }
        return {name: round(100 * (now - before) / before, 2) for name, (now, before) in pairs.items()}


def vitals(pid: int) -> Vitals:
    process = psutil.Process(pid)
    memory = process.memory_full_info()
    count = process.num_fds if hasattr(process, "num_fds") else process.num_handles
    return Vitals(int(getattr(memory, "uss", memory.rss)), process.num_threads(), int(count()))


def small_page() -> Path:
    """Two lines of text, which the built-in engine reads in a moment."""
    from PIL import Image, ImageDraw, ImageFont

    path = Path(tempfile.gettempdir()) / f"vramwise-small-{os.getpid()}.png"
    page = Image.new("RGB", (320, 120), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=30)
    pen.text((20, 15), "Hello there", "black", font)
    pen.text((20, 65), "Read me 123", "black", font)
    page.save(path)
    return path


class Prompts:
    """Prompts of every kind, none twice the same. ``kinds`` maps a name to what makes one."""

    def __init__(self, client: ComfyClient) -> None:
        page = small_page()
        self.page = client.upload(page, name="small.png")
        page.unlink()
        self._info = client.object_info()
        self._numbers = itertools.count(1)
        self.kinds: dict[str, Callable[[], Prompt]] = {
            "vision model": self.vision_model,
            "no model": self.no_model,
            "built-in": self.built_in,
            "reports": self.reports,
            "refused": self.refused,
            "every node": self.every_node,
        }

    def node(self, class_type: str, **given: Any) -> dict[str, Any]:
        """A node whose other required widgets have their defaults."""
        inputs: dict[str, Any] = {}
        for name, (kind, *options) in self._info[class_type]["input"].get("required", {}).items():
            known = options[0] if options else {}
            choices = kind if isinstance(kind, list) else known.get("options", [None])
            inputs[name] = known.get("default", choices[0])
        return {"class_type": class_type, "inputs": {**inputs, **given}}

    def _page(self) -> Prompt:
        return {"page": self.node("LoadImage", image=self.page)}

    def _read(self, **more: Any) -> Prompt:
        return {
            **self._page(),
            "ocr": self.node("VramwiseOCR", image=["page", 0], prompt=f"run {next(self._numbers)}", **more),
        }

    def _model(self, model: str) -> Prompt:
        return {"loader": self.node("VramwiseOCRModelLoader", model=model)}

    def vision_model(self, tokens: int = 4) -> Prompt:
        read = self._read(ocr_model=["loader", 0], max_new_tokens=tokens, megapixels=0.1)
        return {**self._model(MODEL), **read}

    def no_model(self) -> Prompt:
        """Nothing of ours: ComfyUI lets go of the model of the prompt before."""
        empty = self.node("EmptyImage", width=8, height=8, color=next(self._numbers))
        return {"empty": empty, "shown": self.node("PreviewImage", images=["empty", 0])}

    def built_in(self) -> Prompt:
        return self._read()

    def reports(self) -> Prompt:
        number = next(self._numbers)
        return {
            "probe": self.node("VramwiseGPUProbe", refresh=number),
            "advisor": self.node("VramwiseModelAdvisor", gpu=["probe", 0]),
            "release": self.node("VramwiseMemoryRelease", refresh=number, anything=["advisor", 0]),
        }

    def refused(self) -> Prompt:
        """A model whose files are not here."""
        return {**self._model("qwen2_vl_7b"), **self._read(ocr_model=["loader", 0])}

    def every_node(self) -> Prompt:
        """Each node of ours that needs no other machine, behind one reading."""
        regions, page = ["ocr", 3], ["page", 0]
        return {
            **self._read(),
            "mask": self.node("VramwiseTextMask", regions=regions, find="e", image=page),
            "crops": self.node("VramwiseCropRegions", image=page, regions=regions),
            "boxes": self.node("VramwiseConvertRegions", regions=regions, image=page),
            "drawn": self.node("VramwiseDrawText", image=page, regions=["crops", 1], texts=["crops", 2]),
            "score": self.node("VramwiseOCRScore", image=page, regions=regions, expected="VRAMwise"),
            "saved": self.node(
                "VramwiseSaveText", text=["ocr", 0], filename_prefix="long", if_exists="overwrite"
            ),
            "probe": self.node("VramwiseGPUProbe", refresh=next(self._numbers)),
            **{
                f"shown {name}": self.node("PreviewAny", source=[name, slot])
                for name, slot in (("mask", 4), ("crops", 3), ("boxes", 2), ("drawn", 2), ("score", 9))
            },
        }


def went_wrong(kind: str, result: RunResult) -> str:
    """What is wrong with how a prompt of ``kind`` ended; "" where it ended as it should."""
    if kind == "refused":
        good = result.status in ("error", "refused") and "none of the folders searched" in result.error_text
    else:
        good = result.ok or result.status == "interrupted"
    return "" if good else f"{kind}: {result.status} {result.error_text[:300]}"


def soak(client: ComfyClient, cycles: int, pollers: int = 4) -> tuple[Sidebars, list[str]]:
    """``cycles`` times a prompt with a vision model and one without, at whose start ComfyUI lets the model
    go, while ``pollers`` ask. Returns what those saw and what went wrong with the prompts.
    """
    prompts, faults = Prompts(client), []
    with Sidebars(client.url, pollers) as seen:
        for _ in range(cycles):
            for kind in ("vision model", "no model"):
                faults.append(went_wrong(kind, client.run(prompts.kinds[kind](), with_client_id=False)))
    return seen, [fault for fault in faults if fault]


def interrupted(client: ComfyClient, prompts: Prompts) -> str:
    """A long reading that is cancelled while it runs; what went wrong, "" where nothing did."""

    def cancel(name: str, data: dict[str, Any]) -> None:
        if name == "executing" and data.get("node") == "ocr":
            client.interrupt()

    return went_wrong("interrupted", client.run(prompts.vision_model(tokens=64), on_event=cancel))


@dataclass
class Life:
    """A round is a prompt of each kind, an interrupt and POST /free; ``rounds`` has the server after each."""

    rounds: list[Vitals] = field(default_factory=list)
    prompts: int = 0
    faults: list[str] = field(default_factory=list)

    def growth(self) -> dict[str, float]:
        """Percent by which each rose from before to the last third: the highest above the highest before it,
        or the median above the middle third's, whichever is less.

        An allocator gives freed memory back or keeps it as it likes: at rest the server holds one of two
        sums, 55 MB apart, and once in a while one round keeps 60 to 100 MB for itself. A leak lifts highest
        and median alike.
        """
        third = len(self.rounds) // 3
        last = len(self.rounds) - third
        high = highest(self.rounds[last:]).growth(highest(self.rounds[:last]))
        usual = middle(self.rounds[last:]).growth(middle(self.rounds[third:last]))
        return {name: min(high[name], usual[name]) for name in high}


def middle(several: list[Vitals]) -> Vitals:
    columns = zip(*((one.own_bytes, one.threads, one.descriptors) for one in several), strict=True)
    return Vitals(*(int(statistics.median(column)) for column in columns))


def highest(several: list[Vitals]) -> Vitals:
    columns = zip(*((one.own_bytes, one.threads, one.descriptors) for one in several), strict=True)
    return Vitals(*map(max, columns))


def live(client: ComfyClient, pid: int, seconds: float, pollers: int = 2) -> tuple[Life, Sidebars]:
    """Mixed prompts with the sidebar open for ``seconds``; of the first rounds only the faults are kept."""
    prompts, life, until = Prompts(client), Life(), time.monotonic() + seconds
    warming_up = WARMING_UP
    with Sidebars(client.url, pollers, pause_s=0.5) as seen:
        while time.monotonic() < until or len(life.rounds) < LEAST_ROUNDS:
            faults = [went_wrong(kind, client.run(make())) for kind, make in prompts.kinds.items()]
            faults.append(interrupted(client, prompts))
            client.free()
            client.request("/history", {"clear": True})  # which ComfyUI keeps, ten thousand prompts long
            faults.append(went_wrong("no model", client.run(prompts.no_model())))
            life.prompts += len(faults)
            life.faults += [fault for fault in faults if fault]
            warming_up -= 1
            if warming_up >= 0:
                continue
            with seen.quiet():
                life.rounds.append(min((vitals(pid) for _ in range(5)), key=lambda one: one.descriptors))
    return life, seen
