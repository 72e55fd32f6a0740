"""The loader's plan: what will be loaded, on which device, decided before a byte of weights is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import VramwiseError
from ..families.family import Config, Family
from ..hardware.budget import sharded_budgets
from ..hardware.capabilities import Capability, model_options
from ..ocr.vlm.model_owner import LoadSpec
from ..option_values import check_choice
from ..planning import Plan
from ..settings import Settings
from .needed_packages import needed_packages, together
from .place import machine_now
from .request import ModelRequest, noted, plan_here, plan_resolved
from .resolved import ResolvedModel, resolve

if TYPE_CHECKING:
    from ..weights.checkpoints import Checkpoint


@dataclass(frozen=True)
class LoadPlan:
    """What will be loaded, and the plan that says why."""

    checkpoint: Checkpoint
    family: Family
    config: Config
    plan: Plan
    spec: LoadSpec
    fast_decode: bool = False


def load_plan(request: ModelRequest, settings: Settings, sharded: bool = False) -> LoadPlan:
    """Find, plan, decide. Nothing is loaded; a forced precision that cannot fit raises VramwiseError here.

    ``sharded``: over every card and RAM as accelerate places it, where this machine has a card at all.
    """
    device, away = _device_here(request.device, settings)
    request = replace(request, device=device)
    resolved = resolve(request.model, settings)
    checkpoint = resolved.checkpoint
    if checkpoint is None:
        raise VramwiseError(_packages_first(request, resolved, settings))
    plan = _sharded_plan(request, resolved, settings) if sharded else None
    plan = plan or plan_here(request, resolved, settings, "import")
    decided = plan.require()
    plan = noted(replace(plan, notes=(*plan.notes, *away)), request, resolved, settings)
    spec = LoadSpec(
        path=checkpoint.path,
        model_type=checkpoint.model_type,
        precision=decided.computed,
        attention=decided.attention,
        device=plan.device,
        quantise_vision=request.quantise_vision,
        revision=checkpoint.revision,
        adapter=checkpoint.adapter,
        files=checkpoint.stamp(),
    )
    return LoadPlan(checkpoint, resolved.family, resolved.config, plan, spec, request.fast_decode)


def _packages_first(request: ModelRequest, resolved: ResolvedModel, settings: Settings) -> str:
    """Where the files are missing; before that what their gigabytes would be of no use without. torch is not
    imported for it, and what cannot be planned is missing all the same.
    """
    try:
        plan = plan_here(replace(request, precision="auto"), resolved, settings, "auto")
    except VramwiseError:
        return resolved.missing
    return together([*needed_packages(plan).of(request.precision), resolved.missing])


def _device_here(asked: str, settings: Settings) -> tuple[str, list[str]]:
    """The device that ``asked`` means on this machine ("cuda" is the first of its cards), and notes on it.

    A workflow from another machine still runs, on auto and with a note; a script raises UnknownName.
    """
    if asked == "auto":
        return asked, []
    here = [device.id for device in machine_now(torch="import").devices if device.runnable.usable]
    meant = next((name for name in here if asked in (name, name.partition(":")[0])), None)
    if meant is not None:
        return meant, []
    if not settings.places.hosted:
        check_choice("device", asked, ("auto", *here))
    return "auto", [f'The device "{asked}" is not on this machine (here: {", ".join(here)}): auto is used.']


def _sharded_plan(request: ModelRequest, resolved: ResolvedModel, settings: Settings | None) -> Plan | None:
    """The plan over the cards alone where something fits there, else over cards and RAM; None without a
    card. bitsandbytes keeps quantised weights on cards only.
    """
    budgets = sharded_budgets(machine_now(torch="import"), ask=True)
    if budgets is None:
        return None
    cards, everything = budgets
    options = model_options(resolved.family.min_transformers)
    only_cards = Capability(False, "bitsandbytes keeps quantised weights on cards only")
    try:
        plan = plan_resolved(request, resolved, cards, settings, options)
    except VramwiseError:
        plan = None
    if plan is not None and plan.chosen is not None:
        return plan
    options = {**options, "int8": only_cards, "int4": only_cards, "bitsandbytes": only_cards}
    return plan_resolved(request, resolved, everything, settings, options)
