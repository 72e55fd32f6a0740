"""Error rates equal to jiwer's, what counts as a difference, the best of a batch, and where it is wrong."""

from __future__ import annotations

import itertools
import unicodedata

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.errors import VramwiseError
from vramwise.ocr.regions.error_rates import (
    Rules,
    best_first,
    confidence,
    quoted_parts,
    score,
    wrong_pieces,
)
from vramwise.ocr.regions.text_diff import MOST_COMPARED, as_markdown, difference, pieces
from vramwise.ocr.results.result import Region, Word
from vramwise.option_values import CASE, PUNCTUATION, SPACE, UNICODE

EXACT = Rules(unicode="NFC", space="exact")
TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("ab AB.,-\n\t\u00e9\u0301\u4eca\u65e5\uff01\ufb01"), st.characters(codec="utf-8")
    ),
    max_size=40,
)


# --- rates ------------------------------------------------------------------------------------------------


@given(TEXTS, TEXTS)
def test_the_rates_are_jiwers_on_text_as_it_is(read: str, expected: str) -> None:
    read, expected = (unicodedata.normalize("NFC", text) for text in (read, expected))
    ours = score(read, expected, EXACT)
    assert ours.cer == pytest.approx(jiwer.cer(expected, read), abs=1e-9)
    assert ours.wer == pytest.approx(jiwer.wer(expected, read), abs=1e-9)


@given(TEXTS, TEXTS)
def test_the_rates_are_jiwers_on_text_with_spaces_folded(read: str, expected: str) -> None:
    plain = [" ".join(unicodedata.normalize("NFKC", text).split()) for text in (expected, read)]
    ours = score(read, expected)
    assert ours.cer == pytest.approx(jiwer.cer(*plain), abs=1e-9)
    assert ours.wer == pytest.approx(jiwer.wer(*plain), abs=1e-9)
    assert ours.exact == (plain[0] == plain[1])


@given(TEXTS)
def test_a_text_is_itself_under_every_rule(text: str) -> None:
    for case in ("exact", "ignore"):
        for space in ("exact", "fold", "ignore"):
            assert score(text, text, Rules(case=case, punctuation=case, space=space)).exact


def test_nothing_expected_counts_what_was_read_all_the_same_as_jiwer_does() -> None:
    assert (score("", "").cer, score("", "").wer, score("", "").exact) == (0, 0, True)
    assert (score("ab c", "").cer, score("ab c", "").wer) == (4, 2)
    assert (score("", "abc").cer, score("", "abc").wer) == (1, 1)


@pytest.mark.parametrize(
    ("read", "expected", "rules"),
    [
        ("Cafe\u0301", "Caf\u00e9", {}),
        ("Cafe\u0301", "Caf\u00e9", {"unicode": "NFC"}),
        ("\uff33\uff21\uff2c\uff25\uff01", "SALE!", {}),
        ("\ufb01ne", "fine", {}),
        ("open  daily\n9", "open daily 9", {}),
        ("Stra\u00dfe", "STRASSE", {"case": "ignore"}),
        ("Sale - 50%!", "Sale 50", {"punctuation": "ignore"}),
        ("\u4eca\u65e5 \u7279\u4ef7", "\u4eca\u65e5\u7279\u4ef7", {"space": "ignore"}),
    ],
)
def test_what_does_not_count_is_no_difference(read: str, expected: str, rules: dict[str, str]) -> None:
    assert score(read, expected, Rules(**rules)).cer == 0


@pytest.mark.parametrize(
    ("read", "expected", "rules"),
    [
        ("SALE", "sale", {}),
        ("Sale!", "Sale", {}),
        ("open daily", "opendaily", {}),
        ("\ufb01ne", "fine", {"unicode": "NFC"}),
        ("a  b", "a b", {"space": "exact"}),
        ("\u0421ale", "Sale", {"case": "ignore", "punctuation": "ignore", "space": "ignore"}),  # Cyrillic Es
    ],
)
def test_what_counts_is_a_difference(read: str, expected: str, rules: dict[str, str]) -> None:
    result = score(read, expected, Rules(**rules))
    assert result.cer > 0 and not result.exact


def test_words_stay_words_where_spaces_do_not_count() -> None:
    assert score("grand opning sale", "grandopening sale", Rules(space="ignore")).wer == 1.0
    assert score("grand opening", "grand opening", Rules(space="ignore")).wer == 0


def test_chinese_is_counted_by_character() -> None:
    assert score("\u4eca\u65e5\u7279\u4ecb", "\u4eca\u65e5\u7279\u4ef7").cer == 0.25


@pytest.mark.parametrize("name", ["unicode", "case", "punctuation", "space"])
def test_an_unknown_rule_is_a_sentence(name: str) -> None:
    with pytest.raises(VramwiseError, match=f'{name} "loose" is unknown'):
        Rules(**{name: "loose"})


# --- the best ---------------------------------------------------------------------------------------------


