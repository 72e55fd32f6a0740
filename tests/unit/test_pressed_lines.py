"""Long lines are read pressed together, where their letters have room for it, and say the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from vramwise.ocr.engines import openvino_stages as stages
from vramwise.ocr.engines.line_shapes import pressed_lines
from vramwise.ocr.engines.line_shapes.pressed_lines import is_better_whole, ratio_read, stretch
from vramwise.ocr.engines.rapid import BUILTIN_REC, builtin_models

LONG_LINE = "places of words in a long line that is pressed together"


def _line(text: str, share: float = 1.0, ink: int = 0) -> np.ndarray:
    """A line of some 23 pixels a character, or so much of that."""
    crop = np.full((48, 24 + 23 * len(text), 3), 255 - ink, np.uint8)
    cv2.putText(crop, text, (12, 36), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (ink, ink, ink), 2, cv2.LINE_AA)
    return cv2.resize(crop, None, fx=share, fy=1, interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def recogniser() -> stages.Recogniser:
    pytest.importorskip("openvino", reason="lines are read by RapidOCR's own class on ONNX Runtime")
    return stages.Recogniser(builtin_models() / BUILTIN_REC)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[dict[int, float]]:
    """The ratios of width to height at which lines are read, a round after the other."""
    seen: list[dict[int, float]] = []
    prepared = stages._prepared

    def noted(crops: Any, ratios: Any) -> Any:
        seen.append(dict(ratios))
        return prepared(crops, ratios)

    monkeypatch.setattr(stages, "_prepared", noted)
    return seen


def _read(recogniser: stages.Recogniser, lines: list[np.ndarray]) -> Any:
    from rapidocr.ch_ppocr_rec.typings import TextRecInput

    return recogniser(TextRecInput(img=lines, return_word_box=True))


@pytest.mark.parametrize("ink", [0, 255])
def test_only_long_lines_with_room_between_strokes_are_pressed(ink: int) -> None:
    short, middle, long = (_line(text, ink=ink) for text in ("seven", "OF SOME WORDS", LONG_LINE))
    assert ratio_read(short) == short.shape[1] / 48
    assert middle.shape[1] / 48 > 20 / 3 == pytest.approx(ratio_read(middle))
    assert ratio_read(long) == pytest.approx(0.75 * long.shape[1] / 48)
    tight = _line(LONG_LINE, 0.6, ink)
    assert ratio_read(tight) == tight.shape[1] / 48
    twice = cv2.resize(long, None, fx=2, fy=2)  # what counts is the height at which it is read
    assert ratio_read(twice) == pytest.approx(ratio_read(long))


@pytest.mark.parametrize("paper", [0, 128, 255])
def test_a_line_without_strokes_is_pressed(paper: int) -> None:
    assert ratio_read(np.full((20, 400, 3), paper, np.uint8)) == 15


def test_long_lines_say_the_same_at_three_quarters_of_their_width(
    recogniser: stages.Recogniser, rounds: list[dict[int, float]]
) -> None:
    texts = ("seven", "1188 2204 of 1907, and Some Words more", "WITH CAPITALS, AND 25 % OF THEM")
    lines = [_line(text) for text in texts]
    assert _read(recogniser, lines).txts == texts
    (only,) = rounds
    assert [only[i] * 48 / lines[i].shape[1] for i in range(3)] == pytest.approx([1, 0.75, 0.75], abs=0.01)


def test_a_line_that_comes_out_unsure_is_read_as_it_is(
    recogniser: stages.Recogniser, rounds: list[dict[int, float]]
) -> None:
    """Digits that stand close: pressed together, equal ones have no step between them."""
    text = "206-625402200015894-1122334455667788"
    lines = [_line(text, 0.75), _line("seven")]
    found = _read(recogniser, lines)
    assert found.txts == (text, "seven") and found.scores[0] > 0.96
    first, second = rounds
    assert first[0] < lines[0].shape[1] / 48 and second == {0: lines[0].shape[1] / 48}


def test_what_is_read_again() -> None:
    assert not is_better_whole("x" * 20, 0.99, 10)
    assert is_better_whole("x" * 20, 0.9, 10)  # unsure
    assert not is_better_whole("x" * 20, 0.5, 10)  # and beyond hope
    assert is_better_whole("x" * 31, 0.99, 10)  # more than a character in two of its 60 steps


def test_places_in_a_pressed_line_are_those_in_the_line_as_it_is(
    recogniser: stages.Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = _line(LONG_LINE)
    (pressed,) = _read(recogniser, [line]).word_results
    monkeypatch.setattr(pressed_lines, "PRESSED", 1.0)
    (whole,) = _read(recogniser, [line]).word_results
    assert pressed.words == whole.words and len(whole.words) == 11
    assert pressed.line_txt_len == pytest.approx(whole.line_txt_len) == line.shape[1] / 8
    steps = np.concatenate(pressed.word_cols) - np.concatenate(whole.word_cols)
    assert np.abs(steps).max() < 1.5 and abs(steps.mean()) < 0.5


def test_a_line_in_which_nothing_was_read_has_no_places() -> None:
    nothing = SimpleNamespace(words=None, word_cols=None, line_txt_len=30.0)
    stretch(nothing, 4 / 3)
    assert nothing.word_cols == [] and nothing.line_txt_len == pytest.approx(40)
