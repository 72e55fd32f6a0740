"""A recognised line before it becomes a Region: what engines hand to layout and routing."""

from __future__ import annotations

from dataclasses import dataclass

from .result import Point, Word


@dataclass(frozen=True)
class Line:
    """``polygon``: clockwise from the text's own top left, pixels of the original image. ``text`` may be
    empty when something was detected that the recogniser could not read; ``foreign`` then names the script
    it is in. ``paragraph`` numbers the blocks of an engine that does its own page analysis, else None.
    ``crown``: the middle part of a line on an arc, by which it is ordered: of the smallest rectangle around
    it most is empty, or another line's. ``explained``: the share of its ink that the recogniser accounts for.
    """

    text: str
    polygon: tuple[Point, ...]
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    foreign: str | None = None
    paragraph: int | None = None
    crown: tuple[Point, ...] | None = None
    explained: float | None = None
