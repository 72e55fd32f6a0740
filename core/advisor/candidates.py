"""Every model of the catalog at every precision on one machine: does it run, and its three numbers."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..catalog import OCRModel, ocr_model, ocr_models
from ..catalog.diffusion import DiffusionModel, DiffusionWeights, diffusion_models
from ..catalog.formats import Format, format_named
from ..catalog.gpus import GPU
from ..catalog.names.models import model_named
from ..catalog.ranks import TIERS_OF_QUALITY, UNRANKED, Quality, ocr_rank, quality, rank
from ..errors import UnknownName, nearest, nearest_name
from ..families.published import published_config
from ..families.weights import weights_of_config
from ..hardware.budget import Budget
from ..hardware.capabilities import option_for, pip_line
from ..option_values import ADVICE_TASKS, precision_choices
from ..planning.footprint import reading_bytes
from ..planning.plan import Plan, Verdict
from ..planning.sampling_peaks import named
from ..units import GIB, gib, seconds_text
from .candidate import RESIDENT, USUAL_SIZE, Candidate, ResultSize, commercial_use
from .diffusion_memory import DiffusionNeed, Usability, diffusion_need, usability
from .models_here import current_model, current_models
from .peak_on_card import peak_on_card
from .targets import Target

if TYPE_CHECKING:
    from ..catalog.templates import Template
    from ..hardware.capabilities import Capability

OCR, IMAGE, IMAGE_EDIT, VIDEO = "OCR", "image", "image edit", "video"
UPSCALING, AUDIO, SHAPES = "upscaling", "audio", "3d"
WHICH_GPU, ALL = "which GPU", "all"
TASKS = ADVICE_TASKS
MODEL_TASKS = (OCR, IMAGE, IMAGE_EDIT, VIDEO, UPSCALING, AUDIO, SHAPES)
_KINDS = {
    "image": IMAGE,
    "edit": IMAGE_EDIT,
    "video": VIDEO,
    "upscale": UPSCALING,
    "audio": AUDIO,
    "3d": SHAPES,
}
_BITSANDBYTES = ("bitsandbytes", "accelerate")
_PACKAGES = {"int8": _BITSANDBYTES, "int4": _BITSANDBYTES, "torchao": ("torchao",)}
# The least that is worth reading: a quarter of a megapixel, and a paragraph for an answer.
_SMALL, _SHORT = 512 * 512, 512
# What most machines with a card have (Steam Hardware Survey: 16 and 32 GB are two thirds and more of all).
USUAL_RAM = 32 * GIB


def candidates_of_task(target: Target, task: str, installed: Collection[str] = ()) -> tuple[Candidate, ...]:
    """All candidates for one of MODEL_TASKS; for ALL or WHICH_GPU for each of them in turn."""
    tasks = MODEL_TASKS if task in (ALL, WHICH_GPU) else (task,)
    return tuple(candidate for name in tasks for candidate in candidates(target, name, installed))


def candidates(target: Target, task: str, installed: Collection[str] = ()) -> tuple[Candidate, ...]:
    """All candidates for one of MODEL_TASKS, best first. ``installed`` names models that are on disk."""
    found = ocr_candidates(target) if task == OCR else diffusion_candidates(target, task)
    marked = (replace(row, installed=True) if row.model in installed else row for row in found)
    return tuple(sorted(marked, key=lambda candidate: candidate.key))


def named_candidate(target: Target, text: str) -> Candidate:
    """The candidate that "model@precision" names; without a precision the best one on ``target``.

    Raises UnknownName for a model that is not in the catalog or a precision that it has no row for.
    """
    name, _, precision = text.partition("@")
    model = model_name(name)
    if any(row.id == model for row in ocr_models()):
        return ocr_candidate(target, model, precision.strip())
    if precision:
        return diffusion_candidate(target, model, precision.strip())
    return model_candidates(target, model)[0]


def ocr_candidates(target: Target) -> Iterator[Candidate]:
    """From our own footprints: every model of ocr_models.csv at every precision."""
    for row in ocr_models():
        yield from _candidates_of_row(row, target)


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
        yield replace(candidate, slow=True, why="fits_slow") if processor else candidate


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


def _ocr_candidate(
    row: OCRModel, precision: str, verdict: str, why: str, facts: Mapping[str, Any] | None = None
) -> Candidate:
    return Candidate(
        task=OCR,
        model=row.id,
        name=row.name,
        precision=precision,
        verdict=verdict,
        optimal_bytes=None,
        resident_bytes=None,
        floor_bytes=None,
        licence=row.licence,
        commercial=commercial_use(row.licence),
        confidence="computed",
        why=why,
        facts=facts or {},
        rank=ocr_rank(row, _parameters),
        yours=row.yours,
        asked_for=quality(OCR, row.id).asked_for,
        bits={"fp32": 32.0, "int8": 8.0, "fp8 as saved": 8.0, "int4": 4.0}.get(precision, 16.0),
    )


def _planned(row: OCRModel, verdict: Verdict, room_bytes: int, least_bytes: int) -> Candidate:
    needs = verdict.footprint
    facts: dict[str, Any] = {"text": verdict.reason, "room": gib(room_bytes)}
    if needs is None:
        return _ocr_candidate(row, verdict.precision, verdict.verdict, "unavailable", facts)
    facts["need"] = gib(needs.need_bytes)
    facts["megapixels"] = f"{(verdict.max_pixels or 0) / 1e6:.1f}"
    candidate = _ocr_candidate(row, verdict.precision, verdict.verdict, verdict.verdict, facts)
    known = any("measured here" in term.source for term in needs.terms)
    return replace(
        candidate,
        confidence="measured here" if known else "computed",
        optimal_bytes=needs.need_bytes,
        resident_bytes=needs.need_bytes,
        floor_bytes=needs.weights_bytes + needs.overhead_bytes + least_bytes,
        weights_bytes=needs.weights_bytes,
    )


@functools.lru_cache(maxsize=256)
def _parameters(row: OCRModel) -> int | None:
    """Of the published architecture."""
    config = published_config(row.repo)
    return None if config is None else sum(weight.count for weight in weights_of_config(config))


def _least_of_row(row: OCRModel, precision: str) -> int:
    """Activations and KV cache of the smallest picture that is still readable and a short answer."""
    from ..models.request import resolve_known
    from ..settings import load_settings

    resolved = resolve_known(row, load_settings())
    if resolved is None:
        return 0
    attention = "sdpa" if "sdpa" in resolved.family.attention else "eager"
    return reading_bytes(resolved.config, precision, attention)(_SMALL, 1, _SHORT)


def _plan_of_row(
    row: OCRModel, budget: Budget, live: bool, available: tuple[tuple[str, Capability], ...]
) -> Plan | None:
    """The plan from the published architecture, else from the files on this machine, with what was measured
    on this machine where it is asked about; None where nothing tells the size.
    """
    from ..models.request import ModelRequest, plan_resolved, resolve_known
    from ..settings import load_settings

    settings = load_settings()
    resolved = resolve_known(row, settings)
    if resolved is None:
        return None
    return plan_resolved(ModelRequest(row.id), resolved, budget, settings if live else None, dict(available))


# What is published is kept; files come and go.
_ocr_plan = functools.lru_cache(maxsize=4096)(_plan_of_row)
_least_reading = functools.lru_cache(maxsize=256)(_least_of_row)


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


def diffusion_candidates(target: Target, task: str) -> Iterator[Candidate]:
    """Computed as ComfyUI does: every model of diffusion.csv that does ``task``, at every precision."""
    for model in current_models():
        if task in {_KINDS.get(kind) for kind in model.tasks}:
            yield from _candidates_of_model(target, model, task)


def model_candidates(target: Target, name: str) -> list[Candidate]:
    """One image or video model at every precision, best first."""
    model = current_model(name)
    return sorted(_candidates_of_model(target, model, task_of(model)), key=lambda candidate: candidate.key)


def diffusion_candidate(target: Target, name: str, precision: str) -> Candidate:
    """One image or video model at one precision."""
    wanted = current_model(name).of(precision).precision
    return next(row for row in model_candidates(target, name) if row.precision == wanted)


def sized_candidates(
    target: Target, model: DiffusionModel, size: ResultSize
) -> list[tuple[Candidate, DiffusionNeed]]:
    """``model_candidates`` for a result of another size, each with what it needs.

    Raises VramwiseError for a size that the model cannot make.
    """
    needs = (
        measured_need(need, target, model)
        for _, _, need in _needs(model, target.system, target.needing, size)
    )
    rows = _candidates_of_model(target, model, task_of(model), size)
    return sorted(zip(rows, needs, strict=True), key=lambda pair: pair[0].key)


def task_of(model: DiffusionModel) -> str:
    """The task that the model is listed under first."""
    return next((_KINDS[kind] for kind in model.tasks if kind in _KINDS), model.tasks[0])


def _candidates_of_model(
    target: Target, model: DiffusionModel, task: str, size: ResultSize = USUAL_SIZE
) -> Iterator[Candidate]:
    for file, form, need in _needs(model, target.system, target.needing, size):
        fast = form.fast_on(target.budget.capability)
        candidate = _diffusion_candidate(target, need, model, task, form.bits, fast)
        candidate = replace(candidate, yours=True) if file.yours else candidate
        yield replace(candidate, installed=True) if file.on_disk else candidate


# Room for every model on two cards: the one asked about and the one of the next size.
@functools.lru_cache(maxsize=512)
def _needs(
    model: DiffusionModel, system: str, gpu: GPU | None, size: ResultSize
) -> tuple[tuple[DiffusionWeights, Format, DiffusionNeed], ...]:
    def need(precision: str) -> DiffusionNeed:
        return diffusion_need(
            model,
            precision,
            width=size.width,
            height=size.height,
            frames=size.frames,
            batch=size.batch,
            system=system,
            gpu=gpu,
        )

    return tuple((file, format_named(file.format), need(file.precision)) for file in model.weights)


def template_candidates(target: Target, templates: Iterable[Template]) -> tuple[Candidate, ...]:
    """ComfyUI's templates that do one of our tasks, each by its own list of files: what is on disk first,
    then best first. ``model`` is the template's id, ``precision`` its largest file.
    """
    from .template_memory import model_of_template, template_need

    found = []
    for template in templates:
        need, model = (
            template_need(template, system=target.system, gpu=target.gpu),
            model_of_template(template),
        )
        task = _task_of_template(template, model)
        if need is not None and task in MODEL_TASKS:
            candidate = _diffusion_candidate(target, need, model, task)
            found.append(replace(candidate, name=template.title, installed=template.installed))
    return tuple(sorted(found, key=lambda candidate: (not candidate.installed, candidate.key)))


def _task_of_template(template: Template, model: DiffusionModel | None) -> str:
    if model is not None and model.tasks == ("upscale",):
        return UPSCALING
    return IMAGE_EDIT if any("edit" in tag.lower() for tag in template.tags) else template.kind


def models_of(templates: Iterable[Template]) -> set[str]:
    """Ids of the catalog's models for which all files of a template are on disk."""
    from .template_memory import model_of_template

    ready = (model_of_template(template) for template in templates if template.installed)
    return {model.id for model in ready if model is not None}


