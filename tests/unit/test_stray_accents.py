"""Accents that a page has on one word and elsewhere not."""

from __future__ import annotations

import pytest
from vramwise.ocr.engines.second_look.stray_accents import without_stray_accents
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Word

PLAIN = "the days in which you were present in the United States are told below and count " * 5


def lines(*texts: str) -> list[Line]:
    box = ((0, 0), (9, 0), (9, 9), (0, 9))
    return [Line(text, box, 0.9, tuple(Word(word, box, 0.9) for word in text.split())) for text in texts]


def read(*texts: str) -> list[str]:
    found = without_stray_accents(lines(*texts))
    assert all(line.text == " ".join(word.text for word in line.words) for line in found)
    return [line.text for line in found]


@pytest.mark.parametrize("wrong", ["\u0160tates", "\u00danited", "pr\u00e9sent"])
def test_a_word_that_the_page_has_without_accents_has_none(wrong):
    bare = {"\u0160": "S", "\u00da": "U", "\u00e9": "e"}
    meant = "".join(bare.get(letter, letter) for letter in wrong)
    assert read(PLAIN.strip(), f"({wrong},")[1] == f"({meant},"


def test_names_and_short_words_keep_theirs():
    said = "Jos\u00e9 of \u00c5re, \u00e9n"
    assert read(PLAIN.strip(), said)[1] == said


def test_a_page_in_a_language_with_accents_keeps_them():
    french = "le pr\u00e9sident et la cote, la c\u00f4te, o\u00f9 ou l\u00e0 " * 12
    assert read(french.strip(), "present pr\u00e9sent") == [french.strip(), "present pr\u00e9sent"]


def test_a_few_words_tell_nothing():
    assert read("States", "\u0160tates") == ["States", "\u0160tates"]
