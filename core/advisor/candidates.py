"""Every model of the catalog at every precision on one machine: does it run, and its three numbers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..catalog import OCRModel, family, ocr_model, ocr_models
from ..catalog.diffusion import DiffusionModel, diffusion_model, diffusion_models, licences
from ..catalog.formats import Format, format_named
from ..catalog.gpus import GIB, GPU
from ..catalog.precisions import precisions
from ..catalog.ranks import UNRANKED, rank
from ..catalog.words import sized, words
from ..errors import UnknownName, nearest
from ..families.weights import published_config
from ..hardware.budget import Budget
from ..hardware.capabilities import option_for, pip_line
from ..option_values import precision_choices
from ..planning.fit import Plan, Verdict, make_plan
from ..planning.footprint import reading_bytes
from .diffusion_memory import DiffusionNeed, Usability, diffusion_need, usability
from .targets import Target

if TYPE_CHECKING:
    from ..catalog.templates import Template
    from ..hardware.capabilities import Capability
    from ..planning.run_history import Run

OCR, IMAGE, IMAGE_EDIT, VIDEO = "OCR", "image", "image edit", "video"
MODEL_TASKS = (OCR, IMAGE, IMAGE_EDIT, VIDEO)
USABLE = ("fits", "tight", "reduced", "streams")
RESIDENT = ("fits", "tight")
_KINDS = {"image": IMAGE, "edit": IMAGE_EDIT, "video": VIDEO}
# Below four bits a weight a picture visibly suffers: such a file is offered after every better one.
_ROUGH_BITS = 4.0
_BITSANDBYTES = ("bitsandbytes", "accelerate")
_PACKAGES = {"int8": _BITSANDBYTES, "int4": _BITSANDBYTES, "torchao": ("torchao",)}
# The least that is worth reading: a quarter of a megapixel, and a paragraph for an answer.
_SMALL, _SHORT = 512 * 512, 512


@dataclass(frozen=True)
class Candidate:
    """One model at one precision.

    ``verdict`` is fits, tight, reduced (smaller pictures only), streams (weights come over the bus at each
    step), no, unavailable or unknown (its size is nowhere published). ``optimal_bytes``: the working stage
    resident; ``resident_bytes``: everything resident, nothing is swapped; ``floor_bytes``: the least that
    runs. OCR models are never streamed: there optimal and resident are one picture of the usual size, the
    floor is the smallest readable one. ``slow`` marks a model that the processor computes, for minutes where
    a GPU takes seconds. ``why`` is a key of the words, ``facts`` fill it; a function where most go untold.
    """

    task: str
    model: str
    name: str
    precision: str
    verdict: str
    optimal_bytes: int | None
    resident_bytes: int | None
    floor_bytes: int | None
    licence: str
    commercial: str
    confidence: str
    why: str
    facts: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(default_factory=dict)
    rank: int = 0
    bits: float = 16.0
    fast: bool = True
    slow: bool = False
    ram_bytes: int | None = None
    weights_bytes: int = 0
    seconds: float | None = None
    installed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[float, ...]:
        """Sort key within a task, best first: resident before streaming, then the better model ("quantised
        big before full small"), then the finer precision. More memory never makes it larger.
        """
        if self.verdict in RESIDENT:
            return (1.0 if self.rough or self.slow else 0.0, self.rank, *self._precision)
        if self.verdict == "reduced":
            return (2.0, self.rank, *self._precision)
        if self.verdict == "streams":
            return (3.0, self.seconds or 0.0, self.rank, *self._precision)
        return (4.0, self.rank, *self._precision)

    @property
    def _precision(self) -> tuple[float, ...]:
        """Whole bits first; of the same ones what the card computes fast, then what keeps more."""
        ours = [row.quality for row in precisions() if row.id == self.precision]  # bf16 before fp16
        place = ours[0] if ours else len(precisions())
        bits = min(self.bits, 16.0)
        return (-math.floor(bits), 0.0 if self.fast else 1.0, -bits, float(place))

    @property
    def rough(self) -> bool:
        """Too few bits a weight to be offered before anything else that runs."""
        return self.bits < _ROUGH_BITS

    @property
    def usable(self) -> bool:
        return self.verdict in USABLE

    def reason(self, lang: str = "en") -> str:
        """One sentence."""
        facts = self.facts() if callable(self.facts) else self.facts
        return fill(f"advise_reason_{self.why}", facts, lang)


def candidates(target: Target, task: str, installed: Collection[str] = ()) -> tuple[Candidate, ...]:
    """All offers for one of MODEL_TASKS, best first. ``installed`` names models that are on disk."""
    found = ocr_offers(target) if task == OCR else diffusion_offers(target, task)
    marked = (replace(one, installed=True) if one.model in installed else one for one in found)
    return tuple(sorted(marked, key=lambda one: one.key))


def ocr_offers(target: Target) -> Iterator[Candidate]:
    """From our own footprints: every model of ocr_models.csv at every precision."""
    for row in ocr_models():
        yield from _offers_of(row, target)


def _offers_of(row: OCRModel, target: Target) -> Iterator[Candidate]:
    if row.engine != "vlm":
        yield _built_in(row)
        return
    plan = _ocr_plan(row, target.budget, target.live, tuple(target.available.items()))
    if plan is None:
        yield _ocr_offer(row, "auto", "unknown", "unknown")
        return
    for verdict in plan.verdicts:
        candidate = _planned(row, verdict, target.budget.budget_bytes)
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
    said = target.available.get(option)
    if said is None or said.usable or (target.budget.kind == "mps" and precision == "int4"):
        return ()
    everything = "bf16" in target.available  # it is listed only where no precision can be run
    return ("transformers",) if everything else _PACKAGES[option]


def _built_in(row: OCRModel) -> Candidate:
    """PP-OCR and Tesseract run on the processor and take nothing of the GPU."""
    candidate = _ocr_offer(row, "auto", "fits", "processor")
    return replace(candidate, optimal_bytes=0, resident_bytes=0, floor_bytes=0, installed=row.id == "rapid")


def _ocr_offer(
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
        commercial=commercial(row.licence),
        confidence="computed",
        why=why,
        facts=facts or {},
        rank=rank(OCR, row.id),
        bits={"fp32": 32.0, "int8": 8.0, "int4": 4.0}.get(precision, 16.0),
    )


def _planned(row: OCRModel, verdict: Verdict, room_bytes: int) -> Candidate:
    needs = verdict.footprint
    facts: dict[str, Any] = {"text": verdict.reason, "room": _gib(room_bytes)}
    if needs is None:
        return _ocr_offer(row, verdict.precision, verdict.verdict, "unavailable", facts)
    facts["need"] = _gib(needs.need_bytes)
    facts["megapixels"] = f"{(verdict.max_pixels or 0) / 1e6:.1f}"
    candidate = _ocr_offer(row, verdict.precision, verdict.verdict, verdict.verdict, facts)
    known = any("measured here" in term.source for term in needs.terms)
    return replace(
        candidate,
        confidence="measured here" if known else "computed",
        optimal_bytes=needs.need_bytes,
        resident_bytes=needs.need_bytes,
        floor_bytes=needs.weights_bytes + needs.overhead_bytes + _least_reading(row, verdict.precision),
        weights_bytes=needs.weights_bytes,
    )


@functools.lru_cache(maxsize=256)
def _least_reading(row: OCRModel, precision: str) -> int:
    """Activations and KV cache of the smallest picture that is still readable and a short answer."""
    config = published_config(row.repo)
    attention = "sdpa" if "sdpa" in family(row.family).attention else "eager"
    return 0 if config is None else reading_bytes(config, precision, attention)(_SMALL, 1, _SHORT)


@functools.lru_cache(maxsize=4096)
def _ocr_plan(
    row: OCRModel, budget: Budget, live: bool, available: tuple[tuple[str, Capability], ...]
) -> Plan | None:
    """The plan from the published architecture, with what was measured on this machine where it is asked
    about; None where no architecture is published.
    """
    config = published_config(row.repo)
    if config is None:
        return None
    runs = _runs(row, budget) if live else ()
    return make_plan(row.id, family(row.family), config, None, budget, available=dict(available), runs=runs)


def _runs(row: OCRModel, budget: Budget) -> tuple[Run, ...]:
    from ..planning.run_history import lookup
    from ..settings import load_settings

    return lookup(load_settings().places.user_dir, budget.name, row.id)


def ocr_candidate(target: Target, model: str, precision: str = "") -> Candidate:
    """The offer for one OCR model; without a precision, or with "auto", its best one. A model that has one
    offer for all (on the processor, or of a size that nobody knows) answers to every precision with it.

    Raises UnknownName for a precision that is not offered, with the nearest.
    """
    row, wanted = ocr_model(model), precision.lower()
    found = {one.precision: one for one in sorted(_offers_of(row, target), key=lambda one: one.key)}
    best = next(iter(found.values()))
    if wanted in ("", "auto") or ("auto" in found and wanted in precision_choices()):
        return best
    if wanted not in found:
        raise UnknownName(
            f'{row.name} is not offered at "{precision}".{nearest(wanted, found)} '
            f"Use one of: {', '.join(found)}."
        )
    return found[wanted]


def diffusion_offers(target: Target, task: str) -> Iterator[Candidate]:
    """Computed as ComfyUI does: every model of diffusion.csv that does ``task``, at every precision."""
    for model in diffusion_models():
        if task in {_KINDS.get(kind) for kind in model.tasks}:
            yield from _model_offers(target, model, task)


def model_candidates(target: Target, name: str) -> list[Candidate]:
    """One image or video model at every precision, best first."""
    model = diffusion_model(name)
    task = next((_KINDS[kind] for kind in model.tasks if kind in _KINDS), model.tasks[0])
    return sorted(_model_offers(target, model, task), key=lambda one: one.key)


def diffusion_candidate(target: Target, name: str, precision: str) -> Candidate:
    """One image or video model at one precision."""
    wanted = diffusion_model(name).of(precision).precision
    return next(one for one in model_candidates(target, name) if one.precision == wanted)


def _model_offers(target: Target, model: DiffusionModel, task: str) -> Iterator[Candidate]:
    for form, need in _needs(model, target.system, target.needing):
        yield _offer(target, need, model, task, form.bits, form.fast_on(target.budget.capability))


# Room for every model on two cards: the one asked about and the one of the next size.
@functools.lru_cache(maxsize=512)
def _needs(model: DiffusionModel, system: str, gpu: GPU | None) -> tuple[tuple[Format, DiffusionNeed], ...]:
    return tuple(
        (format_named(one.format), diffusion_need(model, one.precision, system=system, gpu=gpu))
        for one in model.weights
    )


def template_offers(target: Target, templates: Iterable[Template]) -> tuple[Candidate, ...]:
    """ComfyUI's templates that do one of our tasks, each by its own list of files: what is on disk first,
    then best first. ``model`` is the template's id, ``precision`` its largest file.
    """
    from .template_memory import model_of_template, template_need

    found = []
    for template in templates:
        need = template_need(template, system=target.system, gpu=target.gpu)
        task = IMAGE_EDIT if any("edit" in tag.lower() for tag in template.tags) else template.kind
        if need is not None and task in MODEL_TASKS:
            candidate = _offer(target, need, model_of_template(template), task)
            found.append(replace(candidate, name=template.title, installed=template.installed))
    return tuple(sorted(found, key=lambda one: (not one.installed, one.key)))


def models_of(templates: Iterable[Template]) -> set[str]:
    """Ids of the catalog's models for which all files of a template are on disk."""
    from .template_memory import model_of_template

    ready = (model_of_template(template) for template in templates if template.installed)
    return {model.id for model in ready if model is not None}


def _offer(
    target: Target,
    need: DiffusionNeed,
    model: DiffusionModel | None,
    task: str,
    bits: float = 16.0,
    fast: bool = True,
) -> Candidate:
    use = _use(need, target)
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
        why=_why(use, need, target),
        facts=functools.partial(_facts, need, use, target.comfy_bytes),
        rank=UNRANKED if model is None else rank(task, model.id),
        bits=bits,
        fast=fast,
        ram_bytes=need.ram_bytes,
        weights_bytes=need.weights_bytes,
        seconds=use.seconds_floor,
        notes=need.notes,
    )


