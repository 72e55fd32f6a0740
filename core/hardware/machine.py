"""Gather what this machine has: devices and their memory. Gathering only; planning judges.

Nothing is allocated on a GPU by asking. NVIDIA cards are read from their driver through pynvml, which needs
no torch; AMD, Intel and Apple from torch; RAM from psutil; bandwidth and tensor cores from the catalog.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..catalog.gpus import gpu_of_device
from . import compute_support, nvml, windows_memory
from .capabilities import Capability, model_options
from .devices import accelerators
from .processor import processor_has_bf16, processor_name
from .report import DeviceReport, HostDevice, HostMemory, MachineReport, Remark
from .torch_build import TorchBuild, live_torch, torch_build
from .torch_memory import TorchDevice, torch_device

__all__ = ["DeviceReport", "HostDevice", "HostMemory", "MachineReport", "probe"]

_VENDORS = {"cuda": "NVIDIA", "rocm": "AMD", "xpu": "Intel", "mps": "Apple"}
# A MIG slice has the UUID of its card; its memory then differs from the card's by more than this.
_SAME_MEMORY = 0.1


def probe(device: str = "auto", *, torch: Any = "auto", host: HostMemory | None = None) -> MachineReport:
    """Look at the machine.

    ``device``: "auto" (the device the host prefers, else the first accelerator that can be used, else the
    CPU) or an id such as "cuda:0" or "cpu". An id that is not here falls back to auto with a note, so that a
    workflow from another machine still runs.
    ``torch``: "auto" asks it where it is imported already or where only it can answer (AMD, Intel, Apple),
    "import" wherever it is installed, None never; or the module itself. ``host`` is what ComfyUI says.
    """
    import psutil

    driver = nvml.read_nvml()
    live = live_torch(torch, driver, torch_build())
    build = torch_build(live)
    ram = psutil.virtual_memory()
    remarks: list[Remark] = []
    found = [
        _finished(pair, driver, host or HostMemory(), ram) for pair in _devices(live, driver, build, remarks)
    ]
    found += _known_to_the_host(found, host)
    found.append(_processor(ram, host))
    found = _with_spill(found)
    chosen = _chosen(found, device, host.preferred if host else None, live is not None, remarks)
    return MachineReport(
        devices=tuple(found),
        chosen=chosen,
        system=_system(),
        python=platform.python_version(),
        torch=build.version if build is not None else None,
        cpu_count=psutil.cpu_count() or 1,
        ram_total_bytes=int(ram.total),
        ram_available_bytes=int(ram.available),
        remarks=tuple(remarks),
        torch_cuda=build.cuda if build is not None else None,
        torch_asked=live is not None,
        driver_cuda=driver.cuda,
        driver_error=driver.error,
        options=model_options(),
    )


Pair = tuple[TorchDevice | None, nvml.NvmlDevice | None, str, Capability]


def _devices(
    live: Any, driver: nvml.NvmlReport, build: TorchBuild | None, remarks: list[Remark]
) -> Iterator[Pair]:
    """Every accelerator as torch and the driver see it, with its id and whether torch can use it."""
    seen = [torch_device(live, device_id, kind) for device_id, kind in accelerators(live)]
    matched = [_card_of(device, driver.devices, len(seen)) for device in seen]
    for device, card in zip(seen, matched, strict=True):
        yield device, _whole(device, card, remarks), device.id, Capability(True, "")
    if any(device.kind == "cuda" for device in seen):
        hidden = [card.name or "NVIDIA GPU" for card in driver.devices if card not in matched]
        if hidden:
            remarks.append(Remark("hidden", {"cards": ", ".join(hidden)}))
        return
    visible = _visible(driver.devices)
    counted = len(visible) > 1 or (len(driver.devices) > 1 and _shown_by_number())
    if visible and counted and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        remarks.append(Remark("order", {}))
    for index, card in enumerate(visible):
        yield None, card, f"cuda:{index}", _runnable(live, build, driver)


def _runnable(live: Any, build: TorchBuild | None, driver: nvml.NvmlReport) -> Capability:
    """Whether torch could use a card that only the driver has shown."""
    if build is None:
        return Capability(True, "torch is not installed: advice only")
    if build.cuda is None:
        return Capability(False, f"torch {build.version} is built without CUDA")
    if driver.cuda and _major(build.cuda) > _major(driver.cuda):
        return Capability(False, f"torch {build.version} needs a driver for CUDA {_major(build.cuda)}")
    if live is not None:
        return Capability(False, f"torch {build.version} finds no CUDA device in this process")
    return Capability(True, "")


def _major(version: str) -> int:
    return int(version.split(".")[0])


def _card_of(seen: TorchDevice, cards: tuple[nvml.NvmlDevice, ...], devices: int) -> nvml.NvmlDevice | None:
    """The driver's card with torch's UUID; for a torch that has none, the only card of that name."""
    if seen.kind != "cuda":
        return None
    if seen.uuid is not None:
        return next((card for card in cards if card.uuid and _plain(card.uuid) == _plain(seen.uuid)), None)
    named = [card for card in cards if card.name == seen.name]
    return named[0] if len(named) == 1 else None


def _plain(uuid: str) -> str:
    return uuid.lower().removeprefix("gpu-")


def _whole(seen: TorchDevice, card: nvml.NvmlDevice | None, remarks: list[Remark]) -> nvml.NvmlDevice | None:
    """``card`` without its memory where torch has only a slice of it."""
    if card is None or not card.total_bytes or not seen.total_bytes:
        return card
    if abs(card.total_bytes - seen.total_bytes) <= _SAME_MEMORY * card.total_bytes:
        return card
    remarks.append(Remark("slice", {"device": seen.id, "card": card.name or "NVIDIA GPU"}))
    return replace(card, total_bytes=None, free_bytes=None, used_bytes=None, own_bytes=None, listed=False)


def _visible(cards: tuple[nvml.NvmlDevice, ...]) -> list[nvml.NvmlDevice]:
    """The cards in the order of CUDA_VISIBLE_DEVICES (indices or UUIDs); as CUDA does, up to the first that
    is not there.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return list(cards)
    shown: list[nvml.NvmlDevice] = []
    for word in (part.strip() for part in named.split(",")):
        if word.isdigit() and int(word) < len(cards):
            shown.append(cards[int(word)])
            continue
        card = next(
            (shown_card for shown_card in cards if word and (shown_card.uuid or "").startswith(word)), None
        )
        if card is None:
            break
        shown.append(card)
    return shown


