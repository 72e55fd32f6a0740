"""Which recipe is a checkpoint's: how it wants to be asked, by what it says of itself."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...catalog.words import said
from ..family import Family, recipes


@dataclass(frozen=True)
class OwnWords:
    """What a checkpoint says of itself: its own ``names``, the most telling first (repository, folder), those
    of what it was made from (``bases``: ``_name_or_path``, its README), class names in ``architectures``, and
    whether its vocabulary ``has`` a token. ``called`` is its name for a sentence.
    """

    called: str = ""
    names: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    has: Callable[[str], bool] = field(default=lambda token: False, compare=False)


def with_recipe(its: Family, own: OwnWords) -> Family:
    """The general family ``its``, or one of its recipes where ``own`` words tell it. The ``note`` says which,
    or that nothing told any; it is empty where the family has no other, or the checkpoint is named after it.
    """
    candidates = [row for row in recipes() if row.of == its.id]
    if not candidates:
        return taken(its)
    found = _by_words(its, own, candidates)
    if found is its:
        return its
    if found is None:
        return replace(its, note=said("recipe_general", called=own.called, name=its.name))
    return taken(found)


def taken(its: Family) -> Family:
    """``its`` with the note that says so, where it is a recipe or has a licence to be named."""
    if not its.licence:
        return its
    from ...catalog.diffusion import licences

    known = licences().get(its.licence)
    terms = "; ".join(filter(None, (its.licence, known.note if known is not None else "")))
    return replace(its, note=said("recipe_taken", name=its.name, licence=terms))


def _by_words(its: Family, own: OwnWords, candidates: Sequence[Family]) -> Family | None:
    for name in own.names:
        found = named(name, candidates)
        if found is not None or _is_its(name, its):
            return found or its
    told = next((row for row in candidates if _told(row, own)), None)
    made_from = (named(name, candidates) for name in own.bases)
    return told or next((row for row in made_from if row is not None), None)


def named(name: str, rows: Iterable[Family]) -> Family | None:
    """The one of ``rows`` that ``name`` (a repository, a folder, a served model) names, by the longest of
    their names in it; the last of several. None where it names none.
    """
    found = [
        (len(words), row) for row in rows for words in row.found_by.names if _pattern(words).search(name)
    ]
    return max(reversed(found), key=lambda pair: pair[0])[1] if found else None


def _told(row: Family, own: OwnWords) -> bool:
    """Whether architecture or vocabulary tell that a checkpoint without a telling name is ``row``'s."""
    by = row.found_by
    if any(name in own.architectures for name in by.architectures):
        return True
    return bool(by.tokens) and all(own.has(token) for token in by.tokens)


def _is_its(name: str, its: Family) -> bool:
    """Whether ``name`` names the general family itself."""
    return any(_pattern(words).search(name) for words in _general_names(its))


def _general_names(its: Family) -> Iterator[str]:
    yield its.name
    yield from (row.repo.rpartition("/")[2] for row in its.published)


@functools.cache
def _pattern(words: str) -> re.Pattern[str]:
    """``words`` in a name, however people join them: "olmOCR 2" is in allenai/olmOCR-2-7B and olmocr2_fp8,
    and not in olmOCR-20B.
    """
    parts = re.findall(r"[a-z]+|\d+", words.lower())
    joined = r"[\W_]*".join(parts)
    before = r"(?<![a-z])" if parts[0].isalpha() else r"(?<!\d)"
    after = r"(?![a-z])" if parts[-1].isalpha() else r"(?!\d)"
    return re.compile(before + joined + after, re.IGNORECASE)
