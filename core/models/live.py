"""From a handle's words to a live vision-language model: find the files, plan, and only then let an owner
load.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog import Family, OCRModel, family_of_model_type, ocr_models
from ..errors import VramwiseError
from ..hardware import capabilities, probe
from ..hardware.budget import Budget, free_bytes, sharded_budgets
from ..hardware.capabilities import Capability
from ..host import budget_source
from ..ocr.vlm.model_owner import LoadSpec, Owner, evictable_bytes, living_owners, owner_of
from ..option_values import check_choice
from ..planning import Plan, make_plan, reading_bytes, run_history
from ..planning.cache_note import cache_note
from ..settings import Settings
from ..weights import checkpoints, quantised_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from ..ocr.vlm.engine import Read, VLMEngine
    from ..weights.checkpoints import Checkpoint

log = logging.getLogger("vramwise.models.handle")


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
    """Free memory of ``device`` ("auto": the best one here), with what the host, or a script's own models,
    would give back.

    ``torch`` as in ``probe``: imported, for it numbers the cards in an order of its own, unless "auto".
    """
    source = budget_source()
    if source is not None:
        return source(device)
    report = probe(device, torch=torch)
    chosen = report.device
    held = sum(evictable_bytes(owner, chosen.id) for owner in living_owners())
    return Budget(
        device=chosen.id,
        kind=chosen.kind,
        free_bytes=free_bytes(report),
        reclaimable_bytes=held,
        capability=chosen.capability,
        name=chosen.name if chosen.kind != "cpu" else "",
        note="models of this script, which are let go when the room is needed and come back" if held else "",
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
    device, notes = _device_here(wish.device, settings)
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
            runs=run_history.lookup(
                settings.places.user_dir, run_history.remembered_as(budget.name, budget.device), wish.model
            ),
        )

    plan = _spread_plan(planned) if spread else None
    if plan is None:
        plan = planned(budget_for(device))
    decided = plan.require()
    notes += cache_note(settings, plan, config, checkpoint.tensor_bytes, wish.quantise_vision)
    if untested := capabilities.untested_transformers():
        notes.append(untested)
    plan = replace(plan, notes=(*plan.notes, *notes))
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


def _device_here(asked: str, settings: Settings) -> tuple[str, list[str]]:
    """The device that ``asked`` means on this machine ("cuda" is the first of its cards), and notes on it.

    A workflow from another machine still runs, on auto and with a note; a script raises UnknownName.
    """
    if asked == "auto":
        return asked, []
    here = [one.id for one in probe(torch="import").devices if one.runnable.usable]
    meant = next((name for name in here if asked in (name, name.partition(":")[0])), None)
    if meant is not None:
        return meant, []
    if not settings.places.hosted:
        check_choice("device", asked, ("auto", *here))
    return "auto", [f'The device "{asked}" is not on this machine (here: {", ".join(here)}): auto is used.']


def _spread_plan(planned: Callable[..., Plan]) -> Plan | None:
    """The plan over the cards alone where something fits there, else over cards and RAM; None without a
    card. bitsandbytes keeps quantised weights on cards only.
    """
    budgets = sharded_budgets(probe(torch="import"))
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
    from ..ocr.vlm.engine import Limits, VLMEngine

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
            remedies=lambda pixels: remedies(choice, owner, pixels),
            remember=lambda read: run_history.record(
                settings.places.user_dir, _run(choice, wish.model, read)
            ),
        ),
    )


def _run(choice: Choice, model: str, read: Read) -> run_history.Run:
    return run_history.Run(
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
    return run_history.remembered_as(budget.name if budget is not None else "", choice.plan.device)


def _load(choice: Choice, settings: Settings, model: str) -> torch.nn.Module:
    """The net, and a note of how long it took to load."""
    started = time.perf_counter()
    net, loaded_from = _net(choice, settings)
    run = run_history.Run(
        device=_device_of(choice),
        model=model,
        precision=choice.spec.precision,
        quantise_vision=choice.spec.quantise_vision,
        load_seconds=round(time.perf_counter() - started, 3),
        loaded_from=loaded_from,
    )
    run_history.record(settings.places.user_dir, run)
    if loaded_from == "files":
        _keep_quantised(net, choice, settings)
    return net


def _net(choice: Choice, settings: Settings) -> tuple[torch.nn.Module, str]:
    """(net, "cache" or "files"): from the cache of quantised weights where there is one."""
    from ..ocr.vlm import load

    spec = choice.spec
    if spec.precision in load.QUANTISED and settings.quantised_cache:
        kept = quantised_cache.cached(settings, choice.checkpoint, spec.precision, spec.quantise_vision)
        if kept is not None:
            return load.load_net(replace(spec, path=kept), choice.family), "cache"
    return load.load_net(spec, choice.family), "files"


def _keep_quantised(net: torch.nn.Module, choice: Choice, settings: Settings) -> None:
    """Fill the cache of quantised weights where it is on. A full disk is a line in the log."""
    from ..ocr.vlm import load

    spec = choice.spec
    if spec.precision not in load.QUANTISED or not settings.quantised_cache:
        return

    def save(folder: Path) -> None:
        load.save_quantised(net, spec.path, folder)

    footprint = choice.plan.verdict(spec.precision).footprint
    expected = footprint.weights_bytes if footprint is not None else 0
    try:
        quantised_cache.store(
            settings, choice.checkpoint, spec.precision, spec.quantise_vision, save, expected
        )
    except VramwiseError as error:
        log.warning("The quantised weights were not kept: %s", error)


def remedies(choice: Choice, owner: Owner, pixels: int) -> str:
    """The guide's four remedies against running out of memory, with this machine's numbers.

    ``owner`` holds the model that failed, with one picture of ``pixels``.
    """
    budget = budget_for(choice.plan.device)
    others = max(0, budget.reclaimable_bytes - evictable_bytes(owner, choice.plan.device))
    beside = (
        f"Unload what is beside it: {_gib(others)} of {budget.device} is held by other models that can be "
        "evicted (Memory Release, all models)."
        if others
        else f"Close other programs that use {budget.device}: no other model here can be evicted."
    )
    half = max(pixels // 2, choice.family.min_pixels)
    smaller_picture = (
        f"Set megapixels to {half / 1e6:.2g} or less."
        if half < pixels
        else "The picture is as small as this model takes it."
    )
    return (
        f"1. {_smaller_precision(choice, budget)} 2. {smaller_picture} 3. {beside} "
        f"4. Free the cache (Memory Release, cache); {_gib(budget.free_bytes)} is free now."
    )


def _smaller_precision(choice: Choice, budget: Budget) -> str:
    """The first remedy: the best precision that takes less and fits what this device can give now."""
    needs = {
        verdict.precision: verdict.footprint.need_bytes
        for verdict in choice.plan.verdicts
        if verdict.footprint is not None and verdict.verdict != "unavailable"
    }
    taken = needs.get(choice.spec.precision, 0)
    smaller = {precision: need for precision, need in needs.items() if need < taken}
    for precision, need in smaller.items():
        if need <= budget.budget_bytes:
            return f"Choose {precision}, which needs {_gib(need)}."
    if smaller:
        return f"No smaller precision fits the {_gib(budget.budget_bytes)} there are; choose a smaller model."
    return "This is the smallest precision here; choose a smaller model."


def _gib(value: int) -> str:
    return f"{value / 1024**3:.1f} GiB"
