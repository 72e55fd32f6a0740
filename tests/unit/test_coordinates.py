"""Every family's coordinates come back to pixels of the original picture."""

from __future__ import annotations

import itertools

import pytest
from vramwise.families.family import families
from vramwise.families.pictures import smart_resize
from vramwise.ocr.results.coordinates import UNITS, to_pixels

SIZES = [(1000, 1000), (1200, 1200), (900, 600), (3000, 400)]
TRUE_BOX = (0.11, 0.25, 0.83, 0.5)  # of the sides


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_9_thousandths_come_back_within_one_percent_of_the_side(size: tuple[int, int]) -> None:
    said = [round(share * 1000) for share in TRUE_BOX]
    found = to_pixels([(said[0], said[1]), (said[2], said[3])], "thousandths", (1, 1), size)
    _near(found, size)


@pytest.mark.parametrize(
    "limits", [(3136, 12845056), (65536, 1_000_000), (3136, 200_000), (2_000_000, 9_000_000)]
)
@pytest.mark.parametrize("factor", [28, 32])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_9_resized_pixels_come_back_within_one_percent_of_the_side(
    size: tuple[int, int], factor: int, limits: tuple[int, int]
) -> None:
    seen = smart_resize(*size, factor, *limits)
    assert seen[0] % factor == seen[1] % factor == 0
    said = [round(share * side) for share, side in zip(TRUE_BOX, seen * 2, strict=True)]
    found = to_pixels([(said[0], said[1]), (said[2], said[3])], "resized_pixels", seen, size)
    _near(found, size)


def _near(found: tuple[tuple[float, float], ...] | None, size: tuple[int, int]) -> None:
    assert found is not None
    width, height = size
    left, top, right, bottom = (share * side for share, side in zip(TRUE_BOX, size * 2, strict=True))
    expected = ((left, top), (right, top), (right, bottom), (left, bottom))
    for (x, y), (true_x, true_y) in zip(found, expected, strict=True):
        assert abs(x - true_x) <= 0.01 * width
        assert abs(y - true_y) <= 0.01 * height


def test_smart_resize_agrees_with_transformers() -> None:
    theirs = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl").smart_resize
    sides = (29, 333, 1000, 2480, 3508)
    for width, height, factor in itertools.product(sides, sides, (28, 32)):
        for low, high in ((3136, 12845056), (65536, 2_000_000)):
            height_too, width_too = theirs(height, width, factor, low, high)
            assert smart_resize(width, height, factor, low, high) == (width_too, height_too)


def test_a_box_outside_the_picture_is_moved_to_its_edge() -> None:
    found = to_pixels([(-50, 900), (500, 1200)], "thousandths", (1, 1), (200, 100))
    assert found == ((0, 90), (100, 90), (100, 100), (0, 100))


def test_corners_in_the_wrong_order_make_the_same_box() -> None:
    right = to_pixels([(100, 200), (300, 400)], "thousandths", (1, 1), (1000, 1000))
    assert to_pixels([(300, 400), (100, 200)], "thousandths", (1, 1), (1000, 1000)) == right


def test_a_box_without_area_is_nothing() -> None:
    assert to_pixels([(10, 10), (10, 50)], "thousandths", (1, 1), (1000, 1000)) is None
    assert to_pixels([(10, 10), (20, 20)], "none", (1, 1), (1000, 1000)) is None


def test_a_polygon_stays_one() -> None:
    points = [(100, 100), (200, 110), (200, 160), (100, 150)]
    found = to_pixels(points, "thousandths", (1, 1), (2000, 1000))
    assert found == ((200, 100), (400, 110), (400, 160), (200, 150))


def test_every_family_has_units_that_are_known() -> None:
    assert {family.coordinates for family in families()} <= set(UNITS)
