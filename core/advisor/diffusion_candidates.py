"""Every image, video and sound model at every precision on one machine, and ComfyUI's templates, computed as
ComfyUI does.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..catalog.diffusion import DiffusionModel, DiffusionWeights, diffusion_models
from ..catalog.formats import Format, format_named
from ..catalog.gpus import GPU
from ..catalog.ranks import TIERS_OF_QUALITY, UNRANKED, Quality, quality, rank
from ..planning.sampling_peaks import named
from ..units import GIB, gib, seconds_text
from .candidate import USUAL_SIZE, Candidate, ResultSize
from .diffusion_memory import DiffusionNeed, Usability, diffusion_need, usability
from .models_here import current_model, current_models
from .peak_on_card import peak_on_card
from .targets import Target
from .tasks import IMAGE_EDIT, MODEL_TASKS, TASK_OF_KIND, UPSCALING

if TYPE_CHECKING:
    from ..catalog.templates import Template

# What most machines with a card have (Steam Hardware Survey: 16 and 32 GB are two thirds and more of all).
_USUAL_RAM = 32 * GIB


def usual_ram(target: Target) -> int:
    """The RAM of most machines with such a card: 32 GiB, and no less than the card has memory."""
    return max(_USUAL_RAM, int((target.vram_gib or 0) * GIB))


def diffusion_candidates(target: Target, task: str, without: Collection[str] = ()) -> Iterator[Candidate]:
    """Computed as ComfyUI does: every model of diffusion.csv but ``without`` that does ``task``, at every
    precision."""
    for model in current_models():
        if model.id not in without and task in {TASK_OF_KIND.get(kind) for kind in model.tasks}:
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
    return next((TASK_OF_KIND[kind] for kind in model.tasks if kind in TASK_OF_KIND), model.tasks[0])


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
    ram_bytes = use.least_ram_bytes
    return Candidate(
        **_of_model(task, need.model, model),
        precision=need.precision,
        verdict=use.verdict,
        optimal_bytes=need.optimal_bytes,
        resident_bytes=need.resident_bytes,
        floor_bytes=need.floor_bytes,
        confidence=need.confidence,
        why=use.why,
        facts=functools.partial(_facts, need, use, target),
        bits=bits,
        fast=fast,
        ram_bytes=ram_bytes,
        weights_bytes=need.weights_bytes,
        seconds=use.seconds_floor,
        notes=need.notes,
        seconds_per_step=use.seconds_per_step,
        much_ram=target.ram_bytes is None and (ram_bytes or 0) > usual_ram(target),
    )


@functools.lru_cache(maxsize=1024)
def _of_model(task: str, named: str, model: DiffusionModel | None) -> Mapping[str, Any]:
    """What a candidate has of its model alone; of a template that is none of the catalog's its name."""
    its = Quality(TIERS_OF_QUALITY[-1]) if model is None else _quality(task, model)
    return {
        "task": task,
        "model": named,
        "name": named if model is None else model.name,
        "licence": "" if model is None else model.licence.licence,
        "commercial": "unknown" if model is None else model.licence.commercial,
        "rank": UNRANKED if model is None else rank(task, model.id),
        "tier": its.tier,
        "asked_for": its.asked_for,
        "yours": model is not None and model.yours,
    }


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
        "peak_bytes": None if use.bus is None else peak_on_card(need, room_bytes),
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
        return Usability("no", None, why="no_gpu")
    return usability(need, target.gpu, target.ram_bytes, vram_bytes=target.comfy_bytes, system=target.system)
