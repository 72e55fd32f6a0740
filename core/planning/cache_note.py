"""What the cache of quantised weights would cost and save: for the plan of a machine where it is off."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog.precisions import precision
from ..families.blocks import quantisation_details
from ..families.family import Config
from ..settings import Settings
from ..units import gb_text
from . import run_history
from .plan import Plan

# A SATA SSD reads about 0.55 GB/s; an NVMe disk is faster, a hard disk slower.
_DISK_BYTES_PER_SECOND = 0.5e9


def cache_note(
    settings: Settings, plan: Plan, config: Config, file_bytes: int, quantise_vision: bool
) -> Iterator[str]:
    """One sentence where the choice is quantised from 16-bit files and the cache is off, else nothing.

    ``file_bytes`` is the size of those files. The seconds are those of earlier loads of this model on this
    device; where there were none they are computed, and the sentence says so.
    """
    chosen = plan.chosen
    if chosen is None or not precision(chosen.precision).quantised or quantisation_details(config):
        return
    footprint = plan.verdict(chosen.precision).footprint
    if settings.quantised_cache or footprint is None:
        return
    device = run_history.remembered_as(plan.budget.name if plan.budget is not None else "", plan.device)
    runs = [
        run
        for run in run_history.lookup(settings.places.user_dir, device, plan.model)
        if run.load_seconds is not None
        and (run.precision, run.quantise_vision) == (chosen.precision, quantise_vision)
    ]
    size = footprint.weights_bytes
    seconds = {run.loaded_from: run.load_seconds or 0.0 for run in runs}
    if "files" in seconds:
        kept = seconds.get("cache", size / _DISK_BYTES_PER_SECOND)
        source = "measured here" if "cache" in seconds else "the load without it measured here"
        saved = seconds["files"] - kept
    else:
        saved = (file_bytes - size) / _DISK_BYTES_PER_SECOND
        source = (
            f"not measured here: {gb_text(max(0, file_bytes - size))} less to read at "
            f"{_DISK_BYTES_PER_SECOND / 1e9:g} GB/s, and no quantising"
        )
    yield (
        f"With quantised_cache: true in config.yaml, {gb_text(size)} on disk would save about "
        f"{max(0.0, saved):.1f} s a load ({source})."
    )
