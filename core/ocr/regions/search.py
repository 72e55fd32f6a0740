"""Wanted texts on pages that were read: where each stands, the page with these alone, what to say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...errors import nearest
from ..results.result import OCRResult, Region, Word
from .masks import upright_box
from .text_match import Finder
from .word_boxes import Polygon, Span, place

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Match:
    """One find: ``span`` is (start, end) in the text of ``line``, ``polygons`` where that stands (several
    when it runs over lines). ``estimated``: by letter widths, because the engine told no words.
    """

    line: Region
    span: Span
    polygons: tuple[Polygon, ...]
    estimated: bool

    @property
    def text(self) -> str:
        return self.line.text[slice(*self.span)]

    def outline(self, shape: str) -> tuple[Polygon, ...]:
        """What a mask covers: the found "words", their whole "line", or the upright "box" around them."""
        if shape == "line":
            return (self.line.polygon,)
        return (upright_box(self.polygons),) if shape == "box" else self.polygons


def search(page: OCRResult, finder: Finder, picture: NDArray[uint8] | None = None) -> list[Match]:
    """Every find on a page, in reading order. ``picture``: see ``word_boxes.place``."""
    found = []
    for region in page.regions:
        if region.category == "unread" and finder.query.match == "everything":
            found.append(Match(region, (0, len(region.text)), (region.polygon,), False))
            continue
        spans = finder.spans(region.text)
        for span, placed in zip(spans, place(region, spans, picture), strict=True):
            if placed.polygons:
                found.append(Match(region, span, placed.polygons, placed.estimated))
    return found


def only(page: OCRResult, found: Sequence[Match]) -> OCRResult:
    """The page with the found parts as its regions, numbered anew."""
    regions = tuple(_region(match, order) for order, match in enumerate(found))
    text = "\n".join(region.text for region in regions)
    return replace(page, text=text, markdown=text, regions=regions)


def _region(found: Match, order: int) -> Region:
    start, end = found.span
    words, at = [], 0
    for word in found.line.words:
        at = found.line.text.find(word.text, at)
        if at < 0:
            break
        if start <= at and at + len(word.text) <= end:
            words.append(word)
        at += len(word.text)
    known = [word.confidence for word in words if word.confidence is not None]
    single = len(found.polygons) == 1
    pieces = () if single else tuple(Word(found.text, polygon) for polygon in found.polygons)
    return replace(
        found.line,
        text=found.text,
        polygon=found.polygons[0] if single else upright_box(found.polygons),
        order=order,
        confidence=sum(known) / len(known) if known else found.line.confidence,
        words=tuple(words) or pieces,
    )


def outlines(
    pages: Sequence[Sequence[Match]], shape: str, combine: str
) -> tuple[list[list[Polygon]], list[int]]:
    """The polygons of each mask and the index of its page: one mask a "page", a "line" with finds in it, or
    a "match". Where nothing was found, one empty mask a page.
    """
    areas: list[list[Polygon]] = []
    owners: list[int] = []
    if combine == "page" or not any(pages):
        areas = [[polygon for match in found for polygon in match.outline(shape)] for found in pages]
        return areas, list(range(len(pages)))
    for number, found in enumerate(pages):
        previous: Region | None = None
        for match in found:
            if combine == "match" or match.line is not previous:
                areas.append([])
                owners.append(number)
            areas[-1] += match.outline(shape)
            previous = match.line
    return areas, owners


def report(pages: Sequence[Sequence[Match]], finder: Finder, read: Sequence[OCRResult]) -> str:
    """Finds by page for a person; of a wanted text that is nowhere, the nearest word that was read."""
    count = sum(map(len, pages))
    if not count:
        return f"Nothing found.{_hint(finder, read)}"
    lines = [f"Found {count} on {sum(map(bool, pages))} of {len(pages)} pages"]
    for number, found in enumerate(pages, 1):
        if found:
            lines.append(f"page {number}: " + ", ".join(f'"{match.text}"' for match in found))
    guessed = sum(match.estimated for page in pages for match in page)
    if guessed:
        lines.append(
            f"The places of {guessed} are estimated from letter widths: the model that read the page tells "
            "lines but no words. Connect the image, or choose the shape line, to be surer."
        )
    return "\n".join(lines)


def _hint(finder: Finder, read: Sequence[OCRResult]) -> str:
    texts = [page.text for page in read if page.text.strip()]
    if not texts:
        return " There is no text on the pages."
    words = {word for text in texts for word in text.split()}
    close = [nearest(wanted, words) for wanted in finder.wanted]
    return next((hint for hint in close if hint), "") if finder.query.match != "regex" else ""
