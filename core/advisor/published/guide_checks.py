"""Checking what the seeds publish: one function a kind of statement, each against our own computation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...catalog import family, ocr_model
from ...catalog.gpus import GIB, GPU, find_gpus
from ...catalog.published import Published, published
from ...families.weights import published_config
from ...planning.footprint import Footprint, Workload, footprint
from ..candidates import OCR, RESIDENT, Candidate, candidates, fill, ocr_candidate
from ..gpu_ranking import rating, rating_of_memory
from ..targets import Target, target_of_gpu, target_of_memory

AGREES, DISAGREES, NOT_PUBLISHED = "agrees", "disagrees", "not published"
NOT_REPRODUCED, OPINION = "published, not reproduced", "opinion"
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


@dataclass(frozen=True)
class Check:
    """One published cell beside our computation.

    ``verdict`` is one of the words above; ``why`` is a key of the words and ``facts`` fill it; ``about``
    names cards, tiers and models that the cell is about.
    """

    row: Published
    computed: str
    verdict: str
    why: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    about: frozenset[str] = frozenset()

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
        return fill(f"advise_why_{self.why}", self.facts, lang)

    def to_dict(self) -> dict[str, str]:
        """As in the JSON of ``advise``."""
        return {
            "seed": self.seed,
            "cell": self.cell,
            "published": self.published,
            "computed": self.computed,
            "reason": self.reason(),
        }


Judge = Callable[[Published], Check]


def said(
    cell: Published, verdict: str, computed: str, why: str, about: Iterable[str] = (), **facts: Any
) -> Check:
    """A judgement of ``cell``."""
    named = frozenset((*about, *(one.partition("@")[0] for one in cell.subjects), cell.row))
    return Check(cell, computed, verdict, why, facts, named)


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


def judge_memory(cell: Published) -> Check:
    model, _, precision = cell.subject.partition("@")
    needs, whole = need_of(model, precision), need_of(model, precision, quantise_vision=True)
    need, weights = needs.need_bytes / 1e9, needs.weights_bytes / 1e9
    computed = f"{need:.1f} GB, weights {weights:.1f} GB"
    page = need_of(model, precision, _PAGE).need_bytes / 1e9
    facts = {
        "need": f"{need:.1f}",
        "weights": f"{weights:.1f}",
        "page": f"{page:.1f}",
        "precision": precision,
    }
    if cell.value == "-":
        return said(cell, NOT_PUBLISHED, computed, "not_published_memory", **facts)
    given = float(cell.value)
    facts |= {"published": f"{given:g}", "rest": f"{need - weights:.1f}"}
    lightest = whole.weights_bytes / 1e9  # with the vision tower quantised too: the kindest reading
    if given < lightest * 0.99:
        facts["weights"] = f"{lightest:.2f}"
        return said(cell, DISAGREES, computed, "below_weights", **facts)
    if abs(given / lightest - 1) <= _WEIGHTS_CLOSE:
        return said(cell, DISAGREES, computed, "weights_only", **{**facts, "weights": f"{lightest:.1f}"})
    if whole.need_bytes / 1e9 * (1 - _CLOSE) <= given <= need * (1 + _CLOSE):
        return said(cell, AGREES, computed, "memory_agrees", **facts)
    return said(cell, DISAGREES, computed, "too_high" if given > need else "too_low", **facts)


def judge_saving(cell: Published) -> Check:
    shares = [
        1 - need_of(model, cell.subject).need_bytes / need_of(model, "fp16").need_bytes
        for model in GUIDE_MODELS
    ]
    low, high = 100 * min(shares), 100 * max(shares)
    facts = {"low": f"{low:.0f}", "high": f"{high:.0f}", "published": cell.value}
    agrees = low <= float(cell.value) <= high
    why = "saving_agrees" if agrees else "saving_outside"
    return said(cell, AGREES if agrees else DISAGREES, f"{low:.0f} to {high:.0f} %", why, **facts)


def judge_flash_saving(cell: Published) -> Check:
    return said(cell, DISAGREES, "0 % against sdpa", "flash_saving")


def judge_seconds(cell: Published) -> Check:
    model, _, precision = cell.subject.partition("@")
    if cell.value == "-":
        return said(cell, NOT_PUBLISHED, "", "not_published")
    (card,) = cards_named("RTX 4090")
    rate = (card.bandwidth_gb_s or 0) * 1e9 / need_of(model, precision).weights_bytes
    most = int(float(cell.value) * rate)
    facts = {"tokens": most, "seconds": cell.value}
    return said(cell, NOT_REPRODUCED, f"at most {most} tokens", "seconds", ("RTX 4090",), **facts)


def judge_cer(cell: Published) -> Check:
    if cell.value == "-":
        return said(cell, NOT_PUBLISHED, "", "not_published")
    return said(cell, NOT_REPRODUCED, "", "cer")


# --- what runs on a tier or a card -----------------------------------------------------------------------


def named_offers(target: Target, cell: Published) -> list[Candidate]:
    """Our offers for the models that a cell names; without a precision the best one."""
    found = []
    for subject in cell.subjects:
        model, _, precision = subject.partition("@")
        names = GUIDE_MODELS if model == "all" else (model,)
        found += [ocr_candidate(target, name, precision) for name in names]
    return found


def tier_of(row: str) -> float:
    """GB of "8 GB", "24 GB+" or "24-32 GB" (the smaller)."""
    return float(row.removesuffix("+").removesuffix("GB").strip().partition("-")[0])


def judge_tier_models(cell: Published) -> Check:
    target = target_of_memory(tier_of(cell.row))
    named = named_offers(target, cell)
    failing = [one for one in named if one.verdict not in RESIDENT]
    facts = _facts(target, failing)
    verdict = DISAGREES if failing else AGREES
    return said(cell, verdict, _summary(named), "too_small" if failing else "all_fit", **facts)


def judge_tier_precisions(cell: Published) -> Check:
    """A precision stands rightly if one of the tier's own models runs at it."""
    target = target_of_memory(tier_of(cell.row))
    models = [name.partition("@")[0] for name in cell.subjects]
    models = [name for one in models for name in (GUIDE_MODELS if one == "all" else (one,))]
    idle = []
    for precision in cell.value.lower().split("/"):
        if not any(ocr_candidate(target, model, precision).verdict in RESIDENT for model in models):
            idle.append(precision)
    facts = {"precisions": ", ".join(idle), "room": _gib(target.budget.budget_bytes), "gpu": target.label}
    if idle:
        return said(cell, DISAGREES, f"none of them at {facts['precisions']}", "precision_idle", **facts)
    return said(cell, AGREES, "", "precision_agrees", **facts)


