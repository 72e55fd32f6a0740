"""Pictures with words in them: the panels of a comic are read one by one, and in each balloon by balloon.

What stands level in two pictures belongs to neither row nor column of a table. Panels are read as the cuts
through the whole page part them, rows first, and of balloons the left one before what is not wholly above it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from ...cancel import watched
from .column_signs import numbers_of
from .line_boxes import Box, close_groups, rotated
from .rules import Ruling

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

MOSTLY = 0.4  # of a page's lines stand in panels, in two or more of them
MOST_LINES = 400  # of a page that is read so: text of more is no caption
MEET = 0.25  # of the lower one's height panels of two rows may overlap; frames are drawn by hand
EDGE, THROUGH, RULES = 0.08, 0.7, 2  # of a panel's size: where its frame may be, and a rule's length; rules
BOXES = 4  # upright rules above and below the one that goes through
CLOSE = 0.7  # lines of one balloon are no farther apart, in line heights, along the row too


@dataclass(frozen=True)
class Panel:
    """A framed picture: its sides in pixels of the page."""

    x0: float
    y0: float
    x1: float
    y1: float

    def has(self, x: float, y: float) -> bool:
        return self.x0 <= x <= self.x1 and self.y0 <= y <= self.y1

    def comes_after(self, x: float, y: float) -> bool:
        """Whether a place is above the panel, or beside it on the left."""
        return y < self.y0 or (y <= self.y1 and x < self.x0)


@dataclass(frozen=True)
class Pictures:
    """``panels`` of a page; ``sums``, (height + 1, width + 1): of the pixels of a photograph or a drawing,
    no line's, above and to the left of each place of the page at ``scale``.
    """

    panels: tuple[Panel, ...]
    sums: NDArray[int64]
    scale: float

    def from_the_right(self) -> Pictures:
        """The panels as in a mirror: where one reads from right to left. Not ``sums``."""
        panels = tuple(Panel(-one.x1, one.y0, -one.x0, one.y1) for one in self.panels)
        return replace(self, panels=panels)

    def share(self, x0: float, y0: float, x1: float, y1: float) -> float:
        """The share, 0 to 1, of a rectangle that is drawn."""
        high, wide = self.sums.shape
        left, right = (min(max(round(x * self.scale), 0), wide - 1) for x in (x0, x1))
        top, bottom = (min(max(round(y * self.scale), 0), high - 1) for y in (y0, y1))
        area = (right - left) * (bottom - top)
        if area <= 0:
            return 0.0
        corners = ((bottom, right, 1), (top, right, -1), (bottom, left, -1), (top, left, 1))
        return float(sum(sign * int(self.sums[y, x]) for y, x, sign in corners) / area)


@dataclass(frozen=True)
class Part:
    """Boxes of a page: of one panel, or of what stands around panels."""

    boxes: list[Box]
    panel: bool


def by_panels(boxes: Sequence[Box], angle: float, pictures: Pictures | None, ruling: Ruling) -> list[Part]:
    """``boxes`` of a page that was turned back by ``angle`` (radians), in reading order by panels; one part
    where the page is not read by them. A panel with a ruled table or a column of numbers is none.
    """
    panels = pictures.panels if pictures else ()
    if len(boxes) > MOST_LINES or len(panels) < 2:
        return [Part(list(boxes), False)]
    inside: dict[Panel, list[Box]] = {}
    around: list[tuple[Box, float, float]] = []
    for box in watched(boxes):
        ((x, y),) = rotated(((box.centre, box.middle),), angle)
        panel = next((one for one in panels if one.has(x, y)), None)
        if panel is None:
            around.append((box, x, y))
        else:
            inside.setdefault(panel, []).append(box)
    own = sum(map(len, inside.values()))
    tables = any(_is_ruled(panel, angle, ruling) for panel in inside) or any(
        map(_are_numbers, inside.values())
    )
    if len(inside) < 2 or own < MOSTLY * len(boxes) or tables:
        return [Part(list(boxes), False)]
    found: list[Part] = []
    for panel in in_order(list(inside)):
        before = [box for box, x, y in around if panel.comes_after(x, y)]
        around = [one for one in around if not panel.comes_after(*one[1:])]
        found += [Part(before, False)] if before else []
        found.append(Part(inside[panel], True))
    return [*found, Part([box for box, *_ in around], False)] if around else found


def _are_numbers(boxes: Sequence[Box]) -> bool:
    """Whether the lines of a panel are a column of prices beside another panel's names."""
    return len(boxes) > 1 and len(numbers_of(boxes)) == len(boxes)


