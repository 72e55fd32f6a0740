"""Lines of every script, drawn for training/script_net.py: words, fonts, paper and ink."""

from __future__ import annotations

import importlib.util
import io
import random
import subprocess
import sys
import unicodedata
from functools import lru_cache
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

ROOT = Path(__file__).resolve().parent.parent
WORDS = Path(__file__).resolve().parent / "script_words"

# How many of 100 lines each script gets; the rest share what is left equally.
SHARE = {"Latin": 23, "Cyrillic": 23, "Greek": 7, "Han": 10, "Common": 8}

# A font is used for a script when its file name starts with one of these.
GENERAL = (
    "DejaVuSans", "DejaVuSerif", "LiberationMono", "LiberationSans", "LiberationSerif",
    "NotoSans-", "NotoSerif-", "NotoSansDisplay", "NotoSerifDisplay", "NotoSansMono-",
)  # fmt: skip
FONTS: dict[str, tuple[str, ...]] = {
    "Latin": (*GENERAL, "NotoSansCJK", "NotoSerifCJK", "NotoSansMath"),
    "Cyrillic": (*GENERAL, "NotoSansCJK", "NotoSerifCJK"),
    "Greek": GENERAL,
    "Common": (*GENERAL, "NotoSansCJK", "NotoSerifCJK"),
    "Han": ("NotoSansCJK", "NotoSerifCJK"),
    "Hangul": ("NotoSansCJK", "NotoSerifCJK"),
    "Arabic": ("NotoNaskhArabic", "NotoSansArabic", "NotoKufiArabic", "NotoNastaliqUrdu", "DejaVuSans."),
    "Hebrew": ("NotoSansHebrew", "NotoSerifHebrew", "NotoRashiHebrew", "DejaVuSans."),
    "Devanagari": ("NotoSansDevanagari", "NotoSerifDevanagari"),
    "Bengali": ("NotoSansBengali", "NotoSerifBengali"),
    "Tamil": ("NotoSansTamil-", "NotoSerifTamil"),
    "Telugu": ("NotoSansTelugu", "NotoSerifTelugu"),
    "Thai": ("NotoSansThai", "NotoSerifThai", "NotoLoopedThai"),
    "Georgian": ("NotoSansGeorgian", "NotoSerifGeorgian", "DejaVuSans", "DejaVuSerif"),
    "Armenian": ("NotoSansArmenian", "NotoSerifArmenian", "DejaVuSans", "DejaVuSerif"),
}  # fmt: skip
HELD_OUT = (
    "LiberationSansNarrow", "DejaVuSerifCondensed", "NotoSerif-", "NotoSerifDisplay", "NotoSansMono-",
    "NotoSerifCJK-Regular",
    "NotoNaskhArabic", "NotoSerifHebrew", "NotoSerifDevanagari-Regular", "NotoSerifBengali-Regular",
    "NotoSerifTamil-",
    "NotoSerifTelugu-Regular", "NotoSerifThai", "NotoSerifGeorgian", "NotoSerifArmenian",
)  # fmt: skip

LOOKALIKE = {
    name: frozenset((WORDS / f"lookalike_{name}.txt").read_text("utf-8").strip())
    for name in ("Latin", "Cyrillic", "Greek")
}
"""Letters that are drawn alike in Latin, Cyrillic and Greek: a line of nothing else has no answer, so it is
not asked.
"""


