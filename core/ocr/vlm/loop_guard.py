"""Decoding that runs in circles is cut. Pure logic on token ids: no torch, one guard for each picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

CHECK_EVERY = 8  # tokens between two looks at the tail
LONGEST_PERIOD = 512  # tokens; a longer block that repeats ends at the token limit
LEAST_TOKENS = 40  # a shorter run is never a runaway

_CELL = re.compile(r"</?t[dhr]\b|\||&|<[ferlu]cel>|<nl>", re.IGNORECASE)
_ROW = re.compile(r"\n|</?tr\b|\\\\|<nl>", re.IGNORECASE)
_BOX = re.compile(r"bbox|<loc_\d", re.IGNORECASE)

# How often one block may follow itself before it is a runaway. Rows: the fullest printed tables have about
# 100 rows a page, and equal rows are common in forms (QwenLM/Qwen3-VL #1611 is a table of equal cells).
ROWS, CELLS, SHORT_LINES, NO_WORDS = 150, 100, 100, 200
BOXES = 10  # two entries with the very same box are already one too many
PROSE = ((3, 50), (32, 20), (100, 12), (LONGEST_PERIOD, 6))  # (period in tokens up to, repeats)


@dataclass
class LoopGuard:
    """Watches the tokens of one answer for a block that repeats with nothing new between.

    ``decode`` turns ids into text; it is asked only when a repetition is long enough to be judged. ``start``
    is where the repeating run begins once ``tripped``.
    """

    decode: Callable[[Sequence[int]], str]
    ids: list[int] = field(default_factory=list)
    tripped: bool = False
    start: int = 0
    period: int = 0
    _covered: dict[int, int] = field(default_factory=dict)  # tokens covered by each period at the last look

    def push(self, token: int) -> bool:
        """Take one more token; True from the moment the answer runs in circles."""
        self.ids.append(token)
        if not self.tripped and len(self.ids) % CHECK_EVERY == 0:
            self._look()
        return self.tripped

    def kept(self) -> list[int]:
        """The tokens with the runaway cut down to one repetition."""
        return self.ids[: self.start + self.period] if self.tripped else self.ids

    def _look(self) -> None:
        ids = self.ids
        last, before = ids[-1], ids[-2]
        before_that, self._covered = self._covered, {}
        for period in range(1, min(LONGEST_PERIOD, len(ids) // 2) + 1):
            if ids[-1 - period] != last or (period > 1 and ids[-2 - period] != before):
                continue
            if any(period % shorter == 0 and run >= period for shorter, run in self._covered.items()):
                continue  # the same run, seen as longer blocks
            if ids[-period:] != ids[-2 * period : -period]:
                continue
            covered = self._covered[period] = _covered(ids, period, before_that.get(period, 0))
            # Cheapest limit first: nobody decodes for a block that has come back three times.
            if covered < max(LEAST_TOKENS, period * _least(period)):
                continue
            if covered >= period * limit(self.decode(ids[-period:]), period):
                self.tripped, self.start, self.period = True, len(ids) - covered, period
                return


def _covered(ids: Sequence[int], period: int, known: int) -> int:
    """Length of the tail of ``ids`` in which every token equals the one ``period`` before it; ``known`` is
    what it was CHECK_EVERY tokens ago: a run that goes on is not walked again.
    """
    at = len(ids) - 1
    while at >= period and ids[at] == ids[at - period]:
        if known and at < len(ids) - CHECK_EVERY:
            return known + CHECK_EVERY
        at -= 1
    return len(ids) - 1 - at + period


def _least(period: int) -> int:
    return min(BOXES, next(repeats for up_to, repeats in PROSE if period <= up_to))


def limit(block: str, period: int) -> int:
    """Repeats from which ``block`` (one period, ``period`` tokens, cut anywhere) is a runaway.

    A block's look decides: rows and cells of a table, short lines of a column and leader dots repeat on real
    pages.
    """
    if _BOX.search(block):
        return BOXES
    if _CELL.search(block):
        return ROWS if _ROW.search(block) else CELLS
    if not any(character.isalnum() for character in block):
        return NO_WORDS
    if "\n" in block and period <= 16 and len(block.strip()) <= 24:
        return SHORT_LINES
    return next(repeats for up_to, repeats in PROSE if period <= up_to)
