"""Confidence is the chance that a line is right; pages that are doubtful or written by hand say so."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from vramwise.ocr.engines.confidence.handwriting import looks_written
from vramwise.ocr.engines.confidence.lines import correctness, judged
from vramwise.ocr.results.line import Line

FONTS = ("DejaVuSans.ttf", "DejaVuSerif-Italic.ttf", "LiberationSerif-Regular.ttf", "DejaVuSansMono.ttf")
WORDS = ("We went down to the river", "and had a quiet afternoon", "before it began to rain")


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.sampled_from(["rapid", "tesseract"]))
def test_a_higher_score_is_never_less_sure(scores: list[float], reader: str) -> None:
    chances = [correctness(score, reader) for score in sorted(scores)]
    assert all(a <= b for a, b in itertools.pairwise(chances))
    assert chances[0] > 0 and chances[-1] < 1


def _lines(rows: int, score: float, width: int = 800, height: int = 70) -> list[Line]:
    boxes = [((20.0, 90.0 * at + 20), (20.0 + width, 90.0 * at + 90)) for at in range(rows)]
    return [
        Line("some letters", ((x0, y0), (x1, y0), (x1, y0 + height), (x0, y0 + height)), score)
        for (x0, y0), (x1, _) in boxes
    ]


def written() -> Any:
    """Lines in the pen strokes of OpenCV's script letters (Hershey's)."""
    page = np.full((320, 860, 3), 235, np.uint8)
    for row, text in enumerate(WORDS):
        place = 30, 90 * row + 70
        cv2.putText(page, text, place, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 1.5, (70, 60, 60), 1, cv2.LINE_AA)
    return page


def printed(font: str, size: int = 46) -> Any:
    page = Image.new("RGB", (860, 320), (235, 235, 235))
    for row, text in enumerate(WORDS):
        place = 30, 90 * row + 26
        ImageDraw.Draw(page).text(place, text, fill=(60, 60, 70), font=ImageFont.truetype(font, size))
    return np.asarray(page)


def test_unsure_lines_in_pen_strokes_are_handwriting() -> None:
    lines, said = judged(written(), _lines(3, 0.8), "rapid")
    assert "likely handwriting" in said[0] and "qwen3_vl_4b" in said[0]
    assert all((line.confidence or 1) < 0.2 for line in lines)


def test_what_is_read_surely_is_no_handwriting_whoever_wrote_it() -> None:
    assert not looks_written(written(), _lines(3, 0.97))


@pytest.mark.parametrize("font", FONTS)
def test_print_is_no_handwriting_however_unsure_it_is(font: str) -> None:
    try:
        page = printed(font)
    except OSError:
        pytest.skip(f"The font {font} is not installed.")
    assert not looks_written(page, _lines(3, 0.6))


def test_a_single_line_or_an_empty_page_is_not_judged() -> None:
    assert not looks_written(written(), _lines(1, 0.5))
    assert judged(written(), [], "rapid") == ([], ())


@pytest.mark.parametrize(("score", "says"), [(0.6, True), (0.99, False)])
def test_a_page_of_low_confidence_says_so(score: float, says: bool) -> None:
    blank = np.full((320, 860, 3), 255, np.uint8)
    _, said = judged(blank, _lines(3, score), "rapid")
    assert bool(said) == says and all("check them" in sentence for sentence in said)


def test_the_table_says_where_it_comes_from() -> None:
    source = Path(__file__).resolve().parents[2] / "training" / "line_confidence.py"
    assert "core/ocr/engines/confidence/confidence.csv" in source.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "score", "stays"),
    [("\u7a74", 0.55, False), ("h", 0.6, False), ("A", 0.97, True), ("4", 0.55, True), ("OL", 0.55, True)],
)
def test_a_letter_of_little_chance_among_lines_is_a_pictogram(text: str, score: float, stays: bool) -> None:
    place = ((0.0, 0.0), (30.0, 0.0), (30.0, 40.0), (0.0, 40.0))
    sign, beside = Line(text, place, score), Line("Musee du Louvre", place, 0.99)
    picture = np.full((60, 200, 3), 255, np.uint8)
    assert (text in [line.text for line in judged(picture, [sign, beside], "rapid")[0]]) == stays
    assert [line.text for line in judged(picture, [sign], "rapid")[0]] == [text]


@pytest.mark.parametrize(
    ("text", "score", "size", "stays"),
    [
        ("\u00e9", 0.63, 500, False),  # a rabbit
        ("FX", 0.75, 500, False),
        ("A", 0.97, 500, True),
        ("FOX", 0.63, 500, True),
        ("h", 0.6, 80, True),  # a letter of a large picture, or a small picture of one
        ("h", 0.6, 0, True),
    ],
)
def test_what_a_picture_shows_is_no_letter(text: str, score: float, size: int, stays: bool) -> None:
    side = float(size or 80)
    place = ((0.0, 0.0), (side, 0.0), (side, side), (0.0, side))
    picture = np.full((704, 512, 3) if size else (100, 90, 3), 255, np.uint8)
    assert bool(judged(picture, [Line(text, place, score)], "rapid")[0]) == stays


@pytest.mark.parametrize(
    ("text", "score", "stays"),
    [
        ("6000000000000000000", 0.55, False),
        ("0000000 00000 0000200", 0.6, False),
        ("0000 0000 0000 0000", 0.97, True),  # the number on a sample card
        ("XXXXXXXX", 0.97, True),
        ("1,000,000,000", 0.6, True),
        ("HHHH", 0.55, True),
    ],
)
def test_a_dashed_border_is_no_row_of_zeros(text: str, score: float, stays: bool) -> None:
    place = ((0.0, 80.0), (180.0, 80.0), (180.0, 88.0), (0.0, 88.0))
    picture = np.full((100, 200, 3), 255, np.uint8)
    assert bool(judged(picture, [Line(text, place, score)], "rapid")[0]) == stays
