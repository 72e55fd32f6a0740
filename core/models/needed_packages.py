"""What has to be installed before a model's files are of use: asked before gigabytes are fetched."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from ..catalog.words import said
from ..planning import Plan
from ..shell import IN_CMD

_INSTALLS = ("-m pip install ", "uv pip install ")  # in every reason that a package would mend


@dataclass(frozen=True)
class NeededPackages:
    """``reasons``: each precision that a package is missing for, with the sentence that names the package and
    its command line. ``runs``: something runs without any of them.
    """

    reasons: Mapping[str, str]
    runs: bool

    def of(self, precision: str) -> list[str]:
        """Sentences on what has to be installed before ``precision`` runs ("auto": before any does)."""
        if precision in self.reasons:
            return [said("packages_first", precision=precision, reason=self.reasons[precision])]
        if precision != "auto" or self.runs:
            return []
        return self.sentences()

    def sentences(self) -> list[str]:
        """One for each reason, with the precisions that wait for it."""
        told: dict[str, list[str]] = {}
        for precision, reason in self.reasons.items():
            told.setdefault(reason, []).append(precision)
        return [
            said("packages_first", precision=", ".join(precisions), reason=reason)
            for reason, precisions in told.items()
        ]

    def commands(self) -> list[str]:
        """The command line of each of ``sentences``, to be copied."""
        pips = (
            getattr(reason, "values", {}).get("pip", "") for reason in dict.fromkeys(self.reasons.values())
        )
        return [str(pip).removesuffix(IN_CMD) for pip in pips]


def together(sentences: list[str]) -> str:
    """Sentences as one text, which knows its parts in other languages."""
    return functools.reduce(
        lambda first, second: said("packages_more", first=first, second=second), sentences
    )


def needed_packages(plan: Plan) -> NeededPackages:
    """``plan`` is one of this machine, at the precision "auto"."""
    lacking = {
        verdict.precision: verdict.reason
        for verdict in plan.verdicts
        if verdict.verdict == "unavailable" and any(line in verdict.reason for line in _INSTALLS)
    }
    return NeededPackages(lacking, plan.chosen is not None)
