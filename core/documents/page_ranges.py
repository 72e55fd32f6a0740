"""Page ranges as people write them: "1-3,7,10-"."""

from __future__ import annotations

import re

from ..errors import VramwiseError

MOST_LETTERS = 10_000  # of a list of pages
_PIECE = re.compile(r"(\d{1,9})?(?:\s{0,9}(-)\s{0,9}(\d{1,9})?)?")  # two numbers have a dash between them


def page_numbers(wanted: str, count: int) -> tuple[int, ...]:
    """The pages of ``wanted`` among ``count``, counted from 0, in the order written, each once. Empty: all.

    "10-" runs to the last page, "-3" from the first; a range that begins inside may end beyond the last page.
    Raises VramwiseError for a range that is none, runs backwards or begins beyond the last page.
    """
    if not wanted.strip():
        return tuple(range(count))
    chosen: dict[int, None] = {}
    for piece in wanted.split(","):
        first, last = _ends(piece.strip(), wanted, count)
        if first > count:
            raise VramwiseError(
                f"The pages {wanted} begin at {first}, and there {_are(count)}. Give pages from 1 to {count}."
            )
        if len(chosen) < count:
            chosen.update(dict.fromkeys(range(first - 1, min(last, count))))
    return tuple(chosen)


def check_page_numbers(wanted: str) -> None:
    """Raise VramwiseError where ``wanted`` is no list of pages, whatever there is to choose from."""
    if wanted.strip():
        for piece in wanted.split(","):
            _ends(piece.strip(), wanted, 0)


def _ends(piece: str, wanted: str, count: int) -> tuple[int, int]:
    """First and last page of one piece, from 1."""
    if len(wanted) > MOST_LETTERS:
        raise VramwiseError(
            f"The list of pages has {len(wanted):,} letters; at most {MOST_LETTERS:,} are read. Write it "
            "as in 1-300, or leave it empty for all."
        )
    match = _PIECE.fullmatch(piece)
    if match is None or not any(match.group(1, 3)):
        raise VramwiseError(
            f'"{wanted[:80]}" is not a list of pages. Write it as 1-3,7,10- or leave it empty for all.'
        )
    first = int(match[1] or 1)
    last = int(match[3]) if match[3] else (max(first, count) if match[2] else first)
    if not 1 <= first <= last:
        raise VramwiseError(
            f'"{piece}" in the pages {wanted[:80]} runs backwards or begins at 0. '
            "Pages count from 1, as in 1-3."
        )
    return first, last


def _are(count: int) -> str:
    return "is 1 page" if count == 1 else f"are {count} pages"
