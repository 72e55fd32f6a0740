"""Which recipe is a checkpoint's: how it wants to be asked, by what it says of itself."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...catalog.words import in_language, said
from ..family import Family, families, recipes

_SAYS_NOTHING = re.compile(  # parts of paths that trainers, tools and caches give to every model
    r"(?:(?:checkpoint|ckpt|step|epoch|iter|global|ggml|hf|models?|weights?|merged|final|best|last|latest"
    r"|out|outputs?|runs?|results?|sft|snapshots?|main|export(?:ed)?|release|full|lora|adapter|transformers|safetensors|gguf"
    r"|bf16|fp16|fp8|int[48]|i?q\d|[kmsx]{1,3}|v?\d+|[0-9a-f]{7,64})[\W_]*)+",
    re.IGNORECASE,
)
_PLAIN = re.compile(  # words behind a name that change nothing about how it is asked
    r"v?\d+|(?:\d+)?[bm]|a\d+b|instruct|thinking|chat|base|it|hf|qwen|unsloth|huihui|bnb|awq|gptq|autoround|fp8|fp16"
    r"|bf16|nf4|nvfp4|mxfp4|int[48]|w\d+a\d+|[48]bits?|\d+bits?|q\d|gguf|mlx|dynamic|quanti[sz]ed|sharded|copy|model"
    r"|latest|safetensors|transformers|llama\d?|abliterated|heretic|uncensored",
    re.IGNORECASE,
)
_BEFORE_NAME = re.compile(  # of a README's title
    r"^[\W_]*(?:(?:model|card|for|of|the|introducing|quanti[sz]ed|fp8|awq|gptq)\b[\W_]+)*"
    r"(?:[\w.-]{1,60}/)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class OwnWords:
    """What a checkpoint says of itself: its own ``names``, the most telling first (repository, folder), those
    of what it was made from (``bases``: ``_name_or_path``, its README's base_model), its README's ``title``,
    class names in ``architectures``, and whether its vocabulary ``has`` a token. ``called`` is its name for a
    sentence.
    """

    called: str = ""
    names: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    title: str = ""
    architectures: tuple[str, ...] = ()
    has: Callable[[str], bool] = field(default=lambda token: False, compare=False)


def with_recipe(its: Family, own: OwnWords) -> Family:
    """The general family ``its``, or one of its recipes where ``own`` words tell it. The ``note`` says which,
    or that nothing told any, or that it seems a fine-tune of nobody known; it is empty where the family has
    no other, or the checkpoint is plainly named after it.
    """
    candidates = [row for row in recipes() if row.of == its.id]
    if not candidates:
        return taken(its)
    found = _by_words(its, own, candidates)
    if found is its:
        tuned = _tunes_go_their_own_way(its, candidates) and _has_words_of_its_own(own.names, its)
        return replace(its, note=said("recipe_tuned", called=own.called, name=its.name)) if tuned else its
    if found is None:
        return replace(its, note=said("recipe_general", called=own.called, name=its.name))
    return taken(found)


def taken(its: Family) -> Family:
    """``its`` with the note that says so, where it is a recipe or has a licence to be named."""
    if not its.licence:
        return its
    from ...catalog.diffusion import licences

    known = licences().get(its.licence)
    terms = functools.partial(_terms, its.licence, known.note if known is not None else "")
    return replace(its, note=said("recipe_taken", name=its.name, licence=terms))


def _terms(licence: str, note: str, lang: str) -> str:
    return ("\uff1b" if lang == "zh" else "; ").join(in_language(one, lang) for one in (licence, note) if one)


def _by_words(its: Family, own: OwnWords, candidates: Sequence[Family]) -> Family | None:
    for name in own.names:
        found = named(name, candidates)
        if found is not None or _is_its(name, its):
            return found or its
    told = next((row for row in candidates if _told(row, own)), None)
    titled = named(_BEFORE_NAME.sub("", own.title), candidates, begins=True)
    made_from = (named(name, candidates) for name in own.bases)
    return told or titled or next((row for row in made_from if row is not None), None)


def named(name: str, rows: Iterable[Family], begins: bool = False) -> Family | None:
    """The one of ``rows`` that ``name`` (a repository, a folder, a served model) names, by the longest of
    their names in it; the last of several. None where it names none. ``begins``: only at its beginning.
    """
    found = [
        (len(words), row)
        for row in rows
        for words in row.found_by.names
        if (place := _place(words, name)) is not None and not (begins and place)
    ]
    return max(reversed(found), key=lambda pair: pair[0])[1] if found else None


def served_as(name: str) -> Family | None:
    """The family or recipe by which a server is asked that runs a model called ``name``; None where the name
    tells none.
    """
    told = [row for row in families() if row.chat and _is_its(name, row)]
    return named(name, recipes()) or max(told, key=lambda row: len(row.name), default=None)


def _place(words: str, name: str) -> int | None:
    """Where ``words`` begin in ``name``, None where they do not stand in what tells of it. Of a path that is
    its last part, before that the one above a part such as checkpoint-500: who keeps a model in
    /home/chandra or publishes it as chandra/my-model has not made Chandra.
    """
    ends = len(name)
    for part in reversed(re.split(r"[\\/]", name)):
        begins = ends - len(part)
        if part and not _SAYS_NOTHING.fullmatch(part):
            found = [one for one in _pattern(words).finditer(name[:ends]) if one.end() > begins]
            return found[0].start() if found else None
        ends = begins - 1
    return None


def _told(row: Family, own: OwnWords) -> bool:
    """Whether architecture or vocabulary tell that a checkpoint without a telling name is ``row``'s."""
    by = row.found_by
    if any(name in own.architectures for name in by.architectures):
        return True
    return bool(by.tokens) and all(own.has(token) for token in by.tokens)


def _is_its(name: str, its: Family) -> bool:
    """Whether ``name`` names the general family itself."""
    return any(_place(words, name) is not None for words in _general_names(its))


def _tunes_go_their_own_way(its: Family, candidates: Sequence[Family]) -> bool:
    """Whether those who train ``its`` further ask it in ways of their own, as the recipes here do that do not
    have its name.
    """
    its_name = _squeezed(its.name)
    return not any(its_name in _squeezed(words) for row in candidates for words in row.found_by.names)


def _squeezed(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _has_words_of_its_own(names: Sequence[str], its: Family) -> bool:
    """Whether the first of ``names`` that names ``its`` says more than size, date and how it was saved."""
    name = next(name for name in names if _is_its(name, its))
    last = [part for part in re.split(r"[\\/]", name) if part and not _SAYS_NOTHING.fullmatch(part)][-1]
    for words in sorted(_general_names(its), key=len, reverse=True):
        last = _pattern(words).sub(" ", last)
    return not all(_PLAIN.fullmatch(word) for word in re.split(r"[\W_]+", last) if word)


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
