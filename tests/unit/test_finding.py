"""Which characters of a text are the wanted ones."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.errors import VramwiseError
from vramwise.ocr.regions.text_match import MATCHES, Finder, Query


def found(text: str, find: str, match: str = "case_insensitive", **more: object) -> list[str]:
    spans = Finder(Query(find, match, **more)).spans(text)  # type: ignore[arg-type]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    return [text[start:end] for start, end in spans]


def test_a_word_is_found_at_every_place_and_several_words_as_one() -> None:
    assert found("New York, new  york and NEW YORK", "New York") == ["New York", "new  york", "NEW YORK"]
    assert found("New York, new york", "New York", "exact") == ["New York"]


def test_whole_words_are_wanted_unless_the_person_says_otherwise() -> None:
    assert found("concatenate the cat's cat", "cat") == ["cat", "cat"]
    assert found("concatenate", "cat", whole_words=False) == ["cat"]
    assert found("price: 19.99$", "$") == ["$"]


@pytest.mark.parametrize(
    ("text", "find"),
    [
        ("\u6b22\u8fce\u5149\u4e34\u672c\u5e97", "\u5149\u4e34"),
        ("\uc11c\uc6b8\uc5d0\uc11c", "\uc11c\uc6b8"),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e04\u0e23\u0e31\u0e1a", "\u0e04\u0e23\u0e31\u0e1a"),
    ],
    ids=["Chinese", "Korean", "Thai"],
)
def test_scripts_without_spaces_have_no_whole_words(text: str, find: str) -> None:
    assert found(text, find) == [find]


def test_alternatives_stand_one_a_line_and_the_longest_wins() -> None:
    assert found("New York city", "\nYork\n\nNew York\n") == ["New York"]


@pytest.mark.parametrize(
    ("text", "find", "hit"),
    [
        ("cafe\u0301 caf\u00e9", "CAF\u00c9", ["cafe\u0301", "caf\u00e9"]),
        ("STRASSE", "stra\u00dfe", ["STRASSE"]),
        ("\uff21\uff22\uff23 open", "abc", ["\uff21\uff22\uff23"]),
        ("o\ufb03ce", "OFFICE", ["o\ufb03ce"]),
        ("\u041e\u0422\u041a\u0420\u042b\u0422\u041e", "\u043e\u0442\u043a\u0440\u044b\u0442\u043e", None),
    ],
)
def test_case_and_compatible_forms_make_no_difference(text: str, find: str, hit: list[str] | None) -> None:
    assert found(text, find) == ([text] if hit is None else hit)


def test_exact_takes_the_two_spellings_of_an_accent_as_one_but_not_another_case() -> None:
    assert found("cafe\u0301 Caf\u00e9", "caf\u00e9", "exact") == ["cafe\u0301"]


def test_fuzzy_counts_edits_on_whole_words_and_takes_the_nearest() -> None:
    assert found("Welcorne to our shop", "Welcome", "fuzzy", max_edits=2) == ["Welcorne"]
    assert found("Welcorne to our shop", "Welcome", "fuzzy", max_edits=1) == []
    assert found("see (NewYork), now", "New York", "fuzzy", max_edits=1) == ["NewYork"]
    assert found("horse house mouse", "house", "fuzzy", max_edits=1) == ["horse", "house", "mouse"]
    assert found("grand openning day", "grand opening", "fuzzy", max_edits=1) == ["grand openning"]
    assert (
        found("\u6b22\u8fce\u5149\u81e8", "\u5149\u4e34", "fuzzy", max_edits=1) == []
    )  # half of it is wrong


def test_fuzzy_never_takes_half_of_a_word_for_an_error() -> None:
    assert found("it is on my cat", "at", "fuzzy", max_edits=20) == []
    assert found("it is on my hat", "cat", "fuzzy", max_edits=20) == ["hat"]


def test_a_pattern_a_line() -> None:
    assert found("Call 555-0199 or 555-0123", r"\d{3}-\d{4}", "regex") == ["555-0199", "555-0123"]
    assert found("Call me, call us", "(?i)call(?= us)\nme", "regex") == ["me", "call"]
    assert found("abc", "x*", "regex") == []


@pytest.mark.parametrize("pattern", ["a(", "[z", "*a", "(?P<x", r"\p{Nope}"])
def test_a_bad_pattern_is_a_sentence_that_names_the_place(pattern: str) -> None:
    with pytest.raises(VramwiseError, match=r"is no regular expression: .+ at position \d+\. Mend it"):
        Finder(Query(pattern, "regex"))


def test_a_pattern_that_would_never_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vramwise.ocr.regions.text_match.PATTERN_SECONDS", 0.2)
    finder = Finder(Query("(a|aa)+$", "regex"))
    with pytest.raises(VramwiseError, match=r"was stopped after 0\.2 seconds"):
        for _ in range(1_000):
            finder.spans("a" * 60 + "b")


@pytest.mark.parametrize("pattern", ["(a{1000}){1000}", "((a{100}){100}){100}", "(a{,9999}){,9999}"])
def test_a_pattern_that_would_take_all_memory_is_refused_before_it_is_compiled(pattern: str) -> None:
    with pytest.raises(VramwiseError, match="repeats parts"):
        Finder(Query(pattern, "regex"))


def test_everything_needs_no_text_and_the_others_do() -> None:
    assert found("all of it", "", "everything") == ["all of it"]
    for match in set(MATCHES) - {"everything"}:
        with pytest.raises(VramwiseError, match="nothing to look for"):
            Finder(Query(" \n ", match))


def test_an_unknown_match_and_an_endless_list_are_refused() -> None:
    with pytest.raises(VramwiseError, match='Did you mean "regex"'):
        Finder(Query("a", "regexp"))
    with pytest.raises(VramwiseError, match="at most 1000 of 1000 characters"):
        Finder(Query("a\n" * 1_001))
    with pytest.raises(VramwiseError, match="at most 1000 of 1000 characters"):
        Finder(Query("a" * 1_001, "regex"))


@given(st.text(max_size=40), st.text(max_size=6), st.sampled_from(["exact", "case_insensitive", "fuzzy"]))
def test_any_text_is_searched_without_a_fault(text: str, find: str, match: str) -> None:
    if find.strip() and find.splitlines():
        found(text, find, match, max_edits=2)


@given(st.text(min_size=1, max_size=30))
def test_a_text_is_found_in_itself(text: str) -> None:
    lines = [line for line in text.splitlines() if line.strip()]
    if lines:
        assert found(lines[0].strip(), lines[0], "exact") == [lines[0].strip()]
