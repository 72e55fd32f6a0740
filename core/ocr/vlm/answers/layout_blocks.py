"""Chandra's pages: HTML in blocks, ``<div data-bbox="x0 y0 x1 y1" data-label="Text">``, in reading order."""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from html.parser import HTMLParser

from ...results.result import Point
from .fences import without_fence_lines
from .html_pages import VOID, closed, read_html, start_tag
from .parsed import CUT, Parsed, RawRegion, as_markdown, numbers, points_of

_CATEGORIES = {
    "Equation-Block": "Formula",
    "Chemical-Block": "Formula",
    "Section-Header": "Section-header",
    "Page-Header": "Page-header",
    "Page-Footer": "Page-footer",
    "Table-Of-Contents": "Table",
    "Code-Block": "Code",
    "List-Group": "List",
    "Complex-Block": "Text",
    "Bibliography": "Text",
    "Image": "Picture",
    "Figure": "Picture",
    "Diagram": "Picture",
    "Blank-Page": "Text",
}
_ANY_TAG = re.compile(r"</?[A-Za-z][^<>]{0,2000}>")
_OLD_GRID = 1024  # of the first Chandra; the family's units are thousandths
_PARAGRAPHS = frozenset({"p", "div", "ul", "ol", "table", "pre", "h1", "h2", "h3", "h4", "h5", "hr"})
_KEPT = frozenset({"sup", "sub"})
MOST_INDENTED = 12  # lists within each other; deeper ones stand below the last


class _Blocks(HTMLParser):
    """The outermost elements with a place or a label, their content as Markdown; a table stays HTML."""

    def __init__(self, grid: int) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[Point, ...], list[str]]] = [("Text", (), [])]
        self._grid = grid
        self._open: list[str] = []
        self._count: Counter[str] = Counter()
        self._block: int | None = None  # depth of the open block
        self._lists: list[int] = []  # the next number of each open list, 0 for dots
        self._table = 0
        self._math: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._block is None and ("data-bbox" in given or "data-label" in given):
            self._block = len(self._open)
            places = [number * 1000 / self._grid for number in numbers(given.get("data-bbox") or "")]
            label = given.get("data-label") or "Text"
            self.found.append((_CATEGORIES.get(label, label), points_of(places), []))
        if tag not in VOID:
            self._open.append(tag)
            self._count[tag] += 1
        self._table += tag == "table"
        self._add(self._opening(tag, given))

    def _opening(self, tag: str, given: dict[str, str | None]) -> str:
        if tag == "math":
            self._math.append("$$" if given.get("display") == "block" else "$")
            return self._math[-1]
        if tag == "input" and given.get("type") in ("checkbox", "radio"):
            return "[x] " if "checked" in given else "[ ] "
        if tag == "img":
            return escape(given.get("alt") or "", quote=False) if self._table else given.get("alt") or ""
        if self._table:
            return start_tag(tag, given)
        if tag in ("ul", "ol"):
            self._lists.append(int(tag == "ol"))
            return "\n\n" if len(self._lists) == 1 else ""
        if tag == "li":
            return self._item()
        if tag == "br":
            return "\n"
        if tag in _KEPT:
            return f"<{tag}>"
        head = f"{'#' * int(tag[1])} " if re.fullmatch("h[1-5]", tag) else ""
        return f"\n\n{head}" if tag in _PARAGRAPHS else ""

    def _item(self) -> str:
        number = self._lists[-1] if self._lists else 0
        if number:
            self._lists[-1] += 1
        indent = "  " * min(len(self._lists) - 1, MOST_INDENTED)
        return f"\n{indent}{number}. " if number else f"\n{indent}- "

    def handle_endtag(self, tag: str) -> None:
        if not self._count[tag]:
            return
        while self._open:
            last = self._open.pop()
            self._count[last] -= 1
            self._add(self._closing(last))
            if self._block is not None and len(self._open) <= self._block:
                self._block = None
                self.found.append(("Text", (), []))  # for words outside of every block
            if last == tag:
                return

    def _closing(self, tag: str) -> str:
        if tag == "math":
            return self._math.pop()
        if self._table:
            self._table -= tag == "table"
            return f"</{tag}>" if self._table else f"</{tag}>\n\n" if tag == "table" else f"</{tag}>"
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            return "" if self._lists else "\n\n"
        if tag in _KEPT:
            return f"</{tag}>"
        return "\n\n" if tag in _PARAGRAPHS else ""

    def handle_data(self, data: str) -> None:
        inside = bool({"pre", "code"} & set(self._open[-4:]))
        text = data if inside else re.sub(r"\s+", " ", data)
        self._add(escape(text, quote=False) if self._table and not self._math else text)

    def _add(self, text: str) -> None:
        if text:
            self.found[-1][2].append(text)


def chandra(answer: str, cut: bool) -> Parsed:
    """With places of 0..1000."""
    return _read(answer, cut, 1000)


def chandra_1024(answer: str, cut: bool) -> Parsed:
    """With places of 0..1024, as the first Chandra wrote them."""
    return _read(answer, cut, _OLD_GRID)


def _read(answer: str, cut: bool, grid: int) -> Parsed:
    text = closed(without_fence_lines(answer), cut)
    if not _ANY_TAG.search(text):  # Markdown, or words alone: their breaks are theirs
        return Parsed(text, text, notes=(CUT,) if cut else ())
    blocks = _Blocks(grid)
    read_html(blocks, text)
    regions = []
    for category, points, pieces in blocks.found:
        text = re.sub(r"[ \t]{0,20}\n[ \t]{0,1}(?=\S)", "\n", "".join(pieces))
        text = re.sub(r"[ \t]{1,80}\n", "\n", text)
        text = re.sub(r"\n{3,}", "\n\n", text).replace("]  ", "] ").strip()
        if text or (points and category == "Picture"):
            regions.append(RawRegion(text, points, category))
    return Parsed(
        "\n".join(region.text for region in regions if region.text),
        "\n\n".join(filter(None, map(as_markdown, regions))),
        tuple(region for region in regions if region.points),
        notes=(CUT,) if cut else (),
    )
