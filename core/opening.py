"""From a handle's words to a live vision-language model: find the files, plan, and only then let an owner
load.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .catalog import Family, OCRModel, family_of_model_type, ocr_models
from .errors import VramwiseError
from .hardware import capabilities, desktop_bytes, device_names, probe
from .hardware.capabilities import Capability
from .host import budget_source
from .ocr.owner import LoadSpec, living_owners, owner_of
from .planning import Budget, Plan, make_plan, measured, reading_bytes
from .planning.cache_note import cache_note
from .planning.spread import spread_budgets
from .settings import Settings
from .weights import checkpoints, quantised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from .ocr.vlm.engine import Read, VLMEngine
    from .weights.checkpoints import Checkpoint

log = logging.getLogger("vramwise.loader")


@dataclass(frozen=True)
class Wish:
    """What was asked for; "auto" leaves it to the plan."""

    model: str
    precision: str = "auto"
    attention: str = "auto"
    device: str = "auto"
    quantise_vision: bool = False


@dataclass(frozen=True)
class Choice:
    """What will be loaded, and the plan that says why."""

    checkpoint: Checkpoint
    family: Family
    config: dict[str, Any]
    plan: Plan
    spec: LoadSpec


def budget_for(device: str, torch: str = "import") -> Budget:
    """Free memory of ``device`` ("auto": the best one here), with what the host could evict.

    ``torch`` as in ``probe``: imported, for it numbers the cards in an order of its own, unless "auto".
    """
    source = budget_source()
    if source is not None:
        return source(device)
    report = probe(device, torch=torch)
    chosen = report.device
    # Windows spills an over-full card into RAM without an error, ten times slower.
    desktop = desktop_bytes(report) if report.windows else 0
    return Budget(
        device=chosen.id,
        kind=chosen.kind,
        free_bytes=max(0, (chosen.free_bytes or 0) - desktop),
        reclaimable_bytes=sum(owner.resident_bytes() for owner in living_owners()),
        capability=chosen.capability,
        name=chosen.name if chosen.kind != "cpu" else "",
    )


def find_checkpoint(model: str, settings: Settings) -> Checkpoint:
    """The verified folder of a catalog id or of a person's own checkpoint (its folder name).

    Raises VramwiseError that lists every folder searched and the exact name expected.
    """
    row = catalog_row(model)
    if row is not None:
        return checkpoints.locate(row, settings)
    return checkpoints.local_checkpoint(model, settings)


def catalog_row(model: str) -> OCRModel | None:
    return next((row for row in ocr_models() if row.id == model), None)


def choose(wish: Wish, settings: Settings, spread: bool = False) -> Choice:
    """Find, plan, decide. Nothing is loaded; a forced precision that cannot fit raises VramwiseError here.

    ``spread``: over every card and RAM as accelerate places it, where this machine has a card at all.
    """
    checkpoint = find_checkpoint(wish.model, settings)
    family = family_of_model_type(checkpoint.model_type)
    if family is None:
        raise VramwiseError(
            f"{checkpoint.path} is a {checkpoint.model_type} model, which VRAMwise has no family for. "
            "Its families are listed by: vramwise models."
        )
    config = checkpoints.read_config(checkpoint.path)
    tensors = checkpoints.tensor_index(checkpoint.path)

    def planned(budget: Budget, missing: Mapping[str, Capability] | None = None) -> Plan:
        return make_plan(
            wish.model,
            family,
            config,
            tensors,
            budget,
            precision=wish.precision,
            attention=wish.attention,
            quantise_vision=wish.quantise_vision,
            available={**capabilities.model_options(), **(missing or {})},
            runs=measured.lookup(
                settings.places.user_dir, measured.remembered_as(budget.name, budget.device), wish.model
            ),
        )

    plan = _spread_plan(planned) if spread else None
    if plan is None:
        # a workflow from another machine still runs
        plan = planned(budget_for(wish.device if wish.device in device_names() else "auto"))
    decided = plan.require()
    note = cache_note(settings, plan, config, checkpoint.tensor_bytes, wish.quantise_vision)
    plan = replace(plan, notes=(*plan.notes, *note))
    spec = LoadSpec(
        path=checkpoint.path,
        model_type=checkpoint.model_type,
        precision=decided.precision,
        attention=decided.attention,
        device=plan.device,
        quantise_vision=wish.quantise_vision,
        revision=checkpoint.revision,
    )
    return Choice(checkpoint, family, config, plan, spec)


def _spread_plan(planned: Callable[..., Plan]) -> Plan | None:
    """The plan over the cards alone where something fits there, else over cards and RAM; None without a
    card. bitsandbytes keeps quantised weights on cards only.
    """
    budgets = spread_budgets(probe(torch="import"))
    if budgets is None:
        return None
    cards, everything = budgets
    only_cards = Capability(False, "bitsandbytes keeps quantised weights on cards only")
    try:
        plan = planned(cards)
    except VramwiseError:
        return planned(everything, {"int8": only_cards, "int4": only_cards})
    if plan.chosen is None:
        return planned(everything, {"int8": only_cards, "int4": only_cards})
    return plan


def open_engine(wish: Wish, choice: Choice, settings: Settings) -> VLMEngine:
    """The engine of ``choice``. Its owner loads at the first read and is shared with every equal spec."""
    from .ocr.vlm.engine import Limits, VLMEngine

    decided = choice.plan.require()
    verdict = choice.plan.verdict(decided.precision)
    weights = verdict.footprint.weights_bytes if verdict.footprint else choice.checkpoint.tensor_bytes
    owner = owner_of(choice.spec, lambda: _load(choice, settings, wish.model), weights)
    return VLMEngine(
        choice.family,
        choice.checkpoint.path,
        owner,
        wish.model,
        choice.spec.precision,
        Limits(
            max_pixels=decided.max_pixels,
            micro_batch=decided.micro_batch,
            activation_bytes=reading_bytes(choice.config, choice.spec.precision, choice.spec.attention),
            remedies=lambda: remedies(wish, choice),
            remember=lambda read: measured.record(settings.places.user_dir, _run(choice, wish.model, read)),
        ),
    )


def _run(choice: Choice, model: str, read: Read) -> measured.Run:
    return measured.Run(
        device=_device_of(choice),
        model=model,
        precision=choice.spec.precision,
        attention=choice.spec.attention,
        quantise_vision=choice.spec.quantise_vision,
        pixels=read.pixels,
        images=read.images,
        prompt_tokens=read.prompt_tokens,
        new_tokens=read.new_tokens,
        beside_bytes=read.beside_bytes,
        read_seconds=round(read.seconds, 3),
    )


def _device_of(choice: Choice) -> str:
    budget = choice.plan.budget
    return measured.remembered_as(budget.name if budget is not None else "", choice.plan.device)


def _load(choice: Choice, settings: Settings, model: str) -> torch.nn.Module:
    """The net, and a note of how long it took to load."""
    started = time.perf_counter()
    net, loaded_from = _net(choice, settings)
    run = measured.Run(
        device=_device_of(choice),
        model=model,
        precision=choice.spec.precision,
        quantise_vision=choice.spec.quantise_vision,
        load_seconds=round(time.perf_counter() - started, 3),
        loaded_from=loaded_from,
    )
    measured.record(settings.places.user_dir, run)
    if loaded_from == "files":
        _keep_quantised(net, choice, settings)
    return net


def _net(choice: Choice, settings: Settings) -> tuple[torch.nn.Module, str]:
    """(net, "cache" or "files"): from the cache of quantised weights where there is one."""
    from .ocr.vlm import load

    spec = choice.spec
    if spec.precision in load.QUANTISED and settings.quantised_cache:
        kept = quantised.cached(settings, choice.checkpoint, spec.precision, spec.quantise_vision)
        if kept is not None:
            return load.load_net(replace(spec, path=kept), choice.family), "cache"
    return load.load_net(spec, choice.family), "files"


def _keep_quantised(net: torch.nn.Module, choice: Choice, settings: Settings) -> None:
    """Fill the cache of quantised weights where it is on. A full disk is a line in the log."""
    from .ocr.vlm import load

    spec = choice.spec
    if spec.precision not in load.QUANTISED or not settings.quantised_cache:
        return

    def save(folder: Path) -> None:
        load.save_quantised(net, spec.path, folder)

    try:
        quantised.store(settings, choice.checkpoint, spec.precision, spec.quantise_vision, save)
    except VramwiseError as error:
        log.warning("The quantised weights were not kept: %s", error)


def remedies(wish: Wish, choice: Choice) -> str:
    """The guide's four remedies against running out of memory, with this machine's numbers."""
    budget = budget_for(wish.device)
    order = [verdict.precision for verdict in choice.plan.verdicts]
    later = order[order.index(choice.spec.precision) + 1 :] if choice.spec.precision in order else []
    smaller = next(
        (
            one
            for one in (choice.plan.verdict(p) for p in later)
            if one.footprint and one.verdict != "unavailable"
        ),
        None,
    )
    first = (
        f"1. Choose {smaller.precision}, which needs {_gib(smaller.footprint.need_bytes)}."
        if smaller and smaller.footprint
        else "1. This is the smallest precision here; choose a smaller model."
    )
    pixels = (choice.plan.chosen.max_pixels if choice.plan.chosen else choice.family.default_pixels) / 4e6
    return (
        f"{first} 2. Set megapixels to {pixels:.1f} or less. "
        f"3. Unload what is beside it: {_gib(budget.reclaimable_bytes)} of {budget.device} is held by "
        f"other models "
        "that can be evicted (Memory Release, all models). "
        f"4. Free the cache (Memory Release, cache); {_gib(budget.free_bytes)} is free now."
    )


def _gib(value: int) -> str:
    return f"{value / 1024**3:.1f} GiB"
