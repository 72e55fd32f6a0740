"""What a line's script is, how much of it was read, and which lines of a page are foreign."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from vramwise.ocr.engines.script_detection import (
    SCRIPTS,
    ScriptGuess,
    character_spans,
    explained_share,
    guess_scripts,
    normalise_line,
)
from vramwise.ocr.engines.script_judge import LineEvidence, foreign_lines

LINES = Path(__file__).resolve().parents[1] / "fixtures" / "lines"
STRIP_HEIGHT = 40  # of one line in a strip of training/script_net.py --strips


def strip(name: str) -> list[NDArray[np.uint8]]:
    """The committed lines of one script, (40, 320, 3) each, in fonts that the net was not trained on."""
    picture = cv2.imread(str(LINES / f"{name}.png"))
    assert picture is not None
    picture = picture.astype(np.uint8)
    return [picture[y : y + STRIP_HEIGHT] for y in range(0, picture.shape[0], STRIP_HEIGHT)]


def paper(width: int = 200, height: int = 40, dark: bool = False) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 20 if dark else 240, np.uint8)


def with_bars(crop: NDArray[np.uint8], starts: range, wide: int = 6) -> NDArray[np.uint8]:
    """Strokes of ink where letters would be."""
    for x in starts:
        crop[10:30, x : x + wide] = 260 - int(crop[0, 0, 0])
    return crop


def line(text: str, explained: float, script: str, confidence: float) -> LineEvidence:
    return LineEvidence(text, explained, ScriptGuess(script, confidence))


ENGLISH = [line(f"A well read line {i}", 1.0, "Latin", 0.96) for i in range(5)]
RUSSIAN = [
    line("   2026-1147 14", 0.3, "Cyrillic", 0.97),
    line("", 0.0, "Cyrillic", 0.95),
    line(" . ", 0.02, "Cyrillic", 0.9),
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_lines_in_fonts_never_trained_on_are_told(name: str) -> None:
    found = [guess.script for guess in guess_scripts(strip(name))]
    assert found.count(name) >= (6 if name == "Greek" else 7), found  # its capitals are mostly Latin ones


def framed(crop: NDArray[np.uint8], thick: int) -> NDArray[np.uint8]:
    """A line as a person marks it: the ink in a frame of its own colour, a hand's breadth of paper within."""
    inked = np.argwhere(np.abs(crop.astype(int) - np.median(crop)).max(axis=2) > 60)
    (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0) + 1
    paper = tuple(float(level) for level in np.median(crop, axis=(0, 1)))
    line = cv2.copyMakeBorder(crop[top:bottom, left:right], 5, 5, 8, 8, cv2.BORDER_CONSTANT, value=paper)
    dark = 20.0 if paper[0] > 128 else 235.0
    box = (1, 1), (line.shape[1] - 2, line.shape[0] - 2)
    return np.asarray(cv2.rectangle(line, *box, (dark, dark, dark), thick), np.uint8)


@pytest.mark.parametrize("thick", [1, 2])
def test_a_frame_around_a_line_is_no_stroke_of_its_script(thick: int) -> None:
    kept = [
        name
        for name in SCRIPTS[:-1]
        for guess in guess_scripts([framed(crop, thick) for crop in strip(name)])
        if guess.script == name
    ]
    assert len(kept) >= 100, len(kept)  # of 112; with the frame 50


def test_lines_that_were_turned_upside_down_are_still_told() -> None:
    found = [guess.script for guess in guess_scripts([crop[::-1, ::-1] for crop in strip("Hebrew")])]
    assert found.count("Hebrew") >= 5, found


@pytest.mark.parametrize("name", ["Latin", "Cyrillic", "Han", "Arabic"])
def test_light_on_dark_reads_like_dark_on_light(name: str) -> None:
    plain = guess_scripts(strip(name))
    inverted = guess_scripts([255 - crop for crop in strip(name)])
    assert [guess.script for guess in inverted] == [guess.script for guess in plain]


def test_a_guess_does_not_depend_on_the_other_lines_or_on_the_channel_order() -> None:
    crops = strip("Cyrillic") + strip("Thai")
    together = guess_scripts(crops)
    alone = [guess_scripts([crop[:, :, ::-1]])[0] for crop in crops]
    assert [guess.script for guess in alone] == [guess.script for guess in together]
    assert [g.confidence for g in alone] == pytest.approx([g.confidence for g in together], abs=1e-3)


def test_confidences_are_probabilities() -> None:
    for guess in guess_scripts(strip("Greek")):
        assert 1 / len(SCRIPTS) <= guess.confidence <= 1


