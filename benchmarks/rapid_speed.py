"""The built-in engine against the bare RapidOCR default (ONNX Runtime), page by page in alternation."""

from __future__ import annotations

import statistics
import time
from typing import Any

from vramwise import ReadOptions, load_picture, ocr_handle

from .pages import character_errors, true_pages


def run() -> dict[str, Any]:
    from rapidocr import RapidOCR

    bare = RapidOCR(params={"Global.log_level": "error"})
    handle = ocr_handle("rapid")
    pages = [page for page in true_pages("accuracy") if page.language in ("en", "zh")]
    pictures = {page.file: load_picture(page.path) for page in pages}
    options = ReadOptions()
    for picture in pictures.values():  # both runtimes build shape-dependent kernels at first sight of a shape
        bare(picture[:, :, ::-1])
        list(handle.read([picture], options))
    ratios, errors = [], {"bare": [0, 0], "vramwise": [0, 0]}
    seconds: dict[str, list[float]] = {"bare": [], "vramwise": []}
    print(f"{'page':28} {'bare s':>8} {'ours s':>8} {'ratio':>6}")
    for turn in range(3):
        for page in pages:
            picture = pictures[page.file]
            started = time.perf_counter()
            found = bare(picture[:, :, ::-1])
            middle = time.perf_counter()
            (result,) = handle.read([picture], options)
            ended = time.perf_counter()
            seconds["bare"].append(middle - started)
            seconds["vramwise"].append(ended - middle)
            ratios.append((middle - started) / (ended - middle))
            if turn == 0:
                _add(errors["bare"], "\n".join(found.txts or ()), page.text)
                _add(errors["vramwise"], result.text, page.text)
                print(f"{page.file:28} {middle - started:8.2f} {ended - middle:8.2f} {ratios[-1]:6.2f}")
    figures = {
        "pages": len(pages),
        "rounds": 3,
        "bare_seconds_median": round(statistics.median(seconds["bare"]), 3),
        "vramwise_seconds_median": round(statistics.median(seconds["vramwise"]), 3),
        "speed_ratio_median": round(statistics.median(ratios), 2),
        "speed_ratio_worst": round(min(ratios), 2),
        "bare_cer_percent": round(100 * errors["bare"][0] / errors["bare"][1], 3),
        "vramwise_cer_percent": round(100 * errors["vramwise"][0] / errors["vramwise"][1], 3),
    }
    print(
        f"median of {len(ratios)}: {figures['speed_ratio_median']} times as fast; "
        f"CER {figures['vramwise_cer_percent']} % against {figures['bare_cer_percent']} %"
    )
    return figures


def _add(total: list[int], read: str, truth: str) -> None:
    wrong, length = character_errors(read, truth)
    total[0] += wrong
    total[1] += length
