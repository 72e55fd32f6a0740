"""Where a reading differs from the expected text: by words as markdown, by letters for the browser."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ...cancel import aside, cancel_point, watched
from ...cjk import words_with_spaces
from .error_rates import Rules, check_comparable

PieceKind = Literal["same", "missing", "extra"]
# Letters read times letters expected of one change, above which it is shown whole: 4 million cost 1 MB.
MOST_COMPARED = 4_000_000


@dataclass(frozen=True)
class Change:
    """A run of words: what was ``read`` and what was ``expected`` in its place; equal where they agree."""

    read: str
    expected: str

    @property
    def same(self) -> bool:
        return self.read == self.expected


def difference(read: str, expected: str, rules: Rules | None = None) -> tuple[Change, ...]:
    """Where the reading differs, by words (in CJK text: characters), in the normal form of ``rules``.

    Nothing differs exactly where ``score`` says exact. Put together, the parts are the two texts, but for
    spaces where they do not count. Raises VramwiseError for texts that are too long.
    """
    from rapidfuzz.distance import Levenshtein

    rules = rules or Rules()
    space = "exact" if rules.space == "exact" else "fold"
    ours, truth = (rules.normal(text, space) for text in (read, expected))
    check_comparable(ours, truth)
    there, wanted = (aside(functools.partial(words_with_spaces, text)) for text in (ours, truth))
    cancel_point()
    found: list[Change] = []
    for op in Levenshtein.opcodes([word.strip() for word in there], [word.strip() for word in wanted]):
        some, others = there[op.src_start : op.src_end], wanted[op.dest_start : op.dest_end]
        if op.tag != "equal":
            found.append(Change("".join(some), "".join(others)))
            continue
        for our, true in watched(zip(some, others, strict=True)):
            word = true.rstrip()
            found += (Change(word, word), Change(our[len(word) :], true[len(word) :]))
    parted = [part for group in _joined(found) for part in _settled(group, rules)]
    return tuple(_joined(parted))


def _joined(changes: Iterable[Change]) -> Iterable[Change]:
    """Neighbours of one kind as one."""
    for _, group in itertools.groupby(changes, lambda change: change.same):
        run = list(group)
        whole = Change("".join(part.read for part in run), "".join(part.expected for part in run))
        if whole.read or whole.expected:
            yield whole


def _settled(change: Change, rules: Rules) -> Iterable[Change]:
    """A change without white space that is no part of it."""
    ours, truth = change.read, change.expected
    if rules.space == "ignore" and "".join(ours.split()) == "".join(truth.split()):
        longer = max(ours, truth, key=len)
        return [Change(longer, longer)]
    end = 0
    while end < min(len(ours), len(truth)) and ours[-1 - end] == truth[-1 - end] and ours[-1 - end].isspace():
        end += 1
    tail = ours[len(ours) - end :]
    return [Change(ours[: len(ours) - end], truth[: len(truth) - end]), Change(tail, tail)]


def as_markdown(changes: Iterable[Change]) -> str:
    """On one line: ~~what was read~~ and **what should be there** where the two differ."""
    said = ""
    for change in changes:
        if change.same:
            text = _escaped(re.sub(r"\s+", " ", change.read))
            said += text.lstrip() if said.endswith(" ") else text
            continue
        if said and not said.endswith(" ") and (change.read + change.expected)[0].isspace():
            said += " "
        for mark, text in (("~~", change.read), ("**", change.expected)):
            if text:
                said += f"{mark}{_shown(text)}{mark} "
    return said.strip()


def _shown(text: str) -> str:
    """On one line; white space that is all of a change is made visible."""
    if text.isspace():
        return "".join("\u21b5" if letter in "\r\n" else "\u2423" for letter in text)
    return _escaped(" ".join(text.split()))


def pieces(changes: Iterable[Change], rules: Rules | None = None) -> list[tuple[PieceKind, str]]:
    """The changes letter by letter, to be shown one behind the other: what is the "same", what is "missing"
    of the expected text, and what is "extra" in the reading.
    """
    every = (piece for piece in _letter_pieces(changes, rules or Rules()) if piece[1])
    return [
        (kind, "".join(text for _, text in run))
        for kind, run in itertools.groupby(watched(every), lambda piece: piece[0])
    ]


def _letter_pieces(changes: Iterable[Change], rules: Rules) -> Iterable[tuple[PieceKind, str]]:
    from rapidfuzz.distance import Levenshtein

    for change in changes:
        ours, truth = change.read, change.expected
        if change.same:
            yield "same", ours
        elif len(ours) * len(truth) > MOST_COMPARED:
            yield from (("missing", truth), ("extra", ours))
        else:
            for op in Levenshtein.opcodes(ours, truth):
                our, true = ours[op.src_start : op.src_end], truth[op.dest_start : op.dest_end]
                if op.tag == "equal" or (rules.space == "ignore" and not (our + true).strip()):
                    yield "same", our or true
                else:
                    yield from (("missing", true), ("extra", our))


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_~\[\]<>|#])", r"\\\1", text)