def _diffusion_candidate(
    target: Target,
    need: DiffusionNeed,
    model: DiffusionModel | None,
    task: str,
    bits: float = 16.0,
    fast: bool = True,
) -> Candidate:
    need = measured_need(need, target, model)
    use = use_of(need, target)
    its = Quality(TIERS_OF_QUALITY[-1]) if model is None else _quality(task, model)
    ram_bytes = use.least_ram_bytes
    return Candidate(
        task=task,
        model=need.model,
        name=need.model if model is None else model.name,
        precision=need.precision,
        verdict=use.verdict,
        optimal_bytes=need.optimal_bytes,
        resident_bytes=need.resident_bytes,
        floor_bytes=need.floor_bytes,
        licence="" if model is None else model.licence.licence,
        commercial="unknown" if model is None else model.licence.commercial,
        confidence=need.confidence,
        why=use.why,
        facts=functools.partial(_facts, need, use, target),
        rank=UNRANKED if model is None else rank(task, model.id),
        bits=bits,
        fast=fast,
        ram_bytes=ram_bytes,
        weights_bytes=need.weights_bytes,
        seconds=use.seconds_floor,
        notes=need.notes,
        tier=its.tier,
        seconds_per_step=use.seconds_per_step,
        yours=model is not None and model.yours,
        asked_for=its.asked_for,
        much_ram=target.ram_bytes is None and (ram_bytes or 0) > USUAL_RAM,
    )


