"""OCR models that this card does not keep in memory and a server could: what it would take there."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..catalog import ocr_model, ocr_models
from ..families.blocks import quantisation_details
from ..families.published import published_config
from ..ocr.remote.model_match import family_ids, names_of, plain
from .candidate import RESIDENT, Candidate
from .ocr_candidates import ocr_candidate
from .targets import TIERS, target_of_memory

# The usual sizes of cards, and two of data centres.
_SERVERS = (*TIERS, 48, 80)
_PRECISION = "bf16"  # what servers run unless told otherwise


@dataclass(frozen=True)
class RemoteCandidate:
    """``candidate`` is the model on a card of ``vram_gib``, the smallest usual size that keeps it resident at
    16 bits. ``endpoints`` are names from config.yaml: those said to serve it.
    """

    candidate: Candidate
    vram_gib: float
    endpoints: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "task": self.candidate.task,
            "model": self.candidate.model,
            "name": self.candidate.name,
            "precision": self.candidate.precision,
            "vram_gib": self.vram_gib,
            "endpoints": list(self.endpoints),
        }


def remote_candidates(
    found: Iterable[Candidate], served: Mapping[str, str] | None = None
) -> tuple[RemoteCandidate, ...]:
    """For the OCR candidates of one place: every model that a chat server can serve and that is not resident
    here at any precision, or only on the processor; best first.

    ``served`` maps names of endpoints to the model that each is said to serve, "" where nothing is said.
    """
    here = {row.model for row in found if row.verdict in RESIDENT and not row.slow}
    servable = set(family_ids())
    rows = [row for row in ocr_models() if row.engine == "vlm" and row.family in servable]
    # not the same model once more
    rows = [row for row in rows if not quantisation_details(published_config(row.repo) or {})]
    servers = [_on_a_server(row.id) for row in rows if row.id not in here]
    there = sorted((found for found in servers if found is not None), key=lambda found: found[0].key)
    return tuple(
        RemoteCandidate(candidate, size, _serving(candidate.model, served or {})) for candidate, size in there
    )


@functools.cache
def _on_a_server(model: str) -> tuple[Candidate, float] | None:
    """The model on the smallest size that holds it, and that size in GB; None where its own is not known."""
    for size in _SERVERS:
        candidate = ocr_candidate(target_of_memory(size), model, _PRECISION)
        if candidate.verdict in RESIDENT:
            return candidate, float(size)
    return None


def _serving(model: str, served: Mapping[str, str]) -> tuple[str, ...]:
    """Endpoints whose model is named after ``model``."""
    names = set(names_of(ocr_model(model)))
    return tuple(name for name, told in served.items() if plain(told.rsplit("/", 1)[-1]) in names)
