"""Searchable PDFs: the pictures of pages, or a PDF's own pages, with what was read as invisible text."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..atomic_files import write_whole_by
from ..errors import VramwiseError
from ..hardware.capabilities import required
from ..ocr.results.result import OCRResult, Point
from .glyphless_font import GlyphlessFont
from .page_pictures import PagePicture
from .pdf_files import PdfFile
from .text_layer import text_layer

if TYPE_CHECKING:
    from .text_layer import Affine

log = logging.getLogger("vramwise.pdf")
FONT = "/VramwiseText"
Box = tuple[float, float, float, float]  # left, bottom, right, top in points


def require_pikepdf() -> Any:
    """The package pikepdf. Raises VramwiseError with the line that installs it."""
    return required("pikepdf", "A searchable PDF", "pikepdf>=9.0")


class SearchablePdf:
    """A PDF in the making. ``notes`` are sentences about what is not as in the original.

    Without ``original`` pages are added as pictures. With it its pages stay as they are, with everything
    that is on them, and get their text by ``add_text``.
    """

    def __init__(self, title: str, original: Path | None = None) -> None:
        self._pikepdf = require_pikepdf()
        self.notes: list[str] = []
        self._font = GlyphlessFont()
        self._fonted: list[Any] = []  # pages whose text waits for the font
        self._languages: set[str] = set()
        self._original: PdfFile | None = None
        if original is None:
            self._pdf = self._pikepdf.new()
            self._pdf.docinfo["/Title"] = title
        else:
            self._pdf = self._opened(original)
            try:
                self._original = PdfFile(original)
            except BaseException:
                self._pdf.close()
                raise

    def __len__(self) -> int:
        return len(self._pdf.pages)

    def _opened(self, original: Path) -> Any:
        try:
            pdf = self._pikepdf.open(original, suppress_warnings=True)
            len(pdf.pages)
        except Exception as error:  # qpdf has many words for a damaged file
            said = str(error).replace(str(original), original.name).splitlines()
            raise VramwiseError(
                f"{original.name} cannot be opened by pikepdf: {said[0] if said else type(error).__name__}."
            ) from error
        if pdf.is_encrypted:
            self.notes.append(
                f"{original.name} restricts what may be done with it; the searchable copy has no such lock."
            )
        if _is_signed(pdf):
            self.notes.append(
                f"{original.name} is signed. The searchable copy is another file, so that the signature no "
                "longer holds in it; the original is unchanged."
            )
        return pdf

    def add_picture(self, picture: PagePicture, result: OCRResult | None) -> None:
        """A new page that shows ``picture``, with what ``result`` read of it."""
        name = self._pikepdf.Name
        width, height = picture.size
        entries = {key: _pdf_value(self._pikepdf, value) for key, value in picture.entries.items()}
        if picture.profile:
            channels = 1 if picture.entries["ColorSpace"] == "/DeviceGray" else 3
            profile = self._pdf.make_stream(picture.profile, N=channels)
            entries["ColorSpace"] = self._pikepdf.Array([name("/ICCBased"), profile])
        image = self._pikepdf.Stream(
            self._pdf,
            picture.data,
            self._pikepdf.Dictionary(
                Type=name.XObject, Subtype=name.Image, Width=picture.width, Height=picture.height, **entries
            ),
        )
        shown = f"q {' '.join(f'{value:.4f}' for value in picture.matrix)} cm /Page Do Q\n".encode("ascii")
        page = self._pikepdf.Dictionary(
            Type=name.Page,
            MediaBox=[0, 0, round(width, 4), round(height, 4)],
            Resources=self._pikepdf.Dictionary(XObject={"/Page": image}),
            Contents=self._pdf.make_stream(shown),
        )
        self._pdf.pages.append(self._pikepdf.Page(self._pdf.make_indirect(page)))
        if result is not None:
            self.add_text(len(self) - 1, result)

    def add_text(self, index: int, result: OCRResult) -> None:
        """Lay what ``result`` read of page ``index`` over it. Words that it has as text already are left
        out.
        """
        page = self._pdf.pages[index]
        to_page = _to_page(page, result.width, result.height)
        there = _Boxes(self._original.text_boxes(index) if self._original else [])
        layer = text_layer(result, to_page, self._font, FONT, there.hold)
        if layer:
            page.contents_add(self._pdf.make_stream(layer), prepend=True)
            self._fonted.append(page)
            self._languages.add(result.language)

    def write(self, path: Path) -> None:
        """The PDF at ``path``, whole or not at all. Raises NotWritten."""
        if self._fonted:
            font = self._font.add_to(self._pdf)
            for page in self._fonted:
                _add_font(self._pikepdf, page, font)
        languages = self._languages - {"auto"}
        if len(languages) == 1 and "/Lang" not in self._pdf.Root:
            self._pdf.Root.Lang = self._pikepdf.String(languages.pop())

        def save(file: IO[bytes]) -> None:
            self._pdf.save(file, object_stream_mode=self._pikepdf.ObjectStreamMode.generate)

        write_whole_by(path, save)

    def close(self) -> None:
        self._pdf.close()
        if self._original is not None:
            self._original.close()


def _pdf_value(pikepdf: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        return pikepdf.Dictionary({f"/{key}": _pdf_value(pikepdf, one) for key, one in value.items()})
    return pikepdf.Name(value) if isinstance(value, str) else value


def _add_font(pikepdf: Any, page: Any, font: Any) -> None:
    """The page gets resources of its own: those it has may be another page's too, or stand above it."""
    old = page.obj.get("/Resources")
    node = page.obj
    depth = 0
    while old is None and (node := node.get("/Parent")) is not None and depth < 100:
        old, depth = node.get("/Resources"), depth + 1
    new = pikepdf.Dictionary(old if isinstance(old, pikepdf.Dictionary) else {})
    fonts = new.get("/Font")
    new.Font = pikepdf.Dictionary(fonts if isinstance(fonts, pikepdf.Dictionary) else {})
    new.Font[FONT] = font
    page.obj.Resources = new


