"""Every model of the catalog at every precision on one machine: does it run, and its three numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..catalog import ocr_models
from .candidate import Candidate
from .diffusion_candidates import diffusion_candidate, diffusion_candidates, model_candidates
from .model_names import model_name, precision_in
from .ocr_candidates import ocr_candidate, ocr_candidates
from .targets import Target
from .tasks import ALL, MODEL_TASKS, OCR, WHICH_GPU


def candidates_of_task(
    target: Target,
    task: str,
    installed: Collection[str] = (),
    without: Collection[tuple[str, str]] = frozenset(),
) -> tuple[Candidate, ...]:
    """All candidates for one of MODEL_TASKS; for ALL or WHICH_GPU for each of them in turn. ``without`` are
    (task, model) that nobody asks about."""
    tasks = MODEL_TASKS if task in (ALL, WHICH_GPU) else (task,)
    return tuple(
        candidate
        for name in tasks
        for candidate in candidates(target, name, installed, {model for of, model in without if of == name})
    )


def candidates(
    target: Target, task: str, installed: Collection[str] = (), without: Collection[str] = frozenset()
) -> tuple[Candidate, ...]:
    """All candidates for one of MODEL_TASKS, best first. ``installed`` names models that are on disk,
    ``without`` those that nobody asks about."""
    found = ocr_candidates(target, without) if task == OCR else diffusion_candidates(target, task, without)
    marked = (replace(row, installed=True) if row.model in installed else row for row in found)
    return tuple(sorted(marked, key=lambda candidate: candidate.key))


def named_candidate(target: Target, text: str) -> Candidate:
    """The candidate that "model@precision" names; without a precision the best one on ``target``.

    Raises UnknownName for a model that is not in the catalog or a precision that it has no row for.
    """
    name, _, precision = text.partition("@")
    model = model_name(name)
    if any(row.id == model for row in ocr_models()):
        return ocr_candidate(target, model, precision.strip())
    precision = precision.strip() or precision_in(text, model)
    if precision:
        return diffusion_candidate(target, model, precision)
    return model_candidates(target, model)[0]
