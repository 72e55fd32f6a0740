"""The largest size at which a text fits its region, and the lines it then has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .glyphs import Ink, TextShaper
from .line_breaking import Piece, balanced, filled, pieces_of
from .vertical import column_length, draw_column

COLUMN_SPACE = 0.5  # ems of a space in a column


@dataclass(frozen=True)
class Layout:
    """Lines (columns, when ``vertical``) and their size in pixels."""

    lines: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class TextBlock:
    """A text to be set: its paragraphs' pieces, fonts and way of running. ``spacing`` is the distance of
    baselines (or column middles) in ems; ``align`` is "left", "center" or "right": the beginning, middle or
    end of a column when ``vertical``.
    """

    paragraphs: tuple[tuple[Piece, ...], ...]
    shaper: TextShaper
    vertical: bool
    wrap: bool
    spacing: float
    align: str

    @classmethod
    def of(
        cls, text: str, shaper: TextShaper, vertical: bool, wrap: bool, spacing: float, align: str
    ) -> TextBlock:
        paragraphs = tuple(tuple(pieces_of(line)) for line in text.split("\n"))
        return cls(paragraphs, shaper, vertical, wrap, spacing, align)

    def lines(self, measure: float) -> list[str] | None:
        """The lines for a measure in ems; None where it is too short."""
        space = COLUMN_SPACE if self.vertical else self.shaper.extent(" ").advance
        fill = balanced if self.align == "center" else filled
        found: list[str] = []
        for pieces in self.paragraphs:
            kept = pieces if self.wrap else _whole(pieces)
            lines = fill(kept, measure, self.length, space)
            if lines is None:
                return None
            found += lines or [""]
        return found

    def length(self, line: str) -> float:
        """Of one line in ems: its ink or its advance, whichever is more."""
        if self.vertical:
            return column_length(line, self.shaper)
        extent = self.shaper.extent(line)
        return max(extent.advance, extent.right) - min(extent.left, 0.0)

    def thickness(self, lines: Sequence[str]) -> float:
        """Of the whole block across its lines, in ems, by its ink."""
        between = (len(lines) - 1) * self.spacing
        if self.vertical:
            return between + 1.0
        extents = [self.shaper.extent(line) for line in lines]
        bottom = max(index * self.spacing + extent.bottom for index, extent in enumerate(extents))
        top = min(index * self.spacing + extent.top for index, extent in enumerate(extents))
        return bottom - top

    def fit(self, width: float, height: float, largest: int, smallest: int = 1) -> Layout | None:
        """The largest block in ``width`` x ``height`` pixels between two sizes; None where none fits."""
        along, across = (height, width) if self.vertical else (width, height)
        best: Layout | None = None
        low, high = smallest, largest
        while low <= high:
            size = (low + high) // 2
            lines = self.lines(along / size)
            if lines is not None and self.thickness(lines) * size <= across:
                best, low = Layout(tuple(lines), size), size + 1
            else:
                high = size - 1
        return best

    def drawn(self, layout: Layout, outline: int) -> Ink:
        """The block's ink and nothing around it."""
        return self._columns(layout, outline) if self.vertical else self._rows(layout, outline)

    def _rows(self, layout: Layout, outline: int) -> Ink:
        size, margin = layout.size, layout.size + outline
        extents = [self.shaper.extent(line) for line in layout.lines]
        widths = [extent.right - extent.left for extent in extents]
        height = self.thickness(layout.lines) * size
        ink = Ink(round(max(widths) * size) + 2 * margin, round(height) + 3 * margin, outline)
        y = margin - extents[0].top * size
        for line, extent, width in zip(layout.lines, extents, widths, strict=True):
            x = margin + (_share(self.align) * (max(widths) - width) - extent.left) * size
            self.shaper.draw(ink, x, y, line, size)
            y += self.spacing * size
        return ink.cropped()

    def _columns(self, layout: Layout, outline: int) -> Ink:
        size, margin = layout.size, layout.size + outline
        lengths = [self.length(line) for line in layout.lines]
        width = self.thickness(layout.lines) * size
        ink = Ink(round(width) + 2 * margin, round(max(lengths) * size) + 2 * margin, outline)
        x = margin + width - size / 2
        for line, length in zip(layout.lines, lengths, strict=True):
            top = margin + _share(self.align) * (max(lengths) - length) * size
            draw_column(ink, x, top, line, size, self.shaper)
            x -= self.spacing * size
        return ink.cropped()

    def offset(self, frame: tuple[int, int], ink: tuple[int, int]) -> tuple[int, int]:
        """Where ink of this width and height stands in a frame: aligned along its lines, centred across."""
        share = _share(self.align)
        shares = (0.5, share) if self.vertical else (share, 0.5)
        x, y = (round(part * (r - i)) for part, r, i in zip(shares, frame, ink, strict=True))
        return x, y


def _share(align: str) -> float:
    return {"left": 0.0, "center": 0.5, "right": 1.0}[align]


def _whole(pieces: Sequence[Piece]) -> list[Piece]:
    joined = "".join((" " if piece.spaced else "") + piece.text for piece in pieces)
    return [Piece(joined)] if joined else []
