"""NVIDIA cards as their driver sees them, asked through pynvml (the package nvidia-ml-py). No CUDA context
is made.

Every figure is None where the driver does not say: "N/A" (unified memory, WSL, a laptop's power limit) is not
zero.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

# NVML's clock event reasons (nvml.h, nvmlClocksEventReason*), without GpuIdle: an idle card is not held back.
_REASONS = {
    0x002: "applications_clocks_setting",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}


@dataclass(frozen=True)
class NvmlDevice:
    """One card. Bytes are integers; ``used_bytes`` is everyone's, ``own_bytes`` this process's.

    ``listed`` is False where the driver does not name the memory of single processes (WSL, Windows' WDDM):
    then nobody's share is known. ``capability`` is the CUDA compute capability; ``display`` whether a
    screen hangs on it.
    """

    uuid: str | None
    name: str | None
    total_bytes: int | None = None
    free_bytes: int | None = None
    used_bytes: int | None = None
    own_bytes: int | None = None
    listed: bool = False
    capability: tuple[int, int] | None = None
    temperature_c: int | None = None
    slowdown_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    throttle: tuple[str, ...] = ()
    clock_mhz: int | None = None
    max_clock_mhz: int | None = None
    display: bool | None = None

    @property
    def other_bytes(self) -> int | None:
        """Bytes of other processes, None where the driver does not tell them from ours."""
        if self.used_bytes is None or not self.listed:
            return None
        return max(0, self.used_bytes - (self.own_bytes or 0))


@dataclass(frozen=True)
class NvmlReport:
    """What the driver says. ``answers`` is False without pynvml or without an NVIDIA driver (no fault);
    ``error`` is what a driver says that is there and fails, in its own words. ``cuda`` is the newest CUDA
    that the driver runs.
    """

    answers: bool
    driver: str | None = None
    cuda: str | None = None
    devices: tuple[NvmlDevice, ...] = ()
    error: str | None = None


def installed() -> bool:
    """Whether pynvml is here to be asked."""
    return importlib.util.find_spec("pynvml") is not None


def read_nvml() -> NvmlReport:
    """Ask the driver. Never raises: a driver that fails is an ``error``, and what it said before stays."""
    if not installed():
        return NvmlReport(False)
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        absent = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
        return NvmlReport(False, error=None if error.value in absent else _words(error))
    asking = _Asking(pynvml)
    try:
        driver = _text(asking.ask(pynvml.nvmlSystemGetDriverVersion))
        cuda = asking.ask(pynvml.nvmlSystemGetCudaDriverVersion)
        count = asking.ask(pynvml.nvmlDeviceGetCount) or 0
        devices = tuple(_device(asking, index) for index in range(count))
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
    dotted = f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None
    return NvmlReport(True, driver, dotted, devices, asking.error)


class _Asking:
    """One round of questions: what cannot be answered is None, and the first real failure is kept."""

    def __init__(self, pynvml: Any) -> None:
        self.pynvml = pynvml
        self.error: str | None = None
        # "This card, this driver or this user cannot": an N/A, not a fault.
        self._silent = (
            pynvml.NVML_ERROR_NOT_SUPPORTED,
            pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
            pynvml.NVML_ERROR_NO_PERMISSION,
            pynvml.NVML_ERROR_INVALID_ARGUMENT,
            pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
        )

    def ask(self, question: Callable[..., Any], *about: Any) -> Any:
        try:
            return question(*about)
        except self.pynvml.NVMLError as error:
            if error.value not in self._silent and self.error is None:
                self.error = _words(error)
            return None


def _device(asking: _Asking, index: int) -> NvmlDevice:
    nvml, ask = asking.pynvml, asking.ask
    handle = ask(nvml.nvmlDeviceGetHandleByIndex, index)
    if handle is None:
        return NvmlDevice(None, None)
    memory = _memory(asking, handle)
    own, listed = _own_bytes(asking, handle)
    power, limit = (
        ask(nvml.nvmlDeviceGetPowerUsage, handle),
        ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle),
    )
    display = ask(nvml.nvmlDeviceGetDisplayActive, handle)
    slowdown = nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
    return NvmlDevice(
        uuid=_text(ask(nvml.nvmlDeviceGetUUID, handle)),
        name=_text(ask(nvml.nvmlDeviceGetName, handle)),
        total_bytes=int(memory.total) if memory else None,
        free_bytes=int(memory.free) if memory else None,
        used_bytes=int(memory.used) if memory else None,
        own_bytes=own,
        listed=listed,
        capability=ask(nvml.nvmlDeviceGetCudaComputeCapability, handle),
        temperature_c=ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
        slowdown_c=ask(nvml.nvmlDeviceGetTemperatureThreshold, handle, slowdown),
        power_w=None if power is None else power / 1000,
        power_limit_w=None if limit is None else limit / 1000,
        throttle=_throttle(asking, handle),
        clock_mhz=ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
        max_clock_mhz=ask(nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM),
        display=None if display is None else bool(display),
    )


def _memory(asking: _Asking, handle: Any) -> Any:
    """Total, free, used. The second version keeps what the driver holds for itself apart from what is
    used.
    """
    second = getattr(asking.pynvml, "nvmlMemory_v2", None)
    found = asking.ask(asking.pynvml.nvmlDeviceGetMemoryInfo, handle, second) if second else None
    return found or asking.ask(asking.pynvml.nvmlDeviceGetMemoryInfo, handle)


def _own_bytes(asking: _Asking, handle: Any) -> tuple[int | None, bool]:
    """(bytes of this process or None where it is not among those listed, whether processes are told
    apart).
    """
    nvml = asking.pynvml
    asked = (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses)
    lists = [asking.ask(question, handle) for question in asked]
    compute, graphics = lists
    if compute is None:
        return None, False
    sizes = {process.pid: process.usedGpuMemory for process in (*(graphics or ()), *compute)}
    if any(size is None for size in sizes.values()):
        return None, False
    return sizes.get(os.getpid()), True


def _throttle(asking: _Asking, handle: Any) -> tuple[str, ...]:
    nvml = asking.pynvml
    # Renamed in driver 535; an older pynvml or driver has the first name only.
    for name in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
        question = getattr(nvml, name, None)
        mask = asking.ask(question, handle) if question is not None else None
        if mask is not None:
            return tuple(reason for bit, reason in _REASONS.items() if mask & bit)
    return ()


def _text(value: Any) -> str | None:
    """Old bindings answer with bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _words(error: Any) -> str:
    return str(error).rstrip(".")
