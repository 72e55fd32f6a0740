"""One way from a question to a plan: what is asked, the files or the published architecture, the verdicts.

``ModelRequest`` -> ``resolve`` -> ``ResolvedModel`` -> ``plan_resolved`` -> ``Plan``. The panel, the command
line, scripts, the advisor and the loader ask here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from numbers import Integral

from ..catalog import OCRModel, ocr_models
from ..catalog.precisions import quantised_precisions
from ..catalog.words import said
from ..errors import VramwiseError, in_words
from ..families.family import Family
from ..families.published import published_config
from ..families.saved.quantised import published_bytes, saved_quantised
from ..families.weights import weights_of_config
from ..hardware.budget import Budget
from ..hardware.capabilities import Capability, model_options, untested_transformers
from ..option_values import check_choice, precision_choices
from ..planning import run_history
from ..planning.activations import Term
from ..planning.cache_note import cache_note
from ..planning.fit import make_plan
from ..planning.footprint import Footprint
from ..planning.plan import Choice, Plan, Verdict
from ..settings import Settings, load_settings
from ..units import gib
from .cpu_plan import cpu_plan
from .names import model_id
from .place import budget_here, budget_of_place
from .resolved import ResolvedModel, catalog_row, resolve, resolve_published

OWN = "own"


@dataclass(frozen=True)
class ModelRequest:
    """What was asked for; "auto" leaves it to the plan.

    ``model`` is a catalog id or the folder name of a checkpoint of the person's own. The largest picture is
    ``image`` (width, height) or ``max_pixels`` of any shape, one of the family's usual size where both are
    None; ``batch`` of them at once. ``budget`` is another place than ``device`` of this machine.
    ``beside_bytes`` of its memory are another model's. ``fast_decode``: with a cache of fixed size and CUDA
    graphs.
    """

    model: str
    precision: str = "auto"
    attention: str = "auto"
    device: str = "auto"
    quantise_vision: bool = False
    image: tuple[int, int] | None = None
    max_pixels: int | None = None
    batch: int = 1
    budget: Budget | None = None
    beside_bytes: int = 0
    fast_decode: bool = False

    def only_for_torch(self) -> list[str]:
        """What was chosen that an engine outside torch does not have, as words for a sentence."""
        from ..ocr.engines.protocol import CPU_PRECISION

        chosen = {"precision": self.precision, "attention": self.attention, "device": self.device}
        if self.device == "cpu":
            del chosen["device"]
        if self.precision == CPU_PRECISION:
            del chosen["precision"]
        said = [f"{name} {value}" for name, value in chosen.items() if value != "auto"]
        switched = {"quantise_vision": self.quantise_vision, "fast_decode": self.fast_decode}
        return [*said, *(name for name, on in switched.items() if on)]

    def seen_pixels(self, its: Family) -> int | None:
        """Pixels that the model gets to see: sides of an image go up to the family's grid."""
        if self.image is None:
            return self.max_pixels
        grid = its.factor or 1
        width, height = (math.ceil(side / grid) * grid for side in self.image)
        return max(width * height, its.min_pixels)


def plan_resolved(
    request: ModelRequest,
    resolved: ResolvedModel,
    budget: Budget,
    settings: Settings | None = None,
    available: Mapping[str, Capability] | None = None,
    *,
    choose: bool = True,
) -> Plan:
    """The verdicts on ``request`` within ``budget``. With ``settings``, what was measured on this machine
    counts. ``available`` and ``choose`` as ``make_plan`` takes them.

    Raises VramwiseError as ``make_plan`` does: a forced precision that does not fit, an impossible attention;
    and for a config.json that holds what no model of the family can have.
    """
    try:
        return _planned(request, resolved, budget, settings, available, choose=choose)
    except VramwiseError:
        raise
    except Exception as error:
        if resolved.checkpoint is None:
            raise
        raise VramwiseError(
            f"{resolved.checkpoint.path} cannot be planned: its config.json does not describe a "
            f"{resolved.family.name} model ({in_words(error)}). Fetch it again."
        ) from error


