"""Small kana beside Chinese characters are no part of the sentence."""

from __future__ import annotations

import pytest
from vramwise.ocr.engines.upright_columns import both
from vramwise.ocr.results.furigana import furigana
from vramwise.ocr.results.line import Line

Box = tuple[int, int, int, int]
HAN, KANA, SMALL = "\u8b66\u5bdf\u306b\u3082", "\u3042\u3084\u307e\u308b", "\u3051\u3044\u3055\u3064"


def level(text: str, x0: int, y0: int, x1: int, y1: int, sure: float = 0.95) -> Line:
    return Line(text, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)), sure)


def column(text: str, x0: int, y0: int, x1: int, y1: int) -> Line:
    return Line(text, ((x1, y0), (x1, y1), (x0, y1), (x0, y0)), 0.95)


@pytest.mark.parametrize(
    ("lines", "small"),
    [
        ([column(HAN, 100, 0, 146, 156), column(SMALL, 140, 4, 160, 77)], {1}),
        ([column(HAN, 100, 0, 146, 156), column(SMALL, 85, 4, 102, 77)], set()),  # on the left
        ([column(KANA, 100, 0, 146, 156), column(SMALL, 140, 4, 160, 77)], set()),  # beside kana
        ([column(HAN, 100, 0, 146, 156), column(KANA, 150, 0, 196, 156)], set()),  # as large
        ([column(HAN, 100, 0, 146, 156), column(SMALL, 220, 4, 240, 77)], set()),  # far off
        ([level(HAN, 0, 20, 160, 62), level(SMALL, 10, 6, 60, 21)], {1}),
        ([level(HAN, 0, 20, 160, 62), level(SMALL, 10, 64, 60, 79)], set()),  # below
        ([level(HAN, 0, 20, 160, 62), level("\u6a2a\u6d5c", 10, 6, 60, 21)], set()),  # Chinese characters
        ([level(HAN, 0, 20, 160, 62), level("Lf", 10, 6, 40, 21, 0.6)], {1}),  # misread
        ([level(HAN, 0, 20, 160, 62), level("NEW", 10, 6, 40, 21, 0.99)], set()),
        ([level("Coffee", 0, 20, 160, 62), level(SMALL, 10, 6, 60, 21)], set()),
        ([], set()),
    ],
)
def test_furigana_is_told_from_lines(lines: list[Line], small: set[int]) -> None:
    assert furigana(lines) == small


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
