"""Signs that Tesseract reads as what looks like them, told by the built-in recogniser."""

from __future__ import annotations

import numpy as np
import pytest
from vramwise.ocr.engines.second_look.lost_signs import with_signs
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Word

PAGE = np.full((60, 2000, 3), 255, np.uint8)
HIGH = 30


def line_of(text: str, sure: float = 0.95, apart: float = 10) -> Line:
    """Words of 16 pixels a letter at the top of the page."""
    words, x = [], 10.0
    for one in text.split():
        end = x + 16 * len(one)
        words.append(Word(one, ((x, 5), (end, 5), (end, 5 + HIGH), (x, 5 + HIGH)), sure))
        x = end + apart
    return Line(text, ((10, 5), (x, 5), (x, 5 + HIGH), (10, 5 + HIGH)), sure, tuple(words))


def mended(line: Line, read: str, score: float = 0.98, page: np.ndarray = PAGE) -> tuple[str, int]:
    """What the line says where the recogniser reads ``read`` in every word; how many it was shown."""
    shown = []

    def recognise(crops):
        shown.extend(crops)
        return [(read, score, [], [score] * len(read)) for _ in crops]

    (out,) = with_signs(page, [line], recognise)
    assert out.text == " ".join(word.text for word in out.words)
    return out.text, len(shown)


@pytest.mark.parametrize(
    ("written", "read", "meant"),
    [
        ("=", "\u20ac", "\u20ac"),
        ("<", "\u20ac", "\u20ac"),
        ("#48,50", "\u00a348,50", "\u00a348,50"),
        ("\u0423\u0417", "\u00a53", "\u00a53"),
        ("+0,5", "\u00b10,5", "\u00b10,5"),
        ("30\u044540", "30\u00d740", "30\u00d740"),
        ("\u043c?", "M\u00b2", "\u043c\u00b2"),
        ("\u043c\u0437", "M\u00b3", "\u043c\u00b3"),
        ("\u043c?,", "M\u00b2,", "\u043c\u00b2,"),
        (">", "\u2192", "\u2192"),
        ("\u0412\u0435\u0441>", "Bec \u2265", "\u0412\u0435\u0441\u2265"),
        ("%", "1\u00bd2", "\u00bd"),
        ("52", "1\u00bd2", "\u00bd"),
        ('""', "TM", "\u2122"),
    ],
)
def test_a_sign_is_put_in_place_of_what_it_was_taken_for(written, read, meant):
    assert mended(line_of(written), read)[0] == meant


def test_the_latin_letter_before_the_number_of_a_law_is_no_cyrillic_one():
    law = "\u0417\u0430\u043a\u043e\u043d \u041c 231-\u0424\u0417"
    assert mended(line_of(law), "N") == (law.replace("\u041c", "N"), 1)
    assert mended(line_of(law), "M") == (law, 1)
    for no_number in ("\u041c 1:100", "\u041c \u0438 \u0416"):
        assert mended(line_of(no_number), "N") == (no_number, 0)


def test_a_number_that_tesseract_doubts_gets_the_sign_it_lost():
    assert mended(line_of("125", 0.8), "\u20ac125")[0] == "\u20ac125"
    assert mended(line_of("248,50", 0.8), "\u00a348,50")[0] == "\u00a348,50"
    assert mended(line_of("125"), "\u20ac125") == ("125", 0)


def test_a_sign_that_is_alone_is_shown_with_the_number_beside_it():
    assert mended(line_of("\u0421\u043c. 8 12"), "\u00a7 12") == ("\u0421\u043c. \u00a7 12", 1)
    assert mended(line_of("250 ="), "250 \u20ac") == ("250 \u20ac", 1)
    assert mended(line_of("88 3"), "SS 3")[0] == "\u00a7\u00a7 3"
    far = line_of("8 12", apart=80)  # cells of a table
    assert mended(far, "\u00a7 12") == ("8 12", 0)


