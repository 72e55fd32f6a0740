"""The memory that a plan is for: of this machine now, a card of the catalog, a bare size, or several cards.

Every figure of free memory that a person or a plan is given comes from here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from ..catalog.gpus import GPU
from ..catalog.words import in_language, joined, said
from ..errors import VramwiseError
from ..units import GIB, MIB, figure, gib, gib_text

if TYPE_CHECKING:
    from .report import DeviceReport, MachineReport

# ComfyUI keeps this from every plan of its own (model_management.EXTRA_RESERVED_VRAM; 600 to 700 on Windows).
COMFY_RESERVE_BYTES = 400 * MIB
DESKTOP_BYTES = 400 * MIB
# What Metal lets a process use of an Apple machine's memory by default; the rest is the system's.
UNIFIED_SHARE = 0.75
# No card's memory is larger, in GiB.
MOST_VRAM_GIB = 4096.0
# A bare memory size is taken for a current NVIDIA card's.
_CURRENT_CAPABILITY = (8, 9)
# The note of a budget whose free bytes nobody has told.
SUPPOSED = said("plan_note_supposed")
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
    the card's; ``note`` a sentence on how the bytes were counted; ``set_by_hand`` what config.yaml says of
    the memory.
    """

    device: str
    kind: str
    free_bytes: int
    reclaimable_bytes: int = 0
    capability: tuple[int, int] | None = None
    name: str = ""
    note: str = ""
    set_by_hand: str = ""

    @property
    def budget_bytes(self) -> int:
        return self.free_bytes + self.reclaimable_bytes

    def to_dict(self) -> dict[str, Any]:
        """Its bytes under stable names, as JSON values."""
        names = ("device", "free_bytes", "reclaimable_bytes", "budget_bytes", "note", "set_by_hand")
        return {name: getattr(self, name) for name in names}

    def text(self, lang: str = "en") -> str:
        """One line for a report."""
        parts: list[str] = [said("probe_free", size=gib_text(self.free_bytes))]
        if self.reclaimable_bytes:
            parts.append(said("probe_evictable", size=gib_text(self.reclaimable_bytes)))
        if self.note:
            parts.append(self.note)
        return in_language(said("probe_room", device=self.device, parts=joined(parts, "probe_list")), lang)


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
    """What a model can be given of the chosen device now without evicting another; 0 where nobody can say.

    Asks torch where the report could not tell without touching the device (see ``driver_free``): for whoever
    is about to put a model there.
    """
    return _told_free(report.device, report, ask=True) or 0


def budget_of_machine(report: MachineReport, *, ask: bool = False) -> Budget | None:
    """What a model can be given of the chosen device now: the one figure of probe, check-gpu, plan, advise,
    the loader and the panel. None where the device does not even tell its size.

    Free is what the driver calls free and what torch keeps unused (our models are loaded by the same torch,
    which hands it out first). On Windows without the desktop's share (``desktop_bytes``): elsewhere a full
    card is an error that can be answered, there it goes on in RAM, ten times slower. Of memory that the
    system shares (Apple, NVIDIA's small boards) no more than the RAM that is available. ComfyUI's own reserve
    (``COMFY_RESERVE_BYTES``) is not taken off: it is room to work in, and a plan that needs it is "tight".

    Reclaimable is what this pack's models and ComfyUI's other ones hold there, where a host or a script says
    that it can evict (``host_bytes`` is None where nobody does).

    Where nobody says what is free, an idle device is supposed, and the note says so. ``ask`` lets torch be
    asked first, which makes the context that a model would: for whoever is about to put one there.
    """
    device = report.device
    name = device.name if device.kind != "cpu" else ""
    free = _told_free(device, report, ask)
    if free is not None:
        held = 0 if device.host_bytes is None else (device.own_bytes or 0) + device.host_bytes
        return Budget(
            device.id, device.kind, free, held, device.capability, name, _by_hand(device), device.set_by_hand
        )
    if device.total_bytes is None:
        return None
    idle = max(0, device.total_bytes - desktop_bytes(report) - device.kept_back_bytes)
    notes = [SUPPOSED, *([_by_hand(device)] if device.set_by_hand else [])]
    return Budget(
        device.id,
        device.kind,
        idle,
        0,
        device.capability,
        name,
        joined(notes, "plan_also"),
        device.set_by_hand,
    )


