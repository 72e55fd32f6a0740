"""What every reading of an answer gives, and the small pieces that several of them use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ....cancel import watched
from ...results.result import Point
from .fences import unfenced

CUT = "The answer ended before it was complete; what was whole in it is here."


MOST = 1e300  # of a number; whole numbers in JSON may be too large for a float
# An answer in JSON that broke off before its first word: keys, numbers and a category.
_NO_WORDS = re.compile(
    r'[\[{][\s{\["]{0,8}(?:"?[a-z_0-9]{1,24}"?\s{0,4}:\s{0,4}(?:[\[\d\s.,\]-]{1,120}|true|false|null),?\s{0,4}'
    r'|"?(?:category|primary_language)"\s{0,4}:\s{0,4}"[A-Za-z-]{0,20}"?,?\s{0,4}){0,8}'
    r'(?:"?[a-z_0-9]{0,24}"?\s{0,4}:?\s{0,4})?"?',
    re.IGNORECASE,
)
_WIDE = frozenset({"w", "h", "width", "height"})  # these are no corners
_HALF_TAG = re.compile(r"</?([A-Za-z_]\w{0,40})?\Z")


def without_half_tag(text: str, names: Iterable[str]) -> str:
    """``text``, which broke off, without half a tag of ``names`` at its end."""
    half = _HALF_TAG.search(text)
    known = half is not None and any(name.startswith((half[1] or "").lower()) for name in names)
    return text[: half.start()] if half and known else text


@dataclass(frozen=True)
class RawRegion:
    """A piece of text with its place: two opposite corners, or a polygon, in the family's own units.
    ``picture``: on which of several pictures of one question, from 0.
    """

    text: str
    points: tuple[Point, ...]
    category: str = "text"
    picture: int = 0


@dataclass(frozen=True)
class Parsed:
    """``ordered``: the model gave the regions in reading order; else they are lines to be arranged by
    place; ``beside`` is what of ``text`` has none then. ``reasoning`` is what the model thought before it
    answered; ``answered``: it answered at all.
    """

    text: str
    markdown: str
    regions: tuple[RawRegion, ...] = ()
    ordered: bool = True
    notes: tuple[str, ...] = ()
    reasoning: str = ""
    answered: bool = True
    beside: tuple[str, ...] = ()


def unread(answer: str, cut: bool) -> Parsed:
    """An answer without a single entry: an empty list is an empty page, anything else is shown as it is."""
    text = unfenced(answer)
    if text in ("", "[]", "{}") or (cut and _NO_WORDS.fullmatch(text)):
        return Parsed("", "")
    return Parsed(
        text, text, notes=("The model did not answer in the form asked for; its words are the text.",)
    )


def as_markdown(region: RawRegion) -> str:
    text = region.text.strip()
    if region.category == "Formula" and text and not text.startswith(("$", "\\[", "\\(")):
        return f"$$\n{text}\n$$"
    if region.category in ("Title", "Section-header") and text and not text.startswith("#"):
        return f"{'#' if region.category == 'Title' else '##'} {text}"
    if region.category == "List-item" and text and not re.match(r"([-*+]|\d+[.)])\s", text):
        return f"- {text}"
    return text


def flat(value: Any) -> list[float]:
    """The numbers of a box, also where it is a list of points."""
    if isinstance(value, str):
        return numbers(value)
    left: list[Any] = [value]
    out: list[float] = []
    while left:  # lists may lie in each other as deep as JSON goes
        item = left.pop()
        if isinstance(item, dict) and _WIDE.isdisjoint(item):
            item = list(item.values())  # {"x1": ..., "y1": ..., "x2": ..., "y2": ...}
        if isinstance(item, str) and len(item) < 20:
            item = next(iter(numbers(item)), item)
        if isinstance(item, (list, tuple)):
            left.extend(reversed(item))
        elif isinstance(item, (int, float)) and not isinstance(item, bool) and -MOST < item < MOST:
            out.append(float(item))
    return out if isinstance(value, (list, tuple, dict)) else []


def numbers(text: str) -> list[float]:
    return [float(found[0]) for found in watched(re.finditer(r"-?\d+(?:\.\d+)?", text))]


def points_of(numbers: Sequence[float]) -> tuple[Point, ...]:
    """Corners from x0, y0, x1, y1 or a polygon's points; empty for any other count."""
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        return ()
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))
