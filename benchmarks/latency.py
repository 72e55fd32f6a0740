"""How long ComfyUI's server takes to answer while each of our nodes runs, beside bare nodes of ComfyUI's own.

One process asks GET /prompt, a dictionary of the server's own thread, as fast as it answers. What it waits
for is that thread or the interpreter's lock: the node that runs has one of them. On a busy machine an answer
is late without either; so beside the time stands the processor time that the server itself spent before it
answered. A node is late where both are.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from devtools.comfy.client import ComfyClient, Prompt
from devtools.comfy.long_life import MODEL, Prompts, server_with_a_model
from devtools.comfy.server import ComfyServer

ROUNDS = 2
MOST_SECONDS = 0.5
PAUSE = 0.005
Case = tuple[Prompt, Callable[[int], Prompt]]
"""What runs before, unseen and then cached, and what is measured, by the number of the round."""


class Pings:
    """What one asker waited: (seconds, processor seconds of the server) an answer."""

    def __init__(self, server: ComfyServer) -> None:
        self.client, self.waited = ComfyClient(server.url), [(0.0, 0.0)]
        self._process = psutil.Process(server.pid)
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Pings]:
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(PAUSE):
            begun, spent = time.perf_counter(), self._spent()
            self.client.request("/prompt")
            self.waited.append((time.perf_counter() - begun, self._spent() - spent))

    def _spent(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def picture(path: Path, size: tuple[int, int] = (1240, 1754)) -> Path:
    """A page of A4 at 150 DPI, full of lines."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=22)
    for row in range(50, size[1] - 50, 45):
        pen.text(
            (60, row), f"Line {row}: the quick brown fox jumps over the lazy dog, {row * 7}", "black", font
        )
    page.save(path)
    return path


def _of_comfyui(node: Callable[..., Any], load: Prompt) -> dict[str, Case]:
    """Nodes of its own, to compare with."""
    seen = node("PreviewAny", source=["it", 0])

    def on_the_page(class_type: str, **given: Callable[[int], Any]) -> Case:
        return load, lambda n: {
            **load,
            "it": node(class_type, image=["page", 0], **{name: value(n) for name, value in given.items()}),
            "seen": seen,
        }

    return {
        "(ComfyUI: nothing runs)": (
            {},
            lambda n: {"it": node("EmptyImage", color=n), "seen": node("PreviewImage", images=["it", 0])},
        ),
        "(ComfyUI: Scale Image)": on_the_page(
            "ImageScaleBy", upscale_method=lambda _: "bicubic", scale_by=lambda n: 1 + n / 10
        ),
        "(ComfyUI: Blur Image)": on_the_page("ImageBlur", blur_radius=lambda n: 9 + n),
    }


