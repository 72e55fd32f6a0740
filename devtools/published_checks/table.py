"""Every printed cell checked, and the table of it as text: what the product only reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import vramwise
from vramwise.advisor.published.checks import TABLE, Check
from vramwise.catalog.published import Published, published

from .article import ARTICLE_CHECKS
from .guide import GUIDE_CHECKS
from .seeds import against_each_other, against_itself

FILE = Path(str(vramwise.__file__)).parent / "advisor" / "published" / TABLE
CHECKS = {**GUIDE_CHECKS, **ARTICLE_CHECKS}


def check_of(cell: Published) -> Check:
    """One cell beside our computation."""
    return CHECKS[cell.check](cell)


def computed_checks() -> Iterator[Check]:
    """Each cell's own check in the order of the seeds, then what the seeds say against themselves and each
    other.
    """
    yield from map(check_of, published())
    for cell in published():
        yield from against_itself(cell)
        yield from against_each_other(cell)


def as_text(checks: Iterable[Check]) -> str:
    """JSON, one check a line, so that a difference shows the cells that changed."""
    lines = [json.dumps(_row(check), ensure_ascii=False) for check in checks]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def rows(text: str) -> list[str]:
    """The lines of ``as_text``, one a check."""
    return [line.rstrip(",") for line in text.splitlines()[1:-1]]


def _row(check: Check) -> dict[str, object]:
    return {
        "seed": check.seed,
        "cell": check.cell,
        "verdict": check.verdict,
        "why": check.why,
        "computed": check.computed,
        "facts": dict(check.facts),
    }