def _planned(
    request: ModelRequest,
    resolved: ResolvedModel,
    budget: Budget,
    settings: Settings | None,
    available: Mapping[str, Capability] | None,
    *,
    choose: bool,
) -> Plan:
    runs: tuple[run_history.Run, ...] = ()
    if settings is not None:
        label = run_history.remembered_as(budget.name, budget.device)
        runs = run_history.lookup(settings.places.user_dir, label, request.model)
    plan = make_plan(
        request.model,
        resolved.family,
        resolved.config,
        resolved.tensors,
        budget,
        request.precision,
        request.attention,
        available,
        quantise_vision=request.quantise_vision,
        pixels=request.seen_pixels(resolved.family),
        shape=request.image,
        images=request.batch,
        runs=runs,
        fast_decode=request.fast_decode,
        choose=choose,
    )
    return replace(plan, notes=(*plan.notes, *_fp8_note(request.model, budget)))


def _fp8_note(model: str, budget: Budget) -> Iterator[str]:
    """That the vendor publishes a model of the catalog as fp8 too, for a card that has it."""
    row = catalog_row(model)
    its = [one for one in ocr_models() if row is not None and row.repo and one.repo == f"{row.repo}-FP8"]
    if not its:
        return
    config = published_config(its[0].repo)
    saved = None if config is None else saved_quantised(config)
    how = None if saved is None else saved.row
    if how is None or budget.kind != "cuda" or "cuda" not in how.runs_on:
        return  # it would be dequantised
    if (budget.capability or (0, 0)) < (how.min_capability or (0, 0)):
        return
    if config is not None and saved is not None:
        held = gib(published_bytes(weights_of_config(config), saved), 2)
        yield said("plan_fp8_too", model=its[0].id, size=held)


def plan_here(request: ModelRequest, resolved: ResolvedModel, settings: Settings, torch: str) -> Plan:
    """The plan for this machine now and what its Python can run. ``torch`` as ``budget_here`` takes it."""
    budget = budget_here(request.device, torch)
    if request.beside_bytes:
        budget = replace(budget, free_bytes=budget.free_bytes - request.beside_bytes)
    return plan_resolved(request, resolved, budget, settings, model_options(resolved.family.min_transformers))


@dataclass(frozen=True)
class Answer:
    """What can be said of a model before it is loaded. ``plan`` is None where nothing tells the size,
    ``missing`` why its files are not used, ``row`` the catalog's.
    """

    row: OCRModel | None
    plan: Plan | None
    missing: str = ""
    notes: tuple[str, ...] = ()


def answer(request: ModelRequest, settings: Settings) -> Answer:
    """The plan of a model that is to be loaded on this machine, with its files or without.

    Raises UnknownName for an unknown model, VramwiseError for a folder that cannot be loaded.
    """
    row = catalog_row(model_id(request.model))
    if row is not None and not row.repo:
        return Answer(
            row,
            _plan_outside_torch(row, request),
            "",
            tuple(cpu_plan(request.model, request.only_for_torch(), settings)),
        )
    try:
        resolved = resolve(request.model, settings)
    except VramwiseError as error:
        if row is None:
            raise
        return Answer(row, None, str(error))
    plan = plan_here(request, resolved, settings, "import")
    return Answer(row, plan, resolved.missing, plan.notes)


def plan_request(request: ModelRequest) -> Plan:
    """The plan for ``request`` on its place, with this machine's notes where that is the place.

    Of an empty card the published architecture is enough; on this machine its files count first.
    """
    row = catalog_row(request.model)
    if row is not None and not row.repo:
        return _plan_outside_torch(row, request)
    settings = load_settings()
    if request.budget is None:
        resolved = resolve(request.model, settings)
        return noted(plan_here(request, resolved, settings, "auto"), request, resolved, settings)
    published = None if row is None else resolve_published(row)
    return plan_resolved(request, published or resolve(request.model, settings), request.budget, settings)


