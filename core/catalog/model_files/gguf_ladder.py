"""GGUF sizes of a model for which nobody listed a file: Q8_0 to Q2_K, from bits a weight as published.

A GGUF keeps some layers in more bits than its name says, and how many differs by model: Q4_K_M is 4.6 bits a
weight in FLUX.2 dev and 5.5 in Wan 2.2 5B. So a size is the median of the published files of that kind
(diffusion_weights.csv), times how far the listed files of the same model are off that median, and it stays
between the listed ones. It is marked as estimated until a file is listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...units import median
from .listed import DiffusionWeights

# Largest first.
RUNGS = ("Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q3_K_M", "Q3_K_S", "Q2_K")
_WHOLE = ("bf16", "fp16", "fp32")


def measured_bits(listed: Iterable[tuple[int, DiffusionWeights]]) -> Mapping[str, tuple[float, int]]:
    """Bits a weight of each rung, and of how many files, from (parameters, weights) of listed files."""
    found: dict[str, list[float]] = {}
    for parameters, weights in listed:
        if weights.format in RUNGS and parameters:
            found.setdefault(weights.format, []).append(weights.held_bytes * 8 / parameters)
    return {rung: (median(bits), len(bits)) for rung, bits in found.items()}


def with_ladder(
    parameters: int,
    listed: Sequence[DiffusionWeights],
    bits: Mapping[str, tuple[float, int]],
    relatives: Sequence[DiffusionWeights] = (),
) -> tuple[DiffusionWeights, ...]:
    """``listed`` and, behind them, every rung of which none is listed; only ``listed`` where the number of
    ``parameters`` or every kind of file is unknown. ``relatives`` are files of models with the same layers.
    """
    whole = next((weights for weights in listed if weights.format in _WHOLE), None) or next(
        iter(listed), None
    )
    if whole is None or not parameters:
        return tuple(listed)
    known = {weights.format: weights.held_bytes for weights in listed if weights.format in RUNGS}
    anchors = {
        weights.format: weights.held_bytes for weights in (*relatives, *listed) if weights.format in RUNGS
    }
    own = [size * 8 / parameters / bits[rung][0] for rung, size in anchors.items()]
    sizes = {rung: round(parameters / 8 * bits[rung][0] * (median(own) if own else 1.0)) for rung in RUNGS}
    sizes = _between(sizes, anchors)
    made = [_rung(rung, sizes[rung], whole, bits[rung]) for rung in RUNGS if rung not in known]
    return (*listed, *made)


def _between(sizes: Mapping[str, int], known: Mapping[str, int]) -> dict[str, int]:
    """``sizes`` with the ``known`` ones in place; an estimate that is not between its listed neighbours is
    put there, at its share of the way."""
    found = {**sizes, **known}
    for place, rung in enumerate(RUNGS):
        if rung in known:
            continue
        above = next((other for other in reversed(RUNGS[:place]) if other in known), None)
        below = next((other for other in RUNGS[place:] if other in known), None)
        if above is not None and below is not None:
            steps = RUNGS.index(below) - RUNGS.index(above)
            share = (RUNGS.index(below) - place) / steps
            if sizes[above] > sizes[rung] > sizes[below]:
                share = (sizes[rung] - sizes[below]) / (sizes[above] - sizes[below])
            found[rung] = round(known[below] + share * (known[above] - known[below]))
        elif above is not None:
            found[rung] = min(found[rung], round(known[above] * sizes[rung] / sizes[above]))
        elif below is not None:
            found[rung] = max(found[rung], round(known[below] * sizes[rung] / sizes[below]))
    return found


def _rung(rung: str, size: int, whole: DiffusionWeights, bits: tuple[float, int]) -> DiffusionWeights:
    each, files = bits
    return DiffusionWeights(
        precision=rung,
        format=rung,
        file_bytes=size + whole.rest_bytes,
        held_bytes=size,
        rest_bytes=whole.rest_bytes,
        copies=whole.copies,
        at_once=whole.at_once,
        with_text_encoder=whole.with_text_encoder,
        with_vae=whole.with_vae,
        factor_scale=whole.factor_scale,
        note="size estimated: no GGUF file of this model is listed",
        source=f"computed: {each:.2f} bits a weight, the median of {files} published files",
        date=whole.date,
        estimated=True,
    )
