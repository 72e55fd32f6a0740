"""The guide's quality table, measured: character error rate by model and precision on 200 held-out strings.

The models are the trained tiny checkpoints of tests/fixtures/trained, read through ModelLoader. The table
says what a precision costs these architectures, not how well the published models read; the guide's own
figures stand below it as published.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from devtools.tiny_models.build import TRAINED, held_out

from .pages import character_errors

FAMILIES = ("qwen3_vl", "got_ocr2")
PRECISIONS = ("fp16", "bf16", "int8", "int4")
MOST_TOKENS = 24  # the longest string has 16 characters, one token each


def error_rate(read: Iterable[str], truth: Sequence[str]) -> float:
    """Edit distances over lengths, in percent."""
    counted = [character_errors(text, true) for text, true in zip(read, truth, strict=True)]
    return 100 * sum(wrong for wrong, _ in counted) / sum(length for _, length in counted)


def measure(family: str, precision: str) -> dict[str, Any]:
    """Reads the held-out pictures of ``family`` through ModelLoader."""
    from vramwise import ModelLoader

    pictures, texts = zip(*held_out(family), strict=True)
    model = ModelLoader.load_model(family, precision=precision)
    results = model.read(list(pictures), max_new_tokens=MOST_TOKENS)
    ModelLoader.unload_model(family)
    read = [result.text for result in results]
    return {
        "cer_percent": round(error_rate(read, texts), 3),
        "right": sum(one == true for one, true in zip(read, texts, strict=True)),
        "seconds": round(sum(result.seconds for result in results), 1),
    }


def run() -> dict[str, Any]:
    from vramwise.catalog.published import published

    others = os.environ.get("VRAMWISE_MODELS", "")
    os.environ["VRAMWISE_MODELS"] = os.pathsep.join(part for part in (str(TRAINED), others) if part)
    figures: dict[str, Any] = {}
    print(f"{'CER %, measured here':24}" + "".join(f"{name.upper():>8}" for name in PRECISIONS))
    for family in FAMILIES:
        rows = figures[family] = {precision: measure(family, precision) for precision in PRECISIONS}
        cells = "".join(f"{rows[precision]['cer_percent']:8.2f}" for precision in PRECISIONS)
        print(f"{'trained tiny ' + family:24}{cells}", flush=True)
    guide = [row for row in published() if row.seed == "guide" and row.table == "cer"]
    print(f"\n{'CER %, published (guide)':24}" + "".join(f"{name.upper():>8}" for name in PRECISIONS))
    for model in dict.fromkeys(row.row for row in guide):
        said = {row.column.lower(): row.value for row in guide if row.row == model}
        print(f"{model:24}" + "".join(f"{said.get(precision, '-'):>8}" for precision in PRECISIONS))
    return figures