def test_the_best_has_the_fewest_errors_and_of_equals_the_surest() -> None:
    scores = [
        score(read, "grand opening") for read in ("grand opning", "grand opening", "grand opening", "x")
    ]
    assert best_first(scores, [0.99, 0.80, 0.95, 0.99])[0] == 2
    assert best_first(scores, [0.99, 0.80, 0.80, 0.99])[0] == 1


def test_the_metric_decides() -> None:
    scores = [
        score("grand opening days", "grnad opnening dasy"),
        score("grnad opnening xxxxxxxx", "grnad opnening dasy"),
    ]
    assert (best_first(scores, [0, 0], "cer")[0], best_first(scores, [0, 0], "wer")[0]) == (0, 1)
    with pytest.raises(VramwiseError, match="metric"):
        best_first(scores, [0, 0], "bleu")


def test_confidence_is_weighed_by_length_and_none_is_zero() -> None:
    box = ((0.0, 0.0),) * 4
    assert confidence([Region("abc", box, 0, confidence=1.0), Region("d", box, 1, confidence=0.6)]) == 0.9
    assert confidence([Region("abc", box, 0)]) == confidence([]) == 0


# --- quoted parts and the diff ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ('a sign that says "OPEN" and below "9 to 5"', ("OPEN", "9 to 5")),
        ("the dog's 'big bone' isn't 'ours'", ("big bone", "ours")),
        ("'don't stop' on a wall", ("don't stop",)),
        ("\u201cGrand Opening\u201d and \u2018new\u2019", ("Grand Opening", "new")),
        ("\u00ab\u041f\u0440\u0438\u0432\u0435\u0442\u00bb", ("\u041f\u0440\u0438\u0432\u0435\u0442",)),
        ("\u201eGuten Tag\u201c", ("Guten Tag",)),
        ("\u6d77\u62a5\u300c\u7279\u4ef7\u300d\u300e\u4eca\u65e5\u300f", ("\u7279\u4ef7", "\u4eca\u65e5")),
        ('nothing "" here', ()),
        ('an open "quote', ()),
        ('two\n"lines\nlong"', ("lines\nlong",)),
    ],
)
def test_what_stands_in_quotation_marks_is_expected(prompt: str, parts: tuple[str, ...]) -> None:
    assert quoted_parts(prompt) == parts


RULES = st.builds(
    Rules,
    unicode=st.sampled_from(UNICODE),
    case=st.sampled_from(CASE),
    punctuation=st.sampled_from(PUNCTUATION),
    space=st.sampled_from(SPACE),
)


def diff(read: str, expected: str, **rules: str) -> str:
    return as_markdown(difference(read, expected, Rules(**rules)))


def parts(read: str, expected: str, **rules: str) -> list[tuple[str, str]]:
    return list(pieces(difference(read, expected, Rules(**rules)), Rules(**rules)))


def test_the_diff_strikes_what_was_read_and_sets_what_should_be_there_in_bold() -> None:
    said = "Grand ~~Opning~~ **Opening** sale ~~now~~"
    assert diff("Grand Opning sale now", "Grand Opening sale") == said
    assert diff("", "a b") == "**a b**" and diff("a b", "") == "~~a b~~" and diff("a", "a") == "a"


def test_the_diff_of_chinese_shows_single_characters() -> None:
    assert diff("\u7279\u4ecb\u4eca", "\u7279\u4ef7\u4eca") == "\u7279~~\u4ecb~~ **\u4ef7** \u4eca"


def test_markdown_in_the_texts_stays_text() -> None:
    assert diff("**5*", "~5|<b>") == r"~~\*\*5\*~~ **\~5\|\<b\>**"


@given(TEXTS, TEXTS)
def test_the_diff_is_one_line_and_marks_nothing_only_where_all_is_equal(read: str, expected: str) -> None:
    said = diff(read, expected)
    assert len(said.splitlines()) <= 1
    same = "".join(Rules().normal(read, "ignore")) == "".join(Rules().normal(expected, "ignore"))
    assert same or "~~" in said or "**" in said


@given(TEXTS, TEXTS, RULES)
def test_markdown_and_pieces_show_a_difference_exactly_where_the_score_says_there_is_one(
    read: str, expected: str, rules: Rules
) -> None:
    changes = difference(read, expected, rules)
    exact = score(read, expected, rules).exact
    assert all(change.same for change in changes) == exact
    assert ({kind for kind, _ in pieces(changes, rules)} <= {"same"}) == exact
    # what is plain text in a diff is escaped, so its marks are its own
    assert ("~~" not in as_markdown(changes) and "**" not in as_markdown(changes)) == exact
    assert len(as_markdown(changes).splitlines()) <= 1


