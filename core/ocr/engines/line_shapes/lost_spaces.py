"""Spaces that the recogniser left out, told by the paper between two characters: those of a character's width
that Chinese and Japanese set between phrases, and single ones among others of a line of words.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from ....cjk import is_cjk
from ..script_detection import inked_columns

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

FEWEST = 4  # characters side by side tell how far apart they stand
FAR = 1.6  # of that distance, where a space is between; it makes 2
BLANK = 0.55  # of that distance is paper in one piece: a character that was not read is ink
# Of words: so many spaces that were read, so much paper in the middle one (heights of the line), are a
# measure; a lost one has so much of that and so many times what lies between letters (1 of 20 has more).
SPACES, SEEN, ALIKE, TIMES = 2, 0.15, 0.85, 2.0
BEGIN = "@#"  # signs before a word: a space before one may be lost too


def with_lost_spaces(text: str, spans: Sequence[tuple[float, float]], crop: NDArray[uint8]) -> str:
    """``text`` of a line, uint8 (height, width, 3), with the spaces that are missing. ``spans``: where its
    characters other than white space are, in pixels of the crop. Marks of punctuation and numbers stay as
    they are: a full stop, a bracket and a 1 have paper of their own.
    """
    places = [place for place, character in enumerate(text) if not character.isspace()]
    if len(places) != len(spans) or len(places) < FEWEST:
        return text
    middles = [(start + end) / 2 for start, end in spans]
    pairs = list(itertools.pairwise(range(len(places))))
    touching = [(a, b) for a, b in pairs if places[b] == places[a] + 1]
    wide = [(a, b) for a, b in touching if _letter(text[places[a]]) and _letter(text[places[b]])]
    words = [(a, b) for a, b in touching if _may_part(text[places[a]], text[places[b]])]
    spaces = [(a, b) for a, b in pairs if places[b] > places[a] + 1]
    if len(wide) < FEWEST and (len(spaces) < SPACES or len(words) < FEWEST):
        return text
    inked = inked_columns(crop).tobytes()
    blank = {(a, b): _longest_blank(inked[round(middles[a]) : round(middles[b])]) for a, b in pairs}
    lost: list[int] = []
    if len(wide) >= FEWEST:
        pitch = median(middles[b] - middles[a] for a, b in wide)
        far = [(a, b) for a, b in wide if middles[b] - middles[a] >= FAR * pitch]
        lost += [b for a, b in far if blank[a, b] >= BLANK * pitch]
    if len(spaces) >= SPACES and len(words) >= FEWEST:
        usual = median(blank[pair] for pair in spaces)
        letters = sorted(blank[pair] for pair in words)[int(0.95 * (len(words) - 1))]
        if usual >= SEEN * crop.shape[0]:
            lost += [b for a, b in words if blank[a, b] >= max(ALIKE * usual, TIMES * letters, 1)]
    ends = [0, *(places[b] for b in sorted(lost)), len(text)]
    return " ".join(text[start:end] for start, end in itertools.pairwise(ends))


def _letter(character: str) -> bool:
    return is_cjk(character) and character.isalpha()


def _may_part(before: str, after: str) -> bool:
    """Whether a space between two characters of words would be one: of two digits the paper tells nothing."""
    if is_cjk(before) or is_cjk(after) or (before.isdigit() and after.isdigit()):
        return False
    return before.isalnum() and (after.isalnum() or after in BEGIN)


def _longest_blank(inked: bytes) -> int:
    """The most zeros in a row."""
    return max(map(len, inked.split(b"\1")))
