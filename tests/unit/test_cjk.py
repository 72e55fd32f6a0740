"""One rule says what is written without spaces; every room that parts, joins or breaks text follows it."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.cjk import east_asian_script, has_word_ends, is_cjk, is_emoji, words_with_spaces
from vramwise.ocr.engines.line_shapes.word_places import between
from vramwise.ocr.engines.line_shapes.word_places import words_on as rapid_words
from vramwise.ocr.regions.text_diff import as_markdown, difference
from vramwise.ocr.regions.text_match import Finder, Query
from vramwise.ocr.results.reading_order import join_words
from vramwise.typesetting.fonts import _script
from vramwise.typesetting.line_breaking import dense, pieces_of

# Han of the basic and the supplementary planes, radicals, iteration marks, Bopomofo, kana of both widths,
# punctuation, full-width forms, square signs, vertical forms
CJK = (
    "\u91ce\u5bb6\u3007\U00020bb7\U0002a700\U0002b740\U0002b820\U0002f800\U00030000\U00031350"
    "\u2f00\u2e85\u3005\u3006\u303b\u3105\u31a0"
    "\u3042\u3093\u30a2\u30fc\u30fd\u31f0\U0001b001\uff71\uff9d\uff70\uff65"
    "\u3001\u3002\u300c\u300d\u30fb\u301c\u3012\uff01\uff21\uff5a\uff10\u33a1\u337e\u32d0\u3220\ufe35"
)
SPACED = (
    "aZ\u00df\u0416\u03a9\u05d0\u0627\u0939\u10d0\u1208\ud55c\uae00\u1100\u3131\uffa1\u3200"
    "05-'\u201c\u00b7\u2026"
)
NO_WORD_ENDS = "\u0e01\u0e81\u1000\u1780\ud55c\u3131"
EMOJI = "\U0001f600\u231a\u2b50"
ASSIGNED = st.characters(exclude_categories=("Cs", "Co", "Cn", "Z", "Cc", "M"))


def letters_of_rapid(text: str) -> list[str]:
    """The words that rapid's engine makes of a line whose characters stand at even distances."""
    count = len(text)
    spans = [(float(at), at + 1.0) for at in range(count)]
    box = ((0.0, 0.0), (float(count), 0.0), (float(count), 1.0), (0.0, 1.0))
    return [word.text for word in rapid_words(text, spans, [1.0] * count, count, partial(between, box))]


def pieces_of_the_diff(character: str) -> int:
    return len(words_with_spaces(character * 2))


@pytest.mark.parametrize("character", CJK)
def test_cjk_is_known_as_such_everywhere(character: str) -> None:
    assert is_cjk(character), unicodedata.name(character, "")
    assert not has_word_ends(character)


@pytest.mark.parametrize("character", SPACED + EMOJI)
def test_what_has_spaces_between_words_is_not_cjk(character: str) -> None:
    assert not is_cjk(character), unicodedata.name(character, "")


def every_room(character: str) -> dict[str, bool]:
    """Whether the character stands without spaces, as each room shows it."""
    return {
        "joining words": join_words([character, character]) == character * 2,
        "words of a line": letters_of_rapid(character * 2) == [character, character],
        "words of a score": pieces_of_the_diff(character) == 2,
        "line breaks": dense(character) and not is_emoji(character),
    }


@given(ASSIGNED)
def test_every_room_gives_the_same_answer(character: str) -> None:
    assert set(every_room(character).values()) == {is_cjk(character)}, every_room(character)
    assert not (is_cjk(character) and has_word_ends(character))


@pytest.mark.parametrize("character", CJK + SPACED)
def test_every_room_gives_the_same_answer_for_the_known_ones(character: str) -> None:
    assert set(every_room(character).values()) == {is_cjk(character)}, every_room(character)


def test_a_name_with_a_character_beyond_the_basic_plane_gets_no_space() -> None:
    name = "\U00020bb7\u91ce\u5bb6"
    assert join_words(list(name)) == name
    assert letters_of_rapid(name) == list(name)
    assert words_with_spaces(f"{name} abc d\u00e9") == [*name[:2], f"{name[2]} ", "abc ", "d\u00e9"]
    assert [piece.text for piece in pieces_of(name)] == list(name)
    assert as_markdown(difference("\u5409\u91ce\u5bb6", name)) == f"~~\u5409~~ **{name[0]}** {name[1:]}"


def test_half_width_kana_are_parted_and_joined_like_full_width_ones() -> None:
    for kana in ("\u30a2\u30a4\u30a6", "\uff71\uff72\uff73"):
        assert join_words(list(kana)) == kana
        assert letters_of_rapid(kana) == list(kana)
        assert [piece.text for piece in pieces_of(kana)] == list(kana)
        assert _script(kana) == "Japanese"


def test_a_variation_of_a_character_stays_with_it() -> None:
    assert words_with_spaces("\u845b\U000e0100\u98fe") == ["\u845b\U000e0100", "\u98fe"]


def test_hangul_has_spaces_but_no_end_of_a_word_that_one_sees() -> None:
    assert words_with_spaces("\ud55c\uad6d \uc5b4") == ["\ud55c\uad6d ", "\uc5b4"]
    assert join_words(["\ud55c", "\uad6d"]) == "\ud55c \uad6d"
    assert [piece.text for piece in pieces_of("\ud55c\uad6d \uc5b4")] == ["\ud55c\uad6d", "\uc5b4"]
    assert not any(map(has_word_ends, NO_WORD_ENDS))
    assert Finder(Query("\ud55c\uad6d")).spans("\ud55c\uad6d\uc740") == [(0, 2)]


def test_a_part_of_a_word_is_no_find_in_a_script_with_spaces() -> None:
    assert all(map(has_word_ends, "a\u0416\u10d0\u0939"))
    georgian = "\u10d0\u10d1\u10d2"
    assert Finder(Query(georgian[:2])).spans(georgian) == []
    assert Finder(Query(georgian)).spans(f"{georgian}, {georgian}") == [(0, 3), (5, 8)]
    assert Finder(Query("\u91ce")).spans("\U00020bb7\u91ce\u5bb6") == [(1, 2)]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("\u91ce\u3042", "Japanese"),
        ("\uff71 A", "Japanese"),
        ("\u91ce\ud55c", "Hangul"),
        ("abc\U00020bb7", "Han"),
        ("\u3105", "Han"),
        ("\u0416\u0416a", "Cyrillic"),
        ("\u3002\u30fb", "Latin"),
        ("", "Latin"),
    ],
)
def test_the_font_is_chosen_by_kana_hangul_and_han_before_all_else(text: str, script: str) -> None:
    assert _script(text) == script
    assert {east_asian_script(character) for character in text} <= {"Japanese", "Hangul", "Han", ""}


def test_the_rule_costs_nothing_until_it_is_asked() -> None:
    code = "import sys, vramwise.cjk, vramwise.ocr.results.reading_order; print('regex' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