def _facts(need: DiffusionNeed, use: Usability, room_bytes: int) -> dict[str, Any]:
    return {
        "need": _gib(need.optimal_bytes),
        "room": _gib(room_bytes),
        "floor": _gib(need.floor_bytes),
        "whole": _gib(need.resident_sampling_bytes),
        "ram": _gib(need.ram_bytes),
        "spilled": _gib(use.spilled_bytes),
        "steps": need.steps,
        "once": _gib(max(0, need.encode_bytes - room_bytes)),
        "seconds": f"{use.seconds_floor or 0:.1f}",
        "bus": use.bus.bus if use.bus is not None else "",
    }


def _use(need: DiffusionNeed, target: Target) -> Usability:
    if target.budget.kind == "cpu":
        return Usability("no", None, "there is no GPU")
    return usability(need, target.gpu, target.ram_bytes, vram_bytes=target.comfy_bytes)


def _why(use: Usability, need: DiffusionNeed, target: Target) -> str:
    """The key of the sentence that explains ``use``."""
    if use.verdict != "no":
        return "streams_once" if use.verdict == "streams" and not use.spilled_bytes else use.verdict
    if target.budget.kind == "cpu":
        return "no_gpu"
    if target.gpu is not None and target.gpu.unified:
        return "no_unified"
    return "no_ram" if need.floor_bytes <= target.comfy_bytes else "below_floor"


