"""The drawn or dotted rules of tables on a picture: how they are told from letters, and painted over."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import bool_, int64, uint8
    from numpy.typing import NDArray

# So much lighter or darker than the paper (grey levels), in heights of a line at least so long and thinner
# than, with less than this share of ink this near (line heights), dots no farther apart (pixels) than this.
RULE_CONTRAST, RULE_LENGTH, RULE_THICKNESS, RULE_ALONE, RULE_NEAR, DOTS_APART = 60, 3.0, 0.25, 0.15, 0.1, 4
FRAME_TALL = 0.5  # line heights of the upright side of a frame around one line, at least
# One between two others and in line with a long one may be as short and have so much ink beside it; pixels
# between its ends and those. Longer than any letter, and it need not be in line with one.
CELL_LENGTH, CELL_ALONE, MEETS = 1.0, 0.5, 4
NO_LETTER = 1.3
# Of a short rule's length, at least, is ink, and of one of several cells; pixels of a dot in a dotted one,
# and how many line heights that is to be.
STROKE, BROKEN, DOT, NO_STEM = 0.97, 0.8, 3, 2.0
MOSTLY_DOTS = 0.6  # of the runs of ink along a dotted rule are dots, the others letters that touch it
LAST_DOT = 2  # pixels: what is left of a dotted rule, at an end of it, is no larger
ALL_ALONG = 0.95  # of a row of pixels is ink, where it is a rule between letters that touch
TELLING = 6.0  # line heights of a rule that tells how level a picture is
ASLANT = 0.01  # of its length a rule may rise on a picture that is not quite level


@dataclass(frozen=True)
class Found:
    """A level rule: the top left of its mask, and the mask itself (height, width; 0 or 1). ``doubtful``: one
    only where it joins others, as the lines of a drawing do not.
    """

    x: int
    y: int
    mask: NDArray[uint8]
    doubtful: bool = False

    @property
    def place(self) -> tuple[float, int, int]:
        """Its height, from where, up to where."""
        height, width = self.mask.shape
        return self.y + height / 2, self.x, self.x + width


def tilt(picture: NDArray[uint8], line_height: float) -> float:
    """By how many radians the long rules of a nearly level picture (uint8 RGB) still run down; 0.0 where
    there are none. Lines of one short word are levelled less exactly.
    """
    import numpy as np

    rules = list(level_rules(ink_of(picture, RULE_CONTRAST), line_height, True))
    long = [found.mask for found in rules if found.mask.shape[1] >= TELLING * line_height]
    slopes = []
    for mask in long:
        rows, columns = np.nonzero(mask)
        slopes.append(float(np.polyfit(columns, rows, 1)[0]))
    return math.atan(median(slopes)) if slopes else 0.0


def without_rules(image: NDArray[uint8], line_height: float, aslant: bool = False) -> NDArray[uint8]:
    """``image`` (uint8 RGB) without the drawn or dotted rules of tables that run level or upright: what is a
    few pixels thick and longer than any letter, painted as the paper. ``aslant``: it was turned until level.
    """
    import numpy as np

    ink = ink_of(image, RULE_CONTRAST)
    inks = ink, np.ascontiguousarray(ink.T)  # as it is, and so that upright rules are level
    drawn = np.zeros_like(ink), np.zeros_like(ink)  # level ones, upright ones
    tips = np.zeros_like(ink)  # the ends of the level ones
    beyond = np.zeros_like(ink)  # both kinds' ends, in line with them
    heights: tuple[list[range], list[range]] = ([], [])  # at which long rules run, and x of upright ones
    for flip in (False, True):
        side = drawn[1].T if flip else drawn[0]
        for found in level_rules(inks[flip], line_height, aslant):
            if flip and _is_letters(inks[flip], found, drawn[0].T):
                continue
            _draw(side, found, inks[flip])
            _reach(beyond.T if flip else beyond, found)
            high, wide = found.mask.shape
            heights[flip].append(range(found.y - 1, found.y + high + 1))
            for x in () if flip else (found.x, found.x + wide):
                tips[found.y : found.y + high, max(0, x - MEETS) : x + MEETS] = 1
    rules = drawn[0] | drawn[1]
    if not rules.any():
        return image
    between = rules.copy()
    for found, flip in _short_rules(inks, drawn, heights, line_height, aslant):
        _draw(between.T if flip else between, found, inks[flip])
        _reach(beyond.T if flip else beyond, found)
    rules = between | _frame_ends(ink, tips, line_height)
    rules |= _last_dots(ink & (1 - rules), beyond)
    clean: NDArray[uint8] = image.copy()
    clean[rules > 0] = np.median(image.reshape(-1, 3)[:: max(1, ink.size // 100_000)], axis=0)
    return clean


def _short_rules(
    inks: tuple[NDArray[uint8], NDArray[uint8]],
    drawn: tuple[NDArray[uint8], NDArray[uint8]],
    heights: tuple[list[range], list[range]],
    line_height: float,
    aslant: bool,
) -> Iterator[tuple[Found, bool]]:
    """The rules of single cells, and whether they are upright: they end at two of the others (``drawn``:
    level and upright ones), or at one and are higher than letters. Letters are as long and thin where they
    stand one over the other, but they have paper between them. ``inks``: of the page as it is, and of its
    rows and columns exchanged.
    """
    for flip in (False, True):
        across = drawn[0].T if flip else drawn[1]
        turned = inks[flip]
        for found in level_rules(turned, line_height, aslant, CELL_LENGTH, CELL_ALONE):
            height, width = found.mask.shape
            rows = slice(max(0, found.y - MEETS), found.y + height + MEETS)
            ends = (found.x, found.x + width)
            meets = all(across[rows, max(0, x - MEETS) : x + MEETS].any() for x in ends)
            solid, dotted = _drawn_through(turned, found)
            in_line = any(found.y + height // 2 in one for one in heights[flip])
            long = width > (NO_LETTER if solid else NO_STEM) * line_height
            between = (solid or dotted) and meets and (in_line or long)
            if between or (flip and solid and long and _touches(turned, found, across)):
                yield found, flip


def _touches(ink: NDArray[uint8], found: Found, across: NDArray[uint8]) -> bool:
    """Whether the stroke of a level rule begins or ends on one of the rules ``across``."""
    import numpy as np

    height, width = found.mask.shape
    rows = slice(found.y, found.y + height)
    gaps = np.flatnonzero(~ink[rows].any(axis=0))
    middle = np.searchsorted(gaps, found.x + width // 2)
    start = int(gaps[middle - 1]) if middle else 0
    stop = int(gaps[middle]) if middle < len(gaps) else ink.shape[1]
    tips = across[rows, start : start + MEETS], across[rows, stop - MEETS : stop + 1]
    return any(bool(tip.any()) for tip in tips)


def _is_letters(ink: NDArray[uint8], found: Found, across: NDArray[uint8]) -> bool:
    """Whether what looks like a rule is letters of low rows, one over the other: each row's end at one of the
    rules ``across``, with paper between. A dotted rule is none that letters touch here and there.
    """
    import numpy as np

    inked = _along(ink, found)
    if inked.mean() >= BROKEN or np.mean(_dots(inked)[1] <= DOT) >= MOSTLY_DOTS:
        return False
    height, width = found.mask.shape
    return bool(across[found.y : found.y + height, found.x : found.x + width].any())


def _drawn_through(ink: NDArray[uint8], found: Found) -> tuple[bool, bool]:
    """Whether a level rule is one stroke, and whether it is dots."""
    import numpy as np

    inked = _along(ink, found)
    starts, lengths = _dots(inked)
    steps = np.diff(starts)  # from dot to dot
    dotted = len(steps) > 1 and lengths.max() <= DOT and np.ptp(steps) <= 2
    return float(inked.mean()) >= STROKE, bool(dotted)


def _along(ink: NDArray[uint8], found: Found) -> NDArray[bool_]:
    """Where along a level rule there is ink."""
    import numpy as np

    height, width = found.mask.shape
    spare = DOTS_APART // 2  # bridged dots lie so much aside
    return np.asarray(ink[found.y : found.y + height, found.x + spare : found.x + width - spare].any(axis=0))


def _dots(inked: NDArray[bool_]) -> tuple[NDArray[int64], NDArray[int64]]:
    """Where runs of ink begin, and how long they are."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate(([0], inked.astype(np.int8), [0]))))
    return edges[::2], edges[1::2] - edges[::2]


