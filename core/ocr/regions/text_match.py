"""Which characters of a text are the wanted ones: literal, without regard to case, by pattern, or nearly."""

from __future__ import annotations

import bisect
import itertools
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...cancel import aside, cancel_point, watched
from ...cjk import has_word_ends
from ...errors import VramwiseError
from ...normal_forms import normalised
from ...option_values import MATCHES, check_choice

MAX_WANTED = 1_000  # alternatives
MAX_PATTERN = 1_000  # characters of one alternative
MAX_REPEATS = 100_000  # product of a pattern's counts: regex unrolls (a{1000}){1000}, 10^8 take all memory
PATTERN_SECONDS = 5.0  # for all texts of one search; Python's own re could not be stopped
MOST_FINDS = 1_000_000  # places of one search that may be looked at, over all texts
MOST_COMPARED = 600_000_000  # fuzzy: letters of all runs of words that are compared, about 10 s
AT_ONCE = 20_000  # runs of words in one call that nothing can interrupt
Span = tuple[int, int]

_COUNT = re.compile(r"\{([\d,\s]{1,40})\}")


@dataclass(frozen=True)
class Query:
    """What a person looks for. ``find`` holds one alternative a line.

    ``match``: one of ``MATCHES``. ``max_edits`` counts letters for "fuzzy", where it never exceeds half of a
    word. ``whole_words`` keeps "cat" out of "concatenate" for "exact" and "case_insensitive".
    """

    find: str
    match: str = "case_insensitive"
    max_edits: int = 1
    whole_words: bool = True


