"""How far a reading is from the expected text: error rates, and where on the picture it is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...cjk import words_with_spaces
from ...option_values import CASE, METRICS, PUNCTUATION, SPACE, UNICODE, check_choice
from ..results.result import Region, Word

# Quotation marks in pairs; a straight single one opens only before and closes only after a word.
_QUOTED = re.compile(
    '"([^"]+)"|\u201c([^\u201d]+)\u201d|\u201e([^\u201c\u201d]+)[\u201c\u201d]|\u00ab([^\u00bb]+)\u00bb'
    "|\u300c([^\u300d]+)\u300d|\u300e([^\u300f]+)\u300f|(?<!\\w)'(.+?)'(?!\\w)"
    "|(?<!\\w)\u2018(.+?)\u2019(?!\\w)"
)


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
        text = unicodedata.normalize(form, text)
        if self.case == "ignore":
            text = unicodedata.normalize(form, text.casefold())
        if self.punctuation == "ignore":
            text = "".join(letter for letter in text if not unicodedata.category(letter).startswith("P"))
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


def score(read: str, expected: str, rules: Rules | None = None) -> Score:
    """Compare a reading with what should be there."""
    import jiwer

    rules = rules or Rules()
    ours, truth = rules.normal(read), rules.normal(expected)
    space = "exact" if rules.space == "exact" else "fold"  # without spaces there would be one word
    wer = jiwer.wer(rules.normal(expected, space), rules.normal(read, space))
    return Score(float(jiwer.cer(truth, ours)), float(wer), ours == truth, read.strip(), expected.strip())


def best_of(scores: Sequence[Score], confidences: Sequence[float], metric: str = "cer") -> int:
    """The index of the fewest errors; of equals the one that was read with the most confidence (0..1)."""
    check_choice("metric", metric, METRICS)
    other = "wer" if metric == "cer" else "cer"
    return min(
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
    found = (next(part for part in match.groups() if part) for match in _QUOTED.finditer(prompt))
    return tuple(part.strip() for part in found if part.strip())


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
        (letter, at) for at, (piece, _) in enumerate(pieces) for letter in rules.normal(piece.text, "ignore")
    ]
    wanted = [
        (letter, number)
        for number, token in enumerate(words_with_spaces(rules.normal(expected, "fold")))
        for letter in token.strip()
    ]
    ops = Levenshtein.opcodes([letter for letter, _ in letters], [letter for letter, _ in wanted])
    wrong: dict[int, Region | Word] = {}
    lines: dict[int, Region] = {}
    owners: dict[int, list[int]] = {}  # of each expected word, the pieces its letters stand in
    for op in ops:
        if op.tag in ("equal", "replace"):
            for at, to in zip(
                range(op.src_start, op.src_end), range(op.dest_start, op.dest_end), strict=True
            ):
                owners.setdefault(wanted[to][1], []).append(letters[at][1])
        if op.tag in ("replace", "delete"):
            for _, owner in letters[op.src_start : op.src_end]:
                wrong[owner] = pieces[owner][0]
    for op in ops:
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
