"""What people call a model: its id, name or repository, in any case and with any marks between words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

# Words of repositories and files that tell no model of the catalog from another.
_NOISE = frozenset(
    "instruct hf diffusers comfyui repackaged official model weights safetensors it chat".split(" ")  # noqa: SIM905
    + "t2v i2v ti2v t2i fp16 bf16".split(" ")  # noqa: SIM905
)
_SHORT = (
    (re.compile(r"stable[ _-]*diffusion[ _-]*xl"), "sdxl"),
    (re.compile(r"stable[ _-]*diffusion(?=[ _-]*\d)"), "sd"),
    (re.compile(r"\bsd[ _-]+(?=\d)"), "sd"),
    (re.compile(r"\b(sd1[.]?5)\b.*"), "sd15"),
)


def model_named(text: str, names: Mapping[str, Iterable[str]]) -> str | None:
    """The id among ``names`` (each id's own names) that ``text`` means; None where none or several could be.

    A name that lacks the last words ("FLUX.1 Kontext" of "FLUX.1 Kontext dev", "wan2.2" of "Wan 2.2 A14B") is
    that of the first model that begins so, if the words have a number: a version, not a family.
    """
    spelled_so = text.strip().casefold()
    for name, spelled in names.items():
        if spelled_so in (name.casefold(), *(one.casefold() for one in spelled)):
            return name
    wanted = _keys(text)
    begins: dict[str, None] = {}
    for name, spelled in names.items():
        for one in (name, *spelled):
            first = one.split(" / ")[0]
            for part in one.split(" / "):
                part = f"{first}-{part}" if part[:1].isdigit() else part  # "Qwen-Image-Edit / 2509"
                keys = _keys(part)
                if keys & wanted:
                    return name
                if any(_begins(key, short) for key in keys for short in wanted):
                    begins.setdefault(name)
    return next(iter(begins), None)


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