@given(TEXTS, TEXTS, RULES)
def test_the_pieces_put_together_are_the_two_texts(read: str, expected: str, rules: Rules) -> None:
    shown = pieces(difference(read, expected, rules), rules)
    assert all(text for _, text in shown)
    assert all(one[0] != other[0] for one, other in itertools.pairwise(shown))
    for wanted, left_out in ((read, "missing"), (expected, "extra")):
        text = "".join(text for kind, text in shown if kind != left_out)
        if rules.space == "ignore":
            text = "".join(text.split())
        assert text == rules.normal(wanted)


def test_the_pieces_are_letters_within_the_words_that_differ() -> None:
    assert parts("OPFN", "OPEN") == [("same", "OP"), ("missing", "E"), ("extra", "F"), ("same", "N")]
    assert parts("Open now", "OPEN", case="ignore") == [("same", "open"), ("extra", " now")]
    assert parts("grand opning", "grandopening", space="ignore") == [
        ("same", "grand op"),
        ("missing", "e"),
        ("same", "ning"),
    ]


def test_white_space_that_counts_is_shown() -> None:
    assert diff("\u4e2d \u6587", "\u4e2d\u6587") == "\u4e2d ~~\u2423~~ \u6587"
    assert diff("a\nb", "a b", space="exact") == "a ~~\u21b5~~ **\u2423** b"
    assert diff(" a", "a", space="exact") == "~~\u2423~~ a"
    assert diff("a\n b", "a b") == "a b"


def test_a_text_that_is_wholly_another_is_shown_whole_and_quickly() -> None:
    long, other = "a" * MOST_COMPARED, "b" * 10
    assert parts(long, other) == [("missing", other), ("extra", long)]


# --- where --------------------------------------------------------------------------------------------------


def line(text: str, top: float = 0.0, words: bool = True) -> Region:
    """A line whose letters are 10 pixels wide."""

    def box(start: int, end: int) -> tuple[tuple[float, float], ...]:
        return ((10.0 * start, top), (10.0 * end, top), (10.0 * end, top + 10), (10.0 * start, top + 10))

    parts, at = [], 0
    for word in text.split(" "):
        parts.append(Word(word, box(at, at + len(word))))
        at += len(word) + 1
    return Region(text, box(0, len(text)), int(top), words=tuple(parts) if words else ())


def wrong(expected: str, *regions: Region, **rules: str) -> list[str]:
    return [piece.text for piece in wrong_pieces(regions, expected, Rules(**rules))]


def test_the_word_with_a_wrong_missing_or_doubled_letter_is_marked_and_no_other() -> None:
    for read in ("0pening", "Opning", "Oppening", "pening", "Openin", "Openign", "Openings"):
        assert wrong("Grand Opening Sale", line(f"Grand {read} Sale")) == [read]


def test_a_right_reading_marks_nothing() -> None:
    assert wrong("Grand Opening\nSale", line("Grand Opening"), line("Sale", 20)) == []
    assert wrong("grand opening", line("Grand, Opening!"), case="ignore", punctuation="ignore") == []


def test_a_word_too_many_is_marked_itself() -> None:
    assert wrong("Grand Sale", line("Grand Grand Sale")) in (["Grand"],)
    assert wrong("Grand", line("Grand"), line("xyz", 20)) == ["xyz"]


def test_of_a_missing_word_the_whole_line_is_marked() -> None:
    first, second = line("Grand Sale"), line("today only", 20)
    assert wrong_pieces([first, second], "Grand Opening Sale today only") == (first,)
    assert wrong_pieces([first, second], "Grand Sale today only now") == (second,)
    assert wrong_pieces([first, second], "The Grand Sale today only") == (first,)


def test_spaces_in_the_wrong_place_mark_nothing() -> None:
    assert wrong("Grand Opening", line("GrandOpening")) == wrong("GrandOpening", line("Grand Opening")) == []


def test_a_line_without_words_is_marked_as_a_whole() -> None:
    good, bad = line("Grand Opening", words=False), line("Sael today", 20, words=False)
    assert wrong_pieces([good, bad], "Grand Opening Sale today") == (bad,)


def test_of_chinese_the_single_character_is_marked() -> None:
    text = "\u4eca\u65e5\u7279\u4ecb"
    words = tuple(Word(letter, ((float(at), 0.0),) * 4) for at, letter in enumerate(text))
    region = Region(text, ((0.0, 0.0),) * 4, 0, words=words)
    assert wrong_pieces([region], "\u4eca\u65e5\u7279\u4ef7") == (words[3],)


def test_nothing_read_is_nothing_to_point_at() -> None:
    assert wrong_pieces([], "Grand Opening") == () == wrong_pieces([line("")], "x")


@given(st.lists(TEXTS, max_size=4), TEXTS)
def test_any_reading_against_any_text_marks_its_own_pieces_and_something_where_letters_differ(
    lines: list[str], expected: str
) -> None:
    regions = [line(text, 20.0 * at) for at, text in enumerate(lines)]
    own = {id(piece) for region in regions for piece in (region, *region.words)}
    marked = wrong_pieces(regions, expected)
    assert {id(piece) for piece in marked} <= own and len({id(piece) for piece in marked}) == len(marked)
