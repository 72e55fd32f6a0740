"""Texts set in regions: chosen direction, size and colours, drawn and laid into the picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..catalog.words import Said, as_written, said
from ..errors import VramwiseError
from ..normal_forms import normalised
from ..ocr.engines.protocol import NoProgress, ProgressCallback
from ..ocr.regions.masks import check_cover, window_of
from ..ocr.results.result import Region
from ..option_values import ALIGNMENTS, BACKGROUNDS, DIRECTIONS, TOO_LONG, check_choice
from ..units import figure
from .colours import AUTO, Colour, Sample, contrasting, parse_colour, sample
from .fonts import Face, FontIndex, visible
from .glyphs import TextShaper, first_strong_is_right_to_left
from .line_breaking import dense
from .region_frame import RegionFrame, filled_polygon, frame_of
from .text_block import Layout, TextBlock

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from .glyphs import Ink

TALL = 1.5  # a region of CJK text this much higher than wide is a column
REFERENCE = "Hg"  # stands for an unknown old text: a capital and a descender
LEAST_REACH = 0.45  # ink that spans less of its region tells nothing about the size
SHOWN = 40  # characters of a text in a note
MOST_CHARACTERS = 4000
MOST_GIVEN = 2 * MOST_CHARACTERS  # with marks that are composed and signs that are dropped


@dataclass(frozen=True)
class Style:
    """How texts look. Lengths are pixels of the picture, ``size`` 0 means by the region; ``spacing`` is the
    distance of lines in ems. ``font``, ``colour`` and ``outline_colour`` may be "auto", as "" is.
    """

    font: str = AUTO
    size: float = 0.0
    colour: str = AUTO
    align: str = "center"
    outline: float = 0.0
    outline_colour: str = AUTO
    direction: str = "auto"
    background: str = "keep"
    wrap: bool = True
    min_size: float = 6.0
    too_long: str = "shrink"
    spacing: float = 1.2

    def __post_init__(self) -> None:
        for name in ("font", "colour", "outline_colour"):
            if getattr(self, name).strip().lower() in ("", AUTO):
                object.__setattr__(self, name, AUTO)

    def check(self) -> None:
        """Raise VramwiseError for a word or colour that is none, or a number out of its range."""
        check_choice("align", self.align, ALIGNMENTS)
        check_choice("direction", self.direction, DIRECTIONS)
        check_choice("background", self.background, BACKGROUNDS)
        check_choice("too_long", self.too_long, TOO_LONG)
        for name in ("colour", "outline_colour"):
            if getattr(self, name) != AUTO:
                parse_colour(name, getattr(self, name))
        for name, least, most in (
            ("size", 0, 4096),
            ("outline", 0, 200),
            ("min_size", 1, 4096),
            ("spacing", 0.5, 5),
        ):
            value = getattr(self, name)
            if not least <= value <= most:  # also refuses NaN
                raise VramwiseError(f"{name} is {value}; give a number from {least} to {most}.")


class TextRenderer:
    """Sets texts on pictures in one style with the fonts of one index. Raises VramwiseError for a bad style
    or font name.
    """

    def __init__(self, style: Style, fonts: FontIndex) -> None:
        style.check()
        self._style, self._fonts = style, fonts
        self._face: Face | None = None if style.font == AUTO else fonts.named(style.font)

    def page(
        self,
        picture: NDArray[float32],
        mask: NDArray[float32],
        regions: Sequence[Region],
        texts: Sequence[str],
        source: NDArray[float32] | None = None,
        progress: ProgressCallback | None = None,
    ) -> list[Said]:
        """Draw one text a region on ``picture`` (height, width, 3) and into ``mask`` (height, width), in
        place; both float32 0..1. Polygons are pixels of ``picture``.

        ``source`` is another state of the same picture that colours and sizes are taken from, such as the
        one before the old text was removed. Returns a sentence for each region. Raises VramwiseError for a
        glyph that no font has, and for a text without room where the style says so.
        """
        progress = progress or NoProgress()
        _check_cover(regions, texts, picture)
        seen = picture.copy() if source is None else _resized_like(source, picture)
        notes = []
        for region, text in zip(regions, texts, strict=True):
            progress.check()
            if len(text) > MOST_GIVEN:
                raise _too_long(text)
            text = _cleaned(text)
            note = self._draw_text(picture, mask, region, text, seen) if text else said("drawn_no_text")
            notes.append(said("drawn_region", number=region.order + 1, note=note))
        return notes

    def _draw_text(
        self,
        picture: NDArray[float32],
        mask: NDArray[float32],
        region: Region,
        text: str,
        seen: NDArray[float32],
    ) -> Said:
        if len(text) > MOST_CHARACTERS:
            raise _too_long(text)
        frame = frame_of(region.polygon)
        window = frame.window(*picture.shape[:2]) if frame else None
        if frame is None or window is None:
            return said("drawn_outside")
        colours = sample(frame.flat(seen))
        block = self._text_block(text, frame)
        layout, wanted = self._fitted(block, frame, region, colours)
        if layout is None or layout.size < wanted:
            self._refuse_if_asked(region, text, wanted / frame.fineness)
        if layout is None:
            return said("drawn_no_room", text=as_written(_short(text)))
        layout, ink = self._inked(block, layout, frame)
        self._paint(picture, mask, region, frame, window, block.offset(frame.size, ink.size), ink, colours)
        return self._report(text, block, layout, frame, wanted)

    def _text_block(self, text: str, frame: RegionFrame, face: Face | None = None) -> TextBlock:
        style = self._style
        right_to_left = style.direction == "right-to-left" or (
            style.direction == "auto" and first_strong_is_right_to_left(text)
        )
        column = style.direction == "vertical" or (style.direction == "auto" and _is_column(text, frame))
        shaper = TextShaper(self._fonts, face or self._face, text, right_to_left and not column)
        return TextBlock.of(text, shaper, column, style.wrap, style.spacing, style.align)

    def _fitted(
        self, block: TextBlock, frame: RegionFrame, region: Region, colours: Sample
    ) -> tuple[Layout | None, int]:
        """The layout, and the size in drawn pixels below which it is smaller than was asked for."""
        style, fine = self._style, frame.fineness
        width, height = (side - 2 * self._stroke(frame) for side in frame.size)
        if style.size:
            wanted = max(1, round(style.size * fine))
            at_once = block.fit(width, height, wanted, wanted)
            return at_once or block.fit(width, height, wanted), wanted
        largest = min(self._old_size(block, frame, region, colours), 4 * max(frame.size))
        return block.fit(width, height, largest), min(largest, round(style.min_size * fine))

    def _old_size(self, block: TextBlock, frame: RegionFrame, region: Region, colours: Sample) -> int:
        """The size at which the region's old text is as high as its ink (as the region, where none is to be
        seen), a column as wide: the new text is not set larger.
        """
        width, height = frame.size
        if block.vertical and colours.reach[0] >= LEAST_REACH:
            width = round(width * colours.reach[0])
        if not block.vertical and colours.reach[1] >= LEAST_REACH:
            height = round(height * colours.reach[1])
        old = _cleaned(region.text)[:MOST_CHARACTERS]
        if old:
            try:
                layout = self._text_block(old, frame).fit(width, height, 4 * max(frame.size))
            except VramwiseError:  # the old text's letters are in no font here, and need not be
                layout = None
            if layout is not None:
                return layout.size
        if block.vertical:
            return width
        extent = block.shaper.extent(REFERENCE if block.shaper.has("H") else region.text or "\u56fd")
        return max(1, int(height / max(extent.bottom - extent.top, 0.1)))

    def _inked(self, block: TextBlock, layout: Layout, frame: RegionFrame) -> tuple[Layout, Ink]:
        """The drawing, made smaller should hinting have made it larger than its room."""
        outline = self._stroke(frame)
        ink = block.drawn(layout, outline)
        while layout.size > 1 and (ink.size[0] > frame.size[0] or ink.size[1] > frame.size[1]):
            share = min(frame.size[0] / ink.size[0], frame.size[1] / ink.size[1])
            layout = Layout(layout.lines, max(1, min(layout.size - 1, int(layout.size * share))))
            ink = block.drawn(layout, outline)
        return layout, ink

    def _paint(
        self,
        picture: NDArray[float32],
        mask: NDArray[float32],
        region: Region,
        frame: RegionFrame,
        window: tuple[int, int, int, int],
        offset: tuple[int, int],
        ink: Ink,
        colours: Sample,
    ) -> None:
        import numpy as np

        x0, y0, x1, y1 = window
        part = picture[y0:y1, x0:x1]
        if self._style.background == "fill":
            _blend(part, colours.paper, filled_polygon(region.polygon, window))
        colour = self._colour(colours)
        letters = frame.carried(_placed(ink.fill, offset, frame), window)
        drawn = letters
        if ink.outline:
            drawn = frame.carried(_placed(ink.stroke, offset, frame), window)
            given = self._style.outline_colour
            edge = contrasting(colour) if given == AUTO else parse_colour("outline_colour", given)
            _blend(part, edge, drawn)
        _blend(part, colour, letters)
        np.maximum(mask[y0:y1, x0:x1], drawn, out=mask[y0:y1, x0:x1])

    def _colour(self, colours: Sample) -> Colour:
        if self._style.colour != AUTO:
            return parse_colour("colour", self._style.colour)
        return colours.ink or contrasting(colours.paper)

    def _stroke(self, frame: RegionFrame) -> int:
        """The outline's width in drawn pixels."""
        outline = self._style.outline
        return max(1, round(outline * frame.fineness)) if outline else 0

    def _refuse_if_asked(self, region: Region, text: str, size: float) -> None:
        if self._style.too_long == "error":
            raise VramwiseError(
                f'Region {region.order + 1} has no room for "{_short(text)}" at {size:.0f} pixels. Shorten '
                'the text, give a smaller size or min_size, or set too_long to "shrink".'
            )

    def _report(self, text: str, block: TextBlock, layout: Layout, frame: RegionFrame, wanted: int) -> Said:
        size = layout.size / frame.fineness
        fonts = ", ".join(face.name for face in block.shaper.faces)
        kind = "columns" if block.vertical else "lines"
        many = len(layout.lines)
        count = said(f"drawn_{kind}", count=many) if many > 1 else said(f"drawn_{kind}_one")
        drawn = said(
            "drawn_text",
            text=as_written(_short(text)),
            size=figure(size, ".1f"),
            fonts=as_written(fonts),
            count=count,
        )
        if layout.size < wanted:
            drawn = said("drawn_smaller", drawn=drawn, size=figure(wanted / frame.fineness, ".0f"))
        if block.shaper.strays:
            letters = as_written(_named(block.shaper.strays))
            if self._face:
                return said("drawn_strays", drawn=drawn, font=as_written(self._face.name), letters=letters)
            return said("drawn_strays_any", drawn=drawn, letters=letters)
        return drawn