def cases(prompts: Prompts, page: str, port: int) -> dict[str, Case]:
    """By name: ComfyUI's, then each of our nodes."""
    node = prompts.node
    load = {"page": node("LoadImage", image=page)}
    read = {**load, "ocr": node("VramwiseOCR", image=["page", 0])}
    regions, image = ["ocr", 3], ["page", 0]
    read["crops"] = node("VramwiseCropRegions", image=image, regions=regions)
    words = " ".join(f"word{number}" for number in range(4000))

    def on_regions(class_type: str, **given: Any) -> Case:
        def made(number: int) -> Prompt:
            changed = {name: value(number) if callable(value) else value for name, value in given.items()}
            return {**read, "it": node(class_type, **changed), "seen": node("PreviewAny", source=["it", 0])}

        return read, made

    def alone(class_type: str, **given: Any) -> Case:
        made = on_regions(class_type, **given)[1]
        return {}, lambda number: {name: one for name, one in made(number).items() if name in ("it", "seen")}

    def reading(**more: Any) -> Callable[[int], Prompt]:
        return lambda n: {**load, "ocr": node("VramwiseOCR", image=image, prompt=f"round {n}", **more)}

    def by_model(loader: Prompt, **more: Any) -> Case:
        made = reading(ocr_model=["loader", 0], max_new_tokens=16, **more)
        return load, lambda number: {**loader, **made(number)}

    remote = {"loader": node("VramwiseRemoteOCRModel", endpoint=f"localhost:{port}")}
    tiny = {"loader": node("VramwiseOCRModelLoader", model=MODEL)}
    return {
        **_of_comfyui(node, load),
        "GPU Probe": alone("VramwiseGPUProbe", refresh=lambda n: n),
        "OCR Model Loader": alone(
            "VramwiseOCRModelLoader",
            model=MODEL,
            precision=lambda n: ("auto", "bf16", "fp16", "int8")[n % 4],
        ),
        "Model Advisor": alone("VramwiseModelAdvisor", what_if=lambda n: f"{8 + n} GB"),
        "OCR Inference, built-in": (load, reading()),
        "OCR Inference, vision model": by_model(tiny, megapixels=0.2),
        "OCR Inference, remote": by_model(remote),
        "Memory Release": alone("VramwiseMemoryRelease", what="all models", refresh=lambda n: n),
        "Text Mask": on_regions(
            "VramwiseTextMask",
            regions=regions,
            find=lambda n: f"fox{n}",
            match="fuzzy",
            image=image,
            nothing_found="empty mask",
        ),
        "Crop Regions": on_regions("VramwiseCropRegions", image=image, regions=regions, padding=lambda n: n),
        "Convert Regions": on_regions(
            "VramwiseConvertRegions", regions=regions, width=lambda n: 1240 + n, height=1754
        ),
        "Draw Text": on_regions(
            "VramwiseDrawText",
            image=image,
            regions=["crops", 1],
            texts=["crops", 2],
            size=lambda n: 20.0 + n,
        ),
        "OCR Score": on_regions(
            "VramwiseOCRScore", image=image, regions=regions, expected=lambda n: f"{words} {n}"
        ),
        "Load Pages": alone("VramwiseLoadPages", file=page, max_megapixels=lambda n: 8.0 + n),
        "Save Text": alone("VramwiseSaveText", text=lambda n: f"{words} {n}", if_exists="overwrite"),
    }


def run() -> dict[str, Any]:
    from devtools.fakes.chat_server import ChatServer

    figures: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as base,
        server_with_a_model(Path(base)) as server,
        ChatServer() as chat,
    ):
        client = ComfyClient(server.url)
        page = client.upload(picture(Path(base) / "page.png"))
        print(f"{'while it runs':30}  slowest     own   median answers    node  (seconds)")
        for name, (before, made) in cases(Prompts(client), page, chat.port).items():
            if before:
                shown = {
                    **before,
                    "first": {"class_type": "PreviewAny", "inputs": {"source": [list(before)[-1], 0]}},
                }
                client.run(shown)
            failed = client.run(made(0)).error_text  # what is imported once is not the node's usual way
            begun = time.perf_counter()
            with Pings(server).running() as pings:
                for number in range(1, ROUNDS + 1):
                    failed = client.run(made(number)).error_text or failed
            taken = (time.perf_counter() - begun) / ROUNDS
            slowest, own = max(pings.waited, key=min)
            middle = statistics.median(seconds for seconds, _ in pings.waited)
            print(
                f"{name:30} {slowest:8.3f} {own:8.3f} {middle:8.4f} {len(pings.waited):7} {taken:7.2f} "
                f"{failed[:300]}"
            )
            sys.stdout.flush()
            figures[name] = {
                "slowest_s": round(slowest, 3),
                "its_processor_s": round(own, 3),
                "median_s": round(middle, 4),
                "failed": failed,
            }
    late = [
        name for name, one in figures.items() if min(one["slowest_s"], one["its_processor_s"]) > MOST_SECONDS
    ]
    print(f"over {MOST_SECONDS:g} s: {', '.join(late) or 'none'}")
    return figures
