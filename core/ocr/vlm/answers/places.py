"""Answers in which texts stand beside their places: marks in Markdown, special tokens, numbers in brackets.

Text is never lost: what stands outside of every mark is a piece of the page without a place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ....cancel import watched
from .parsed import CUT, Parsed, RawRegion, as_markdown, numbers, points_of, unread, without_half_tag

_TOKEN = re.compile(r"<\|[^<>|\n]{1,40}\|>|<\uff5c[^<>\uff5c\n]{1,40}\uff5c>")
_NUMBER = r"-?\d{1,6}(?:\.\d{1,6})?"
_POINT = rf"\(\s{{0,4}}{_NUMBER}\s{{0,4}},\s{{0,4}}{_NUMBER}\s{{0,4}}\)"
_MARKER = re.compile(
    rf"!\[([A-Za-z_][\w -]{{0,40}})(\+?)\]\(({_NUMBER}(?:\s{{0,4}},\s{{0,4}}{_NUMBER}){{3}})\s{{0,4}}\)"
    r"[ \t]{0,20}"
)
_PICTURE = re.compile(
    rf"(!\[image\]\([^()\n]{{1,80}}\))[ \t]{{0,4}}({_NUMBER}(?:\s{{0,4}},\s{{0,4}}{_NUMBER}){{3}})"
)
_FIGURE = re.compile(r"!\[([^\]\n]{0,2000})\]\(page_(\d{1,5})_(\d{1,5})_(\d{1,5})_(\d{1,5})\.png\)")
_LOC_RUN = re.compile(r"(?:<\|LOC_\d{1,4}\|>[\s,;]{0,4}){1,64}")
_LOC = re.compile(r"<\|LOC_(\d{1,4})\|>")
_KINDS = (
    r"(?:title|sub_title|section|text|list|code|algorithm|header|footer|page_header|page_footer|page_number"
    r"|equation|interline_equation|formula|reference|ref_text|aside_text|phonetic|abandon"
    r"|(?:image|figure|table|chart|page|code|equation|formula)(?:_caption|_footnote|_block|_body)?)"
)
# Some servers leave special tokens out: then numbers and a kind, or a kind and numbers, are the mark.
_BOX_TYPE = re.compile(
    r"<\|box_start\|>(?P<box>[\d\s.,]{7,60})<\|box_end\|>\s{0,4}"
    r"<\|ref_start\|>(?P<kind>[\w -]{1,40})<\|ref_end\|>"
    r"|^(?P<bare_box>\d{1,4}(?: \d{1,4}){3})(?P<bare_kind>" + _KINDS + r")$",
    re.MULTILINE,
)
_REF_DET = re.compile(
    r"<\|ref\|>(?P<kind>[^<>|]{0,400})<\|/ref\|>(?:\s{0,4}<\|det\|>(?P<box>[^<>|]{0,4000})<\|/det\|>)?\n?"
    r"|^(?P<bare_kind>" + _KINDS + r")(?P<bare_box>\[\[[\d\s,.\[\]]{7,4000}\]\])[ \t]{0,4}(?:\n|\Z)",
    re.MULTILINE,
)
_QUAD_FIRST = re.compile(rf"{_POINT}(?:\s{{0,4}},?\s{{0,4}}{_POINT}){{1,15}}[ \t]{{0,4}}")
_BOX_LAST = re.compile(
    rf"(?:</ref>\s{{0,4}}<(?:quad|box)>)?{_POINT}\s{{0,4}},\s{{0,4}}{_POINT}(?:</(?:quad|box)>)?"
)
_HALF_QUAD = re.compile(r"(?:\A|\n)\(\d{0,6}\s{0,4}\Z")  # a line begins with its corners
_UNPLACED = re.compile(r"</(?:ref|quad|box)>\s{0,4}(?:<(?:quad|box)>)?\s{0,4}(?:\(\d{0,6})?\Z")
_OPENED = re.compile(r"\s{0,4}<ref>")
# What of a mark was written when an answer broke off; it is no word of the page.
_HALF_MARKER = re.compile(r"!\[[\w -]{0,40}\+?(?:\](?:\([-\d., ]{0,60})?)?\Z")
_HALF_PICTURE = re.compile(r"(!\[image\]\([^()\n]{1,80}\))[-\d., ]{0,60}\Z")
_HALF_REF = re.compile(
    r"<\|ref\|>(?P<kind>[^<>|]{0,400})(?:<\|/ref\|>\s{0,4}(?:<\|det\|>[\[\]\d,. ]{0,4000})?)?\Z"
)
_HALF_BOX = re.compile(
    r"<\|box_start\|>[\d\s.,]{0,60}(?:<\|box_end\|>\s{0,4}(?:<\|ref_start\|>[\w -]{0,40})?)?\Z"
)
_HALF_POINTS = re.compile(
    rf"(?:</ref>\s{{0,4}}<(?:quad|box)>)?(?:{_POINT}\s{{0,4}},?\s{{0,4}}){{0,15}}"
    rf"(?:{_POINT}|\(\s{{0,4}}{_NUMBER}\s{{0,4}},[-\d\s.]{{0,12}})\s{{0,4}},?\s{{0,4}}\(?[-\d\s.,]{{0,12}}\Z"
)

_CATEGORIES = {
    "title": "Title",
    "section": "Section-header",
    "header": "Page-header",
    "page_header": "Page-header",
    "footer": "Page-footer",
    "page_footer": "Page-footer",
    "page_number": "Page-footer",
    "page_footnote": "Footnote",
    "image": "Picture",
    "figure": "Picture",
    "image_block": "Picture",
    "equation": "Formula",
    "interline_equation": "Formula",
    "sub_title": "Section-header",
}
_GRID_OF_DEEPSEEK = 999


def grounded_blocks(answer: str, cut: bool) -> Parsed:
    """LightOnOCR-3: ``![label](x0,y0,x1,y1) text`` up to the next mark; a label with a plus goes on in the
    block before it.
    """
    answer = _HALF_MARKER.sub("", answer) if cut else answer
    regions: list[RawRegion] = []
    marked: list[str] = []
    joins = False
    for found, text in _split(_MARKER, answer):
        if found is None:
            region = RawRegion(text, ())
        else:
            region = RawRegion(text, points_of(numbers(found[3])), category_of(found[1]))
            joins = found[2] == "+"
        if not text and not region.points:
            continue
        regions.append(region)
        shown = as_markdown(region)
        if joins and marked and shown:
            marked[-1] = f"{marked[-1]} {shown}"
        elif shown:
            marked.append(shown)
    if not any(region.points for region in regions):
        return unread(answer, cut)
    return _parsed(regions, "\n\n".join(marked), cut)


def picture_boxes(answer: str, cut: bool) -> Parsed:
    """LightOnOCR-2 bbox: Markdown, with numbers behind each picture's mark."""
    regions = [
        RawRegion("", points, "Picture")
        for found in watched(_PICTURE.finditer(answer))
        if (points := points_of(numbers(found[2])))
    ]
    text = _PICTURE.sub(r"\1", answer).strip()
    text = _HALF_PICTURE.sub(r"\1", text) if cut else text
    return Parsed(text, text, tuple(regions))


