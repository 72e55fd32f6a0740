"""Marks of lists that were read as what looks like them."""

from __future__ import annotations

import pytest
from vramwise.ocr.engines.second_look.list_marks import with_list_marks
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Word

A, B, V = "\u0430)", "\u0431)", "\u0432)"


def page(*texts: str, left: dict[int, float] | None = None) -> list[Line]:
    lines = []
    for number, text in enumerate(texts):
        x, y = (left or {}).get(number, 50.0), 40.0 * number
        words = []
        for one in text.split():
            end = x + 10.0 * len(one)
            words.append(Word(one, ((x, y), (end, y), (end, y + 20), (x, y + 20)), 0.9))
            x = end + 10
        first = words[0].polygon[0][0]
        lines.append(Line(text, ((first, y), (x, y), (x, y + 20), (first, y + 20)), 0.9, tuple(words)))
    return lines


def texts(lines: list[Line]) -> list[str]:
    for line in lines:
        assert line.text == " ".join(word.text for word in line.words)
    return [line.text for line in lines]


def test_the_second_letter_of_a_russian_list_is_no_six():
    read = texts(with_list_marks(page(f"{A} one", "goes on", "6) two", f"{V} three")))
    assert read == [f"{A} one", "goes on", f"{B} two", f"{V} three"]


@pytest.mark.parametrize("before", ["5) one", "one", f"{V} one"])
def test_a_six_behind_anything_else_is_a_six(before):
    assert texts(with_list_marks(page(before, "6) two"))) == [before, "6) two"]


def test_a_letter_of_another_list_says_nothing():
    read = texts(with_list_marks(page(f"{A} one", "6) two", left={0: 200.0})))
    assert read[1] == "6) two"


@pytest.mark.parametrize(
    "written", ["\u00b0item one", "\u3002item one", "\u00b0 item one", "\u3002 item one"]
)
def test_a_ring_before_an_item_is_a_ring(written):
    (line,) = with_list_marks(page(written))
    assert texts([line]) == ["\u25e6 item one"]
    assert line.words[0].polygon[1][0] <= line.words[1].polygon[0][0]


@pytest.mark.parametrize(
    "written", ["\u00b0C is hot", "\u3002\u4e2d\u6587", "\u00b030 angle", "item\u00b0 one"]
)
def test_other_rings_stay(written):
    assert texts(with_list_marks(page(written))) == [written]