def _frame_ends(ink: NDArray[uint8], tips: NDArray[uint8], line_height: float) -> NDArray[uint8]:
    """The upright sides of frames around single lines: too short to be told from letters, but for the
    ``tips`` of level rules (height, width; 0 or 1) that they join above and below.
    """
    import cv2
    import numpy as np

    tall, thick = max(6, round(FRAME_TALL * line_height)), max(2, round(RULE_THICKNESS * line_height))
    upright = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((tall, 1), np.uint8))
    near = cv2.dilate(tips, np.ones((5, 5), np.uint8))
    ends = np.zeros_like(tips)
    _, labels, places, _ = cv2.connectedComponentsWithStats(upright, connectivity=4)
    for label, (x, y, wide, high, _) in enumerate(places.tolist()):
        if label == 0 or wide > thick:
            continue
        if near[y, x : x + wide].any() and near[y + high - 1, x : x + wide].any():
            place = slice(y, y + high), slice(max(0, x - 1), x + wide + 1)  # with its soft edges
            ends[place] |= cv2.dilate((labels[place] == label).astype(np.uint8), np.ones((1, 3), np.uint8))
    return ends


def _reach(beyond: NDArray[uint8], found: Found) -> None:
    height, width = found.mask.shape
    rows = slice(max(0, found.y - 1), found.y + height + 1)
    for x in (found.x - MEETS, found.x + width):
        beyond[rows, max(0, x) : max(0, x + MEETS)] = 1


