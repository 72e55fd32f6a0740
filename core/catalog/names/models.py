"""What people call a model: its id, name or repository, in any case and with any marks between words."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping

from ..csv_rows import csv_rows

# Words of repositories and files that tell no model of the catalog from another.
_NOISE = frozenset(
    "instruct hf diffusers comfyui repackaged official model weights safetensors it chat".split(" ")  # noqa: SIM905
    + "t2v i2v ti2v t2i fp16 bf16 gguf".split(" ")  # noqa: SIM905
)
# From here on words need no blank between them.
_CHINESE = "\u3000"
_TOKEN = re.compile(r"\d+(?:\.\d+)?[bm](?![a-z0-9])|[a-z]+|\d+(?:\.\d+)?")
_SHORT = (
    (re.compile(r"stable[ _-]*diffusion[ _-]*xl"), "sdxl"),
    (re.compile(r"stable[ _-]*diffusion(?=[ _-]*v?\d)"), "sd"),
    (re.compile(r"\bsd[ _-]+(?=\d)"), "sd"),
    (re.compile(r"\b(sd[ _-]?v?1[.-]?5)\b.*"), "sd15"),
    (re.compile(r"stable[ _-]*video[ _-]*diffusion(?:[ _-]*img2vid)?"), "svd"),
    (re.compile(r"\bcogvideo\b"), "cogvideox"),
    (re.compile(r"\bltxv\b"), "ltx-video"),
    (re.compile(r"^zit$"), "z-image-turbo"),
)


def models_named(text: str, names: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The ids among ``names`` (each id's own names) that ``text`` may mean: one, where it is a name.

    A name that lacks the last words ("FLUX.1 Kontext" of "FLUX.1 Kontext dev", "wan2.2" of "Wan 2.2 A14B")
    may be any model's that begins so, if the words have a number: a version, not a family.
    """
    spelled_so = text.strip().casefold()
    for name, spelled in names.items():
        if spelled_so in (name.casefold(), *(one.casefold() for one in spelled)):
            return (name,)
    wanted = _keys(text)
    begins: dict[str, None] = {}
    for name, spelled in names.items():
        for one in (name, *spelled):
            first = one.split(" / ")[0]
            for part in one.split(" / "):
                # "Qwen-Image-Edit / 2509", "ERNIE-Image / Turbo"
                ends = part[:1].isdigit() or part.casefold() in _COMMON
                part = f"{first}-{part}" if ends else part
                keys = _keys(part)
                if keys & wanted:
                    return (name,)
                if any(_begins(key, short) for key in keys for short in wanted):
                    begins.setdefault(name)
    return tuple(begins)


# Words that many models have: alone they name none.
_COMMON = frozenset(
    "audio base canny chat depth dev edit fast fill full hd image large lite medium mini".split(" ")  # noqa: SIM905
    + "model music ocr pro sft small sound turbo ultra video vl".split(" ")  # noqa: SIM905
)


def models_worded(text: str, names: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The ids among ``names`` that have every word of ``text``, for a name that none has as it is: "flux
    kontext", "wan animate", "klein 9b". Those with the fewest words more come first. A word that none has
    names no model, nor do words that many have.
    """
    wanted = _tokens(text)
    if not any(len(word) > 2 and word.isalpha() and word not in _COMMON for word in wanted):
        return ()
    found: dict[str, int] = {}
    for name, spelled in names.items():
        for one in (name, *spelled):
            has = _tokens(one)
            if wanted <= has:
                found[name] = min(len(has - wanted), found.get(name, len(has)))
    if len(wanted) == 1 and len(found) > 1:  # "flux", "qwen": a maker's name, not a model's
        return ()
    return tuple(sorted(found, key=lambda name: found[name]))


@functools.lru_cache(maxsize=1024)
def _tokens(text: str) -> frozenset[str]:
    found = _TOKEN.findall(re.sub(r"\bv(?=\d)", "", _plain(text)))
    return frozenset(word for word in found if word not in _NOISE)


def _begins(key: str, short: str) -> bool:
    """Whether ``short`` is ``key`` without its last words; "wan2.1" does not begin "wan2.14b"."""
    rest = key[len(short) :]
    return bool(re.search(r"\d", short)) and len(short) > 3 and key.startswith(short) and rest.startswith("-")


def _keys(text: str) -> set[str]:
    """``text`` as words joined by "-", as one word, and as sorted runs of letters and digits; without the
    owner of a repository."""
    plain_runs = plain = _plain(text)
    plain = re.sub(r"(?<=[a-z])[. ](?=\d)", "", plain)
    words = [word.replace(".", "") for word in re.split(r"[^a-z0-9.]+", plain) if word.strip(".")]
    words = [word for word in words if word not in _NOISE] or words
    if not words:
        return set()
    runs = sorted(re.findall(r"[a-z]+|[0-9]+", plain_runs))
    return {"-".join(words), "".join(words), "+".join(run for run in runs if run not in _NOISE)}


@functools.lru_cache(maxsize=1024)
def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    plain = plain.removeprefix("https://huggingface.co/")
    plain = plain.rsplit("/", 1)[-1] if re.fullmatch(r"[\w.-]+/[\w.-]+", plain) else plain
    plain = plain if plain.isascii() else _in_latin(plain)
    for pattern, put in _SHORT:
        plain = pattern.sub(put, plain)
    return plain


def _in_latin(plain: str) -> str:
    """``plain`` with words that are written as they sound, and Chinese names, in their makers' letters."""
    for word, means in _written_otherwise():
        alone = word if word >= _CHINESE else rf"(?<![^\W\d_]){word}(?![^\W\d_])"
        plain = re.sub(alone, f" {means} ", plain)
    return " ".join(plain.split())


@functools.cache
def _written_otherwise() -> tuple[tuple[str, str], ...]:
    """The longest first: of Chinese words one may begin another."""
    rows = csv_rows(__package__, "model_words.csv", lambda row: (row["word"], row["means"]))
    return tuple(sorted(rows, key=lambda row: -len(row[0])))
