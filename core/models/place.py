"""Where is a model to run: this machine at this moment, an empty card, or a bare size of memory?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..catalog.gpus import find_gpus, parse_memory
from ..errors import VramwiseError
from ..hardware.budget import (
    Budget,
    budget_of_gpu,
    budget_of_machine,
    budget_of_memory,
    running_system,
)
from ..host import host_memory

if TYPE_CHECKING:
    from ..hardware import HostMemory, MachineReport


def machine_now(device: str = "auto", torch: str = "auto") -> MachineReport:
    """This machine at this moment, with what the host's models, or those of a script, hold and would give
    back. ``device`` and ``torch`` as ``probe`` takes them.
    """
    from ..hardware import probe

    return probe(device, torch=torch, host=host_memory() or _scripts_models())


def _scripts_models() -> HostMemory:
    from ..hardware import HostDevice, HostMemory
    from ..ocr.vlm.model_owner import evictable_bytes, living_owners

    held: dict[str, int] = {}
    for owner in living_owners():
        device = owner.spec.device
        held[device] = held.get(device, 0) + evictable_bytes(owner, device)
    return HostMemory(devices={device: HostDevice(None, size, 0) for device, size in held.items()})


def budget_here(device: str = "auto", torch: str = "import") -> Budget:
    """The memory of ``device`` ("auto": the best one here) now, for whoever is about to put a model there.

    ``torch`` is imported, for it numbers the cards in an order of its own, unless "auto". Raises
    VramwiseError where the device does not tell its memory.
    """
    report = machine_now(device, torch)
    budget = budget_of_machine(report, ask=True)
    if budget is None:
        raise VramwiseError(
            f"{report.device.name} does not tell its memory. Name it, for example --vram-gib 16."
        )
    if budget.reclaimable_bytes and host_memory() is None:
        note = "models of this script, which are let go when the room is needed and come back"
        return replace(budget, note="; ".join(filter(None, (note, budget.note))))
    return budget


def budget_of_place(gpu: str | None, vram_gib: float | None) -> Budget | None:
    """An empty card by name ("RTX 3060", "16 GB") or size; None where neither is given.

    Raises UnknownName with the nearest; VramwiseError for a card that is sold with several sizes.
    """
    if gpu is None:
        return None if vram_gib is None else budget_of_memory(vram_gib, running_system())
    size = parse_memory(gpu)
    if size is not None:
        return budget_of_memory(size, running_system())
    found = find_gpus(gpu)
    if vram_gib is not None:
        found = tuple(card for card in found if card.vram_gib == vram_gib) or found
    if len(found) > 1:
        sizes = " or ".join(f'"{card.label}"' for card in found)
        raise VramwiseError(f'"{gpu}" is more than one card. Name one: {sizes}.')
    return budget_of_gpu(found[0], running_system())
