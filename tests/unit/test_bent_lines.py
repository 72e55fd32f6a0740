"""Arcs through the detector's bands, made here as pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from vramwise.ocr.engines.line_shapes.bent_lines import bend_through, bends_through


def band(radius: float, thick: float, start: float, end: float, arch: bool = True) -> np.ndarray:
    """Pixels of a band around (500, 500), angles in degrees from its top (or foot)."""
    ys, xs = np.mgrid[0:1000, 0:1000]
    away = np.hypot(xs - 500, ys - 500)
    angle = np.degrees(np.arctan2(xs - 500, (500 - ys) if arch else (ys - 500)))
    inside = (abs(away - radius) < thick / 2) & (angle > start) & (angle < end)
    return np.argwhere(inside)[:, ::-1].astype(np.float32)


@pytest.mark.parametrize("arch", [True, False])
@pytest.mark.parametrize(
    ("radius", "thick", "start", "end"), [(200, 30, -60, 60), (400, 24, -25, 30), (150, 20, 10, 100)]
)
def test_the_circle_of_a_band_is_found(
    arch: bool, radius: float, thick: float, start: float, end: float
) -> None:
    bend = bend_through(band(radius, thick, start, end, arch))
    assert bend is not None and bend.arch == arch
    assert math.dist(bend.centre, (500, 500)) < 0.05 * radius
    assert bend.radius == pytest.approx(radius, rel=0.05)
    assert thick / 2 < bend.half < 2 * thick
    left, right = bend.at(0.0, 0.5), bend.at(1.0, 0.5)
    assert left[0] < right[0]
    assert bend.at(0.5, 0.0)[1] < bend.at(0.5, 1.0)[1], "letters stand upright in the middle" if arch else ""


def test_what_is_straight_or_a_blot_is_no_arc() -> None:
    ys, xs = np.mgrid[0:20, 0:300]
    assert bend_through(np.stack((xs.ravel(), ys.ravel()), axis=1).astype(np.float32)) is None
    ys, xs = np.mgrid[0:120, 0:130]
    assert bend_through(np.stack((xs.ravel(), ys.ravel()), axis=1).astype(np.float32)) is None
    corner = np.concatenate((band(3000, 20, 0, 1), band(150, 20, -60, 60)))
    assert bend_through(corner[:2]) is None


def test_two_words_on_one_circle_are_one_line() -> None:
    (line,) = bends_through([band(250, 24, -60, -8), band(250, 24, -4, 50)])
    assert math.degrees(line.end - line.start) > 100
    assert len(bends_through([band(250, 24, -60, -8), band(120, 24, -50, 50)])) == 2
