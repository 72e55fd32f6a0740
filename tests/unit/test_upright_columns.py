"""A column read twice: what only the row of its characters has is put in."""

from __future__ import annotations

import pytest
from vramwise.ocr.engines.second_look.upright_columns import both


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
