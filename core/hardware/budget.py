"""The memory that a plan is for: of a card of the catalog, of a bare size, or of several cards together."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalog.gpus import GIB, GPU
from ..errors import VramwiseError
from .report import MachineReport
from .torch_memory import driver_free

MIB = 1024**2
# ComfyUI keeps this from every plan of its own (model_management.EXTRA_RESERVED_VRAM; 600 to 700 on Windows).
COMFY_RESERVE_BYTES = 400 * MIB
DESKTOP_BYTES = 400 * MIB
# What Metal lets a process use of an Apple machine's memory by default; the rest is the system's.
_UNIFIED_SHARE = 0.75
# A bare memory size is taken for a current NVIDIA card's.
_CURRENT_CAPABILITY = (8, 9)
# The name of several devices together, as accelerate's ``device_map="auto"`` calls them.
SHARDED = "auto"
# accelerate leaves a tenth of each card to what runs beside the weights (get_balanced_memory and the
# quantisers' adjust_max_memory).
_SHARDED_SHARE = 0.9


@dataclass(frozen=True)
class Budget:
    """Memory of one device now.

    ``kind`` is "cuda", "rocm", "xpu", "mps" or "cpu" (then the bytes are RAM that is available);
    ``reclaimable_bytes`` is what ComfyUI could evict; ``capability`` the CUDA compute capability; ``name``
    the card's; ``note`` a sentence on how the bytes were counted.
    """

    device: str
    kind: str
    free_bytes: int
    reclaimable_bytes: int = 0
    capability: tuple[int, int] | None = None
    name: str = ""
    note: str = ""

    @property
    def budget_bytes(self) -> int:
        return self.free_bytes + self.reclaimable_bytes


def desktop_bytes(report: MachineReport) -> int:
    """What to leave to the screen that the chosen card feeds: 400 MiB, 0 where there is none.

    So much a desktop takes of an empty card: an RTX 3060 with one has 11.6 of its 12 GiB (community figure,
    read 2026-11-21). Of a card in use it is room to grow, which matters on Windows, where an over-full card
    spills into RAM without a word; a card there that does not say is taken to have a screen.
    """
    device = report.device
    if device.kind in ("cpu", "mps") or device.unified:
        return 0
    shown = report.windows if device.display is None else device.display
    return DESKTOP_BYTES if shown else 0


def free_bytes(report: MachineReport) -> int:
    """What a model can be given of the chosen device now: free by its driver, and what torch keeps unused.

    Windows spills an over-full card into RAM without an error, ten times slower, so there the desktop keeps
    its share. Where a report could not tell without touching the device (AMD, Intel, no NVML) torch is asked,
    and 0 is where it cannot say either.
    """
    device = report.device
    free = device.free_bytes if device.free_bytes is not None else driver_free(device.id, device.kind)
    kept = (device.reserved_bytes or 0) - (device.allocated_bytes or 0)
    desktop = desktop_bytes(report) if report.windows else 0
    return max(0, (free or 0) + kept - desktop)


def budget_of_gpu(gpu: GPU) -> Budget:
    """An empty ``gpu``: its memory without what ComfyUI keeps (400 MiB) and a desktop on the first card
    (400 MiB; none on a data-centre card). Of unified memory three quarters: Metal's own default.

    Raises VramwiseError where the catalog has no memory size.
    """
    if gpu.vram_bytes is None:
        raise VramwiseError(
            f"The catalog has no memory size of {gpu.name}. Name one with it, as in `{gpu.name} 16 GB`."
        )
    size = f"{gpu.vram_gib:g} GB"
    if gpu.unified:
        free, note = (
            int(gpu.vram_bytes * _UNIFIED_SHARE),
            f"three quarters of {size}, which the system shares",
        )
    else:
        desktop = 0 if "datacentre" in gpu.series else DESKTOP_BYTES
        free = gpu.vram_bytes - COMFY_RESERVE_BYTES - desktop
        beside = " and 0.4 GiB for a desktop" if desktop else ""
        note = f"{size}, less 0.4 GiB that ComfyUI keeps{beside}"
    name = gpu.device_name or gpu.name
    return Budget(gpu.label, gpu.kind, max(0, free), 0, gpu.capability, name, note)


def budget_of_memory(gib: float) -> Budget:
    """An empty current NVIDIA card of ``gib``, with a desktop on it. Raises VramwiseError for no size."""
    if not 0 < gib <= 4096:
        raise VramwiseError(f"{gib:g} GiB is no memory size. Give the card's, such as 16.")
    free = max(0, int(gib * GIB) - COMFY_RESERVE_BYTES - DESKTOP_BYTES)
    note = f"{gib:g} GB, less 0.4 GiB that ComfyUI keeps and 0.4 GiB for a desktop"
    return Budget(f"{gib:g} GB", "cuda", free, 0, _CURRENT_CAPABILITY, "", note)


def sharded_budgets(report: MachineReport) -> tuple[Budget, Budget] | None:
    """(all cards together, the cards and RAM), for ``device_map="auto"`` of a script; None without a card.

    accelerate places a model over every card, and RAM for the rest. A model that is placed so is never moved
    or evicted, so nothing counts as reclaimable. What is in RAM is copied to a card layer by layer at every
    token: it runs, slowly, and the note says so.
    """
    cards = [
        device
        for device in report.devices
        if device.kind not in ("cpu", "mps") and device.free_bytes and device.runnable.usable
    ]
    if not cards:
        return None
    kinds = {card.kind for card in cards}
    least = min((card.capability for card in cards if card.capability), default=None)
    held = sum(int((card.free_bytes or 0) * _SHARDED_SHARE) for card in cards)
    parts = ", ".join(f"{card.id} {(card.free_bytes or 0) / GIB:.1f}" for card in cards)
    placed = "placed by accelerate and never moved"
    kind = cards[0].kind if len(kinds) == 1 else "cuda"
    name = " + ".join(card.name for card in cards)
    alone = Budget(SHARDED, kind, held, 0, least, name, f"nine tenths of {parts} GiB, {placed}")
    ram = report.ram_available_bytes
    note = (
        f"nine tenths of {parts} GiB and RAM {ram / GIB:.1f} GiB, {placed}; "
        "layers in RAM are copied to a card for every token, which is slow"
    )
    return alone, Budget(SHARDED, kind, held + int(ram * _SHARDED_SHARE), 0, least, name, note)