def judge_card_models(cell: Published) -> Check:
    """Every memory size of the card must hold one of the named; then the best that fits must be among
    them.
    """
    targets = [target_of_gpu(card) for card in cards_of(cell)]
    summary, about = [], [target.label for target in targets]
    for target in targets:
        named = named_offers(target, cell)
        failing = [one for one in named if one.verdict not in RESIDENT]
        summary.append(f"{target.label}: {_summary(named)}" if len(targets) > 1 else _summary(named))
        alternatives = "/" in cell.value.partition("@")[2]
        if failing and not (alternatives and len(failing) < len(named)):
            facts = _facts(target, failing)
            return said(cell, DISAGREES, "; ".join(summary), "too_small", about, **facts)
        best = next((one for one in candidates(target, OCR) if one.verdict in RESIDENT), None)
        if best is not None and best.rank < min(one.rank for one in named):
            facts = {"model": best.name, "precision": best.precision, "gpu": target.label}
            facts |= {"need": _gib(best.optimal_bytes), "room": _gib(target.budget.budget_bytes)}
            return said(cell, DISAGREES, "; ".join(summary), "better_fits", about, **facts)
    return said(cell, AGREES, "; ".join(summary), "all_fit", about, **_facts(targets[0], []))


@functools.cache
def cards_named(name: str) -> tuple[GPU, ...]:
    """find_gpus, asked once for each of the few names that the seeds use."""
    return find_gpus(name)


def cards_of(cell: Published) -> list[GPU]:
    """The catalog's cards of a row of the guide, of the sizes that it prints."""
    printed = next(
        one.value
        for one in published()
        if one.seed == cell.seed and one.row == cell.row and one.column == "VRAM"
    )
    sizes = [float(size) for size in printed.split("/")]
    return [card for card in cards_named(cell.row) if card.vram_gib in sizes]


