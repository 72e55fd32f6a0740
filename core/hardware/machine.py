"""Gather what this machine has: devices and their memory. Gathering only; planning judges.

Nothing is allocated on a GPU by asking. NVIDIA cards are read from their driver through pynvml, which needs
no torch; AMD, Intel and Apple from torch; RAM from psutil; bandwidth and tensor cores from the catalog.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..catalog.gpus import GPU, gpu_of_device
from ..errors import VramwiseError
from ..settings import MemoryByHand, load_settings
from ..units import GIB
from . import amd_memory, compute_support, nvml, windows_memory
from .asking import Asking
from .capabilities import Capability, model_options
from .device_memory import device_memory
from .devices import accelerators
from .processor import processor_has_bf16, processor_name
from .report import DeviceReport, HostDevice, HostMemory, MachineReport, Remark
from .torch_build import TorchBuild, live_torch, torch_build
from .torch_memory import TorchDevice, torch_device
from .visible_cards import card_of, is_whole_of, same_memory, shown_by_number, visible

__all__ = ["DeviceReport", "HostDevice", "HostMemory", "MachineReport", "probe"]

_VENDORS = {"cuda": "NVIDIA", "rocm": "AMD", "xpu": "Intel", "mps": "Apple"}


def probe(device: str = "auto", *, torch: Any = "auto", host: HostMemory | None = None) -> MachineReport:
    """Look at the machine.

    ``device``: "auto" (the device the host prefers, else the first accelerator that can be used, else the
    CPU) or an id such as "cuda:0" or "cpu"; "cuda" is the first of its cards. An id that is
    not here falls back to auto with a note, so that a workflow from another machine still runs.
    ``torch``: "auto" asks it where it is imported already or where only it can answer (AMD, Intel, Apple),
    "import" wherever it is installed, None never; or the module itself. ``host`` is what ComfyUI says.
    """
    import psutil

    asking = Asking()
    driver = nvml.read_nvml()
    live, build = _torch(torch, driver, asking)
    ram = _ram(psutil.virtual_memory, asking)
    remarks: list[Remark] = list(host.remarks) if host is not None else []
    by_hand = _by_hand(remarks)
    seen = _Seen(driver, host or HostMemory(), ram, asking, amd_memory.amd_memory(), by_hand)
    found = [_finished(pair, seen) for pair in _devices(live, driver, build, remarks, asking)]
    found += _known_to_the_host(found, host)
    found.append(_processor(seen))
    found = _with_spill(found, asking)
    options = asking.ask("installed packages", model_options, {})
    chosen = _chosen(found, device, host.preferred if host else None, live is not None, remarks)
    here = [one.id for one in found]
    for name in by_hand:
        if name not in here:
            remarks.append(Remark("not_here_by_hand", {"device": name, "here": ", ".join(here)}))
    for failure in (*driver.unanswered, *asking.unanswered):
        remarks.append(Remark("unanswered", {"question": failure.question, "said": failure.said}))
    return MachineReport(
        devices=tuple(found),
        chosen=chosen,
        system=_system(),
        python=platform.python_version(),
        torch=build.version if build is not None else None,
        cpu_count=asking.count("psutil.cpu_count", lambda: psutil.cpu_count() or 1) or 1,
        ram_total_bytes=int(ram.total),
        ram_available_bytes=int(ram.available),
        remarks=tuple(remarks),
        torch_cuda=build.cuda if build is not None else None,
        torch_asked=live is not None,
        driver_cuda=driver.cuda,
        driver_error=driver.error,
        options=options,
    )


@dataclass(frozen=True)
class _Ram:
    """The machine's, in bytes; 0 where the system does not say."""

    total: int
    available: int


def _ram(virtual_memory: Callable[[], Any], asking: Asking) -> _Ram:
    found = asking.ask("psutil.virtual_memory", virtual_memory)
    sizes = [
        asking.size("psutil.virtual_memory", lambda part=part: getattr(found, part))  # type: ignore[misc]
        for part in ("total", "available")
    ]
    return _Ram(*(size or 0 for size in sizes))


