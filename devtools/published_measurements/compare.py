"""Each published measurement beside the product's figure for the same model, precision and picture.

A measurement is a figure that somebody saw on a machine (ComfyUI's own log, an allocator's peak, a share of a
card) or a file's size. What vendors only recommend is not here. ``what`` names the figure of ours:

- ``weights``: the diffusion model in memory,
- ``encoder:NAME``: that text encoder in memory,
- ``vae``: the VAE in memory,
- ``loaded``: all that is loaded, without what works on it,
- ``sampling``, ``optimal``, ``resident``, ``resident sampling``: the peaks of those names in
  core/advisor/diffusion_memory.py,
- ``text only``: an OCR model that writes ``frames`` tokens without a picture (weights, cache, context).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from vramwise.advisor.diffusion_memory import diffusion_need
from vramwise.catalog import ocr_model
from vramwise.catalog.diffusion import diffusion_model
from vramwise.families.published import published_config
from vramwise.planning.footprint import Workload, footprint
from vramwise.units import GIB, MIB

TABLE = Path(__file__).with_name("measurements.csv")
# The smallest picture that a processor makes: two patches of Qwen2-VL a side.
_NO_PICTURE = 56 * 56
_UNITS = {"MiB": MIB, "GiB": GIB, "GB": 10**9}


@dataclass(frozen=True)
class Measurement:
    """One row: ``measured_bytes`` by ``source``, ``computed_bytes`` by us, ``reason`` why they may differ."""

    model: str
    precision: str
    what: str
    settings: str
    card: str
    measured_bytes: float
    computed_bytes: int
    source: str
    reason: str

    @property
    def deviation(self) -> float:
        """Ours against theirs: below 0 where we say less."""
        return self.computed_bytes / self.measured_bytes - 1


def measurements() -> list[Measurement]:
    """All of the table, in its order."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [_measurement(row) for row in csv.DictReader(file)]


def median_deviation(rows: list[Measurement]) -> float:
    """The median of the deviations without their signs."""
    return median(abs(row.deviation) for row in rows)


def _measurement(row: dict[str, str]) -> Measurement:
    size = "x".join(row[side] for side in ("width", "height", "frames") if row[side])
    return Measurement(
        row["model"],
        row["precision"],
        row["what"],
        f"{row['frames']} tokens" if row["what"] == "text only" else size,
        row["card"],
        float(row["value"]) * _UNITS[row["unit"]],
        _computed(row),
        row["source"],
        row["reason"],
    )


def _computed(row: dict[str, str]) -> int:
    if row["what"] == "text only":
        return _text_only(row["model"], row["precision"], int(row["frames"]))
    model = diffusion_model(row["model"])
    kind, _, encoder = row["what"].partition(":")
    if kind == "encoder":
        return next(each.bytes for each in model.text_encoders if each.name == encoder)
    sides = {side: int(row[side]) for side in ("width", "height", "frames") if row[side]}
    # Who loads all of a model in a log or a table of libraries has its largest text encoder too.
    largest = max(model.text_encoders, key=lambda each: each.bytes, default=None)
    named = {"text_encoder": largest.name} if largest is not None and kind in ("loaded", "optimal") else {}
    need = diffusion_need(model, row["precision"], **sides, **named)
    return {
        "weights": need.weights_bytes,
        "vae": need.vae_bytes,
        "loaded": need.loaded_bytes,
        "sampling": need.sampling_bytes,
        "optimal": need.optimal_bytes,
        "resident": need.resident_bytes,
        "resident sampling": need.resident_sampling_bytes,
    }[kind]


def _text_only(model: str, precision: str, tokens: int) -> int:
    config = published_config(ocr_model(model).repo)
    assert config is not None
    counted = footprint(config, None, precision, workload=Workload(_NO_PICTURE, 1, 1, tokens))
    return counted.weights_bytes + counted.kv_bytes + counted.overhead_bytes
