"""Gather what this machine has: devices and their memory. Gathering only; planning judges.

Nothing is allocated on a GPU by asking: names and totals come from torch's device properties (when torch is
already imported or installed), free memory from NVML where it answers, else from the driver call that the
host passes in.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from .devices import accelerators

GIB = 1024**3


@dataclass(frozen=True)
class DeviceReport:
    """One place a model can run. Bytes are integers; None means the driver does not say (never zero)."""

    id: str
    name: str
    kind: str
    total_bytes: int | None
    free_bytes: int | None
    compute_capability: str | None = None
    driver: str | None = None
    source: str = ""

    def line(self) -> str:
        """One line for a report: name, free of total."""
        total = _gib(self.total_bytes)
        extra = f", compute capability {self.compute_capability}" if self.compute_capability else ""
        return f"{self.id}: {self.name}, {_gib(self.free_bytes)} free of {total}{extra} ({self.source})"


@dataclass(frozen=True)
class MachineReport:
    """The machine at one moment. ``chosen`` is the id of the device that was asked about."""

    devices: tuple[DeviceReport, ...]
    chosen: str
    system: str
    python: str
    torch: str | None
    cpu_count: int
    ram_total_bytes: int
    ram_available_bytes: int
    notes: tuple[str, ...] = ()

    @property
    def device(self) -> DeviceReport:
        return next(device for device in self.devices if device.id == self.chosen)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """The report a person reads."""
        lines = [f"Chosen: {self.device.line()}"]
        lines += [f"Also here: {device.line()}" for device in self.devices if device.id != self.chosen]
        lines.append(
            f"RAM: {_gib(self.ram_available_bytes)} available of {_gib(self.ram_total_bytes)}, "
            f"{self.cpu_count} logical processors"
        )
        lines.append(f"{self.system}, Python {self.python}, torch {self.torch or 'not installed'}")
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)


def _gib(value: int | None) -> str:
    return "unknown" if value is None else f"{value / GIB:.1f} GiB"


def _torch() -> Any:
    """torch when it can be had; imported only here and only when a probe is asked for."""
    if "torch" in sys.modules:
        return sys.modules["torch"]
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch


def probe(
    device: str = "auto", free_bytes: Callable[[str], int] | None = None, preferred: str | None = None
) -> MachineReport:
    """Look at the machine.

    ``device``: "auto" (``preferred`` where the host has one, the first accelerator otherwise, else the CPU)
    or an id such as "cuda:0" or "cpu". An id that
    is not here falls back to auto with a note, so that a workflow from another machine still runs.
    ``free_bytes`` is asked for the free memory of an accelerator; inside ComfyUI that is
    comfy.model_management.get_free_memory.
    """
    import psutil

    torch = _torch()
    ram = psutil.virtual_memory()
    devices = [_accelerator(torch, device_id, kind, free_bytes) for device_id, kind in accelerators(torch)]
    devices.append(
        DeviceReport(
            id="cpu",
            name=platform.processor() or platform.machine() or "CPU",
            kind="cpu",
            total_bytes=int(ram.total),
            free_bytes=int(ram.available),
            source="psutil",
        )
    )
    notes: tuple[str, ...] = ()
    chosen = preferred if preferred and any(d.id == preferred for d in devices) else devices[0].id
    if device != "auto":
        if any(d.id == device for d in devices):
            chosen = device
        else:
            here = ", ".join(d.id for d in devices)
            notes = (
                f'The device "{device}" is not on this machine (here: {here}); {chosen} is shown instead.',
            )
    return MachineReport(
        devices=tuple(devices),
        chosen=chosen,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        torch=str(torch.__version__) if torch is not None else None,
        cpu_count=psutil.cpu_count() or 1,
        ram_total_bytes=int(ram.total),
        ram_available_bytes=int(ram.available),
        notes=notes,
    )


def _accelerator(
    torch: Any, device_id: str, kind: str, free_bytes: Callable[[str], int] | None
) -> DeviceReport:
    index = int(device_id.split(":")[1]) if ":" in device_id else 0
    name, total, capability, driver, free, source = kind, None, None, None, None, "torch"
    if kind in ("cuda", "rocm", "xpu"):
        properties = (torch.xpu if kind == "xpu" else torch.cuda).get_device_properties(index)
        name, total = properties.name, int(properties.total_memory)
        if kind == "cuda":
            capability = f"{properties.major}.{properties.minor}"
            driver, free = _nvml(properties)
            source = "torch and NVML" if free is not None else "torch"
    elif kind == "mps":
        name, total = "Apple GPU", int(torch.mps.recommended_max_memory())
        free = max(0, total - int(torch.mps.driver_allocated_memory()))
    if free is None and free_bytes is not None:
        free = free_bytes(device_id)
    return DeviceReport(device_id, name, kind, total, free, capability, driver, source)


def _nvml(properties: Any) -> tuple[str | None, int | None]:
    """(driver version, free bytes) of the card with these torch properties, matched by UUID; (None, None)
    without NVML.
    """
    if importlib.util.find_spec("pynvml") is None:
        return None, None
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None, None
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            if str(pynvml.nvmlDeviceGetUUID(handle)).removeprefix("GPU-") == str(
                getattr(properties, "uuid", "")
            ):
                return driver, int(pynvml.nvmlDeviceGetMemoryInfo(handle).free)
        return driver, None
    except pynvml.NVMLError:
        return None, None
    finally:
        pynvml.nvmlShutdown()
