"""Texts set in regions: chosen direction, size and colours, drawn and laid into the picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import VramwiseError
from ..ocr.engines.protocol import NoProgress, ProgressCallback
from ..ocr.results.result import Region
from ..option_values import ALIGNMENTS, BACKGROUNDS, DIRECTIONS, TOO_LONG, check_choice
from .colours import AUTO, Colour, Sample, contrasting, parse_colour, sample
from .fonts import Face, FontIndex, visible
from .glyphs import Lettering, first_strong_is_right_to_left
from .line_breaking import dense
from .region_frame import Room, filled_polygon, room_of
from .text_block import Block, TextBlock

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from .glyphs import Ink

TALL = 1.5  # a region of CJK text this much higher than wide is a column
REFERENCE = "Hg"  # stands for an unknown old text: a capital and a descender
LEAST_REACH = 0.45  # ink that spans less of its region tells nothing about the size
SHOWN = 40  # characters of a text in a note
MOST_CHARACTERS = 4000


@dataclass(frozen=True)
class Style:
    """How texts look. Lengths are pixels of the picture, ``size`` 0 means by the region; ``spacing`` is the
    distance of lines in ems. ``font``, ``colour`` and ``outline_colour`` may be "auto".
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
    """Sets texts on pictures in one style with the fonts of one shelf. Raises VramwiseError for a bad style
    or font name.
    """

    def __init__(self, style: Style, shelf: FontIndex) -> None:
        style.check()
        self._style, self._shelf = style, shelf
        self._face: Face | None = None if style.font.strip().lower() == AUTO else shelf.named(style.font)

    def page(
        self,
        picture: NDArray[float32],
        mask: NDArray[float32],
        regions: Sequence[Region],
        texts: Sequence[str],
        source: NDArray[float32] | None = None,
        progress: ProgressCallback | None = None,
    ) -> list[str]:
        """Draw one text a region on ``picture`` (height, width, 3) and into ``mask`` (height, width), in
        place; both float32 0..1. Polygons are pixels of ``picture``.

        ``source`` is another state of the same picture that colours and sizes are taken from, such as the
        one before the old text was removed. Returns a sentence for each region. Raises VramwiseError for a
        glyph that no font has, and for a text without room where the style says so.
        """
        progress = progress or NoProgress()
        seen = picture.copy() if source is None else _as_large(source, picture)
        notes = []
        for region, text in zip(regions, texts, strict=True):
            progress.check()
            text = _cleaned(text)
            name = f"Region {region.order + 1}"
            if text:
                notes.append(f"{name}: {self._set(picture, mask, region, text, seen)}")
            else:
                notes.append(f"{name}: no text, left as it is.")
        return notes

    def _set(
        self,
        picture: NDArray[float32],
        mask: NDArray[float32],
        region: Region,
        text: str,
        seen: NDArray[float32],
    ) -> str:
        if len(text) > MOST_CHARACTERS:
            raise VramwiseError(
                f"A text of {len(text)} characters is too long for one region; at most {MOST_CHARACTERS} are "
                "set. Split it over several regions."
            )
        room = room_of(region.polygon)
        window = room.window(*picture.shape[:2]) if room else None
        if room is None or window is None:
            return "left as it is: the region is outside the picture or less than a pixel wide."
        found = sample(room.flat(seen))
        copy = self._copy(text, room)
        block, wanted = self._fitted(copy, room, region, found)
        if block is None or block.size < wanted:
            self._refuse_if_asked(region, text, wanted / room.fineness)
        if block is None:
            return f'nothing drawn: there is no room for "{_short(text)}".'
        block, ink = self._inked(copy, block, room)
        self._lay(picture, mask, region, room, window, copy.offset(room.size, ink.size), ink, found)
        return self._told(text, copy, block, room, wanted)

    def _copy(self, text: str, room: Room, face: Face | None = None) -> TextBlock:
        style = self._style
        right_to_left = style.direction == "right-to-left" or (
            style.direction == "auto" and first_strong_is_right_to_left(text)
        )
        column = style.direction == "vertical" or (style.direction == "auto" and _is_column(text, room))
        lettering = Lettering(self._shelf, face or self._face, text, right_to_left and not column)
        return TextBlock.of(text, lettering, column, style.wrap, style.spacing, style.align)

    def _fitted(self, copy: TextBlock, room: Room, region: Region, found: Sample) -> tuple[Block | None, int]:
        """The block, and the size in drawn pixels below which it is smaller than was asked for."""
        style, fine = self._style, room.fineness
        width, height = (side - 2 * self._stroke(room) for side in room.size)
        if style.size:
            wanted = max(1, round(style.size * fine))
            at_once = copy.fit(width, height, wanted, wanted)
            return at_once or copy.fit(width, height, wanted), wanted
        largest = min(self._old_size(copy, room, region, found), 4 * max(room.size))
        return copy.fit(width, height, largest), min(largest, round(style.min_size * fine))

    def _old_size(self, copy: TextBlock, room: Room, region: Region, found: Sample) -> int:
        """The size at which the region's old text is as high as its ink (as the region, where none is to be
        seen), a column as wide: the new text is not set larger.
        """
        width, height = room.size
        if copy.vertical and found.reach[0] >= LEAST_REACH:
            width = round(width * found.reach[0])
        if not copy.vertical and found.reach[1] >= LEAST_REACH:
            height = round(height * found.reach[1])
        old = _cleaned(region.text)[:MOST_CHARACTERS]
        if old:
            try:
                block = self._copy(old, room).fit(width, height, 4 * max(room.size))
            except VramwiseError:  # the old text's letters are in no font here, and need not be
                block = None
            if block is not None:
                return block.size
        if copy.vertical:
            return width
        extent = copy.lettering.extent(REFERENCE if copy.lettering.has("H") else region.text or "\u56fd")
        return max(1, int(height / max(extent.bottom - extent.top, 0.1)))

    def _inked(self, copy: TextBlock, block: Block, room: Room) -> tuple[Block, Ink]:
        """The drawing, made smaller should hinting have made it larger than its room."""
        outline = self._stroke(room)
        ink = copy.drawn(block, outline)
        while block.size > 1 and (ink.size[0] > room.size[0] or ink.size[1] > room.size[1]):
            share = min(room.size[0] / ink.size[0], room.size[1] / ink.size[1])
            block = Block(block.lines, max(1, min(block.size - 1, int(block.size * share))))
            ink = copy.drawn(block, outline)
        return block, ink

    def _lay(
        self,
        picture: NDArray[float32],
        mask: NDArray[float32],
        region: Region,
        room: Room,
        window: tuple[int, int, int, int],
        offset: tuple[int, int],
        ink: Ink,
        found: Sample,
    ) -> None:
        import numpy as np

        x0, y0, x1, y1 = window
        part = picture[y0:y1, x0:x1]
        if self._style.background == "fill":
            _blend(part, found.paper, filled_polygon(region.polygon, window))
        colour = self._colour(found)
        letters = room.carried(_placed(ink.fill, offset, room), window)
        drawn = letters
        if ink.outline:
            drawn = room.carried(_placed(ink.stroke, offset, room), window)
            given = self._style.outline_colour
            edge = contrasting(colour) if given == AUTO else parse_colour("outline_colour", given)
            _blend(part, edge, drawn)
        _blend(part, colour, letters)
        np.maximum(mask[y0:y1, x0:x1], drawn, out=mask[y0:y1, x0:x1])

    def _colour(self, found: Sample) -> Colour:
        if self._style.colour != AUTO:
            return parse_colour("colour", self._style.colour)
        return found.ink or contrasting(found.paper)

    def _stroke(self, room: Room) -> int:
        """The outline's width in drawn pixels."""
        outline = self._style.outline
        return max(1, round(outline * room.fineness)) if outline else 0

    def _refuse_if_asked(self, region: Region, text: str, size: float) -> None:
        if self._style.too_long == "error":
            raise VramwiseError(
                f'Region {region.order + 1} has no room for "{_short(text)}" at {size:.0f} pixels. Shorten '
                'the text, give a smaller size or min_size, or set too_long to "shrink".'
            )

    def _told(self, text: str, copy: TextBlock, block: Block, room: Room, wanted: int) -> str:
        size = block.size / room.fineness
        fonts = ", ".join(face.name for face in copy.lettering.faces)
        kind = "column" if copy.vertical else "line"
        many = f", {len(block.lines)} {kind}{'s' if len(block.lines) > 1 else ''}"
        told = f'"{_short(text)}" at {size:.1f} px in {fonts}{many}.'
        if block.size < wanted:
            told += f" There was no room for {wanted / room.fineness:.0f} px."
        if copy.lettering.strays:
            chosen = self._face.name if self._face else "The font"
            told += f" {chosen} has no {_named(copy.lettering.strays)}."
        return told