def test_no_lines_give_no_guesses() -> None:
    assert guess_scripts([]) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 400, 3), (400, 1, 3), (3, 9000, 3)])
def test_slivers_are_judged_without_an_error(shape: tuple[int, ...]) -> None:
    guesses = guess_scripts([np.full(shape, 128, np.uint8), *strip("Latin")[:1]])
    assert len(guesses) == 2 and all(guess.script in SCRIPTS for guess in guesses)


def test_a_crop_without_pixels_is_common_with_no_confidence() -> None:
    crops = [np.zeros((0, 30, 3), np.uint8), strip("Hebrew")[0]]
    assert guess_scripts(crops)[0] == ScriptGuess("Common", 0.0)
    assert guess_scripts(crops)[1].script == "Hebrew"


def test_a_normalised_line_is_ink_on_nothing_whatever_its_size() -> None:
    for scale in (1, 3):
        crop = cv2.resize(with_bars(paper(), range(20, 180, 20)), None, fx=scale, fy=scale)
        normal = normalise_line(crop)
        assert normal.shape[0] == 24
        assert np.median(normal) == pytest.approx(0, abs=0.05)
        assert normal.max() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("dark", [False, True])
def test_explained_share_is_the_share_of_ink_under_the_characters(dark: bool) -> None:
    crop = with_bars(paper(dark=dark), range(20, 180, 20))  # 8 strokes of 6 columns
    assert explained_share(crop, []) == 0.0
    assert explained_share(crop, [(0.0, 200.0)]) == 1.0
    assert explained_share(crop, [(18.0, 48.0)]) == pytest.approx(2 / 8)
    assert explained_share(crop, [(18.0, 48.0), (15.0, 30.0), (158.0, 168.0)]) == pytest.approx(3 / 8)


def test_noise_on_the_paper_is_not_ink() -> None:
    crop = with_bars(paper(), range(20, 180, 20))
    noisy = np.clip(crop + np.random.default_rng(1).normal(0, 20, crop.shape), 0, 255).astype(np.uint8)
    assert explained_share(noisy, [(18.0, 98.0)]) == pytest.approx(4 / 8, abs=0.05)


@pytest.mark.parametrize("crop", [paper(), np.zeros((1, 1, 3), np.uint8), np.zeros((0, 5, 3), np.uint8)])
def test_nothing_drawn_leaves_nothing_unexplained(crop: NDArray[np.uint8]) -> None:
    assert explained_share(crop, []) == 1.0


def test_spans_follow_the_time_steps_and_leave_spaces_out() -> None:
    info = SimpleNamespace(words=[["a", "b"], ["c"]], word_cols=[[2, 4], [20]], line_txt_len=40.0)
    spans = character_spans(info, 400)  # 10 pixels a step
    assert all(x0 < centre < x1 for (x0, x1), centre in zip(spans, (25, 45, 205), strict=True))
    assert spans[0][1] == spans[1][0] == 35.0  # neighbours meet half way
    assert spans[2][0] > 170  # and nobody reaches over a gap


def test_spans_stay_inside_the_crop() -> None:
    info = SimpleNamespace(words=[["a"], ["b"]], word_cols=[[0], [9]], line_txt_len=10.0)
    assert character_spans(info, 50)[0][0] == 0.0
    assert character_spans(info, 50)[1][1] == 50.0


def test_a_line_without_text_has_no_spans() -> None:
    assert character_spans(SimpleNamespace(words=[], word_cols=[], line_txt_len=0.0), 100) == []


def test_a_page_without_lines_has_no_foreign_ones() -> None:
    assert foreign_lines([]) == {}


def test_every_line_of_a_cyrillic_page_is_foreign() -> None:
    assert foreign_lines(RUSSIAN) == {0: "Cyrillic", 1: "Cyrillic", 2: "Cyrillic"}


def test_one_unread_word_alone_on_a_page_is_foreign() -> None:
    assert foreign_lines([line("", 0.0, "Cyrillic", 0.8)]) == {0: "Cyrillic"}


def test_an_english_page_has_no_foreign_lines() -> None:
    assert foreign_lines(ENGLISH) == {}


def test_a_heading_of_look_alike_capitals_belongs_to_its_cyrillic_page() -> None:
    heading = line("MOCKBA", 1.0, "Latin", 0.95)
    assert foreign_lines([heading, *RUSSIAN]) == {i: "Cyrillic" for i in range(4)}
    assert foreign_lines([heading, *ENGLISH]) == {}


@pytest.mark.parametrize("text", ["pecypc", "MOCKBA", "HOMEP 2"])
def test_a_word_of_look_alikes_belongs_to_its_cyrillic_page_however_surely_read(text: str) -> None:
    word = LineEvidence(text, 1.0, ScriptGuess("Cyrillic", 0.6), 1.0, 4.0)
    assert 3 in foreign_lines([*RUSSIAN, word])


