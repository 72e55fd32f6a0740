"""Markdown as olmOCR and Nanonets-OCR write it: with a head of properties, with tags for what is no text."""

from __future__ import annotations

import re

from .fences import unwrapped, without_fence_lines, wraps_markdown
from .parsed import Parsed
from .places import figures

_HEAD = re.compile(r"\s{0,20}---[ \t]{0,20}\n((?:[\w -]{1,40}:[^\n]{0,200}\n){1,20})---[ \t]{0,20}(?:\n|$)")
_PROPERTY = re.compile(r"^([\w -]{1,40}):[ \t]{0,20}([^\n]{0,200})$", re.MULTILINE)
_TAGS = re.compile(r"</?(?:watermark|page_number|signature|img)>", re.IGNORECASE)


def front_matter(answer: str, cut: bool) -> Parsed:
    """olmOCR: properties between two lines of dashes, then the page in Markdown. What it says of the page's
    turn is a note.
    """
    text = _unwrapped(answer)
    head = _HEAD.match(text)
    said = dict(_PROPERTY.findall(head[1])) if head else {}
    page = text[head.end() :].strip() if head else text
    notes: tuple[str, ...] = ()
    turn = said.get("rotation_correction", "").strip()
    if said.get("is_rotation_valid", "").strip().lower() == "false" and turn in ("90", "180", "270"):
        notes = (
            f"The model says that the page lies wrong: turn it {turn} degrees clockwise and read it again.",
        )
    return Parsed(page, page, figures(page), notes=notes)


def nanonets(answer: str, cut: bool) -> Parsed:
    """Nanonets-OCR: Markdown with tags around watermarks, page numbers, signatures and descriptions of
    pictures. The text has their words without the tags.
    """
    marked = _unwrapped(answer)
    return Parsed(_TAGS.sub("", marked).strip(), marked)


def _unwrapped(answer: str) -> str:
    return without_fence_lines(answer) if wraps_markdown(answer) else unwrapped(answer)
