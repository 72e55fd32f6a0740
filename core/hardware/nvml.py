"""NVIDIA cards as their driver sees them, asked through pynvml (the package nvidia-ml-py). No CUDA context
is made.

Every figure is None where the driver does not say: "N/A" (unified memory, WSL, a laptop's power limit) is not
zero.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from .asking import Asking, Unanswered, as_capability, with_kind

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
    screen hangs on it. ``slices`` are its MIG devices, ``mig`` is True where it is cut into them (then it is
    used through one of them alone). Of a slice ``instance`` are the numbers of its GPU and compute instance
    and ``card`` the UUID of the whole; its heat and power are the card's.
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
    mig: bool = False
    slices: tuple[NvmlDevice, ...] = ()
    instance: tuple[int | None, int | None] | None = None
    card: str | None = None

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
    that the driver runs. ``unanswered`` is where pynvml itself failed.
    """

    answers: bool
    driver: str | None = None
    cuda: str | None = None
    devices: tuple[NvmlDevice, ...] = ()
    error: str | None = None
    unanswered: tuple[Unanswered, ...] = ()


def installed() -> bool:
    """Whether pynvml is here to be asked."""
    try:
        return importlib.util.find_spec("pynvml") is not None
    except Exception:  # an import hook of somebody's may raise anything
        return False


def read_nvml() -> NvmlReport:
    """Ask the driver. Never raises: a driver that fails is an ``error``, and what it said before stays."""
    if not installed():
        return NvmlReport(False)
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception as error:  # a library of another make or version fails in its own ways
        absent = ("NVML_ERROR_LIBRARY_NOT_FOUND", "NVML_ERROR_DRIVER_NOT_LOADED")
        code = getattr(error, "value", None)
        if code is not None and code in [getattr(pynvml, name, None) for name in absent]:
            return NvmlReport(False)
        if code is not None:
            return NvmlReport(False, error=_words(error))
        return NvmlReport(False, unanswered=(Unanswered("pynvml.nvmlInit", with_kind(error)),))
    asking = _Asking(pynvml)
    try:
        driver = _text(asking.nvml("nvmlSystemGetDriverVersion"))
        cuda = asking.figure("nvmlSystemGetCudaDriverVersion")
        count = asking.count("pynvml.nvmlDeviceGetCount", asking.of("nvmlDeviceGetCount"))
        devices = _with_named_slices(asking, [_device(asking, index) for index in range(count)])
    finally:
        asking.nvml("nvmlShutdown")
    dotted = f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None
    return NvmlReport(True, driver, dotted, devices, asking.error, tuple(asking.unanswered))


class _Asking(Asking):
    """One round of questions: what cannot be answered is None, and the first real failure is kept."""

    def __init__(self, pynvml: Any) -> None:
        super().__init__()
        self.pynvml = pynvml
        self.error: str | None = None
        # "This card, this driver or this user cannot": an N/A, not a fault.
        names = (
            "NOT_SUPPORTED",
            "FUNCTION_NOT_FOUND",
            "NO_PERMISSION",
            "INVALID_ARGUMENT",
            "ARGUMENT_VERSION_MISMATCH",
            "NOT_FOUND",
        )
        self._silent = [getattr(pynvml, f"NVML_ERROR_{name}", None) for name in names]

    def of(self, name: str, *about: Any) -> Callable[[], Any]:
        """The question ``name`` as something to call; None where the driver does not answer it."""

        def asked() -> Any:
            try:
                return getattr(self.pynvml, name)(*about)
            except self.pynvml.NVMLError as error:
                if error.value not in self._silent and self.error is None:
                    self.error = _words(error)
                return None

        return asked

    def nvml(self, name: str, *about: Any) -> Any:
        """The answer to ``name``, None where there is none."""
        return self.ask(f"pynvml.{name}", self.of(name, *about))

    def figure(self, name: str, *about: Any) -> int | None:
        """An answer that is a whole number and no less than 0."""
        found = self.nvml(name, *about)
        return None if found is None else self.size(f"pynvml.{name}", lambda: found)

    def count(self, name: str, question: Callable[[], Any]) -> int:
        found = self.ask(name, question)
        return 0 if found is None else super().count(name, lambda: found)


def _device(asking: _Asking, index: int) -> NvmlDevice:
    handle = asking.nvml("nvmlDeviceGetHandleByIndex", index)
    if handle is None:
        return NvmlDevice(None, None)
    nvml = asking.pynvml
    power = asking.figure("nvmlDeviceGetPowerUsage", handle)
    limit = asking.figure("nvmlDeviceGetEnforcedPowerLimit", handle)
    display = asking.nvml("nvmlDeviceGetDisplayActive", handle)
    heat, slowdown = (
        getattr(nvml, "NVML_TEMPERATURE_GPU", 0),
        getattr(nvml, "NVML_TEMPERATURE_THRESHOLD_SLOWDOWN", 1),
    )
    clock = getattr(nvml, "NVML_CLOCK_SM", 1)
    card = NvmlDevice(
        **_memory_of(asking, handle),
        capability=_capability(asking.nvml("nvmlDeviceGetCudaComputeCapability", handle)),
        temperature_c=asking.figure("nvmlDeviceGetTemperature", handle, heat),
        slowdown_c=asking.figure("nvmlDeviceGetTemperatureThreshold", handle, slowdown),
        power_w=None if power is None else power / 1000,
        power_limit_w=None if limit is None else limit / 1000,
        throttle=_throttle(asking, handle),
        clock_mhz=asking.figure("nvmlDeviceGetClockInfo", handle, clock),
        max_clock_mhz=asking.figure("nvmlDeviceGetMaxClockInfo", handle, clock),
        display=None if display is None else bool(display),
    )
    if not _cut_into_slices(asking, handle):
        return card
    slices = tuple(_slice(asking, found, card) for found in _slices(asking, handle))
    return replace(card, mig=True, slices=slices)


