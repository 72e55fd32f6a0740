"""What is wrong with a machine, judged from its report: the guide's troubleshooting list, one rule an item.

Each rule looks at facts and says nothing on a machine that is well. The words are in catalog/words_*.json
under ``check_CODE_title``, ``_detail``, ``_impact`` and ``_remedy``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..catalog.csv_rows import table
from ..catalog.words import words
from ..shell import pip_line
from ..units import GIB, gib_text
from .budget import budget_of_machine
from .report import DeviceReport, MachineReport

Severity = Literal["problem", "warning", "hint"]

# Below these shares of a card something holds it back: chosen so that an idle desktop (0.3 to 1 GiB on
# 8 to 24 GiB) and a model at work say nothing.
_CROWDED, _FULL, _UNUSED_RESERVE = 0.35, 0.1, 0.15
# The smallest OCR model of the catalog needs about 2 GiB beside its pictures (GOT-OCR 2.0 at int8).
_SMALLEST_CARD = 3 * GIB
_LITTLE_FREE = 2 * GIB
# A card that gives no threshold of its own: GeForce cards slow down between 83 and 90 degrees.
_HOT_C = 90
_THERMAL = ("sw_thermal_slowdown", "hw_thermal_slowdown")
_POWER = ("hw_power_brake_slowdown", "hw_slowdown")
# A busy card at a fraction of its clock, not for its heat: a laptop on battery, mostly.
_LOW_POWER = 0.5


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in words: what it is, what it costs, what shows it, what helps.

    ``severity`` is "problem" (something does not work), "warning" (it works badly) or "hint" (it could be
    better). ``code`` is stable, for programs.
    """

    severity: Severity
    title: str
    detail: str
    impact: str
    evidence: str
    remedy: str
    code: str = ""
    device: str = ""

    def text(self, lang: str = "en") -> str:
        """One line for a report; its parts are in the language that ``health`` was asked in."""
        say = words(lang)
        return say["check_finding"].format(**{**asdict(self), "severity": say[f"check_{self.severity}"]})


@dataclass(frozen=True)
class _Fact:
    code: str
    severity: Severity
    evidence: str
    values: dict[str, Any]
    remedy: str = "remedy"  # the last part of its key, for a code that has several


def health(report: MachineReport, lang: str = "en") -> tuple[Finding, ...]:
    """Every finding about the machine and the chosen device, the worst first; empty on a machine that is
    well.

    ``lang``: "en", "ru" or "zh" (UnknownName for another).
    """
    spoken, device = words(lang), report.device
    facts = [fact for rule in _MACHINE_RULES for fact in rule(report)]
    if device.kind != "cpu":
        facts += [fact for rule in _DEVICE_RULES for fact in rule(device, report)]
    order = ("problem", "warning", "hint")

    def finding(fact: _Fact) -> Finding:
        known = {"device": device.id, "name": device.name, **fact.values}
        keys = {"title": "title", "detail": "detail", "impact": "impact", "remedy": fact.remedy}
        parts = {part: spoken[f"check_{fact.code}_{key}"].format(**known) for part, key in keys.items()}
        return Finding(fact.severity, evidence=fact.evidence, code=fact.code, device=device.id, **parts)

    return tuple(finding(fact) for fact in sorted(facts, key=lambda fact: order.index(fact.severity)))


def _driver_fails(report: MachineReport) -> Iterator[_Fact]:
    if report.driver_error:
        yield _Fact("driver_error", "problem", report.driver_error, {"said": report.driver_error})


def _torch_without_the_card(report: MachineReport) -> Iterator[_Fact]:
    """The driver has a card that torch cannot use: another build, or a process whose CUDA has died."""
    for device in report.devices:
        if device.kind == "cuda" and not device.runnable.usable and not list(_driver_too_old(report)):
            code = "torch_lost_cuda" if report.torch_cuda else "torch_without_cuda"
            yield _Fact(
                code,
                "problem",
                device.runnable.reason,
                {"card": device.name, "reason": device.runnable.reason, "torch": report.torch or ""},
            )
            return


def _driver_too_old(report: MachineReport) -> Iterator[_Fact]:
    """A driver runs programs of its own CUDA's major version and of all before it ("CUDA Compatibility").
    With the compatibility package it runs newer ones too: what torch shows is not doubted.
    """
    if any("torch" in device.source for device in report.devices if device.kind == "cuda"):
        return
    if report.torch_cuda and report.driver_cuda and _major(report.torch_cuda) > _major(report.driver_cuda):
        driver = next((device.driver for device in report.devices if device.driver), "?")
        runs = [build for build in _torch_builds() if _numbers(build) <= _numbers(report.driver_cuda)]
        values = {"driver": driver, "runs": report.driver_cuda, "needs": report.torch_cuda}
        yield _Fact(
            "old_driver",
            "problem",
            f"driver {driver}: CUDA {report.driver_cuda}; torch {report.torch}: CUDA {report.torch_cuda}",
            {**values, "build": runs[-1] if runs else ""},
            "remedy" if runs else "remedy_update",
        )


@functools.cache
def _torch_builds() -> tuple[str, ...]:
    """The CUDA versions that PyTorch has published wheels for, oldest first."""
    return tuple(sorted(table("torch_builds.csv", lambda row: row["cuda"]), key=_numbers))


