"""Filled shapes are no letters, however sure the recogniser is of them; letters of bold fonts are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from vramwise.ocr.engines.line_shapes.solid_shapes import taken_for_letters
from vramwise.ocr.engines.protocol import NoProgress
from vramwise.ocr.engines.rapid import RapidReader

MASKS = {
    "two bars": [(90, 60, 330, 170), (40, 190, 460, 300)],
    "three bars": [(140, 60, 350, 140), (170, 150, 300, 215), (60, 230, 440, 320)],
    "four bars": [(110, 20, 330, 115), (90, 140, 350, 230), (40, 265, 440, 355), (30, 390, 450, 485)],
    "one": [(90, 300, 440, 420)],
    "a square": [(240, 240, 256, 256)],
}


def _mask(boxes: list[tuple[int, int, int, int]], paper: int = 200, ink: int = 0) -> np.ndarray:
    page = np.full((512, 512, 3), paper, np.uint8)
    for left, top, right, bottom in boxes:
        round_by = min(right - left, bottom - top) // 4
        inner = (left + round_by, top + round_by), (right - round_by, bottom - round_by)
        cv2.rectangle(page, *inner, (ink,) * 3, 2 * round_by, cv2.LINE_AA)
        cv2.rectangle(page, *inner, (ink,) * 3, -1)
    return page


def _around(page: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(page[..., 0] != page[0, 0, 0])
    room = max(2, (rows.max() - rows.min()) // 8)
    return page[
        max(0, rows.min() - room) : rows.max() + room, max(0, columns.min() - room) : columns.max() + room
    ]


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("name", ["two bars", "three bars", "four bars", "a square"])
def test_filled_shapes_are_no_letters(name: str, inverse: bool) -> None:
    page = _mask(MASKS[name], *((0, 255) if inverse else (200, 0)))
    text = "\u25a1" if name == "a square" else "\u4e8c"
    assert taken_for_letters(text, _around(page))


@pytest.mark.parametrize("text", ["-", ".", "\u2022", "WORD"])
def test_punctuation_and_words_are_left_alone(text: str) -> None:
    assert not taken_for_letters(text, _around(_mask(MASKS["a square"])))


def test_a_mark_alone_on_a_page_without_letters_is_a_shape() -> None:
    """A square of a mask is read as a bullet by some processors' bfloat16; beside letters it may be one."""
    square = _around(_mask(MASKS["a square"]))
    assert taken_for_letters("\u25cf", square, wordless=True)
    assert not taken_for_letters("\u25cf", square)
    assert not taken_for_letters("WORD", square, wordless=True)


@pytest.mark.parametrize("text", ["I", "l", "i", "II", "B", "8", "O", "T", "1"])
@pytest.mark.parametrize("thickness", [2, 6, 14])
def test_bold_letters_are_letters(text: str, thickness: int) -> None:
    page = np.full((160, 260, 3), 255, np.uint8)
    cv2.putText(page, text, (60, 110), cv2.FONT_HERSHEY_SIMPLEX, 2.8, (0, 0, 0), thickness)
    assert not taken_for_letters(text, _around(page))


def test_a_letter_on_a_coloured_plate_is_one() -> None:
    page = np.full((120, 140, 3), 240, np.uint8)
    page[15:105, 20:120] = 140
    cv2.putText(page, "B", (38, 95), cv2.FONT_HERSHEY_SIMPLEX, 2.6, (70, 60, 60), 8)
    assert not taken_for_letters("B", page)


def test_the_chinese_two_and_three_are_letters() -> None:
    for strokes in (2, 3):
        page = np.full((200, 200, 3), 255, np.uint8)
        for stroke in range(strokes):
            y = 40 + stroke * 110 // (strokes - 1)
            cv2.rectangle(page, (45 if stroke else 55, y), (155 if stroke else 145, y + 16), (0, 0, 0), -1)
        assert not taken_for_letters("\u4e09", _around(page))


def test_a_mask_gives_no_line() -> None:
    reader = RapidReader()
    for name, boxes in MASKS.items():
        assert reader.lines(_mask(boxes), None, NoProgress()) == [], name
    reader.release()
