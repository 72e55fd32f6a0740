"""How far colours are apart."""

from __future__ import annotations

import numpy as np
import pytest
from vramwise.ocr.engines.pictures.colour_steps import across, from_colour, most


@pytest.mark.parametrize("shape", [(7, 9), (1, 9), (7, 3), (7, 2), (0, 9), (7, 0)])
def test_the_channel_that_tells_most_counts(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    levels = picture.astype(int)
    assert np.array_equal(most(picture), levels.max(axis=2))
    wanted = np.abs(levels - np.array((10.5, 200, 0))).max(axis=2)
    assert np.array_equal(from_colour(picture, (10.5, 200, 0)), wanted)
    for turned in (picture, picture.transpose(1, 0, 2)):
        some = turned.astype(int)
        assert np.array_equal(across(turned, 2), np.abs(some[:, 2:] - some[:, :-2]).max(axis=2))