def _memory_of(asking: _Asking, handle: Any) -> dict[str, Any]:
    """What a card and a slice of one answer alike: who they are and what of their memory is used."""
    total, free, used = _memory(asking, handle)
    own, listed = _own_bytes(asking, handle)
    return {
        "uuid": _text(asking.nvml("nvmlDeviceGetUUID", handle)),
        "name": _text(asking.nvml("nvmlDeviceGetName", handle)),
        "total_bytes": total,
        "free_bytes": free,
        "used_bytes": used,
        "own_bytes": own,
        "listed": listed,
    }


def _cut_into_slices(asking: _Asking, handle: Any) -> bool:
    """Whether MIG is on now; cards and libraries before Ampere do not know the question."""
    if not hasattr(asking.pynvml, "nvmlDeviceGetMigMode"):
        return False
    mode = asking.nvml("nvmlDeviceGetMigMode", handle)
    return asking.yes("pynvml.nvmlDeviceGetMigMode", lambda: mode is not None and mode[0] == 1)


def _slices(asking: _Asking, handle: Any) -> Iterator[Any]:
    """The handles of the MIG devices. There may be fewer than there is room for, with gaps between."""
    room = asking.nvml("nvmlDeviceGetMaxMigDeviceCount", handle)
    for place in range(asking.count("pynvml.nvmlDeviceGetMaxMigDeviceCount", lambda: room or 0)):
        found = asking.nvml("nvmlDeviceGetMigDeviceHandleByIndex", handle, place)
        if found is not None:
            yield found


def _with_named_slices(asking: _Asking, cards: list[NvmlDevice]) -> tuple[NvmlDevice, ...]:
    """``cards`` with the slices that CUDA_VISIBLE_DEVICES names and the driver knows by name alone: in a
    container the other ways to them are often closed.
    """
    for word in (part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")):
        known = [piece.uuid or "" for card in cards for piece in card.slices]
        if not word.upper().startswith("MIG-") or any(
            uuid.lower().startswith(word.lower()) for uuid in known
        ):
            continue
        handle = asking.nvml("nvmlDeviceGetHandleByUUID", word)
        if handle is None:
            continue
        whole = asking.nvml("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle)
        uuid = None if whole is None else _text(asking.nvml("nvmlDeviceGetUUID", whole))
        owners = [card for card in cards if card.uuid == uuid] if uuid else cards
        if len(owners) != 1:
            continue
        (card,) = owners
        piece = _slice(asking, handle, card)
        if (piece.uuid or "").lower() not in known:
            cut = replace(card, mig=True, slices=(*card.slices, replace(piece, uuid=piece.uuid or word)))
            cards = [cut if one is card else one for one in cards]
    return tuple(cards)


def _slice(asking: _Asking, handle: Any, card: NvmlDevice) -> NvmlDevice:
    questions = ("nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId")
    gpu, compute = (asking.figure(question, handle) for question in questions)
    its = _memory_of(asking, handle)
    its["name"] = its["name"] or card.name
    return replace(card, **its, instance=(gpu, compute), card=card.uuid)


def _capability(said: Any) -> tuple[int, int] | None:
    return as_capability(*said) if isinstance(said, tuple | list) and len(said) == 2 else None


def _memory(asking: _Asking, handle: Any) -> tuple[int | None, int | None, int | None]:
    """Total, free, used. The second version keeps what the driver holds for itself apart from what is
    used. A total of 0 is how some drivers say that the memory is the machine's.
    """
    second = getattr(asking.pynvml, "nvmlMemory_v2", None)
    found = asking.nvml("nvmlDeviceGetMemoryInfo", handle, second) if second else None
    found = found or asking.nvml("nvmlDeviceGetMemoryInfo", handle)
    if found is None:
        return None, None, None

    def size(part: str) -> int | None:
        return asking.size("pynvml.nvmlDeviceGetMemoryInfo", lambda: getattr(found, part))

    total = size("total")
    return (total, size("free"), size("used")) if total else (None, None, None)


def _own_bytes(asking: _Asking, handle: Any) -> tuple[int | None, bool]:
    """(bytes of this process or None where it is not among those listed, whether processes are told
    apart).
    """
    compute = asking.nvml("nvmlDeviceGetComputeRunningProcesses", handle)
    graphics = asking.nvml("nvmlDeviceGetGraphicsRunningProcesses", handle)
    if compute is None:
        return None, False

    def sizes() -> dict[int, int | None]:
        return {process.pid: process.usedGpuMemory for process in (*(graphics or ()), *compute)}

    known = asking.ask("pynvml.nvmlDeviceGetComputeRunningProcesses", sizes)
    if known is None or not all(isinstance(size, int) and size >= 0 for size in known.values()):
        return None, False
    return known.get(os.getpid()), True


def _throttle(asking: _Asking, handle: Any) -> tuple[str, ...]:
    # Renamed in driver 535; an older pynvml or driver has the first name only.
    for name in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
        mask = asking.nvml(name, handle) if hasattr(asking.pynvml, name) else None
        if isinstance(mask, int):
            return tuple(reason for bit, reason in _REASONS.items() if mask & bit)
    return ()


def _text(value: Any) -> str | None:
    """Old bindings answer with bytes."""
    said = value.decode(errors="replace") if isinstance(value, bytes) else value
    return said if isinstance(said, str) and said else None


def _words(error: Any) -> str:
    return str(error).rstrip(".")
