"""Wanted texts on pages that were read: where each stands, the page with these alone, what to say of it."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...cancel import watched
from ...errors import nearest
from ..results.result import OCRResult, Region, Word
from .masks import upright_box
from .text_match import Finder
from .word_boxes import Polygon, Span, place

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

MOST_HINTS = 20  # wanted texts for which the nearest word is looked up
MOST_SAID = 200  # finds that a report quotes


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
    for region in watched(page.regions, 16):
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
    places: dict[int, list[tuple[int, int, Word]]] = {}  # of the words of each line that has finds
    regions = []
    for order, match in enumerate(watched(found, 256)):
        line = match.line
        if id(line) not in places:
            places[id(line)] = _places(line)
        regions.append(_region(match, places[id(line)], order))
    text = "\n".join(region.text for region in regions)
    return replace(page, text=text, markdown=text, regions=tuple(regions), tables=())


def _places(line: Region) -> list[tuple[int, int, Word]]:
    """(start, end) of each word in the text of its line, as far as they are found there in order."""
    places = []
    at = 0
    for word in watched(line.words):
        at = line.text.find(word.text, at)
        if at < 0:
            break
        places.append((at, at + len(word.text), word))
        at += len(word.text)
    return places


def _region(found: Match, places: Sequence[tuple[int, int, Word]], order: int) -> Region:
    start, end = found.span
    first = bisect.bisect_left(places, start, key=lambda place: place[0])
    inside = itertools.takewhile(
        lambda place: place[1] <= end, (places[at] for at in range(first, len(places)))
    )
    words = [word for _, _, word in inside]
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
    said = 0
    for number, found in enumerate(pages, 1):
        quoted = [f'"{match.text}"' for match in found[: MOST_SAID - said]]
        said += len(quoted)
        if quoted:
            more = f" and {len(found) - len(quoted)} more" if len(quoted) < len(found) else ""
            lines.append(f"page {number}: {', '.join(quoted)}{more}")
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
    if finder.query.match == "regex":
        return ""
    words = {word: None for text in texts for word in watched(text.split())}
    close = (nearest(wanted, words) for wanted in watched(finder.wanted[:MOST_HINTS], 1))
    return next((hint for hint in close if hint), "")
