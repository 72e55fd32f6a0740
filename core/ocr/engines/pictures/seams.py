"""Straight seams through a page: where a picture in it ends, whatever joins it to its neighbour.

A logo over the gutter, frames that run off the page or a white drawing leave no gutter that could be followed
from the edge; but along a seam nearly every pixel changes. The clearest seam parts a page, and again its
parts, so that rows of pictures with seams of their own are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .colour_steps import across, from_colour

if TYPE_CHECKING:
    from numpy import bool_, float64, int32, uint8
    from numpy.typing import NDArray

CHANGE = 20  # levels of a colour from one side of a seam to the other
BESIDE = 3  # pixels from a seam where its sides are compared
CLEAR = 0.92  # of a seam's length where there is such a change
FREE = 0.75  # of its length, at least, has no line on it
ROOM = 0.12  # of the width or height stays on either side of a seam
GUTTER, EVEN = 0.08, 0.85  # of a part may be gutter at one side, of a row is of one colour but for a logo
ALIKE, EDGE = 28, 0.7  # levels of one colour; of the length of a picture's edge is another
DEPTH = 5  # times that a part is parted again

Area = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""
Sums = tuple["NDArray[int32]", "NDArray[int32]"]
"""Of the changes and of the free pixels above each place, (height + 1, width)."""


def changing(picture: NDArray[uint8]) -> NDArray[bool_]:
    """(height, width): which pixels of uint8 RGB (height, width, 3) have one colour BESIDE pixels to
    their left and another to their right; none along its sides.
    """
    import numpy as np

    found: NDArray[bool_] = np.zeros(picture.shape[:2], bool)
    if found.shape[1] > 2 * BESIDE:
        found[:, BESIDE:-BESIDE] = across(picture, 2 * BESIDE) > CHANGE
    return found


def room_beside(length: int) -> int:
    """Pixels that stay on either side of a seam through a part so wide or high."""
    return max(BESIDE + 1, round(ROOM * length))


def parted_by_seams(picture: NDArray[uint8], written: NDArray[bool_]) -> list[Area]:
    """The parts of a uint8 RGB picture (height, width, 3) between its seams, without the gutter around them.
    ``written``: where lines are.
    """
    return list(_Seams(picture, ~written).parts((0, 0, written.shape[1], written.shape[0]), DEPTH))


class _Seams:
    """Those of one picture. ``free``: where no line is."""

    def __init__(self, picture: NDArray[uint8], free: NDArray[bool_]) -> None:
        self._picture, self._free = picture, free
        self._upright = _sums(picture, free)
        self._level = _sums(picture.transpose(1, 0, 2), free.T)

    def parts(self, area: Area, depth: int) -> Iterator[Area]:
        left, top, right, bottom = area = self._trimmed(area)
        across, column = _clearest(self._upright, left, right, top, bottom)
        down, row = _clearest(self._level, top, bottom, left, right)
        if not depth or max(across, down) < CLEAR:
            yield area
        elif across > down:
            yield from self.parts((left, top, column, bottom), depth - 1)
            yield from self.parts((column, top, right, bottom), depth - 1)
        else:
            yield from self.parts((left, top, right, row), depth - 1)
            yield from self.parts((left, row, right, bottom), depth - 1)

    def _trimmed(self, area: Area) -> Area:
        """A part without the gutter along its sides."""
        left, top, right, bottom = area
        part, free = self._picture[top:bottom, left:right], self._free[top:bottom, left:right]
        turned, across = part.transpose(1, 0, 2), free.T
        return (
            left + _gutter(turned, across),
            top + _gutter(part, free),
            right - _gutter(turned[::-1], across[::-1]),
            bottom - _gutter(part[::-1], free[::-1]),
        )


def _gutter(part: NDArray[uint8], free: NDArray[bool_]) -> int:
    """How many rows of a part are gutter, from above: of one colour but for what stands in it, up to an edge
    along most of their length. A picture's own ground has none.
    """
    import numpy as np

    rows = round(GUTTER * len(part))
    if not rows or not free[0].any():
        return 0
    colour = np.median(part[0][free[0]], axis=0)
    unlike = from_colour(part[: rows + BESIDE], colour.astype(np.int16)) >= ALIKE
    share = (unlike & free[: rows + BESIDE]).sum(axis=1) / np.maximum(free[: rows + BESIDE].sum(axis=1), 1)
    ends = np.flatnonzero(share > 1 - EVEN)
    return int(ends[0]) if ends.size and share[ends[0] : ends[0] + BESIDE].max() >= EDGE else 0


def _sums(picture: NDArray[uint8], free: NDArray[bool_]) -> Sums:
    return _above(changing(picture) & free), _above(free)


def _above(marked: NDArray[bool_]) -> NDArray[int32]:
    import numpy as np

    sums = np.zeros((marked.shape[0] + 1, marked.shape[1]), np.int32)
    np.cumsum(marked, axis=0, dtype=np.int32, out=sums[1:])
    return sums


def _clearest(sums: Sums, start: int, stop: int, top: int, bottom: int) -> tuple[float, int]:
    """The share of its length on which a column of pixels, well between ``start`` and ``stop``, changes most,
    and which it is.
    """
    import numpy as np

    room = room_beside(stop - start)
    if stop - start <= 2 * room:
        return 0.0, start
    within = slice(start + room, stop - room)
    changed, free = (some[bottom, within] - some[top, within] for some in sums)
    share: NDArray[float64] = np.where(free >= FREE * (bottom - top), changed / np.maximum(free, 1), 0.0)
    place = int(share.argmax())
    return float(share[place]), start + room + place