@pytest.mark.parametrize("script", ["Arabic", "Cyrillic", "Thai"])
def test_what_was_read_without_a_doubt_stays_read(script: str) -> None:
    surely = LineEvidence("PER OUNCE 1.76", 0.99, ScriptGuess(script, 0.98), 1.0, 4.0)
    assert foreign_lines([surely]) == {}
    assert 3 not in foreign_lines([*RUSSIAN, surely])


def test_one_crop_of_two_kana_refuses_no_page() -> None:
    furigana = LineEvidence("", 0.2, ScriptGuess("Arabic", 0.97), 0.3, 0.5)
    columns = [LineEvidence("manga", 0.75, ScriptGuess("Han", 0.5), 0.9, 4.0) for _ in range(2)]
    assert foreign_lines([furigana, *columns]) == {}


@pytest.mark.parametrize("script", ["Hangul", "Devanagari", "Thai"])
def test_a_line_of_which_nothing_came_back_is_said_to_be_there(script: str) -> None:
    nothing = LineEvidence("l", 0.1, ScriptGuess(script, 0.75), 0.3, 6.0)
    assert foreign_lines([*ENGLISH, nothing]) == {5: script}


def test_two_short_lines_of_which_nothing_came_back_are_said_to_be_there_together() -> None:
    """Two names on a road sign, of two letters each."""
    names = [LineEvidence(text, 0.6, ScriptGuess("Hangul", 0.97), 0.3, 1.7) for text in ("l", "")]
    assert foreign_lines([*ENGLISH, *names]) == {5: "Hangul", 6: "Hangul"}
    assert foreign_lines([*ENGLISH, names[0]]) == {}
    doubted = LineEvidence("", 0.0, ScriptGuess("Hangul", 0.8), 0.0, 1.7)
    assert foreign_lines([*ENGLISH, names[0], doubted]) == {}


def test_two_small_lines_of_which_little_came_back_tell_their_script_together() -> None:
    """A sign of twenty pixels a line: of either alone the net is not sure enough."""
    small = [
        LineEvidence(text, 0.42, ScriptGuess("Devanagari", sure), score, long)
        for text, sure, score, long in (("RC", 0.53, 0.4, 4.3), ("f", 0.7, 0.68, 2.2))
    ]
    assert foreign_lines([*ENGLISH, *small]) == {5: "Devanagari", 6: "Devanagari"}
    assert foreign_lines([*ENGLISH, small[0]]) == {}
    other = LineEvidence("f", 0.42, ScriptGuess("Bengali", 0.7), 0.68, 2.2)
    assert foreign_lines([*ENGLISH, small[0], other]) == {}
    read = LineEvidence("half", 0.9, ScriptGuess("Devanagari", 0.7), 0.68, 2.2)
    assert foreign_lines([*ENGLISH, small[0], read]) == {}


def han(text: str, explained: float, script: str, confidence: float, score: float) -> LineEvidence:
    return LineEvidence(text, explained, ScriptGuess(script, confidence), score, 1.1 * len(text))


@pytest.mark.parametrize("script", ["Telugu", "Bengali"])
def test_brushed_han_letters_are_han_whatever_the_net_says(script: str) -> None:
    """Calligraphy in columns far apart: less of its ink lies under letters than of print."""
    letters = "".join(map(chr, range(0x6D77, 0x6D7B)))
    columns = [
        han(letters, 0.65, script, 0.55, 0.98),
        han(letters, 0.7, script, 0.46, 0.84),
        han(letters[:2], 0.8, script, 0.6, 0.25),
    ]
    assert foreign_lines(columns) == {}


def test_han_letters_of_which_nobody_is_sure_may_be_another_script() -> None:
    letters = "".join(map(chr, range(0x7FBD, 0x7FC5)))
    assert foreign_lines([han(letters, 0.78, "Bengali", 0.96, 0.56)]) == {0: "Bengali"}
    assert foreign_lines([han(letters[:1], 0.1, "Bengali", 0.94, 0.85)]) == {0: "Bengali"}


def test_kana_in_small_type_on_a_page_of_manga_are_no_cyrillic() -> None:
    """Nor do they draw in the columns beside them, which were read."""
    letters = "".join(map(chr, range(0x6D77, 0x6D7F)))
    page = [han(letters, 0.99, "Han", 0.95, 0.99) for _ in range(3)]
    small = han("\u307e\u3041", 0.8, "Cyrillic", 0.95, 0.79)
    beside = han(letters[:3] + "\u3082", 0.907, "Cyrillic", 0.55, 0.998)
    assert foreign_lines([*page, small, beside]) == {}
    assert foreign_lines([*page, line("  . ", 0.1, "Cyrillic", 0.95), beside]) == {3: "Cyrillic"}
    assert foreign_lines([*page, han("\u307e\u3041", 0.8, "Hangul", 0.95, 0.6)]) == {3: "Hangul"}