def _by_hand(device: DeviceReport) -> str:
    return said("plan_note_by_hand", value=device.set_by_hand) if device.set_by_hand else ""


def _told_free(device: DeviceReport, report: MachineReport, ask: bool) -> int | None:
    free = device.free_bytes
    if free is None and ask and device.runnable.usable:
        from .torch_memory import driver_free

        free = driver_free(device.id, device.kind)
    if free is None:
        return None
    if device.unified and device.kind != "cpu" and report.ram_total_bytes:
        free = min(free, report.ram_available_bytes)
    if device.set_by_hand and device.total_bytes is not None:
        free = min(free, device.total_bytes)
    unused = max(0, (device.reserved_bytes or 0) - (device.allocated_bytes or 0))
    desktop = desktop_bytes(report) if report.windows and device is report.device else 0
    return max(0, free + unused - desktop - device.kept_back_bytes)


# What a driver keeps of the memory on the box: 7.60 to 7.66 of 8 GiB, 11.63 of 12, 15.47 to 15.67 of 16,
# 31.36 of 32, 94.97 of 96 are left by torch's own messages (docs/sources.md#memory-on-the-box). ECC on GDDR
# takes a sixteenth before: a T4 has 14.56 of 16, an L40 44.4 of 48. AMD's drivers keep next to nothing
# (23.98 of 24), Intel's 5.5 % (15.11 of 16, 30.3 of 32).
_DRIVER_BYTES, _DRIVER_SHARE, _ECC_SHARE, _INTEL_SHARE = int(0.3 * GIB), 0.01, 1 / 16, 0.055
_AMD_BYTES = GIB // 50
_ECC_MEMORY = ("GDDR5", "GDDR5X", "GDDR6")
# Windows' display model keeps 0.85 GiB and 3 % from one program beside an idle desktop: 6.9 of 8 GiB are
# left (RTX 4060), 22.5 of 24 (RTX 4090), 30.2 of 32 (RTX 5090) in ComfyUI's error reports.
_WINDOWS_BYTES, _WINDOWS_SHARE = int(0.85 * GIB), 0.03
SYSTEMS = ("linux", "windows")


def running_system() -> str:
    """Of SYSTEMS: what an empty card is planned for where nobody says."""
    return "windows" if sys.platform == "win32" else "linux"


def torch_total_bytes(gpu: GPU) -> int:
    """What torch shows of an empty ``gpu``: as published, else by the rule above. 0 without a size."""
    if gpu.torch_total_gib is not None:
        return int(gpu.torch_total_gib * GIB)
    vendor = "AMD" if gpu.vendor == "Intel" and "HBM" in gpu.memory_type else gpu.vendor
    return _by_rule(
        gpu.vram_bytes or 0, vendor, "datacentre" in gpu.series and gpu.memory_type in _ECC_MEMORY
    )


def _by_rule(box_bytes: int, vendor: str = "NVIDIA", ecc: bool = False) -> int:
    if vendor == "AMD":
        return max(0, box_bytes - _AMD_BYTES)
    if vendor == "Intel":
        return int(box_bytes * (1 - _INTEL_SHARE))
    left = box_bytes * (1 - _ECC_SHARE) if ecc else box_bytes
    return max(0, int(left * (1 - _DRIVER_SHARE)) - _DRIVER_BYTES)


def idle_bytes(gpu: GPU, system: str = "linux") -> int:
    """What is free for ComfyUI on a card of its own memory that does nothing else, under ``system``. On
    Windows beside the desktop, but for data-centre cards, which have none."""
    total = torch_total_bytes(gpu)
    if system != "windows" or "datacentre" in gpu.series:
        return total
    return min(total, _beside_windows(gpu.vram_bytes or 0))


def idle_bytes_of_memory(vram_gib: float, system: str = "linux") -> int:
    """As ``idle_bytes``, of a GeForce card of ``vram_gib`` that has no name."""
    box = int(vram_gib * GIB)
    return min(_by_rule(box), _beside_windows(box)) if system == "windows" else _by_rule(box)