def _to_page(page: Any, width: int, height: int) -> Affine:
    """From pixels of a page's picture, as it is shown, to its points: by its visible part and its turn."""
    left, bottom, right, top = visible_box(page)
    turn = _turn(page)
    across, down = (top - bottom, right - left) if turn in (90, 270) else (right - left, top - bottom)
    x, y = across / max(1, width), down / max(1, height)
    return {
        90: (0.0, x, y, 0.0, left, bottom),
        180: (-x, 0.0, 0.0, y, right, bottom),
        270: (0.0, -x, -y, 0.0, right, top),
    }.get(turn, (x, 0.0, 0.0, -y, left, top))


def visible_box(page: Any) -> Box:
    """What of a page is shown: its CropBox as far as it lies in its MediaBox, as pdfium takes it."""
    media = _box(page.mediabox) or (0.0, 0.0, 612.0, 792.0)
    crop = _box(page.cropbox) or media
    cut = (max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3]))
    return cut if cut[0] < cut[2] and cut[1] < cut[3] else media


def _box(values: Any) -> Box | None:
    try:
        x0, y0, x1, y1 = (float(value) for value in values)
    except (TypeError, ValueError):
        return None
    box = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    return box if box[0] < box[2] and box[1] < box[3] else None


def _turn(page: Any) -> int:
    try:
        return int(page.rotate) % 360
    except (AttributeError, TypeError, ValueError):
        node, depth = page.obj, 0
        while node is not None and depth < 100:
            if "/Rotate" in node:
                return int(node["/Rotate"]) % 360
            node, depth = node.get("/Parent"), depth + 1
    return 0


def _is_signed(pdf: Any) -> bool:
    form = pdf.Root.get("/AcroForm")
    try:
        return bool(int(form.get("/SigFlags", 0)) & 1) if form is not None else False
    except (AttributeError, TypeError, ValueError):
        return False


class _Boxes:
    """Boxes of text on a page, in strips of its height, so that a word looks at a few of them."""

    STRIP = 16.0

    def __init__(self, boxes: Sequence[Box]) -> None:
        self._strips: dict[int, list[Box]] = {}
        for box in boxes:
            for strip in range(int(box[1] // self.STRIP), min(int(box[3] // self.STRIP), 10_000) + 1):
                self._strips.setdefault(strip, []).append(box)

    def hold(self, middle: Point) -> bool:
        """Whether a box holds the point."""
        x, y = middle
        near = self._strips.get(int(y // self.STRIP), ())
        return any(left <= x <= right and bottom <= y <= top for left, bottom, right, top in near)
