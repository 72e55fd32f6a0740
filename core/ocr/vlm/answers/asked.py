"""Answers to what a model was asked besides reading: a question, a caption, tags, JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ....cancel import watched
from .fences import unwrapped
from .parsed import CUT, Parsed, RawRegion, flat, points_of
from .written_json import json_objects, mended

_BOX_KEYS = ("bbox_2d", "bbox", "box")
_LABEL_KEYS = ("text_content", "label", "text", "name")
_PICTURE_KEYS = ("image", "picture", "image_index", "picture_index", "image_id")
_MOST_NESTED = 10_000  # values that are looked at for boxes
# Qwen2-VL's way, whose marks are special tokens and not in a decoded answer: "the dog(80,120),(460,900)".
_CORNERS = re.compile(
    r"([^()\[\]{}\n,;:.!?]{0,80})\(\s?(\d{1,4})\s?,\s?(\d{1,4})\s?\)\s?,"
    r"\s?\(\s?(\d{1,4})\s?,\s?(\d{1,4})\s?\)"
)
_LABEL = re.compile(
    r"\s*(?:here(?:'s| is| are)[^\n:]{0,60}:"
    r"|(?:\*\*)?(?:caption|description|prompt|tags)(?:\*\*)?\s?:(?:\*\*)?)\s*",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:this|the) (?:image|picture|photo|photograph) "
    r"(?:shows|depicts|features|captures|displays|is of) (?=\w)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"([\"\u201c\u00ab'`])([^\"\u201c\u201d\u00ab\u00bb`]+)([\"\u201d\u00bb'`])\Z")
_TAG_ENDS = re.compile(r"[,;\n\uff0c\u3001]")
_BULLET = re.compile(r"\s*(?:[-*+\u2022]\s+|\d{1,3}[.)]\s+|#(?=\w))")


def answer(said: str, cut: bool) -> Parsed:
    """An answer in words, which stay; places that it gives become regions of the category "answer"."""
    text = unwrapped(said)
    return Parsed(text, text, tuple(_boxes(text)))


def caption(said: str, cut: bool) -> Parsed:
    """A caption alone: without "Here is a caption:", "The image shows", quotation marks around it and line
    breaks.
    """
    text = unwrapped(said)
    found = _LABEL.match(text)
    text = " ".join((text[found.end() :] if found else text).split())
    quoted = _QUOTED.match(text)
    text = quoted[2].strip() if quoted else text
    if about := _ABOUT.match(text):
        text = text[about.end()].upper() + text[about.end() + 1 :]
    return Parsed(text, text, notes=(CUT,) if cut else ())


def tags(said: str, cut: bool) -> Parsed:
    """Tags in lower case with commas between, none twice, however the model listed them."""
    text = unwrapped(said)
    found = _LABEL.match(text)
    pieces = _TAG_ENDS.split(text[found.end() :] if found else text)
    if cut and len(pieces) > 1:
        pieces.pop()  # the one at which the answer broke off
    clean = (_BULLET.sub("", piece, count=1).strip(" \t\r.\"'`*").lower() for piece in watched(pieces))
    text = ", ".join(dict.fromkeys(tag for tag in clean if tag))
    return Parsed(text, text, notes=(CUT,) if cut else ())


def json_answer(said: str, cut: bool) -> Parsed:
    """The words as they came: whoever checks them wants all."""
    text = said.strip()
    return Parsed(text, text)


def _boxes(text: str) -> Iterator[RawRegion]:
    """Places in an answer: objects of JSON with a box, else corners behind words."""
    if not any(f'"{key}"' in text or f"'{key}'" in text for key in _BOX_KEYS):
        for found in watched(_CORNERS.finditer(text)):
            left, top, right, bottom = map(float, found.groups()[1:])
            if left < right and top < bottom:
                label = found[1].strip(" -*")
                yield RawRegion(label, ((left, top), (right, bottom)), "answer")
        return
    entries = list(_entries(json_objects(text)[0]))
    numbers = [_number(entry) for entry in entries]
    first = 0 if 0 in numbers else 1  # models count pictures from 1, as they are called, or from 0
    for entry, number in zip(entries, numbers, strict=True):
        points = points_of(flat(next(entry[key] for key in _BOX_KEYS if key in entry)))
        if points:
            label = mended(next((entry[key] for key in _LABEL_KEYS if key in entry), ""))
            place = 0 if number is None else number - first
            yield RawRegion(label, points, "answer", place)


def _entries(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Objects with a box, however deep in ``objects``."""
    left: list[Any] = list(reversed(objects))
    for _ in range(_MOST_NESTED):
        if not left:
            return
        value = left.pop()
        if isinstance(value, dict):
            if any(key in value for key in _BOX_KEYS):
                yield value
            left.extend(reversed([inner for inner in value.values() if isinstance(inner, dict | list)]))
        elif isinstance(value, list):
            left.extend(reversed([inner for inner in value if isinstance(inner, dict | list)]))


def _number(entry: dict[str, Any]) -> int | None:
    """The number of the picture that an entry names: 2, "2" or "Picture 2"."""
    value = next((entry[key] for key in _PICTURE_KEYS if key in entry), None)
    if isinstance(value, str) and (found := re.search(r"\d{1,4}", value)):
        return int(found[0])
    return value if type(value) is int else None
