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
    + "t2v i2v ti2v t2i fp16 bf16".split(" ")  # noqa: SIM905
)
# From here on words need no blank between them.
_CHINESE = "\u3000"
_SHORT = (
    (re.compile(r"stable[ _-]*diffusion[ _-]*xl"), "sdxl"),
    (re.compile(r"stable[ _-]*diffusion(?=[ _-]*\d)"), "sd"),
    (re.compile(r"\bsd[ _-]+(?=\d)"), "sd"),
    (re.compile(r"\b(sd1[.]?5)\b.*"), "sd15"),
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
                part = f"{first}-{part}" if part[:1].isdigit() else part  # "Qwen-Image-Edit / 2509"
                keys = _keys(part)
                if keys & wanted:
                    return (name,)
                if any(_begins(key, short) for key in keys for short in wanted):
                    begins.setdefault(name)
    return tuple(begins)


def _begins(key: str, short: str) -> bool:
    """Whether ``short`` is ``key`` without its last words; "wan2.1" does not begin "wan2.14b"."""
    rest = key[len(short) :]
    return bool(re.search(r"\d", short)) and len(short) > 3 and key.startswith(short) and rest.startswith("-")


def _keys(text: str) -> set[str]:
    """``text`` as words joined by "-", as one word, and as sorted runs of letters and digits; without the
    owner of a repository."""
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    plain = plain.removeprefix("https://huggingface.co/")
    plain = plain.rsplit("/", 1)[-1] if re.fullmatch(r"[\w.-]+/[\w.-]+", plain) else plain
    plain = plain if plain.isascii() else _in_latin(plain)
    for pattern, put in _SHORT:
        plain = pattern.sub(put, plain)
    plain_runs = plain
    plain = re.sub(r"(?<=[a-z])[. ](?=\d)", "", plain)
    words = [word.replace(".", "") for word in re.split(r"[^a-z0-9.]+", plain) if word.strip(".")]
    words = [word for word in words if word not in _NOISE] or words
    if not words:
        return set()
    runs = sorted(re.findall(r"[a-z]+|[0-9]+", plain_runs))
    return {"-".join(words), "".join(words), "+".join(run for run in runs if run not in _NOISE)}


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
