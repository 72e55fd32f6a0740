"""Drawn pages turned by quarters, and pages of every script: left wrong, refused, read how well, how dear.

Nothing is asked of a peer here: what counts is what is left wrong (0) and what language auto costs a page
over naming its language. Scripts whose Tesseract data are missing are counted as refused with their names.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein
from vramwise import ReadOptions, VramwiseError, load_picture, ocr_handle
from vramwise.catalog import language
from vramwise.ocr.engines.tesseract import find_traineddata
from vramwise.settings import load_settings

from benchmarks.pages import true_pages
from tests.fixtures import draw_scripts, draw_small_tables, draw_turned_pages

BUILT_IN = ("Latin", "Han")


def errors(read: str, truth: str) -> float:
    """Characters read wrongly as a share of the truth, at most 1, without regard to white space and case."""
    read, truth = "".join(read.split()).casefold(), "".join(truth.split()).casefold()
    return min(1.0, Levenshtein.distance(read, truth) / max(1, len(truth)))


def _turned(count: int) -> dict[str, Any]:
    handle, wrong = ocr_handle(), []
    for number, page in enumerate(draw_turned_pages.pages(count, 31)):
        quarters = number // 16 % 4
        (read,) = handle.read([np.ascontiguousarray(np.rot90(page.picture, quarters))])
        if errors(read.text, page.text) > 0.15:
            wrong.append(f"{page.name} at {90 * quarters}")
    print(f"turned pages left or turned wrong, or refused: {len(wrong)} of {count} {wrong}")
    return {"turned_pages": count, "turned_wrong": wrong}


def _scripts(count: int) -> dict[str, Any]:
    handle, settings = ocr_handle(), load_settings()
    rates: dict[str, list[float]] = defaultdict(list)
    refused: Counter[str] = Counter()
    misnamed = []
    for page in draw_scripts.pages(count, 41):
        try:
            (read,) = handle.read([page.picture])
        except VramwiseError as error:
            refused[page.language] += 1
            if f"in {page.script} script" not in str(error):
                misnamed.append(page.name)
            continue
        rates[page.language].append(errors(read.text, page.text))
    for code in draw_scripts.WRITTEN_WITH:
        here = bool(find_traineddata([language(code).tesseract], settings))
        said = f"{statistics.mean(rates[code]):.3f}" if rates[code] else "-"
        print(f"{code:4} CER {said:>6} of {len(rates[code]):3}  refused {refused[code]:3}  data here: {here}")
    wrongly = sum(refused[code] for code, (name, _) in draw_scripts.WRITTEN_WITH.items() if name in BUILT_IN)
    print(f"refused although the built-in weights read it: {wrongly}; named wrongly: {misnamed}")
    return {
        "cer": {k: statistics.mean(v) for k, v in rates.items() if v},
        "wrongly": wrongly,
        "misnamed": misnamed,
    }


def _small_tables(count: int) -> dict[str, Any]:
    """Tiny tables in Cyrillic, turned by quarters and slants: characters wrong by the kind of their rules."""
    handle = ocr_handle()
    rates: dict[str, list[float]] = defaultdict(list)
    for number, table in enumerate(draw_small_tables.tables(count, 51)):
        degrees = (0, 90, 180, 270, 15, -15)[number // 3 % 6]
        try:
            (read,) = handle.read([draw_small_tables.turned(table.picture, degrees)])
        except VramwiseError:
            rates[table.name.split()[0]].append(1.0)
            continue
        rates[table.name.split()[0]].append(errors(read.text, table.text))
    means = {name: statistics.mean(some) for name, some in rates.items()}
    print("small tables, CER: " + ", ".join(f"{name} {mean:.3f}" for name, mean in means.items()))
    return {"small_tables": means}


def _cost() -> dict[str, Any]:
    """Processor time of language auto over language ru, on the committed Russian pages; each seen before."""
    handle, ratios = ocr_handle(), []
    russian = [page for kind in ("accuracy", "script") for page in true_pages(kind) if page.language == "ru"]
    for page in russian:
        picture, spent = load_picture(page.path), {}
        for code in ("ru", "auto"):
            for _ in range(2):
                begun = time.process_time()
                list(handle.read([picture], ReadOptions(language=code)))
                spent[code] = time.process_time() - begun
        ratios.append(spent["auto"] / spent["ru"])
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"processor time of auto over ru, {len(ratios)} pages: {middle:.2f} ({low:.2f} to {high:.2f})")
    return {"auto_over_ru": ratios}


def run(options: Sequence[str] = ()) -> dict[str, Any]:
    """``--turned N --scripts N --tables N``: how many pages of each (400, 210, 72)."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--turned", type=int, default=400)
    ask.add_argument("--scripts", type=int, default=210)
    ask.add_argument("--tables", type=int, default=72)
    asked = ask.parse_args(list(options))
    return {
        **_turned(asked.turned),
        **_scripts(asked.scripts),
        **_small_tables(asked.tables),
        **_cost(),
    }
