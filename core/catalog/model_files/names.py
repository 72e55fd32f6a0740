"""Which model of the catalog a file is, by its name: file_names.csv, first match first.

Names in ComfyUI's templates follow their repositories, and people keep the model's name in those of
fine-tunes. A name that says nothing is left to the file's header (core/weights/model_headers.py).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..csv_rows import Row, table

_PARTS = re.compile(r"[^a-z0-9]+")
_LIKE_A_FILE = re.compile(
    r"\.(?:safetensors|gguf|sft|ckpt|pth?|bin)$"
    r"|[_-](?:i?q\d_\w+|[bf]p?f?16|fp8\w*|fp4|nvfp4|mxfp8|nf4|int[48]\w*|e4m3fn|e5m2|gguf)(?=[_.-]|$)|^svdq",
    re.IGNORECASE,
)
# No file name is longer; a text that is would only cost time.
_LONGEST = 300


@dataclass(frozen=True)
class NamedFile:
    """A row of file_names.csv. ``model`` is an id of diffusion.csv, empty for a file that is no diffusion
    model: ``what`` says what it is."""

    pattern: re.Pattern[str]
    model: str
    what: str


@functools.lru_cache(maxsize=4096)
def named_file(name: str) -> NamedFile | None:
    """The first row whose pattern is in ``name`` (small letters, everything else between them one "_"); None
    where no row fits."""
    plain = _PARTS.sub("_", name[-_LONGEST:].lower().rpartition(".")[0] or name[-_LONGEST:].lower())
    return next((row for row in file_names() if row.pattern.search(plain)), None)


def stem_of_file(name: str) -> str:
    """A file's name without its ending and without what says how weights are kept; empty where ``name`` is no
    file's: "flux1-dev" of "flux1-dev-Q4_K_S.gguf", "qwen_image" of "qwen_image_fp8_e4m3fn"."""
    found = _LIKE_A_FILE.search(name)
    return "" if found is None else name[: found.start()] or name


def written_precision(name: str, precisions: Iterable[str]) -> str:
    """The longest of ``precisions`` that a file's name says; empty where it says none."""
    plain = _PARTS.sub("_", name.casefold())
    said = [one for one in precisions if re.search(rf"_{_PARTS.sub('_', one.casefold())}(?:_|$)", plain)]
    return max(said, key=len, default="")


@functools.cache
def file_names() -> tuple[NamedFile, ...]:
    """Every row, in the order in which they are tried."""
    return table("diffusion/file_names.csv", _row, lambda row: [row["pattern"]])


def _row(row: Row) -> NamedFile:
    return NamedFile(re.compile(row["pattern"]), row["model"], row["what"])
