"""What the Linux driver amdgpu says of its cards' memory in sysfs, which makes no context on any.

A card has memory of its own ("vram"); of a processor's GPU that is a part of RAM which the BIOS has set
aside, and the rest of what it may use is taken from RAM when it is needed ("gtt"). Which of the two HIP calls
the device's total depends on kernel and BIOS.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .torch_memory import TorchDevice

_SYSFS = Path("/sys/class/drm")
_SAME_MEMORY = 0.1


@dataclass(frozen=True)
class AmdMemory:
    """Bytes of one card; ``bus`` is its PCI address."""

    bus: str
    vram_total: int
    vram_used: int
    gtt_total: int
    gtt_used: int


def amd_memory(folder: Path | None = None) -> tuple[AmdMemory, ...]:
    """Every card of the driver; none on other systems."""
    found: dict[str, AmdMemory] = {}
    with suppress(OSError):
        for path in sorted((folder or _SYSFS).glob("card*/device/mem_info_vram_total")):
            with suppress(OSError, ValueError):
                device = path.parent.resolve()
                sizes = [
                    int((device / f"mem_info_{kind}_{what}").read_text(encoding="ascii"))
                    for kind in ("vram", "gtt")
                    for what in ("total", "used")
                ]
                if min(sizes) >= 0:
                    found.setdefault(device.name, AmdMemory(device.name, *sizes))
    return tuple(found.values())


def memory_of(seen: TorchDevice, cards: Sequence[AmdMemory]) -> AmdMemory | None:
    """The card that is torch's ``seen``: by PCI address, else the only one of that size. None for a part of a
    card (MI300 in CPX mode), whose figures sysfs does not have.
    """
    if seen.kind != "rocm":
        return None
    if not seen.unified:
        cards = [card for card in cards if _near(card.vram_total, seen.total_bytes)]
    if seen.bus is not None:
        return next((card for card in cards if card.bus == seen.bus), None)
    alike = [card for card in cards if _near(card.vram_total, seen.total_bytes)]
    if not alike and seen.unified:
        alike = list(cards)
    return alike[0] if len(alike) == 1 else None


def free_and_unified(total: int | None, card: AmdMemory, ram_available: int) -> tuple[int, bool]:
    """(bytes that are free, whether they are RAM) of a device that HIP says has ``total``: the card's own
    memory, the RAM that it may use, or both. Of RAM no more than is available.
    """
    own = max(0, card.vram_total - card.vram_used)
    borrowed = max(0, min(card.gtt_total - card.gtt_used, ram_available))
    if _near(card.vram_total, total):
        return own, False
    if _near(card.vram_total + card.gtt_total, total):
        return min(own + borrowed, total or own), card.vram_total < card.gtt_total
    return (borrowed if total is None else min(borrowed, total)), True


def _near(size: int, other: int | None) -> bool:
    return other is not None and abs(size - other) <= _SAME_MEMORY * size
