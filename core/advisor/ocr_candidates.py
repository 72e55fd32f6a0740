"""Every OCR model at every precision on one machine, by the plans that loading it follows."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..catalog import OCRModel, ocr_model, ocr_models
from ..catalog.ranks import ocr_rank, quality
from ..catalog.words import said
from ..errors import UnknownName, nearest
from ..families.published import published_config
from ..families.weights import weights_of_config
from ..hardware.budget import Budget
from ..hardware.capabilities import option_for
from ..option_values import precision_choices
from ..planning.footprint import reading_bytes
from ..planning.plan import Plan, Verdict
from ..shell import pip_line
from ..units import GIB, gib, megapixels
from .candidate import RESIDENT, Candidate, commercial_use
from .diffusion_memory import ROUNDING, least_system_ram
from .targets import Target
from .tasks import OCR

if TYPE_CHECKING:
    from ..hardware.capabilities import Capability
    from ..models.resolved import ResolvedModel

_BITSANDBYTES = ("bitsandbytes", "accelerate")
_PACKAGES = {"int8": _BITSANDBYTES, "int4": _BITSANDBYTES, "torchao": ("torchao",)}
# The least that is worth reading: a quarter of a megapixel, and a paragraph for an answer.
_SMALL, _SHORT = 512 * 512, 512
# What loading an OCR model takes of RAM: Python with torch and transformers, and the largest matrix on its
# way to the card (weights are read from mapped files, which the system takes back). Estimated.
_LOADING = 3 * GIB // 2


def ocr_candidates(target: Target, without: Collection[str] = ()) -> Iterator[Candidate]:
    """From our own footprints: every model of ocr_models.csv but ``without``, at every precision."""
    for row in ocr_models():
        if row.id not in without:
            yield from _candidates_of_row(row, target)


def ocr_candidate(target: Target, model: str, precision: str = "") -> Candidate:
    """The candidate for one OCR model; without a precision, or with "auto", its best one. A model that has
    one for all (on the processor, or of a size that nobody knows) answers to every precision with it.

    Raises UnknownName for a precision that is not offered, with the nearest.
    """
    row, wanted = ocr_model(model), precision.lower()
    ranked = sorted(_candidates_of_row(row, target), key=lambda candidate: candidate.key)
    found = {candidate.precision: candidate for candidate in ranked}
    best = next(iter(found.values()))
    if wanted in ("", "auto") or (len(found) == 1 and wanted in precision_choices()):
        return best
    if wanted not in found:
        raise UnknownName(
            f'{row.name} is not offered at "{precision}".{nearest(wanted, found)} '
            f"Use one of: {', '.join(found)}."
        )
    return found[wanted]


def _candidates_of_row(row: OCRModel, target: Target) -> Iterator[Candidate]:
    if row.engine != "vlm":
        yield _built_in(row)
        return
    published = published_config(row.repo) is not None
    plan_of, least_of = (_ocr_plan, _least_reading) if published else (_plan_of_row, _least_of_row)
    plan = plan_of(row, target.budget, target.live, tuple(target.available.items()))
    if plan is None:
        yield _ocr_candidate(row, "auto", "unknown", "unknown")
        return
    for verdict in plan.verdicts:
        least_bytes = least_of(row, verdict.precision)
        candidate = _planned(row, verdict, target.budget.budget_bytes, least_bytes)
        packages = _missing(target, candidate.precision)
        if packages:
            facts = {"text": verdict.reason, "pip": pip_line(*packages)}
            yield replace(candidate, why="not_installed", facts=facts)
            continue
        processor = target.budget.kind == "cpu" and candidate.verdict in RESIDENT
        yield replace(candidate, slow=True, why="fits_slow") if processor else _beside_ram(candidate, target)


def _beside_ram(candidate: Candidate, target: Target) -> Candidate:
    """The candidate of a card with what loading it takes of RAM; refused where that is not there."""
    needed = ram_of_ocr(target)
    if needed is None:
        return candidate
    if not short_of_ram(target) or not candidate.usable:
        return replace(candidate, ram_bytes=needed)
    facts = {"ram": gib(needed), "ram_there": gib(target.ram_bytes)}
    return replace(candidate, ram_bytes=needed, verdict="no", why="ram_kills", facts=facts)


def ram_of_ocr(target: Target) -> int | None:
    """What loading an OCR model takes of RAM beside this card; None where there is no card, or one memory."""
    unified = target.gpu is not None and target.gpu.unified
    if target.budget.kind in ("cpu", "mps") or unified:
        return None
    return least_system_ram(target.system) + _LOADING


def short_of_ram(target: Target) -> str:
    """Why no OCR model can be loaded onto this card with its RAM; empty where one can, or nobody knows."""
    needed = ram_of_ocr(target)
    if needed is None or target.ram_bytes is None or needed <= target.ram_bytes + ROUNDING:
        return ""
    return said("advise_reason_ram_kills", ram=gib(needed), ram_there=gib(target.ram_bytes))


def _missing(target: Target, precision: str) -> tuple[str, ...]:
    """The packages that ``precision`` takes on this machine and its Python has not; none where it has them,
    or where they would not help.
    """
    option = option_for(precision, target.budget.kind)
    capability = target.available.get(option)
    if capability is None or capability.usable or (target.budget.kind == "mps" and precision == "int4"):
        return ()
    everything = "bf16" in target.available  # it is listed only where no precision can be run
    return ("transformers",) if everything else _PACKAGES[option]


def _built_in(row: OCRModel) -> Candidate:
    """PP-OCR and Tesseract run on the processor and take nothing of the GPU."""
    candidate = _ocr_candidate(row, "auto", "fits", "processor")
    return replace(candidate, optimal_bytes=0, resident_bytes=0, floor_bytes=0, installed=row.id == "rapid")


def _planned(row: OCRModel, verdict: Verdict, room_bytes: int, least_bytes: int) -> Candidate:
    needs = verdict.footprint
    facts: dict[str, Any] = {"text": verdict.reason, "room": gib(room_bytes)}
    if needs is None:
        return _ocr_candidate(row, verdict.precision, verdict.verdict, "unavailable", facts)
    facts["need"] = gib(needs.need_bytes)
    facts["megapixels"] = megapixels(verdict.max_pixels or 0)
    known = any("measured here" in term.source for term in needs.terms)
    return _ocr_candidate(
        row,
        verdict.precision,
        verdict.verdict,
        verdict.verdict,
        facts,
        confidence="measured here" if known else "computed",
        optimal_bytes=needs.need_bytes,
        resident_bytes=needs.need_bytes,
        floor_bytes=needs.weights_bytes + needs.overhead_bytes + least_bytes,
        weights_bytes=needs.weights_bytes,
    )


def _ocr_candidate(
    row: OCRModel,
    precision: str,
    verdict: str,
    why: str,
    facts: Mapping[str, Any] | None = None,
    *,
    confidence: str = "computed",
    optimal_bytes: int | None = None,
    resident_bytes: int | None = None,
    floor_bytes: int | None = None,
    weights_bytes: int = 0,
) -> Candidate:
    return Candidate(
        task=OCR,
        model=row.id,
        name=row.name,
        precision=precision,
        verdict=verdict,
        optimal_bytes=optimal_bytes,
        resident_bytes=resident_bytes,
        floor_bytes=floor_bytes,
        weights_bytes=weights_bytes,
        licence=row.licence,
        commercial=commercial_use(row.licence),
        confidence=confidence,
        why=why,
        facts=facts or {},
        rank=ocr_rank(row, _parameters),
        yours=row.yours,
        asked_for=quality(OCR, row.id).asked_for,
        bits={"fp32": 32.0, "int8": 8.0, "fp8 as saved": 8.0, "int4": 4.0}.get(precision, 16.0),
    )


@functools.lru_cache(maxsize=256)
def _parameters(row: OCRModel) -> int | None:
    """Of the published architecture."""
    config = published_config(row.repo)
    return None if config is None else sum(weight.count for weight in weights_of_config(config))


def _plan_of_row(
    row: OCRModel, budget: Budget, live: bool, available: tuple[tuple[str, Capability], ...]
) -> Plan | None:
    """The plan from the published architecture, else from the files on this machine, with what was measured
    on this machine where it is asked about; None where nothing tells the size.
    """
    from ..models.request import ModelRequest, plan_resolved
    from ..settings import load_settings

    resolved = _resolved(row)
    if resolved is None:
        return None
    settings = load_settings() if live else None
    return plan_resolved(ModelRequest(row.id), resolved, budget, settings, dict(available), choose=False)


def _least_of_row(row: OCRModel, precision: str) -> int:
    """Activations and KV cache of the smallest picture that is still readable and a short answer."""
    resolved = _resolved(row)
    if resolved is None:
        return 0
    attention = "sdpa" if "sdpa" in resolved.family.attention else "eager"
    return reading_bytes(resolved.config, precision, attention)(_SMALL, 1, _SHORT)


def _resolved(row: OCRModel) -> ResolvedModel | None:
    """What is published is the same everywhere; only for what is not the settings say where files are."""
    from ..models.resolved import resolve_known, resolve_published
    from ..settings import load_settings

    return resolve_published(row) or resolve_known(row, load_settings())


# What is published is kept; files come and go.
_ocr_plan = functools.lru_cache(maxsize=4096)(_plan_of_row)
_least_reading = functools.lru_cache(maxsize=256)(_least_of_row)