def _is_ruled(panel: Panel, angle: float, ruling: Ruling) -> bool:
    """Whether rules go through a panel from side to side, as between the rows of a table in a frame, or one
    does and parts two rows of boxes.
    """
    corners = rotated([(x, y) for x in (panel.x0, panel.x1) for y in (panel.y0, panel.y1)], -angle)
    (left, right), (top, bottom) = ((min(side), max(side)) for side in zip(*corners, strict=True))
    level = _through(ruling.level, (top, bottom), (left, right))
    upright = _through(ruling.upright, (left, right), (top, bottom))
    if level >= RULES or min(level, upright) > 0:
        return True
    halves = [
        half
        for rule in ruling.level
        if _through([rule], (top, bottom), (left, right))
        for half in ((top, rule[0]), (rule[0], bottom))
    ]
    return sum(_through(ruling.upright, (left, right), half) for half in halves) >= BOXES


def _through(
    rules: Sequence[tuple[float, float, float]], across: tuple[float, float], along: tuple[float, float]
) -> int:
    """How many rules (place, start, end) go through most of ``along`` well between the sides ``across``."""
    spare = EDGE * (across[1] - across[0])
    return sum(
        across[0] + spare < place < across[1] - spare
        and min(end, along[1]) - max(start, along[0]) > THROUGH * (along[1] - along[0])
        for place, start, end in rules
    )


def in_order(panels: Sequence[Panel]) -> list[Panel]:
    """Panels as they are read: by rows as far as level cuts part them, in a row by upright cuts."""
    for start, stop in (("y0", "y1"), ("x0", "x1")):
        groups = _cut(panels, start, stop)
        if len(groups) > 1:
            return [panel for group in groups for panel in in_order(group)]
    return sorted(panels, key=lambda panel: (panel.y0, panel.x0))


def _cut(panels: Sequence[Panel], start: str, stop: str) -> list[list[Panel]]:
    groups: list[list[Panel]] = []
    reach = -math.inf  # a mirrored page lies left of 0
    for panel in sorted(panels, key=lambda one: float(getattr(one, start))):
        begins, ends = float(getattr(panel, start)), float(getattr(panel, stop))
        if groups and begins > reach - MEET * (ends - begins):
            groups.append([panel])
        elif groups:
            groups[-1].append(panel)
        else:
            groups = [[panel]]
        reach = max(reach, ends)
    return groups


def balloons(boxes: Sequence[Box]) -> Iterator[list[Box]]:
    """The lines of a panel, unit by unit: those that stand close together, the left unit first of those that
    none stands wholly above.
    """
    units = close_groups(boxes, _close)
    while units:
        free = [one for one in units if not any(_above(other, one) for other in units if other is not one)]
        first = min(free or units, key=lambda one: min(b.x0 for b in one))
        units.remove(first)
        yield first


def _close(a: Box, b: Box) -> bool:
    """Whether two lines stand over one another or side by side with no more than a narrow space between."""
    near = CLOSE * min(a.height, b.height)
    across = max(a.x0, b.x0) - min(a.x1, b.x1)
    along = max(a.y0, b.y0) - min(a.y1, b.y1)
    one_row = abs(a.middle - b.middle) < 0.5 * min(a.height, b.height)
    return (across < 0 and along < near) or (one_row and across < near)


def _above(upper: Sequence[Box], lower: Sequence[Box]) -> bool:
    slack = 0.3 * median(b.height for b in (*upper, *lower))
    return max(b.y1 for b in upper) - slack < min(b.y0 for b in lower)
