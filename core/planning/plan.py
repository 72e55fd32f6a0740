"""A plan: one verdict a precision, what was chosen, and how a person reads both."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..catalog.words import in_language, joined, said, sized, words, written
from ..errors import VramwiseError
from ..hardware.budget import Budget
from ..units import gib, megapixels
from .footprint import Footprint

GOOD = ("fits", "tight")
COLUMNS = ("precision", "verdict", "need", "weights", "activations", "kv", "overhead", "")
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
    ``runs`` is what computes where that is not ``precision``: "bf16 (dequantised from fp8)"; ``static``:
    with a cache of fixed size, for CUDA graphs.
    """

    precision: str
    attention: str
    max_pixels: int
    micro_batch: int
    runs: str = ""
    static: bool = False

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

    def text(self, lang: str = "en") -> str:
        """A table for a person, in GiB, then the choice, its terms and the notes; "en", "ru" or "zh"."""
        return "\n".join(_lines(self, lang))


def _lines(plan: Plan, lang: str) -> Iterator[str]:
    yield opening(plan, lang)
    rows = [columns(lang), *table_rows(plan, lang)]
    widths = [max(_wide(row[column]) for row in rows) for column in range(len(COLUMNS) - 1)]
    for row in rows:
        cells = [
            cell + " " * (width - _wide(cell)) if column < 2 else " " * (width - _wide(cell)) + cell
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        yield "  ".join((*cells, row[-1])).rstrip()
    yield from closing(plan, lang)


def _wide(text: str) -> int:
    """How many columns of a terminal ``text`` takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def columns(lang: str = "en") -> tuple[str, ...]:
    """The heads of the table."""
    return tuple(words(lang)[f"plan_col_{name}"] if name else "" for name in COLUMNS)


def opening(plan: Plan, lang: str = "en") -> str:
    """Which memory is planned for; what could be evicted stands apart."""
    budget, total, say = plan.budget, gib(plan.budget_bytes, 2), words(lang)
    place = sized(plan.device, say)
    if budget is not None and budget.name not in ("", plan.device):
        place = f"{place} ({budget.name})"
    if budget is None or not budget.reclaimable_bytes:
        counted = say["plan_free"].format(total=total)
    else:
        free, evictable = gib(budget.free_bytes, 2), gib(budget.reclaimable_bytes, 2)
        counted = say["plan_had"].format(total=total, free=free, evictable=evictable)
    note = f" ({in_language(budget.note, lang)})" if budget is not None and budget.note else ""
    return say["plan_open"].format(model=plan.model, place=place, counted=counted, note=note)


def table_rows(plan: Plan, lang: str = "en") -> list[tuple[str, ...]]:
    """A row a precision, with the columns of COLUMNS."""
    rows = []
    for verdict in plan.verdicts:
        parts = ("need_bytes", "weights_bytes", "activation_bytes", "kv_bytes", "overhead_bytes")
        sizes = [getattr(verdict.footprint, part) if verdict.footprint else None for part in parts]
        cells = [written(gib(size, 2), words(lang)) for size in sizes]
        said_verdict = words(lang)[f"plan_verdict_{verdict.verdict}"]
        rows.append(
            (in_language(verdict.precision, lang), said_verdict, *cells, in_language(verdict.reason, lang))
        )
    return rows


def closing(plan: Plan, lang: str = "en", width: int = _WIDE) -> Iterator[str]:
    """What stands under the table, the terms and notes in lines of ``width`` letters."""
    say = words(lang)
    yield say["plan_sizes"]
    chosen = plan.chosen
    if chosen is None:
        yield in_language(_nothing_fits(plan), lang)
    else:
        yield say["plan_choice"].format(
            precision=in_language(chosen.precision, lang),
            attention=chosen.attention,
            megapixels=megapixels(chosen.max_pixels),
            count=chosen.micro_batch,
        )
        footprint = plan.verdict(chosen.precision).footprint
        for term in footprint.terms if footprint is not None else ():
            name = say.get(f"plan_term_{term.name}", term.name)
            size, source = written(gib(term.bytes, 2), say), in_language(term.source, lang)
            text = f"{name}{' ' * (12 - _wide(name))} {size:>6}  {source}"
            yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent=" " * 23)
    for note in plan.notes:
        yield from textwrap.wrap(in_language(note, lang), width)


def _does_not_fit(plan: Plan, precision: str) -> str:
    verdict = plan.verdict(precision)
    would = [_named(other) for other in plan.verdicts if other.verdict in (*GOOD, "reduced")]
    advice = said("error_would_fit", names=joined(would, "plan_also")) if would else said("error_none_fits")
    about = {"model": plan.model, "precision": precision, "device": plan.device}
    about |= {"reason": verdict.reason, "advice": advice}
    if verdict.verdict == "unavailable":
        return said("error_cannot_run_at", **about)
    need = verdict.footprint.need_bytes if verdict.footprint else 0
    return said("error_needs", **about, need=gib(need, 2), has=gib(plan.budget_bytes, 2))


def _named(verdict: Verdict) -> str:
    if verdict.verdict != "reduced":
        return verdict.precision
    return said("error_up_to", precision=verdict.precision, megapixels=megapixels(verdict.max_pixels or 0))


def _nothing_fits(plan: Plan) -> str:
    runs = [verdict for verdict in plan.verdicts if verdict.verdict == "no" and verdict.footprint]
    if not runs:
        reasons = [said("error_why", precision=one.precision, reason=one.reason) for one in plan.verdicts]
        return said(
            "error_cannot_run", model=plan.model, device=plan.device, reasons=joined(reasons, "plan_also")
        )
    smallest = min(runs, key=lambda verdict: verdict.footprint.need_bytes if verdict.footprint else 0)
    return said(
        "error_nothing_fits",
        model=plan.model,
        device=plan.device,
        has=gib(plan.budget_bytes, 2),
        precision=smallest.precision,
        reason=smallest.reason,
    )
