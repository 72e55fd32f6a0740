"""Where in a line do its words stand? The recogniser's positions, laid on the line's polygon."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ....cjk import is_cjk
from ...results.result import Point, Word


def words_on(
    text: str,
    spans: Sequence[tuple[float, float]],
    confidences: Sequence[float],
    crop_width: int,
    piece: Callable[[float, float], tuple[Point, ...]],
) -> tuple[Word, ...]:
    """Group characters into words (CJK: one character each). ``piece``: the polygon of the line between two
    shares of its length.
    """
    groups: list[list[tuple[str, int, float | None]]] = []
    position, fresh = 0, True
    for index, character in enumerate(text):
        if character.isspace():
            fresh = True
            continue
        confidence = confidences[index] if index < len(confidences) else None
        cjk = is_cjk(character)
        if fresh or cjk or (groups and is_cjk(groups[-1][-1][0])):
            groups.append([])
        groups[-1].append((character, position, confidence))
        position, fresh = position + 1, False
    if position != len(spans):  # the recogniser gave no usable positions
        return ()
    words = []
    for group in groups:
        start, end = spans[group[0][1]][0] / crop_width, spans[group[-1][1]][1] / crop_width
        known = [c for _, _, c in group if c is not None]
        words.append(
            Word(
                text="".join(character for character, _, _ in group),
                polygon=piece(max(0.0, start), min(1.0, end)),
                confidence=sum(known) / len(known) if known else None,
            )
        )
    return tuple(words)


def between(polygon: tuple[Point, ...], start: float, end: float) -> tuple[Point, ...]:
    """The part of a four-point line polygon between two shares of its crop's length.

    The crop is the polygon in perspective, so equal parts of it are not equal parts of the polygon: where the
    ends of a long line differ by a pixel in height, its middle stands letters away.
    """
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = polygon
    # the perspective of the unit square onto the polygon (P. Heckbert, 1989, section 2.2.3), of which the
    # depths at the corners suffice: 1 at a, 1 + g at b, 1 + g + h at c, 1 + h at d
    away = (bx - cx) * (dy - cy) - (dx - cx) * (by - cy)
    over_x, over_y = ax - bx + cx - dx, ay - by + cy - dy
    g = (over_x * (dy - cy) - over_y * (dx - cx)) / away if away else 0.0
    h = (over_y * (bx - cx) - over_x * (by - cy)) / away if away else 0.0

    def at(near: Point, far: Point, share: float, deep: float) -> Point:
        depth = deep + g * share
        part = share * (deep + g) / depth if min(deep, deep + g) > 0 else share
        return near[0] + (far[0] - near[0]) * part, near[1] + (far[1] - near[1]) * part

    (a, b, c, d), low = polygon, 1 + h
    return at(a, b, start, 1.0), at(a, b, end, 1.0), at(d, c, end, low), at(d, c, start, low)