def _last_dots(left: NDArray[uint8], beyond: NDArray[uint8]) -> NDArray[uint8]:
    """Single dots of the ink that is ``left`` where rules ended: where two dotted ones cross, the last dot of
    one stands too far from its others. Tesseract reads it as a quotation mark before the word in the cell.
    """
    import cv2
    import numpy as np

    _, labels, places, _ = cv2.connectedComponentsWithStats(left, connectivity=8)
    small = np.maximum(places[:, cv2.CC_STAT_WIDTH], places[:, cv2.CC_STAT_HEIGHT]) <= LAST_DOT
    small[0] = False
    touched = np.zeros(len(places), bool)
    touched[np.unique(labels[beyond > 0])] = True
    return np.asarray((small & touched)[labels], np.uint8)


def _draw(side: NDArray[uint8], found: Found, ink: NDArray[uint8]) -> None:
    """A rule onto ``side``, with the ink at both ends of a stroke: bridging dots moves it by so much."""
    height, width = found.mask.shape
    rows = slice(found.y, found.y + height)
    side[rows, found.x : found.x + width] |= found.mask
    if not _drawn_through(ink, found)[0]:
        return
    for start, stop in ((found.x - DOTS_APART, found.x), (found.x + width, found.x + width + DOTS_APART)):
        ends = slice(max(0, start), max(0, stop))
        side[rows, ends] |= ink[rows, ends]


