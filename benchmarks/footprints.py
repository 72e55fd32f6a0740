"""What the plan says of reading at full depth and width, against the peak on a pretend card.

The published classes with all their layers, their weights without numbers (devtools/pretend_card), read
pictures from 512 x 512 to A4 at 300 dpi through the product's own adapters and ``generate``. The pretend
card's allocator counts as torch's does: every tensor in 512-byte steps. int8 and int4 have stand-ins for
bitsandbytes' layers (quantised_stand_ins.py). The plan is its weights, cache and
activations, without the terms for a CUDA context and the margin.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.activations import MODELS, SIZES, measure, net_of

GIB = 1024**3
FULL = ("qwen3_vl_2b", "qwen3_vl_4b", "qwen3_vl_8b")
BATCHES = (1, 4)
# The bounds of the issue: shares by which a plan may be below and above the peak.
MOST_BELOW, MOST_ABOVE = 0.03, 0.10


@dataclass(frozen=True)
class Compared:
    """Bytes of one reading: the plan's and the pretend card's, each the weights and what is beside them."""

    model: str
    pixels: int
    images: int
    plan_weights: int
    plan_beside: int
    weights: int
    beside: int
    seconds: float
    precision: str = "bf16"

    @property
    def off(self) -> float:
        """Share by which the whole plan is above (or, negative, below) the peak."""
        return (self.plan_weights + self.plan_beside) / (self.weights + self.beside) - 1

    @property
    def beside_off(self) -> float:
        """The same of reading alone, without the weights."""
        return self.plan_beside / self.beside - 1

    @property
    def sound(self) -> bool:
        return -MOST_BELOW <= self.off <= MOST_ABOVE


def published(model: str) -> dict[str, Any]:
    """The published config.json of a catalog id."""
    from vramwise.catalog import ocr_model
    from vramwise.families.published import published_config

    return copy.deepcopy(dict(published_config(ocr_model(model).repo) or {}))


def net_without_numbers(config: Mapping[str, Any], attention: str, precision: str = "bf16") -> Any:
    """Within ``pretend_cards``: the whole net of ``config`` on cuda:0. int8 and int4 by stand-ins."""
    import torch

    from devtools.pretend_card import weightless

    with torch.device("meta"):
        net = net_of(config, attention)
        if precision in ("int8", "int4"):
            from vramwise.planning.footprint import kept_16bit

            from benchmarks.quantised_stand_ins import quantised

            net = quantised(net, precision, kept_16bit(config, False))
    return weightless(net)


def compare(
    model: str,
    sizes: tuple[tuple[int, int], ...] = SIZES,
    batches: tuple[int, ...] = BATCHES,
    config: Mapping[str, Any] | None = None,
    precision: str = "bf16",
) -> Iterator[Compared]:
    """One a size and batch. ``config``: another than the published one of ``model``."""
    import torch
    from vramwise.families.weights import weights_of_config
    from vramwise.planning.footprint import kept_16bit, weight_bytes

    from devtools.pretend_card import Card, pretend_cards

    config = config or published(model)
    attention = "eager" if model == "got_ocr" else "sdpa"
    planned = weight_bytes(weights_of_config(config), precision, kept_16bit(config, False))
    with pretend_cards(Card("Pretend with room for all", 512)) as live, torch.no_grad():
        net = net_without_numbers(config, attention, precision)
        weights = live.allocated()
        for width, height in sizes:
            for images in batches:
                filled = images > 1  # what the plan counts with: pages that are not all of one size
                took = measure(
                    model,
                    width,
                    height,
                    images=images,
                    device="cuda:0",
                    net=net,
                    config=config,
                    filled=filled,
                )
                yield Compared(
                    model,
                    took.pixels,
                    images,
                    planned,
                    replace(took, precision=precision).predicted_bytes(),
                    weights,
                    took.peak_bytes,
                    took.seconds,
                    precision,
                )
        del net
        gc.collect()


def _precisions(model: str) -> tuple[str, ...]:
    return ("bf16", "int8", "int4") if model in FULL else ("bf16",)


def run(options: list[str] | None = None) -> dict[str, Any]:
    """All models, or those named, at all sizes, and those of FULL at int8 and int4 too; minutes.
    ``--quick``: one page of 1024 x 1024 each.
    """
    asked = list(options or ())
    quick = "--quick" in asked
    sizes, batches = (((1024, 1024),), (1,)) if quick else (SIZES, BATCHES)
    models = tuple(name for name in asked if name != "--quick") or tuple(dict.fromkeys((*FULL, *MODELS)))
    head = (
        "Mpx",
        "pictures",
        "weights",
        "plan",
        "beside",
        "plan",
        "peak GiB",
        "plan",
        "off %",
        "beside %",
        "s",
    )
    print(f"{'model':16}", " ".join(f"{name:>9}" for name in head))
    figures: dict[str, Any] = {}
    for model in models:
        for one in (one for kind in _precisions(model) for one in compare(model, sizes, batches, None, kind)):
            total, plan = one.weights + one.beside, one.plan_weights + one.plan_beside
            cells = [f"{one.pixels / 1e6:.2f}", str(one.images)]
            cells += [
                f"{size / GIB:.3f}"
                for size in (one.weights, one.plan_weights, one.beside, one.plan_beside, total, plan)
            ]
            cells += [f"{100 * one.off:+.2f}", f"{100 * one.beside_off:+.2f}", f"{one.seconds:.1f}"]
            name = model if one.precision == "bf16" else f"{model}@{one.precision}"
            shown = " ".join(f"{cell:>9}" for cell in cells)
            print(f"{name:16}", shown, "" if one.sound else " !", flush=True)
            figures[f"{name} {one.pixels} x{one.images}"] = {
                "peak_bytes": total,
                "plan_bytes": plan,
                "off_percent": round(100 * one.off, 2),
                "beside_off_percent": round(100 * one.beside_off, 2),
            }
    return figures
