"""Pages and tables that a model wrote as HTML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from html.parser import HTMLParser

from ....cancel import watched
from ...results.result import Point
from .fences import without_fence_lines
from .parsed import CUT, Parsed, RawRegion, as_markdown, numbers, points_of

VOID = frozenset({"br", "img", "hr", "input", "meta", "link", "col"})
_CATEGORIES = {
    "table": "Table",
    "img": "Image",
    "figure": "Image",
    "li": "List-item",
    "ul": "List-item",
    "ol": "List-item",
    "caption": "Caption",
    "figcaption": "Caption",
    "header": "Page-header",
    "footer": "Page-footer",
    "h1": "Title",
    **{f"h{level}": "Section-header" for level in range(2, 7)},
}


LONGEST_TAG = 2_000  # letters
# A whole tag; one with a quotation mark too many, of which the name is kept; a declaration. Python's parser
# takes the square of what it finds half ("<a <a <a": 40 KB in a minute; CPython #135462), so it is only given
# these and text. None of them goes over the next "<".
_TAG = re.compile(rf"""</?[A-Za-z](?:[^<>"']|"[^"<]*"|'[^'<]*'){{0,{LONGEST_TAG}}}>""")
_ODD_TAG = re.compile(rf"(</?[A-Za-z][^\s/<>]{{0,40}})[^<>]{{0,{LONGEST_TAG}}}>")
_PASSED_OVER = re.compile(rf"<[!?][^<>]{{0,{LONGEST_TAG}}}>")
_PAGE = re.compile(r"</?(?:html|body|head|!doctype html)\b[^<>]{0,400}>\s{0,4}", re.IGNORECASE)
_HALF = re.compile(r"</?(?:[A-Za-z][^<>]*)?\Z|<![^<>]*\Z")  # and not the one of "x < 5"
_PIECE = 2**13  # letters that the parser is given at once


def _whole_tags(text: str) -> Iterator[str]:
    """``text`` in pieces that are cheap to parse: comments are left out, a "<" that opens no tag is written
    as ``&lt;``.
    """
    at = 0
    comments = True  # whether one may still end
    while (opened := text.find("<", at)) >= 0:
        yield text[at:opened]
        if comments and text.startswith("<!--", opened):
            end = text.find("-->", opened + 4)
            comments = end >= 0
            at = end + 3 if comments else opened
            if comments:
                continue
        tag, end = _tag(text, opened)
        yield tag
        at = end
    yield text[at:]


def _tag(text: str, at: int) -> tuple[str, int]:
    """What the "<" at ``at`` opens, and where that ends."""
    if tag := _TAG.match(text, at):
        return tag[0], tag.end()
    if odd := _ODD_TAG.match(text, at):
        return f"{odd[1]}>", odd.end()
    if passed := _PASSED_OVER.match(text, at):
        return "", passed.end()
    return "&lt;", at + 1


def read_html(parser: HTMLParser, text: str) -> None:
    """Feed all of ``text``. Between tags only: a piece that ends within one would be looked at again."""
    some: list[str] = []
    size = 0
    for piece in watched(_whole_tags(text)):
        some.append(piece)
        size += len(piece)
        if size > _PIECE and piece.startswith("<"):
            parser.feed("".join(some))
            some, size = [], 0
    parser.feed("".join(some))
    parser.close()


class _Boxes(HTMLParser):
    """Elements with ``data-bbox``: a table as a whole, otherwise the innermost that holds the text. Words and
    tables outside of all of them are entries without a place.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[Point, ...], list[str]]] = []
        self._open: list[tuple[str, int | None]] = []  # tag, index into found
        self._holders: list[int] = []  # of the open ones those with an index
        self._count: Counter[str] = Counter()
        self._table = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        index = None
        if self._table:
            self._raw(start_tag(tag, given))
        else:
            points = points_of(numbers(given.get("data-bbox") or ""))
            if points:
                index = len(self.found)
                kind = "img" if "image" in (given.get("class") or "") else tag
                before = [given.get("alt") or ""] if tag == "img" else ["<table>"] if tag == "table" else []
                if self.found and self.found[-1][:2] == ("img", points):
                    self.found.pop()  # a picture and the frame around it
                    index -= 1
                self.found.append((kind, points, before))
            elif tag == "table":
                self._raw("<table>")
            if tag == "br":
                self._raw("\n")
        if tag not in VOID:
            self._open.append((tag, index))
            self._count[tag] += 1
            self._table += tag == "table"
            if index is not None:
                self._holders.append(index)

    def handle_endtag(self, tag: str) -> None:
        if not self._count[tag]:
            return
        while True:
            closed, index = self._open[-1]
            if self._table:
                self._raw(f"</{closed}>")
                self._table -= closed == "table"
            self._open.pop()
            self._count[closed] -= 1
            if index is not None:
                self._holders.pop()
            if closed == tag:
                return

    def handle_data(self, data: str) -> None:
        self._raw(escape(data, quote=False) if self._table else data)

    def _raw(self, text: str) -> None:
        if self._holders:
            self.found[self._holders[-1]][2].append(text)
            return
        if not self.found or self.found[-1][1]:
            if not text.strip():
                return
            self.found.append(("table" if text.startswith("<table") else "p", (), []))
        self.found[-1][2].append(text)


def start_tag(tag: str, given: Mapping[str, str | None]) -> str:
    spans = "".join(
        f' {name}="{value}"'
        for name, value in given.items()
        if name in ("rowspan", "colspan") and (value or "").isdigit()
    )
    return f"<{tag}{spans}>"


def qwen_html(answer: str, cut: bool) -> Parsed:
    """Qwen3-VL's document HTML: elements carry ``data-bbox="x0 y0 x1 y1"`` and stand in reading order."""
    text = closed(without_fence_lines(answer), cut)
    boxes = _Boxes()
    read_html(boxes, text)
    regions = []
    for tag, points, pieces in boxes.found:
        joined = "".join(pieces)
        words = joined.strip() if tag == "table" else re.sub(r"[ \t\r\f]+", " ", joined).strip()
        if words or tag in ("img", "figure"):
            regions.append(RawRegion(words, points, _CATEGORIES.get(tag, "Text")))
    if not any(region.points for region in regions):
        return Parsed(text, text)
    return Parsed(
        "\n".join(region.text for region in regions if region.text),
        "\n\n".join(filter(None, map(as_markdown, regions))),
        tuple(region for region in regions if region.points),
        notes=(CUT,) if cut else (),
    )


class _Open(HTMLParser):
    """The tags that are still open at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self._count: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
            self._count[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        while self._count[tag]:
            last = self.open.pop()
            self._count[last] -= 1
            if last == tag:
                return


def closed(text: str, cut: bool) -> str:
    """``text`` with the closing tags that a cut left out, and without the half tag at its end."""
    half = text.rfind("<")
    if cut and half > text.rfind(">") and _HALF.match(text, half):
        text = text[:half].rstrip()
    reader = _Open()
    read_html(reader, text)
    return text + "".join(f"</{tag}>" for tag in reversed(reader.open))


def html(answer: str, cut: bool) -> Parsed:
    """An HTML table and whatever stands around it, without the page around both; a cut one gets its closing
    tags.
    """
    text = _PAGE.sub("", closed(without_fence_lines(answer), cut)).strip()
    return Parsed(text, text)
