"""Which model of the catalog a file is, by its name: file_names.csv, first match first.

Names in ComfyUI's templates follow their repositories, and people keep the model's name in those of
fine-tunes. A name that says nothing is left to the file's header (core/weights/model_headers.py).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from ..csv_rows import Row, table

_PARTS = re.compile(r"[^a-z0-9]+")
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


@functools.cache
def file_names() -> tuple[NamedFile, ...]:
    """Every row, in the order in which they are tried."""
    return table("diffusion/file_names.csv", _row, lambda row: [row["pattern"]])


def _row(row: Row) -> NamedFile:
    return NamedFile(re.compile(row["pattern"]), row["model"], row["what"])