def load_script_module() -> Any:
    """core/ocr/engines/script_detection.py by its path: the net is trained on what the pack will show it."""
    spec = importlib.util.spec_from_file_location(
        "script_under_training", ROOT / "core" / "ocr" / "engines" / "script_detection.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


script = load_script_module()


def font_files(name: str, held_out: bool) -> list[tuple[str, int]]:
    """(path, face index) of the fonts for one script, from the training families or from the held-out
    ones.
    """
    listed = subprocess.run(
        ["fc-list", "--format", "%{file}|%{index}\n"], capture_output=True, text=True, check=True
    ).stdout
    found = []
    for line in sorted(set(listed.split())):
        path, index = line.rsplit("|", 1)
        stem = Path(path).name
        wanted = stem.startswith(FONTS[name]) and stem.startswith(HELD_OUT) == held_out
        if wanted and (name == "Han" or "CJK" not in stem or int(index) in (0, 1, 2)):
            found.append((path, int(index)))
    return found


def clusters(word: str) -> list[str]:
    """A word cut before every base letter, so that marks stay with what they sit on (a virama joins two)."""
    out: list[str] = []
    for char in word:
        joins = out and (
            unicodedata.category(char).startswith("M") or unicodedata.combining(out[-1][-1]) == 9
        )
        if joins:
            out[-1] += char
        else:
            out.append(char)
    return out


class Texts:
    """Random lines of one script."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name, self.rng = name, rng
        source = "Latin" if name == "Common" else name
        self.words = (WORDS / f"{source}.txt").read_text("utf-8").split()
        if name == "Han":
            self.words = ["".join(self.words)]
        self.pieces = [piece for word in self.words for piece in clusters(word)]
        self.alphabet = sorted(set(self.pieces))
        self.latin = (WORDS / "Latin.txt").read_text("utf-8").split()

    def number(self) -> str:
        rng = self.rng
        kind = rng.randrange(6)
        if kind == 0:
            parts = (
                f"{rng.randrange(1, 32):02d}",
                f"{rng.randrange(1, 13):02d}",
                str(rng.randrange(1990, 2031)),
            )
            return rng.choice("./-").join(parts)
        if kind == 1:
            number = f"{rng.randrange(10 ** rng.randrange(1, 7)):,}"
            return rng.choice(["", "$", "#", "(", "+"]) + number + rng.choice(["", ".50", "%", ")", ":"])
        if kind == 2:
            return f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
        return str(rng.randrange(10 ** rng.randrange(1, 9)))

    def word(self) -> str:
        rng = self.rng
        if self.name == "Han":
            out = []
            for _ in range(rng.choice([2, 3, 4, 6, 9])):
                out.append(
                    chr(rng.randrange(0x4E00, 0x9FA5)) if rng.random() < 0.25 else rng.choice(self.pieces)
                )
            return "".join(out)
        if self.name == "Hangul" and rng.random() < 0.4:
            return "".join(chr(rng.randrange(0xAC00, 0xD7A4)) for _ in range(rng.randrange(1, 5)))
        draw = rng.random()
        if draw < 0.5:
            return rng.choice(self.words)
        pool = self.pieces if draw < 0.85 else self.alphabet
        return "".join(rng.choice(pool) for _ in range(rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 10])))

    def line(self) -> str:
        rng = self.rng
        for _ in range(20):
            text = self.attempt()
            letters = [c for c in text if c.isalpha()]
            if self.name not in ("Cyrillic", "Greek"):
                return text
            own = [c for c in letters if unicodedata.name(c, "").startswith(self.name.upper())]
            telling = [c for c in own if c not in LOOKALIKE[self.name]]
            if own and len(telling) >= max(1, 0.25 * len(own)) and len(own) >= 0.6 * len(letters):
                return text
        return rng.choice(self.words)

    def attempt(self) -> str:
        rng = self.rng
        if self.name == "Common":
            return " ".join(self.number() for _ in range(rng.choice([1, 1, 2, 3, 4])))
        if self.name == "Latin" and rng.random() < 0.08:
            pool = sorted(LOOKALIKE["Latin"])
            words = [
                "".join(rng.choice(pool) for _ in range(rng.randrange(2, 8)))
                for _ in range(rng.randrange(1, 4))
            ]
        else:
            words = [self.word() for _ in range(rng.choice([1, 1, 2, 3, 4]))]
        if rng.random() < 0.2:
            words.insert(rng.randrange(len(words) + 1), self.number())
        if self.name != "Latin" and len(words) >= 3 and rng.random() < 0.12:
            words.insert(rng.randrange(len(words) + 1), rng.choice(self.latin)[:6])
        case = rng.random()
        if self.name == "Georgian":
            pass  # its capitals (Mtavruli) are in few fonts and hardly ever used
        elif case < 0.28:
            words = [w.upper() for w in words]
        elif case < 0.5:
            words = [w[:1].upper() + w[1:] for w in words]
        glue = "" if self.name == "Han" and rng.random() < 0.7 else " "
        text = glue.join(words)
        return text + rng.choice(["", "", "", ".", ",", ":", "!", "?", ";", ")"])


def fancy(text: str, rng: random.Random) -> str:
    """ASCII letters as mathematical script, Fraktur or double-struck ones: decorative Latin that a plain
    font has.
    """
    base = rng.choice([0x1D4D0, 0x1D56C, 0x1D5D4, 0x1D63C, 0x1D400, 0x1D468])
    return "".join(
        chr(base + ord(c) - 65) if "A" <= c <= "Z" else chr(base + 26 + ord(c) - 97) if "a" <= c <= "z" else c
        for c in text
    )


@lru_cache(maxsize=100_000)
def has_glyph(path: str, index: int, char: str) -> bool:
    """Whether a font draws this character itself, rather than its sign for a missing one."""
    font = ImageFont.truetype(path, 20, index=index)
    drawn, missing = font.getmask(char), font.getmask(chr(0x10FFFF))
    return char == " " or drawn.size != missing.size or bytes(drawn) != bytes(missing)


def drawable(text: str, path: str, index: int) -> str:
    """The text without what the font lacks (a Noto font of one script often has no digits)."""
    return "".join(c for c in text if has_glyph(path, index, c)).strip()


def draw(text: str, path: str, index: int, rng: random.Random) -> np.ndarray:
    """A line picture as a detector would cut it: uint8 (h, w)."""
    size = rng.choice([14, 16, 18, 20, 22, 24, 28, 32, 40, 48])
    font = ImageFont.truetype(path, size, index=index)
    left, top, right, bottom = font.getbbox(text)
    width, height = min(int(right - left), 40 * size), int(bottom - top)
    pad = rng.uniform(0.05, 0.35) * size
    canvas = Image.new("L", (int(width + 2 * pad + 8), int(height + 2 * pad + 8)), 0)
    stroke = 1 if size >= 28 and rng.random() < 0.12 else 0
    ImageDraw.Draw(canvas).text(
        (pad + 4 - left, pad + 4 - top), text, font=font, fill=255, stroke_width=stroke
    )
    if rng.random() < 0.35:
        canvas = canvas.rotate(
            rng.uniform(-2.2, 2.2) * min(1.0, 12 * height / (width + 1)), Image.Resampling.BICUBIC
        )
    if rng.random() < 0.3:
        lean = rng.uniform(-0.22, 0.22)
        canvas = canvas.transform(
            canvas.size,
            Image.Transform.AFFINE,
            (1, lean, -lean * canvas.height / 2, 0, 1, 0),
            Image.Resampling.BICUBIC,
        )
    if rng.random() < 0.35:
        stretch = rng.uniform(0.75, 1.35)
        canvas = canvas.resize((max(4, int(canvas.width * stretch)), canvas.height), Image.Resampling.BICUBIC)
    if size >= 28 and rng.random() < 0.12:
        canvas = canvas.filter(ImageFilter.MaxFilter(3) if rng.random() < 0.6 else ImageFilter.MinFilter(3))
    if rng.random() < 0.4:
        canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.1) * size / 24))
    return inked(np.asarray(canvas, dtype=np.float32) / 255, rng)


def inked(mask: np.ndarray, rng: random.Random) -> np.ndarray:
    """Paper, ink, gradients, rules, noise and JPEG over a mask 0..1."""
    noise = np.random.default_rng(rng.randrange(2**32))
    paper, ink = (
        (rng.uniform(170, 255), rng.uniform(0, 110))
        if rng.random() < 0.72
        else (rng.uniform(0, 90), rng.uniform(150, 255))
    )
    grey = paper + (ink - paper) * mask
    if rng.random() < 0.2:
        grey = grey + np.linspace(-1, 1, grey.shape[1])[None] * rng.uniform(-25, 25)
    if rng.random() < 0.08:
        grey[rng.choice([0, -1, -2]), :] = ink
    if rng.random() < 0.35:
        grey = grey + noise.normal(0, rng.uniform(2, 24), grey.shape)
    grey = grey.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        buffer = io.BytesIO()
        Image.fromarray(grey).save(buffer, "JPEG", quality=rng.randrange(25, 80))
        grey = np.asarray(Image.open(buffer))
    return grey


def clutter(rng: random.Random) -> np.ndarray:
    """A detector's false alarm: rules, boxes, blobs, gradients, bars."""
    width, height = rng.randrange(20, 360), rng.randrange(14, 60)
    canvas = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(canvas)
    for _ in range(rng.randrange(1, 9)):
        box = sorted(rng.randrange(width) for _ in range(2)), sorted(rng.randrange(height) for _ in range(2))
        (x0, x1), (y0, y1) = box
        kind = rng.randrange(5)
        if kind == 0:
            pen.line((x0, y0, x1, y1), fill=255, width=rng.randrange(1, 4))
        elif kind == 1:
            pen.rectangle((x0, y0, x1, y1), outline=255, width=rng.randrange(1, 3))
        elif kind == 2:
            pen.ellipse((x0, y0, x1, y1), outline=255, fill=rng.choice([None, 200]))
        elif kind == 3:
            for x in range(x0, x1, rng.randrange(3, 12)):
                pen.line((x, y0, x, y1), fill=255, width=rng.randrange(1, 4))
        else:
            pen.polygon(
                [(rng.randrange(width), rng.randrange(height)) for _ in range(4)],
                fill=rng.randrange(120, 255),
            )
    return inked(
        np.asarray(canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2))), dtype=np.float32) / 255, rng
    )


