"""What reading a picture gives: regions, text, markdown, and how the reading ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import VramwiseError
from ...host import without_machine_paths

SCHEMA_VERSION = 1
FOUND_AT = ("file", "page")  # where a command or a job found the page; no part of what was read
Point = tuple[float, float]


def hull(points: Sequence[Point]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of points."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True)
class Word:
    """A word (in CJK text: a character) inside a region. ``polygon``: four points, pixels of the original
    image.
    """

    text: str
    polygon: tuple[Point, ...]
    confidence: float | None = None


@dataclass(frozen=True)
class Region:
    """A line or block of text.

    ``polygon`` is clockwise from the text's own top left corner, in pixels of the ORIGINAL image (x right,
    y down). ``order`` is the place in reading order from 0. ``confidence`` is 0..1, the chance that every
    letter is right, or None where the engine has none. That of a word is its recogniser's own score.
    """

    text: str
    polygon: tuple[Point, ...]
    order: int
    category: str = "text"
    confidence: float | None = None
    words: tuple[Word, ...] = ()

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Upright bounding box (x0, y0, x1, y1)."""
        return hull(self.polygon)


@dataclass(frozen=True)
class Cell:
    """A cell of a table. ``regions`` are places in ``OCRResult.regions`` (none: empty, or the engine gives no
    places); it takes ``across`` columns and ``down`` rows.
    """

    text: str
    regions: tuple[int, ...] = ()
    across: int = 1
    down: int = 1


@dataclass(frozen=True)
class Table:
    """A table on a page. All rows are equally long: what a merged cell covers beside its top left place are
    empty cells. The first ``header_rows`` rows name the columns.
    """

    rows: tuple[tuple[Cell, ...], ...]
    header_rows: int = 0


@dataclass(frozen=True)
class OCRResult:
    """One image, read.

    ``finish_reason``: "stop" (read to the end), "length" (cut by max_new_tokens), "loop" (a runaway was
    cut) or "blank" (nothing to read). ``notes`` are sentences for the person: what was ignored, routed or
    left unread. ``seconds`` is the time inside the engine; ``tokens`` and ``peak_bytes`` are None where the
    engine has none. ``reasoning`` is what the model thought before it answered, and in no other field.
    ``tables`` in reading order; their words stand in ``text`` and ``regions`` too.
    """

    text: str
    markdown: str
    regions: tuple[Region, ...]
    width: int
    height: int
    finish_reason: str
    model: str
    precision: str
    seconds: float
    language: str = "auto"
    tokens: int | None = None
    peak_bytes: int | None = None
    notes: tuple[str, ...] = ()
    reasoning: str = ""
    tables: tuple[Table, ...] = ()

    def to_dict(self, exact: bool = False, **found_at: str) -> dict[str, Any]:
        """Plain JSON types; the layout is versioned by ``version`` and described by ocr_schema.json.

        Positions are rounded to tenths of a pixel unless ``exact``. ``from_json.result_from_dict`` reads it.
        Notes name no folder of this machine, because JSON travels.
        ``found_at``: entries of FOUND_AT, which stand first.
        """
        return {
            **found_at,
            "version": SCHEMA_VERSION,
            "text": self.text,
            "markdown": self.markdown,
            "regions": [
                {
                    **_piece(region, exact),
                    "order": region.order,
                    "category": region.category,
                    "words": [_piece(word, exact) for word in region.words],
                }
                for region in self.regions
            ],
            "width": self.width,
            "height": self.height,
            "finish_reason": self.finish_reason,
            "model": self.model,
            "precision": self.precision,
            "seconds": float(self.seconds) if exact else round(self.seconds, 4),
            "language": self.language,
            "tokens": self.tokens,
            "peak_bytes": self.peak_bytes,
            "notes": [without_machine_paths(note) for note in self.notes],
            "reasoning": self.reasoning,
            "tables": [_table(table) for table in self.tables],
        }


def _table(table: Table) -> dict[str, Any]:
    rows = [
        [
            {"text": cell.text, "regions": list(cell.regions), "across": cell.across, "down": cell.down}
            for cell in row
        ]
        for row in table.rows
    ]
    return {"rows": rows, "header_rows": table.header_rows}


def _piece(piece: Region | Word, exact: bool) -> dict[str, Any]:
    """What a region and a word have in common. Written out: dataclasses.asdict copies deeply and is ten
    times slower.
    """
    polygon = [[float(x), float(y)] for x, y in piece.polygon]
    confidence = None if piece.confidence is None else float(piece.confidence)
    if not exact:
        polygon = [[round(x, 1), round(y, 1)] for x, y in polygon]
        confidence = None if confidence is None else round(confidence, 4)
    return {"text": piece.text, "polygon": polygon, "confidence": confidence}


@dataclass(frozen=True)
class Regions:
    """The results of a whole batch, in order: what travels on a VRAMWISE_REGIONS link."""

    pages: tuple[OCRResult, ...]

    def __len__(self) -> int:
        return len(self.pages)

    def __iter__(self) -> Iterator[OCRResult]:
        return iter(self.pages)

    def size(self) -> tuple[int, int]:
        """(width, height) in pixels that all pages share; VramwiseError where they differ."""
        sizes = sorted({(page.width, page.height) for page in self.pages})
        if len(sizes) != 1:
            listed = ", ".join(f"{width} x {height}" for width, height in sizes[:5]) or "none"
            raise VramwiseError(
                f"The pages are of different sizes ({listed}), and a batch of masks has one. Give the pages "
                "of each size on their own."
            )
        return sizes[0]

    def to_json(self) -> str:
        """An array with one entry a page; nothing is rounded, so that ``from_json.regions_from_json`` gives
        equal regions.
        """
        return json.dumps([page.to_dict(exact=True) for page in self.pages], ensure_ascii=False)