def plan(
    model: str,
    precision: str = "auto",
    *,
    gpu: str | None = None,
    vram_gib: float | None = None,
    budget: Budget | None = None,
    image: tuple[int, int] = (1024, 1024),
    batch: int = 1,
    attention: str = "auto",
    quantise_vision: bool = False,
    fast_decode: bool = False,
) -> Plan:
    """Verdicts for ``model`` (a catalog id or name, or the folder name of a checkpoint of one's own).

    ``gpu`` (a catalog name, or "16 GB") and ``vram_gib`` mean an empty card, ``budget`` any other place,
    none of them this machine now. ``image`` is (width, height) in pixels, ``batch`` how many of them at once.
    Where the files are not here, the published architecture is planned with.

    Raises UnknownName for unknown words, with the nearest; VramwiseError for a card that is sold with several
    memory sizes, for a forced precision that does not fit, and where neither files nor a published
    architecture tell the size.
    """
    if len(image) != 2 or not all(isinstance(side, Integral) and side >= 1 for side in (*image, batch)):
        sides = " x ".join(map(str, image))
        raise VramwiseError(f"An image of {sides} pixels, {batch} at once: give 1 or more.")
    request = ModelRequest(
        model_id(model),
        precision.strip().lower(),
        attention,
        quantise_vision=quantise_vision,
        image=image,
        batch=batch,
        budget=budget or budget_of_place(gpu, vram_gib),
        fast_decode=fast_decode,
    )
    return plan_request(request)


def noted(plan: Plan, request: ModelRequest, resolved: ResolvedModel, settings: Settings) -> Plan:
    """``plan`` with what this machine's owner could know: what a cache would save, a transformers too new."""
    found = resolved.checkpoint
    size = found.tensor_bytes if found is not None else 0
    size = size or next(one.footprint.weights_bytes for one in plan.verdicts if one.footprint is not None)
    told = [resolved.family.note] if resolved.family.note else []
    notes = [*plan.notes, *told, *cache_note(settings, plan, resolved.config, size, request.quantise_vision)]
    if found is not None and found.adapter is not None:
        on_top = f"{found.adapter.name} is put on top of {found.path.name}"
        notes.append(f"{on_top}; its bytes are counted with the weights.")
    elif found is not None and (found.path / "adapter_config.json").exists():
        notes.append(f"An adapter lies beside the weights in {found.path}; it is not put on top of them.")
    if (
        request.quantise_vision
        and plan.chosen is not None
        and plan.chosen.precision not in quantised_precisions()
    ):
        notes.append(
            f"quantise_vision is ignored: at {plan.chosen.precision} nothing is quantised. "
            f"It counts with {' and '.join(quantised_precisions())}."
        )
    untested = untested_transformers()
    return replace(plan, notes=(*notes, untested) if untested else tuple(notes))


def _plan_outside_torch(row: OCRModel, request: ModelRequest) -> Plan:
    """Engines that run on the CPU or on a server take nothing of a card: they fit, at their own precision."""
    budget = request.budget or _ram()
    weights = Term("weights", row.weight_bytes or 0, row.source)
    where = said("plan_on_cpu") if row.runs_on == "cpu" else said("plan_on_server", where=row.runs_on)
    verdict = Verdict(OWN, "fits", Footprint(OWN, (weights,)), where, None)
    width, height = request.image or (1024, 1024)
    choice = Choice(OWN, "none", width * height, 1)
    check_choice("precision", request.precision, precision_choices())
    in_vain = request.only_for_torch()
    notes = (said("plan_ignored", name=row.name, options=", ".join(in_vain)),) if in_vain else ()
    return Plan(row.id, budget.device, budget.budget_bytes, (verdict,), choice, notes, budget)


def _ram() -> Budget:
    import psutil

    return Budget("cpu", "cpu", int(psutil.virtual_memory().available))
