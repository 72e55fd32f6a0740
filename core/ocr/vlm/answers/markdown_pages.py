"""Markdown as olmOCR and Nanonets-OCR write it: with a head of properties, within JSON, with tags for what is
no text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .fences import unfenced, unwrapped, without_fence_lines, wraps_markdown
from .parsed import CUT, Parsed, unread, without_half_tag
from .places import figures
from .written_json import entries, mended

_HEAD = re.compile(r"\s{0,20}---[ \t]{0,20}\n((?:[\w -]{1,40}:[^\n]{0,200}\n){1,20})---[ \t]{0,20}(?:\n|$)")
_PROPERTY = re.compile(r"^([\w -]{1,40}):[ \t]{0,20}([^\n]{0,200})$", re.MULTILINE)
_OWN = r"(?:primary_language|is_rotation_valid|rotation_correction|is_table|is_diagram)"
_ODD_HEAD = re.compile(  # without its first line of dashes, or cut before its last
    rf"(?:\s{{0,20}}---[ \t]{{0,20}}\n)?((?:{_OWN}:[^\n]{{0,200}}\n){{1,5}})"
    r"(?:\w{0,20}\s{0,2}\Z|---[ \t]{0,20}(?:\n|\Z))?"
)
_NAMED = re.compile(rf"^{_OWN}:", re.MULTILINE)  # a page may have a head of its own
_HALF_HEAD = re.compile(r"-{1,3}(?:\s{0,20}(\w{0,20}):?)?")
_TAG_NAMES = ("watermark", "page_number", "signature", "figure", "figcaption", "img")
_TAGS = re.compile(
    r"</?(?:watermark|page_number|signature|figure|figcaption)>|</?img(?:\s[^<>]{0,400})?>", re.IGNORECASE
)
_IMAGE = re.compile(r"[ \t]{0,20}<Image>[\s\d(),.-]{0,80}</Image>[ \t]{0,20}\n?")


def front_matter(answer: str, cut: bool) -> Parsed:
    """olmOCR: properties between two lines of dashes, then the page in Markdown. What it says of the page's
    turn is a note.
    """
    text = _unwrapped(answer)
    if cut and (first := _HALF_HEAD.fullmatch(text)) and "primary_language".startswith(first[1] or ""):
        return Parsed("", "")
    head = _HEAD.match(text)
    head = head if head and _NAMED.search(head[1]) else _ODD_HEAD.match(f"{text}\n" if cut else text)
    said = dict(_PROPERTY.findall(head[1])) if head else {}
    page = text[head.end() :].strip() if head else text
    return Parsed(page, page, figures(page), notes=_turned(said))


def _turned(said: Mapping[str, Any]) -> tuple[str, ...]:
    """What a page's properties say of its turn."""
    turn = str(said.get("rotation_correction", "")).strip().removesuffix(".0")
    if str(said.get("is_rotation_valid", "")).strip().lower() != "false" or turn not in ("90", "180", "270"):
        return ()
    return (f"The model says that the page lies wrong: turn it {turn} degrees clockwise and read it again.",)


def page_json(answer: str, cut: bool) -> Parsed:
    """``{"primary_language": "en", ..., "natural_text": "the page in Markdown"}``: olmOCR 1, OCRFlux, Typhoon
    OCR. An answer without such an object is read as olmOCR-2's.
    """
    found, whole = entries(answer)
    said = {key: value for entry in found for key, value in entry.items()}
    if "natural_text" not in said and '"natural_text' not in answer:
        begun = cut and unfenced(answer).startswith("{")
        return unread(answer, cut) if begun else front_matter(answer, cut)
    pages = [mended(entry.get("natural_text", entry.get("text"))) for entry in found]
    page = _IMAGE.sub("", "\n\n".join(filter(None, pages))).strip()
    notes = () if whole and not cut else (CUT,)
    return Parsed(page, page, figures(page), notes=(*notes, *_turned(said)))


def nanonets(answer: str, cut: bool) -> Parsed:
    """Nanonets-OCR and Typhoon OCR 1.5: Markdown with tags around watermarks, page numbers, signatures and
    descriptions of pictures. The text has their words without the tags.
    """
    marked = _unwrapped(answer)
    marked = without_half_tag(marked, _TAG_NAMES).rstrip() if cut else marked
    return Parsed(_TAGS.sub("", marked).strip(), marked)


def _unwrapped(answer: str) -> str:
    return without_fence_lines(answer) if wraps_markdown(answer) else unwrapped(answer)
