"""Where on a page are pictures: the framed ones of a comic or a meme, and what is drawn between its lines?

What the page's own colour reaches from its edge is the gutter between them: what it does not reach and is a
rectangle is a panel, if there is a drawing in it. A table in a frame has none, nor has a field of text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...results.line import Line
from ...results.panels import Panel, Pictures
from ...results.text_angle import text_angle
from ...results.vertical_text import is_vertical
from .colour_steps import from_colour, most
from .seams import parted_by_seams

if TYPE_CHECKING:
    from numpy import bool_, uint8
    from numpy.typing import NDArray

SEEN = 480  # pixels of the longer side of the page as it is looked at
LEVEL = 0.05  # radians: panels of a page that lies aslant are not looked for
ALIKE, GRAIN, MARGIN = 28, 24, 0.5  # levels of one colour; of what counts as one; of the edge that has it
LEAST_SHARE, LEAST_SIDE, FILLED = 0.03, 0.1, 0.85  # of the page, of its shorter side, of its own rectangle
FRAME = 3  # pixels there of a frame, and around a line
DRAWN, DIFFERENT = 0.08, 40  # of a panel, outside its lines, differs by so many levels from its usual colour
EACH = 4  # pixels there of which one tells whether a page has half as much drawn, and seams are looked for
NEAR, THICK = 5, 8  # pixels there within which a picture changes so much; a rule's change is less thick


Place = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the page as it is looked at."""


def pictures_on(image: NDArray[uint8], lines: Sequence[Line]) -> Pictures | None:
    """What a page, uint8 RGB (height, width, 3), has beside its lines; None where they lie aslant."""
    import cv2
    import numpy as np

    if len(lines) < 2 or (abs(text_angle(lines)) > LEVEL and not is_vertical(lines)):
        return None
    scale = min(1.0, SEEN / max(image.shape[:2]))
    small = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    written = _written(lines, scale, (small.shape[0], small.shape[1]))
    busy = _busy(small, written)
    some = slice(None, None, EACH)
    drawn = _drawn_share(small[some, some], written[some, some]) >= DRAWN / 2
    panels = tuple(_panels(small, written, scale, seams=drawn))
    return Pictures(panels, cv2.integral(busy).astype(np.int64), scale)


def _panels(small: NDArray[uint8], written: NDArray[bool_], scale: float, seams: bool) -> Iterator[Panel]:
    """The panels of a page, in no order; none of a page with fewer than two. Between ``seams`` where that
    makes more of them than the gutter does: it may be joined, or there is none.
    """
    ways = (_in_gutters(small), _between_seams(small, written) if seams else [])
    drawn = [[place for place in found if _is_drawn(small, written, place)] for found in ways]
    for x, y, w, h in drawn[1] if len(drawn[1]) > max(1, len(drawn[0])) else drawn[0]:
        yield Panel(x / scale, y / scale, (x + w) / scale, (y + h) / scale)


def _in_gutters(small: NDArray[uint8]) -> list[Place]:
    """The rectangles that the gutter leaves; none where it leaves one."""
    import cv2
    import numpy as np

    gutter = _gutter(small)
    if gutter is None:
        return []
    inside = cv2.morphologyEx((~gutter).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, _, places, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    found = [
        (int(x), int(y), int(w), int(h))
        for x, y, w, h, area in places[1:].tolist()
        if _is_large(w, h, small) and area >= FILLED * w * h
    ]
    return found if len(found) > 1 else []


def _between_seams(small: NDArray[uint8], written: NDArray[bool_]) -> list[Place]:
    parts = [(x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in parted_by_seams(small, written)]
    return [(x, y, w, h) for x, y, w, h in parts if _is_large(w, h, small)] if len(parts) > 1 else []


def _is_large(wide: int, high: int, small: NDArray[uint8]) -> bool:
    height, width = small.shape[:2]
    area, side = LEAST_SHARE * height * width, LEAST_SIDE * min(height, width)
    return bool(wide * high >= area and min(wide, high) >= side)


def _busy(small: NDArray[uint8], written: NDArray[bool_]) -> NDArray[uint8]:
    """1 where a page, so small, is a photograph or a drawing and no line. A thin rule is neither."""
    import cv2
    import numpy as np

    near = np.ones((NEAR, NEAR), np.uint8)
    steps = most(cv2.subtract(cv2.dilate(small, near), cv2.erode(small, near)))
    drawn = ((steps > DIFFERENT) & ~written).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(drawn, cv2.MORPH_OPEN, np.ones((THICK, THICK), np.uint8)), np.uint8)


def _gutter(small: NDArray[uint8]) -> NDArray[bool_] | None:
    """What of a page is of the colour of its edge and joined to it; None where its edge has no one colour."""
    import cv2
    import numpy as np

    edge = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]]).astype(np.int64)
    _, which, counts = np.unique(edge // GRAIN, axis=0, return_inverse=True, return_counts=True)
    if counts.max() < MARGIN * len(edge):
        return None
    colour = np.median(edge[which.ravel() == int(counts.argmax())], axis=0)
    near = from_colour(small, colour) < ALIKE
    around = np.pad(near.astype(np.uint8), 1, constant_values=1)
    _, parts = cv2.connectedComponents(around, connectivity=4)
    return np.asarray((parts == parts[0, 0])[1:-1, 1:-1])


def _written(lines: Sequence[Line], scale: float, shape: tuple[int, int]) -> NDArray[bool_]:
    """Where lines stand on the page as it is looked at."""
    import cv2
    import numpy as np

    mask = np.zeros(shape, np.uint8)
    for line in lines:
        cv2.fillConvexPoly(mask, np.round(np.multiply(line.polygon, scale)).astype(np.int32), 1)
    return np.asarray(cv2.dilate(mask, np.ones((2 * FRAME + 1, 2 * FRAME + 1), np.uint8)) > 0)


def _is_drawn(small: NDArray[uint8], written: NDArray[bool_], place: Place) -> bool:
    """Whether there is more in a panel than its ground, its frame and its lines."""
    x, y, wide, high = place
    within = slice(y + FRAME, y + high - FRAME), slice(x + FRAME, x + wide - FRAME)
    return _drawn_share(small[within], written[within]) >= DRAWN


def _drawn_share(part: NDArray[uint8], written: NDArray[bool_]) -> float:
    """The share of a part that is neither its ground nor a line's."""
    import numpy as np

    if not part.size:
        return 0.0
    ground = np.median(part.reshape(-1, 3), axis=0)
    other = (from_colour(part, ground) > DIFFERENT) & ~written
    return float(other.mean())
