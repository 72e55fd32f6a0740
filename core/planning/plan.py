"""A plan: one verdict a precision, what was chosen, and how a person reads both."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import VramwiseError
from ..hardware.budget import Budget
from ..units import gib, gib_text
from .footprint import Footprint

GOOD = ("fits", "tight")
COLUMNS = ("precision", "verdict", "need", "weights", "activations", "KV cache", "overhead", "")
_WIDE = 118


@dataclass(frozen=True)
class Verdict:
    """``verdict`` is fits, tight, reduced, no or unavailable. ``footprint`` is for one usual picture,
    ``max_pixels`` the largest picture that fits (None where none does).
    """

    precision: str
    verdict: str
    footprint: Footprint | None
    reason: str
    max_pixels: int | None

    def to_dict(self) -> dict[str, Any]:
        sizes = ("need_bytes", "weights_bytes", "activation_bytes", "kv_bytes", "overhead_bytes")
        return {
            "precision": self.precision,
            "verdict": self.verdict,
            **{name: getattr(self.footprint, name) if self.footprint else None for name in sizes},
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Choice:
    """What runs. ``micro_batch`` pictures of the usual size, or of ``max_pixels`` if less, fit at once.
    ``runs`` is what computes where that is not ``precision``: "bf16 (dequantised from fp8)".
    """

    precision: str
    attention: str
    max_pixels: int
    micro_batch: int
    runs: str = ""

    @property
    def computed(self) -> str:
        """What a result reports as its precision."""
        return self.runs or self.precision


@dataclass(frozen=True)
class Plan:
    """The verdicts for one model on one device, and the choice; None when nothing fits."""

    model: str
    device: str
    budget_bytes: int
    verdicts: tuple[Verdict, ...]
    chosen: Choice | None
    notes: tuple[str, ...] = field(default=())
    budget: Budget | None = None

    def require(self) -> Choice:
        """The choice; VramwiseError with what would help when nothing fits."""
        if self.chosen is None:
            raise VramwiseError(self.refusal())
        return self.chosen

    def refusal(self) -> str:
        """Why nothing was chosen and what would help, for an error message."""
        return _nothing_fits(self)

    def refusal_of(self, precision: str) -> str:
        """Why ``precision`` was not chosen though it was asked for, and what would fit."""
        return _does_not_fit(self, precision)

    def verdict(self, precision: str) -> Verdict:
        return next(verdict for verdict in self.verdicts if verdict.precision == precision)

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form; "set_by_hand" only where config.yaml sets the memory."""
        chosen = self.chosen
        by_hand = self.budget.set_by_hand if self.budget is not None else ""
        return {
            "model": self.model,
            "device": self.device,
            "budget_bytes": self.budget_bytes,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "chosen": None
            if chosen is None
            else {
                "precision": chosen.precision,
                "attention": chosen.attention,
                "max_pixels": chosen.max_pixels,
                "micro_batch": chosen.micro_batch,
            },
            **({"set_by_hand": by_hand} if by_hand else {}),
        }

    def text(self) -> str:
        """A table for a person, in GiB, then the choice, its terms and the notes."""
        return "\n".join(_lines(self))


def _lines(plan: Plan) -> Iterator[str]:
    yield opening(plan)
    rows = [COLUMNS, *table_rows(plan)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS) - 1)]
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        yield "  ".join((*cells, row[-1])).rstrip()
    yield from closing(plan)


def opening(plan: Plan) -> str:
    """Which memory is planned for; what could be evicted stands apart."""
    budget, total = plan.budget, gib(plan.budget_bytes, 2)
    place = plan.device
    if budget is not None and budget.name not in ("", plan.device):
        place = f"{plan.device} ({budget.name})"
    if budget is None or not budget.reclaimable_bytes:
        counted = f"{total} GiB free"
    else:
        free, evictable = gib(budget.free_bytes, 2), gib(budget.reclaimable_bytes, 2)
        parts = f"{free} free and {evictable} that could be evicted"
        counted = f"{total} GiB to be had, {parts}"
    note = f" ({budget.note})" if budget is not None and budget.note else ""
    return f"{plan.model} on {place}, {counted}{note}:"


def table_rows(plan: Plan) -> list[tuple[str, ...]]:
    """A row a precision, with the columns of COLUMNS."""
    rows = []
    for verdict in plan.verdicts:
        parts = ("need_bytes", "weights_bytes", "activation_bytes", "kv_bytes", "overhead_bytes")
        sizes = [getattr(verdict.footprint, part) if verdict.footprint else None for part in parts]
        cells = [gib(size, 2) for size in sizes]
        rows.append((verdict.precision, verdict.verdict, *cells, verdict.reason))
    return rows


def closing(plan: Plan) -> Iterator[str]:
    """What stands under the table."""
    yield "Sizes in GiB (1024^3 bytes)."
    chosen = plan.chosen
    if chosen is None:
        yield plan.refusal()
    else:
        limits = f"pictures up to {chosen.max_pixels / 1e6:.1f} megapixels, {chosen.micro_batch} at a time"
        yield f"Chosen: {chosen.precision}, {chosen.attention}, {limits}."
        footprint = plan.verdict(chosen.precision).footprint
        for term in footprint.terms if footprint is not None else ():
            text = f"{term.name:<12} {gib(term.bytes, 2):>6}  {term.source}"
            yield from textwrap.wrap(text, _WIDE, initial_indent="  ", subsequent_indent=" " * 23)
    for note in plan.notes:
        yield from textwrap.wrap(note, _WIDE)


def _does_not_fit(plan: Plan, precision: str) -> str:
    verdict = plan.verdict(precision)
    would = [other for other in plan.verdicts if other.verdict in (*GOOD, "reduced")]
    if would:
        advice = "What would fit: " + "; ".join(
            other.precision
            + (
                f" (pictures up to {(other.max_pixels or 0) / 1e6:.1f} megapixels)"
                if other.verdict == "reduced"
                else ""
            )
            for other in would
        )
        advice += ", or precision auto."
    else:
        advice = (
            "No other precision fits either: choose a smaller model, free memory on this device, or let a "
            "server elsewhere read (Remote OCR Model)."
        )
    if verdict.verdict == "unavailable":
        return f"{plan.model} cannot run at {precision} on {plan.device}: {verdict.reason}. {advice}"
    need = verdict.footprint.need_bytes if verdict.footprint else 0
    return (
        f"{plan.model} at {precision} needs {gib_text(need, 2)} and {plan.device} has "
        f"{gib_text(plan.budget_bytes, 2)}: {verdict.reason}. {advice}"
    )


def _nothing_fits(plan: Plan) -> str:
    runs = [verdict for verdict in plan.verdicts if verdict.verdict == "no" and verdict.footprint]
    if not runs:
        reasons = "; ".join(f"{verdict.precision}: {verdict.reason}" for verdict in plan.verdicts)
        return f"{plan.model} cannot run on {plan.device}. {reasons}."
    smallest = min(runs, key=lambda verdict: verdict.footprint.need_bytes if verdict.footprint else 0)
    return (
        f"{plan.model} does not fit on {plan.device} at any precision: {plan.device} has "
        f"{gib_text(plan.budget_bytes, 2)}, and {smallest.precision} is {smallest.reason}. "
        "Choose a smaller model, close other programs that use this device, read with rapid, on the CPU, or "
        "let a server elsewhere read (Remote OCR Model)."
    )
