"""How many lines of a page are read, and how many asked about, until it is known which way up they stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from vramwise.ocr.engines.line_turning import Cut
from vramwise.ocr.engines.way_up import SAMPLE, Reading, WayUp

LINES = 20


def cuts(upright: bool) -> list[Cut]:
    """Lines of bars; one pixel in a corner says which way is up."""
    crop = np.full((40, 320, 3), 255, np.uint8)
    crop[8:32, 10:310:12] = 0
    crop[0 if upright else -1, 0 if upright else -1] = 1, 2, 3
    box = (0.0, 0.0), (320.0, 0.0), (320.0, 40.0), (0.0, 40.0)
    return [Cut(crop, box) for _ in range(LINES)]


@pytest.mark.parametrize(
    ("upright", "hangs", "score", "asked", "read"),
    [
        (True, 0.1, 0.99, SAMPLE, LINES),  # what the others stand like is known from the sample
        (True, 0.9, 0.99, SAMPLE, LINES + SAMPLE),  # judged wrongly: the sample is read both ways
        (False, 0.9, 0.99, SAMPLE, LINES),
        (True, 0.1, 0.8, SAMPLE + LINES, LINES + 3),  # doubtful, but not as doubtful as on its head
    ],
)
def test_lines_are_asked_about_and_read_as_often_as_they_must(
    upright: bool, hangs: float, score: float, asked: int, read: int
) -> None:
    heard: list[int] = []
    seen: list[int] = []

    def recognise(crops: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        seen.append(len(crops))
        spans = [(0.0, 320.0)]
        return [("text", score if crop[0, 0, 2] == 3 else 0.2, spans, [score]) for crop in crops]

    def hanging(some: Sequence[Cut]) -> list[float]:
        heard.append(len(some))
        return [hangs] * len(some)

    stands = WayUp(recognise, hanging).stands(cuts(upright))
    assert {stand.reading[1] for stand in stands} == {score}
    assert (sum(heard), sum(seen)) == (asked, read)


@pytest.mark.parametrize(("other_way", "turned"), [(0.84, False), (0.95, True)])
def test_readings_nearly_as_good_either_way_stand_as_the_half_turn_net_says(
    other_way: float, turned: bool
) -> None:
    """HAPPY in letters of a cake's candles, 0.80, was turned on its head for HAPY, 0.84."""

    def recognise(crops: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        spans, scores = [(0.0, 320.0)], [0.8 if crop[0, 0, 2] == 3 else other_way for crop in crops]
        return [("HAPPY", score, spans, [score]) for score in scores]

    (stand,) = WayUp(recognise, lambda some: [0.1] * len(some)).stands(cuts(True)[:1])
    assert (stand.cut.quarters == 2) is turned
