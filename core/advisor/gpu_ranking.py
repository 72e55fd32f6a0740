"""Choosing a card: what its memory and bandwidth are good for, by rules that are stated here."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..catalog.gpus import GPU, find_gpus, gpus
from ..catalog.words import said, words
from ..errors import VramwiseError
from ..hardware.budget import UNIFIED_SHARE
from ..units import figure, median

# Best last. What each means is in RATING_RULES.
RATINGS = ("unknown", "insufficient", "tolerable", "optimal", "special case", "top pick")
# Room for what a driver reports below the size on the box (docs/sources.md#memory-on-the-box).
TOLERANCE = 0.08
_TOLERABLE_GIB, _OPTIMAL_GIB, _SPECIAL_GIB = 12, 16, 24
_SPECIAL_BANDWIDTH_GB_S = 900
_GENERATIONS_BEHIND = 2
# Of the median of the desktop cards of the two newest generations. TFLOPS: docs/sources.md#cards.
_STARVES, _WELL_FED = 0.8, 1.25

RATING_RULES = {
    "unknown": "the catalog has no memory size of it: name one beside the card",
    "insufficient": f"less than {_TOLERABLE_GIB} GB: the larger image and video models only stream",
    "tolerable": f"{_TOLERABLE_GIB} GB, less than {_OPTIMAL_GIB} GB: quantised image models stay resident",
    "optimal": f"{_OPTIMAL_GIB} GB or more",
    "special case": f"a desktop card {_GENERATIONS_BEHIND} generations old or more that still has "
    f"{_SPECIAL_GIB} GB at {_SPECIAL_BANDWIDTH_GB_S} GB/s or more",
    "top pick": "no released desktop card has more memory, more bandwidth or more tensor cores",
}


def balance_rule(lang: str = "en") -> str:
    """What bandwidth is set against tensor cores by, as a sentence."""
    return words(lang)["compare_rule"].format(starves=figure(_STARVES), fed=figure(_WELL_FED))


@dataclass(frozen=True)
class Balance:
    """Bandwidth against tensor cores, by ``balance_rule``.

    ``verdict`` is "starves", "balanced", "well fed" or "unknown" (no tensor cores, or no figure). A matrix
    product must do ``ridge_flops_per_byte`` operations on each byte it reads to keep the cores busy: writing
    one token of text does 1 at 16 bit, so there every card waits for its memory; denoising a megapixel or
    reading a page in one go does thousands.
    """

    bytes_per_kflop: float | None
    ridge_flops_per_byte: float | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """Two to four cards side by side: ``rows`` of (key, one value a card), and ``remarks``."""

    cards: tuple[GPU, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]
    remarks: tuple[Remark, ...]

    def to_dict(self) -> dict[str, Any]:
        cards = [
            {"gpu": gpu.label, **{key: values[index] for key, values in self.rows}}
            for index, gpu in enumerate(self.cards)
        ]
        return {"cards": cards, "remarks": [remark.text() for remark in self.remarks]}


@dataclass(frozen=True)
class Remark:
    """One difference that decides: ``more`` has ``percent`` more of ``key`` than ``less``."""

    key: str
    more: str
    less: str
    percent: float
    amount: float

    def text(self, lang: str = "en") -> str:
        return words(lang)[f"compare_more_{self.key}"].format(
            more=self.more, less=self.less, amount=figure(self.amount), percent=figure(self.percent, ".0f")
        )


def desktop(gpu: GPU) -> bool:
    """A card that people buy for a desktop: neither a laptop part nor a workstation or datacentre card."""
    series = gpu.series
    consumer = series.startswith(("GeForce", "TITAN", "Radeon RX", "Intel Arc")) and "Max-Q" not in gpu.name
    return consumer and "Laptop" not in series and " Pro " not in f"{gpu.name} "


# Where a card is at home, in the order in which cards are offered for a goal.
CLASSES = ("desktop", "workstation", "datacentre", "unified", "laptop")


def class_of(gpu: GPU) -> str:
    """One of CLASSES."""
    if gpu.unified:
        return "unified"
    if "aptop" in gpu.series or ("Max-Q" in gpu.name and gpu.series.startswith(("GeForce", "Quadro"))):
        return "laptop"
    if "datacentre" in gpu.series:
        return "datacentre"
    return "desktop" if desktop(gpu) else "workstation"


def has_bf16(gpu: GPU) -> bool:
    """Whether it computes bf16: NVIDIA from compute capability 8.0 on, AMD from CDNA and RDNA 3 on, Intel's
    Arc, Apple from M2 on (before that Metal emulates it).
    """
    if gpu.vendor == "NVIDIA":
        return gpu.capability is not None and gpu.capability >= (8, 0)
    if gpu.vendor == "AMD":
        return gpu.architecture.startswith(("CDNA", "RDNA 3", "RDNA 4"))
    return gpu.name.split(" ")[1:2] != ["M1"] if gpu.vendor == "Apple" else gpu.series.startswith("Intel Arc")


def rating(gpu: GPU) -> str:
    """One of RATINGS, by RATING_RULES. Of memory that the machine shares only what a model can use counts: of
    an Apple M4 with 16 GB three quarters.
    """
    if gpu.vram_gib is None:
        return "unknown"
    if _is_top(gpu):
        return "top pick"
    if _is_special(gpu):
        return "special case"
    return rating_of_memory(gpu.vram_gib * (UNIFIED_SHARE if gpu.unified else 1))


def rating_of_memory(vram_gib: float) -> str:
    """The rating that memory alone gives."""
    if vram_gib < _TOLERABLE_GIB * (1 - TOLERANCE):
        return "insufficient"
    return "tolerable" if vram_gib < _OPTIMAL_GIB * (1 - TOLERANCE) else "optimal"


def balance(gpu: GPU) -> Balance:
    """How well the memory feeds the tensor cores."""
    if not gpu.bandwidth_gb_s or not gpu.fp16_tensor_tflops:
        return Balance(None, None, "unknown")
    share = gpu.bandwidth_gb_s / gpu.fp16_tensor_tflops
    relative = share / _median_balance()
    verdict = "starves" if relative < _STARVES else "well fed" if relative > _WELL_FED else "balanced"
    return Balance(round(share, 2), round(1000 / share, 1), verdict)


def order(gpu: GPU) -> tuple[float, float, float, float]:
    """Sort key, best first: memory, then bandwidth, then tensor cores, then the newer card."""
    return (
        -(gpu.vram_gib or 0),
        -(gpu.bandwidth_gb_s or 0),
        -(gpu.tensor_cores or 0),
        -(gpu.release_year or 0),
    )


def offered_cards(*, rumoured: bool = False, every: bool = False) -> tuple[GPU, ...]:
    """Cards to choose from, best first: released desktop cards that PyTorch has a build for. ``rumoured``
    adds cards that are not sold yet, ``every`` laptop, workstation and datacentre parts.
    """
    found = [
        gpu
        for gpu in gpus()
        if (every or desktop(gpu))
        and (rumoured or gpu.status == "released")
        and gpu.vram_gib
        and gpu.torch_build != "none"
    ]
    return tuple(sorted(found, key=order))


def compare(names: Sequence[str]) -> Comparison:
    """Up to four cards side by side; a name that is sold with several memory sizes stands for all of them.

    Raises UnknownName for a card that is not in the catalog, VramwiseError for none or more than four names.
    """
    if not 1 <= len(names) <= 4:
        raise VramwiseError(
            said("error_compare_count", count=len(names)), "error_compare_count", count=len(names)
        )
    cards = tuple(dict.fromkeys(gpu for name in names for gpu in find_gpus(name, or_size=False)))
    balances = [balance(gpu) for gpu in cards]
    rows: list[tuple[str, tuple[Any, ...]]] = [
        (key, tuple(getattr(gpu, key) for gpu in cards))
        for key in ("vram_gib", "bandwidth_gb_s", "tensor_cores", "fp16_tensor_tflops")
    ]
    rows.append(("bytes_per_kflop", tuple(found.bytes_per_kflop for found in balances)))
    rows.append(("balance", tuple(found.verdict for found in balances)))
    rows.append(("colour", tuple(rating(gpu) for gpu in cards)))
    rows += [
        (key, tuple(getattr(gpu, key) for gpu in cards))
        for key in ("compute_capability", "architecture", "memory_type", "tdp_w", "release_year", "status")
    ]
    return Comparison(cards, tuple(rows), tuple(_remarks(cards, dict(rows))))


def _remarks(cards: tuple[GPU, ...], rows: dict[str, tuple[Any, ...]]) -> list[Remark]:
    """The first card against each other one."""
    found = []
    for other in range(1, len(cards)):
        for key in ("vram_gib", "bandwidth_gb_s", "tensor_cores", "fp16_tensor_tflops", "bytes_per_kflop"):
            first, second = rows[key][0], rows[key][other]
            if not first or not second or first == second:
                continue
            more, less = (0, other) if first > second else (other, 0)
            high, low = max(first, second), min(first, second)
            percent = 100 * (high / low - 1)
            if percent >= 0.5:
                found.append(Remark(key, cards[more].label, cards[less].label, percent, high - low))
    return found


@functools.cache
def _desktop_released() -> tuple[GPU, ...]:
    return tuple(gpu for gpu in gpus() if desktop(gpu) and gpu.status == "released")


@functools.cache
def _median_balance() -> float:
    return median(
        gpu.bandwidth_gb_s / gpu.fp16_tensor_tflops
        for gpu in _desktop_released()
        if gpu.bandwidth_gb_s and gpu.fp16_tensor_tflops and generations_behind(gpu) < _GENERATIONS_BEHIND
    )


def _is_top(gpu: GPU) -> bool:
    if not desktop(gpu) or gpu.status != "released":
        return False
    return all(
        (getattr(gpu, key) or 0) >= max(getattr(other, key) or 0 for other in _desktop_released())
        for key in ("vram_gib", "bandwidth_gb_s", "tensor_cores")
    )


def _is_special(gpu: GPU) -> bool:
    return (
        desktop(gpu)
        and (gpu.vram_gib or 0) >= _SPECIAL_GIB * (1 - TOLERANCE)
        and (gpu.bandwidth_gb_s or 0) >= _SPECIAL_BANDWIDTH_GB_S
        and generations_behind(gpu) >= _GENERATIONS_BEHIND
    )


def generations_behind(gpu: GPU) -> int:
    """How many architectures of its maker's desktop cards came after this card's; 0 for the newest."""
    first: dict[str, int] = {}
    for other in _desktop_released():
        if other.vendor == gpu.vendor and other.release_year:
            first[other.architecture] = min(
                first.get(other.architecture, other.release_year), other.release_year
            )
    mine = first.get(gpu.architecture)
    return 0 if mine is None else sum(year > mine for year in first.values())
