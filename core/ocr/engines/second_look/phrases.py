"""A second look at long lines of Chinese and Japanese whose phrases stand apart: each phrase read alone.

Over blank paper the recogniser loses its footing: of a traditional text it gave simplified characters, which
it reads right where the line ends at the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ....cjk import is_cjk
from ..script_detection import explained_share, inked_columns
from ..way_up import Reading, Stand

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

SURE = 0.97  # of a line that is not looked at again
LONG = 6.0  # width over height of a line that is
MOST_LINES = 40  # of one page
GAP = 0.5  # heights of the line, of paper between phrases: those of one stand closer
BETTER = 0.01  # by which phrases are surer than their line


def read_by_phrases(
    stands: Sequence[Stand], recognise: Callable[[Sequence[NDArray[uint8]]], Sequence[Reading]]
) -> list[Stand]:
    """The lines of a page; unsure ones in Chinese or Japanese as their phrases say, where that is surer."""
    better = list(stands)
    cut: dict[int, list[tuple[int, int]]] = {}
    for index, stand in enumerate(stands):
        if len(cut) < MOST_LINES and _unsure(stand):
            pieces = phrases(stand.cut.crop)
            if len(pieces) > 1:
                cut[index] = pieces
    crops = [stands[i].cut.crop[:, start:end] for i, pieces in cut.items() for start, end in pieces]
    read = iter(recognise(crops) if crops else ())
    for index, pieces in cut.items():
        reading = joined([(start, next(read)) for start, _ in pieces])
        if reading[1] > stands[index].reading[1] + BETTER:
            crop = stands[index].cut.crop
            explained = explained_share(crop, reading[2])
            better[index] = replace(stands[index], reading=reading, explained=explained)
    return better


def _unsure(stand: Stand) -> bool:
    text, score, _, _ = stand.reading
    return score < SURE and stand.cut.aspect >= LONG and sum(map(is_cjk, text)) > len(text) / 2


def phrases(crop: NDArray[uint8]) -> list[tuple[int, int]]:
    """(first column, column after the last) of what stands apart in a line, uint8 BGR (height, width, 3),
    half of the gaps included.
    """
    import numpy as np

    ink = np.flatnonzero(inked_columns(crop))
    gaps = [(a, b) for a, b in pairwise(ink.tolist()) if b - a > GAP * crop.shape[0]]
    ends = [0, *((a + b + 1) // 2 for a, b in gaps), crop.shape[1]]
    return list(pairwise(ends))


def joined(read: Sequence[tuple[int, Reading]]) -> Reading:
    """One reading of phrases, each with the column at which it begins; no reading where one says nothing."""
    if not all(reading[0].strip() for _, reading in read):
        return "", 0.0, [], []
    letters = [len(reading[2]) for _, reading in read]
    score = sum(n * reading[1] for n, (_, reading) in zip(letters, read, strict=True)) / max(1, sum(letters))
    spans = [(start + x0, start + x1) for start, reading in read for x0, x1 in reading[2]]
    chances = [chance for _, reading in read for chance in reading[3]]
    return " ".join(reading[0].strip() for _, reading in read), score, spans, chances
