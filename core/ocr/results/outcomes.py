"""What comes of the pages of a stream: each is read, or says why not."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

from ...errors import VramwiseError
from .result import OCRResult

Outcome = OCRResult | VramwiseError
"""A page that was read, or the sentence in its place."""


def until_failure(outcomes: Generator[Outcome, None, None]) -> Iterator[OCRResult]:
    """The results, in order; the first page that failed raises its VramwiseError. Leaving early closes
    ``outcomes``.
    """
    with closing(outcomes):
        for outcome in outcomes:
            if isinstance(outcome, VramwiseError):
                raise outcome
            yield outcome


def total(counts: Sequence[int | None]) -> int | None:
    """The sum of what is known; None where nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def summed(answers: Sequence[OCRResult], seconds: float) -> dict[str, Any]:
    """The fields of a page's OCRResult that the ``answers`` about its parts add up to; ``seconds`` were taken
    before they were asked.
    """
    peaks = [answer.peak_bytes for answer in answers if answer.peak_bytes is not None]
    return {
        "precision": answers[0].precision if answers else "none",
        "seconds": seconds + sum(answer.seconds for answer in answers),
        "tokens": total([answer.tokens for answer in answers]),
        "peak_bytes": max(peaks, default=None),
        "reasoning": "\n\n".join(answer.reasoning for answer in answers if answer.reasoning),
    }
