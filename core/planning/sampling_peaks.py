"""What sampling took on this machine beside the weights, by ComfyUI's architecture and the latent's size.

Kept among the runs of run_history.py: ``model`` is "comfyui/Flux/3.1" (the class of comfy.supported_models
and its memory_usage_factor, which tells Wan 14B from 1.3B), ``pixels`` the latent's positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .run_history import Run, lookup_all, record

_PREFIX = "comfyui/"


@dataclass(frozen=True)
class SamplingPeak:
    """The allocator's ``bytes`` above what lay there when sampling began, and the day."""

    bytes: int
    date: str


def named(architecture: str, factor: float) -> str:
    """How the record calls a model: its class of comfy.supported_models and its memory_usage_factor."""
    return f"{_PREFIX}{architecture}/{factor:.4g}"


def remember(
    folder: Path, device: str, architecture: str, factor: float, area: int, peak_bytes: int, dtype: str = ""
) -> None:
    """Keep one sampling of ``area`` latent positions (batch x frames x height x width) on ``device`` (a name
    as ``device_label`` gives it) in place of an earlier one. Never raises for the disk.
    """
    name = named(architecture, factor)
    record(folder, Run(device, name, dtype, pixels=area, activation_peak_bytes=peak_bytes))


def sampling_peaks(folder: Path, device: str) -> Mapping[tuple[str, int], SamplingPeak]:
    """Every sampling that is remembered of ``device``, by (``named``, area); the larger where there are
    several data types."""
    found: dict[tuple[str, int], SamplingPeak] = {}
    for run in lookup_all(folder, device, _PREFIX):
        key, size = (run.model, run.pixels), run.activation_peak_bytes or 0
        if size and (key not in found or size > found[key].bytes):
            found[key] = SamplingPeak(size, run.date)
    return found
