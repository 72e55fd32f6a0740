"""What a probe found: plain facts, and the lines a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..catalog.words import in_language, joined, said, words
from ..units import figure, gib_text
from .capabilities import Capability
from .compute_support import supports_flash


@dataclass(frozen=True)
class DeviceReport:
    """One place a model can run. Bytes are integers; None means that nobody says (never zero).

    ``free_bytes`` is the driver's. ``own_bytes`` are this pack's models, ``host_bytes`` ComfyUI's other ones,
    ``other_bytes`` other processes; ``allocated_bytes`` and ``reserved_bytes`` are torch's own counts for
    this process. ``shared_bytes`` is what Windows has put into RAM. ``bf16``, ``fp8``, ``fp4``: the device
    computes in them. ``bandwidth_gb_s`` (10^9 bytes a second) and ``tensor_cores`` are the catalog's, for
    the card ``catalog_name``. ``throttle`` are NVML's reasons why the clock is held down. ``runnable`` says
    whether the torch of this process can use the device. ``set_by_hand`` is what config.yaml says of its
    memory ("total_gib 96, reserve_gib 8"), empty where nothing; ``kept_back_bytes`` of it is for no model.
    """

    id: str
    name: str
    kind: str
    total_bytes: int | None
    free_bytes: int | None
    compute_capability: str | None = None
    driver: str | None = None
    source: str = ""
    vendor: str | None = None
    own_bytes: int | None = None
    host_bytes: int | None = None
    other_bytes: int | None = None
    reserved_bytes: int | None = None
    allocated_bytes: int | None = None
    bf16: bool | None = None
    fp8: bool | None = None
    fp4: bool | None = None
    bandwidth_gb_s: float | None = None
    tensor_cores: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    throttle: tuple[str, ...] = ()
    shared_bytes: int | None = None
    dynamic_vram: bool | None = None
    flash_attention: Capability = field(default=Capability(False, "not asked"))
    sage_attention: Capability = field(default=Capability(False, "not asked"))
    catalog_name: str | None = None
    slowdown_c: int | None = None
    clock_mhz: int | None = None
    max_clock_mhz: int | None = None
    display: bool | None = None
    unified: bool = False
    uuid: str | None = None
    architecture: str | None = None
    runnable: Capability = field(default=Capability(True, ""))
    set_by_hand: str = ""
    kept_back_bytes: int = 0

    @property
    def capability(self) -> tuple[int, int] | None:
        """The CUDA compute capability as numbers."""
        major, _, minor = (self.compute_capability or "").partition(".")
        return (int(major), int(minor)) if minor else None

    @property
    def flash_attention_supported(self) -> bool:
        """Whether the card itself could run flash-attn, installed or not."""
        return supports_flash(self.kind, self.capability)

    def line(self) -> str:
        """One line for a report: name, free of total."""
        capability, hand = self.compute_capability, self.set_by_hand
        return said(
            "probe_device",
            id=self.id,
            name=self.name,
            free=gib_text(self.free_bytes),
            total=gib_text(self.total_bytes),
            extra=said("probe_capability", capability=capability) if capability else "",
            source=self.source,
            hand=said("probe_by_hand", text=hand) if hand else "",
        )

    def details(self) -> Iterator[str]:
        """The other figures, one line a subject; nothing for what is not known at all."""
        if self.kind != "cpu":
            held = gib_text(self.own_bytes), gib_text(self.host_bytes), gib_text(self.other_bytes)
            yield said("probe_held", own=held[0], host=held[1], other=held[2])
        if self.reserved_bytes is not None:
            allocated, reserved = gib_text(self.allocated_bytes), gib_text(self.reserved_bytes)
            yield said("probe_torch", allocated=allocated, reserved=reserved)
        if self.shared_bytes is not None:
            yield said("probe_shared", size=gib_text(self.shared_bytes))
        known = {"bf16": self.bf16, "fp8": self.fp8, "fp4": self.fp4}
        if any(value is not None for value in known.values()):
            formats = [said("probe_format", name=name, answer=_yes(value)) for name, value in known.items()]
            yield said("probe_computes", formats=joined(formats, "probe_list"))
        if self.bandwidth_gb_s is not None:
            cores = "" if self.tensor_cores is None else said("probe_cores", count=self.tensor_cores)
            speed = figure(self.bandwidth_gb_s, "g")
            yield said("probe_bandwidth", speed=speed, cores=cores, card=self.catalog_name)
        if self.kind in ("cuda", "rocm"):
            named = (("flash-attn", self.flash_attention), ("SageAttention", self.sage_attention))
            for name, kernel in named:
                yield said("probe_kernel", name=name, answer=_yes(kernel.usable), reason=kernel.reason)
        if heat := self.heat():
            yield heat
        if self.throttle:
            yield said("probe_clock", reasons=", ".join(self.throttle))
        if self.dynamic_vram is not None:
            yield said("probe_dynamic_on" if self.dynamic_vram else "probe_dynamic_off")
        if not self.runnable.usable:
            yield said("probe_unusable", reason=self.runnable.reason)

    def heat(self) -> str:
        """Temperature, power and clock, each of its limit where that is known; empty where nothing is."""
        parts = [] if self.temperature_c is None else [f"{self.temperature_c} \N{DEGREE SIGN}C"]
        if self.power_w is not None:
            limit = "" if self.power_limit_w is None else f"/{self.power_limit_w:.0f}"
            parts.append(f"{self.power_w:.0f}{limit} W")
        if self.clock_mhz is not None:
            most = "" if self.max_clock_mhz is None else f"/{self.max_clock_mhz}"
            parts.append(f"{self.clock_mhz}{most} MHz")
        return ", ".join(parts)


@dataclass(frozen=True)
class Remark:
    """Something to know when reading a report. ``code`` is stable, for programs; its words are
    ``check_note_CODE`` of the catalog, which ``values`` fill.
    """

    code: str
    values: Mapping[str, str]

    def text(self, lang: str = "en") -> str:
        """A sentence in "en", "ru" or "zh"."""
        return words(lang)[f"check_note_{self.code}"].format(**self.values)


@dataclass(frozen=True)
class MachineReport:
    """The machine at one moment. ``chosen`` is the id of the device that was asked about.

    ``torch`` is a version, ``torch_cuda`` the CUDA it is built for (None: another build, or no torch),
    ``torch_asked`` whether torch was imported for this report. ``driver_cuda`` is the newest CUDA that the
    NVIDIA driver runs, ``driver_error`` what that driver says when it fails, in its own words. ``options``
    says what this Python can run of a vision-language model (capabilities.model_options).
    """

    devices: tuple[DeviceReport, ...]
    chosen: str
    system: str
    python: str
    torch: str | None
    cpu_count: int
    ram_total_bytes: int
    ram_available_bytes: int
    remarks: tuple[Remark, ...] = ()
    torch_cuda: str | None = None
    torch_asked: bool = False
    driver_cuda: str | None = None
    driver_error: str | None = None
    options: Mapping[str, Capability] = field(default_factory=dict)

    @property
    def device(self) -> DeviceReport:
        return next(device for device in self.devices if device.id == self.chosen)

    @property
    def windows(self) -> bool:
        return self.system.startswith("Windows")

    @property
    def quantised(self) -> Capability:
        """Whether int8 can be loaded."""
        return self.options.get("int8", Capability(True, ""))

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks as English sentences."""
        return tuple(remark.text() for remark in self.remarks)

    @property
    def driver_problem(self) -> str | None:
        """An English sentence when the NVIDIA driver fails."""
        return None if self.driver_error is None else said("probe_driver_error", text=self.driver_error)

    def to_dict(self) -> dict[str, Any]:
        derived = {
            "quantised": asdict(self.quantised),
            "notes": list(self.notes),
            "driver_problem": self.driver_problem,
        }
        return {**asdict(self), **derived}

    def text(self, lang: str = "en") -> str:
        """The report a person reads."""
        others = [device for device in self.devices if device.id != self.chosen]
        lines: list[str] = []
        for key, device in (("probe_chosen", self.device), *(("probe_also", other) for other in others)):
            lines.append(in_language(said(key, device=device.line()), lang))
            lines += [f"  {in_language(detail, lang)}" for detail in device.details()]
        lines += [in_language(line, lang) for line in self._surroundings()]
        lines += [in_language(said("probe_note", note=remark.text(lang)), lang) for remark in self.remarks]
        return "\n".join(lines)

    def _surroundings(self) -> Iterator[str]:
        free, total = gib_text(self.ram_available_bytes), gib_text(self.ram_total_bytes)
        yield said("probe_ram", free=free, total=total, count=self.cpu_count)
        torch = self.torch or said("probe_no_torch")
        yield said("probe_system", system=self.system, python=self.python, torch=torch)
        driver = next((device.driver for device in self.devices if device.driver), None)
        if driver:
            yield said("probe_driver", driver=driver, cuda=self.driver_cuda or said("probe_unknown"))
        if self.driver_problem:
            yield self.driver_problem


@dataclass(frozen=True)
class HostDevice:
    """What ComfyUI knows of one device: bytes it could use now (None: asking would cost memory), bytes of
    this pack's models and of all its other models there.
    """

    free_bytes: int | None
    own_bytes: int
    other_models_bytes: int


@dataclass(frozen=True)
class HostMemory:
    """What the program around us (ComfyUI) says: the device it computes on, its figures by device id, and
    whether it streams weights by itself. ``remarks`` say what it could not tell.
    """

    preferred: str | None = None
    devices: Mapping[str, HostDevice] = field(default_factory=dict)
    dynamic_vram: bool | None = None
    remarks: tuple[Remark, ...] = ()


def _yes(value: bool | None) -> str:
    return said("probe_unknown" if value is None else "probe_yes" if value else "probe_no")
