"""Texts drawn into regions: fonts by coverage, lines that fit, columns, outlines, the region's own slant."""

from __future__ import annotations

from .fonts import FontShelf
from .room import rescaled
from .setting import Setter, Style
from .texts import assigned

__all__ = [
    "FontShelf",
    "Setter",
    "Style",
    "assigned",
    "rescaled",
]
