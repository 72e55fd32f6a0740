"""From a handle's words to a live vision-language model: find the files, plan, and only then let an owner
load.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .catalog import Family, OCRModel, family_of_model_type, ocr_models
from .errors import VramwiseError
from .hardware import capabilities, device_names, probe
from .host import budget_source
from .ocr.owner import LoadSpec, living_owners, owner_of
from .planning import Budget, Plan, make_plan, reading_bytes
from .settings import Settings
from .weights import checkpoints, quantised

if TYPE_CHECKING:
    import torch

    from .ocr.vlm.engine import VLMEngine
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


def budget_for(device: str) -> Budget:
    """Free memory of ``device`` ("auto": the best one here), with what the host could evict."""
    source = budget_source()
    if source is not None:
        return source(device)
    report = probe(device)
    chosen = report.device
    return Budget(
        device=chosen.id,
        kind=chosen.kind,
        free_bytes=chosen.free_bytes or 0,
        reclaimable_bytes=sum(owner.resident_bytes() for owner in living_owners()),
        capability=_capability(chosen.compute_capability),
    )


def _capability(dotted: str | None) -> tuple[int, int] | None:
    if dotted is None:
        return None
    major, minor = dotted.split(".")
    return int(major), int(minor)


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


def choose(wish: Wish, settings: Settings) -> Choice:
    """Find, plan, decide. Nothing is loaded; a forced precision that cannot fit raises VramwiseError here."""
    checkpoint = find_checkpoint(wish.model, settings)
    family = family_of_model_type(checkpoint.model_type)
    if family is None:
        raise VramwiseError(
            f"{checkpoint.path} is a {checkpoint.model_type} model, which VRAMwise has no family for. "
            "Its families are listed by: vramwise models."
        )
    config = checkpoints.read_config(checkpoint.path)
    here = (
        wish.device if wish.device in device_names() else "auto"
    )  # a workflow from another machine still runs
    plan = make_plan(
        wish.model,
        family,
        config,
        checkpoints.tensor_index(checkpoint.path),
        budget_for(here),
        precision=wish.precision,
        attention=wish.attention,
        quantise_vision=wish.quantise_vision,
        available=capabilities.model_options(),
    )
    decided = plan.require()
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


def open_engine(wish: Wish, choice: Choice, settings: Settings) -> VLMEngine:
    """The engine of ``choice``. Its owner loads at the first read and is shared with every equal spec."""
    from .ocr.vlm.engine import Limits, VLMEngine

    decided = choice.plan.require()
    verdict = choice.plan.verdict(decided.precision)
    weights = verdict.footprint.weights_bytes if verdict.footprint else choice.checkpoint.tensor_bytes
    owner = owner_of(choice.spec, lambda: _load(choice, settings), weights)
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
        ),
    )


def _load(choice: Choice, settings: Settings) -> torch.nn.Module:
    """Load the net, from the cache of quantised weights where there is one, and fill that cache where it is
    on.
    """
    from dataclasses import replace

    from .ocr.vlm import load

    spec = choice.spec
    if spec.precision not in load.QUANTISED or not settings.quantised_cache:
        return load.load_net(spec, choice.family)
    kept = quantised.cached(settings, choice.checkpoint, spec.precision, spec.quantise_vision)
    if kept is not None:
        return load.load_net(replace(spec, path=kept), choice.family)
    net = load.load_net(spec, choice.family)

    def save(folder: Path) -> None:
        load.save_quantised(net, spec.path, folder)

    try:
        quantised.store(settings, choice.checkpoint, spec.precision, spec.quantise_vision, save)
    except VramwiseError as error:
        log.warning("The quantised weights were not kept: %s", error)
    return net


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
