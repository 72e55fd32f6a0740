"""Texts drawn into regions: fonts by coverage, lines that fit, columns, outlines, the region's own slant."""

from __future__ import annotations

from .draw import Setter, Style
from .fonts import FontShelf
from .region_frame import rescaled
from .text_assignment import assigned

__all__ = [
    "FontShelf",
    "Setter",
    "Style",
    "assigned",
    "rescaled",
]
