"""How far a reading is from the expected text: error rates, and where on the picture it is wrong."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...cancel import aside, cancel_point, watched
from ...cjk import words_with_spaces
from ...errors import VramwiseError
from ...normal_forms import normalised
from ...option_values import CASE, METRICS, PUNCTUATION, SPACE, UNICODE, check_choice
from ..results.result import Region, Word

MOST_LETTERS = 4_000_000  # of one text
MOST_COMPARED = 1_000_000_000  # letters read times letters expected: about 0.1 s that nothing can interrupt
# Quotation marks in pairs: what opens, and what closes.
_PAIRS = {
    '"': '"', "\u201c": "\u201d", "\u201e": "\u201c\u201d", "\u00ab": "\u00bb", "\u300c": "\u300d",
    "\u300e": "\u300f", "'": "'", "\u2018": "\u2019",
}  # fmt: skip
_SINGLE = "'\u2018"  # these open only before and close only after a word, on the same line
_OPENING = re.compile("[" + "".join(_PAIRS) + "]")


@dataclass(frozen=True)
class Rules:
    """What counts as a difference.

    ``unicode``: "NFKC" also makes full-width letters and ligatures plain. ``space``: "fold" takes any white
    space as one space, "ignore" drops it (words are still parted by it), "exact" keeps it.
    """

    unicode: str = "NFKC"
    case: str = "exact"
    punctuation: str = "exact"
    space: str = "fold"

    def __post_init__(self) -> None:
        check_choice("unicode", self.unicode, UNICODE)
        check_choice("case", self.case, CASE)
        check_choice("punctuation", self.punctuation, PUNCTUATION)
        check_choice("space", self.space, SPACE)

    def normal(self, text: str, space: str | None = None) -> str:
        """``text`` without the differences that do not count; ``space`` in place of the rule's own."""
        form: Literal["NFKC", "NFC"] = "NFKC" if self.unicode == "NFKC" else "NFC"
        text = normalised(form, text)
        if self.case == "ignore":
            text = normalised(form, text.casefold())
        if self.punctuation == "ignore":
            text = "".join(
                letter for letter in watched(text) if not unicodedata.category(letter).startswith("P")
            )
        space = space or self.space
        if space == "exact":
            return text
        return (" " if space == "fold" else "").join(text.split())


@dataclass(frozen=True)
class Score:
    """``cer`` and ``wer`` are jiwer's: errors over the length of the expected text, so they may exceed 1.
    Nothing expected: the number of characters or words that were read all the same.
    """

    cer: float
    wer: float
    exact: bool
    read: str
    expected: str

    def value(self, metric: str) -> float:
        return self.cer if metric == "cer" else self.wer


def check_comparable(read: str, expected: str) -> None:
    """Raise VramwiseError for texts that would take the product of their lengths too long to compare."""
    ours, truth = len(read), len(expected)
    if max(ours, truth) > MOST_LETTERS or ours * truth > MOST_COMPARED:
        raise VramwiseError(
            f"A reading of {ours:,} letters cannot be compared with an expected text of {truth:,}: at most "
            f"{MOST_LETTERS:,} letters each are, and {math.isqrt(MOST_COMPARED):,} where both are as long. "
            "Compare a page at a time, or a part of the text."
        )


def score(read: str, expected: str, rules: Rules | None = None) -> Score:
    """Compare a reading with what should be there. Raises VramwiseError for texts that are too long."""
    import jiwer

    check_comparable(read, expected)
    rules = rules or Rules()
    ours, truth = rules.normal(read), rules.normal(expected)
    check_comparable(ours, truth)  # NFKC makes eighteen letters of one
    space = "exact" if rules.space == "exact" else "fold"  # without spaces there would be one word
    cancel_point()
    wer = jiwer.wer(rules.normal(expected, space), rules.normal(read, space))
    cancel_point()
    return Score(float(jiwer.cer(truth, ours)), float(wer), ours == truth, read.strip(), expected.strip())


def best_first(scores: Sequence[Score], confidences: Sequence[float], metric: str = "cer") -> list[int]:
    """The indices of all, the fewest errors first; equals by confidence (0..1), then by place."""
    check_choice("metric", metric, METRICS)
    other = "wer" if metric == "cer" else "cer"
    return sorted(
        range(len(scores)),
        key=lambda at: (scores[at].value(metric), scores[at].value(other), -confidences[at], at),
    )