def _too_long(text: str) -> VramwiseError:
    return VramwiseError(
        f"A text of {len(text)} characters is too long for one region; at most {MOST_CHARACTERS} are set. "
        "Split it over several regions."
    )


def _check_cover(regions: Sequence[Region], texts: Sequence[str], picture: NDArray[float32]) -> None:
    """Raise VramwiseError where the regions with a text cover the picture more often than texts do."""
    import numpy as np

    height, width = picture.shape[:2]
    windows = [
        window_of(np.asarray(region.polygon, np.float64).reshape(-1, 2), width, height)
        for region, text in zip(regions, texts, strict=True)
        if text
    ]
    check_cover(filter(None, windows), width, height)


def _resized_like(source: NDArray[float32], picture: NDArray[float32]) -> NDArray[float32]:
    import cv2

    if source.shape == picture.shape:
        return source
    resized: NDArray[float32] = cv2.resize(source, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return resized


def _placed(layer: object, offset: tuple[int, int], frame: RegionFrame) -> object:
    from PIL import Image

    canvas = Image.new("L", frame.size)
    canvas.paste(layer, offset)  # type: ignore[arg-type]
    return canvas


def _blend(part: NDArray[float32], colour: Colour, share: NDArray[float32]) -> None:
    """Mix a colour into a part of the picture, in place; untouched pixels keep their exact value."""
    import numpy as np

    touched = share > 0
    weight = share[touched][:, None]
    part[touched] = part[touched] * (1 - weight) + np.asarray(colour, np.float32) * weight


def _is_column(text: str, frame: RegionFrame) -> bool:
    letters = [letter for letter in text if not letter.isspace()]
    return (
        len(letters) > 1
        and frame.height >= TALL * frame.width
        and 2 * sum(map(dense, letters)) > len(letters)
    )


def _cleaned(text: str) -> str:
    """Composed characters, single blanks for tabs, no control characters but line breaks; nothing where
    nothing is to be seen, as in a lone zero-width space.
    """
    text = normalised("NFC", text.replace("\r\n", "\n").replace("\t", " "))
    kept = "".join(sign for sign in text if sign == "\n" or unicodedata.category(sign) != "Cc")
    return kept.strip() if any(map(visible, kept)) else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."


def _named(characters: set[str]) -> str:
    return ", ".join(f"U+{ord(character):04X}" for character in sorted(characters))