def ink_of(image: NDArray[uint8], contrast: int) -> NDArray[uint8]:
    """1 where a picture is so many grey levels off its paper, else 0."""
    import cv2
    import numpy as np

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    counts = np.cumsum(cv2.calcHist([grey], [0], None, [256], [0, 256]).astype(np.int64))
    middle = [int(np.searchsorted(counts, (grey.size + more) // 2)) for more in (1, 2)]
    paper = sum(middle) // 2  # their median
    away = cv2.absdiff(grey, np.full_like(grey, paper))
    return np.asarray(cv2.threshold(away, contrast, 1, cv2.THRESH_BINARY)[1], np.uint8)


def level_rules(
    ink: NDArray[uint8],
    line_height: float,
    aslant: bool,
    length: float = RULE_LENGTH,
    alone: float = RULE_ALONE,
    sure: float = 0.0,
) -> Iterator[Found]:
    """The level rules of ``length`` line heights or more among ``ink`` (height, width; 0 or 1). A row of
    letters that touch is as long and thin, but has ink above or below. Those on a picture that was turned
    (``aslant``) are taken a pixel thicker on both sides, so that one which is not quite level is one piece
    and goes with its edges. ``sure``: for those that are only looked at; so many line heights of one stroke
    are a rule whatever stands beside it.
    """
    import cv2
    import numpy as np

    long = max(8, round(length * line_height))
    beside = max(2, round(RULE_THICKNESS * line_height))
    soft, more = int(sure > 0), 2 * aslant  # pixels: edges of what is only looked at may be soft
    for start, stop in _bands(ink, long, aslant):
        around = slice(max(0, start - aslant), stop + aslant)
        thick = cv2.dilate(ink[around], np.ones((1 + more, 1), np.uint8))
        bridged = cv2.morphologyEx(thick, cv2.MORPH_CLOSE, np.ones((1, DOTS_APART), np.uint8))
        found = cv2.morphologyEx(bridged, cv2.MORPH_OPEN, np.ones((1, long), np.uint8))
        found = np.ascontiguousarray(found[start - around.start : stop - around.start])
        _, labels, places, _ = cv2.connectedComponentsWithStats(found, connectivity=4)
        for label, (x, top, wide, high, area) in enumerate(places.tolist()):
            y = start + top
            if label == 0:
                continue
            over = max(area / wide, high - ASLANT * wide) - beside - more  # too thick by so much
            if over >= soft:
                if sure and wide > sure * line_height:
                    yield from _among_letters(ink, (x, y, wide, high), beside)
                continue
            found_one = Found(x, y, (labels[top : top + high, x : x + wide] == label).astype(np.uint8))
            if over < 0 and _stands_alone(ink, found_one, line_height, alone):
                yield found_one
            elif sure and _is_rule_among_ink(ink, found_one, line_height, alone, sure):
                yield replace(found_one, doubtful=True)


def _among_letters(ink: NDArray[uint8], place: tuple[int, int, int, int], thickness: int) -> Iterator[Found]:
    """The rules where letters of low rows and a rule look like one piece (x, y, width, height): rows of
    pixels that are full all along, and no more of them than a rule is thick.
    """
    import numpy as np

    x, y, wide, high = place
    full = ink[y : y + high, x : x + wide].mean(axis=1) > ALL_ALONG
    edges = np.flatnonzero(np.diff(np.concatenate(([0], full.astype(np.int8), [0])))).tolist()
    found = [(top, end) for top, end in zip(edges[::2], edges[1::2], strict=True) if end - top <= thickness]
    if any(after[0] - before[1] < 2 * thickness for before, after in itertools.pairwise(found)):
        return  # the dots of which a printer makes grey
    for top, end in found:
        yield Found(x, y + top, np.ones((end - top, wide), np.uint8), doubtful=True)


def _stands_alone(ink: NDArray[uint8], found: Found, line_height: float, alone: float) -> bool:
    """Whether there is little ink above and below what may be a rule."""
    return max(shares_beside(ink, found, max(2, round(RULE_NEAR * line_height)))) < alone


def shares_beside(ink: NDArray[uint8], found: Found, near: int) -> tuple[float, float]:
    """How much of ``near`` rows of pixels above a level rule, and below it, is ink: 0 to 1."""
    high, wide = found.mask.shape
    columns = slice(found.x, found.x + wide)
    above = ink[max(0, found.y - near) : found.y, columns]
    below = ink[found.y + high : found.y + high + near, columns]
    over, under = (float(side.mean()) if side.size else 0.0 for side in (above, below))
    return over, under


def _is_rule_among_ink(
    ink: NDArray[uint8], found: Found, line_height: float, alone: float, sure: float
) -> bool:
    """Whether it is one stroke of ``sure`` line heights, or the ink beside it is that of rules across."""
    near, far = max(2, round(RULE_NEAR * line_height)), round(NO_LETTER * line_height)
    high, wide = found.mask.shape
    if wide > sure * line_height and _is_one_stroke(ink, found):
        return True
    columns = slice(found.x, found.x + wide)
    above, below = ink[: found.y, columns], ink[found.y + high :, columns]
    sides = (above[-near:], above[-far:]), (below[:near], below[:far])
    return max(float((some > more.all(axis=0)).mean()) if some.size else 0.0 for some, more in sides) < alone


def _is_one_stroke(ink: NDArray[uint8], found: Found) -> bool:
    """Whether two neighbouring rows of pixels, or as many as it may rise, have its ink all along: letters
    above one another have stems here and there.
    """
    high, wide = found.mask.shape
    rows = 2 + round(ASLANT / 2 * wide)
    inked = ink[found.y : found.y + high, found.x : found.x + wide]
    tops = range(max(1, high - rows + 1))
    return max(float(inked[top : top + rows].any(axis=0).mean()) for top in tops) >= STROKE


def _bands(ink: NDArray[uint8], long: int, aslant: bool) -> list[tuple[int, int]]:
    """From which row up to which level rules of ``long`` pixels may be: a page has few such rows, and four
    pixels of a row looked at as one tell the others.
    """
    import cv2
    import numpy as np

    height, width = ink.shape
    fours = np.zeros((height, -(-width // DOTS_APART) * DOTS_APART), np.uint8)
    fours[:, :width] = ink
    some = (fours.view(np.uint32) != 0).view(np.uint8)
    thick = cv2.dilate(some, np.ones((1 + 2 * aslant, 1), np.uint8))
    least = max(1, long // DOTS_APART - 2)  # the first and the last four need not be full
    rows = cv2.morphologyEx(thick, cv2.MORPH_ERODE, np.ones((1, least), np.uint8)).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], rows.astype(np.int8), [0])))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