def _torch_not_for_it(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    """Builds for CUDA 13 have no code below compute capability 7.5, those before CUDA 12.8 none for Blackwell
    (release notes of the CUDA toolkit).
    """
    cuda, capability = report.torch_cuda, device.capability
    if cuda is None or capability is None:
        return
    built_for = _numbers(cuda)
    wanted = "12.6" if capability < (7, 5) and built_for >= (13,) else None
    wanted = "12.8" if capability >= (10, 0) and built_for < (12, 8) else wanted
    if wanted is not None:
        values = {"capability": device.compute_capability, "cuda": cuda, "wanted": wanted}
        evidence = f"{device.name}: {device.compute_capability}; torch {report.torch}: CUDA {cuda}"
        yield _Fact("torch_no_kernels", "problem", evidence, values)


def _no_quantisation(report: MachineReport) -> Iterator[_Fact]:
    device = report.device
    small = device.kind == "cuda" and (device.total_bytes or 0) < 20 * GIB
    if small and report.torch and not report.quantised.usable:
        yield _Fact(
            "no_quantisation",
            "hint",
            report.quantised.reason,
            {"pip": pip_line("bitsandbytes", "accelerate")},
        )


def _processor_without_bf16(report: MachineReport) -> Iterator[_Fact]:
    if report.device.kind == "cpu" and report.device.bf16 is False:
        yield _Fact("cpu_fp32", "hint", f"{report.device.name}: bf16 no", {})


def _too_hot(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    reasons = [reason for reason in device.throttle if reason in _THERMAL]
    limit = device.slowdown_c or _HOT_C
    if reasons or (device.temperature_c is not None and device.temperature_c >= limit):
        yield _Fact("thermal", "warning", _heat(device), {"heat": _heat(device)})


def _short_of_power(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    held = any(reason in _POWER for reason in device.throttle)
    thermal = any(reason in _THERMAL for reason in device.throttle)
    capped = "sw_power_cap" in device.throttle and device.clock_mhz and device.max_clock_mhz
    slow = bool(capped) and (device.clock_mhz or 0) < _LOW_POWER * (device.max_clock_mhz or 0)
    if (held or slow) and not thermal:
        yield _Fact("power", "warning", _heat(device), {"heat": _heat(device)})


def _silent_fp32(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    if device.bf16 is False:
        capability = device.compute_capability or device.architecture or "?"
        yield _Fact("silent_fp32", "warning", f"{device.name}: {capability}", {"capability": capability})


def _no_flash(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    if report.torch and device.flash_attention_supported and not device.flash_attention.usable:
        pip = pip_line("flash-attn", "--no-build-isolation")
        yield _Fact("no_flash", "hint", device.flash_attention.reason, {"pip": pip})


def _small_card(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    if device.total_bytes is not None and device.total_bytes < _SMALLEST_CARD and not device.unified:
        total = gib_text(device.total_bytes)
        yield _Fact("small_card", "warning", f"total {total}", {"total": total})


def _others_hold_it(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    if device.total_bytes and (device.other_bytes or 0) > _CROWDED * device.total_bytes:
        other, total = gib_text(device.other_bytes), gib_text(device.total_bytes)
        yield _Fact("others", "warning", f"other processes {other} of {total}", {"other": other})


def _models_hold_it(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    held = (device.own_bytes or 0) + (device.host_bytes or 0)
    # Dynamic VRAM keeps a card full on purpose and gives way by itself.
    if _nearly_full(device) and held > _CROWDED * (device.total_bytes or 0) and not device.dynamic_vram:
        held_text, free = gib_text(held), gib_text(device.free_bytes)
        evidence = f"models {held_text}, free {free}"
        yield _Fact("models_loaded", "hint", evidence, {"held": held_text, "free": free})


def _unused_reserve(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    unused = (device.reserved_bytes or 0) - (device.allocated_bytes or 0)
    if _nearly_full(device) and unused > _UNUSED_RESERVE * (device.total_bytes or 0):
        evidence = f"reserved {gib_text(device.reserved_bytes)}, allocated {gib_text(device.allocated_bytes)}"
        yield _Fact("unused_reserve", "warning", evidence, {"unused": gib_text(unused)})


def _little_free(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    """Only what nothing here could give back counts: the models of ComfyUI make way by themselves."""
    budget = budget_of_machine(report)
    if budget is None or device.free_bytes is None:
        return
    room = budget.budget_bytes
    if device.total_bytes is not None and device.total_bytes >= _SMALLEST_CARD and room < _LITTLE_FREE:
        yield _Fact("little_free", "warning", f"to be had {gib_text(room)}", {"room": gib_text(room)})


def _spilled(device: DeviceReport, report: MachineReport) -> Iterator[_Fact]:
    """Page-locked RAM is counted as shared too: it is a spill only where the card is full."""
    if (device.shared_bytes or 0) > GIB and _nearly_full(device):
        shared, free = gib_text(device.shared_bytes), gib_text(device.free_bytes)
        yield _Fact("spill", "warning", f"shared {shared}, free {free}", {"shared": shared})


def _nearly_full(device: DeviceReport) -> bool:
    if device.free_bytes is None or not device.total_bytes:
        return False
    return device.free_bytes < _FULL * device.total_bytes


def _heat(device: DeviceReport) -> str:
    return ", ".join([device.heat(), *device.throttle])


def _major(version: str) -> int:
    return _numbers(version)[0]


def _numbers(version: str) -> tuple[int, ...]:
    """(12, 8) of "12.8" or "12.8.1"."""
    return tuple(int(part) for part in version.split(".")[:2])


_MACHINE_RULES: tuple[Callable[[MachineReport], Iterator[_Fact]], ...] = (
    _driver_fails,
    _torch_without_the_card,
    _driver_too_old,
    _no_quantisation,
    _processor_without_bf16,
)
_DEVICE_RULES: tuple[Callable[[DeviceReport, MachineReport], Iterator[_Fact]], ...] = (
    _torch_not_for_it,
    _too_hot,
    _short_of_power,
    _silent_fp32,
    _spilled,
    _others_hold_it,
    _models_hold_it,
    _unused_reserve,
    _little_free,
    _small_card,
    _no_flash,
)
