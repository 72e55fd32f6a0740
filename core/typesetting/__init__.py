"""Texts drawn into regions: fonts by coverage, lines that fit, columns, outlines, the region's own slant."""

from __future__ import annotations

from .draw import Style, TextRenderer
from .fonts import FontIndex
from .region_frame import rescaled
from .text_assignment import assigned

__all__ = [
    "FontIndex",
    "Style",
    "TextRenderer",
    "assigned",
    "rescaled",
]
