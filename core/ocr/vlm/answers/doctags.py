"""DocTags, the notation of granite-docling: elements with places on a grid, tables in OTSL."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ....cancel import watched
from .parsed import CUT, Parsed, RawRegion, as_markdown, points_of
from .tables import otsl_to_html

_DOCTAG = re.compile(r"<(/?)([a-z_][\w-]{0,40})>")
_DOC_CATEGORIES = {
    "text": "Text",
    "paragraph": "Text",
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
    "code": "Code",
}
_LOC_GRID = 500  # DocTags give places on a grid of 0..500; the family's units are thousandths


def doctags(answer: str, cut: bool) -> Parsed:
    """granite-docling: ``<text><loc_x0><loc_y0><loc_x1><loc_y1>words</text>``, tables in OTSL."""
    regions = list(_doc_elements(answer))
    return Parsed(
        "\n".join(region.text for region in regions if region.text),
        "\n\n".join(filter(None, map(as_markdown, regions))),
        tuple(region for region in regions if region.points),
        notes=(CUT,) if cut else (),
    )


def _doc_elements(answer: str) -> Iterator[RawRegion]:
    name, body, places = "", "", []
    at = 0
    for found in watched(_DOCTAG.finditer(answer)):
        closing, tag = found[1] == "/", found[2]
        body += answer[at : found.start()]
        at = found.end()
        category = "Section-header" if tag.startswith("section_header") else _DOC_CATEGORIES.get(tag)
        if tag.startswith("loc_") and tag[4:].isdecimal():
            places.append(float(tag[4:]) * 1000 / _LOC_GRID)
        elif name == "otsl" and not closing and category is None:
            body += found[0]
        elif category is not None and (closing or name == ""):
            if not closing:
                name, body, places = tag, "", []
            elif tag == name:
                yield _doc_region(name, body, places)
                name, body, places = "", "", []
        elif category is not None and name != "":  # a caption inside a table or picture
            if body.strip() or places:
                yield _doc_region(name, body, places)
            name, body, places = tag, "", []
    body += answer[at:]
    if name and body.strip():
        yield _doc_region(name, body, places)


def _doc_region(name: str, body: str, places: list[float]) -> RawRegion:
    category = "Section-header" if name.startswith("section_header") else _DOC_CATEGORIES[name]
    text = otsl_to_html(body) if name == "otsl" else re.sub(r"^<_[^<>]{0,40}_>", "", body.strip())
    return RawRegion(text, points_of(places[:4]), category)
