"""Posters, badges, memes, receipts, screens and columns of draw_scenes.py: error rates a kind, beside bare
RapidOCR where that loses most.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from vramwise import load_picture, ocr_handle
from vramwise.models.handle import release_all

SCENES = Path(__file__).resolve().parents[1] / "fixtures" / "scenes"
ROWS = json.loads((SCENES / "truth.json").read_text(encoding="utf-8"))
MOST = {
    "curved": 0.08,
    "vertical": 0.1,
    "glow": 0.03,
    "strip": 0.02,
    "receipt": 0.03,
    "meme": 0.03,
}  # of characters
BESIDE = ("curved", "vertical")


@pytest.fixture(scope="module", autouse=True)
def engines_go_at_the_end() -> Iterator[None]:
    yield
    release_all()


@pytest.fixture(scope="module")
def bare() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "error"})


def error_rate(read: str, row: dict[str, Any]) -> float:
    """Characters wrong, white space as one space; of Chinese and Japanese without any."""
    from rapidfuzz.distance import Levenshtein

    read, truth = (("" if row["spaceless"] else " ").join(text.split()) for text in (read, row["text"]))
    return min(1.0, Levenshtein.distance(read, truth) / len(truth))


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in ROWS}))
def test_lettering_of_each_kind_is_read(kind: str, request: pytest.FixtureRequest) -> None:
    rows = [row for row in ROWS if row["kind"] == kind]
    pictures = [load_picture(SCENES / row["file"]) for row in rows]
    read = [page.text for picture in pictures for page in ocr_handle().read([picture])]
    ours = mean(error_rate(text, row) for text, row in zip(read, rows, strict=True))
    said = [
        f"{kind}: {ours:.3f}",
        *(f"{row['text']!r} was read as {text!r}" for text, row in zip(read, rows, strict=True)),
    ]
    assert ours <= MOST.get(kind, 0.02), "\n".join(said)
    if kind in BESIDE:
        reader = request.getfixturevalue("bare")
        theirs = mean(
            error_rate("\n".join(reader(picture[:, :, ::-1]).txts or ()), row)
            for picture, row in zip(pictures, rows, strict=True)
        )
        assert ours < theirs, f"{kind}: {ours:.3f}, RapidOCR {theirs:.3f}"


def test_words_of_a_bent_line_stand_on_its_arc() -> None:
    row = next(row for row in ROWS if row["kind"] == "curved")
    picture = load_picture(SCENES / row["file"])
    (page,) = ocr_handle().read([picture])
    words = [word for region in page.regions for word in region.words]
    assert len(words) >= 2
    heights = [mean(y for _, y in word.polygon) for word in words]
    assert max(heights) - min(heights) > 5, "the words of an arc stand at different heights"
    for word in words:
        xs, ys = [x for x, _ in word.polygon], [y for _, y in word.polygon]
        assert max(xs) - min(xs) < picture.shape[1] * 0.75
        assert max(ys) - min(ys) < picture.shape[0] * 0.9