class Finder:
    """Looks for one query in many texts. Raises VramwiseError for a query that cannot be searched for."""

    def __init__(self, query: Query) -> None:
        check_choice("match", query.match, MATCHES)
        self.query = query
        wanted = [line for line in query.find.splitlines() if line.strip()]
        self.wanted = wanted if query.match == "regex" else [" ".join(line.split()) for line in wanted]
        if query.match == "everything":
            return
        if not self.wanted:
            raise VramwiseError(
                'There is nothing to look for: "find" is empty. Write the wanted text, one alternative a '
                'line, or set match to "everything".'
            )
        _check_sizes(self.wanted)
        self._seconds, self._finds_left, self._letters_left = PATTERN_SECONDS, MOST_FINDS, MOST_COMPARED
        self._patterns = [_compiled(line) for line in self.wanted] if query.match == "regex" else []
        fold = _fold_exact if query.match == "exact" else _fold_case
        self._folded = list(dict.fromkeys(_Folded(line, fold).text for line in self.wanted))

    def spans(self, text: str) -> list[Span]:
        """(start, end) of every find in ``text``, in order, none overlapping; the longest of several wins."""
        match = self.query.match
        if match == "everything":
            return [(0, len(text))] if text.strip() else []
        if match == "regex":
            found = list(self._by_pattern(text))
        elif match == "fuzzy":
            return self._nearly(text)
        else:
            found = list(self._literal(_Folded(text, _fold_exact if match == "exact" else _fold_case)))
        return _apart(sorted(found, key=lambda span: (span[0], -span[1])))

    def _literal(self, folded: _Folded) -> Iterator[Span]:
        for wanted in self._folded:
            cancel_point()
            at = folded.text.find(wanted)
            while at >= 0:
                self._looked_at(1)
                end = at + len(wanted)
                if not self.query.whole_words or _is_whole(folded.text, at, end):
                    yield folded.span(at, end)
                at = folded.text.find(wanted, at + 1)
        if any(" " in wanted for wanted in self._folded):
            yield from self._with_lost_spaces(folded)

    def _with_lost_spaces(self, folded: _Folded) -> Iterator[Span]:
        """Finds of several words that were read as one: "the face" in THEFACE. Spaces may be missing, and
        none may stand where the wanted text has none.
        """
        places = [at for at, letter in enumerate(folded.text) if letter != " "]
        letters = folded.text.replace(" ", "")
        for wanted in self._folded:
            bare = wanted.replace(" ", "")
            if len(bare) == len(wanted) or not bare:
                continue
            cancel_point()
            open_at = _spaces(wanted)
            at = letters.find(bare)
            while at >= 0:
                self._looked_at(1)
                start, end = places[at], places[at + len(bare) - 1] + 1
                whole = not self.query.whole_words or _is_whole(folded.text, start, end)
                if end - start < len(wanted) and whole and _spaces(folded.text[start:end]) <= open_at:
                    yield folded.span(start, end)
                at = letters.find(bare, at + 1)

    def _by_pattern(self, text: str) -> Iterator[Span]:
        for pattern, line in zip(self._patterns, self.wanted, strict=True):
            began = time.monotonic()
            try:
                found = aside(lambda: self._hits(pattern, text))  # noqa: B023
            except TimeoutError:
                raise VramwiseError(
                    f'The pattern "{line}" was stopped after {PATTERN_SECONDS:g} seconds. Repeats inside '
                    "repeats, such as (a+)+, take forever on some texts; write it with fewer of them."
                ) from None
            self._looked_at(len(found))
            yield from (span for span in found if span[1] > span[0])
            self._seconds -= time.monotonic() - began

    def _hits(self, pattern: Any, text: str) -> list[Span]:
        """``concurrent``: without the interpreter's lock."""
        hits = pattern.finditer(text, timeout=max(0.001, self._seconds), concurrent=True)
        return [hit.span() for hit in itertools.islice(hits, self._finds_left + 1)]

    def _looked_at(self, finds: int) -> None:
        self._finds_left -= finds
        if self._finds_left < 0:
            raise VramwiseError(
                f'What "find" asks for could stand at more than {MOST_FINDS:,} places, too many to look at. '
                "Look for longer texts, for fewer at a time, or on fewer pages."
            )
        if self._finds_left % 1024 < finds:
            cancel_point()

    def _nearly(self, text: str) -> list[Span]:
        """Runs of whole words within the allowed edits of a wanted text; of overlapping ones the nearest."""
        folded = _Folded(text, _fold_case)
        words = _words(text)
        runs = [folded.inside(*word) for word in watched(words)]
        scored: list[tuple[int, int, Span]] = []
        for wanted in self._folded:
            allowed = min(self.query.max_edits, (len(wanted) - 1) // 2)
            self._compared(len(runs) * 32)  # what choosing takes
            near = _of_like_length(runs, len(wanted), allowed)
            while some := list(itertools.islice(near, AT_ONCE)):
                cancel_point()
                texts = [folded.text[runs[first][0] : runs[last][1]] for first, last in some]
                self._compared(len(wanted) * len(texts))
                for (first, last), edits in zip(some, _distances(wanted, texts, allowed), strict=True):
                    if edits <= allowed:
                        self._looked_at(1)
                        span = words[first][0], words[last][1]
                        scored.append((edits, span[0] - span[1], span))
        return sorted(_apart(span for _, _, span in sorted(scored)))

    def _compared(self, letters: int) -> None:
        self._letters_left -= letters
        if self._letters_left < 0:
            raise VramwiseError(
                "So many texts to look for on pages of so many words would take minutes to compare. Give "
                "fewer at a time, fewer pages, or a smaller max_edits."
            )


def _distances(wanted: str, texts: Sequence[str], allowed: int) -> list[int]:
    """Edits between ``wanted`` and each of ``texts``; more than ``allowed`` where it is further."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    found: list[int] = cdist([wanted], texts, scorer=Levenshtein.distance, score_cutoff=allowed)[0].tolist()
    return found


class _Folded:
    """A text made comparable, with the way back: normalised cluster by cluster, white space as one space."""

    def __init__(self, text: str, fold: Any) -> None:
        parts: list[str] = []
        self._origin: list[Span] = []
        for start, end in watched(_clusters(text)):
            part = " " if text[start].isspace() else fold(text[start:end])
            parts.append(part)
            self._origin.extend([(start, end)] * len(part))
        self.text = "".join(parts)

    def span(self, start: int, end: int) -> Span:
        """Where (start, end) of the folded text stands in the original."""
        return self._origin[start][0], self._origin[end - 1][1]

    def inside(self, start: int, end: int) -> Span:
        """Where (start, end) of the original stands in the folded text, whole clusters."""
        first = bisect.bisect_right(self._origin, start, key=lambda span: span[1])
        return first, bisect.bisect_left(self._origin, end, first, key=lambda span: span[0])


def _clusters(text: str) -> Iterable[Span]:
    """A letter with its marks, or a run of white space: what normalising may not part."""
    start = 0
    for at in range(1, len(text) + 1):
        together = at < len(text) and (
            unicodedata.combining(text[at]) or (text[at].isspace() and text[start].isspace())
        )
        if not together:
            yield start, at
            start = at


def _spaces(text: str) -> set[int]:
    """Before which of a text's letters a space stands."""
    found, letters = set(), 0
    for letter in text:
        if letter == " ":
            found.add(letters)
        else:
            letters += 1
    return found


def _fold_exact(text: str) -> str:
    return normalised("NFC", text)


def _fold_case(text: str) -> str:
    return normalised("NFKC", normalised("NFKC", text).casefold())


def _is_whole(text: str, start: int, end: int) -> bool:
    return not (
        (start > 0 and _joined(text[start - 1], text[start]))
        or (end < len(text) and _joined(text[end - 1], text[end]))
    )


def _joined(left: str, right: str) -> bool:
    return _in_word(left) and _in_word(right)


def _in_word(character: str) -> bool:
    if not has_word_ends(character):
        return False
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def _words(text: str) -> list[Span]:
    """Words without the punctuation around them; in scripts without spaces, single characters."""
    spans: list[Span] = []
    for run in re.finditer(r"\S+", text):
        start = run.start()
        for at in watched(range(run.start(), run.end() + 1)):
            if at == run.end() or not has_word_ends(text[at]):
                if at > start:
                    spans.append((start, at))
                if at < run.end():
                    spans.append((at, at + 1))
                start = at + 1
    trimmed = [_trimmed(text, *span) for span in spans]
    return [span for span in trimmed if span[1] > span[0]]


def _trimmed(text: str, start: int, end: int) -> Span:
    whole = start, end
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and unicodedata.category(text[end - 1])[0] not in "LMN":
        end -= 1
    return (start, end) if end > start else whole


def _apart(spans: Iterable[Span]) -> list[Span]:
    """The spans that overlap none before them."""
    kept: list[Span] = []
    taken = bytearray()
    for start, end in watched(spans):
        taken.extend(bytes(max(0, end - len(taken))))
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\1" * (end - start)
            kept.append((start, end))
    return kept


def _of_like_length(runs: Sequence[Span], length: int, allowed: int) -> Iterator[Span]:
    """(first, last) of each run of words whose folded length is within ``allowed`` letters of ``length``:
    where more are too many or missing, no comparing is needed.
    """
    ends = [end for _, end in runs]
    for first, (start, _) in enumerate(watched(runs)):
        last = bisect.bisect_left(ends, start + length - allowed, first)
        while last < len(ends) and ends[last] <= start + length + allowed:
            yield first, last
            last += 1


def _check_sizes(wanted: Sequence[str]) -> None:
    longest = max(map(len, wanted))
    if len(wanted) > MAX_WANTED or longest > MAX_PATTERN:
        raise VramwiseError(
            f"There are {len(wanted)} texts to look for, the longest of {longest} characters; at most "
            f"{MAX_WANTED} of {MAX_PATTERN} characters each are searched for. Shorten the list."
        )


def _compiled(pattern: str) -> Any:
    import regex

    repeats = 1
    for count in _COUNT.findall(pattern):
        low, _, high = (part.strip() for part in count.partition(","))
        repeats *= max(1, *(int(part[:9]) for part in (low, high) if part.isdecimal()))
    if repeats > MAX_REPEATS:
        raise VramwiseError(
            f'The pattern "{pattern}" repeats parts {repeats:,} times in all; at most {MAX_REPEATS:,} are '
            "allowed. Use smaller counts, or + and *."
        )
    try:
        return regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError) as error:
        reason, at = getattr(error, "msg", str(error)), getattr(error, "pos", None)
        where = "" if at is None else f" at position {at + 1}"
        raise VramwiseError(
            f'The pattern "{pattern}" is no regular expression: {reason}{where}. '
            'Mend it, or set match to "exact" to look for these very characters.'
        ) from error
