"""What Draw Text sets is what OCR reads: 200 labels in Latin, Cyrillic and CJK, each in its own region."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vramwise import ReadOptions, Region, ocr_handle
from vramwise.hardware import capabilities
from vramwise.models.handle import release_all
from vramwise.ocr.engines.tesseract import find_traineddata
from vramwise.settings import load_settings
from vramwise.typesetting import FontIndex, Style, TextRenderer
from vramwise.typesetting.fonts import Face

from benchmarks.pages import character_errors

pytestmark = pytest.mark.slow

TEXTS = Path(__file__).resolve().parents[1] / "fixtures" / "texts"
FOLDER = {"Latin": "en", "Cyrillic": "ru", "CJK": "zh"}
COUNTS = {"Latin": 70, "Cyrillic": 60, "CJK": 70}
COLUMNS, ROWS = 2, 5
CELL = (620, 190)
MOST_ERRORS = 2.0  # percent of characters
GROWN = 1.0  # pixels around the polygon
# (paper, letters): dark on light, light on dark, and colours
LOOKS = [
    ("#ffffff", "auto"),
    ("#101820", "auto"),
    ("#f4ecd8", "#5a2d0c"),
    ("#1f4788", "#ffffff"),
    ("#ffe600", "#b00020"),
    ("#dfe8df", "#005a2b"),
]
OUTLINES = [(0.0, "auto"), (0.0, "auto"), (1.5, "auto")]


@dataclass(frozen=True)
class Label:
    """A text and the room it is given. ``kind`` of room: line, turned, small, block or column; ``wrapped``:
    it was set in several lines.
    """

    text: str
    kind: str
    polygon: tuple[tuple[float, float], ...]
    wrapped: bool = False


@pytest.fixture(scope="module", autouse=True)
def engines_go_at_the_end() -> Iterator[None]:
    yield
    release_all()


def phrases(script: str, count: int) -> list[str]:
    """Pieces of the committed sentences: two to four words, or four to nine Chinese characters."""
    chance = random.Random(f"draw {script}")
    lines = (TEXTS / f"{FOLDER[script]}.txt").read_text(encoding="utf-8").splitlines()
    found: list[str] = []
    while len(found) < count:
        line = chance.choice(lines)
        if script == "CJK":
            start = chance.randrange(max(1, len(line) - 8))
            piece = line[start : start + chance.randint(4, 9)].strip("\u3002\uff0c\u3001\uff1b\uff1a ")
        else:
            words = line.split()
            start = chance.randrange(max(1, len(words) - 3))
            piece = " ".join(words[start : start + chance.randint(2, 4)])
        if len(piece) >= 4 and piece not in found:
            found.append(piece)
    return found


def quadrangle(middle: tuple[float, float], width: float, height: float, degrees: float) -> Any:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = width / 2, height / 2
    corners = ((-x, -y), (x, -y), (x, y), (-x, y))
    return tuple((middle[0] + x * c - y * s, middle[1] + x * s + y * c) for x, y in corners)


def label(text: str, script: str, number: int, chance: random.Random) -> Label:
    """The room for a text in a cell of its own. Tesseract, which reads Russian, wants level lines."""
    column, row = number % COLUMNS, number // COLUMNS % ROWS
    middle = ((column + 0.5) * CELL[0], (row + 0.5) * CELL[1])
    kinds = ["line", "turned", "small", "block", *(["column"] if script == "CJK" else [])]
    kind = kinds[number % len(kinds)]
    if kind == "column":
        return Label(text, kind, quadrangle(middle, chance.uniform(32, 44), 180, 0))
    if kind == "block":
        return Label(text, kind, quadrangle(middle, len(text) * (26 if script == "CJK" else 10) + 20, 110, 0))
    if kind == "small":
        return Label(text, kind, quadrangle(middle, 420, chance.uniform(20, 26), 0))
    turn = chance.uniform(-9, 9) if script != "Cyrillic" else chance.uniform(-3, 3)
    return Label(text, kind, quadrangle(middle, 520, chance.uniform(36, 60), turn if kind == "turned" else 0))


@cache
def font_index() -> FontIndex:
    return FontIndex()


@cache
def drawn_pages(script: str) -> list[tuple[Any, list[Label], list[Any]]]:
    """Pictures (uint8), their labels, and each label's own mask."""
    chance = random.Random(f"rooms {script}")
    texts = phrases(script, COUNTS[script])
    pages: list[tuple[Any, list[Label], list[Any]]] = []
    for start in range(0, len(texts), COLUMNS * ROWS):
        paper, colour = LOOKS[len(pages) % len(LOOKS)]
        outline, edge = OUTLINES[len(pages) % len(OUTLINES)]
        renderer = TextRenderer(Style(colour=colour, outline=outline, outline_colour=edge), font_index())
        size = (CELL[1] * ROWS, CELL[0] * COLUMNS)
        picture = np.empty((*size, 3), np.float32)
        picture[:] = [int(paper[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        labels, masks = [], []
        for number, text in enumerate(texts[start : start + COLUMNS * ROWS]):
            drawn = label(text, script, number, chance)
            mask = np.zeros(size, np.float32)
            (note,) = renderer.page(picture, mask, [Region("", drawn.polygon, number)], [drawn.text])
            assert (" column" in note) == (drawn.kind == "column")
            labels.append(replace(drawn, wrapped=" lines." in note))
            masks.append(mask)
        pages.append((np.round(picture * 255).astype(np.uint8), labels, masks))
    return pages


def read_back(picture: Any, labels: list[Label], language: str) -> list[str]:
    """What was read in each label's region, in reading order."""
    import cv2

    (result,) = ocr_handle().read([picture], ReadOptions(language=language))
    found: list[list[str]] = [[] for _ in labels]
    for region in result.regions:
        x, y = np.mean(region.polygon, axis=0)
        reach = [
            cv2.pointPolygonTest(np.asarray(drawn.polygon, np.float32), (float(x), float(y)), True)
            for drawn in labels
        ]
        found[int(np.argmax(reach))].append(region.text)
    return [" ".join(texts) for texts in found]


def test_fonts_of_three_scripts_are_here(require: Callable[[object, str], None]) -> None:
    for script in FOLDER:
        faces: list[Face] = [run.face for run in font_index().runs("".join(phrases(script, COUNTS[script])))]
        require(len(faces) == 1, f"No font here covers {script} (Debian: fonts-noto-core, fonts-noto-cjk).")


@pytest.mark.parametrize("script", FOLDER)
def test_labels_are_read_back(script: str, require: Callable[[object, str], None]) -> None:
    if script == "Cyrillic":
        require(
            capabilities.tesseract().usable and find_traineddata(["rus"], load_settings()) is not None,
            "Tesseract cannot read Russian here. Install tesserocr (pip) and tesseract-ocr-rus (Debian).",
        )
    wrong = length = 0
    by_kind: dict[str, list[int]] = {}
    for picture, labels, _ in drawn_pages(script):
        for drawn, read in zip(labels, read_back(picture, labels, FOLDER[script]), strict=True):
            truth = drawn.text
            if script == "CJK":  # a line break in Chinese is no space
                read, truth = "".join(read.split()), "".join(truth.split())
            errors, characters = character_errors(read, truth)
            if errors:
                print(ascii(f"{drawn.kind}: {truth} | {read}"))
            wrong, length = wrong + errors, length + characters
            tally = by_kind.setdefault(drawn.kind, [0, 0])
            tally[0], tally[1] = tally[0] + errors, tally[1] + characters
    rates = ", ".join(f"{kind} {100 * w / n:.2f}" for kind, (w, n) in sorted(by_kind.items()))
    print(f"{script}: {COUNTS[script]} labels, CER {100 * wrong / length:.2f} % ({rates})")
    assert 100 * wrong / length <= MOST_ERRORS


def test_there_are_two_hundred_labels_and_many_have_several_lines() -> None:
    every = {script: [drawn for _, labels, _ in drawn_pages(script) for drawn in labels] for script in FOLDER}
    assert sum(map(len, every.values())) == 200
    wrapped = {script: sum(drawn.wrapped for drawn in labels) for script, labels in every.items()}
    print(
        f"set in several lines: {wrapped}; columns: {sum(drawn.kind == 'column' for drawn in every['CJK'])}"
    )
    assert min(wrapped.values()) >= 10


@pytest.mark.parametrize("script", FOLDER)
def test_no_ink_lies_outside_its_region(script: str) -> None:
    farthest = -math.inf
    for _, labels, masks in drawn_pages(script):
        for drawn, mask in zip(labels, masks, strict=True):
            assert (mask > 0).sum() > 50, f"{drawn.text!a} was not drawn"
            farthest = max(farthest, outside(drawn.polygon, np.argwhere(mask > 0)[:, ::-1] + 0.5))
    print(f"{script}: the middle of the farthest inked pixel is {farthest:.2f} px outside its polygon")
    assert farthest <= GROWN


def outside(polygon: Any, points: Any) -> float:
    """How far the farthest point lies beyond an edge of the convex polygon; negative when all are inside."""
    corners = np.asarray(polygon)
    edges = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1)[:, None]
    return float(((points[:, None] - corners) * normals).sum(axis=2).max())