def _beside_windows(box_bytes: int) -> int:
    return max(0, int(box_bytes * (1 - _WINDOWS_SHARE)) - _WINDOWS_BYTES)


def budget_of_gpu(gpu: GPU, system: str = "linux") -> Budget:
    """An empty ``gpu``: what is free on it without what ComfyUI keeps (400 MiB). Of unified memory three
    quarters: Metal's own default.

    Raises VramwiseError where the catalog has no memory size.
    """
    size_bytes = gpu.sized_bytes
    size = f"{gpu.vram_gib:g} GB"
    if gpu.unified:
        free = int(size_bytes * UNIFIED_SHARE)
        note: str = said("plan_note_unified", size=size)
    else:
        idle = idle_bytes(gpu, system)
        free = idle - COMFY_RESERVE_BYTES
        note = _idle_note(size, idle, system)
    name = gpu.device_name or gpu.name
    return Budget(gpu.label, gpu.kind, max(0, free), 0, gpu.capability, name, note)


def is_size(gib: object, most: float) -> bool:
    """Whether ``gib`` is a number of GiB: a script may give a text, or true."""
    return isinstance(gib, Real) and not isinstance(gib, bool) and 0 < float(gib) <= most


def budget_of_memory(vram_gib: float, system: str = "linux") -> Budget:
    """An empty current NVIDIA card of ``vram_gib``. Raises VramwiseError for no size."""
    if not is_size(vram_gib, MOST_VRAM_GIB):
        size = figure(vram_gib) if isinstance(vram_gib, Real) else f"{vram_gib!r:.60}"
        raise VramwiseError(
            f"{size} GiB is no memory size. Give the card's in GiB, above 0 and at most "
            f"{MOST_VRAM_GIB:g}, such as 16.",
            key="error_memory_size",
            size=size,
            most=figure(MOST_VRAM_GIB),
        )
    idle = idle_bytes_of_memory(vram_gib, system)
    size = f"{vram_gib:g} GB"
    free = max(0, idle - COMFY_RESERVE_BYTES)
    return Budget(size, "cuda", free, 0, _CURRENT_CAPABILITY, "", _idle_note(size, idle, system))


def _idle_note(size: str, idle: int, system: str) -> str:
    key = "plan_note_idle_windows" if system == "windows" else "plan_note_idle"
    return said(key, size=size, idle=gib(idle, 2))


def sharded_budgets(report: MachineReport, ask: bool = False) -> tuple[Budget, Budget] | None:
    """(all cards together, the cards and RAM), for ``device_map="auto"`` of a script; None without a card.
    ``ask`` the driver of each card that has not told its free memory: for whoever is about to put a model
    there.

    accelerate places a model over every card, and RAM for the rest. A model that is placed so is never moved
    or evicted, so nothing counts as reclaimable. What is in RAM is copied to a card layer by layer at every
    token: it runs, slowly, and the note says so.
    """
    room = {
        device.id: _told_free(device, report, ask) or 0
        for device in report.devices
        if device.kind != "mps" and (ask or device.free_bytes) and device.runnable.usable
    }
    cards = [device for device in report.devices if device.kind != "cpu" and room.get(device.id)]
    if not cards:
        return None
    kinds = {card.kind for card in cards}
    least = min((card.capability for card in cards if card.capability), default=None)
    held = sum(int(room[card.id] * _SHARDED_SHARE) for card in cards)
    parts = ", ".join(f"{card.id} {gib(room[card.id])}" for card in cards)
    placed = "placed by accelerate and never moved"
    kind = cards[0].kind if len(kinds) == 1 else "cuda"
    name = " + ".join(card.name for card in cards)
    alone = Budget(SHARDED, kind, held, 0, least, name, f"nine tenths of {parts} GiB, {placed}")
    if any(card.unified for card in cards):  # their memory is RAM, which is there once
        return alone, alone
    ram = room.get("cpu", report.ram_available_bytes)
    note = (
        f"nine tenths of {parts} GiB and RAM {gib_text(ram)}, {placed}; "
        "layers in RAM are copied to a card for every token, which is slow"
    )
    return alone, Budget(SHARDED, kind, held + int(ram * _SHARDED_SHARE), 0, least, name, note)