@functools.cache
def _quality(task: str, model: DiffusionModel) -> Quality:
    """A person's own row stands in the tier of ComfyUI's class that it is of."""
    its = quality(task, model.id)
    if not model.yours or its.stated:
        return its
    alike = [
        quality(task, other.id).tier
        for other in diffusion_models()
        if other.comfy_class == model.comfy_class != "" and rank(task, other.id) != UNRANKED
    ]
    return Quality(min(alike, default=its.tier), stated=False)


def _facts(need: DiffusionNeed, use: Usability, target: Target) -> dict[str, Any]:
    room_bytes = target.comfy_bytes
    return {
        "need": gib(need.optimal_bytes),
        "room": gib(room_bytes),
        "floor": gib(need.floor_bytes),
        "whole": gib(need.resident_sampling_bytes),
        "ram": gib(use.least_ram_bytes),
        "ram_there": gib(target.ram_bytes),
        "ram_all": gib(need.ram_bytes),
        "spilled": gib(use.spilled_bytes),
        "steps": need.steps,
        "once": gib(max(0, need.encode_bytes - room_bytes)),
        "step": seconds_text(use.seconds_per_step or 0),
        "seconds": seconds_text(use.seconds_floor or 0),
        "bus": use.bus.bus if use.bus is not None else "",
        "peak_bytes": None if use.bus is None else peak_on_card(need, room_bytes).bytes,
    }