def figures(text: str) -> tuple[RawRegion, ...]:
    """olmOCR's figures: ``![words](page_x_y_width_height.png)`` in pixels of the picture it saw."""
    out = []
    for found in watched(_FIGURE.finditer(text)):
        left, top, width, height = (float(found[number]) for number in range(2, 6))
        out.append(RawRegion(found[1], ((left, top), (left + width, top + height)), "Picture"))
    return tuple(out)


def loc_polygons(answer: str, cut: bool) -> Parsed:
    """PaddleOCR-VL: a text and behind it its corners as tokens ``<|LOC_n|>``, with or without marks around
    both.
    """
    regions: list[RawRegion] = []
    rest: list[str] = []
    at = 0
    for found in watched(_LOC_RUN.finditer(answer)):
        text = without_tokens(answer[at : found.start()])
        corners = [float(number) for number in _LOC.findall(found[0])]
        points = points_of(corners[: len(corners) - len(corners) % 2])
        at = found.end()
        if points:
            regions.append(RawRegion(text, points))
        elif text:
            rest.append(text)
    rest += filter(None, [without_tokens(answer[at:])])
    return _lines(regions, rest, answer, cut)


def quads_before_text(answer: str, cut: bool) -> Parsed:
    """dots.mocr: ``(x0,y0),(x1,y1),(x2,y2),(x3,y3) text``."""
    answer = _HALF_QUAD.sub("", _HALF_POINTS.sub("", answer)) if cut else answer
    regions: list[RawRegion] = []
    rest: list[str] = []
    for found, text in _split(_QUAD_FIRST, answer):
        points = () if found is None else points_of(numbers(found[0]))
        if points:
            regions.append(RawRegion(text, points))
        elif text:
            rest.append(text)
    return _lines(regions, rest, answer, cut)


def boxes_after_text(answer: str, cut: bool) -> Parsed:
    """HunyuanOCR: ``text(x0,y0),(x1,y1)``, or ``<ref>text</ref><quad>(x0,y0),(x1,y1)</quad>``."""
    regions: list[RawRegion] = []
    rest: list[str] = []
    at = 0
    for found in watched(_BOX_LAST.finditer(answer)):
        points = points_of(numbers(found[0]))
        regions.append(RawRegion(_line(answer[at : found.start()]), points))
        at = found.end()
    left = without_half_tag(_HALF_POINTS.sub("", answer[at:]), ("ref", "quad", "box")) if cut else answer[at:]
    rest += filter(None, [_line(_UNPLACED.sub("", left))])
    return _lines(regions, rest, answer, cut)


