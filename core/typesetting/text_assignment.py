"""Which text goes into which region."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..catalog.words import Said, said
from ..errors import VramwiseError
from ..ocr.results.region_lines import texts_by_number


def assigned(texts: Sequence[str], counts: Sequence[int]) -> list[list[str]]:
    """For each page its regions' texts; ``counts``: how many regions each page has.

    ``texts`` are what is linked or written: one string, a line a region (or a JSON array, or one array a
    page); or several strings, one a region, or one a page with a line a region. In lines ``\\n`` is a line
    break; a single region takes all lines, and a bracket of numbers is its text. One string whose lines
    begin with numbers (``<3> text``) gives each to the region of that number. An empty text leaves its
    region alone. Raises VramwiseError where the numbers do not match.
    """
    total, pages = sum(counts), len(counts)
    where = said("on_one_page") if pages == 1 else said("on_pages", count=pages)
    if len(texts) == total != 1:
        return _dealt(texts, counts)
    if len(texts) == 1:
        by_number = texts_by_number(texts[0].replace("\r\n", "\n").split("\n"), total)
        if by_number is not None:
            return _dealt([text.replace("\\n", "\n") for text in by_number], counts)
        arrays = _arrays(texts[0])
        if arrays is None:
            return _dealt(_matched(_lines(texts[0], total), total, where), counts)
    else:
        arrays = [_lines(text, count) for text, count in zip(texts, counts, strict=False)]
        arrays += [[] for _ in texts[len(counts) :]]
    if len(arrays) != len(counts):
        raise VramwiseError(
            said(
                "error_texts_lists",
                given=_count(len(arrays), "list"),
                wanted=_count(total, "region"),
                where=where,
            )
        )
    numbered = enumerate(zip(arrays, counts, strict=True), 1)
    return [_matched(lines, count, said("on_page", number=page)) for page, (lines, count) in numbered]


def _lines(text: str, regions: int) -> list[str]:
    """One text a region: a JSON array's strings, else the lines. [1] for one region is a text."""
    array = _array(text)
    if array is not None and not (regions == 1 and _is_numbers(array)):
        return _strings(array)
    lines = [line.strip().replace("\\n", "\n") for line in text.replace("\r\n", "\n").split("\n")]
    return ["\n".join(lines).strip("\n")] if regions == 1 else lines


def _array(text: str) -> list[object] | None:
    """The JSON array, or None where the text is none: a line may begin with a bracket."""
    if not text.lstrip().startswith("["):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, list) else None


def _is_numbers(data: Sequence[object]) -> bool:
    return bool(data) and all(isinstance(item, (int, float)) for item in data)


def _arrays(text: str) -> list[list[str]] | None:
    """A JSON array of arrays, one a page."""
    data = _array(text)
    if not data or not all(isinstance(item, list) for item in data):
        return None
    return [_strings(item) for item in data if isinstance(item, list)]


def _strings(data: Sequence[object]) -> list[str]:
    for item in data:
        if item is not None and not isinstance(item, (str, int, float)):
            raise VramwiseError(
                f"The JSON in texts holds {json.dumps(item)[:60]}, which is no text. Give an array of "
                "strings, one a region, or an array of such arrays, one a page."
            )
    return ["" if item is None else str(item) for item in data]


def _matched(lines: list[str], count: int, where: Said) -> list[str]:
    """The lines, if there is one for each region; empty ones at the end may be more or, alone, fewer."""
    if not any(lines):
        return [""] * count
    if len(lines) < count or any(lines[count:]):
        raise VramwiseError(
            said(
                "error_texts_given",
                given=_count(len(lines), "text"),
                wanted=_count(count, "region"),
                where=where,
            )
        )
    return lines[:count]


def _dealt(texts: Sequence[str], counts: Sequence[int]) -> list[list[str]]:
    dealt, start = [], 0
    for count in counts:
        dealt.append(list(texts[start : start + count]))
        start += count
    return dealt


def _count(number: int, noun: str) -> Said:
    return said(f"count_{noun}") if number == 1 else said(f"count_{noun}s", count=number)
