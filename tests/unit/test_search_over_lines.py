"""Wanted texts that run over the end of a line."""

from __future__ import annotations

from typing import Any

import pytest
from vramwise.ocr.regions.search import search
from vramwise.ocr.regions.text_match import Finder, Query
from vramwise.ocr.results.result import OCRResult, Region

REST: dict[str, Any] = {"finish_reason": "stop", "model": "", "precision": "", "seconds": 0.0}
LINES = ("We take THEFACE of the", "big city at night", "and go home-", "\u6771\u4eac\u90fd", "\u6e2f\u533a")


def page(texts: tuple[str, ...], gap: int = 5) -> OCRResult:
    regions = tuple(
        Region(text, ((0, y), (200, y), (200, y + 20), (0, y + 20)), number)
        for number, text in enumerate(texts)
        for y in [number * (20 + gap)]
    )
    return OCRResult(text="\n".join(texts), markdown="", regions=regions, width=400, height=400, **REST)


@pytest.mark.parametrize(
    ("find", "found"),
    [
        ("the big city", ["the", "big city"]),
        ("face of", []),
        ("at night and go", ["at night", "and go"]),
        ("of the big city at night and", ["of the", "big city at night", "and"]),
        ("\u90fd\u6e2f", ["\u90fd", "\u6e2f"]),
        ("the", ["the"]),
        ("thebig", []),
    ],
)
def test_a_find_has_a_part_in_each_of_its_lines(find: str, found: list[str]) -> None:
    matches = search(page(LINES), Finder(Query(find)))
    assert [match.text for match in matches] == found
    assert len({match.polygons for match in matches}) == len(found)


@pytest.mark.parametrize(
    ("find", "found"),
    [
        ("the face", ["THEFACE"]),
        ("the face of", ["THEFACE of"]),
        ("take the face of the big", ["take THEFACE of the", "big"]),  # over the line's end, too
        ("t he face", ["THEFACE"]),
        ("the fac", []),  # no whole word
        ("ofthe big", []),  # a space more than was asked for
        ("go home", ["go home"]),
    ],
)
def test_words_whose_space_was_lost_are_found(find: str, found: list[str]) -> None:
    assert [match.text for match in search(page(LINES), Finder(Query(find)))] == found


def test_lines_far_apart_are_no_sentence() -> None:
    assert search(page(LINES, gap=80), Finder(Query("the big city"))) == []
