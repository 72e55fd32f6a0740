"""What comes of the pages of a stream: each is read, or says why not."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

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
