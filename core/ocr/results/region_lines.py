"""A text for each region, and the same as lines with numbers that a language model keeps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...cancel import watched
from ...errors import VramwiseError
from .result import OCRResult

_NUMBERED = re.compile(r"\s*<(\d{1,6})>(.*)")
_CLOSING = re.compile(r"\s*</\d{1,6}>\s*\Z")
_MARK = re.compile(r"</?\d{1,6}>")


def without_places(pages: Sequence[OCRResult]) -> str:
    """A sentence where pages have a text and no region at all, else nothing: who wrote it gave no places."""
    if not any(page.text.strip() for page in pages) or any(page.regions for page in pages):
        return ""
    return (
        f"The pages were read by {pages[0].model}, which gave no places with this task. In OCR Inference set "
        "hybrid to lines, or task to spotting or layout where the model does it."
    )


def region_texts(pages: Iterable[OCRResult]) -> list[str]:
    """One text a region, in the order of the pages and of their regions."""
    return [region.text for page in pages for region in page.regions]


def numbered_lines(pages: Iterable[OCRResult]) -> str:
    """The same as one text, a line a region: ``<1> Espresso``. A line break in a region is ``\\n``."""
    texts = (_MARK.sub("", text).replace("\n", "\\n") for text in region_texts(pages))
    return "\n".join(f"<{number}> {text}" for number, text in enumerate(texts, 1))


def texts_by_number(lines: Sequence[str], count: int) -> list[str] | None:
    """The texts of ``count`` regions out of lines with numbers, wherever they stand; None where no line has
    one. A line without a number goes on with the one before it, words before the first are nobody's, a number
    that is left out leaves its region alone. Raises VramwiseError for a number twice or beyond the regions.
    """
    found: dict[int, list[str]] = {}
    held: list[str] | None = None
    for line in watched(lines):
        numbered = _NUMBERED.match(line)
        if numbered is None:
            if held is not None and line.strip():
                held.append(_CLOSING.sub("", line).strip())
            continue
        number = int(numbered[1])
        if not 1 <= number <= count or number in found:
            what = "twice" if number in found else f"and there are {count} regions"
            raise VramwiseError(
                f"The texts have the number <{number}> {what}. Each line begins with the number of its "
                "region, as in numbered_lines of OCR Inference."
            )
        held = found[number] = [_CLOSING.sub("", numbered[2]).strip()]
    if not found:
        return None
    return ["\n".join(found.get(number, [""])) for number in range(1, count + 1)]
