"""How much memory a device has and how much of it is free: the driver's figure where memory is its own, the
system's where it is RAM, a person's where config.yaml has one.

Of a GPU without memory of its own the driver's "free" is not what a model can be given. CUDA's is the
kernel's MemFree, which counts the page cache as used: 3 of 115 GiB after a download, on a DGX Spark (measured
in unslothai/unsloth#10705). HIP's is a limit that other programs' RAM does not lower
(ROCm/legacy-rocm-build#6004). SYCL has none (pytorch/pytorch#194487). The kernel's MemAvailable is what all
of them could have, for caches make way.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..settings import MemoryByHand
from ..units import GIB
from .amd_memory import AmdMemory, free_and_unified, memory_of
from .nvml import NvmlDevice
from .report import HostDevice
from .torch_memory import TorchDevice

# HIP's total of a GPU that is more than all of RAM: the BIOS has set memory aside for it.
_MORE_THAN_RAM = 1.1


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes; None where nobody says. ``unified``: it is RAM."""

    total_bytes: int | None
    free_bytes: int | None
    unified: bool


def device_memory(
    seen: TorchDevice | None,
    card: NvmlDevice | None,
    knows: HostDevice | None,
    ram: Any,
    amd: Sequence[AmdMemory] = (),
    *,
    unified: bool = False,
    by_hand: MemoryByHand | None = None,
) -> DeviceMemory:
    """What torch (``seen``), the driver (``card``), ComfyUI (``knows``) and the system (``ram``, as psutil
    has it) say together. ``unified`` where the catalog knows the device so.
    """
    total = (seen.total_bytes if seen else None) or (card.total_bytes if card else None)
    reserved = (seen.reserved_bytes if seen else None) or 0
    free = _told(seen, card, knows)
    unified = unified or bool(seen and seen.unified)
    named = None if by_hand is None or by_hand.total_gib is None else int(by_hand.total_gib * GIB)
    if seen is not None and (sysfs := memory_of(seen, amd)) is not None:
        free, unified = free_and_unified(total, sysfs, int(ram.available))
        total = (total or sysfs.vram_total) if named is None else total
        if unified and named is None:
            return DeviceMemory(total, free, True)
    elif unified and seen is not None and seen.kind == "rocm":
        unified = total is None or total <= _MORE_THAN_RAM * int(ram.total)
    if unified and not ram.total:
        return DeviceMemory(named or total, free, True)
    if unified:
        total = named or total or int(ram.total)
        limit = total - reserved
        if free is not None and named is None and sys.platform == "win32":  # a budget, not MemFree
            limit = min(limit, free)
        return DeviceMemory(total, max(0, min(int(ram.available), limit)), True)
    if named is not None:  # what is used stays used
        free = None if free is None else max(0, min(named, free + named - (total or named)))
        total = named
    return DeviceMemory(total, free, False)


def _told(seen: TorchDevice | None, card: NvmlDevice | None, knows: HostDevice | None) -> int | None:
    """What the driver calls free. ComfyUI's figure has in it what torch keeps unused, which is counted
    apart.
    """
    for source in (card, seen):
        if source is not None and source.free_bytes is not None:
            return source.free_bytes
    if knows is None or knows.free_bytes is None:
        return None
    unused = 0 if seen is None else max(0, (seen.reserved_bytes or 0) - (seen.allocated_bytes or 0))
    return max(0, knows.free_bytes - unused)
