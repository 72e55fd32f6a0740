"""Lines of a curled page, made here as the detector's bands."""

from __future__ import annotations

import math

import numpy as np
import pytest
from vramwise.ocr.engines.line_shapes.bent_lines import BentBands, bends_through
from vramwise.ocr.engines.line_shapes.curled_lines import Curl, curl_through


def wave(length: int, thick: int, rise: float, degrees: float = 0.0) -> np.ndarray:
    """Pixels of a band that runs down and up again, as over an open book's page, turned about its middle."""
    rows = []
    for x in range(length):
        middle = rise * math.sin(2 * math.pi * x / length)
        rows += [(x - length / 2, middle + dy - thick / 2) for dy in range(thick)]
    turn = math.radians(degrees)
    spin = np.array(((math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))))
    return (np.round(np.array(rows) @ spin.T) + 1000).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 8, -20, 88])
def test_the_middle_of_a_curled_line_is_found(degrees: float) -> None:
    curl = curl_through(wave(600, 12, 18, degrees), 1.0)
    assert curl is not None and 6 < curl.half < 20
    assert curl.length == pytest.approx(600, abs=60) and curl.steep == (degrees == 88)
    turn = math.radians(degrees)
    for share in (0.25, 0.5, 0.75):
        x, y = 600 * (share - 0.5), 18 * math.sin(2 * math.pi * share)
        there = 1000 + x * math.cos(turn) - y * math.sin(turn), 1000 + x * math.sin(turn) + y * math.cos(turn)
        assert math.dist(curl.at(share, 0.5), there) < 9
    left, right = curl.at(0.0, 0.5), curl.at(1.0, 0.5)
    assert left[1] < right[1] if curl.steep else left[0] < right[0]
    moved = curl.moved(10, 20)
    assert math.dist(moved.at(0.3, 0.0), curl.at(0.3, 0.0)) == pytest.approx(math.hypot(10, 20))


def test_what_is_no_single_line_is_no_curled_one() -> None:
    assert curl_through(wave(60, 12, 4), 1.0) is None, "too short"
    two = np.concatenate((wave(600, 12, 18), wave(600, 12, 18) + np.array((0, 30))))
    assert curl_through(two, 1.0) is None, "two lines that touch somewhere"
    assert curl_through(wave(600, 12, 160), 1.0) is None, "a scribble"
    apart = wave(600, 12, 18)
    assert curl_through(apart[abs(apart[:, 0] - 1000) > 100], 1.0) is None, "two words far apart"


class Usual:
    thresh, box_thresh = 0.3, 0.5

    def __call__(self, chances: np.ndarray, shape: tuple[int, int]) -> float:
        return float(chances.max())


@pytest.mark.parametrize(
    ("rise", "chance", "taken"),
    [(2, 0.8, False), (18, 0.8, True), (6, 0.98, True)],
    ids=["straight", "its rectangle would be lost", "others reach into its rectangle"],
)
def test_a_band_whose_rectangle_is_its_own_stays_its_own(rise: float, chance: float, taken: bool) -> None:
    """Straight lines of the same page are read as ever."""
    chances = np.zeros((1, 1, 128, 700), np.float32)
    xs, ys = wave(600, 12, rise).astype(int).T
    chances[0, 0, ys - 1000 + 60, xs - 1000 + 350] = chance
    bands = BentBands(Usual())
    assert (bands(chances, (128, 700)) == 0.0) == taken
    found = bends_through(bands.taken())
    assert len(found) == taken and all(isinstance(one, Curl) for one in found)
