"""What a model wrote, as text, markdown and boxes. Strict where it can be, and never evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from . import asked
from .doctags import doctags
from .fences import unfenced, unwrapped, without_fence_lines, wraps_markdown
from .html_pages import html, qwen_html
from .layout_blocks import chandra, chandra_1024
from .markdown_pages import front_matter, nanonets, page_json
from .parsed import CUT, Parsed, RawRegion, as_markdown, flat, numbers, points_of, unread
from .places import (
    boxes_after_text,
    category_of,
    grounded_blocks,
    loc_polygons,
    picture_boxes,
    quads_before_text,
    ref_boxes,
    ref_det,
    ref_det_lines,
    without_tokens,
)
from .reasoning import taken_apart
from .tables import latex_table_to_html, otsl_to_html, whole_marks
from .written_json import entries, json_objects, mended

__all__ = ["CUT", "KINDS", "MADE_OF_TOKENS", "Parsed", "RawRegion", "json_objects", "otsl_to_html", "parse"]

# Every repeat below has a limit, or ends at a sign that it cannot pass: else an answer full of openings
# takes the square of its length.
_COMMENT = re.compile(r"<!--\s{0,20}(\w{1,40})\s{0,20}\(([^()<>]{0,400})\)\s{0,20}-->[ \t]*\n?")
_TABULAR = re.compile(
    r"\\begin\{(tabular|array)\}\s{0,20}(?:\[[^\]\n]{0,20}\])?\{(?:[^{}]|\{[^{}]{0,40}\}){0,400}\}"
)
_OTSL_AROUND = re.compile(r"</?(?:otsl|table_start|table_end)>\s{0,4}")
_PLACE_KEYS = ("bbox_2d", "bbox", "poly", "box")
_PAGE_OF_HTML = re.compile(r"<(?:html|body|div|p|h[1-6]|[uo]l)\b[^<>]{0,400}>", re.IGNORECASE)


GUESSED = (
    "What stood before a closing mark of thinking was taken for the model's thinking and is in reasoning. "
    "If the page itself shows that mark, its first part is there."
)


def parse(kind: str, answer: str, cut: bool, opened: bool = False) -> Parsed:
    """Read ``answer`` as a task's ``kind``, its thinking set apart. ``cut`` says that the model did not come
    to its end, ``opened`` that its prompt ended inside thinking.
    """
    thought = taken_apart(answer, cut, opened)
    parsed = _KINDS[kind](thought.text, cut)
    return replace(
        parsed,
        notes=(*parsed.notes, GUESSED) if thought.guessed else parsed.notes,
        reasoning=thought.reasoning,
        answered=bool(thought.text.strip()) or not (thought.reasoning or thought.unended),
    )


def _plain(answer: str, cut: bool) -> Parsed:
    text = unwrapped(answer)
    return Parsed(text, text)


def _markdown(answer: str, cut: bool) -> Parsed:
    """Markdown; coordinates in comments (``<!-- Table (x0, y0, x1, y1) -->`` of Qwen3-VL) become regions."""
    text = without_fence_lines(answer) if wraps_markdown(answer) else unwrapped(answer)
    regions = []
    for found in _COMMENT.finditer(text):
        points = points_of(numbers(found[2]))
        category = found[1].capitalize()
        if points:
            block = _block(text, found.end())
            regions.append(RawRegion("" if category == "Image" else block, points, category))
    clean = _COMMENT.sub("", text).strip()
    return Parsed(clean, clean, tuple(regions))


def _block(text: str, start: int) -> str:
    """From ``start`` to the next comment or blank line."""
    end = text.find("<!--", start)
    end = len(text) if end < 0 else end
    blank = text.find("\n\n", start, end)
    return text[start : end if blank < 0 else blank].strip()


def _latex(answer: str, cut: bool) -> Parsed:
    text = unfenced(answer)
    for opening, closing in (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$")):
        if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
            text = text[len(opening) : -len(closing)].strip()
            break
    shown = text if not text or "$$" in text or r"\[" in text else f"$$\n{text}\n$$"
    return Parsed(text, shown)


def _qwen_boxes(answer: str, cut: bool) -> Parsed:
    """``[{"bbox_2d": [x0, y0, x1, y1], "text_content": "..."}]``; a point list of eight numbers is a
    polygon.
    """
    found, whole = entries(answer)
    lines = [
        RawRegion(
            mended(entry.get("text_content", entry.get("text", entry.get("label", "")))),
            points_of(flat(next((entry[key] for key in _PLACE_KEYS if key in entry), None))),
        )
        for entry in found
    ]
    if not lines and "{" not in answer and (corners := boxes_after_text(answer, cut)).regions:
        return corners  # as Qwen2-VL was taught
    return _spotted(lines, answer, cut, whole)


def _gemma_boxes(answer: str, cut: bool) -> Parsed:
    """``[{"box_2d": [y0, x0, y1, x1], "label": "..."}]``, as Gemma and Gemini write boxes: y before x."""
    found, whole = entries(answer)
    lines = [
        RawRegion(
            mended(entry.get("label", entry.get("text", entry.get("text_content", "")))),
            tuple((x, y) for y, x in points_of(flat(entry.get("box_2d")))),
        )
        for entry in found
    ]
    if not any(line.points for line in lines):
        return _qwen_boxes(answer, cut)
    return _spotted(lines, answer, cut, whole)


def _spotted(lines: Sequence[RawRegion], answer: str, cut: bool, whole: bool) -> Parsed:
    """Lines in no order; those without a place are beside them."""
    placed = tuple(line for line in lines if line.points)
    if not placed and not _is_json_with_words(answer, lines):
        return unread(answer, cut)
    beside = tuple(line.text for line in lines if line.text and not line.points)
    text = "\n".join([*(line.text for line in placed), *beside])
    notes = () if whole and not cut else (CUT,)
    return Parsed(text, text, placed, ordered=False, notes=notes, beside=beside)


def _dots_layout(answer: str, cut: bool) -> Parsed:
    """``[{"bbox": [...], "category": "...", "text": "..."}]`` in reading order: tables are HTML, formulas
    LaTeX.
    """
    found, whole = entries(answer)
    blocks = []
    for entry in found:
        category = category_of(str(entry.get("category") or "Text"))
        text = mended(entry.get("text", ""), formula=category == "Formula")
        blocks.append(RawRegion(text, points_of(flat(entry.get("bbox", entry.get("bbox_2d")))), category))
    placed = tuple(block for block in blocks if block.points)
    if not placed and not _is_json_with_words(answer, blocks):
        return unread(answer, cut)
    return Parsed(
        "\n".join(block.text for block in blocks if block.text),
        "\n\n".join(filter(None, map(as_markdown, blocks))),
        placed,
        notes=() if whole and not cut else (CUT,),
    )


def _is_json_with_words(answer: str, regions: Sequence[RawRegion]) -> bool:
    """Whether ``answer`` is entries without any place: the first broke off, or none was given."""
    return unfenced(answer)[:1] in ("[", "{") and any(region.text for region in regions)


def _latex_table(answer: str, cut: bool) -> Parsed:
    """GOT's Mathpix markdown with its LaTeX tables as HTML; whatever stands around them stays."""
    marked = _markdown(answer, cut)
    text = "".join(_tables_as_html(marked.text))
    return Parsed(text, text, marked.regions)


