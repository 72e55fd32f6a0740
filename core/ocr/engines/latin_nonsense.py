"""Words of Hebrew, Arabic, Thai, Russian ... that Tesseract took for Latin, as English was beside.

With two languages Tesseract keeps the surer of both at each word, and of a short one that may be nonsense
("NIN" of a Hebrew word). Read without English, such a word is surer of itself; a real Latin one is not.
Cyrillic has letters that look like Latin ones ("homep" of "nomer"), so there only words of such letters are
read again, each alone; and the other way round, Cyrillic ones of such letters that Tesseract doubts.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean, median

from ..results.line import Line
from ..results.result import Point, Word

# Scripts whose letters look like Latin ones, or that have no words.
LIKE_LATIN = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "GEORGIAN", "CJK", "HIRAGANA", "KATAKANA")
LIKE_CYRILLIC = frozenset("ABCEHKMOPTXYabcehikmnoprtuxyw")
MOSTLY_CYRILLIC, MOST_WORDS = 0.5, 60  # of a page's letters; words that are read again
SAME_AS_LATIN = frozenset(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0430\u0435\u043e\u0440"
    "\u0441\u0443\u0445"
)
LIKE_LATIN_LETTERS = SAME_AS_LATIN | frozenset("\u0432\u0433\u0437\u0438\u043a\u043c\u043d\u043f\u0442\u044c")
# A Cyrillic word of such letters is asked about below this confidence, and Latin where that is so much surer.
# A word whose every letter is the same in both is of the page's script.
# Shorter ones are words in both ("na" of a blurred photograph was surely "Ha").
ASKED, LATIN, SURER, LEAST_LOOKED = 0.94, 0.95, 0.03, 3
EVEN = 0.02  # between two readings' confidences: then a page's own script decides
LEAST_LETTERS = 2  # of a word in the script; marks that stand for themselves are none
# Beside the words that a page has in its script so many or more are Latin, on the mean less sure.
MANY, NONSENSE, LIKELY = 6, 0.2, 0.65
# Of enough lines, one so low for the usual height and read with such a doubt is none.
ENOUGH, POINTS, DOUBT = 5, 0.3, 0.75
SHARED = 0.5  # of the wider of two places lies in the other, where they are of one word


def has_doubtful(lines: Sequence[Line]) -> bool:
    """Whether a page in a script unlike Latin has Latin words too."""
    return are_doubtful([word.text for line in lines for word in line.words])


def are_doubtful(words: Sequence[str]) -> bool:
    """Whether some of the words are in a script unlike Latin, and some in Latin letters."""
    return any(map(_in_script, words)) and any(map(_is_latin, words))


def is_more_in_script(own: str, text: str) -> bool:
    """Whether a line read without English has more words in its script than with it, and no more digits,
    which are what a Latin word looks like to a reader that knows none.
    """
    more = sum(map(_in_script, own.split())) > sum(map(_in_script, text.split()))
    return more and sum(map(str.isdigit, own)) <= sum(map(str.isdigit, text))


def with_own_words(lines: Sequence[Line], own: Sequence[Line]) -> list[Line]:
    """``lines``, and instead of Latin words those that ``own``, the same page read without Latin letters, is
    surer of.
    """
    words = [word for line in own for word in line.words if _in_script(word.text)]
    if _is_all_nonsense(lines, len(words)):
        return list(own)
    return [_mended(line, words) for line in lines]


def without_points(lines: Sequence[Line]) -> list[Line]:
    """``lines`` without such as are the points and dashes under another line's letters: far lower than all
    lines of the page, and read with doubt.
    """
    if len(lines) < ENOUGH:
        return list(lines)
    usual = median(math.dist(line.polygon[1], line.polygon[2]) for line in lines)
    return [
        line
        for line in lines
        if math.dist(line.polygon[1], line.polygon[2]) >= POINTS * usual or (line.confidence or 0.0) >= DOUBT
    ]


def _is_all_nonsense(lines: Sequence[Line], in_script: int) -> bool:
    """Whether a page has many Latin words and few that surely are, beside ``in_script`` words that are there
    without English: marks over and under letters (Hebrew vowels) make its reader as unsure of both.
    """
    latin = [word.confidence or 0.0 for line in lines for word in line.words if _is_latin(word.text)]
    return len(latin) >= max(MANY, NONSENSE * in_script) and mean(latin) < LIKELY


def with_cyrillic_words(lines: Sequence[Line], read: Callable[[Word], tuple[str, float]]) -> list[Line]:
    """``lines`` of a page mostly in Cyrillic, and instead of Latin words that look like it those of which
    ``read``, which knows no Latin letters, is surer, or as sure: (text, confidence) of a word.
    """
    letters = [letter for line in lines for letter in line.text if letter.isalpha()]
    cyrillic = sum(unicodedata.name(letter, "").startswith("CYRILLIC") for letter in letters)
    if cyrillic < MOSTLY_CYRILLIC * len(letters):
        return list(lines)
    doubted = [word for line in lines for word in line.words if _like_cyrillic(word.text)]
    own = []
    for word in doubted if len(doubted) <= MOST_WORDS else ():
        text, sure = read(word)
        if text and " " not in text and not _is_latin(text):
            own.append(replace(word, text=text, confidence=sure))
    return [_mended(line, own, EVEN) for line in lines] if own else list(lines)


def with_latin_words(lines: Sequence[Line], read: Callable[[Word], tuple[str, float]]) -> list[Line]:
    """``lines``, and instead of Cyrillic words that look like Latin ones ("Pro" of a name, "Sony" with a 5)
    those of which ``read``, which knows no Cyrillic letter, is surer: (text, confidence) of a word.
    """
    doubted = [word for line in lines for word in line.words if _like_latin(word)]
    own: dict[tuple[Point, ...], Word] = {}
    for word in doubted if len(doubted) <= MOST_WORDS else ():
        text, sure = read(word)
        if _is_latin(text) and text.isalpha() and sure >= max(LATIN, (word.confidence or 0.0) + SURER):
            own[word.polygon] = replace(word, text=text, confidence=sure)
    out = []
    for line in lines:
        words = tuple(own.get(word.polygon, word) for word in line.words)
        if words != line.words and [word.text for word in line.words] == line.text.split():
            line = replace(line, text=" ".join(word.text for word in words), words=words)
        out.append(line)
    return out


def _like_latin(word: Word) -> bool:
    letters = [letter for letter in word.text if letter.isalpha()]
    cyrillic = sum(not letter.isascii() for letter in letters)
    rest = all(letter.isascii() or letter in LIKE_LATIN_LETTERS for letter in letters)
    rest = rest and any(not letter.isascii() and letter not in SAME_AS_LATIN for letter in letters)
    few = len(word.text) - len(letters) < len(letters)
    return len(letters) >= LEAST_LOOKED and cyrillic > 0 and rest and few and (word.confidence or 0.0) < ASKED


def _like_cyrillic(text: str) -> bool:
    letters = {letter for letter in text if letter.isalpha()}
    return bool(letters) and letters <= LIKE_CYRILLIC and not any(map(str.isdigit, text))


def _mended(line: Line, own: Sequence[Word], even: float = 0.0) -> Line:
    if [word.text for word in line.words] != line.text.split():
        return line
    words: list[Word] = []
    run: list[Word] = []
    for word in line.words:
        better = _better(word, own, even)
        if better is None:
            words += [*_in_order(run), word]
            run = []
        else:
            run.append(better)
    words += _in_order(run)
    if list(line.words) == words:
        return line
    known = [word.confidence for word in words if word.confidence is not None]
    text = " ".join(word.text for word in words)
    return replace(line, text=text, words=tuple(words), confidence=mean(known) if known else line.confidence)


def _better(word: Word, own: Sequence[Word], even: float) -> Word | None:
    if not _is_latin(word.text):
        return None
    found = [other for other in own if _same_place(word, other)]
    if len(found) != 1:
        return None
    sure = found[0].confidence or 0.0
    return found[0] if sure > (word.confidence or 0.0) - (even if sure >= LIKELY else 0.0) else None


def _in_order(run: Sequence[Word]) -> list[Word]:
    """Neighbours that were taken for Latin, as their script runs: Tesseract gave them from left to right."""
    first = next((letter for word in run for letter in word.text if letter.isalpha()), "")
    backwards = unicodedata.bidirectional(first) in ("R", "AL") if first else False
    return sorted(run, key=lambda word: -word.polygon[0][0]) if backwards else list(run)


def _same_place(one: Word, other: Word) -> bool:
    shared = 1.0
    for axis in (0, 1):
        a, b = ([point[axis] for point in word.polygon] for word in (one, other))
        both = min(max(a), max(b)) - max(min(a), min(b))
        shared = min(shared, both / max(1.0, max(a) - min(a), max(b) - min(b)))
    return shared >= SHARED


def _is_latin(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return bool(letters) and all(letter.isascii() for letter in letters)


def _in_script(text: str) -> bool:
    """Whether a word is all in a script unlike Latin: digits and Latin letters are what a Latin word looks
    like to a reader that knows none.
    """
    letters = [letter for letter in text if letter.isalpha()]
    if len(letters) < LEAST_LETTERS or any(letter.isdigit() for letter in text):
        return False
    return not any(unicodedata.name(letter, "LATIN").startswith(LIKE_LATIN) for letter in letters)