def window(line: np.ndarray, rng: random.Random) -> tuple[np.ndarray, int]:
    """One training window: uint8 (LINE_HEIGHT, WINDOW), ink -0.5..1 as 0..255, and its used width."""
    start = rng.randrange(max(1, line.shape[1] - script.WINDOW + 1))
    piece = line[:, start : start + script.WINDOW]
    out = np.zeros((script.LINE_HEIGHT, script.WINDOW), np.float32)
    out[:, : piece.shape[1]] = piece
    return np.round((out + 0.5) * 170).astype(np.uint8), piece.shape[1]


def draw_lines(job: tuple[str, int, int, bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`count` windows of one script: pictures, widths, labels."""
    name, count, seed, held_out = job
    rng = random.Random(f"{name}-{seed}-{held_out}")
    texts, fonts = Texts(name, rng), font_files(name, held_out)
    pictures = np.zeros((count, script.LINE_HEIGHT, script.WINDOW), np.uint8)
    widths = np.zeros(count, np.int64)
    for i in range(count):
        if name == "Common" and rng.random() < 0.3:
            picture = clutter(rng)
        else:
            path, index = rng.choice(fonts)
            text = ""
            while len([c for c in text if not c.isspace()]) < (1 if name in ("Han", "Common") else 2):
                text = texts.line()
                if "NotoSansMath" in path:
                    text = fancy(text, rng)
                text = drawable(text, path, index)
                if name != "Common" and not any(c.isalpha() for c in text):
                    text = ""
            picture = draw(text, path, index, rng)
        pictures[i], widths[i] = window(script.normalise_line(picture), rng)
    return pictures, widths, np.full(count, script.SCRIPTS.index(name))


def draw_set(
    total: int, held_out: bool, seed: int, processes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A whole set, the scripts in the proportions of `SHARE`."""
    rest = (100 - sum(SHARE.values())) / (len(script.SCRIPTS) - len(SHARE))
    jobs = []
    for name in script.SCRIPTS:
        count = (
            max(150, round(total * SHARE.get(name, rest) / 100))
            if held_out
            else round(total * SHARE.get(name, rest) / 100)
        )
        jobs += [(name, count // 4 + 1, seed * 4 + part, held_out) for part in range(4)]
    with Pool(processes) as pool:
        parts = pool.map(draw_lines, jobs, chunksize=1)
    pictures, widths, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return pictures, widths, labels
