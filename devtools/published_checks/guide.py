"""Checking what the guide on memory for OCR publishes: one function a kind of statement."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from vramwise.advisor.candidate import RESIDENT, Candidate
from vramwise.advisor.candidates import candidates
from vramwise.advisor.gpu_ranking import rating, rating_of_memory
from vramwise.advisor.ocr_candidates import ocr_candidate
from vramwise.advisor.published.checks import (
    AGREES,
    DISAGREES,
    NOT_PUBLISHED,
    NOT_REPRODUCED,
    OPINION,
    Check,
)
from vramwise.advisor.targets import Target, target_of_gpu, target_of_memory
from vramwise.advisor.tasks import OCR
from vramwise.catalog import ocr_model
from vramwise.catalog.gpus import GPU, find_gpus
from vramwise.catalog.published import Published, published
from vramwise.families.family import family
from vramwise.families.published import published_config
from vramwise.planning.footprint import Footprint, Workload, footprint
from vramwise.units import GIB, gib

GUIDE_MODELS = (
    "got_ocr",
    "qwen2_vl_2b",
    "qwen2_vl_7b",
    "qwen3_vl_2b",
    "qwen3_vl_4b",
    "qwen3_vl_8b",
    "dots_ocr",
)
# The guide's own picture (its table of seconds), and A4 at 300 dpi.
_PICTURE, _PAGE = 1024 * 1024, 2480 * 3508
_CLOSE, _WEIGHTS_CLOSE = 0.1, 0.05


CheckOfCell = Callable[[Published], Check]


def checked(cell: Published, verdict: str, computed: str, why: str, **facts: Any) -> Check:
    """The check of ``cell``."""
    return Check(cell, computed, verdict, why, facts)


# --- memory ----------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=512)
def need_of(model: str, precision: str, pixels: int = _PICTURE, quantise_vision: bool = False) -> Footprint:
    """The footprint of a catalogued OCR model on CUDA for one picture and the family's longest answer: what
    ``plan`` says too.
    """
    row = ocr_model(model)
    config, its = published_config(row.repo), family(row.family)
    if config is None:
        raise KeyError(model)
    attention = "sdpa" if "sdpa" in its.attention else "eager"
    workload = Workload(pixels, new_tokens=its.max_new_tokens)
    return footprint(
        config, None, precision, workload=workload, quantise_vision=quantise_vision, attention=attention
    )


def check_memory(cell: Published) -> Check:
    """A printed "GB" may be 10^9 bytes or 2^30: it is judged as both, and the kinder reading is told. Our own
    figures are in GiB, as everywhere, unless only the other reading agrees."""
    binary = _memory_in(cell, GIB, "GiB")
    if binary.verdict != DISAGREES:
        return binary
    decimal = _memory_in(cell, 1e9, "GB")
    return decimal if decimal.verdict == AGREES else binary


def _memory_in(cell: Published, unit_bytes: float, unit: str) -> Check:
    model, _, precision = cell.subject.partition("@")
    needs, whole = need_of(model, precision), need_of(model, precision, quantise_vision=True)
    need, weights = needs.need_bytes / unit_bytes, needs.weights_bytes / unit_bytes
    computed = f"{need:.1f} {unit}, weights {weights:.1f} {unit}"
    page = need_of(model, precision, _PAGE).need_bytes / unit_bytes
    facts = {
        "need": f"{need:.1f}",
        "weights": f"{weights:.1f}",
        "page": f"{page:.1f}",
        "precision": precision,
    }
    if cell.value == "-":
        return checked(cell, NOT_PUBLISHED, computed, "not_published_memory", **facts)
    given = float(cell.value)
    facts |= {"published": f"{given:g}", "rest": f"{need - weights:.1f}"}
    lightest = whole.weights_bytes / unit_bytes  # with the vision tower quantised too: the kindest reading
    if given < lightest * 0.99:
        facts["weights"] = f"{lightest:.2f}"
        return checked(cell, DISAGREES, computed, "below_weights", **facts)
    agrees = whole.need_bytes / unit_bytes * (1 - _CLOSE) <= given <= need * (1 + _CLOSE)
    if agrees:
        why = "memory_agrees" if unit == "GB" else "memory_agrees_gib"
        return checked(cell, AGREES, computed, why, **facts)
    if abs(given / lightest - 1) <= _WEIGHTS_CLOSE:
        return checked(cell, DISAGREES, computed, "weights_only", **{**facts, "weights": f"{lightest:.1f}"})
    return checked(cell, DISAGREES, computed, "too_high" if given > need else "too_low", **facts)


def check_saving(cell: Published) -> Check:
    shares = [
        1 - need_of(model, cell.subject).need_bytes / need_of(model, "fp16").need_bytes
        for model in GUIDE_MODELS
    ]
    low, high = 100 * min(shares), 100 * max(shares)
    facts = {"low": f"{low:.0f}", "high": f"{high:.0f}", "published": cell.value}
    agrees = low <= float(cell.value) <= high
    why = "saving_agrees" if agrees else "saving_outside"
    return checked(cell, AGREES if agrees else DISAGREES, f"{low:.0f} to {high:.0f} %", why, **facts)


def check_flash_saving(cell: Published) -> Check:
    return checked(cell, DISAGREES, "0 % against sdpa", "flash_saving")


def check_seconds(cell: Published) -> Check:
    model, _, precision = cell.subject.partition("@")
    if cell.value == "-":
        return checked(cell, NOT_PUBLISHED, "", "not_published")
    (card,) = cards_named("RTX 4090")
    rate = (card.bandwidth_gb_s or 0) * 1e9 / need_of(model, precision).weights_bytes
    most = int(float(cell.value) * rate)
    facts = {"tokens": most, "seconds": cell.value}
    return checked(cell, NOT_REPRODUCED, f"at most {most} tokens", "seconds", **facts)


def check_cer(cell: Published) -> Check:
    if cell.value == "-":
        return checked(cell, NOT_PUBLISHED, "", "not_published")
    return checked(cell, NOT_REPRODUCED, "", "cer")


# --- what runs on a tier or a card -----------------------------------------------------------------------


def named_candidates(target: Target, cell: Published) -> list[Candidate]:
    """Our candidates for the models that a cell names; without a precision the best one."""
    found = []
    for subject in cell.subjects:
        model, _, precision = subject.partition("@")
        names = GUIDE_MODELS if model == "all" else (model,)
        found += [ocr_candidate(target, name, precision) for name in names]
    return found


def tier_of(row: str) -> float:
    """GB of "8 GB", "24 GB+" or "24-32 GB" (the smaller)."""
    return float(row.removesuffix("+").removesuffix("GB").strip().partition("-")[0])


def check_tier_models(cell: Published) -> Check:
    target = target_of_memory(tier_of(cell.row))
    named = named_candidates(target, cell)
    failing = [candidate for candidate in named if candidate.verdict not in RESIDENT]
    facts = _facts(target, failing)
    verdict = DISAGREES if failing else AGREES
    return checked(cell, verdict, _summary(named), "too_small" if failing else "all_fit", **facts)


def check_tier_precisions(cell: Published) -> Check:
    """A precision stands rightly if one of the tier's own models runs at it."""
    target = target_of_memory(tier_of(cell.row))
    models = [name.partition("@")[0] for name in cell.subjects]
    models = [name for model in models for name in (GUIDE_MODELS if model == "all" else (model,))]
    idle = []
    for precision in cell.value.lower().split("/"):
        if not any(ocr_candidate(target, model, precision).verdict in RESIDENT for model in models):
            idle.append(precision)
    facts = {"precisions": ", ".join(idle), "room": gib(target.budget.budget_bytes), "gpu": target.label}
    if idle:
        return checked(cell, DISAGREES, f"none of them at {facts['precisions']}", "precision_idle", **facts)
    return checked(cell, AGREES, "", "precision_agrees", **facts)


