"""Pages and tables that a model wrote as HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from html.parser import HTMLParser

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


class _Boxes(HTMLParser):
    """Elements with ``data-bbox``: a table as a whole, otherwise the innermost that holds the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[Point, ...], list[str]]] = []
        self._open: list[tuple[str, int | None]] = []  # tag, index into found
        self._table = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        index = None
        if self._table:
            self._raw(_start(tag, given))
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
            if tag == "br":
                self._raw("\n")
        if tag not in VOID:
            self._open.append((tag, index))
            self._table += tag == "table"

    def handle_endtag(self, tag: str) -> None:
        if not any(open_tag == tag for open_tag, _ in self._open):
            return
        while True:
            closed, _ = self._open[-1]
            if self._table:
                self._raw(f"</{closed}>")
                self._table -= closed == "table"
            self._open.pop()
            if closed == tag:
                return

    def handle_data(self, data: str) -> None:
        self._raw(escape(data, quote=False) if self._table else data)

    def _raw(self, text: str) -> None:
        for _, index in reversed(self._open):
            if index is not None:
                self.found[index][2].append(text)
                return
        if self.found and self._table:
            self.found[-1][2].append(text)


def _start(tag: str, given: Mapping[str, str | None]) -> str:
    spans = "".join(
        f' {name}="{value}"'
        for name, value in given.items()
        if name in ("rowspan", "colspan") and (value or "").isdigit()
    )
    return f"<{tag}{spans}>"


def qwen_html(answer: str, cut: bool) -> Parsed:
    """Qwen3-VL's document HTML: elements carry ``data-bbox="x0 y0 x1 y1"`` and stand in reading order."""
    text = closed(without_fence_lines(answer))
    boxes = _Boxes()
    boxes.feed(text)
    boxes.close()
    regions = []
    for tag, points, pieces in boxes.found:
        joined = "".join(pieces)
        words = joined.strip() if tag == "table" else re.sub(r"[ \t\r\f]+", " ", joined).strip()
        if words or tag in ("img", "figure"):
            regions.append(RawRegion(words, points, _CATEGORIES.get(tag, "Text")))
    if not regions:
        return Parsed(text, text)
    return Parsed(
        "\n".join(region.text for region in regions if region.text),
        "\n\n".join(filter(None, map(as_markdown, regions))),
        tuple(regions),
        notes=(CUT,) if cut else (),
    )


class _Open(HTMLParser):
    """The tags that are still open at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def closed(text: str) -> str:
    """``text`` with the closing tags that a cut left out, and without a half tag at its end."""
    half = text.rfind("<")
    if half > text.rfind(">"):
        text = text[:half].rstrip()
    reader = _Open()
    reader.feed(text)
    return text + "".join(f"</{tag}>" for tag in reversed(reader.open))


def html(answer: str, cut: bool) -> Parsed:
    """An HTML table and whatever stands around it; a cut one gets its closing tags."""
    text = closed(without_fence_lines(answer))
    return Parsed(text, text)
