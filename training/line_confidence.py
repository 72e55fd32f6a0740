"""Fits core/ocr/engines/confidence/confidence.csv: how often is a line right whose score is this?

    python training/line_confidence.py            draws 240 pages, reads them and prints the table
    python training/line_confidence.py --write    and writes it

A recogniser's score is the mean of its letters' chances, so that a line of 40 letters at 0.9 is nearly
always wrong somewhere. Pages are drawn of the texts beside the tests in many fonts and sizes and spoiled
(blur, noise, JPEG, low contrast, small print, skew), read by the built-in engine as it routes them, and every
region is compared with the line it stands on. The map is isotonic (pool adjacent violators), read off at a
few knots; between them it is linear.

What is committed for PP-OCR: the pages of the seeds 0 to 64, 80 to 149 and 160 to 214, 886 lines of which
62.6 % were right at a mean score of 0.902 (three of ten texts are Cyrillic).
For Tesseract: 201 lines of the seeds 1000 to 1019, 1060 to 1083 and 1120 to 1137. On 973 lines of real
pictures that no fit saw the calibration error is about 0.06 where a line is right letter by letter.
"""

from __future__ import annotations

import argparse
import io
import random
import re
import unicodedata
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from vramwise import ocr_handle
from vramwise.ocr.engines.confidence import lines as confidence
from vramwise.ocr.engines.protocol import ReadOptions

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / "tests" / "fixtures" / "texts"
TABLE = ROOT / "core" / "ocr" / "engines" / "confidence" / "confidence.csv"
FONTS = {
    "latin": (
        "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif-Italic.ttf",
        "LiberationSans-Regular.ttf", "LiberationSerif-Regular.ttf", "LiberationSerif-BoldItalic.ttf",
        "LiberationSansNarrow-Regular.ttf", "NotoSerifDisplay-Italic.ttf", "DejaVuSerif-Bold.ttf",
    ),
    "han": ("NotoSansCJK-Regular.ttc", "NotoSerifCJK-Bold.ttc"),
}  # fmt: skip
SOURCES = {
    "en": "latin", "code": "latin", "numbers": "latin", "receipt": "latin", "posters_latin": "latin",
    "zh": "han", "posters_han": "han", "ru": "latin", "uk": "latin", "bg": "latin",
}  # fmt: skip
ALL = tuple(SOURCES)
CYRILLIC = ("ru", "uk", "bg")  # Tesseract reads these
PAGES = 240
CYRILLIC_SEEDS = 1000  # and on
KNOTS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)
SAME = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"}
)