def measured_need(need: DiffusionNeed, target: Target, model: DiffusionModel | None) -> DiffusionNeed:
    """``need`` with what sampling of this architecture and latent took on this machine, where that is asked
    about and known."""
    peaks = target.sampling_peaks
    if not peaks or model is None:
        return need
    scale = next((row.factor_scale for row in model.weights if row.precision == need.precision), 1.0)
    peak = peaks.get((named(model.comfy_class, model.factor * scale), need.area))
    if peak is None:
        return need
    source = f"measured here on {peak.date}: {need.area} latent positions"
    return replace(need, activation_bytes=peak.bytes, activation_source=source, confidence="measured here")


def use_of(need: DiffusionNeed, target: Target) -> Usability:
    """Whether ``need`` can be used in this place."""
    if target.budget.kind == "cpu":
        return Usability("no", None, lambda: "there is no GPU", why="no_gpu")
    return usability(need, target.gpu, target.ram_bytes, vram_bytes=target.comfy_bytes, system=target.system)


def model_name(text: str) -> str:
    """The id of the OCR, image or video model that ``text`` names, by id, name or repository.

    Raises UnknownName with the nearest.
    """
    ocr = {row.id: (row.name, row.repo) for row in ocr_models()}
    names = {**ocr, **{model.id: (model.name,) for model in diffusion_models()}}
    found = model_named(text, {name: tuple(filter(None, its)) for name, its in names.items()})
    if found is None:
        known = [*names, *(its[0] for its in names.values())]
        raise UnknownName(
            f'"{text}" is no model of the catalog.{nearest(text, known)} `vramwise models` lists them.',
            key="error_model_unknown",
            text=text,
            near=nearest_name(text, known),
        )
    return found
