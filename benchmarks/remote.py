"""Reading by a server: how throughput grows with concurrency, what a long queue takes, how fast Cancel is.

The server is devtools/fakes/chat_server.py in a process of its own: 200 ms of silence, then the answer. The
same pictures are asked for with the bare ``openai`` client and a semaphore in the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LATENCY = 0.2
AT_ONCE = (1, 2, 4, 8, 16)
QUEUES = (100, 10_000)


def page(number: int) -> Any:
    """A white picture of 640 x 480 with some lines and a mark of its own."""
    import numpy as np

    picture = np.full((480, 640, 3), 255, np.uint8)
    picture[40:440:20, 40:600] = 90
    picture[:4, :32] = np.frombuffer(number.to_bytes(4, "big"), np.uint8).repeat(8)[None, :, None]
    return picture


@contextlib.contextmanager
def chat_server(latency: float) -> Iterator[str]:
    """Address of a chat server in a process of its own, without a path."""
    command = [sys.executable, "-m", "devtools.fakes.chat_server", "--port", "0", "--latency", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip().removesuffix("/v1")
        finally:
            process.kill()


def read(address: str, count: int, at_once: int) -> int:
    """Read ``count`` pages; returns the largest resident size seen, in bytes."""
    import psutil
    from vramwise.ocr.remote import open_remote

    process, largest = psutil.Process(), 0
    handle = open_remote(address.removeprefix("http://"), concurrency=at_once)
    for number, _ in enumerate(handle.read(page(number) for number in range(count))):
        if number % 20 == 0:
            largest = max(largest, process.memory_info().rss)
    return largest


def bare(address: str, count: int, at_once: int) -> None:
    """The same with nothing around the client: no order, no bound, no health."""
    import openai
    from vramwise.ocr.remote.chat_request import ChatRequest
    from vramwise.ocr.remote.image_encoding import encode

    async def all_pages() -> None:
        turns = asyncio.Semaphore(at_once)
        client = openai.AsyncOpenAI(api_key="none", base_url=f"{address}/v1", max_retries=0)

        async def one(number: int) -> None:
            async with turns:
                picture, _ = await asyncio.to_thread(encode, page(number), 10**7, "png")
                question = ChatRequest("qwen3_vl_stand_in", "Read.", picture, 64)
                stream = await client.chat.completions.create(**question.body())
                async for _ in stream:
                    pass

        await asyncio.gather(*map(one, range(count)))
        await client.close()

    asyncio.run(all_pages())


def queue_bytes(address: str, count: int) -> int:
    """Largest resident size of a fresh process that reads ``count`` pages."""
    script = f"from benchmarks.remote import read; print(read({address!r}, {count}, 8))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def cancel_seconds(address: str) -> float:
    """From Cancel until the reading has ended, with 16 silent requests under way."""
    from vramwise.ocr.engines.protocol import NoProgress
    from vramwise.ocr.remote import open_remote

    class Pressed(NoProgress):
        at = time.monotonic() + 2

        def check(self) -> None:
            if time.monotonic() > self.at:
                raise KeyboardInterrupt

    progress = Pressed()
    handle = open_remote(address.removeprefix("http://"), "qwen3_vl_stand_in", concurrency=16)
    with contextlib.suppress(KeyboardInterrupt):
        list(handle.read((page(number) for number in range(100)), None, progress))
    return time.monotonic() - progress.at


def run() -> dict[str, Any]:
    import psutil

    os.environ.pop("VRAMWISE_CONFIG", None)
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(psutil.getloadavg()[0], 1)}
    with chat_server(LATENCY) as address:
        read(address, 8, 8)  # imports
        rates = {}
        for at_once in AT_ONCE:
            count = 25 * at_once
            seconds, busy = _least(read, address, count, at_once)
            alone, alone_busy = _least(bare, address, count, at_once)
            rates[at_once] = count / seconds
            figures[f"pages_per_s_{at_once}"] = round(count / seconds, 2)
            figures[f"bare_client_pages_per_s_{at_once}"] = round(count / alone, 2)
            figures[f"cpu_ms_a_page_{at_once}"] = round(1000 * busy / count, 2)
            figures[f"bare_client_cpu_ms_a_page_{at_once}"] = round(1000 * alone_busy / count, 2)
            linear = rates[at_once] / (rates[1] * at_once)
            figures[f"of_linear_{at_once}"] = round(linear, 3)
            print(
                f"concurrency {at_once:2}: {rates[at_once]:6.2f} pages/s, {linear:.2f} of linear, "
                f"{1000 * busy / count:5.2f} ms of a core a page; "
                f"bare client {count / alone:6.2f} pages/s, {1000 * alone_busy / count:5.2f} ms"
            )
    with chat_server(0.0) as address:
        for count in QUEUES:
            figures[f"queue_{count}_mib"] = round(queue_bytes(address, count) / 1024**2, 1)
            print(f"queue of {count:6} pages: {figures[f'queue_{count}_mib']} MiB at most")
    with chat_server(60.0) as address:
        figures["cancel_s"] = round(cancel_seconds(address), 3)
        print(f"Cancel with 16 silent requests: {figures['cancel_s']} s")
    return figures


def _least(work: Any, *given: Any) -> tuple[float, float]:
    """Seconds, and seconds of this process on a core, which other load hardly changes: the best of two."""
    taken = []
    for _ in range(2):
        started, busy = time.perf_counter(), time.process_time()
        work(*given)
        taken.append((time.perf_counter() - started, time.process_time() - busy))
    return min(run[0] for run in taken), min(run[1] for run in taken)
