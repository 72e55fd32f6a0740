"""A plan as a person reads it: a table in GiB, the choice, where each of its numbers comes from."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ..units import gib
from .fit import Plan

HEAD = ("precision", "verdict", "need", "weights", "activations", "KV cache", "overhead", "")
_WIDE = 118


def lines(plan: Plan) -> Iterator[str]:
    """The whole text."""
    yield opening(plan)
    rows = [HEAD, *rows_of(plan)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD) - 1)]
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        yield "  ".join((*cells, row[-1])).rstrip()
    yield from below(plan)


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


def rows_of(plan: Plan) -> list[tuple[str, ...]]:
    """A row a precision, with the columns of HEAD."""
    rows = []
    for verdict in plan.verdicts:
        it = verdict.footprint
        parts = ("need_bytes", "weights_bytes", "activation_bytes", "kv_bytes", "overhead_bytes")
        cells = [gib(getattr(it, part), 2) for part in parts] if it is not None else ["-"] * len(parts)
        rows.append((verdict.precision, verdict.verdict, *cells, verdict.reason))
    return rows


def below(plan: Plan) -> Iterator[str]:
    """What stands under the table."""
    yield "Sizes in GiB (1024^3 bytes)."
    it = plan.chosen
    if it is None:
        yield plan.refusal()
    else:
        limits = f"pictures up to {it.max_pixels / 1e6:.1f} megapixels, {it.micro_batch} at a time"
        yield f"Chosen: {it.precision}, {it.attention}, {limits}."
        footprint = plan.verdict(it.precision).footprint
        for term in footprint.terms if footprint is not None else ():
            text = f"{term.name:<12} {gib(term.bytes, 2):>6}  {term.source}"
            yield from textwrap.wrap(text, _WIDE, initial_indent="  ", subsequent_indent=" " * 23)
    for note in plan.notes:
        yield from textwrap.wrap(note, _WIDE)
