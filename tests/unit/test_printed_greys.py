"""Grounds of printed dots become an even grey, and nothing else is touched."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from vramwise.ocr.engines.pictures.printed_greys import without_dots


def page(height: int = 300, width: int = 900) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 255, np.uint8)


def dotted(picture: NDArray[np.uint8], top: int, bottom: int, dark: bool = False) -> None:
    """A bar of dots as of a newspaper: 2 pixels of 4, every second row of them between the others."""
    ys, xs = np.mgrid[top:bottom, 20 : picture.shape[1] - 20]
    dots = ((xs + 2 * (ys // 2 % 2)) % 4 < 2) & (ys % 4 < (4 if dark else 2))
    picture[top:bottom, 20 : picture.shape[1] - 20][dots] = 0


def write(picture: NDArray[np.uint8], text: str, y: int, grey: int = 0, scale: float = 1.2) -> None:
    cv2.putText(picture, text, (40, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (grey,) * 3, 3, cv2.LINE_AA)


@pytest.mark.parametrize("dark", [False, True], ids=["black on grey", "white on dark grey"])
def test_letters_on_dots_stand_on_an_even_grey(dark: bool) -> None:
    picture = page()
    write(picture, "Valuation Methodology", 60)
    dotted(picture, 120, 180, dark)
    write(picture, "FY2012A FY2013A", 162, 255 if dark else 0)
    found = without_dots(picture)
    ground = found[130:170, 700:860, 0].astype(int)
    assert np.ptp(ground) < 0.35 * 255
    letters = found[132:166, 40:360, 0].astype(int)
    assert abs(int(np.percentile(letters, 97 if dark else 3)) - ground.mean()) > 60
    assert np.array_equal(found[:100], picture[:100]) and np.array_equal(found[200:], picture[200:])


def test_small_print_and_noise_are_no_dots() -> None:
    picture = page()
    for y in range(20, 290, 11):
        cv2.putText(
            picture, "small print of many words " * 4, (5, y), cv2.FONT_HERSHEY_PLAIN, 0.7, (0, 0, 0), 1
        )
    assert without_dots(picture) is picture
    grain = np.random.default_rng(3).normal(128, 20, (300, 900, 3)).clip(0, 255).astype(np.uint8)
    assert without_dots(grain) is grain
    assert without_dots(page(8, 900)).shape == (8, 900, 3)


def test_a_bar_that_two_bands_share_has_no_seam() -> None:
    picture = page(1400, 3000)  # 666 rows are looked at at once
    dotted(picture, 620, 720)
    rows = without_dots(picture)[640:700, 400:2600, 0].astype(int)
    assert np.ptp(rows, axis=1).max() < 0.35 * 255