def check_card_models(cell: Published) -> Check:
    """Every memory size of the card must hold one of the named; then the best that fits must be among
    them.
    """
    targets = [target_of_gpu(card) for card in cards_of(cell)]
    summary = []
    for target in targets:
        named = named_candidates(target, cell)
        failing = [candidate for candidate in named if candidate.verdict not in RESIDENT]
        summary.append(f"{target.label}: {_summary(named)}" if len(targets) > 1 else _summary(named))
        alternatives = "/" in cell.value.partition("@")[2]
        if failing and not (alternatives and len(failing) < len(named)):
            facts = _facts(target, failing)
            return checked(cell, DISAGREES, "; ".join(summary), "too_small", **facts)
        best = next((row for row in candidates(target, OCR) if row.verdict in RESIDENT), None)
        if best is not None and best.rank < min(candidate.rank for candidate in named):
            facts = {"model": best.name, "precision": best.precision, "gpu": target.label}
            facts |= {"need": gib(best.optimal_bytes, unknown="?"), "room": gib(target.budget.budget_bytes)}
            return checked(cell, DISAGREES, "; ".join(summary), "better_fits", **facts)
    return checked(cell, AGREES, "; ".join(summary), "all_fit", **_facts(targets[0], []))


@functools.cache
def cards_named(name: str) -> tuple[GPU, ...]:
    """find_gpus, asked once for each of the few names that the seeds use."""
    return find_gpus(name)


