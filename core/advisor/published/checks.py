"""The seeds against our computation, against themselves and against each other, one sentence each.

The seeds do not change, so nothing is computed here: checks.json holds what each printed cell comes to, as
`python -m devtools.published_checks` writes it. A test computes it anew and compares.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...catalog.published import Published, published
from ..candidate import sentence

AGREES, DISAGREES, NOT_PUBLISHED = "agrees", "disagrees", "not published"
NOT_REPRODUCED, OPINION = "published, not reproduced", "opinion"
TABLE = "checks.json"


@dataclass(frozen=True)
class Check:
    """One published cell beside our computation.

    ``verdict`` is one of the words above; ``computed`` our figure, as text; ``why`` is a key of the words and
    ``facts`` fill it.
    """

    row: Published
    computed: str
    verdict: str
    why: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> str:
        return self.row.seed

    @property
    def cell(self) -> str:
        return self.row.cell

    @property
    def published(self) -> str:
        return self.row.text

    def reason(self, lang: str = "en") -> str:
        """One sentence."""
        return sentence(f"advise_why_{self.why}", self.facts, lang)

    def to_dict(self) -> dict[str, str]:
        """As in the JSON of ``advise``."""
        return {
            "seed": self.seed,
            "cell": self.cell,
            "published": self.published,
            "computed": self.computed,
            "reason": self.reason(),
        }


@functools.cache
def every_check() -> tuple[Check, ...]:
    """Each cell's own check in the order of the seeds, then what the seeds say against themselves and each
    other.
    """
    cells = {(cell.seed, cell.cell): cell for cell in published()}
    text = Path(__file__).with_name(TABLE).read_text(encoding="utf-8")
    return tuple(
        Check(cells[row["seed"], row["cell"]], row["computed"], row["verdict"], row["why"], row["facts"])
        for row in json.loads(text)
    )


def checks(about: Iterable[str] | None = None) -> tuple[Check, ...]:
    """All of them, or only those of rows that name one of ``about`` (a card, a tier, a model)."""
    if about is None:
        return every_check()
    wanted = {plain(name) for name in about}
    return tuple(check for check in every_check() if wanted & _names(check.row))


def contradictions(about: Iterable[str] | None = None) -> tuple[Check, ...]:
    """Those of ``checks`` that disagree."""
    return tuple(check for check in checks(about) if check.verdict == DISAGREES)


def plain(name: str) -> str:
    """A name of a card, tier or model for comparing: "GeForce RTX 4060 Ti 16 GB" and "RTX 4060 Ti" meet."""
    text = name.lower().removeprefix("geforce ").removesuffix("+")
    head, _, tail = text.rpartition(" ")
    if tail == "gb":
        card, _, size = head.rpartition(" ")
        return card if card and size.replace(".", "").isdigit() else text
    return text


def _names(cell: Published) -> set[str]:
    """The card, the tier, or the models that a cell is about: rows of cards and tiers, not about models."""
    if cell.table in ("cards", "check_gpu", "tiers"):
        cards = () if "models" in cell.column else (name for name in cell.subjects if name[:1].isupper())
        return {plain(name) for name in (cell.row, *cards)} | {
            plain(f"{size} GB") for size in cell.row.removesuffix(" GB").split("-") if size.isdigit()
        }
    return {plain(name) for name in (cell.row, *(subject.partition("@")[0] for subject in cell.subjects))}
