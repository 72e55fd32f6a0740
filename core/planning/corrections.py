"""What earlier runs on this device teach a plan: bytes that were measured, and seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..catalog.words import said
from ..families.family import Config
from ..families.pictures import picture_size
from ..units import figure, megapixels
from .activations import Workload
from .footprint import Correction, reading_terms
from .run_history import Run

# A smaller picture's peak is mostly what does not grow with it, and would teach nothing about a page.
_TELLING_PIXELS = 250_000
# Beyond this something else was counted, such as another model that came in meanwhile.
_PLAUSIBLE = 3.0
# A plan never counts on less than this share of the formula: the next page may be another kind of page.
_LEAST = 0.8
# Share of a planned picture's tokens below which a run was of a picture of another shape.
_AS_PLANNED = 0.9


def corrections(
    runs: Sequence[Run], config: Config, attention: str, quantise_vision: bool
) -> Mapping[str, Correction]:
    """By precision: the widest measured run against the formula's figure for the very same workload."""
    found: dict[str, Correction] = {}
    for run in runs:
        if (
            run.activation_peak_bytes is None
            or run.pixels < _TELLING_PIXELS
            or run.activation_peak_bytes <= 0
        ):
            continue
        if (run.attention, run.quantise_vision) != (attention, quantise_vision):
            continue
        seen = picture_size(config, run.pixels).tokens
        if run.prompt_tokens < _AS_PLANNED * seen:
            continue  # of another shape, which was cut into fewer tiles than a page of so many pixels is
        prompt = max(0, run.prompt_tokens - seen)
        workload = Workload(run.pixels, run.images, prompt, run.new_tokens)
        terms = reading_terms(config, run.precision, attention, workload)
        ratio = run.activation_peak_bytes / sum(term.bytes for term in terms)
        before = found.get(run.precision)
        if ratio < _PLAUSIBLE and (before is None or ratio > before.ratio):
            source = said(
                "plan_source_measured",
                ratio=figure(ratio, ".2f"),
                count=run.images,
                size=megapixels(run.pixels),
                date=run.date,
            )
            found[run.precision] = Correction(max(_LEAST, ratio), source)
    return found


def timing_notes(runs: Sequence[Run], precision: str) -> Iterator[str]:
    """Seconds of the latest load and the latest read at ``precision``."""
    loads = [run for run in runs if run.precision == precision and run.load_seconds is not None]
    reads = [run for run in runs if run.precision == precision and run.read_seconds is not None]
    if loads:
        run = loads[-1]
        kept = " of quantised weights" if run.loaded_from == "cache" else ""
        yield f"Measured here: loaded{kept} in {run.load_seconds:.1f} s ({run.date})."
    if reads:
        run = reads[-1]
        yield (
            f"Measured here: {megapixels(run.pixels)} megapixels and {run.new_tokens} tokens read in "
            f"{run.read_seconds:.1f} s ({run.date})."
        )
