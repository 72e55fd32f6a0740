"""Arcs through the detector's bands, made here as pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from vramwise.ocr.engines.line_shapes.bent_lines import Bend, bend_through, bends_through
from vramwise.ocr.engines.rapid import CROWN
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line


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


UPPER, LOWER = Bend((500, 500), 320, 26, -1.1, 1.1, True), Bend((500, 500), 320, 26, -1.1, 1.1, False)
ARCS = {
    "an arch over an arch": [UPPER, Bend((500, 500), 250, 22, -0.9, 0.9, True)],
    "a bowl over a bowl": [Bend((500, 500), 250, 22, -0.9, 0.9, False), LOWER],
    "around a badge, a line across it": [UPPER, (330, 480, 340, 40), LOWER],
    "a line close under an arch": [Bend((500, 500), 320, 26, -0.7, 0.7, True), (300, 240, 400, 40)],
}


@pytest.mark.parametrize("name", ARCS)
def test_arcs_are_read_from_above_though_their_rectangles_lie_in_one_another(name: str) -> None:
    lines = []
    for number, part in enumerate(ARCS[name]):
        if isinstance(part, Bend):
            lines.append(Line(f"{number}", part.outline(), 0.9, crown=part.piece(*CROWN)))
        else:
            x, y, wide, high = part
            corners = (x, y), (x + wide, y), (x + wide, y + high), (x, y + high)
            lines.append(Line(f"{number}", corners, 0.9))
    for some in (lines, lines[::-1]):
        read = reading_order.plain_text(some, reading_order.arrange(some)).split()
        assert read == sorted(read)
