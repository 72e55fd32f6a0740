"""The place that advice is for: a card of the catalog, a bare memory size, or this machine now."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..catalog.gpus import GPU, card_count, find_gpus, gpu_of_device, parse_memory
from ..catalog.words import said
from ..errors import VramwiseError
from ..hardware.budget import (
    Budget,
    budget_of_gpu,
    budget_of_machine,
    budget_of_memory,
    idle_bytes_of_memory,
    is_size,
    running_system,
)
from ..host import current_places
from ..planning.sampling_peaks import SamplingPeak, sampling_peaks
from ..units import GIB, figure
from .diffusion_memory import usable_bytes

if TYPE_CHECKING:
    from ..hardware import MachineReport
    from ..hardware.capabilities import Capability

MOST_RAM_GIB = 65_536  # that a machine may be said to have
# What the seeds part cards by; sizes are compared with cards.TOLERANCE of room.
TIERS = (4, 6, 8, 12, 16, 24, 32)


@dataclass(frozen=True)
class Target:
    """Memory that can be used, and what surrounds it.

    ``vram_gib`` is what the box says, None where nobody knows; ``gpu`` the catalog's card where it is known;
    ``budget`` is for our own models, ``comfy_bytes`` what ComfyUI finds for image and video models.
    ``ram_bytes`` None means that RAM was not asked about; ``live`` that both are what is free now.
    ``system`` is "linux" or "windows". ``available`` is what the Python of this machine can run, as
    ``make_plan`` takes it; empty where everything is supposed to be installed. ``idle_bytes`` is what torch
    finds on an empty card; ``count`` how many cards were named.
    """

    label: str
    budget: Budget
    comfy_bytes: int
    vram_gib: float | None = None
    gpu: GPU | None = None
    ram_bytes: int | None = None
    live: bool = False
    system: str = "linux"
    available: Mapping[str, Capability] = field(default_factory=dict)
    idle_bytes: int = 0
    count: int = 1

    @functools.cached_property
    def needing(self) -> GPU | None:
        """The card as far as what a model needs hangs on it. Its memory counts on Windows alone, where more
        is kept free on a large card: elsewhere what was computed for one size is true of all."""
        if self.gpu is None or self.system == "windows":
            return self.gpu
        return replace(self.gpu, vram_gib=None)

    @functools.cached_property
    def sampling_peaks(self) -> Mapping[tuple[str, int], SamplingPeak]:
        """What ComfyUI's samplings took here; nothing where another place than this machine is meant."""
        if not self.live or self.budget.kind == "cpu":
            return {}
        from ..planning.run_history import remembered_as

        label = remembered_as(self.budget.name, self.budget.device)
        return sampling_peaks(current_places().user_dir, label)

    def less(self, taken_bytes: int) -> Target:
        """The same place with ``taken_bytes`` of its GPU memory given away."""
        left = max(0, self.budget.free_bytes - taken_bytes)
        budget = replace(self.budget, free_bytes=left)
        return replace(self, budget=budget, comfy_bytes=max(0, self.comfy_bytes - taken_bytes))


def target_of_gpu(gpu: GPU, ram_gib: float | None = None, system: str = "linux") -> Target:
    """An empty card; one of a processor has the machine's RAM. Raises VramwiseError where the catalog has no
    memory size of it and none is named."""
    if gpu.unified and gpu.vram_gib is None and _ram(ram_gib):
        gpu = replace(gpu, vram_gib=ram_gib)
    budget, usable = budget_of_gpu(gpu, system), usable_bytes(gpu, system)
    return Target(
        gpu.label, budget, usable, gpu.vram_gib, gpu, _ram(ram_gib), system=system, idle_bytes=usable
    )


def target_of_memory(vram_gib: float, ram_gib: float | None = None, system: str = "linux") -> Target:
    """An empty card of a size, of whatever make."""
    budget = budget_of_memory(vram_gib, system)
    usable = idle_bytes_of_memory(vram_gib, system)
    return Target(
        f"{vram_gib:g} GB", budget, usable, vram_gib, None, _ram(ram_gib), system=system, idle_bytes=usable
    )