def _as_large(source: NDArray[float32], picture: NDArray[float32]) -> NDArray[float32]:
    import cv2

    if source.shape == picture.shape:
        return source
    resized: NDArray[float32] = cv2.resize(source, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return resized


def _placed(layer: object, offset: tuple[int, int], room: Room) -> object:
    from PIL import Image

    canvas = Image.new("L", room.size)
    canvas.paste(layer, offset)  # type: ignore[arg-type]
    return canvas


def _blend(part: NDArray[float32], colour: Colour, share: NDArray[float32]) -> None:
    """Mix a colour into a part of the picture, in place; untouched pixels keep their exact value."""
    import numpy as np

    touched = share > 0
    weight = share[touched][:, None]
    part[touched] = part[touched] * (1 - weight) + np.asarray(colour, np.float32) * weight


def _is_column(text: str, room: Room) -> bool:
    letters = [one for one in text if not one.isspace()]
    return (
        len(letters) > 1 and room.height >= TALL * room.width and 2 * sum(map(dense, letters)) > len(letters)
    )


def _cleaned(text: str) -> str:
    """Composed characters, single blanks for tabs, no control characters but line breaks; nothing where
    nothing is to be seen, as in a lone zero-width space.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\t", " "))
    kept = "".join(one for one in text if one == "\n" or unicodedata.category(one) != "Cc")
    return kept.strip() if any(map(visible, kept)) else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."


def _named(characters: set[str]) -> str:
    return ", ".join(f"U+{ord(one):04X}" for one in sorted(characters))
