"""Work on any text grows with its length, not with its square, is heard to be cancelled, and ends in a result
or a sentence."""

from __future__ import annotations

import itertools
import re
import threading
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from vramwise.cancel import aside, cancellable, watched
from vramwise.catalog.gpus import find_gpus
from vramwise.documents.page_ranges import check_page_numbers
from vramwise.documents.safe_names import checked_stem
from vramwise.errors import VramwiseError, nearest
from vramwise.normal_forms import MOST_MARKS, normalised
from vramwise.ocr.regions import text_match
from vramwise.ocr.regions.error_rates import quoted_parts, score
from vramwise.ocr.regions.search import search
from vramwise.ocr.regions.text_match import Finder, Query
from vramwise.ocr.results import from_json, reading_order
from vramwise.ocr.results.line import Line

from devtools.text_inputs import TEXT_INPUTS, page
from devtools.worst_texts import cost, texts

pytestmark = pytest.mark.slow

SMALL = 100  # dev.py bench growth takes 10 KB, 100 KB and 1 MB of each
LOOKING_BACK = 1_024  # tokens that the loop guard looks at: below that, each more costs more
MOST_DEAF = 200_000  # calls between two places where Cancel is heard: some 0.1 s
HUGE = 100_000
GUARDED = ("answer: streamed", "answer: whole", "answer: token by token")


@pytest.mark.parametrize("name", TEXT_INPUTS)
def test_ten_times_the_text_takes_about_ten_times_the_steps(name: str) -> None:
    grown: dict[str, tuple[int, int]] = {}
    small_size = LOOKING_BACK if name in GUARDED else SMALL
    for first in ("a", texts(10 * SMALL)["boxes"]):
        cost(TEXT_INPUTS[name], first)  # what is imported and kept
    for kind, text in texts(10 * small_size).items():
        large, small = cost(TEXT_INPUTS[name], text), cost(TEXT_INPUTS[name], text[:small_size])
        assert large.deaf <= MOST_DEAF, kind
        if large.steps > 20 * small.steps + 3_000:
            grown[kind] = small.steps, large.steps
    assert not grown


# What once took the square of its length, by Python's hand or by C's: 100 KB of it, by the names of
# devtools/text_inputs.py and devtools/worst_texts.py. A try that hangs ends with the job that runs the tests.
ONCE_QUADRATIC = (
    ("OCR Score: a prompt with quoted parts", "\u201c"),
    ("OCR Score: a prompt with quoted parts", "'a "),
    ("Crop Regions: category", "a,"),
    ("answer: qwen_html", "<a "),
    ("answer: html", '<a b="'),
    ("answer: html", "<b></i>"),
    ("answer: markdown", "<!-- Table ("),
    ("answer: latex_table", "\\begin{tabular}["),
    ("answer: qwen_boxes", '\n{"a":"b'),
    ("answer: dots_layout", "{\n\n\n\n"),
    ("answer: whole", "a1.,;:!?-+"),
    ("Load Pages: pages before it runs", "1 "),
    ("Load Pages: pages", "1-,"),
    ("Model Advisor: what if", "1"),
    ("a size of memory", "1 \n"),
    ("a file's own name", ". "),
    ("server: an endpoint's name", "1"),
    ("a name among many", "ab "),
    ("config.yaml", "["),
    ("Save Text: the tables of a text", "<table "),
    ("Save Text: the tables of a text", "|a\n|-\n"),
    ("Save Text: the tables of a text", "<td colspan=9 "),
    ("a PDF's words of a block", "<table "),
)


