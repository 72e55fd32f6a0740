"""The committed pages and the error rate that every bench and test measures with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "pages"


@dataclass(frozen=True)
class TruePage:
    file: str
    kind: str
    script: str
    language: str
    text: str
    degraded: str

    @property
    def path(self) -> Path:
        return FOLDER / self.file


def true_pages(kind: str) -> list[TruePage]:
    """The pages of truth.json of one kind: "script" or "accuracy"."""
    rows = json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))
    return [TruePage(**row) for row in rows if row["kind"] == kind]


def character_errors(read: str, truth: str) -> tuple[int, int]:
    """(edit distance, length of the truth), white space folded to single spaces."""
    from rapidfuzz.distance import Levenshtein

    read, truth = " ".join(read.split()), " ".join(truth.split())
    return Levenshtein.distance(read, truth), len(truth)
