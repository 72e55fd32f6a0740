"""RAM of the built-in engine over pictures of many sizes, beside the same reader left to itself.

Each way runs in a process of its own: resident memory between pages, the peak within them, and CPU seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PICTURES = 200
SHOWN = (1, 5, 10, 25, 50, 100, 150, 200)
WAYS = ("kept without bound", "as shipped")


def run(pictures: int = PICTURES) -> dict[str, Any]:
    found = {way: _measured(way, pictures) for way in WAYS}
    print(f"{'pictures':>10}" + "".join(f"{way + ', MiB':>26}" for way in WAYS))
    for count in [count for count in SHOWN if count <= pictures]:
        print(f"{count:10}" + "".join(f"{found[way]['resting'][count - 1]:26}" for way in WAYS))
    for name in ("largest at rest", "peak", "released", "cpu seconds"):
        print(f"{name:>10}" + "".join(f"{found[way][name]:26}" for way in WAYS))
    same = found[WAYS[0]]["texts"] == found[WAYS[1]]["texts"]
    print(f"the same texts: {'yes' if same else 'NO'}")
    return {"same_texts": same, **found}


def _measured(way: str, pictures: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.reading_memory", way, str(pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _read(way: str, pictures: int) -> dict[str, Any]:
    """Read drawn pages, each scaled to a size of its own between 0.4 and 2.2 megapixels."""
    import time

    import cv2
    import numpy as np
    from vramwise import ReadOptions, load_picture, ocr_handle
    from vramwise.models.handle import release_all
    from vramwise.ocr.engines import kept_memory

    from .pages import true_pages

    if way == WAYS[0]:
        kept_memory.FREE_ABOVE = 1 << 60
    pages = [load_picture(page.path) for page in true_pages("accuracy") if page.language in ("en", "zh")]
    sizes = np.random.default_rng(7).uniform(0.4e6, 2.2e6, pictures)
    handle, mib = ocr_handle("rapid"), 1024**2
    resting, texts, started = [], [], time.process_time()
    for index, size in enumerate(sizes):
        page = pages[index % len(pages)]
        scale = (size / (page.shape[0] * page.shape[1])) ** 0.5
        small = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        (result,) = handle.read([small], ReadOptions())
        texts.append(result.text)
        resting.append(kept_memory.resident() // mib)
    seconds = time.process_time() - started
    release_all()
    return {
        "resting": resting,
        "largest at rest": max(resting),
        "peak": _peak() // mib,
        "released": kept_memory.resident() // mib,
        "cpu seconds": round(seconds),
        "texts": texts,
    }


def _peak() -> int:
    """The largest resident size so far, bytes (kibibytes in Linux' getrusage, bytes in macOS')."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(_read(sys.argv[1], int(sys.argv[2]))))
