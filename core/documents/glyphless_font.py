"""A font whose glyphs show nothing: what carries the text of a searchable PDF, in whatever script."""

from __future__ import annotations

import functools
import io
from typing import Any

NAME = "/VramwiseGlyphless"
UNITS = 1000  # an em
ADVANCE = 500  # of every glyph
STEP, MOST_WIDE = 10, 4000  # of other widths
MOST_CODES = 65_535
_UNKNOWN = "\ufffd"
_BLOCK = 100  # entries that a CMap may have in one bfchar


class GlyphlessFont:
    """Codes for the characters of one document. A code is nothing but a number; what it stands for is said by
    the font's ToUnicode table, so that no script needs a font of its own.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, int], int] = {}

    def codes(self, text: str, width: float = ADVANCE) -> str:
        """``text`` as the inside of a PDF's hexadecimal string, each letter ``width`` thousandths of an em
        wide: in steps of STEP.
        """
        return "".join(f"{self._code(letter, step_of(width)):04x}" for letter in text)

    def _code(self, letter: str, width: int) -> int:
        if (letter, width) not in self._codes and len(self._codes) >= MOST_CODES - MOST_WIDE // STEP:
            letter = _UNKNOWN
        return self._codes.setdefault((letter, width), len(self._codes) + 1)

    def add_to(self, pdf: Any) -> Any:
        """The font as an object of ``pdf`` (a pikepdf.Pdf), with all codes that were asked for."""
        from pikepdf import Dictionary, Name

        widths = sorted({width for _, width in self._codes} | {ADVANCE})
        name, data = Name(NAME), font_file(tuple(widths))
        glyphs_of_codes = [0, *(widths.index(width) + 1 for _, width in self._codes)]
        descriptor = Dictionary(
            Type=Name.FontDescriptor,
            FontName=name,
            Flags=5,  # every glyph as wide as the others; no Latin character set
            FontBBox=[0, -1, ADVANCE, UNITS],
            ItalicAngle=0,
            Ascent=UNITS,
            Descent=-1,  # 0 would be taken for unknown
            CapHeight=UNITS,
            StemV=80,
            FontFile2=pdf.make_stream(data, Length1=len(data)),
        )
        glyphs = Dictionary(
            Type=Name.Font,
            Subtype=Name.CIDFontType2,
            BaseFont=name,
            CIDSystemInfo=Dictionary(Registry="Adobe", Ordering="Identity", Supplement=0),
            FontDescriptor=pdf.make_indirect(descriptor),
            DW=ADVANCE,
            W=self._widths(),
            CIDToGIDMap=pdf.make_stream(b"".join(glyph.to_bytes(2, "big") for glyph in glyphs_of_codes)),
        )
        return pdf.make_indirect(
            Dictionary(
                Type=Name.Font,
                Subtype=Name.Type0,
                BaseFont=name,
                Encoding=Name("/Identity-H"),
                DescendantFonts=[pdf.make_indirect(glyphs)],
                ToUnicode=pdf.make_stream(self._to_unicode()),
            )
        )

    def _widths(self) -> list[int | list[int]]:
        """As PDF 32000-1, 9.7.4.3 writes them; those that are missing are DW."""
        others = [(code, width) for (_, width), code in self._codes.items() if width != ADVANCE]
        return [part for code, width in others for part in (code, [width])]

    def _to_unicode(self) -> bytes:
        """A CMap (Adobe Technical Note 5014) from codes to UTF-16."""
        entries = [f"<{code:04x}> <{_utf_16(letter)}>" for (letter, _), code in self._codes.items()]
        blocks = [entries[at : at + _BLOCK] for at in range(0, len(entries), _BLOCK)]
        listed = "\n".join(
            f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks
        )
        return (
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
            "/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"
            "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
            "1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
            f"{listed}\n"
            "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
        ).encode("ascii")


def step_of(width: float) -> int:
    """The width that a letter has where ``width`` is asked for, in thousandths of an em."""
    return min(max(round(width / STEP), 1), MOST_WIDE // STEP) * STEP


def _utf_16(letter: str) -> str:
    return letter.encode("utf-16-be").hex()


@functools.cache
def font_file(widths: tuple[int, ...]) -> bytes:
    """A TrueType font with a glyph for each of ``widths``, behind the one that every font begins with: a line
    from corner to corner of its cell, which encloses nothing.

    pdfium (Chrome) takes a glyph's outline for its place and drops texts of glyphs without one.
    """
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    advances = {".notdef": ADVANCE, **{f"w{width}": width for width in widths}}
    outlines = {}
    for name, advance in advances.items():
        pen = TTGlyphPen(None)
        pen.moveTo((0, 0))
        pen.lineTo((advance, UNITS))
        pen.closePath()
        outlines[name] = pen.glyph()
    builder = FontBuilder(UNITS, isTTF=True)
    builder.setupGlyphOrder(list(advances))
    builder.setupCharacterMap({})
    builder.setupGlyf(outlines)
    builder.setupHorizontalMetrics({name: (advance, 0) for name, advance in advances.items()})
    builder.setupHorizontalHeader(ascent=UNITS, descent=-1)
    builder.setupNameTable({"familyName": "Vramwise Glyphless", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.font["head"].created = builder.font["head"].modified = 0  # the same bytes each time
    builder.font.recalcTimestamp = False
    out = io.BytesIO()
    builder.save(out)
    return out.getvalue()
