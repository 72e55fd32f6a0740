"""Drawn or dotted rules of tables, on a page that was turned so that most text runs left to right."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from .line_boxes import rotated
from .result import Point

SPARE = 0.02  # of its length a rule may run at a slant and still be level


@dataclass(frozen=True)
class Rule:
    """One straight rule between two points, pixels of the original image."""

    start: Point
    end: Point


@dataclass(frozen=True)
class Ruling:
    """``level``: (y, x0, x1) of rules along the text, from above; ``upright``: (x, y0, y1) of those across,
    from the left; pixels of the turned page.
    """

    level: tuple[tuple[float, float, float], ...] = ()
    upright: tuple[tuple[float, float, float], ...] = ()

    def crossing(self, x: float, top: float, bottom: float) -> list[float]:
        """The heights of level rules that cross ``x`` between ``top`` and ``bottom``, in order."""
        first = bisect.bisect_left(self.level, (top,))
        found = []
        for y, x0, x1 in self.level[first:]:
            if y > bottom:
                break
            if x0 <= x <= x1:
                found.append(y)
        return found

    def under(self, left: float, right: float, share: float, top: float, bottom: float) -> list[float]:
        """The heights between ``top`` and ``bottom`` at which level rules take at least ``share`` of the
        width from ``left`` to ``right``, pieces of one height put together.
        """
        first = bisect.bisect_left(self.level, (top,))
        rows: list[tuple[float, float]] = []  # height, pixels taken
        for y, x0, x1 in self.level[first:]:
            if y > bottom:
                break
            taken = min(x1, right) - max(x0, left)
            if taken <= 0:
                continue
            if rows and y - rows[-1][0] < SPARE * (right - left):
                rows[-1] = rows[-1][0], rows[-1][1] + taken
            else:
                rows.append((y, taken))
        return [y for y, taken in rows if taken >= share * (right - left)]

    def between(self, left: float, right: float, top: float, bottom: float) -> bool:
        """Whether an upright rule runs from ``top`` to ``bottom`` somewhere from ``left`` to ``right``."""
        first = bisect.bisect_left(self.upright, (left,))
        for x, y0, y1 in self.upright[first:]:
            if x > right:
                return False
            if y0 <= top and y1 >= bottom:
                return True
        return False


def turned(rules: Sequence[Rule], angle: float) -> Ruling:
    """``rules`` once the page is turned back by ``angle`` (radians), as ``level_boxes`` turns lines."""
    level, upright = [], []
    for rule in rules:
        (x0, y0), (x1, y1) = rotated((rule.start, rule.end), -angle)
        if abs(y1 - y0) < abs(x1 - x0):
            level.append(((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
        else:
            upright.append(((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
    return Ruling(tuple(sorted(level)), tuple(sorted(upright)))