def ref_boxes(answer: str, cut: bool) -> Parsed:
    """MinerU2.5: ``<|box_start|>x0 y0 x1 y1<|box_end|><|ref_start|>kind<|ref_end|>`` and what follows."""
    answer = _HALF_BOX.sub("", answer) if cut else answer
    regions = []
    for found, text in _split(_BOX_TYPE, answer):
        region = RawRegion(text, ())
        if found is not None:
            box, kind = found["box"] or found["bare_box"], found["kind"] or found["bare_kind"]
            region = RawRegion(text, points_of(numbers(box)), category_of(kind))
        if region.text or region.points:
            regions.append(region)
    if not any(region.points for region in regions):
        return unread(without_tokens(answer), cut)
    return _parsed(regions, "\n\n".join(filter(None, map(as_markdown, regions))), cut)


def ref_det(answer: str, cut: bool) -> Parsed:
    """DeepSeek-OCR: ``<|ref|>kind<|/ref|><|det|>[[x0, y0, x1, y1]]<|/det|>`` and the words below it. Of
    several boxes each is a region, the first with the words.
    """
    answer = _HALF_REF.sub("", answer) if cut else answer
    regions = []
    for found, text in _split(_REF_DET, answer):
        if found is None:
            regions += [RawRegion(text, ())] if text else []
            continue
        kind, places = _ref_det(found)
        boxes = [points_of(places[start : start + 4]) for start in range(0, len(places) - 3, 4)]
        category, words = category_of(kind), text
        if not boxes and not re.fullmatch(_KINDS, kind):  # no mark of a place: what it names is of the page
            category, words = "Text", " ".join(filter(None, (kind, text)))
        for points in boxes or [()]:
            regions.append(RawRegion(words, points, category))
            words = ""
    if not regions:
        return unread(without_tokens(answer), cut)
    return _parsed(regions, "\n\n".join(filter(None, map(as_markdown, regions))), cut)


def ref_det_lines(answer: str, cut: bool) -> Parsed:
    """DeepSeek-OCR asked for lines: ``<|ref|>the line<|/ref|><|det|>[[x0, y0, x1, y1]]<|/det|>``."""
    answer = _HALF_REF.sub(r"\g<kind>", answer) if cut else answer
    regions: list[RawRegion] = []
    rest: list[str] = []
    for found, text in _split(_REF_DET, answer):
        if found is not None:
            line, places = _ref_det(found)
            points = points_of(places[:4])
            if points:
                regions.append(RawRegion(line, points))
            elif line:
                rest.append(line)
        rest += [text] if text else []
    return _lines(regions, rest, answer, cut)


def _ref_det(found: re.Match[str]) -> tuple[str, list[float]]:
    """What DeepSeek's mark names, and its places in thousandths."""
    box = found["box"] or found["bare_box"] or ""
    return (found["kind"] or found["bare_kind"] or "").strip(), [
        number * 1000 / _GRID_OF_DEEPSEEK for number in numbers(box)
    ]


def _line(text: str) -> str:
    return without_tokens(_OPENED.sub("", text, count=1))


def without_tokens(text: str) -> str:
    """``text`` without special tokens, which an answer is decoded with where its form is made of them."""
    return _TOKEN.sub("", text).strip()


def category_of(label: str) -> str:
    """A label as models write it, in our words."""
    name = label.strip().lower()
    return _CATEGORIES.get(name, re.sub("[_ ]", "-", name).capitalize() or "Text")


def _split(mark: re.Pattern[str], answer: str) -> Iterator[tuple[re.Match[str] | None, str]]:
    """(mark, what stands behind it up to the next), first with None for what stands before all of them."""
    before: re.Match[str] | None = None
    at = 0
    for found in watched(mark.finditer(answer)):
        yield before, without_tokens(answer[at : found.start()])
        before, at = found, found.end()
    yield before, without_tokens(answer[at:])


def _lines(regions: Sequence[RawRegion], rest: Sequence[str], answer: str, cut: bool) -> Parsed:
    """Lines that are arranged by their places, unless there are words without one."""
    if not regions:
        return unread("\n".join(rest), cut)
    text = "\n".join(filter(None, [*(region.text for region in regions), *rest]))
    notes = (CUT,) if cut else ()
    return Parsed(text, text, tuple(regions), ordered=bool(rest), notes=notes)


def _parsed(regions: Sequence[RawRegion], marked: str, cut: bool) -> Parsed:
    return Parsed(
        "\n".join(region.text for region in regions if region.text),
        marked,
        tuple(region for region in regions if region.points),
        notes=(CUT,) if cut else (),
    )