def _tables_as_html(text: str) -> Iterator[str]:
    """``text`` in pieces; a table without an end takes all that follows."""
    at = 0
    while (found := _TABULAR.search(text, at)) is not None:
        yield text[at : found.start()]
        closing = f"\\end{{{found[1]}}}"
        end = text.find(closing, found.end())
        yield latex_table_to_html(text[found.end() : len(text) if end < 0 else end])
        at = len(text) if end < 0 else end + len(closing)
    yield text[at:]


def _qwen_html(answer: str, cut: bool) -> Parsed:
    """Qwen's HTML; a page of it without any place is read as Chandra's, so that no tags are left."""
    read = qwen_html(answer, cut)
    return chandra(answer, cut) if not read.regions and _PAGE_OF_HTML.search(read.text) else read


def _otsl(answer: str, cut: bool) -> Parsed:
    """A table in OTSL alone, as PaddleOCR-VL writes it."""
    text = _OTSL_AROUND.sub("", without_tokens(unfenced(answer)))
    text = whole_marks(text) if cut else text
    table = otsl_to_html(text) or text
    return Parsed(table, table, notes=(CUT,) if cut else ())


_KINDS: dict[str, Callable[[str, bool], Parsed]] = {
    "plain": _plain,
    "markdown": _markdown,
    "html": html,
    "latex": _latex,
    "latex_table": _latex_table,
    "qwen_boxes": _qwen_boxes,
    "gemma_boxes": _gemma_boxes,
    "qwen_html": _qwen_html,
    "dots_layout": _dots_layout,
    "doctags": doctags,
    "otsl": _otsl,
    "front_matter": front_matter,
    "nanonets": nanonets,
    "page_json": page_json,
    "chandra": chandra,
    "chandra_1024": chandra_1024,
    "grounded_blocks": grounded_blocks,
    "picture_boxes": picture_boxes,
    "loc_polygons": loc_polygons,
    "quads_before_text": quads_before_text,
    "boxes_after_text": boxes_after_text,
    "ref_boxes": ref_boxes,
    "ref_det": ref_det,
    "answer": asked.answer,
    "caption": asked.caption,
    "tags": asked.tags,
    "json": asked.json_answer,
    "ref_det_lines": ref_det_lines,
}
KINDS = tuple(_KINDS)
# Forms that are made of special tokens: an answer is decoded with them.
MADE_OF_TOKENS = frozenset({"doctags", "otsl", "loc_polygons", "ref_boxes", "ref_det", "ref_det_lines"})
