"""Boxes drawn in to the ink: the detector's small look leaves as much as half a line around short ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

CONTRAST = 32  # levels between a line's lightest and darkest that can be told from noise
INK = 0.35  # of that contrast makes a row or column of pixels one of ink
AROUND = 0.2  # of the ink's height stays around it, as at the detector's full size
LEVEL = 0.04  # of its length that a box may slope and still count as level


def tightened(boxes: NDArray[Any], picture: NDArray[uint8]) -> NDArray[Any]:
    """Boxes (n, 4, 2) in pixels of ``picture`` (height, width, 3): level ones end ``AROUND`` from their ink,
    never farther out than before. Ones that slope, or whose ink reaches their edge, stay.
    """
    import numpy as np

    found: NDArray[Any] = boxes.copy()
    for box in found:
        left, top = np.maximum(box.min(0), 0)
        right, bottom = box.max(0)
        slope = max(np.ptp(box[:2, 1]), np.ptp(box[2:, 1]))
        if slope > LEVEL * (right - left) or right - left < bottom - top:
            continue
        patch = picture[int(top) : int(bottom) + 1, int(left) : int(right) + 1].mean(-1)
        if patch.size == 0 or np.ptp(patch) < CONTRAST:
            continue
        down = np.flatnonzero(np.ptp(patch, axis=1) > INK * np.ptp(patch))
        across = np.flatnonzero(np.ptp(patch, axis=0) > INK * np.ptp(patch))
        if not down.size or not across.size:
            continue
        around = AROUND * (down[-1] - down[0] + 1)
        box[:, 1] = np.clip(box[:, 1], int(top) + down[0] - around, int(top) + down[-1] + 1 + around)
        box[:, 0] = np.clip(box[:, 0], int(left) + across[0] - around, int(left) + across[-1] + 1 + around)
    return found
