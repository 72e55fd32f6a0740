"""In which script the words of a doubted page are, looked at without the rules beside them.

Dotted or drawn rules of small cells, a few pixels off the letters, are strokes to the script net as well as
to the recogniser: a table in Cyrillic that lay aslant came back as Latin nonsense ("OCHIO"), and the net was
sure of Latin where it was sure of anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from ...results.line import Line
from ...results.text_angle import text_angle
from ..drawn_rules.table_rules import without_rules
from ..level_picture import level_picture
from ..script_detection import guess_as_they_stand
from ..way_up import Stand

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

# So many lines at least, of which so many were not read, or with a lower score; numbers tell nothing.
FEWEST, DOUBTED, SURE = 6, 0.5, 0.9


def are_doubted(stands: Sequence[Stand]) -> bool:
    """Whether half of a page's lines, or more, came back with doubt or not at all."""
    asked = [one for one in stands if not one.reading[0].strip().isdigit()]
    doubted = sum(not one.reading[0].strip() or one.reading[1] < SURE for one in asked)
    return len(asked) >= FEWEST and doubted >= DOUBTED * len(asked)


def guessed_without_rules(bgr: NDArray[uint8], stands: Sequence[Stand]) -> list[Stand]:
    """``stands`` of a page (uint8 BGR) with the script net's guesses once its rules are painted over; as they
    are where it has none.
    """
    lines = [Line(one.reading[0], one.cut.polygon) for one in stands]
    level = level_picture(bgr, text_angle(lines))
    high = median(math.dist(line.polygon[1], line.polygon[2]) for line in lines)
    clean = replace(level, picture=without_rules(level.picture, high, aslant=True))
    if clean.picture is level.picture:
        return list(stands)
    straight = [index for index, one in enumerate(stands) if one.cut.bend is None]
    crops = [clean.cut(lines[index].polygon) for index in straight]
    found = list(stands)
    for index, guess in zip(straight, guess_as_they_stand(crops), strict=True):
        found[index] = replace(stands[index], guess=guess)
    return found
