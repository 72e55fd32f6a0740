"""Wanted texts on pages that were read: where each stands, the page with these alone, what to say of it."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...cancel import watched
from ...catalog.words import in_language, words
from ...cjk import is_cjk
from ...errors import nearest
from ..results.region_lines import without_places
from ..results.result import OCRResult, Region, Word
from .masks import upright_box
from .text_match import Finder
from .word_boxes import Polygon, Span, place

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

MOST_HINTS = 20  # wanted texts for which the nearest word is looked up
ACROSS = ("exact", "case_insensitive")  # what is looked for over the ends of lines
NEAR = 1.5  # line heights between lines that one sentence may run through
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
    """Every find on a page, in reading order; one that runs over a line's end is a find in each of its lines.
    ``picture``: see ``word_boxes.place``.
    """
    over = _over_ends(page.regions, finder) if finder.query.match in ACROSS else {}
    found = []
    for region in watched(page.regions, 16):
        if region.category == "unread" and finder.query.match == "everything":
            found.append(Match(region, (0, len(region.text)), (region.polygon,), False))
            continue
        parts = over.get(id(region), [])
        spans = finder.spans(region.text)
        if parts:
            alone = (span for span in watched(spans) if not any(map(_overlap(span), parts)))
            spans = sorted([*alone, *parts])
        for span, placed in zip(spans, place(region, spans, picture), strict=True):
            if placed.polygons:
                found.append(Match(region, span, placed.polygons, placed.estimated))
    return found


def _overlap(span: Span) -> Callable[[Span], bool]:
    return lambda other: span[0] < other[1] and other[0] < span[1]


def _over_ends(regions: Sequence[Region], finder: Finder) -> dict[int, list[Span]]:
    """Of finds that run over the ends of lines: the part in each line, by the line's id."""
    parts: dict[int, list[Span]] = {}
    for lines in _running(regions):
        starts, text = [], ""
        for line in watched(lines, 16):
            if text and line.text and not (is_cjk(text[-1]) and is_cjk(line.text[0])):
                text += " "
            starts.append(len(text))
            text += line.text
        for start, end in watched(finder.spans(text), 16):
            first, last = bisect.bisect_right(starts, start) - 1, bisect.bisect_left(starts, end) - 1
            for line, at in zip(lines[first : last + 1], starts[first : last + 1], strict=True):
                span = max(0, start - at), min(len(line.text), end - at)
                if first < last and line.text[slice(*span)].strip():
                    parts.setdefault(id(line), []).append(span)
    return parts


def _running(regions: Sequence[Region]) -> Iterator[list[Region]]:
    """Lines of which each stands near the one before it: a sentence may run through them."""
    lines: list[Region] = []
    for region in watched(regions, 16):
        if lines and not (region.category == lines[-1].category and _near(lines[-1], region)):
            if len(lines) > 1:
                yield lines
            lines = []
        lines.append(region)
    if len(lines) > 1:
        yield lines


def _near(one: Region, other: Region) -> bool:
    (x0, y0, x1, y1), (a0, b0, a1, b1) = one.box, other.box
    high = max(min(x1 - x0, y1 - y0), min(a1 - a0, b1 - b0))
    return max(x0 - a1, a0 - x1, y0 - b1, b0 - y1) <= NEAR * high


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


def report(
    pages: Sequence[Sequence[Match]], finder: Finder, read: Sequence[OCRResult], lang: str = "en"
) -> str:
    """Finds by page for a person, in "en", "ru" or "zh"; of a wanted text that is nowhere, the nearest word
    that was read."""
    say = words(lang)
    count = sum(map(len, pages))
    if not count:
        return say["mask_nothing"].format(hint=in_language(_hint(finder, read), lang))
    lines = [say["mask_found"].format(count=count, some=sum(map(bool, pages)), pages=len(pages))]
    shown = 0
    for number, found in enumerate(pages, 1):
        texts = ", ".join(f'"{match.text}"' for match in found[: MOST_SAID - shown])
        told = len(found[: MOST_SAID - shown])
        shown += told
        if told and told < len(found):
            texts = say["summary_and_more"].format(names=texts, count=len(found) - told)
        if told:
            lines.append(say["mask_page"].format(number=number, texts=texts))
    guessed = sum(match.estimated for page in pages for match in page)
    if guessed:
        lines.append(
            in_language(
                f"The places of {guessed} are estimated from letter widths: the model that read the page "
                "tells lines but no words. Connect the image, or choose the shape line, to be surer.",
                lang,
            )
        )
    return "\n".join(lines)


def _hint(finder: Finder, read: Sequence[OCRResult]) -> str:
    if placeless := without_places(read):
        return f" {placeless}"
    texts = [page.text for page in read if page.text.strip()]
    if not texts:
        return " There is no text on the pages."
    if finder.query.match == "regex":
        return ""
    words = {word: None for text in texts for word in watched(text.split())}
    close = (nearest(wanted, words) for wanted in watched(finder.wanted[:MOST_HINTS], 1))
    return next((hint for hint in close if hint), "")
