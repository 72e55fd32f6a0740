"""Tables of the kinds that people photograph and copy: headings over columns, cells of two lines, sums,
dashes, grey rows, light letters on dark, slanted and noisy scans; Latin, Cyrillic, both with signs of money,
Chinese and Japanese. Sizes are in pixels.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .drawn_layouts import Laid, LaidTable, Width
from .drawn_tables import CYRILLIC, LATIN, drawn_table, groups_over, laid_in, rules_of

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS = ("plain", "groups", "two lines", "sums", "dashes", "grey rows", "dark", "slanted", "scanned")
SCRIPTS = ("Latin", "Cyrillic", "mixed", "Chinese", "Japanese")
RULES = ("none", "level", "grid")
CHINESE = """
\u59d3\u540d \u90e8\u95e8 \u57ce\u5e02 \u65e5\u671f \u6570\u91cf \u5355\u4ef7 \u91d1\u989d \u5408\u8ba1
\u5907\u6ce8 \u4ea7\u54c1\u540d\u79f0 \u89c4\u683c \u5355\u4f4d \u4e0a\u6d77 \u5317\u4eac \u5e7f\u5dde
\u6df1\u5733 \u676d\u5dde \u5357\u4eac \u5e02\u573a\u90e8 \u6280\u672f\u90e8 \u8d22\u52a1\u90e8
\u9500\u552e\u989d \u5229\u6da6 \u589e\u957f\u7387 \u5e93\u5b58 \u8ba2\u5355\u7f16\u53f7
\u5ba2\u6237\u540d\u79f0 \u8054\u7cfb\u7535\u8bdd \u5730\u5740 \u5b66\u6821 \u73ed\u7ea7 \u6210\u7ee9
\u8bed\u6587 \u6570\u5b66 \u82f1\u8bed \u82f9\u679c \u9999\u8549 \u725b\u5976 \u9762\u5305 \u7535\u8111
\u624b\u673a \u6253\u5370\u673a \u663e\u793a\u5668 \u952e\u76d8 \u9879\u76ee \u9884\u7b97 \u652f\u51fa
\u6536\u5165 \u4f59\u989d \u5e74\u5ea6 \u5b63\u5ea6 \u6708\u4efd \u5b8c\u6210 \u8fdb\u884c\u4e2d
\u672a\u5f00\u59cb \u8d1f\u8d23\u4eba \u4f18\u5148\u7ea7 \u72b6\u6001 \u8bf4\u660e \u6750\u6599 \u6728\u6750
\u6c34\u6ce5
""".split()  # noqa: SIM905
JAPANESE = """
\u6c0f\u540d \u4f4f\u6240 \u96fb\u8a71\u756a\u53f7 \u65e5\u4ed8 \u6570\u91cf \u5358\u4fa1 \u91d1\u984d
\u5408\u8a08 \u5099\u8003 \u5546\u54c1\u540d \u6771\u4eac \u5927\u962a \u540d\u53e4\u5c4b \u798f\u5ca1
\u672d\u5e4c \u55b6\u696d\u90e8 \u7dcf\u52d9\u90e8 \u958b\u767a\u90e8 \u58f2\u4e0a\u9ad8 \u5229\u76ca
\u5897\u6e1b\u7387 \u5728\u5eab \u6ce8\u6587\u756a\u53f7 \u308a\u3093\u3054 \u30d0\u30ca\u30ca
\u304e\u3085\u3046\u306b\u3085\u3046 \u30d1\u30f3 \u30d1\u30bd\u30b3\u30f3 \u30d7\u30ea\u30f3\u30bf\u30fc
\u30e2\u30cb\u30bf\u30fc \u30ad\u30fc\u30dc\u30fc\u30c9 \u4e88\u7b97 \u652f\u51fa \u53ce\u5165 \u6b8b\u9ad8
\u5e74\u5ea6 \u5b8c\u4e86 \u4f5c\u696d\u4e2d \u672a\u7740\u624b \u62c5\u5f53\u8005 \u512a\u5148\u5ea6
\u72b6\u614b \u8aac\u660e \u6750\u6599 \u30bb\u30e1\u30f3\u30c8 \u5b66\u6821 \u6210\u7e3e \u56fd\u8a9e
\u6570\u5b66 \u82f1\u8a9e \u304a\u8336 \u3055\u304f\u3089 \u3072\u304b\u308a \u306e\u305e\u307f
\u307f\u3069\u308a\u5e02
""".split()  # noqa: SIM905
SUM = {
    "Latin": "Total",
    "Cyrillic": "\u0418\u0442\u043e\u0433\u043e",
    "mixed": "\u0418\u0442\u043e\u0433\u043e",
    "Chinese": "\u5408\u8ba1",
    "Japanese": "\u5408\u8a08",
}
MONEY = ("$", "\u20ac", "\u00a3")
MARKS = ("Alpha", "USB", "Sony", "Pro 3", "Wi-Fi", "Bosch", "Linux", "Excel", "PDF", "Nova")


@dataclass(frozen=True)
class Look:
    """How a table is drawn: the ``rules``' kind, ``grey`` rows as (top, bottom), light letters on ``dark``,
    degrees of slant, and how bad a scan it is (0: none).
    """

    rules: str
    grey: tuple[tuple[float, float], ...] = ()
    dark: bool = False
    degrees: float = 0.0
    scanned: float = 0.0


def table_of_kind(seed: int, kind: str, script: str, width: Width) -> tuple[LaidTable, Look]:
    """``width`` measures a text as it will be drawn."""
    rng = random.Random(f"{kind} {script} {seed}")
    size = rng.uniform(18, 32) if script in ("Chinese", "Japanese") else rng.uniform(16, 30)
    rules = rng.choice(("none", "none", "level") if kind in ("two lines", "grey rows") else RULES)
    columns = rng.randint(4, 6) if kind == "groups" else rng.randint(3, 6)
    kinds = [
        "words",
        *(rng.choice(("number", "number", "money", "words", "date")) for _ in range(columns - 1)),
    ]
    if kind == "two lines":
        kinds[rng.choice((0, 1))] = "long"
    if "number" not in kinds:
        kinds[-1] = "number"
    few = {"dashes": 0.35}.get(kind, 0.0)
    cells = [[_cell(rng, one, script, few) for one in kinds] for _ in range(rng.randint(4, 11))]
    cells.insert(0, [[_words(rng, script, 1)] for _ in kinds])
    if kind == "sums":
        total = ["" if one in ("words", "date") else rng_number(rng, one) for one in kinds]
        cells.append([[SUM[script]], *([text] if text else [] for text in total[1:])])
    return _laid(rng, cells, kinds, size, width, rules, kind, script)


def _laid(
    rng: random.Random,
    cells: list[list[list[str]]],
    kinds: list[str],
    size: float,
    width: Width,
    rules: str,
    kind: str,
    script: str,
) -> tuple[LaidTable, Look]:
    columns = len(kinds)
    widths = [max(width(line, size) for row in cells for line in row[x]) for x in range(columns)]
    gap = rng.uniform(1.3, 2.8) * size
    lefts = [2.5 * size + sum(widths[:x]) + x * gap for x in range(columns)]
    right = lefts[-1] + widths[-1] + gap / 2
    groups = groups_over(rng, columns) if kind == "groups" else []
    loose = rng.uniform(0.8, 1.3) if kind == "two lines" else rng.uniform(0.45, 1.2)
    over = [(start, across, _words(rng, script, 1)) for start, across in groups]
    flush = [one in ("number", "money") for one in kinds]
    lines, truth, edges, foot = laid_in(lefts, widths, flush, size, loose, width, over, cells)
    ruled = rules_of(rules, edges, lefts, right, gap, groups)
    if kind == "sums" and rules == "level":
        ruled = (*ruled, (lefts[0] - gap / 2, edges[-2], right, edges[-2]))
    bands = tuple(zip(edges[1::2], edges[2::2], strict=False)) if kind == "grey rows" else ()
    look = Look(
        rules,
        bands,
        kind == "dark",
        rng.choice((-1, 1)) * rng.uniform(0.5, 2.0) if kind == "slanted" else 0.0,
        rng.uniform(0.4, 1.0) if kind == "scanned" else 0.0,
    )
    page = Laid(tuple(lines), right + 2 * size, foot + 2 * size)
    return LaidTable(page, tuple(truth), ruled), look


def _cell(rng: random.Random, kind: str, script: str, dashes: float) -> list[str]:
    if kind == "words":
        return [_words(rng, script, 1 if script in ("Chinese", "Japanese") else rng.choice((1, 1, 2)))]
    if kind == "long":
        return [_words(rng, script, 2) for _ in range(rng.choice((1, 2, 2)))]
    if rng.random() < dashes:
        return [rng.choice(("-", "\u2013", "\u2014"))]
    return [rng_number(rng, kind)]


def rng_number(rng: random.Random, kind: str) -> str:
    """A number, a sum of money or a date."""
    if kind == "date":
        day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1998, 2026)
        return rng.choice((f"{day:02}.{month:02}.{year}", f"{year}-{month:02}-{day:02}"))
    value = rng.uniform(1, 9_999)
    if kind == "money":
        return f"{rng.choice(MONEY)}{value:,.2f}"
    return rng.choice(
        (f"{value:.2f}", f"{value:,.0f}", f"{value % 300:.0f}", f"-{value:.1f}", f"{value % 90:.1f}%")
    )


def _words(rng: random.Random, script: str, count: int) -> str:
    if script in ("Chinese", "Japanese"):
        return "".join(rng.choice(CHINESE if script == "Chinese" else JAPANESE) for _ in range(count))
    if script == "mixed" and rng.random() < 0.4:
        return rng.choice(MARKS)
    names = LATIN if script == "Latin" else CYRILLIC
    return " ".join(rng.choice(names) for _ in range(count)).capitalize()


def drawn_kind(table: LaidTable, look: Look, font_file: str, seed: int) -> Image:
    """The picture."""
    from PIL import Image as pictures
    from PIL import ImageChops, ImageDraw, ImageOps

    picture = drawn_table(table, look.rules, font_file)
    if look.grey:
        ground = pictures.new("RGB", picture.size, "white")
        pen = ImageDraw.Draw(ground)
        for top, bottom in look.grey:
            pen.rectangle((20, top, picture.width - 20, bottom), (228, 232, 236))
        picture = ImageChops.darker(picture, ground)
    if look.dark:
        picture = ImageOps.invert(picture).point([24 + round(one * 0.85) for one in range(256)] * 3)
    if look.degrees:
        picture = picture.rotate(look.degrees, pictures.Resampling.BICUBIC, expand=True, fillcolor="white")
    return _scanned(picture, look.scanned, seed) if look.scanned else picture


def _scanned(picture: Image, bad: float, seed: int) -> Image:
    """Soft, grainy, grey paper, and saved as JPEG."""
    import numpy as np
    from PIL import Image as pictures
    from PIL import ImageFilter

    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.9 * bad)), np.float64)
    grain = np.random.default_rng(seed).normal(0, 14 * bad, soft.shape[:2])[..., None]
    page = np.clip(soft * (1 - 0.12 * bad) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    pictures.fromarray(page).save(out, "JPEG", quality=round(75 - 40 * bad))
    return pictures.open(out).convert("RGB")