def _shown_by_number() -> bool:
    return any(word.strip().isdigit() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(","))


def _finished(pair: Pair, driver: nvml.NvmlReport, host: HostMemory, ram: Any) -> DeviceReport:
    """One device with everything that is known of it."""
    seen, card, device_id, runnable = pair
    kind = seen.kind if seen else "cuda"
    name = (seen.name if seen else card.name if card else None) or "an NVIDIA GPU that does not say its name"
    name = processor_name() if kind == "mps" else name
    total = (seen.total_bytes if seen else None) or (card.total_bytes if card else None)
    # Apple's GPU has the machine's memory, and the catalog names it by the machine's.
    listed = gpu_of_device(name, int(ram.total) if kind == "mps" else total)
    said = (seen.capability if seen else None) or (card.capability if card else None)
    capability = said or (listed.capability if listed and kind == "cuda" else None)
    unified = bool(seen and seen.unified) or bool(listed and listed.unified)
    knows = host.devices.get(device_id)
    told = (source.free_bytes for source in (card, seen, knows) if source is not None)
    free = next((size for size in told if size is not None), None)
    if unified:  # a driver's "N/A": the memory is the machine's
        total = total or int(ram.total)
        free = int(ram.available) if free is None else free
    formats = compute_support.number_formats(kind, capability, seen.architecture if seen else "")
    own = knows.own_bytes if knows else seen.allocated_bytes if seen else (card and card.own_bytes) or 0
    return DeviceReport(
        id=device_id,
        name=name,
        kind=kind,
        total_bytes=total,
        free_bytes=free,
        compute_capability=".".join(map(str, capability)) if capability else None,
        driver=driver.driver if card else None,
        source=" and ".join([*(["torch"] if seen else []), *(["NVML"] if card else [])]),
        vendor=_VENDORS[kind],
        own_bytes=own,
        host_bytes=knows.other_models_bytes if knows else None,
        other_bytes=_other_bytes(seen, card),
        reserved_bytes=seen.reserved_bytes if seen else None,
        allocated_bytes=seen.allocated_bytes if seen else None,
        bf16=formats.bf16,
        fp8=formats.fp8,
        fp4=formats.fp4,
        bandwidth_gb_s=listed.bandwidth_gb_s if listed else None,
        tensor_cores=listed.tensor_cores if listed else None,
        **_heat(card),
        dynamic_vram=host.dynamic_vram if device_id == host.preferred else None,
        flash_attention=compute_support.flash_attention(kind, capability),
        sage_attention=compute_support.sage_attention(kind, capability),
        catalog_name=listed.label if listed else None,
        unified=unified,
        architecture=(seen.architecture or None) if seen else None,
        runnable=runnable,
    )


