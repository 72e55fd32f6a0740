"""Checking what the article on choosing a card publishes: image and video models, formats, pairs of cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vramwise.advisor.candidate import RESIDENT, Candidate
from vramwise.advisor.diffusion_candidates import diffusion_candidate, model_candidates
from vramwise.advisor.gpu_ranking import balance, rating
from vramwise.advisor.published.checks import AGREES, DISAGREES, NOT_REPRODUCED, OPINION, Check
from vramwise.advisor.targets import Target, target_of_memory
from vramwise.catalog.diffusion import diffusion_model
from vramwise.catalog.formats import addons, format_named, formats
from vramwise.catalog.gpus import GPU
from vramwise.catalog.published import Published
from vramwise.units import gib

from .guide import CheckOfCell, cards_named, check_opinion, checked

# A difference in percent below which two cards' tensor cores count as "no particular gain".
_SMALL_GAIN = 20
# Lengths of a sequence that tensor cores see: a token being written, a picture of a megapixel.
_PICTURE_TOKENS = 4096
# GGUF at the size that people load most, where the catalog has no file of a model.
_GGUF = "Q4_K_S"
# The article's own tiers.
_TIER_BELOW = {"12": 8, "16": 12, "24": 16}


def check_bytes_a_weight(cell: Published) -> Check:
    size = format_named(cell.subject).bits / 8
    agrees = size == float(cell.value)
    return checked(cell, AGREES if agrees else DISAGREES, f"{size:g} B", "bytes_a_weight", bytes=f"{size:g}")


def check_gguf_levels(cell: Published) -> Check:
    levels = sorted(row.format[:2] for row in formats() if row.group == "GGUF" and row.format.startswith("Q"))
    agrees = [levels[0], levels[-1]] == list(cell.subjects)
    facts = {"first": levels[0], "last": levels[-1], "low": _bits("Q2_K"), "high": _bits("Q8_0")}
    return checked(
        cell, AGREES if agrees else DISAGREES, f"{levels[0]} to {levels[-1]}", "gguf_levels", **facts
    )


def check_shrink(cell: Published) -> Check:
    large, small = (format_named(name).bits for name in cell.subjects)
    agrees = large / small == float(cell.value)
    times = f"{large / small:g}"
    return checked(cell, AGREES if agrees else DISAGREES, f"{times} x", "shrink", times=times)


def check_parameters(cell: Published) -> Check:
    model = diffusion_model(cell.subject)
    billions = model.parameters / 1e9
    agrees = abs(billions / float(cell.value) - 1) < 0.05
    facts = {"model": model.name, "billions": f"{billions:.1f}"}
    return checked(cell, AGREES if agrees else DISAGREES, f"{billions:.1f} x 10^9", "parameters", **facts)


# --- tiers -----------------------------------------------------------------------------------------------


def check_opens(cell: Published) -> Check:
    """A model is open on a tier where one of its precisions stays resident."""
    target = target_of_memory(float(cell.limit))
    model, _, precision = cell.subjects[0].partition("@")
    if precision == "gguf":
        return _check_gguf(cell, model)
    found = _found(target, model, precision)
    earlier = _found(target_of_memory(_TIER_BELOW[cell.limit]), model, precision)[0]
    if earlier.verdict in RESIDENT:
        facts = _facts(earlier, f"{_TIER_BELOW[cell.limit]} GB", 0)
        return checked(cell, DISAGREES, _summary(earlier), "opens_earlier", **facts)
    best, least = found[0], min(found, key=lambda row: row.optimal_bytes or 0)
    if best.verdict in RESIDENT:
        facts = _facts(best, target.label, target.comfy_bytes)
        return checked(cell, AGREES, _summary(best), "opens", **facts)
    return checked(
        cell, DISAGREES, _summary(least), "only_streams", **_facts(least, target.label, target.comfy_bytes)
    )


def _found(target: Target, model: str, precision: str) -> list[Candidate]:
    """The candidates that count, best first: files below four bits a weight open nothing."""
    if precision:
        return [diffusion_candidate(target, model, precision)]
    found = model_candidates(target, model)
    return [row for row in found if not row.rough] or found


def _check_gguf(cell: Published, model: str) -> Check:
    """The catalog has no GGUF file of it: its size from the format, the rest from its 16-bit file."""
    row = diffusion_model(model)
    target = target_of_memory(float(cell.limit))
    whole = max(model_candidates(target, model), key=lambda row: row.optimal_bytes or 0)
    file = format_named(_GGUF).file_bytes(row.parameters)
    need = (whole.optimal_bytes or 0) - row.of(whole.precision).held_bytes + file
    facts = {"model": row.name, "need": gib(need), "gpu": target.label}
    facts |= {"precision": _GGUF, "room": gib(target.comfy_bytes)}
    fits = need <= target.comfy_bytes
    text = f"{row.name} {_GGUF}: {gib(need)} GiB"
    return checked(cell, AGREES if fits else DISAGREES, text, "opens" if fits else "only_streams", **facts)


def check_not_on_tier(cell: Published) -> Check:
    """Not available means: resident at no precision."""
    target = target_of_memory(float(cell.limit))
    found = _found(target, cell.subjects[0], "")
    best = found[0]
    facts = _facts(best, target.label, target.comfy_bytes)
    if best.verdict in RESIDENT:
        return checked(cell, DISAGREES, _summary(best), "opens", **facts)
    least = min(found, key=lambda row: row.optimal_bytes or 0)
    facts = _facts(least, target.label, target.comfy_bytes)
    return checked(cell, AGREES, _summary(least), "streams_as_said", **facts)


def check_lower_bound(cell: Published) -> Check:
    target = target_of_memory(float(cell.limit))
    model, _, precision = cell.subjects[0].partition("@")
    candidate = diffusion_candidate(target, model, precision)
    facts = _facts(candidate, target.label, target.comfy_bytes)
    if candidate.verdict in RESIDENT:
        return checked(cell, DISAGREES, _summary(candidate), "opens", **facts)
    smaller = next((row for row in model_candidates(target, model) if row.verdict in RESIDENT), None)
    facts["smaller"] = f"{smaller.precision} ({gib(smaller.optimal_bytes)} GiB)" if smaller else "-"
    return checked(cell, AGREES, _summary(candidate), "lower_bound", **facts)


def check_controlnet(cell: Published) -> Check:
    """What others run decides: a published case on a smaller card disproves "none"."""
    size = float(cell.limit)
    proof = next((row for row in addons() if row.kind == "controlnet" and row.vram_gb), None)
    if proof is not None and proof.vram_gb and proof.vram_gb <= size:
        facts = {"case": proof.name, "size": f"{proof.vram_gb:g}", "source": proof.source}
        verdict = DISAGREES if "article" in proof.contradicts and size == proof.vram_gb else AGREES
        return checked(cell, verdict, f"{proof.name}: {proof.vram_gb:g} GB", "controlnet", **facts)
    return checked(cell, AGREES, "", "opinion")


def check_training(cell: Published) -> Check:
    cases = [row for row in addons() if row.kind == "training" and row.vram_gb]
    low = min(cases, key=lambda case: case.vram_gb or 0)
    inside = [case.name for case in cases if (case.vram_gb or 0) <= float(cell.limit)]
    facts: dict[str, Any] = {
        "case": low.name,
        "size": f"{low.vram_gb:g}",
        "count": len(inside),
        "all": len(cases),
    }
    return checked(cell, AGREES, f"{len(inside)} of {len(cases)} published cases", "training", **facts)


# --- cards -----------------------------------------------------------------------------------------------


def check_rating(cell: Published) -> Check:
    cards = [_one(name) for name in cell.subjects]
    found = {card.label: rating(card) for card in cards}
    agrees = all(value == cell.limit for value in found.values())
    text = ", ".join(f"{label}: {value}" for label, value in found.items())
    return checked(cell, AGREES if agrees else DISAGREES, text, "colours", colours=found)


def check_cheap(cell: Published) -> Check:
    card = _one(cell.subject)
    given = rating(card)
    return checked(cell, OPINION, given, "no_prices", gpu=card.label, colour=given)


def check_bandwidth_ratio(cell: Published) -> Check:
    low, high = (_one(name) for name in cell.subjects)
    ratio = (high.bandwidth_gb_s or 0) / (low.bandwidth_gb_s or 1)
    agrees = abs(ratio / float(cell.limit) - 1) < 0.1
    facts = {**_pair(low, high, "bandwidth_gb_s"), "ratio": f"{ratio:.2f}", "balance": balance(low).verdict}
    return checked(cell, AGREES if agrees else DISAGREES, f"{ratio:.2f} x", "bandwidth_ratio", **facts)


def check_memory_difference(cell: Published) -> Check:
    more, less = (_one(name) for name in cell.subjects)
    difference = (more.vram_gib or 0) - (less.vram_gib or 0)
    agrees = difference == float(cell.value)
    why = "difference_rumoured" if "rumoured" in (more.status, less.status) else "difference"
    facts = _pair(more, less, "vram_gib")
    return checked(cell, AGREES if agrees else DISAGREES, f"{difference:g} GB", why, **facts)


def check_bandwidth_difference(cell: Published) -> Check:
    """ "25 % more" may mean of the larger or of the smaller: the sentence says which it is."""
    more, less = (_one(name) for name in cell.subjects)
    high, low = more.bandwidth_gb_s or 0, less.bandwidth_gb_s or 1
    gain, loss = 100 * (high / low - 1), 100 * (1 - low / high)
    agrees = abs(gain - float(cell.value)) < 1
    facts = {**_pair(more, less, "bandwidth_gb_s"), "gain": f"{gain:.0f}", "loss": f"{loss:.0f}"}
    return checked(cell, AGREES if agrees else DISAGREES, f"{gain:.0f} %", "gain_or_loss", **facts)


def check_tensor_gain(cell: Published) -> Check:
    new, old = (_one(name) for name in cell.subjects)
    gain = 100 * ((new.tensor_cores or 0) / (old.tensor_cores or 1) - 1)
    speed = 100 * ((new.bandwidth_gb_s or 0) / (old.bandwidth_gb_s or 1) - 1)
    facts = {**_pair(new, old, "tensor_cores"), "gain": f"{gain:.0f}", "speed": f"{speed:.0f}"}
    agrees = gain < _SMALL_GAIN
    return checked(cell, AGREES if agrees else DISAGREES, f"{gain:.0f} %", "tensor_gain", **facts)


def check_ninety(cell: Published) -> Check:
    cards = [_one(name) for name in cell.subjects]
    sizes = {card.label: f"{card.vram_gib:g} GB" for card in cards}
    text = ", ".join(f"{label}: {size}" for label, size in sizes.items())
    agrees = all(24 <= (card.vram_gib or 0) <= 32 for card in cards)
    return checked(cell, AGREES if agrees else DISAGREES, text, "sizes_agree", sizes=sizes)


def check_idle(cell: Published) -> Check:
    """No single share: it follows from how many operations each byte feeds."""
    ridge = balance(_one("RTX 5090")).ridge_flops_per_byte or 0
    facts: dict[str, Any] = {"ridge": f"{ridge:.0f}", "picture": _PICTURE_TOKENS}
    return checked(cell, NOT_REPRODUCED, "", "idle", **facts)


def check_unusable(cell: Published) -> Check:
    return checked(cell, OPINION, "", "unusable")


def check_not_computed(cell: Published) -> Check:
    return checked(cell, NOT_REPRODUCED, "", "not_computed")


def check_mixture(cell: Published) -> Check:
    return checked(cell, DISAGREES, "", "mixture")


ARTICLE_CHECKS: Mapping[str, CheckOfCell] = {
    "bytes_a_weight": check_bytes_a_weight,
    "gguf_levels": check_gguf_levels,
    "shrink": check_shrink,
    "parameters": check_parameters,
    "opens": check_opens,
    "not_on_tier": check_not_on_tier,
    "lower_bound": check_lower_bound,
    "controlnet": check_controlnet,
    "training": check_training,
    "colour": check_rating,
    "cheap": check_cheap,
    "bandwidth_ratio": check_bandwidth_ratio,
    "memory_difference": check_memory_difference,
    "bandwidth_difference": check_bandwidth_difference,
    "tensor_gain": check_tensor_gain,
    "ninety": check_ninety,
    "idle": check_idle,
    "unusable": check_unusable,
    "not_computed": check_not_computed,
    "mixture": check_mixture,
    "opinion": check_opinion,
}


def _one(name: str) -> GPU:
    return cards_named(name)[0]


def _pair(first: GPU, second: GPU, key: str) -> dict[str, Any]:
    return {
        "first": first.label,
        "second": second.label,
        "first_value": f"{getattr(first, key) or 0:g}",
        "second_value": f"{getattr(second, key) or 0:g}",
    }


def _facts(candidate: Candidate, gpu: str, room_bytes: int) -> dict[str, Any]:
    return {
        "model": candidate.name,
        "precision": candidate.precision,
        "need": gib(candidate.optimal_bytes, unknown="?"),
        "floor": gib(candidate.floor_bytes, unknown="?"),
        "seconds": "?" if candidate.seconds is None else f"{candidate.seconds:.1f}",
        "gpu": gpu,
        "room": gib(room_bytes),
    }


def _summary(candidate: Candidate) -> str:
    needs = gib(candidate.optimal_bytes, unknown="?")
    return f"{candidate.name} {candidate.precision} {candidate.verdict} ({needs} GiB)"


def _bits(name: str) -> str:
    return f"{format_named(name).bits:g}"