def confidence(regions: Iterable[Region]) -> float:
    """The mean over all letters that have a confidence, 0 where none has."""
    known = [(len(region.text), region.confidence) for region in regions if region.confidence is not None]
    letters = sum(length for length, _ in known)
    return sum(length * sure for length, sure in known) / letters if letters else 0.0


def quoted_parts(prompt: str) -> tuple[str, ...]:
    """What stands in quotation marks of any common kind, in order; an apostrophe is none."""
    closing = {mark: _Ahead(prompt, mark) for marks in _PAIRS.values() for mark in marks}
    line_end = _Ahead(prompt, "\n")
    found: list[str] = []
    behind = 0
    for opened in watched(_OPENING.finditer(prompt)):
        start, mark = opened.end(), opened[0]
        if opened.start() < behind:
            continue
        if mark in _SINGLE:
            inside = opened.start() and _in_word(prompt[opened.start() - 1])
            end = len(prompt) if inside else closing[_PAIRS[mark]].after_word(start + 1)
            end = end if end < line_end.at(start) else len(prompt)
        else:
            end = min(closing[one].at(start) for one in _PAIRS[mark])
        if start < end < len(prompt):
            found.append(prompt[start:end].strip())
            behind = end + 1
    return tuple(filter(None, found))


class _Ahead:
    """Where a sign stands next, asked from places that never go back: each letter is looked at once."""

    def __init__(self, text: str, sign: str) -> None:
        self._text, self._sign = text, sign
        self._next = self._closing = -1

    def at(self, start: int) -> int:
        """The first from ``start``, the end of the text where there is none."""
        if self._next < start:
            found = self._text.find(self._sign, start)
            self._next = found if found >= 0 else len(self._text)
        return self._next

    def after_word(self, start: int) -> int:
        """The first from ``start`` with no letter or digit behind it."""
        if self._closing < start:
            found = start - 1
            while True:
                found = self.at(found + 1)
                if found + 1 >= len(self._text) or not _in_word(self._text[found + 1]):
                    break
            self._closing = found
        return self._closing


def _in_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def wrong_pieces(
    regions: Sequence[Region], expected: str, rules: Rules | None = None
) -> tuple[Region | Word, ...]:
    """The words that are not as expected, from the polygons of the reading; where a region has no words, or
    a whole word is missing from it, the region. Spaces never count here. Nothing read: nothing to point at.
    """
    from rapidfuzz.distance import Levenshtein

    rules = rules or Rules()
    pieces = [(piece, region) for region in regions for piece in _pieces(region)]
    letters = [
        (letter, at)
        for at, (piece, _) in watched(enumerate(pieces))
        for letter in rules.normal(piece.text, "ignore")
    ]
    folded = rules.normal(expected, "fold")
    wanted = [
        (letter, number)
        for number, token in watched(enumerate(aside(lambda: words_with_spaces(folded))))
        for letter in token.strip()
    ]
    ours, truth = "".join(letter for letter, _ in letters), "".join(letter for letter, _ in wanted)
    check_comparable(ours, truth)
    ops = Levenshtein.opcodes(ours, truth)
    wrong: dict[int, Region | Word] = {}
    lines: dict[int, Region] = {}
    owners: dict[int, list[int]] = {}  # of each expected word, the pieces its letters stand in
    for op in watched(ops):
        if op.tag in ("equal", "replace"):
            for at, to in zip(
                range(op.src_start, op.src_end), range(op.dest_start, op.dest_end), strict=True
            ):
                owners.setdefault(wanted[to][1], []).append(letters[at][1])
        if op.tag in ("replace", "delete"):
            for _, owner in letters[op.src_start : op.src_end]:
                wrong[owner] = pieces[owner][0]
    for op in watched(ops):
        if op.tag == "insert" and letters:
            for _, number in wanted[op.dest_start : op.dest_end]:
                near = owners.get(number)
                owner = near[-1] if near else letters[max(0, op.src_start - 1)][1]
                if near:
                    wrong[owner] = pieces[owner][0]
                else:
                    lines[id(pieces[owner][1])] = pieces[owner][1]
    return (*wrong.values(), *lines.values())


def _pieces(region: Region) -> Sequence[Region | Word]:
    """The words of a region where they are all there, else the region itself."""
    whole = "".join("".join(word.text for word in region.words).split())
    return region.words if whole and whole == "".join(region.text.split()) else (region,)
