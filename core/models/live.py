"""From a plan to a live vision-language model: its engine, and its weights when they are needed."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..catalog.precisions import quantised_precisions
from ..errors import VramwiseError
from ..ocr.vlm.model_owner import owner_of
from ..planning import reading_bytes, run_history
from ..settings import Settings
from ..weights import quantised_cache
from .out_of_memory import remedies

if TYPE_CHECKING:
    import torch

    from ..ocr.vlm.engine import VLMEngine
    from ..ocr.vlm.limits import MicroBatch
    from .load_plan import LoadPlan

log = logging.getLogger("vramwise.models")


def open_engine(model: str, decided: LoadPlan, settings: Settings) -> VLMEngine:
    """The engine of ``decided``. Its owner loads at the first read and is shared with every equal spec."""
    from ..ocr.vlm.engine import VLMEngine
    from ..ocr.vlm.limits import Limits

    chosen = decided.plan.require()
    verdict = decided.plan.verdict(chosen.precision)
    weights = verdict.footprint.weights_bytes if verdict.footprint else decided.checkpoint.tensor_bytes
    owner = owner_of(decided.spec, lambda: _load(decided, settings, model), weights)
    return VLMEngine(
        decided.family,
        decided.checkpoint.path,
        owner,
        model,
        decided.spec.precision,
        Limits(
            max_pixels=chosen.max_pixels,
            micro_batch=chosen.micro_batch,
            activation_bytes=reading_bytes(
                decided.config, chosen.precision, decided.spec.attention, static=chosen.static
            ),
            remedies=lambda pixels: remedies(decided, owner, pixels),
            record=lambda batch: run_history.record(settings.places.user_dir, _run(decided, model, batch)),
            fast_decode=decided.fast_decode,
        ),
    )


def _run(decided: LoadPlan, model: str, batch: MicroBatch) -> run_history.Run:
    return run_history.Run(
        device=_device_of(decided),
        model=model,
        precision=decided.plan.require().precision,
        attention=decided.spec.attention,
        quantise_vision=decided.spec.quantise_vision,
        pixels=batch.pixels,
        images=batch.images,
        prompt_tokens=batch.prompt_tokens,
        new_tokens=batch.new_tokens,
        activation_peak_bytes=batch.activation_peak_bytes,
        read_seconds=round(batch.seconds, 3),
    )


def _device_of(decided: LoadPlan) -> str:
    budget = decided.plan.budget
    return run_history.remembered_as(budget.name if budget is not None else "", decided.plan.device)


def _load(decided: LoadPlan, settings: Settings, model: str) -> torch.nn.Module:
    """The net, and a note of how long it took to load."""
    started = time.perf_counter()
    net, loaded_from = _net(decided, settings)
    run = run_history.Run(
        device=_device_of(decided),
        model=model,
        precision=decided.plan.require().precision,
        quantise_vision=decided.spec.quantise_vision,
        load_seconds=round(time.perf_counter() - started, 3),
        loaded_from=loaded_from,
    )
    run_history.record(settings.places.user_dir, run)
    if loaded_from == "files":
        _keep_quantised(net, decided, settings)
    return net


def _net(decided: LoadPlan, settings: Settings) -> tuple[torch.nn.Module, str]:
    """(net, "cache" or "files"): from the cache of quantised weights where there is one."""
    from ..ocr.vlm import load

    spec = decided.spec
    if _is_kept(decided, settings):
        kept = quantised_cache.cached(settings, decided.checkpoint, spec.precision, spec.quantise_vision)
        if kept is not None:
            return load.load_net(replace(spec, path=kept), decided.family), "cache"
    return load.load_net(spec, decided.family), "files"


def _is_kept(decided: LoadPlan, settings: Settings) -> bool:
    """Whether the cache has to do with it: on, quantised here, and no adapter on top of the weights."""
    quantised = decided.spec.precision in quantised_precisions() and decided.spec.adapter is None
    return quantised and settings.quantised_cache


def _keep_quantised(net: torch.nn.Module, decided: LoadPlan, settings: Settings) -> None:
    """Fill the cache of quantised weights where it is on. A full disk is a line in the log."""
    from ..ocr.vlm import load

    spec = decided.spec
    if not _is_kept(decided, settings):
        return

    def save(folder: Path) -> None:
        load.save_quantised(net, spec.path, folder)

    footprint = decided.plan.verdict(spec.precision).footprint
    expected = footprint.weights_bytes if footprint is not None else 0
    try:
        quantised_cache.store(
            settings, decided.checkpoint, spec.precision, spec.quantise_vision, save, expected
        )
    except VramwiseError as error:
        log.warning("The quantised weights were not kept: %s", error)
