"""Characters become ink: fonts opened, widths measured, lines and columns drawn.

Lengths are in ems, the size of the font being 1, until something is drawn. Pillow shapes with libraqm where
it has that; without it right-to-left text is put in order by python-bidi and arabic-reshaper.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass
from typing import Any

from ..errors import VramwiseError
from ..shell import pip_line
from .fonts import Face, FontIndex, Run

MEASURED_AT = 200  # pixels; hinting moves an advance by less than a pixel
ASCENT = 0.88  # from the top of the em to the baseline in nearly all CJK fonts
REORDERED = frozenset(("R", "AL", "AN"))


@dataclass(frozen=True)
class Extent:
    """Advance and ink of a line in ems, from its origin on the baseline; y goes down."""

    advance: float
    left: float
    top: float
    right: float
    bottom: float


def first_strong_is_right_to_left(text: str) -> bool:
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


class Ink:
    """Two 8-bit layers of one size: the letters, and the letters with their outline."""

    def __init__(self, width: int, height: int, outline: int = 0) -> None:
        from PIL import Image

        self.outline = outline
        self.fill = Image.new("L", (width, height))
        self.stroke = Image.new("L", (width, height)) if outline else self.fill

    def text(self, x: float, y: float, text: str, **how: Any) -> None:
        """Text with its origin at (x, y) on the baseline."""
        from PIL import ImageDraw

        ImageDraw.Draw(self.fill).text((x, y), text, 255, anchor="ls", **how)
        if self.outline:
            ImageDraw.Draw(self.stroke).text(
                (x, y), text, 255, anchor="ls", stroke_width=self.outline, stroke_fill=255, **how
            )

    def paste(self, other: Ink, x: int, y: int, turned: bool = False) -> None:
        """Lay another one over this with its corner at (x, y); ``turned``: by 90 degrees clockwise."""
        from PIL import Image, ImageChops

        for mine, theirs in ((self.fill, other.fill), (self.stroke, other.stroke)):
            layer = theirs.transpose(Image.Transpose.ROTATE_270) if turned else theirs
            box = (x, y, x + layer.width, y + layer.height)
            mine.paste(ImageChops.lighter(mine.crop(box), layer), box)
            if not self.outline:
                return

    def cropped(self) -> Ink:
        """Without the empty margins; of no size where there is no ink."""
        box = self.stroke.getbbox() or (0, 0, 0, 0)
        less = Ink(0, 0)
        less.outline, less.fill = self.outline, self.fill.crop(box)
        less.stroke = self.stroke.crop(box) if self.outline else less.fill
        return less

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.fill.size


class TextShaper:
    """One text's fonts. ``face`` is the person's choice, or None for a font by coverage."""

    def __init__(self, fonts: FontIndex, face: Face | None, text: str, right_to_left: bool) -> None:
        self.right_to_left = right_to_left
        self._raqm = _has_raqm()
        self._reorder = not self._raqm and any(
            unicodedata.bidirectional(character) in REORDERED for character in text
        )
        shown = _visual(text, right_to_left) if self._reorder else text
        runs = fonts.runs(shown, face)
        self._home = {character: run.face for run in runs for character in run.text}
        self.faces = tuple(dict.fromkeys(run.face for run in runs))
        self.strays = {
            character for character, home in self._home.items() if face is not None and home != face
        }
        self.extent = functools.lru_cache(maxsize=4096)(self._extent)

    def runs(self, text: str) -> list[Run]:
        """From left to right as drawn."""
        shown = _visual(text, self.right_to_left) if self._reorder else text
        runs: list[Run] = []
        for character in shown:
            face = self._home.get(character, self.faces[0])
            if runs and (runs[-1].face == face or character.isspace()):
                runs[-1] = Run(runs[-1].face, runs[-1].text + character)
            else:
                runs.append(Run(face, character))
        return runs[::-1] if self.right_to_left and not self._reorder else runs

    def has(self, character: str) -> bool:
        """Whether the text's main font has it: for signs that could stand for others."""
        return self.faces[0].has(character)

    def draw(self, ink: Ink, x: float, y: float, text: str, size: int) -> None:
        """One line with its origin at (x, y); ``size`` in pixels."""
        for run in self.runs(text):
            font = opened(run.face, size)
            ink.text(x, y, run.text, font=font, **self._direction())
            x += font.getlength(run.text, **self._direction())

    def _extent(self, text: str) -> Extent:
        x = 0.0
        boxes = []
        for run in self.runs(text):
            font = opened(run.face, MEASURED_AT)
            left, top, right, bottom = font.getbbox(run.text, anchor="ls", **self._direction())
            boxes.append((x + left, top, x + right, bottom))
            x += font.getlength(run.text, **self._direction())
        edges = list(zip(*boxes, strict=True)) or [(0.0,)] * 4
        em = MEASURED_AT
        return Extent(x / em, min(edges[0]) / em, min(edges[1]) / em, max(edges[2]) / em, max(edges[3]) / em)

    def _direction(self) -> dict[str, str]:
        if not self._raqm:
            return {}
        return {"direction": "rtl" if self.right_to_left else "ltr"}


@functools.lru_cache(maxsize=48)
def opened(face: Face, size: int) -> Any:
    """Pillow's font of this size in pixels, a variable one at its regular weight."""
    from PIL import ImageFont

    engine = ImageFont.Layout.RAQM if _has_raqm() else ImageFont.Layout.BASIC
    try:
        font = ImageFont.truetype(str(face.path), size, face.index, layout_engine=engine)
        if face.variable:
            axes = font.get_variation_axes()
            font.set_variation_by_axes([_regular(axis) for axis in axes])
    except (OSError, ValueError) as error:
        raise VramwiseError(
            f"The font {face.path} cannot be opened: {error}. Replace the file or choose another font."
        ) from error
    return font


def _regular(axis: Any) -> float:
    name = axis["name"].decode("utf-8", "replace") if isinstance(axis["name"], bytes) else str(axis["name"])
    wanted = 400.0 if name.lower() == "weight" else float(axis["default"])
    return min(max(wanted, float(axis["minimum"])), float(axis["maximum"]))


@functools.cache
def _has_raqm() -> bool:
    from PIL import features

    return bool(features.check("raqm"))


def _visual(text: str, right_to_left: bool) -> str:
    """``text`` in the order and with the letter forms in which it is drawn from left to right."""
    try:
        from arabic_reshaper import reshape
        from bidi.algorithm import get_display
    except ImportError as error:
        raise VramwiseError(
            "Right-to-left text cannot be set: this Pillow has no libraqm, and python-bidi and "
            f"arabic-reshaper are not installed. Run: {pip_line('python-bidi', 'arabic-reshaper')}"
        ) from error
    return str(get_display(reshape(text), base_dir="R" if right_to_left else "L"))
