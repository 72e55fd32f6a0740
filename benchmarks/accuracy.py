"""Character error rate on the committed accuracy pages, with language=auto, as the test asserts it."""

from __future__ import annotations

from typing import Any

from vramwise import ReadOptions, load_picture, ocr_handle

from .pages import character_errors, true_pages


def run() -> dict[str, Any]:
    handle = ocr_handle("rapid")
    figures: dict[str, Any] = {}
    print(f"{'page':28} {'language':9} {'characters':>10} {'CER %':>7} {'seconds':>8}")
    for page in true_pages("accuracy"):
        (result,) = handle.read([load_picture(page.path)], ReadOptions())
        wrong, length = character_errors(result.text, page.text)
        figures[page.file] = {"language": page.language, "cer_percent": round(100 * wrong / length, 3)}
        print(
            f"{page.file:28} {page.language:9} {length:10} {100 * wrong / length:7.2f} {result.seconds:8.2f}"
        )
    return figures