@dataclass(frozen=True)
class _Seen:
    """What is known beside torch's own words: the driver, ComfyUI, RAM, AMD's sysfs, config.yaml."""

    driver: nvml.NvmlReport
    host: HostMemory
    ram: _Ram
    asking: Asking
    amd: tuple[amd_memory.AmdMemory, ...]
    by_hand: Mapping[str, MemoryByHand]


def _torch(wanted: Any, driver: nvml.NvmlReport, asking: Asking) -> tuple[Any, TorchBuild | None]:
    """torch, where it is to be asked and can be imported, and its build."""
    installed: TorchBuild | None = asking.ask("torch.version", torch_build)
    live = asking.ask("import torch", lambda: live_torch(wanted, driver, installed))
    return live, asking.ask("torch.version", lambda: torch_build(live)) or installed


def _by_hand(remarks: list[Remark]) -> Mapping[str, MemoryByHand]:
    """What config.yaml says of memory. A file that cannot be read is a remark here, and an error for who
    needs it.
    """
    try:
        return load_settings().memory
    except VramwiseError as error:
        remarks.append(Remark("settings", {"said": str(error)}))
        return {}


Pair = tuple[TorchDevice | None, nvml.NvmlDevice | None, str, Capability]


def _devices(
    live: Any,
    driver: nvml.NvmlReport,
    build: TorchBuild | None,
    remarks: list[Remark],
    asking: Asking,
) -> Iterator[Pair]:
    """Every accelerator as torch and the driver see it, with its id and whether torch can use it."""
    seen = [torch_device(live, device_id, kind, asking) for device_id, kind in accelerators(live, asking)]
    shown, unknown = visible(driver.devices)
    matched = [card_of(device, driver.devices, shown) for device in seen]
    for device, card in zip(seen, matched, strict=True):
        yield device, _whole(device, card, remarks), device.id, Capability(True, "")
    if any(device.kind == "cuda" for device in seen):
        hidden = [card.name or "NVIDIA GPU" for card in driver.devices if not is_whole_of(card, matched)]
        if hidden:
            remarks.append(Remark("hidden", {"cards": ", ".join(hidden)}))
        return
    if unknown is not None and driver.devices:
        here = ", ".join(card.uuid or card.name or "?" for card in driver.devices)
        remarks.append(Remark("not_visible", {"word": unknown, "here": here}))
    counted = len(shown) > 1 or (len(driver.devices) > 1 and shown_by_number())
    if shown and counted and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        remarks.append(Remark("order", {}))
    for index, card in enumerate(shown):
        if card.card is not None:
            remarks.append(_slice_remark(f"cuda:{index}", card))
        yield None, card, f"cuda:{index}", _runnable(live, build, driver)


def _slice_remark(device: str, card: nvml.NvmlDevice) -> Remark:
    return Remark("slice", {"device": device, "card": card.name or "NVIDIA GPU"})


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
    head = version.split(".")[0]
    return int(head) if head.isdecimal() else 0


def _whole(seen: TorchDevice, card: nvml.NvmlDevice | None, remarks: list[Remark]) -> nvml.NvmlDevice | None:
    """``card``, without its memory where torch has only a slice of it that the driver does not show."""
    if card is None:
        return None
    if card.card is not None or not same_memory(card, seen):
        remarks.append(_slice_remark(seen.id, card))
    if same_memory(card, seen):
        return card
    return replace(card, total_bytes=None, free_bytes=None, used_bytes=None, own_bytes=None, listed=False)


