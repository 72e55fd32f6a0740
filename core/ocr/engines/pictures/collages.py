"""Pictures set side by side in one (a photograph beside its reading, the parts of a collage): where one ends
and the next begins, its columns of pixels change along their whole height. Lines are not read across that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...results.line import Line
from ...results.result import hull
from .colour_steps import across
from .seams import BESIDE, CHANGE, CLEAR, Area, changing, room_beside

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

LONG_SIDE = 1000  # pixels that are looked at
FEWEST = 4  # lines of a picture that is looked at
LEVEL = 0.6  # of them are wider than high: other pages are turned, or of upright columns
GRAIN = 0.55  # of a strip's neighbouring pixels are alike where it was drawn; of a photograph's fewer are
STRIP = 0.06  # of the width beside a seam, that is looked at for grain
ALIGNED = 0.5  # of the lines of one side stand in rows with the other's in a table
GOES_ON = 0.5  # of a seam's length, at most, has another colour behind what changes there, if that is a rule


def collage(image: NDArray[uint8], lines: Sequence[Line]) -> list[list[int]]:
    """The lines of an uint8 RGB picture (height, width, 3) by their numbers, panel by panel in reading order;
    one group where it is one picture.
    """
    import cv2

    whole = list(range(len(lines)))
    if len(lines) < FEWEST or sum(map(_level, lines)) < LEVEL * len(lines):
        return [whole]
    high, wide = image.shape[:2]
    scale = min(1.0, LONG_SIDE / max(high, wide))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    boxes = [tuple(scale * side for side in hull(line.polygon)) for line in lines]
    area = 0, 0, small.shape[1], small.shape[0]
    return _stacked(small, area, whole, boxes) or _beside(small, area, whole, boxes) or [whole]


def _level(line: Line) -> bool:
    left, top, right, bottom = hull(line.polygon)
    return right - left > bottom - top


def _stacked(
    picture: NDArray[uint8], area: Area, some: Sequence[int], boxes: Sequence[tuple[float, ...]]
) -> list[list[int]]:
    """Panels of rows of them; none where no row has several: a coloured heading is no picture alone."""
    left, top, right, bottom = area
    turned = picture.transpose(1, 0, 2)
    mirrored = [(box[1], box[0], box[3], box[2]) for box in boxes]
    for seam in _seams(turned, (top, left, bottom, right), some, mirrored):
        parts = []
        above = [i for i in some if boxes[i][1] + boxes[i][3] < 2 * seam]
        below = [i for i in some if i not in above]
        for part, group in (((left, top, right, seam), above), ((left, seam, right, bottom), below)):
            parts += _beside(picture, part, group, boxes) or [group]
        if len(parts) > 2:
            return parts
    return []


def _beside(
    picture: NDArray[uint8], area: Area, some: Sequence[int], boxes: Sequence[tuple[float, ...]]
) -> list[list[int]]:
    """Panels from left to right, or none where there is one."""
    left, top, right, bottom = area
    for seam in _seams(picture, area, some, boxes):
        before = [i for i in some if boxes[i][0] + boxes[i][2] < 2 * seam]
        after = [i for i in some if i not in before]
        in_rows = _aligned(before, after, boxes)
        if in_rows and (not _grainy(picture, area, seam) or _is_rule(picture, area, seam)):
            continue
        first, second = (left, top, seam, bottom), (seam, top, right, bottom)
        return [
            *(_beside(picture, first, before, boxes) or [before]),
            *(_beside(picture, second, after, boxes) or [after]),
        ]
    return []


def _seams(
    picture: NDArray[uint8], area: Area, some: Sequence[int], boxes: Sequence[tuple[float, ...]]
) -> list[int]:
    """Columns of pixels between two panels, the clearest first, with lines on both sides and none across."""
    import numpy as np

    left, top, right, bottom = area
    part = picture[top:bottom, left:right]
    room = room_beside(right - left)
    if right - left <= 2 * room or not some:
        return []
    share = changing(part).mean(0)
    found: list[int] = []
    for place in np.argsort(-share, kind="stable").tolist():
        if share[place] < CLEAR:
            break
        seam = left + place
        if not room <= place <= right - left - room or any(abs(seam - one) < room for one in found):
            continue
        sides = {boxes[i][0] + boxes[i][2] < 2 * seam for i in some}
        crossed = any(boxes[i][0] + BESIDE < seam < boxes[i][2] - BESIDE for i in some)
        if len(sides) == 2 and not crossed:
            found.append(seam)
    return found


def _aligned(before: Sequence[int], after: Sequence[int], boxes: Sequence[tuple[float, ...]]) -> bool:
    """Whether the lines of both sides stand in rows, as those of a table do whose columns have colours."""
    few, many = sorted((before, after), key=len)
    beside = sum(any(_in_row(boxes[i], boxes[k]) for k in many) for i in few)
    return beside >= ALIGNED * len(few)


def _in_row(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return shared > 0.5 * max(one[3] - one[1], other[3] - other[1])


def _grainy(picture: NDArray[uint8], area: Area, seam: int) -> bool:
    """Whether one side of a seam is a photograph."""
    left, top, right, bottom = area
    strip = max(2 * BESIDE, round(STRIP * (right - left)))
    before = picture[top:bottom, max(left, seam - strip) : seam - BESIDE]
    sides = before, picture[top:bottom, seam + BESIDE : seam + strip]
    alike = [(across(side.transpose(1, 0, 2), 1) <= 1).mean() for side in sides]
    return bool(min(alike) < GRAIN)


def _is_rule(picture: NDArray[uint8], area: Area, seam: int) -> bool:
    """Whether what changes at a seam is a rule, as those of a scanned table: the ground beyond it is the same
    on both sides. Two pictures differ there.
    """
    import numpy as np

    left, top, right, bottom = area
    near, far = 2 * BESIDE, 4 * BESIDE
    before = picture[top:bottom, max(left, seam - far) : max(left + 1, seam - near)]
    after = picture[top:bottom, min(right - 1, seam + near) : min(right, seam + far)]
    return bool((np.abs(np.median(before, 1) - np.median(after, 1)).max(1) > CHANGE).mean() < GOES_ON)
