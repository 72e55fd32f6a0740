"""Look-alikes of China and Taiwan in Japanese text are the characters that Japan writes."""

from __future__ import annotations

import pytest
from vramwise.ocr.engines.second_look.japanese_forms import JAPANESE, OTHERS, with_japanese_forms
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Word

BOX = ((0.0, 0.0), (90.0, 0.0), (90.0, 20.0), (0.0, 20.0))
KANA = ("\u307f\u3069\u308a\u5e02", "\u30d1\u30bd\u30b3\u30f3")
READ = ("\u58de\u4e0a\u9ad8", "\u589e\u6e1b\u7387", "\u8aaa\u660e", "\u5355\u4fa1", "\u6570\u503c")
RIGHT = ("\u58de\u4e0a\u9ad8", "\u5897\u6e1b\u7387", "\u8aac\u660e", "\u5358\u4fa1", "\u6570\u5024")


def page(*texts: str) -> list[Line]:
    return [Line(text, BOX, 0.9, words=(Word(text, BOX, 0.9),)) for text in texts]


def test_each_look_alike_has_one_other() -> None:
    assert len(OTHERS) == len(JAPANESE) == len(set(OTHERS)) == len(set(JAPANESE))
    assert not set(OTHERS) & set(JAPANESE)


def test_a_page_with_kana_has_the_characters_of_japan() -> None:
    found = with_japanese_forms(page(*KANA, *READ))
    assert [line.text for line in found] == [*KANA, *RIGHT]
    assert [line.words[0].text for line in found] == [*KANA, *RIGHT]


@pytest.mark.parametrize(
    "beside",
    [(), KANA[:1], (*KANA, "\u5b78\u6821"), ("\u306e\u5e97", "\u306e\u5bb6", "\u306e\u5cf6")],
    ids=["Chinese", "one line of kana", "old spelling", "a kana here and there"],
)
def test_other_pages_stay_as_they_were_read(beside: tuple[str, ...]) -> None:
    lines = page(*beside, *READ)
    assert with_japanese_forms(lines) == lines
