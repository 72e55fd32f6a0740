"""A column read twice: what only the row of its characters has is put in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from vramwise.ocr.engines.line_turning import Cut
from vramwise.ocr.engines.script_detection import ScriptGuess
from vramwise.ocr.engines.second_look.upright_columns import both, look_again
from vramwise.ocr.engines.way_up import Reading, Stand

THREE = "".join(chr(0x6D77 + n) for n in range(3))


def reading(text: str, sure: float = 0.99) -> tuple[str, float, list[tuple[float, float]], list[float]]:
    return text, sure, [(10.0 * i, 10.0 * i + 8) for i in range(len(text))], [sure] * len(text)


@pytest.mark.parametrize(
    ("column_says", "row_says", "sure", "text"),
    [
        ("\u304d\u3068\u5927\u4e08\u592b", "\u304d\u3063\u3068\u3001\u5927\u4e08\u592b", 0.99,
         "\u304d\u3063\u3068\u3001\u5927\u4e08\u592b"),
        ("\u304d\u3068\u5927\u4e08\u592b", "\u304d\u3063\u3068\u3001\u5927\u4e08\u592b", 0.5,
         "\u304d\u3068\u5927\u4e08\u592b"),
        ("\u4f1a\u3048\u306a", "\u4f1a\u3048\u306a\u00b0", 0.99, "\u4f1a\u3048\u306a\u3002"),
        ("\u4f1a\u3048\u306a\u3044", "lllll", 0.99, "\u4f1a\u3048\u306a\u3044"),
        ("\u4f1a\u3048\u306a\u3044", "", 0.99, "\u4f1a\u3048\u306a\u3044"),
    ],
)  # fmt: skip
def test_a_row_gives_a_column_what_it_lost_and_nothing_else(
    column_says: str, row_says: str, sure: float, text: str
) -> None:
    merged, _, spans, chances = both(reading(column_says), reading(row_says, sure))
    assert merged == text
    assert len(spans) == len(chances) == len(text)


def narrow(sure: float) -> Stand:
    """Three characters over one another on a page of level lines, read as one narrow character."""
    crop = np.full((150, 66, 3), 255, np.uint8)
    for top in range(8, 150, 48):
        crop[top : top + 38, 12:54] = 0
    box = ((100.0, 50.0), (166.0, 50.0), (166.0, 200.0), (100.0, 200.0))
    return Stand(Cut(crop, box), reading("I", sure), 1.0, ScriptGuess("Common", 0.9))


def look_at(stand: Stand, row_says: str, sure: float = 0.99) -> tuple[Stand, list[tuple[int, ...]]]:
    shapes: list[tuple[int, ...]] = []

    def recognise(crops: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        shapes.extend(crop.shape for crop in crops)
        return [reading(row_says, sure) for _ in crops]

    (found,) = look_again([stand], recognise)
    return found, shapes


def test_a_short_column_among_level_lines_is_read_as_one() -> None:
    found, ((high, wide, _),) = look_at(narrow(0.3), THREE)
    assert wide == 3 * high
    assert found.reading[:2] == (THREE, 0.99)
    assert found.cut.tall
    assert found.cut.polygon[0] == (166.0, 50.0)
    assert found.cut.crop.shape[:2] == (66, 150)
    assert found.reading[2][-1][1] <= 150


def test_a_narrow_letter_stays_one() -> None:
    sure = narrow(0.99)
    assert look_at(sure, THREE) == (sure, [])
    for says, score in ((THREE, 0.5), (THREE[0], 0.99), ("10" + THREE, 0.99), ("", 0.0)):
        doubted = narrow(0.3)
        assert look_at(doubted, says, score)[0] is doubted