def _finished(pair: Pair, known: _Seen) -> DeviceReport:
    """One device with everything that is known of it."""
    seen, card, device_id, runnable = pair
    kind = seen.kind if seen else "cuda"
    name = _name(kind, seen, card, known.asking)
    whole = (seen.total_bytes if seen else None) or (card.total_bytes if card else None)
    # Apple's GPU has the machine's memory, and the catalog names it by the machine's.
    size = int(known.ram.total) if kind == "mps" else whole
    listed = known.asking.ask("gpus.csv", lambda: gpu_of_device(name, size))
    said = (seen.capability if seen else None) or (card.capability if card else None)
    capability = said or (listed.capability if listed and kind == "cuda" else None)
    knows = known.host.devices.get(device_id)
    hand = known.by_hand.get(device_id)
    memory = device_memory(
        seen, card, knows, known.ram, known.amd, unified=bool(listed and listed.unified), by_hand=hand
    )
    formats = compute_support.number_formats(kind, capability, seen.architecture if seen else "")
    own = knows.own_bytes if knows else seen.allocated_bytes if seen else (card and card.own_bytes) or 0
    return DeviceReport(
        id=device_id,
        name=name,
        kind=kind,
        total_bytes=memory.total_bytes,
        free_bytes=memory.free_bytes,
        compute_capability=".".join(map(str, capability)) if capability else None,
        driver=known.driver.driver if card else None,
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
        **_from_catalog(listed),
        **_heat(card),
        dynamic_vram=known.host.dynamic_vram if device_id == known.host.preferred else None,
        flash_attention=compute_support.flash_attention(kind, capability),
        sage_attention=compute_support.sage_attention(kind, capability),
        unified=memory.unified,
        architecture=(seen.architecture or None) if seen else None,
        runnable=runnable,
        **_set_by_hand(hand),
    )


def _name(kind: str, seen: TorchDevice | None, card: nvml.NvmlDevice | None, asking: Asking) -> str:
    if kind == "mps":
        return _processors_name(asking)
    said = (seen.name if seen else None) or (card.name if card else None)
    return said or f"an {_VENDORS[kind]} GPU that does not say its name"


def _processors_name(asking: Asking) -> str:
    return str(asking.ask("the processor's name", processor_name, "CPU"))


def _from_catalog(listed: GPU | None) -> dict[str, Any]:
    if listed is None:
        return {}
    return {
        "bandwidth_gb_s": listed.bandwidth_gb_s,
        "tensor_cores": listed.tensor_cores,
        "catalog_name": listed.label,
    }


def _set_by_hand(hand: MemoryByHand | None) -> dict[str, Any]:
    if hand is None:
        return {}
    return {"set_by_hand": hand.text(), "kept_back_bytes": int((hand.reserve_gib or 0) * GIB)}


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


def _processor(known: _Seen) -> DeviceReport:
    knows, hand = known.host.devices.get("cpu"), known.by_hand.get("cpu")
    said = knows.free_bytes if knows is not None else None
    memory = device_memory(None, None, None, known.ram, unified=True, by_hand=hand)
    return DeviceReport(
        id="cpu",
        name=_processors_name(known.asking),
        kind="cpu",
        total_bytes=memory.total_bytes,
        free_bytes=memory.free_bytes if said is None or hand is not None else said,
        source="psutil",
        own_bytes=knows.own_bytes if knows is not None else None,
        host_bytes=knows.other_models_bytes if knows is not None else None,
        bf16=known.asking.ask("the processor's flags", processor_has_bf16),
        unified=True,
        **_set_by_hand(hand),
    )


def _with_spill(found: list[DeviceReport], asking: Asking) -> list[DeviceReport]:
    """Windows counts the spill by process, so it belongs to a card only where there is just one."""
    cards = [device for device in found if device.kind != "cpu"]
    ask: Callable[[], int | None] = windows_memory.shared_bytes
    spilled = asking.ask("pdh.dll", ask) if len(cards) == 1 else None
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
    asked = str(asked).strip().lower()
    if asked == "auto":
        return auto
    meant = next((name for name in ids if asked in (name, name.partition(":")[0])), None)
    if meant is not None:
        return meant
    unusable = next((one for one in found if asked in (one.id, one.id.partition(":")[0])), None)
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
