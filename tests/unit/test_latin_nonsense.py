"""Latin words on pages in other scripts: nonsense goes, real ones stay. Confidences are of real pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from vramwise.ocr.engines.latin_nonsense import (
    has_doubtful,
    with_cyrillic_words,
    with_latin_words,
    with_own_words,
    without_points,
)
from vramwise.ocr.engines.tesseract import TesseractReader
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Word

# Korean
EAT, OWN = (
    "EAT \uad8c\ub9ac\uc5d0 \uc788\uc5b4",
    "\uc874\uc5c4\uacfc \uad8c\ub9ac\uc5d0 \uc788\uc5b4",
)  # Korean
OT, HU, NOT = "\u05d0\u05d5\u05ea", "\u05d4\u05d5\u05d0", "\u05d7\u05e9\u05d5\u05d1"  # Hebrew words
BIT = "\u092c\u093f\u091f"  # a Devanagari one
PENI, PO, TR, VAPK = (
    "\u041f\u0435\u043d\u0438",
    "\u043f\u043e",
    "\u0422\u0420",
    "\u0412\u0430\u043f\u043a",
)  # Russian ones


def line(*words: tuple[str, float, int]) -> Line:
    """Words with their confidence and left edge, 40 pixels wide, in the order they are read."""
    made = tuple(Word(t, ((x, 0), (x + 40, 0), (x + 40, 20), (x, 20)), sure) for t, sure, x in words)
    return Line(" ".join(t for t, _, _ in words), ((0, 0), (400, 0), (400, 20), (0, 20)), 0.8, made)


@pytest.mark.parametrize(
    ("read", "own", "text"),
    [
        ([(HU, 0.9, 200), ("MN", 0.81, 100)], [(HU, 0.9, 200), (OT, 0.93, 100)], f"{HU} {OT}"),
        ([(BIT, 0.9, 0), ("fae", 0.83, 50)], [(BIT, 0.9, 0), (BIT, 0.93, 50)], f"{BIT} {BIT}"),
        # real Latin: what came back without English has digits, or is unsure
        ([(BIT, 0.9, 0), ("EBCDIC", 0.6, 50)], [(BIT, 0.9, 0), ("5800\u0964", 0.9, 50)], f"{BIT} EBCDIC"),
        ([(BIT, 0.9, 0), ("Gargi", 0.91, 50)], [(BIT, 0.9, 0), (BIT, 0.18, 50)], f"{BIT} Gargi"),
        # another place
        ([(HU, 0.9, 200), ("MN", 0.81, 100)], [(HU, 0.9, 200), (OT, 0.93, 70)], f"{HU} MN"),
        # Tesseract gives Latin neighbours from left to right, Hebrew runs the other way
        (
            [(HU, 0.9, 200), ("MN", 0.5, 0), ("WN", 0.5, 100)],
            [(HU, 0.9, 200), (NOT, 0.9, 100), (OT, 0.9, 0)],
            f"{HU} {NOT} {OT}",
        ),
    ],
)
def test_a_word_is_taken_from_the_reading_without_english_where_that_is_surer(
    read: list[tuple[str, float, int]], own: list[tuple[str, float, int]], text: str
) -> None:
    (mended,) = with_own_words([line(*read)], [line(*own)])
    assert (mended.text, " ".join(word.text for word in mended.words)) == (text, text)


@pytest.mark.parametrize(
    ("read", "alone", "text"),
    [
        (("no", 0.917), (PO, 0.9155), PO),
        (("TP", 0.968), (TR, 0.966), TR),  # the same shapes
        (("Bank", 0.962), (VAPK, 0.709), "Bank"),
        (("beint", 0.018), (VAPK, 0.0), "beint"),  # both are noise
        (("O(n?)", 0.925), ("\u041e(\u043f?)", 0.081), "O(n?)"),
    ],
)
def test_a_word_of_letters_that_look_alike_is_cyrillic_where_both_readings_are_as_sure(
    read: tuple[str, float], alone: tuple[str, float], text: str
) -> None:
    page = [
        line((PENI, 0.9, 0), (*read, 50), (PENI, 0.9, 100)),
        line(*((PENI, 0.9, 50 * at) for at in range(5))),
    ]
    mended = with_cyrillic_words(page, lambda word: alone)
    assert mended[0].text == f"{PENI} {text} {PENI}"
    assert mended[1] == page[1]


@pytest.mark.parametrize(
    ("read", "alone", "text"),
    [
        (("\u0420\u0433\u043e", 0.93), ("Pro", 0.97), "Pro"),
        (("5\u043e\u043f\u0443", 0.89), ("Sony", 0.96), "Sony"),
        (("\u0421\u0443\u043c\u043c\u0430", 0.88), ("Cymma", 0.46), "\u0421\u0443\u043c\u043c\u0430"),
        (("\u0422\u043e\u0432\u0430\u0440", 0.41), ("Tosap", 0.51), "\u0422\u043e\u0432\u0430\u0440"),
        (("\u0412\u0435\u0441", 0.9), ("Bec", 0.96), "\u0412\u0435\u0441"),  # the same shapes
        (("\u043d\u0430", 0.91), ("Ha", 0.96), "\u043d\u0430"),  # too short
        (("\u0420\u0433\u043e", 0.93), ("P10", 0.97), "\u0420\u0433\u043e"),  # no word
    ],
)
def test_a_doubted_word_of_letters_that_look_alike_is_latin_where_english_alone_is_surer(
    read: tuple[str, float], alone: tuple[str, float], text: str
) -> None:
    page = [line((PENI, 0.9, 0), (*read, 50))]
    (mended,) = with_latin_words(page, lambda word: alone)
    assert (mended.text, [word.text for word in mended.words]) == (f"{PENI} {text}", [PENI, text])


def test_words_that_tesseract_is_sure_of_are_not_read_in_english() -> None:
    page = [line(("\u0420\u0435\u043a\u0430", 0.97, 0), (PENI, 0.5, 50), ("12", 0.5, 100))]
    assert with_latin_words(page, lambda word: pytest.fail("asked")) == page


def test_half_of_a_page_in_cyrillic_is_enough_to_ask_about_latin_words() -> None:
    page = [line((PENI, 0.9, 0), (PENI, 0.9, 50), ("TP", 0.9, 100), ("Excel", 0.9, 150))]
    assert with_cyrillic_words(page, lambda word: (TR, 0.95))[0].text == f"{PENI} {PENI} {TR} Excel"


@pytest.mark.parametrize(("sure", "without"), [(0.5, True), (0.9, False)])
def test_a_page_of_many_unsure_latin_words_is_taken_as_read_without_english(
    sure: float, without: bool
) -> None:
    """Hebrew with its vowels, of which the reader is less sure than of nonsense; sure ones are English."""
    read = [line((OT, 0.5, 100), ("DWN", sure, 50), ("1379", 0.4, 0)) for _ in range(8)]
    own = [line((OT, 0.5, 100), (HU, 0.3, 50), (NOT, 0.3, 0)) for _ in range(8)]
    assert with_own_words(read, own) == (own if without else read)


def test_the_vowels_under_a_line_are_no_line() -> None:
    lines = [line((OT, 0.5, 100), (HU, 0.3, 50)) for _ in range(8)]
    low = ((0, 30), (400, 30), (400, 34), (0, 34))
    points, sure = (
        replace(lines[0], polygon=low, confidence=0.5),
        replace(lines[0], polygon=low, confidence=0.9),
    )
    assert without_points([*lines, points, sure]) == [*lines, sure]


@pytest.mark.parametrize("word", ["\u041a\u0443\u0440\u0441\u043a", "\u65e5\u672c", "Tax"])
def test_pages_in_scripts_like_latin_are_read_once(word: str) -> None:
    assert not has_doubtful([line((word, 0.9, 0), ("MN", 0.5, 50))])
    assert has_doubtful([line((word, 0.9, 0), (OT, 0.9, 50), ("MN", 0.5, 100))])


@pytest.mark.parametrize(
    ("with_english", "without", "found"),
    [
        ((EAT, 0.86), (OWN, 0.92), OWN),  # of the Korean declaration of human rights
        ((EAT, 0.93), (OWN, 0.92), EAT),
        ((OWN, 0.86), ("never asked", 1.0), OWN),
        ((f"{BIT} EBCDIC {OT}", 0.7), (f"{BIT} 5800 {OT}", 0.9), f"{BIT} EBCDIC {OT}"),
        (("all Latin", 0.5), ("never asked", 1.0), "all Latin"),
    ],
)
def test_a_line_read_alone_is_read_without_english_where_that_is_surer_of_more_words(
    with_english: tuple[str, float], without: tuple[str, float], found: str
) -> None:
    class Alone(TesseractReader):
        languages, _without_english, _api, _own = "kor+eng", "kor", "both", "own"

        def __init__(self) -> None:
            """Nothing is opened."""

        def _single(self, api: object, crop: object) -> tuple[str, float]:
            return with_english if api == "both" else without

    assert Alone().line(np.zeros((30, 200, 3), np.uint8))[0] == found
