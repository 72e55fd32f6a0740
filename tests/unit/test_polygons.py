"""Polygons of another node or of somebody's JSON: bounded time and memory, or a sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from vramwise.errors import VramwiseError
from vramwise.ocr.regions import masks
from vramwise.ocr.regions.crops import check_crops, crop
from vramwise.ocr.regions.masks import fill_polygons
from vramwise.ocr.regions.overlay import draw_overlay
from vramwise.ocr.results.polygons import MAX_PAGE_CORNERS, MAX_REGIONS, check_polygons
from vramwise.ocr.results.result import OCRResult, Region
from vramwise.typesetting import Style, TextRenderer
from vramwise.typesetting.fonts import FontIndex

from devtools.fuzzing.campaign import try_kind

WIDTH, HEIGHT = 300, 200
BOX = ((10.0, 10.0), (90.0, 10.0), (90.0, 40.0), (10.0, 40.0))
WHOLE = ((0.0, 0.0), (300.0, 0.0), (300.0, 200.0), (0.0, 200.0))


def page(*polygons: Any) -> OCRResult:
    regions = tuple(Region("dues", polygon, at) for at, polygon in enumerate(polygons))
    return OCRResult("", "", regions, WIDTH, HEIGHT, "stop", "somebody's", "none", 0.0)


@pytest.mark.parametrize(
    ("polygon", "said"),
    [
        (((0, 0), (1, 0), (math.nan, 1)), "no pair of numbers"),
        (((0, 0), (1, 0), (1, math.inf)), "no pair of numbers"),
        (((0, 0), (1, 0), ("a", 1)), "no pair of numbers"),
        (((0, 0), (1, 0), 7), "no pair of numbers"),
        (((0, 0), (1, 0), (10**400, 1)), "no pair of numbers"),
        (((0, 0), (1, 0), (1e9, 1)), r"farther than 1,000,000 pixels"),
        (((0, 0),), "of 1 corners"),
        ((), "of 0 corners"),
        (((0, 0),) * 1001, "of 1,001 corners"),
        (None, "no list of corners"),
        (5, "no list of corners"),
    ],
)
def test_a_polygon_that_is_none_is_named_before_anything_is_made_of_it(polygon: Any, said: str) -> None:
    with pytest.raises(VramwiseError, match=rf"Region 2 of page 1 has .*{said}"):
        check_polygons([page(BOX, polygon)])


@pytest.mark.parametrize(("count", "corners"), [(MAX_REGIONS + 1, 3), (MAX_PAGE_CORNERS // 1000 + 1, 1000)])
def test_too_many_regions_or_corners_are_a_sentence(count: int, corners: int) -> None:
    with pytest.raises(VramwiseError, match="are worked on"):
        check_polygons([page(*[((0.0, 0.0),) * corners] * count)])


def test_what_an_engine_gives_passes() -> None:
    check_polygons([page(BOX, WHOLE, tuple((float(x), 5.0) for x in range(1000)))])


def test_regions_that_cover_a_page_too_often_are_refused_before_a_pixel_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(masks, "LEAST_COVER", 0)
    renderer = TextRenderer(Style(), FontIndex((), system=False))
    picture, mask = np.zeros((HEIGHT, WIDTH, 3), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)
    crowd = page(*[WHOLE] * 101)
    for use in (
        lambda: fill_polygons(mask, [region.polygon for region in crowd.regions]),
        lambda: renderer.page(picture, mask, crowd.regions, ["dues"] * 101),
    ):
        with pytest.raises(VramwiseError, match=r"The 101 regions cover the page .* 101 times over"):
            use()
    assert not mask.any() and not picture.any()


def test_crops_far_larger_together_than_their_page_are_refused() -> None:
    with pytest.raises(VramwiseError, match="crops of 1,000 regions would hold 60 megapixels"):
        check_crops([WHOLE] * 1000, WIDTH, HEIGHT, 0)
    check_crops([BOX] * 1000, WIDTH, HEIGHT, 0)


def test_a_crop_is_never_much_larger_than_its_page() -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    slanted = ((-400.0, 0.0), (400.0, -300.0), (700.0, 400.0), (-100.0, 700.0))  # 16 times the page
    part = crop(picture, slanted, 8, straighten=True)
    assert part is not None and part.shape[:2] == (HEIGHT, WIDTH)


def test_many_polygons_are_grown_and_faded_by_one_measuring_and_look_as_one_by_one() -> None:
    rng = np.random.default_rng(3)
    polygons = [rng.uniform(-40, 340, (4, 2)) for _ in range(30)]
    together, apart = (np.zeros((HEIGHT, WIDTH), np.float32) for _ in range(2))
    fill_polygons(together, polygons, 5, 9)
    for polygon in polygons:
        fill_polygons(apart, [polygon], 5, 9)
    assert np.allclose(together, apart, atol=1e-5) and 0 < (together > 0).mean() < 1


def test_bands_of_rows_fade_as_the_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, bands = (np.zeros((HEIGHT, WIDTH), np.float32) for _ in range(2))
    fill_polygons(whole, [BOX, ((150, 90), (280, 120), (200, 190))], 7, 20)
    monkeypatch.setattr(masks, "BAND_PIXELS", 1000)
    fill_polygons(bands, [BOX, ((150, 90), (280, 120), (200, 190))], 7, 20)
    assert np.allclose(whole, bands, atol=1e-5)


def test_an_outline_of_a_hundred_thousand_corners_is_filled_by_its_hull() -> None:
    rng = np.random.default_rng(1)
    wild = rng.uniform(50, 150, (100_000, 2))
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    fill_polygons(mask, [wild])
    draw_overlay(np.zeros((HEIGHT, WIDTH, 3), np.float32), [Region("x", tuple(map(tuple, wild)), 0)])
    assert mask[60:140, 60:140].all() and not mask[:, 160:].any()


@pytest.mark.slow
def test_thirty_spoiled_ones_end_in_a_result_or_a_sentence_everywhere() -> None:
    tally = try_kind("polygons", 30)
    assert not tally.faults, tally.faults[0]
    assert tally.tries == 30 and tally.results and tally.sentences
