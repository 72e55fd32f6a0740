"""Where a text may be broken into lines, and the lines that fit a measure.

Chinese and Japanese break between any two characters but before closing and after opening punctuation
(kinsoku); everything else breaks at spaces, at U+200B and after hyphens. Words are never hyphenated.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..cancel import watched
from ..cjk import is_cjk, is_emoji

CLOSING = frozenset(
    "!%),.:;?]}\u00b0\u00b7\u2019\u201d\u2020\u2021\u2025\u2026\u203a\u2103\u3001\u3002\u3003\u3005\u3009"
    "\u300b\u300d\u300f\u3011\u3015\u3017\u3019\u301c\u301f\u303b\u3041\u3043\u3045\u3047\u3049\u3063\u3083"
    "\u3085\u3087\u308e\u3095\u3096\u309d\u309e\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7\u30ee"
    "\u30f5\u30f6\u30fb\u30fc\u30fd\u30fe\uff01\uff05\uff09\uff0c\uff0e\uff1a\uff1b\uff1f\uff3d\uff5d\uff5e"
    "\uff60\uff61\uff63\uff64"
)
"""What may not begin a line: closing punctuation, small kana, iteration and length marks (JIS X 4051)."""
OPENING = frozenset(
    "([{\u2018\u201c\u00a3\u00a5\u3008\u300a\u300c\u300e\u3010\u3014\u3016\u3018\u301d\uff04\uff08\uff3b\uff5b"
    "\uff5f\uff62\uffe1\uffe5"
)
"""What may not end a line."""
BREAK_AFTER = re.compile(r"(?<=\w[-\u2010])(?=[^\W\d])|\u200b")


@dataclass(frozen=True)
class Piece:
    """A piece that is never broken; ``spaced``: a space stands before it unless it begins a line."""

    text: str
    spaced: bool = False


def dense(character: str) -> bool:
    """Whether lines may break around it: CJK and emoji, but not Hangul, which has spaces."""
    return is_cjk(character) or is_emoji(character)


def pieces_of(paragraph: str) -> list[Piece]:
    """The pieces of one paragraph; runs of white space count as one space."""
    found: list[Piece] = []
    for word in watched(re.split(r"[^\S\u3000\u00a0]+", paragraph.strip())):
        spaced = bool(found)
        for piece in _unspaced_pieces(word):
            if found and not spaced and _inseparable(found[-1].text, piece):
                found[-1] = Piece(found[-1].text + piece, found[-1].spaced)
            else:
                found.append(Piece(piece, spaced))
            spaced = False
    return found


def _unspaced_pieces(word: str) -> Iterable[str]:
    current = ""
    for part in filter(None, BREAK_AFTER.split(word)):
        for character in part:
            if unicodedata.category(character).startswith("M") or not current:
                current += character
            elif dense(character) or dense(current[-1]):
                yield current
                current = character
            else:
                current += character
        yield current
        current = ""


def _inseparable(before: str, after: str) -> bool:
    return after[0] in CLOSING or before[-1] in OPENING or unicodedata.category(after[0]).startswith("M")


def filled(
    pieces: Sequence[Piece], measure: float, length: Callable[[str], float], space: float
) -> list[str] | None:
    """Lines no longer than ``measure``, each as full as it goes; None where a single piece is longer.

    ``length`` and ``space`` have the unit of ``measure``.
    """
    lines: list[str] = []
    current, used = "", 0.0
    for piece in watched(pieces, 64):  # measuring one may take a millisecond
        own = length(piece.text)
        if own > measure:
            return None
        gap = space if piece.spaced else 0.0
        if current and used + gap + own <= measure:
            current += (" " if piece.spaced else "") + piece.text
            used += gap + own
        else:
            if current:
                lines.append(current)
            current, used = piece.text, own
    return [*lines, current] if current else lines


def balanced(
    pieces: Sequence[Piece], measure: float, length: Callable[[str], float], space: float
) -> list[str] | None:
    """As ``filled``, with as many lines, but of like lengths: no single word is left to the last line."""
    fullest = filled(pieces, measure, length, space)
    if fullest is None or len(fullest) < 2:
        return fullest
    low, high, best = measure / 2, measure, fullest
    for _ in range(8):
        middle = (low + high) / 2
        tried = filled(pieces, middle, length, space)
        if tried is not None and len(tried) == len(fullest):
            high, best = middle, tried
        else:
            low = middle
    return best
