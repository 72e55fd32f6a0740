"""Phrases of a Chinese line that stand apart are read alone where the line was read unsurely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from vramwise.ocr.engines.line_turning import Cut
from vramwise.ocr.engines.script_detection import ScriptGuess
from vramwise.ocr.engines.second_look.phrases import phrases, read_by_phrases
from vramwise.ocr.engines.way_up import Reading, Stand

SIMPLE, TRADITIONAL = "\u4e0d\u751f\u4e0d\u706d \u4e0d\u57a2", "\u4e0d\u751f\u4e0d\u6ec5"
BOX = (0.0, 0.0), (480.0, 0.0), (480.0, 40.0), (0.0, 40.0)


def line(*words: tuple[int, int]) -> NDArray[np.uint8]:
    """Letters of 30 pixels, 4 apart, from the first of some columns to the second."""
    crop = np.full((40, 480, 3), 250, np.uint8)
    for start, end in words:
        for left in range(start, end, 34):
            crop[6:34, left : left + 30] = 20
    return crop


def stand(text: str, score: float, crop: NDArray[np.uint8]) -> Stand:
    letters = [one for one in text if one != " "]
    spans = [(i * 30.0, i * 30.0 + 30) for i in range(len(letters))]
    reading = text, score, spans, [score] * len(letters)
    return Stand(Cut(crop, BOX), reading, 1.0, ScriptGuess("Han", 1.0))


def test_a_line_is_cut_in_the_middle_of_its_gaps() -> None:
    assert phrases(line((10, 146), (220, 288))) == [(0, 181), (181, 480)]
    assert phrases(line((10, 400))) == [(0, 480)]


@pytest.mark.parametrize(
    ("text", "score", "phrase_score", "again"),
    [
        (SIMPLE, 0.85, 0.99, True),
        (SIMPLE, 0.85, 0.855, False),  # no surer
        (SIMPLE, 0.98, 0.999, False),  # sure as it is
        ("Hello w", 0.85, 0.99, False),  # words stand apart by themselves
    ],
)
def test_an_unsure_line_is_read_by_phrases(text: str, score: float, phrase_score: float, again: bool) -> None:
    def recognise(crops: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        said = zip(crops, (TRADITIONAL, "\u4e0d\u57a2"), strict=False)
        return [
            (one, phrase_score, [(5.0 + 30 * i, 35.0 + 30 * i) for i in range(len(one))], [0.9] * len(one))
            for _, one in said
        ]

    (read,) = read_by_phrases([stand(text, score, line((10, 146), (220, 288)))], recognise)
    assert read.reading[0] == (f"{TRADITIONAL} \u4e0d\u57a2" if again else text)
    if again:
        assert read.reading[1] == pytest.approx(phrase_score)
        assert read.reading[2][0] == (5.0, 35.0) and read.reading[2][4] == (186.0, 216.0)
        assert len(read.reading[2]) == len(read.reading[3]) == 6


def test_a_phrase_that_says_nothing_leaves_the_line() -> None:
    def recognise(crops: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        return [("", 0.0, [], []) for _ in crops]

    before = stand(SIMPLE, 0.6, line((10, 146), (220, 288)))
    assert read_by_phrases([before], recognise) == [before]