def judge_card_memory(cell: Published) -> Check:
    cards = cards_named(cell.subject)
    sizes = list(dict.fromkeys(card.vram_gib for card in cards))
    sold = " / ".join(f"{size:g}" for size in sizes)
    about = [card.label for card in cards]
    agrees = all(float(size) in sizes for size in cell.value.split("/"))
    if cards[0].status != "released":
        return said(cell, OPINION, f"{sold} GB (rumoured)", "rumoured", about, gpu=cards[0].label, sizes=sold)
    why = "sizes_agree" if agrees else "sizes_differ"
    return said(cell, AGREES if agrees else DISAGREES, f"{sold} GB", why, about, sizes=sold)


def judge_depends(cell: Published) -> Check:
    about = [card.label for card in cards_of(cell)]
    best = [next(one for one in candidates(target_of_gpu(card), OCR)) for card in cards_of(cell)]
    text = "; ".join(f"{label}: {one.name} {one.precision}" for label, one in zip(about, best, strict=True))
    return said(cell, AGREES, text, "depends", about, picks=text)


def judge_note_all(cell: Published) -> Check:
    (card,) = cards_of(cell)
    target = target_of_gpu(card)
    failing = [m for m in GUIDE_MODELS if ocr_candidate(target, m, "fp16").verdict not in RESIDENT]
    facts = _facts(target, [ocr_candidate(target, model, "fp16") for model in failing])
    why = "too_small" if failing else "all_fit"
    return said(cell, DISAGREES if failing else AGREES, "", why, (target.label,), **facts)


def judge_note_optimal(cell: Published) -> Check:
    (card,) = cards_of(cell)
    given = rating(card)
    verdict = AGREES if given == "optimal" else DISAGREES
    return said(cell, verdict, given, "colour", (card.label,), gpu=card.label, colour=given)


def judge_note_larger(cell: Published) -> Check:
    cards = sorted(cards_of(cell), key=lambda card: -(card.vram_gib or 0))
    found = {card.label: rating(card) for card in cards}
    text = ", ".join(f"{label}: {value}" for label, value in found.items())
    return said(cell, AGREES, text, "colours", found, colours=found)


def judge_capability(cell: Published) -> Check:
    (card,) = cards_named(cell.subject)
    agrees = card.compute_capability == cell.value
    why = "capability_agrees" if agrees else "capability_differs"
    verdict = AGREES if agrees else DISAGREES
    return said(cell, verdict, card.compute_capability, why, (card.label,), found=card.compute_capability)


def judge_flash_supported(cell: Published) -> Check:
    (card,) = cards_named(cell.subject)
    return said(cell, AGREES, "8.0 or more", "flash_supported", (card.label,), found=card.compute_capability)


def judge_flash_capability(cell: Published) -> Check:
    return said(cell, AGREES, "8.0", "flash_capability")


def judge_version(cell: Published) -> Check:
    return said(cell, OPINION, "", "version")


def judge_opinion(cell: Published) -> Check:
    return said(cell, OPINION, "", "opinion")


def judge_tier_colour(cell: Published) -> Check:
    given = rating_of_memory(tier_of(cell.row))
    verdict = AGREES if given == cell.subject else DISAGREES
    return said(cell, verdict, given, "colour", (), gpu=cell.row, colour=given)


GUIDE_JUDGES: Mapping[str, Judge] = {
    "memory": judge_memory,
    "saving": judge_saving,
    "flash_saving": judge_flash_saving,
    "seconds": judge_seconds,
    "cer": judge_cer,
    "tier_models": judge_tier_models,
    "tier_precisions": judge_tier_precisions,
    "card_models": judge_card_models,
    "card_memory": judge_card_memory,
    "depends": judge_depends,
    "note_all": judge_note_all,
    "note_optimal": judge_note_optimal,
    "note_balance": judge_opinion,
    "note_larger": judge_note_larger,
    "capability": judge_capability,
    "flash_supported": judge_flash_supported,
    "flash_capability": judge_flash_capability,
    "version": judge_version,
    "opinion": judge_opinion,
    "tier_colour": judge_tier_colour,
}


def _summary(named: list[Candidate]) -> str:
    return ", ".join(
        f"{one.name} {one.precision} {one.verdict}"
        + (f" ({_gib(one.optimal_bytes)} GiB)" if one.optimal_bytes else "")
        for one in named
    )


def _facts(target: Target, failing: list[Candidate]) -> dict[str, Any]:
    needs = {f"{one.name} {one.precision}": f"{_gib(one.optimal_bytes)} GiB" for one in failing}
    return {"gpu": target.label, "room": _gib(target.budget.budget_bytes), "needs": needs}


def _gib(size: int | None) -> str:
    return "?" if size is None else f"{size / GIB:.1f}"