def test_two_capitals_alone_on_a_picture_are_what_was_read() -> None:
    assert foreign_lines([LineEvidence("PH", 0.85, ScriptGuess("Cyrillic", 0.61), 1.0, 1.6)]) == {}
    assert foreign_lines([LineEvidence("N", 0.52, ScriptGuess("Hebrew", 0.62), 0.15, 1.6)]) == {}


def test_an_address_in_latin_letters_on_a_cyrillic_page_stays_read() -> None:
    assert 3 not in foreign_lines([*RUSSIAN, line("desk@example.org.", 1.0, "Latin", 0.97)])


def test_digits_on_a_cyrillic_page_stay_read() -> None:
    assert 3 not in foreign_lines([*RUSSIAN, line("1 284,50", 1.0, "Common", 0.9)])


def test_a_russian_sentence_on_an_english_page_is_the_only_foreign_line() -> None:
    assert foreign_lines([*ENGLISH, line("    .", 0.02, "Cyrillic", 0.97)]) == {5: "Cyrillic"}


@pytest.mark.parametrize(
    "oddity",
    [
        line("O", 0.1, "Common", 0.9),  # a drawing
        line("", 0.0, "Armenian", 0.4),  # a flourish
        line("Oui l s szzd ze tnd.", 0.39, "Cyrillic", 0.6),  # a line upside down
        line("Grand Bazaar", 1.0, "Cyrillic", 0.8),  # a fancy typeface, read all the same
        line("88%", 1.0, "Tamil", 0.95),  # digits, read
        line("TOM ATE HAM", 1.0, "Cyrillic", 0.7),  # capitals that both alphabets have
    ],
)
def test_an_oddity_on_an_english_page_is_not_foreign(oddity: LineEvidence) -> None:
    assert foreign_lines([*ENGLISH, oddity]) == {}


def test_a_line_read_as_look_alikes_throughout_is_foreign_when_the_net_is_certain() -> None:
    assert foreign_lines([line("npucma1o nymu", 1.0, "Cyrillic", 0.97)]) == {0: "Cyrillic"}


def test_words_of_which_only_the_spaces_came_back_are_not_passed_off_as_text() -> None:
    assert foreign_lines([line("    c p.", 0.14, "Latin", 0.85)]) == {0: "Cyrillic"}
    assert foreign_lines([*ENGLISH, line("    c p.", 0.14, "Latin", 0.85)]) == {}


def test_greek_is_foreign_although_the_recogniser_has_its_plain_letters() -> None:
    text = "".join(map(chr, (0x3BA, 0x3B5, 0x3BC, 0x3B5, 0x3BD, 0x3BF)))
    assert foreign_lines([line(text, 0.97, "Greek", 0.9)]) == {0: "Greek"}
    assert foreign_lines([*ENGLISH, line(text[:2] + " = sum(x)", 1.0, "Greek", 0.8)]) == {}


def test_each_script_of_a_mixed_page_is_named() -> None:
    mixed = [
        *ENGLISH,
        line("", 0.0, "Hangul", 0.95),
        line("", 0.0, "Hangul", 0.9),
        line("", 0.0, "Thai", 0.97),
    ]
    assert foreign_lines(mixed) == {5: "Hangul", 6: "Hangul", 7: "Thai"}


@pytest.mark.parametrize("other", ["Georgian", "Greek", "Armenian"])
def test_a_short_word_of_a_cyrillic_page_is_cyrillic_however_it_looks(other: str) -> None:
    """On a small table: the net tells four letters of the one alphabet from the other by chance."""
    word = LineEvidence("yb", 0.7, ScriptGuess(other, 0.92), 0.64, 2.0)
    assert foreign_lines([*RUSSIAN, word]) == dict.fromkeys(range(4), "Cyrillic")


@pytest.mark.parametrize(
    "other",
    [
        LineEvidence("", 0.0, ScriptGuess("Georgian", 0.95), 0.3, 8.0),
        LineEvidence("", 0.0, ScriptGuess("Arabic", 0.95), 0.3, 2.0),
    ],
    ids=["a long line", "a script unlike it"],
)
def test_what_else_stands_on_a_cyrillic_page_is_named(other: LineEvidence) -> None:
    assert foreign_lines([*RUSSIAN, other])[3] == other.guess.script