@pytest.mark.parametrize(("name", "unit"), ONCE_QUADRATIC)
def test_100_kb_of_the_worst_take_steps_in_proportion(name: str, unit: str) -> None:
    text = unit * (HUGE // len(unit))
    tenth = cost(TEXT_INPUTS[name], text[: len(text) // 10])
    whole = cost(TEXT_INPUTS[name], text)
    assert whole.steps <= 12 * tenth.steps + 5_000
    assert whole.deaf <= MOST_DEAF


def test_a_key_given_twice_is_found_by_looking_at_each_once() -> None:
    looks = 0

    class Key(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal looks
            looks += 1
            return str(self) == other

    keys = [Key(number) for number in range(2_000)]
    with pytest.raises(ValueError, match='the key "1999" is given twice'):
        from_json._unique([*((key, 0) for key in keys), (Key(1999), 0)])
    assert looks <= 4 * len(keys)


# --- marks ------------------------------------------------------------------------------------------------

MARKS = "a\u0301\u0323\u0345\u0315\uff9e\u0f73\u0344 \u00e9\uac00\u1161"


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@given(text=st.text(alphabet=MARKS, max_size=4 * MOST_MARKS))
def test_the_normal_forms_are_unicodes(form: str, text: str) -> None:
    assert normalised(form, text) == unicodedata.normalize(form, text)  # type: ignore[arg-type]


def test_marks_are_put_in_order_before_python_sorts_them_by_insertion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given_to_python: list[str] = []
    real = unicodedata.normalize
    monkeypatch.setattr(
        "vramwise.normal_forms.unicodedata.normalize",
        lambda form, text: given_to_python.append(text) or real(form, text),
    )
    normalised("NFC", "a" + "\u0301\u0323" * 500)
    classes = [unicodedata.combining(mark) for mark in given_to_python[-1]]
    assert len(classes) == 1001 and classes == sorted(classes)


# --- quotation marks --------------------------------------------------------------------------------------

AS_A_PATTERN = re.compile(
    '"([^"]+)"|\u201c([^\u201d]+)\u201d|\u201e([^\u201c\u201d]+)[\u201c\u201d]|\u00ab([^\u00bb]+)\u00bb'
    "|\u300c([^\u300d]+)\u300d|\u300e([^\u300f]+)\u300f|(?<!\\w)'(.+?)'(?!\\w)|(?<!\\w)\u2018(.+?)\u2019(?!\\w)"
)


@given(st.text(alphabet="ab_ \n'\"\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019", max_size=14))
def test_quoted_parts_are_those_of_the_pattern_that_says_what_they_are(prompt: str) -> None:
    found = (next(part for part in hit.groups() if part) for hit in AS_A_PATTERN.finditer(prompt))
    assert quoted_parts(prompt) == tuple(part.strip() for part in found if part.strip())


# --- bounds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: score("a" * 40_000, "b" * 40_000), "A reading of 40,000 letters cannot be compared"),
        (lambda: score("\ufdfa" * 9_000, "b" * 9_000), "Compare a page at a time"),
        (lambda: Finder(Query("a\naa", whole_words=False)).spans("a" * 900), "too many to look at"),
        (lambda: Finder(Query("a", "regex")).spans("a" * 1_100), "too many to look at"),
        (lambda: Finder(Query("a sentence\n", "fuzzy", 9)).spans("a word " * 900), "would take minutes"),
        (lambda: check_page_numbers("1," * 9_000), "list of pages has 18,000 letters"),
        (lambda: find_gpus("RTX" * 1_000), "no name has 3,000 letters"),
        (lambda: checked_stem("a" * HUGE), "is longer than any name"),
    ],
)
def test_what_cannot_be_linear_has_a_bound_and_a_sentence(
    use: Callable[[], object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_match, "MOST_FINDS", 1_000)
    monkeypatch.setattr(text_match, "MOST_COMPARED", 50_000)
    with pytest.raises(VramwiseError, match=words):
        use()


def test_a_count_full_of_spaces_is_no_bomb_of_our_own_making() -> None:
    Finder(Query("{" + " " * 900, "regex"))


@given(
    st.text(alphabet="ab c\u00e9\n", max_size=30),
    st.lists(st.text(alphabet="ab c", min_size=3, max_size=8), min_size=1, max_size=3),
    st.integers(0, 3),
)
def test_nearly_is_what_comparing_every_run_of_words_gives(text: str, wanted: list[str], edits: int) -> None:
    if not any(line.strip() for line in wanted):
        return
    finder = Finder(Query("\n".join(wanted), "fuzzy", edits))
    words = text_match._words(text)
    best = []
    for line in finder._folded:
        allowed = min(edits, (len(line) - 1) // 2)
        for first, last in itertools.combinations_with_replacement(range(len(words)), 2):
            span = words[first][0], words[last][1]
            run = text_match._Folded(text[slice(*span)], text_match._fold_case).text
            if (distance := Levenshtein.distance(line, run)) <= allowed:
                best.append((distance, span[0] - span[1], span))
    assert finder.spans(text) == sorted(text_match._apart(span for *_, span in sorted(best)))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=20))
def test_what_lies_apart_lies_apart_from_all_before_it(starts: list[tuple[int, int]]) -> None:
    spans = [(start, start + length) for start, length in starts]
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if all(end <= a or start >= b for a, b in kept):
            kept.append((start, end))
    assert text_match._apart(spans) == kept


def test_a_sentence_keeps_its_beginning_and_its_remedy_however_much_it_quotes() -> None:
    said = str(VramwiseError(f'"{"x" * 1_000_000}" is no file. Check the spelling.'))
    assert len(said) < 10_000
    assert said.startswith('"xxx') and said.endswith("Check the spelling.")


def test_the_nearest_of_very_many_or_very_long_names_is_not_looked_for() -> None:
    assert nearest("a" * 100_000, ["a" * 100_000]) == ""
    assert "name 7" in nearest("nane 7", [f"name {number}" for number in range(100)])


# --- reading order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("across", [1, 20, 4_000])
def test_thousands_of_boxes_are_put_in_order_in_steps_that_have_a_bound(across: int) -> None:
    def grid(text: str) -> object:
        boxes = [
            Line("x", corners_at(number % across * 40.0, number // across * 12.0))
            for number in range(len(text))
        ]
        return reading_order.arrange(boxes)

    small, large = cost(grid, "x" * 200), cost(grid, "x" * 2_000)
    assert large.steps <= 40 * small.steps + 20_000
    assert large.deaf <= MOST_DEAF


def corners_at(x: float, y: float) -> tuple[tuple[float, float], ...]:
    return (x, y), (x + 20, y), (x + 20, y + 10), (x, y + 10)


# --- cancel -----------------------------------------------------------------------------------------------


class Stopped(BaseException):
    """As ComfyUI's interrupt."""


LONG = {
    "OCR Score: a prompt with quoted parts": "\u201c" * 5_000,
    "OCR Score: what was read": "some words " * 3_000,
    "Text Mask: exact, on the page": "a " * 5_000,
    "Text Mask: regex, on the page": "a " * 5_000,
    "Text Mask: texts nearly": "some words here " * 500,
    "Convert Regions: json": "[" + ",".join(['{"x":1,"y":1,"width":1,"height":1}'] * 500) + "]",
    "answer: qwen_html": "<b>x" * 5_000,
    "answer: dots_layout": '\n{"a":"b' * 5_000,
    "answer: otsl": "<fcel>a" * 5_000,
    "answer: doctags": "<text>a</text>" * 5_000,
    "answer: boxes in one row": "x" * 150_000,
    "Draw Text: lines": "a " * 1_000,
}


@pytest.mark.parametrize("name", LONG)
def test_cancel_is_heard_in_the_middle_and_never_swallowed(name: str) -> None:
    asked = 0

    def cancelled() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Stopped

    with pytest.raises(Stopped), cancellable(cancelled):
        TEXT_INPUTS[name](LONG[name])


def test_a_pattern_that_takes_forever_is_left_behind_at_cancel_and_lets_others_work() -> None:
    """It runs on another thread without the interpreter's lock, and ends there by itself."""
    finder = Finder(Query(r"(?:[ab]|ab|ba)*(?:[ab]|ba)*(?:[ab]|ab)*\d[^ab]{2}$", "regex"))
    others = threading.Event()
    asked = []

    def cancelled() -> None:
        asked.append(threading.current_thread())
        threading.Thread(target=others.set).start()
        if len(asked) == 2:
            assert others.wait(60)
            raise Stopped

    with pytest.raises(Stopped), cancellable(cancelled):
        finder.spans("ab" * 3_000 + "1")
    assert set(asked) == {threading.current_thread()}


def test_nobody_elses_cancel_is_taken() -> None:
    """A route that works meanwhile, on a thread of its own, asks nobody."""
    asked: list[str] = []
    with cancellable(lambda: asked.append(threading.current_thread().name)):
        other = threading.Thread(target=lambda: list(watched(range(5), 1)))
        other.start()
        other.join()
        assert asked == []
        assert aside(lambda: 7) == 7
        with pytest.raises(KeyError):
            aside(lambda: {}["x"])


@pytest.mark.parametrize("match", ["exact", "case_insensitive", "regex", "fuzzy"])
def test_a_page_of_marks_alone_has_places_too(match: str) -> None:
    found = search(page("\u0301\u0323" * 20), Finder(Query("\u0301", match)))
    assert all(match.polygons for match in found)