def cards_of(cell: Published) -> list[GPU]:
    """The catalog's cards of a row of the guide, of the sizes that it prints."""
    printed = next(
        other.value
        for other in published()
        if other.seed == cell.seed and other.row == cell.row and other.column == "VRAM"
    )
    sizes = [float(size) for size in printed.split("/")]
    return [card for card in cards_named(cell.row) if card.vram_gib in sizes]


def check_card_memory(cell: Published) -> Check:
    cards = cards_named(cell.subject)
    sizes = list(dict.fromkeys(card.vram_gib for card in cards))
    sold = " / ".join(f"{size:g}" for size in sizes)
    agrees = all(float(size) in sizes for size in cell.value.split("/"))
    if cards[0].status != "released":
        return checked(cell, OPINION, f"{sold} GB (rumoured)", "rumoured", gpu=cards[0].label, sizes=sold)
    why = "sizes_agree" if agrees else "sizes_differ"
    return checked(cell, AGREES if agrees else DISAGREES, f"{sold} GB", why, sizes=sold)


def check_depends(cell: Published) -> Check:
    best = {card.label: candidates(target_of_gpu(card), OCR)[0] for card in cards_of(cell)}
    text = "; ".join(f"{label}: {pick.name} {pick.precision}" for label, pick in best.items())
    return checked(cell, AGREES, text, "depends", picks=text)


def check_note_all(cell: Published) -> Check:
    (card,) = cards_of(cell)
    target = target_of_gpu(card)
    whole = [ocr_candidate(target, model, "fp16") for model in GUIDE_MODELS]
    failing = [candidate for candidate in whole if candidate.verdict not in RESIDENT]
    facts = _facts(target, failing)
    why = "too_small" if failing else "all_fit"
    return checked(cell, DISAGREES if failing else AGREES, "", why, **facts)


def check_note_optimal(cell: Published) -> Check:
    (card,) = cards_of(cell)
    given = rating(card)
    verdict = AGREES if given == "optimal" else DISAGREES
    return checked(cell, verdict, given, "colour", gpu=card.label, colour=given)


def check_note_larger(cell: Published) -> Check:
    cards = sorted(cards_of(cell), key=lambda card: -(card.vram_gib or 0))
    found = {card.label: rating(card) for card in cards}
    text = ", ".join(f"{label}: {value}" for label, value in found.items())
    return checked(cell, AGREES, text, "colours", colours=found)


def check_capability(cell: Published) -> Check:
    (card,) = cards_named(cell.subject)
    agrees = card.compute_capability == cell.value
    why = "capability_agrees" if agrees else "capability_differs"
    verdict = AGREES if agrees else DISAGREES
    return checked(cell, verdict, card.compute_capability or "", why, found=card.compute_capability)


def check_flash_supported(cell: Published) -> Check:
    (card,) = cards_named(cell.subject)
    return checked(cell, AGREES, "8.0 or more", "flash_supported", found=card.compute_capability)


def check_flash_capability(cell: Published) -> Check:
    return checked(cell, AGREES, "8.0", "flash_capability")


def check_version(cell: Published) -> Check:
    return checked(cell, OPINION, "", "version")


def check_opinion(cell: Published) -> Check:
    return checked(cell, OPINION, "", "opinion")


def check_tier_colour(cell: Published) -> Check:
    given = rating_of_memory(tier_of(cell.row))
    verdict = AGREES if given == cell.subject else DISAGREES
    return checked(cell, verdict, given, "colour", gpu=cell.row, colour=given)


GUIDE_CHECKS: Mapping[str, CheckOfCell] = {
    "memory": check_memory,
    "saving": check_saving,
    "flash_saving": check_flash_saving,
    "seconds": check_seconds,
    "cer": check_cer,
    "tier_models": check_tier_models,
    "tier_precisions": check_tier_precisions,
    "card_models": check_card_models,
    "card_memory": check_card_memory,
    "depends": check_depends,
    "note_all": check_note_all,
    "note_optimal": check_note_optimal,
    "note_balance": check_opinion,
    "note_larger": check_note_larger,
    "capability": check_capability,
    "flash_supported": check_flash_supported,
    "flash_capability": check_flash_capability,
    "version": check_version,
    "opinion": check_opinion,
    "tier_colour": check_tier_colour,
}


def _summary(named: list[Candidate]) -> str:
    return ", ".join(
        f"{candidate.name} {candidate.precision} {candidate.verdict}"
        + (f" ({gib(candidate.optimal_bytes)} GiB)" if candidate.optimal_bytes else "")
        for candidate in named
    )


def _facts(target: Target, failing: list[Candidate]) -> dict[str, Any]:
    needs = {f"{row.name} {row.precision}": f"{gib(row.optimal_bytes, unknown='?')} GiB" for row in failing}
    return {"gpu": target.label, "room": gib(target.budget.budget_bytes), "needs": needs}
