"""The rules of tables on a page, for the reading order: also beside cells filled with a colour."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from ....cancel import watched
from ...results.line import Line
from ...results.line_boxes import Box, level_boxes, visual_rows
from ...results.result import hull
from ...results.rules import Rule
from ...results.text_angle import text_angle
from ..level_picture import LevelPicture, level_picture
from .table_rules import RULE_THICKNESS, Found, ink_of, level_rules, shares_beside

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

FAINT_RULE = 25  # grey levels: what is only looked at may be fainter than what is painted over
MOST_RULES = 2_000  # of a page; more are a hatching
ENDS = 0.05  # of a rule at each of its ends tells where that lies
WIDE_GAP = 0.5  # line heights between two words or lines of a row that may be cells
# Of a line's height is what is filled with a colour, not written, both ways; of a page, at least; of both
# sides of a light rule.
FILLED, FILLED_SHARE, BETWEEN_FILLED = 0.8, 0.01, 0.5
BAND = 0.4, 1.5  # line heights, down and across, of what is left of a filled cell above and below its words
WITHIN, OF_A_LINE = 0.25, 0.8  # of a line's height, and of a rule's length: what is so far in is letters
PAPER = 0.2  # of what lies beyond the end of a filled cell is ink, at most
# Rules of the other direction that a doubtful one joins, and how near, in line heights.
JOINED, JOINING = 2, 0.5
# Line heights: drawn through for so long is no row of letters that touch, and are no stems of several rows.
SURE_LEVEL, SURE_UPRIGHT = 12.0, 3.0


def rules_on(image: NDArray[uint8], lines: Sequence[Line]) -> tuple[Rule, ...]:
    """The rules along and across the text of a page (uint8 RGB), where two of its rows may have cells."""
    if len(lines) < 2:
        return ()
    import cv2
    import numpy as np

    angle = text_angle(lines)
    boxes = level_boxes(lines, angle)
    if sum(_may_have_cells(row, lines, angle) for row in visual_rows(boxes)) < 2:
        return ()
    high = median(box.height for box in boxes)
    level = level_picture(image, angle)
    sides: list[list[Found]] = []  # level ones, upright ones
    for flip in (False, True):
        picture = np.asarray(cv2.transpose(level.picture), np.uint8) if flip else level.picture
        looked = _looked_for(picture, high, SURE_UPRIGHT if flip else SURE_LEVEL)
        sides.append(list(itertools.islice(looked, MOST_RULES + 1)))
    sides[0] = _beside_letters(sides[0], level, lines)
    rules: list[Rule] = []
    for flip, mine in zip((False, True), _in_tables(sides, high), strict=True):
        for found in mine:
            width = found.mask.shape[1]
            end = max(1, round(ENDS * width))
            ends = [(found.x, found.mask[:, :end]), (found.x + width, found.mask[:, -end:])]
            points = [(float(x), found.y + float(np.nonzero(part)[0].mean()) + 0.5) for x, part in ends]
            start, stop = (level.point((y, x) if flip else (x, y)) for x, y in points)
            rules.append(Rule(start, stop))
    return tuple(rules) if len(rules) <= MOST_RULES else ()


def _beside_letters(found: Sequence[Found], level: LevelPicture, lines: Sequence[Line]) -> list[Found]:
    """Level rules without such as are the middle of a line of small print, whose letters touch."""
    import numpy as np

    places = np.array([hull([level.forth(point) for point in line.polygon]) for line in lines])
    x0, y0, x1, y1 = places.T
    inner = WITHIN * (y1 - y0)
    kept = []
    for one in watched(found, 16):
        y, start, stop = one.place
        through = (y0 + inner < y) & (y < y1 - inner)
        if not np.any(through & (np.minimum(stop, x1) - np.maximum(start, x0) > OF_A_LINE * (stop - start))):
            kept.append(one)
    return kept


def _in_tables(sides: Sequence[Sequence[Found]], line_height: float) -> Iterator[list[Found]]:
    """Of the level and the upright rules those that are no doubtful ones, or join ``JOINED`` of the others;
    none twice.
    """
    import numpy as np

    near = JOINING * line_height
    for mine, others in (sides, sides[::-1]):
        across = np.array([one.place for one in others] or [(-1.0, 0, 0)])
        kept = []
        for found in mine:
            at, start, stop = found.place
            met = (across[:, 0] >= start - near) & (across[:, 0] <= stop + near)
            met &= (across[:, 1] <= at + near) & (across[:, 2] >= at - near)
            if not found.doubtful or np.count_nonzero(met) >= JOINED:
                kept.append(found)
        sure = [found.place for found in kept if found.doubtful]
        yield [one for one in kept if one.doubtful or not any(_covers(other, one, near) for other in sure)]


def _covers(other: tuple[float, int, int], found: Found, near: float) -> bool:
    at, start, stop = found.place
    return abs(other[0] - at) < near / 2 and min(stop, other[2]) - max(start, other[1]) > (stop - start) / 2


def _looked_for(picture: NDArray[uint8], line_height: float, sure: float) -> Iterator[Found]:
    """The level rules of a picture (uint8 RGB). Where cells are filled with a colour, what is darker than
    what stands above and below it is one, what is lighter between two filled cells, and where these end.
    """
    import cv2
    import numpy as np

    ink = ink_of(picture, FAINT_RULE)
    square = np.ones((max(3, round(FILLED * line_height)),) * 2, np.uint8)
    filled = cv2.morphologyEx(ink, cv2.MORPH_OPEN, square)
    if filled.mean() < FILLED_SHARE:
        yield from level_rules(ink, line_height, True, sure=sure)
        return
    yield from level_rules(ink, line_height, True)
    for found in _ends_of_filled(ink, line_height):
        yield replace(found, doubtful=True)
    filled |= cv2.morphologyEx(1 - ink, cv2.MORPH_OPEN, square)  # most of a page may be
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    stroke = np.ones((2 * max(2, round(RULE_THICKNESS * line_height)) + 1,) * 2, np.uint8)
    dark = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, stroke) > FAINT_RULE
    for found in level_rules(dark.astype(np.uint8), line_height, True, sure=sure):
        yield replace(found, doubtful=True)
    light = (cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, stroke) > FAINT_RULE).astype(np.uint8)
    reach = len(stroke) // 2
    for found in level_rules(light, line_height, True):
        height, width = found.mask.shape
        columns = slice(found.x, found.x + width)
        sides = filled[max(0, found.y - reach)], filled[min(len(filled) - 1, found.y + height + reach)]
        if min(float(side[columns].mean()) for side in sides) > BETWEEN_FILLED:
            yield replace(found, doubtful=True)


def _ends_of_filled(ink: NDArray[uint8], line_height: float) -> Iterator[Found]:
    """Where filled cells end above or below, and paper begins; not where the words in them do."""
    import cv2
    import numpy as np

    down, across = (max(3, round(share * line_height)) for share in BAND)
    bands = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((down, across), np.uint8))
    ends = cv2.morphologyEx(bands, cv2.MORPH_GRADIENT, np.ones((3, 1), np.uint8))
    for found in level_rules(ends, line_height, True):
        if min(shares_beside(ink, found, down)) < PAPER:
            yield found


def _may_have_cells(row: Sequence[Box], lines: Sequence[Line], angle: float) -> bool:
    """Whether a row has pieces that stand apart."""
    pieces: list[Box] = []
    for box in row:
        words = [Line(word.text, word.polygon) for word in lines[box.index].words]
        pieces += level_boxes(words, angle) or [box]
    pieces.sort(key=lambda box: box.x0)
    return any(b.x0 - a.x1 > WIDE_GAP * min(a.height, b.height) for a, b in itertools.pairwise(pieces))
