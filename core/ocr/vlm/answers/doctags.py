"""DocTags, the notation of granite-docling: elements with places on a grid, tables in OTSL.

The names are those of docling-core's DocumentToken and DocItemLabel. Text is never lost: what stands in an
element that is not known here, between elements or without any tag is text of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ....cancel import watched
from .fences import unwrapped
from .parsed import CUT, Parsed, RawRegion, as_markdown, points_of, without_half_tag
from .tables import OTSL_NAMES, otsl_to_html

_DOCTAG = re.compile(r"<(/?)([a-z_][\w-]{0,40})>")
_DOC_CATEGORIES = {
    "text": "Text",
    "paragraph": "Text",
    "reference": "Text",
    "handwritten_text": "Text",
    "key_value_region": "Text",
    "form": "Text",
    "grading_scale": "Text",
    "field_region": "Text",
    "field_heading": "Text",
    "field_item": "Text",
    "field_key": "Text",
    "field_value": "Text",
    "field_hint": "Text",
    "smiles": "Text",
    "checkbox_selected": "Text",
    "checkbox_unselected": "Text",
    "title": "Title",
    "caption": "Caption",
    "footnote": "Footnote",
    "formula": "Formula",
    "list_item": "List-item",
    "page_footer": "Page-footer",
    "page_header": "Page-header",
    "picture": "Picture",
    "chart": "Picture",
    "otsl": "Table",
    "table": "Table",
    "document_index": "Table",
    "code": "Code",
}
_CHECKED = {"checkbox_selected": "[x] ", "checkbox_unselected": "[ ] "}
_SUFFIX = re.compile(r"section_header(_level_\d{1,2})?")
_LOC_GRID = 500  # DocTags give places on a grid of 0..500; the family's units are thousandths
MOST_OPEN = 32  # elements within each other; deeper ones count as text of the last
_HALF_PLACE = re.compile(r"<(?:loc_?\d{0,4})\Z")
_IN_TAGS = frozenset({"doctag", "page_break", *OTSL_NAMES})


def doctags(answer: str, cut: bool) -> Parsed:
    """granite-docling: ``<text><loc_x0><loc_y0><loc_x1><loc_y1>words</text>``, tables in OTSL."""
    regions = list(_doc_elements(_whole_tags(answer) if cut else unwrapped(answer)))
    return Parsed(
        "\n".join(region.text for region in regions if region.text),
        "\n\n".join(filter(None, map(as_markdown, regions))),
        tuple(region for region in regions if region.points),
        notes=(CUT,) if cut else (),
    )


def _whole_tags(answer: str) -> str:
    """``answer`` without the half tag at which it broke off."""
    known = (*_DOC_CATEGORIES, *_IN_TAGS, *(f"section_header_level_{level}" for level in range(1, 10)))
    return unwrapped(without_half_tag(_HALF_PLACE.sub("", answer), known))


class _Open:
    """An element whose end has not come: its name, what was written in it, its places in thousandths."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[str] = []
        self.places: list[float] = []

    def taken(self) -> list[RawRegion]:
        """What stands in it so far, as none or one region; its body starts anew."""
        body, self.parts = "".join(self.parts), []
        text = _text(self.name, body)
        points = points_of(self.places[:4])
        if not text and not (points and self.name):
            return []
        return [RawRegion(text, points, _category(self.name) or "Text")]


def _doc_elements(answer: str) -> Iterator[RawRegion]:
    page = _Open("")
    opened = [page]
    at = 0
    shown_till = 0  # what stands before it is a program, whatever tags it has
    for found in watched(_DOCTAG.finditer(answer)):
        closing, tag = found[1] == "/", found[2]
        inner = opened[-1]
        if found.start() < shown_till and not tag.startswith("loc_"):
            continue
        inner.parts.append(answer[at : found.start()])
        at = found.end()
        if tag.startswith("loc_") and tag[4:].isdecimal():
            inner.places.append(float(tag[4:]) * 1000 / _LOC_GRID)
        elif _category(tag) is None:
            drawn = _category(inner.name) == "Picture" and tag in OTSL_NAMES  # the numbers of a chart
            if inner.name == "code" or _category(inner.name) == "Table" or drawn:
                inner.parts.append(found[0])  # cells of a table; a program's own tags
        elif not closing and len(opened) <= MOST_OPEN:
            if _category(inner.name) != "Table":  # a table goes on behind the caption in it
                yield from inner.taken()
            opened.append(_Open(tag))
            if tag == "code":
                shown_till = max(shown_till, answer.find("</code>", at))
        elif closing and any(element.name == tag for element in opened):
            while opened[-1].name != tag:
                yield from opened.pop().taken()
            yield from opened.pop().taken()
    opened[-1].parts.append(answer[at:])
    while opened:
        yield from opened.pop().taken()


def _category(name: str) -> str | None:
    return "Section-header" if _SUFFIX.fullmatch(name) else _DOC_CATEGORIES.get(name)


def _text(name: str, body: str) -> str:
    if _category(name) in ("Table", "Picture") and (table := otsl_to_html(body)):
        return table
    text = re.sub(r"^<_[^<>]{0,40}_>", "", body.strip())
    return _CHECKED.get(name, "") + text if text else ""