def fill(key: str, facts: Mapping[str, Any], lang: str) -> str:
    """The template ``key`` with ``facts``; colours, balances, verdicts, add-ons and units in the words of the
    language. Mappings are told as "name: value".
    """
    say = words(lang)
    told: dict[str, Any] = {}
    for name, value in facts.items():
        if name in ("colour", "balance"):
            told[name] = say[f"advise_{name}_{value}"]
        elif name == "reached":
            told[name] = say[f"advise_verdict_{value}"]
        elif name == "colours":
            told["cards"] = ", ".join(f"{card}: {say[f'advise_colour_{one}']}" for card, one in value.items())
        elif name == "case":
            told[name] = say.get(f"advise_addon_name_{value}", value)
        elif isinstance(value, Mapping):
            told[name] = ", ".join(f"{each}: {sized(size, say)}" for each, size in value.items())
        else:
            told[name] = sized(value, say) if isinstance(value, str) else value
    return say[key].format(**told)


def commercial(licence: str) -> str:
    """ "yes", "no", "conditions" or "unknown" by the catalog's licences."""
    known = licences().get(licence)
    return known.commercial if known is not None else "unknown"


def model_name(text: str) -> str:
    """The id of the OCR, image or video model that ``text`` names, by id or name. Raises UnknownName."""
    pairs = [(one.id, one.name) for one in ocr_models()] + [(one.id, one.name) for one in diffusion_models()]
    known = {word.lower(): model for model, name in pairs for word in (model, name)}
    wanted = text.strip().lower()
    if wanted not in known:
        raise UnknownName(
            f'"{text}" is no model of the catalog.{nearest(wanted, known)} `vramwise models` lists them.'
        )
    return known[wanted]


def _gib(size: int) -> str:
    return f"{size / GIB:.1f}"
