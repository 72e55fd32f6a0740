"""What fits, asked by name: an OCR model on a card of the catalog, on a memory size, or on this machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..catalog import Family, OCRModel, family, family_of_model_type, ocr_models
from ..catalog.gpus import find_gpus, parse_memory
from ..errors import VramwiseError
from ..families.weights import Config, Tensor, published_config
from ..hardware.budget import Budget, budget_of_gpu, budget_of_memory
from ..planning import run_history
from ..planning.activations import Term
from ..planning.cache_note import cache_note
from ..planning.fit import Choice, Plan, Verdict, make_plan
from ..planning.footprint import Footprint

if TYPE_CHECKING:
    from ..hardware.capabilities import Capability
    from ..settings import Settings

OWN = "own"


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
) -> Plan:
    """Verdicts for ``model`` (a catalog id or name, or the folder name of a checkpoint of one's own).

    ``gpu`` (a catalog name, or "16 GB") and ``vram_gib`` mean an empty card, ``budget`` any other place,
    none of them this machine now. ``image`` is (width, height) in pixels, ``batch`` how many of them at once.
    Where the files are not here, the published architecture is planned with.

    Raises UnknownName for unknown words, with the nearest; VramwiseError for a card that is sold with several
    memory sizes, for a forced precision that does not fit, and where neither files nor a published
    architecture tell the size.
    """
    if min(*image, batch) < 1:
        raise VramwiseError(f"An image of {image[0]} x {image[1]} pixels, {batch} at once: give 1 or more.")
    from ..settings import load_settings
    from .names import model_id

    model = model_id(model)
    row = next((one for one in ocr_models() if one.id == model), None)
    here = budget is None and gpu is None and vram_gib is None
    place = budget or _place(gpu, vram_gib)
    if row is not None and not row.repo:
        return _plan_outside_torch(row, place or _cpu(), image)
    settings = load_settings()
    place = place or _this_machine()
    its, config, tensors, file_bytes = _architecture(model, row, settings, look=here)
    made = make_plan(
        model,
        its,
        config,
        tensors,
        place,
        precision,
        attention,
        _options() if here else None,
        quantise_vision=quantise_vision,
        pixels=_seen_pixels(its, image),
        images=batch,
        runs=run_history.lookup(
            settings.places.user_dir, run_history.remembered_as(place.name, place.device), model
        ),
    )
    if not here:
        return made
    file_bytes = file_bytes or made.verdict("bf16").footprint.weights_bytes  # type: ignore[union-attr]
    note = cache_note(settings, made, config, file_bytes, quantise_vision)
    return replace(made, notes=(*made.notes, *note, *_untested()))


def _place(gpu: str | None, vram_gib: float | None) -> Budget | None:
    if gpu is None:
        return None if vram_gib is None else budget_of_memory(vram_gib)
    size = parse_memory(gpu)
    if size is not None:
        return budget_of_memory(size)
    found = find_gpus(gpu)
    if vram_gib is not None:
        found = tuple(one for one in found if one.vram_gib == vram_gib) or found
    if len(found) > 1:
        sizes = " or ".join(f'"{one.label}"' for one in found)
        raise VramwiseError(f'"{gpu}" is more than one card. Name one: {sizes}.')
    return budget_of_gpu(found[0])


def _this_machine() -> Budget:
    from .live import budget_for

    return budget_for("auto", torch="auto")


def _options() -> Mapping[str, Capability]:
    from ..hardware.capabilities import model_options

    return model_options()


def _untested() -> list[str]:
    from ..hardware.capabilities import untested_transformers

    said = untested_transformers()
    return [said] if said else []


def _architecture(
    model: str, row: OCRModel | None, settings: Settings, look: bool
) -> tuple[Family, Config, Mapping[str, Tensor] | None, int]:
    """(family, config, safetensors headers or None, bytes of the files). ``look``: files on this machine
    count before what is published.
    """
    published = published_config(row.repo) if row is not None else None
    if row is not None and published is not None and not look:
        return family(row.family), published, None, 0
    from ..weights import checkpoints
    from .live import find_checkpoint

    try:
        found = find_checkpoint(model, settings)
    except VramwiseError:
        if row is None or published is None:
            raise
        return family(row.family), published, None, 0
    its = family_of_model_type(found.model_type)
    if its is None:
        raise VramwiseError(f"{found.path} is a {found.model_type} model, which VRAMwise has no family for.")
    headers = checkpoints.tensor_index(found.path)
    return its, checkpoints.read_config(found.path), headers, found.tensor_bytes


def _seen_pixels(its: Family, image: tuple[int, int]) -> int:
    """Pixels that the model gets to see: sides go up to the family's grid."""
    grid = its.factor or 1
    width, height = (math.ceil(side / grid) * grid for side in image)
    return max(width * height, its.min_pixels)


def _plan_outside_torch(row: OCRModel, budget: Budget, image: tuple[int, int]) -> Plan:
    """Engines that run on the CPU or on a server take nothing of a card: they fit, at their own precision."""
    weights = Term("weights", row.weight_bytes or 0, row.source)
    where = "runs on the CPU" if row.runs_on == "cpu" else f"runs on {row.runs_on}"
    verdict = Verdict(OWN, "fits", Footprint(OWN, (weights,)), f"{where}; no GPU memory is used", None)
    choice = Choice(OWN, "none", image[0] * image[1], 1)
    return Plan(row.id, budget.device, budget.budget_bytes, (verdict,), choice, (), budget)


def _cpu() -> Budget:
    import psutil

    return Budget("cpu", "cpu", int(psutil.virtual_memory().available))
