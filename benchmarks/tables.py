"""Drawn tables, read by the built-in engine: how many cells are right, by the kind of their rules.

A cell is right where its row, its column, how many columns it takes and its letters (white space and case
aside) are. F1 is the mean over tables; a table that was not found has 0. "prose": between two paragraphs, the
same pages as ever (``drawn_layouts.table_page``); "varied": ``drawn_tables``, Latin and Cyrillic by turns;
"kinds": ``drawn_table_kinds``, 45 seeds for each kind in each script (a dash is a dash, however long). Seeds
that nobody looked at while tuning begin at 4000. No peer is in the project's environment.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw
from vramwise import ocr_handle
from vramwise.ocr.results.result import OCRResult

from devtools.drawn_layouts import LaidTable, drawn, font_width, table_page
from devtools.drawn_table_kinds import KINDS, SCRIPTS, drawn_kind, table_of_kind
from devtools.drawn_tables import drawn_table, varied_table

FACES = "/usr/share/fonts/truetype"
FONTS = (
    f"{FACES}/liberation/LiberationSerif-Regular.ttf",
    f"{FACES}/dejavu/DejaVuSans.ttf",
    f"{FACES}/liberation/LiberationSans-Regular.ttf",
    f"{FACES}/dejavu/DejaVuSansMono.ttf",
)
HAN = tuple(f"/usr/share/fonts/opentype/noto/Noto{face}CJK-Regular.ttc" for face in ("Sans", "Serif"))


def cell_f1(result: OCRResult, table: LaidTable) -> float:
    """Of the largest table found."""
    wanted = {(y, x, across, _letters(text)) for y, x, across, text in table.cells}
    found = max(
        (
            {
                (y, x, cell.across, _letters(cell.text))
                for y, row in enumerate(one.rows)
                for x, cell in enumerate(row)
                if cell.text
            }
            for one in result.tables
        ),
        key=len,
        default=set(),
    )
    return 2 * len(wanted & found) / (len(wanted) + len(found))


def _letters(text: str) -> str:
    return re.sub(
        "[\u2012-\u2015\u2212]", "-", "".join(unicodedata.normalize("NFKC", text).casefold().split())
    )


def prose(seeds: Sequence[int]) -> Iterator[tuple[str, LaidTable, NDArray[np.uint8]]]:
    for seed in seeds:
        font = FONTS[seed % 4]
        table = table_page(seed, font_width(font))
        picture = drawn(table.page, font)
        for rule in table.rules:
            ImageDraw.Draw(picture).line(rule, (90, 90, 90), 2)
        yield ("ruled" if table.rules else "no rules"), table, np.asarray(picture)


def varied(seeds: Sequence[int]) -> Iterator[tuple[str, LaidTable, NDArray[np.uint8]]]:
    for seed in seeds:
        font, cyrillic = FONTS[seed // 4 % 3], seed // 8 % 2 == 1
        table, rules = varied_table(seed, font_width(font), cyrillic)
        yield (
            f"{'Cyrillic' if cyrillic else 'Latin'} {rules}",
            table,
            np.asarray(drawn_table(table, rules, font)),
        )


def kinds(seeds: Sequence[int]) -> Iterator[tuple[str, LaidTable, NDArray[np.uint8]]]:
    for seed in seeds:
        kind, script = KINDS[seed % len(KINDS)], SCRIPTS[seed // len(KINDS) % len(SCRIPTS)]
        font = HAN[seed % 2] if script in ("Chinese", "Japanese") else FONTS[seed % 3]
        table, look = table_of_kind(seed, kind, script, font_width(font))
        yield f"{kind}, {script}", table, np.asarray(drawn_kind(table, look, font, seed))


def run(options: Sequence[str] = ()) -> dict[str, Any]:
    """``--first 4000 --count 60``: the seeds of each sort."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--first", type=int, default=4000)
    ask.add_argument("--count", type=int, default=60)
    asked = ask.parse_args(list(options))
    seeds, handle = range(asked.first, asked.first + asked.count), ocr_handle()
    figures: dict[str, Any] = {}
    sorts = ("prose", prose(seeds)), ("varied", varied(seeds)), ("kinds", kinds(seeds))
    for name, pages in sorts:
        scores: dict[str, list[float]] = defaultdict(list)
        for kind, table, picture in pages:
            (result,) = handle.read([picture])
            scores[kind].append(cell_f1(result, table))
        for kind, some in sorted(scores.items()):
            print(f"{name:7} {kind:20} tables {len(some):3}  cell F1 {mean(some):.3f}")
        every = [one for some in scores.values() for one in some]
        print(f"{name:7} {'all':20} tables {len(every):3}  cell F1 {mean(every):.3f}")
        figures[name] = {"all": mean(every), **{kind: mean(some) for kind, some in scores.items()}}
    return figures