def targets_of_text(text: str, ram_gib: float | None = None, system: str | None = None) -> tuple[Target, ...]:
    """What a person writes: "16 GB", or a card; one that is sold with two sizes gives two places.

    Raises UnknownName with the nearest names.
    """
    system, memory = system or running_system(), parse_memory(text)
    if memory is not None:
        return (target_of_memory(memory, ram_gib, system),)
    count = card_count(text)
    return tuple(replace(target_of_gpu(gpu, ram_gib, system), count=count) for gpu in find_gpus(text))


def targets_of(
    gpu: str | None,
    vram_gib: float | None = None,
    ram_gib: float | None = None,
    machine: MachineReport | None = None,
    system: str | None = None,
) -> tuple[Target, ...]:
    """An empty card by name, one place for each of its memory sizes, or of a size; ``machine`` (or this one,
    looked at now) where neither is given. A card that ``machine`` has gets its RAM where none is named.
    """
    if gpu is not None:
        found = targets_of_text(gpu, ram_gib, system)
        return found if machine is None else tuple(_with_own_ram(target, machine) for target in found)
    if vram_gib is not None:
        return (target_of_memory(vram_gib, ram_gib, system or running_system()),)
    if machine is None:
        from ..models.place import machine_now

        machine = machine_now()
    return (target_of_machine(machine, ram_gib),)


def _with_own_ram(target: Target, machine: MachineReport) -> Target:
    cards = [device for device in machine.devices if device.kind != "cpu"]
    own = {gpu_of_device(device.name, device.total_bytes) for device in cards}
    if target.ram_bytes is not None or target.gpu not in own - {None}:
        return target
    return replace(target, ram_bytes=machine.ram_total_bytes)


def target_of_machine(report: MachineReport, ram_gib: float | None = None) -> Target:
    """This machine now: what is free on the chosen device and what ComfyUI itself could give back.

    Raises VramwiseError where the device does not tell its memory.
    """
    device, budget = report.device, budget_of_machine(report, ask=True)
    if budget is None:
        raise VramwiseError(f"{device.name} does not tell its memory. Name it, for example --vram-gib 16.")
    gpu = None if device.kind == "cpu" else gpu_of_device(device.name, device.total_bytes)
    ram = _ram(ram_gib) if ram_gib else report.ram_total_bytes
    box = gpu.vram_gib if gpu is not None else None
    if not box and device.kind != "cpu":  # RAM is no tier of cards
        box = device.total_bytes / GIB if device.total_bytes else None
    system = "windows" if report.windows else "linux"
    # without torch nothing can be loaded: then the question is what the card could hold
    available = report.options if report.torch else {}
    return Target(device.name, budget, budget.budget_bytes, box, gpu, ram, True, system, available)


def target_of_budget(budget: Budget, ram_gib: float | None = None) -> Target:
    """A place that a script describes by its memory alone."""
    return Target(budget.name or budget.device, budget, budget.budget_bytes, ram_bytes=_ram(ram_gib))


def resized(target: Target, vram_gib: float) -> Target:
    """The same place with an empty card of another size: what more memory would bring."""
    ram_gib = target.ram_bytes / GIB if target.ram_bytes else None
    if target.gpu is not None:
        larger = target_of_gpu(
            replace(target.gpu, vram_gib=vram_gib, torch_total_gib=None), ram_gib, target.system
        )
    else:
        larger = target_of_memory(vram_gib, ram_gib, target.system)
    return replace(larger, available=target.available)


def _ram(ram_gib: float | None) -> int | None:
    """Bytes; None where nothing was named. Raises VramwiseError for what is no size."""
    if ram_gib is None or ram_gib == 0:
        return None
    if not is_size(ram_gib, MOST_RAM_GIB):
        raise VramwiseError(said("error_ram_size", given=f"{ram_gib!r:.60}", most=figure(MOST_RAM_GIB)))
    return int(ram_gib * GIB)
