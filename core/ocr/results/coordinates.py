"""From the numbers that a model family writes to pixels of the original image. The one place that knows
how.
"""

from __future__ import annotations

from collections.abc import Sequence

from .result import Point, hull

UNITS = ("thousandths", "resized_pixels", "none")


def to_pixels(
    points: Sequence[Point], units: str, seen: tuple[int, int], size: tuple[int, int]
) -> tuple[Point, ...] | None:
    """``points`` in a family's ``units`` as a clockwise polygon in pixels of the original image.

    Two points are opposite corners of an upright box, more are a polygon. ``seen`` is (width, height) of the
    picture as the model saw it, ``size`` that of the original. "thousandths" are 0..1000 of each side,
    "resized_pixels" pixels of ``seen``. Points outside the picture are moved to its edge. None when nothing
    is left, or for units "none".
    """
    if units == "none" or len(points) < 2:
        return None
    across, down = (1000, 1000) if units == "thousandths" else seen
    width, height = size
    scaled = [
        (min(max(x * width / across, 0.0), float(width)), min(max(y * height / down, 0.0), float(height)))
        for x, y in points
    ]
    left, top, right, bottom = hull(scaled)
    if right - left < 1e-6 or bottom - top < 1e-6:
        return None
    if len(scaled) == 2:
        return (left, top), (right, top), (right, bottom), (left, bottom)
    return tuple(scaled)
