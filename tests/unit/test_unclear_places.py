"""What a small look at a picture leaves unclear is looked at alone, and joins the lines as it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from vramwise.ocr.engines import openvino_stages as stages
from vramwise.ocr.engines.line_shapes.unclear_places import (
    AROUND,
    WINDOW,
    unclear_place,
    window_on,
    with_found,
)
from vramwise.ocr.engines.rapid import BUILTIN_DET, builtin_models

SHAPE = (2000, 1500, 3)
WINDOW_AT = (400, 400, 1000, 1000)


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def _found(before: list[np.ndarray], there: list[np.ndarray], place: Any = (600, 600, 700, 640)) -> Any:
    """Hulls of all lines with their scores: 0.5 where they were seen small, 0.9 where closer."""
    found = with_found(
        np.array(before).reshape(-1, 4, 2),
        [0.5] * len(before),
        np.array(there).reshape(-1, 4, 2),
        [0.9] * len(there),
        place,
        WINDOW_AT,
        SHAPE,
    )
    if found is None:
        return None
    hulls = [(*map(float, box.min(0)), *map(float, box.max(0))) for box in found[0]]
    return sorted(zip(hulls, found[1], strict=True))


LINE = _box(600, 500, 900, 540)


def test_a_line_at_the_place_is_new_and_others_stay() -> None:
    assert _found([LINE], [_box(610, 610, 690, 630)]) == [
        ((600, 500, 900, 540), 0.5),
        ((610, 610, 690, 630), 0.9),
    ]


def test_what_is_found_elsewhere_is_none_of_it() -> None:
    assert _found([LINE], [_box(450, 800, 550, 830)]) == [((600, 500, 900, 540), 0.5)]


def test_a_line_that_was_seen_whole_is_as_it_was_seen_closer() -> None:
    assert _found([LINE], [_box(603, 503, 897, 538)]) == [((603, 503, 897, 538), 0.9)]
    beyond = _box(300, 500, 900, 540)  # of which the window sees a part
    assert _found([beyond], [_box(400, 500, 900, 540)]) == [((300, 500, 900, 540), 0.5)]


def test_two_lines_in_one_box_are_two() -> None:
    assert _found([_box(600, 500, 640, 600)], [_box(601, 502, 640, 548), _box(600, 552, 639, 599)]) == [
        ((600, 552, 639, 599), 0.9),
        ((601, 502, 640, 548), 0.9),
    ]


def test_a_line_that_goes_on_is_one_with_its_beginning() -> None:
    """Also where the closer look saw both sides of a gap between two boxes."""
    first, second = _box(300, 600, 610, 640), _box(700, 600, 1200, 640)
    assert _found([first, second], [_box(560, 601, 760, 641)]) == [((300, 600, 1200, 641), 0.9)]


@pytest.mark.parametrize(
    "there",
    [
        _box(600, 600, 1000, 640),  # ends with the window
        _box(620, 520, 690, 610),  # across another
        _box(600, 515, 690, 640),  # three times as high as the one it touches
    ],
)
def test_all_of_the_picture_is_looked_at_where_a_part_does_not_tell(there: np.ndarray) -> None:
    assert _found([LINE], [there]) is None


def test_the_window_is_around_the_place_and_on_the_picture() -> None:
    left, top, right, bottom = window_on((700, 700, 710, 705), SHAPE, 1.0) or (0, 0, 0, 0)
    assert (right - left, bottom - top) == (WINDOW, WINDOW) and left < 700 - AROUND and bottom > 705 + AROUND
    assert window_on((0, 0, 9, 9), SHAPE, 1.0) == (0, 0, WINDOW, WINDOW)
    assert window_on((1480, 1990, 1500, 2000), SHAPE, 1.0) == (1500 - WINDOW, 2000 - WINDOW, 1500, 2000)
    assert window_on((100, 100, 1400, 1900), SHAPE, 1.0) is None  # most of the picture


def test_a_place_is_told_in_pixels_of_the_picture() -> None:
    chances = np.zeros((100, 200), np.float32)
    line = _box(10, 10, 90, 40)[None]
    assert unclear_place(line, chances, (0.5, 0.5)) is None
    chances[20:30, 20:60] = 0.9  # in the line
    chances[60:64, 150:155] = 0.3
    assert unclear_place(line, chances, (0.5, 0.5)) == (300, 120, 310, 128)
    assert unclear_place(_box(10, 10, 90, 22)[None], chances, (0.5, 0.5)) == (0, 0, 400, 200)  # too low
    assert unclear_place(np.zeros((0, 4, 2), np.float32), chances, (0.5, 0.5)) == (0, 0, 400, 200)


def test_the_detector_looks_at_an_unclear_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="the detector is RapidOCR's own on ONNX Runtime")
    detector = stages.Detector(builtin_models() / BUILTIN_DET)
    seen: list[tuple[int, ...]] = []
    looks = [
        (LINE[None], [0.8], (1300.0, 1900.0, 1310.0, 1904.0)),
        (_box(300, 400, 330, 420)[None], [0.7], None),
    ]

    def look(picture: np.ndarray, share: float) -> Any:
        seen.append((*picture.shape[:2], share))
        return looks[len(seen) - 1]

    monkeypatch.setattr(detector, "_look", look)
    found = np.asarray(detector(np.full(SHAPE, 255, np.uint8)).boxes)
    assert seen[0] == (2000, 1500, stages.FIRST_LOOK)
    assert seen[1] == (WINDOW, WINDOW, pytest.approx(WINDOW / 736))  # at the size of a full look
    assert [box.min(0).tolist() for box in found] == [[600, 500], [1500 - WINDOW + 300, 2000 - WINDOW + 400]]
