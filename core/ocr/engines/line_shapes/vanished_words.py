"""Lines of numbers beside which the words of another script vanished, and such as were read whole.

The built-in recogniser returns of "uchastok Troitskoe: 1-11, 16-26" in Cyrillic ": 1-11, 16-26", sure of
itself; the share of the ink that it accounts for tells. Where all is, nobody reads numbers better.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from ...results.line import Line
from ..script_judge import LIKE_LATIN

# Measured on two pages of such lines (0.65 to 0.82, and 36 numbers alone: 0.91 and more, all but a "5").
IN_PART, ALL = 0.85, 0.92
LONG = 4.0  # heights of a line in which words may have vanished
SURE = 0.95  # of a number that was read whole
_SIGNS = r"[\s\d.,:;/%()+$\u20ac\u00a3\u00a5\u2013-]*"  # Tesseract's Cyrillic takes those of money for others
NUMBER = re.compile(rf"{_SIGNS}\d{_SIGNS}")


def with_vanished_words(lines: Sequence[Line], script: str) -> list[Line]:
    """``lines`` of a page, those of numbers beside which words vanished marked to be in ``script`` too. Their
    polygons stay, so that ``restored`` knows them.
    """
    if script not in LIKE_LATIN:
        return list(lines)
    return [replace(line, foreign=script) if _in_part(line) else line for line in lines]


def restored(read: Sequence[Line], lines: Sequence[Line]) -> list[Line]:
    """``read``, and of ``lines`` as they were before those that nobody could read better."""
    before = {line.polygon: line for line in lines if not line.foreign}
    return [before.get(line.polygon, line) if line.foreign else line for line in read]


def is_whole_number(line: Line) -> bool:
    """Whether a line is numbers alone, of which the recogniser is sure and left no ink."""
    whole = line.explained is not None and line.explained >= ALL
    return whole and (line.confidence or 0.0) >= SURE and bool(NUMBER.fullmatch(line.text))


def _in_part(line: Line) -> bool:
    if line.foreign or line.explained is None or line.explained > IN_PART:
        return False
    a, b, c = line.polygon[:3]
    return bool(NUMBER.fullmatch(line.text)) and math.dist(a, b) >= LONG * math.dist(b, c)