def test_where_the_rest_differs_or_the_sign_is_doubted_nothing_changes():
    assert mended(line_of("#48,50"), "\u00a348,60")[0] == "#48,50"
    assert mended(line_of("#48,50"), "\u00a348,50", 0.4)[0] == "#48,50"
    assert mended(line_of("+0,5"), "+0,5")[0] == "+0,5"
    assert mended(line_of("15#"), "15%")[0] == "15#"
    assert mended(line_of("248,50", 0.8), "\u00a348,50", 0.8)[0] == "248,50"


def test_words_and_sure_numbers_are_not_shown_to_the_recogniser():
    text = "\u0412\u0441\u0435\u0433\u043e 20 % \u043e\u0442 1 250 \u0437\u0430 8 \u0448\u0442"
    assert mended(line_of(text), "\u20ac") == (text, 0)


def test_a_line_whose_words_are_not_its_text_stays():
    line = line_of("#5 7")
    other = Line("#57", line.polygon, 0.9, line.words)
    assert with_signs(PAGE, [other], lambda crops: pytest.fail("asked")) == [other]


@pytest.mark.parametrize("written", ["*", "\u00a2", "e", "\u00a9"])
def test_a_dot_before_a_line_is_a_bullet_whatever_it_was_read_as(written):
    import cv2

    page = PAGE.copy()
    cv2.circle(page, (18, 5 + HIGH // 2), 5, (0, 0, 0), -1, cv2.LINE_AA)
    assert mended(line_of(f"{written} \u041f\u0443\u043d\u043a\u0442"), "?", page=page)[0][0] == "\u2022"


def test_a_blurred_letter_that_is_a_word_is_no_bullet():
    """The preposition of a small photographed page: a blot as high as a small letter."""
    import cv2

    page = PAGE.copy()
    cv2.circle(page, (18, 5 + HIGH // 2), HIGH // 4, (0, 0, 0), -1, cv2.LINE_AA)
    text = "\u043e \u041f\u0443\u043d\u043a\u0442"
    assert mended(line_of(text), "?", page=page)[0] == text


def test_a_ring_a_star_and_a_letter_are_no_bullets():
    import cv2

    for draw in ("ring", "star", "low"):
        page = PAGE.copy()
        if draw == "ring":
            cv2.circle(page, (18, 20), 6, (0, 0, 0), 2, cv2.LINE_AA)
        elif draw == "low":
            cv2.circle(page, (18, 31), 3, (0, 0, 0), -1, cv2.LINE_AA)
        else:
            for dx, dy in ((0, 8), (7, 4), (7, -4)):
                cv2.line(page, (18 - dx, 20 - dy), (18 + dx, 20 + dy), (0, 0, 0), 2, cv2.LINE_AA)
        assert mended(line_of("* \u041f\u0443\u043d\u043a\u0442"), "*", page=page)[0][0] == "*"


@pytest.mark.parametrize("sign", [True, False])
@pytest.mark.parametrize("text", ["300 \u0420", "990P"])
def test_a_letter_p_with_a_bar_behind_a_number_is_a_rouble(text, sign):
    import cv2

    line = line_of(text)
    page = PAGE.copy()
    x = round(max(point[0] for point in line.words[-1].polygon)) - 15
    cv2.rectangle(page, (x + 3, 8), (x + 5, 31), (0, 0, 0), -1)
    cv2.rectangle(page, (x + 3, 8), (x + 13, 19), (0, 0, 0), 2)
    if sign:
        cv2.rectangle(page, (x, 24), (x + 9, 25), (0, 0, 0), -1)
    said = mended(line, text, page=page)[0]
    assert said == (f"{text[:-1]}\u20bd" if sign else text)


def test_a_letter_p_behind_no_number_is_a_letter():
    line = line_of("\u0421\u0442\u0430\u0442\u044c\u044f \u0420")
    assert mended(line, "?")[0] == line.text
