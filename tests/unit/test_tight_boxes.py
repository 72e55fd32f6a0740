"""Boxes end at the ink they hold, and only come in."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from vramwise.ocr.engines.line_shapes.tight_boxes import AROUND, tightened


def _page(text: str = "WORDS") -> np.ndarray:
    page = np.full((200, 500, 3), 240, np.uint8)
    cv2.putText(page, text, (100, 120), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 3)
    return page


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float32)


@pytest.mark.parametrize("inverse", [False, True])
def test_a_loose_box_ends_a_fifth_of_the_inks_height_from_it(inverse: bool) -> None:
    page = 255 - _page() if inverse else _page()
    rows = np.flatnonzero(np.ptp(page[..., 0], axis=1) > 100)
    (box,) = tightened(_box(70, 60, 320, 150), page)
    height = rows[-1] - rows[0] + 1
    assert box[0, 1] == pytest.approx(rows[0] - AROUND * height, abs=2)
    assert box[2, 1] == pytest.approx(rows[-1] + 1 + AROUND * height, abs=2)
    assert 70 < box[0, 0] < 100 and 250 < box[1, 0] < 320


@pytest.mark.parametrize(
    "box",
    [
        _box(100, 84, 250, 121),  # at the ink already
        _box(90, 60, 120, 180),  # an upright column
        _box(-20, -10, 40, 30),  # over the edge, nothing in it
        np.array([[[70, 60], [320, 90], [310, 170], [60, 140]]], np.float32),  # slopes
        np.zeros((0, 4, 2), np.float32),
    ],
    ids=["tight", "upright", "empty", "sloping", "none"],
)
def test_others_stay_as_they_are(box: np.ndarray) -> None:
    assert np.abs(tightened(box, _page()) - box).max(initial=0) <= 1


def test_no_box_grows_on_noise_and_gradients() -> None:
    rng = np.random.default_rng(5)
    page = rng.integers(0, 255, (200, 500, 3), dtype=np.uint8)
    for _ in range(200):
        left, top = rng.uniform(-10, 480), rng.uniform(-10, 190)
        box = _box(left, top, left + rng.uniform(1, 200), top + rng.uniform(1, 60))
        found = tightened(box, page)
        assert (found.min(1) >= box.min(1) - 1e-3).all() and (found.max(1) <= box.max(1) + 1e-3).all()


def test_letters_that_fade_with_their_ground_stay_in_the_box() -> None:
    """A song's words over a blurred cover: lighter on lighter at one end, as every column alone shows."""
    ground = np.linspace(150, 20, 500)[None, :].repeat(200, 0)
    ink = _page("M" * 8)[..., 0] < 128
    page = np.where(ink, ground + 0.35 * (240 - ground), ground)
    faint = np.repeat(page[..., None], 3, 2).round().astype(np.uint8)
    left = np.flatnonzero(ink.any(0))[0]
    (box,) = tightened(_box(70, 60, 480, 150), faint)
    assert 70 < box[0, 0] < left


@pytest.mark.parametrize("step", [1, 3], ids=["drawn", "dotted"])
def test_the_rules_beside_a_word_are_no_ink_of_it(step: int) -> None:
    """A detector draws the box of a word in a cell out to the rules, and aslant."""
    page, ruled = _page(), _page()
    for y in (62, 140):
        ruled[y, 60:400:step] = 30
    ruled[62:141:step, 72:74] = 30
    loose = _box(70, 60, 320, 141)
    aslant = np.array([[[75, 58], [320, 66], [315, 145], [70, 137]]], np.float32)
    (wanted,) = tightened(loose, page)
    for box in (loose, np.concatenate((aslant, loose, loose))):
        assert tightened(box, ruled)[0] == pytest.approx(wanted, abs=3)