def norm(text: str) -> str:
    """What is compared: without white space, case and the kinds of quotes and dashes."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text).casefold().translate(SAME))


def page(seed: int, sources: tuple[str, ...] = ALL) -> tuple[Any, list[tuple[float, str]]]:
    """A picture, and (middle, text) of each of its lines."""
    chance = random.Random(seed)
    source = chance.choice(sources)
    rows = [row for row in (TEXTS / f"{source}.txt").read_text("utf-8").splitlines() if row.strip()]
    size = round(9 * 4 ** chance.random())
    font = ImageFont.truetype(chance.choice(FONTS[SOURCES[source]]), size)
    ink, paper = (chance.randint(0, 90), chance.randint(170, 255))
    if chance.random() < 0.25:
        ink = paper - chance.randint(25, 60)  # faint
    if chance.random() < 0.25:
        ink, paper = paper, ink
    width = 760
    picture = Image.new("L", (width, 12 * (size * 2) + 60), paper)
    pen = ImageDraw.Draw(picture)
    lines, y = [], 30
    for row in chance.sample(rows, min(len(rows), chance.randint(3, 10))):
        text = row
        while text and font.getlength(text) > width - 60:
            text = text[:-1].rstrip()
        _, top, _, bottom = pen.textbbox((30, y), text, font=font)
        pen.text((30, y), text, fill=ink, font=font)
        lines.append(((top + bottom) / 2, text))
        y += round(size * 1.7)
    picture = picture.crop((0, 0, width, y + 30))
    return spoiled(picture, chance), lines


def spoiled(picture: Image.Image, chance: random.Random) -> Any:
    noise = np.random.default_rng(chance.randint(0, 2**31))
    paper = picture.getpixel((2, 2))
    if chance.random() < 0.3:
        picture = picture.rotate(chance.uniform(-1.5, 1.5), Image.Resampling.BICUBIC, fillcolor=paper)
    if chance.random() < 0.6:
        picture = picture.filter(ImageFilter.GaussianBlur(chance.uniform(0.3, 2.2)))
    if chance.random() < 0.3:
        share = chance.uniform(0.35, 0.8)
        small = picture.resize((round(picture.width * share), round(picture.height * share)))
        picture = small.resize(picture.size, chance.choice([0, 2, 3]))
    pixels = np.asarray(picture, np.float32)
    if chance.random() < 0.6:
        pixels = pixels + noise.normal(0, chance.uniform(3, 40), pixels.shape)
    if chance.random() < 0.3:
        pixels = pixels + np.linspace(-40, 40, pixels.shape[1])[None]
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if chance.random() < 0.5:
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=chance.randint(8, 70))
        picture = Image.open(data)
    return np.ascontiguousarray(np.asarray(picture.convert("RGB")))


def judged(seeds: range, sources: tuple[str, ...] = ALL) -> tuple[Any, Any]:
    """(scores, right) of every region of the drawn pages."""
    confidence.correctness = lambda score, reader="rapid": score  # the scores as they are
    handle = ocr_handle("rapid")
    scores, right = [], []
    for seed in seeds:
        picture, lines = page(seed, sources)
        try:
            (result,) = handle.read([picture], ReadOptions())
        except Exception as error:  # refused: no line of it has a score
            print(seed, str(error)[:80])
            continue
        for region in result.regions:
            if region.confidence is None or not norm(region.text):
                continue
            middle = (region.box[1] + region.box[3]) / 2
            truth = min(lines, key=lambda line: abs(line[0] - middle))[1]
            scores.append(region.confidence)
            right.append(norm(region.text) in norm(truth))
    return np.array(scores), np.array(right, np.float64)


def isotonic(scores: Any, right: Any) -> list[tuple[float, float]]:
    """(score, chance) at KNOTS, rising. Half a right and half a wrong line stand at each end, so that no
    chance is 0 or 1.
    """
    order = np.argsort(scores)
    blocks: list[list[float]] = []  # sum of right, weight, sum of scores
    for score, good in zip(scores[order], right[order], strict=True):
        blocks.append([good, 1.0, score])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    places = [total / weight for _, weight, total in blocks]
    chances = [(good + 0.5) / (weight + 1) for good, weight, _ in blocks]
    chances = list(np.maximum.accumulate(chances))
    return [(knot, round(float(np.interp(knot, places, chances)), 3)) for knot in KNOTS]


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--write", action="store_true")
    asked.add_argument("--pages", type=int, default=PAGES)
    given = asked.parse_args()
    rows = ["reader,score,right,source,date"]
    source = f"training/line_confidence.py on drawn pages,{date.today().isoformat()}"
    for reader, seeds, sources in (
        ("rapid", range(given.pages), ALL),
        ("tesseract", range(CYRILLIC_SEEDS, CYRILLIC_SEEDS + given.pages // 3), CYRILLIC),
    ):
        scores, right = judged(seeds, sources)
        print(f"{reader}: {len(scores)} lines, {right.mean():.3f} right, mean score {scores.mean():.3f}")
        for score, chance in isotonic(scores, right):
            print(f"{score:.3f} {chance:.3f}")
            rows.append(f"{reader},{score},{chance},{source}")
    if given.write:
        TABLE.write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