def _heat(card: nvml.NvmlDevice | None) -> dict[str, Any]:
    if card is None:
        return {}
    names = (
        "temperature_c",
        "slowdown_c",
        "power_w",
        "power_limit_w",
        "throttle",
        "clock_mhz",
        "max_clock_mhz",
    )
    return {name: getattr(card, name) for name in (*names, "display", "uuid")}


def _other_bytes(seen: TorchDevice | None, card: nvml.NvmlDevice | None) -> int | None:
    """Other processes' bytes. In a container the driver lists processes under numbers that are not ours:
    where torch holds memory and we are not in the list, nobody's share is known.
    """
    if card is None or (card.own_bytes is None and seen is not None and seen.reserved_bytes):
        return None
    return card.other_bytes


def _known_to_the_host(found: list[DeviceReport], host: HostMemory | None) -> Iterator[DeviceReport]:
    """The device that the host computes on where neither torch nor a driver has shown it here (DirectML, an
    NPU).
    """
    if host is None or host.preferred in (None, "cpu", *(device.id for device in found)):
        return
    name = str(host.preferred)
    knows = host.devices.get(name) or HostDevice(None, 0, 0)
    yield DeviceReport(
        id=name,
        name=name,
        kind=name.partition(":")[0],
        total_bytes=None,
        free_bytes=knows.free_bytes,
        source="ComfyUI",
        own_bytes=knows.own_bytes,
        host_bytes=knows.other_models_bytes,
        dynamic_vram=host.dynamic_vram,
    )


def _processor(ram: Any, host: HostMemory | None) -> DeviceReport:
    knows = host.devices.get("cpu") if host is not None else None
    said = knows.free_bytes if knows is not None else None
    return DeviceReport(
        id="cpu",
        name=processor_name(),
        kind="cpu",
        total_bytes=int(ram.total),
        free_bytes=int(ram.available) if said is None else said,
        source="psutil",
        own_bytes=knows.own_bytes if knows is not None else None,
        host_bytes=knows.other_models_bytes if knows is not None else None,
        bf16=processor_has_bf16(),
        unified=True,
    )


def _with_spill(found: list[DeviceReport]) -> list[DeviceReport]:
    """Windows counts the spill by process, so it belongs to a card only where there is just one."""
    cards = [device for device in found if device.kind != "cpu"]
    spilled = windows_memory.shared_bytes() if len(cards) == 1 else None
    if spilled is None:
        return found
    return [replace(device, shared_bytes=spilled) if device in cards else device for device in found]


def _chosen(
    found: list[DeviceReport], asked: str, preferred: str | None, live: bool, remarks: list[Remark]
) -> str:
    """The id that ``asked`` means. What an imported torch cannot use is no choice; without torch it is."""
    usable = [device for device in found if device.runnable.usable or not live]
    ids = [device.id for device in usable]
    auto = preferred if preferred in ids else ids[0]
    if asked == "auto" or asked in ids:
        return auto if asked == "auto" else asked
    unusable = next((device for device in found if device.id == asked), None)
    if unusable is not None:
        values = {"asked": asked, "reason": unusable.runnable.reason, "shown": auto}
        remarks.append(Remark("unusable", values))
    else:
        remarks.append(Remark("absent", {"asked": asked, "here": ", ".join(ids), "shown": auto}))
    return auto


def _system() -> str:
    release = platform.release()
    wsl = " (WSL)" if "microsoft" in release.lower() else ""
    return f"{platform.system()} {release}{wsl}"
