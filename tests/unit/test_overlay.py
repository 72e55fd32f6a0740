"""The numbers of an overlay: beside their regions, and on no text while there is room."""

from __future__ import annotations

import numpy as np
import pytest
from vramwise.ocr.regions.overlay import SEEN_THROUGH, _mark, draw_overlay
from vramwise.ocr.results.result import Region

INK = 0.25  # of what stands inside the regions


def region(number: int, x0: float, y0: float, x1: float, y1: float, down: bool = False) -> Region:
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return Region("x", corners[1:] + corners[:1] if down else corners, number)


def hidden(regions: list[Region], size: tuple[int, int] = (400, 500)) -> float:
    """The share of the regions' insides that is no longer as it was."""
    picture = np.ones((*size, 3), np.float32)
    inside = np.zeros(size, bool)
    for one in regions:
        x0, y0, x1, y1 = (round(side) for side in one.box)
        picture[y0:y1, x0:x1] = INK
        inside[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] = True
    draw_overlay(picture, regions)
    assert (picture != 1).any(axis=2).sum() > inside.sum() + 50 * len(regions)  # outlines and numbers
    return float((np.abs(picture[inside] - INK) > 1e-6).any(axis=1).mean())


LINES = [region(n, 60, 40 + 24 * n, 440, 62 + 24 * n) for n in range(12)]
COLUMNS = [region(n, 400 - 40 * n, 60, 436 - 40 * n, 300, down=True) for n in range(8)]
TWO = [
    region(n, 60 + 205 * (n // 10), 30 + 24 * (n % 10), 240 + 205 * (n // 10), 52 + 24 * (n % 10))
    for n in range(20)
]


@pytest.mark.parametrize("regions", [LINES, COLUMNS, TWO], ids=["lines", "upright columns", "two columns"])
def test_a_number_hides_no_text(regions: list[Region]) -> None:
    assert hidden(regions) == 0


def test_where_there_is_no_room_the_text_shows_through() -> None:
    full = [region(n, 25 * (n % 4), 20 * (n // 4), 25 * (n % 4) + 25, 20 * (n // 4) + 20) for n in range(20)]
    picture = np.full((100, 100, 3), INK, np.float32)
    picture[10::20] = 0.9
    draw_overlay(picture, full)
    plain = np.full((100, 100, 3), INK, np.float32)
    draw_overlay(plain, full)
    seen = np.abs(picture - plain)[10::20].max(axis=2)
    assert seen.max() <= 0.9 - INK + 1e-6 and (seen > (1 - SEEN_THROUGH) * (0.9 - INK) - 1e-3).mean() > 0.8


@pytest.mark.parametrize("box", [(-50, -40, -10, -20), (95, 0, 400, 30), (0, 0, 1, 1), (-1e9, 5, 1e9, 9)])
def test_a_number_stays_on_the_picture_even_where_its_region_does_not(box: tuple[float, ...]) -> None:
    picture = np.ones((30, 100, 3), np.float32)
    draw_overlay(picture, [region(12345, *box)])
    assert (picture != 1).any(axis=2).sum() > 400  # of outlines alone there are 4 to 200


def test_opencv_is_not_asked_to_fill_what_reaches_far_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes seconds for one polygon of a thousand corners."""
    luck = np.random.default_rng(1)
    wild = [
        Region("x", tuple(map(tuple, luck.uniform(-1e6, 1e6, (corners, 2)))), number)
        for number, corners in enumerate([1_000] * 3 + [4] * 20)
    ]
    monkeypatch.setattr("cv2.fillPoly", lambda *_: pytest.fail("asked"))
    _mark(np.zeros((300, 400), np.uint8), wild)


def test_a_region_without_a_place_is_passed_over() -> None:
    nowhere = [Region("x", (), 0), Region("x", ((float("nan"), 0.0), (9.0, 0.0), (9.0, 9.0)), 1)]
    picture, alone = np.ones((400, 500, 3), np.float32), np.ones((400, 500, 3), np.float32)
    draw_overlay(picture, [*nowhere, *LINES])
    draw_overlay(alone, LINES)
    assert (picture == alone).all()
