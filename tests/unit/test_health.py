"""Findings on invented machines: ten that are well say nothing, each item of the guide's list has one that
is not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from vramwise.catalog.words import LANGUAGES
from vramwise.hardware.capabilities import Capability
from vramwise.hardware.health import health
from vramwise.hardware.report import DeviceReport, MachineReport

GIB = 1024**3
YES, NO = Capability(True, "installed"), Capability(False, "flash-attn is not installed")


def machine(*devices: DeviceReport, **given: Any) -> MachineReport:
    """``devices`` and a processor; the first is chosen, torch is one for CUDA 12.8."""
    cpu = DeviceReport("cpu", "Processor", "cpu", 64 * GIB, 48 * GIB, source="psutil", unified=True)
    every = (*devices, cpu)
    known: dict[str, Any] = {
        "system": "Linux 6.8",
        "python": "3.12.3",
        "torch": "2.9.0+cu128",
        "torch_cuda": "12.8",
        "driver_cuda": "13.0",
        **given,
    }
    return MachineReport(
        devices=every,
        chosen=every[0].id,
        cpu_count=16,
        ram_total_bytes=64 * GIB,
        ram_available_bytes=48 * GIB,
        **known,
    )


def card(name: str, capability: str, gib: float, free: float, **given: Any) -> DeviceReport:
    """An NVIDIA card at rest, with flash-attn."""
    known: dict[str, Any] = {
        "vendor": "NVIDIA",
        "driver": "580.82.07",
        "source": "NVML",
        "own_bytes": 0,
        "host_bytes": 0,
        "other_bytes": int(0.3 * GIB),
        "bf16": float(capability) >= 8,
        "temperature_c": 44,
        "slowdown_c": 90,
        "power_w": 30.0,
        "clock_mhz": 210,
        "max_clock_mhz": 2900,
        "flash_attention": YES,
        **given,
    }
    return DeviceReport("cuda:0", name, "cuda", int(gib * GIB), int(free * GIB), capability, **known)


def other(kind: str, name: str, gib: float, free: float, **given: Any) -> DeviceReport:
    identity = {"rocm": "cuda:0", "xpu": "xpu:0", "mps": "mps"}[kind]
    return DeviceReport(identity, name, kind, int(gib * GIB), int(free * GIB), source="torch", **given)


GOOD = {
    "a desktop 4090": machine(card("NVIDIA GeForce RTX 4090", "8.9", 24, 23)),
    "a 4090 at work, in its power limit, its memory full of streamed weights": machine(
        card(
            "NVIDIA GeForce RTX 4090",
            "8.9",
            24,
            0.6,
            host_bytes=21 * GIB,
            reserved_bytes=20 * GIB,
            allocated_bytes=19 * GIB,
            dynamic_vram=True,
            temperature_c=71,
            power_w=447.0,
            clock_mhz=2520,
            throttle=("sw_power_cap",),
        )
    ),
    "a 3060 with a desktop on Windows, processes not told apart, pinned RAM counted as shared": machine(
        card("NVIDIA GeForce RTX 3060", "8.6", 12, 11, other_bytes=None, shared_bytes=3 * GIB, display=True),
        system="Windows 11",
    ),
    "a 5090 and CUDA 13": machine(
        card("NVIDIA GeForce RTX 5090", "12.0", 31.8, 31), torch="2.9.0+cu130", torch_cuda="13.0"
    ),
    "a laptop 4060 at rest": machine(
        card("NVIDIA GeForce RTX 4060 Laptop GPU", "8.9", 8, 7.3, slowdown_c=87, temperature_c=52)
    ),
    "a shared A100": machine(card("NVIDIA A100-SXM4-80GB", "8.0", 80, 60, other_bytes=19 * GIB)),
    "a Radeon": machine(
        other("rocm", "AMD Radeon RX 7900 XTX", 24, 22, bf16=True), torch="2.9.0+rocm6.4", torch_cuda=None
    ),
    "an Arc": machine(
        other("xpu", "Intel(R) Arc(TM) B580 Graphics", 12, 11, bf16=True), torch="2.9.0+xpu", torch_cuda=None
    ),
    "a Mac": machine(
        other("mps", "Apple M3 Max", 48, 40, unified=True), system="Darwin 24.1", torch_cuda=None
    ),
    "a processor alone": machine(torch="2.9.0+cpu", torch_cuda=None, driver_cuda=None),
    "unified memory with nothing but N/A from the driver": machine(
        replace(
            card("NVIDIA GB10", "12.1", 119, 100),
            total_bytes=None,
            other_bytes=None,
            temperature_c=None,
            unified=True,
        ),
        torch_cuda="13.0",
    ),
}

OK = card("NVIDIA GeForce RTX 4060 Ti", "8.9", 16, 15)
SICK = {
    # guide's item: (machine, code, a word of the remedy)
    "out of memory 1, a more aggressive quantisation": (
        machine(OK, options={"int8": Capability(False, "bitsandbytes not installed")}),
        "no_quantisation",
        "INT4",
    ),
    "out of memory 2, smaller pictures": (
        machine(replace(OK, free_bytes=GIB, other_bytes=5 * GIB)),
        "little_free",
        "pictures smaller",
    ),
    "out of memory 3, unload unused models": (
        machine(replace(OK, free_bytes=GIB, host_bytes=14 * GIB, dynamic_vram=False)),
        "models_loaded",
        "Unload",
    ),
    "out of memory 4, clear the CUDA cache": (
        machine(replace(OK, free_bytes=GIB, reserved_bytes=13 * GIB, allocated_bytes=GIB)),
        "unused_reserve",
        "Clear the cache",
    ),
    "slow 1, Flash Attention 2": (machine(replace(OK, flash_attention=NO)), "no_flash", "flash-attn"),
    "slow 2, fp16 and not fp32": (
        machine(card("NVIDIA GeForce RTX 2080 Ti", "7.5", 11, 10)),
        "silent_fp32",
        "fp16",
    ),
    "slow 3, update the drivers": (
        machine(replace(OK, driver="535.98"), driver_cuda="12.2", torch_cuda="13.0"),
        "old_driver",
        "Update the NVIDIA driver",
    ),
    "slow 4, thermal throttling": (
        machine(replace(OK, temperature_c=84, throttle=("sw_thermal_slowdown",))),
        "thermal",
        "fans",
    ),
    "does not load 1, look at the memory": (
        machine(replace(OK, free_bytes=6 * GIB, other_bytes=10 * GIB)),
        "others",
        "Close games",
    ),
    "does not load 2, a smaller model": (
        machine(card("NVIDIA T400", "8.6", 2, 1.8)),
        "small_card",
        "smallest model",
    ),
    "does not load 3, torch.cuda.empty_cache()": (
        machine(replace(OK, free_bytes=GIB // 2, reserved_bytes=15 * GIB, allocated_bytes=9 * GIB)),
        "unused_reserve",
        "empty_cache",
    ),
    "does not load 4, restart Python": (
        machine(replace(OK, runnable=Capability(False, "torch finds no CUDA device in this process"))),
        "torch_lost_cuda",
        "Restart Python",
    ),
}
ALSO_SICK = {
    "thermal": machine(replace(OK, temperature_c=91)),
    "power": machine(
        replace(OK, throttle=("sw_power_cap",), clock_mhz=600, max_clock_mhz=2900, power_w=25.0)
    ),
    "spill": machine(replace(OK, free_bytes=GIB // 4, shared_bytes=6 * GIB), system="Windows 11"),
    "driver_error": machine(driver_error="GPU is lost"),
    "torch_without_cuda": machine(
        replace(OK, runnable=Capability(False, "torch 2.9.0+cpu is built without CUDA")),
        torch="2.9.0+cpu",
        torch_cuda=None,
    ),
    "torch_no_kernels": machine(card("NVIDIA GeForce RTX 5070", "12.0", 12, 11), torch_cuda="12.4"),
    "cpu_fp32": replace(
        machine(), devices=(DeviceReport("cpu", "Old", "cpu", 16 * GIB, 9 * GIB, bf16=False),)
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_machine_that_is_well_comes_out_clean(name: str) -> None:
    assert health(GOOD[name]) == ()


@pytest.mark.parametrize("item", SICK)
def test_each_item_of_the_guides_list_is_found_on_a_machine_that_has_it(item: str) -> None:
    sick, code, remedy = SICK[item]
    found = {finding.code: finding for finding in health(sick)}
    assert code in found, sorted(found)
    assert remedy in found[code].remedy
    assert found[code].evidence and found[code].device == sick.chosen


@pytest.mark.parametrize("code", ALSO_SICK)
def test_what_the_guide_does_not_list_is_found_too(code: str) -> None:
    assert code in {finding.code for finding in health(ALSO_SICK[code])}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_finding_has_its_words_in_every_language(lang: str) -> None:
    sick = [*(one for one, _, _ in SICK.values()), *ALSO_SICK.values()]
    english = {finding.code: finding for one in sick for finding in health(one)}
    for finding in (finding for one in sick for finding in health(one, lang)):
        for part in ("title", "detail", "impact", "remedy"):
            said = getattr(finding, part)
            assert said and "{" not in said, (finding.code, part)
            if lang != "en" and part == "title":
                assert said != getattr(english[finding.code], part), (finding.code, part)


def test_the_worst_comes_first_and_a_hint_is_no_warning() -> None:
    bad = replace(OK, flash_attention=NO, temperature_c=95, bf16=False)
    order = [finding.severity for finding in health(machine(bad, driver_error="GPU is lost"))]
    assert order == sorted(order, key=["problem", "warning", "hint"].index)
    assert {"problem", "warning", "hint"} == set(order)
    assert [finding.severity for finding in health(machine(replace(OK, flash_attention=NO)))] == ["hint"]


def test_a_driver_that_torch_already_runs_on_is_not_doubted() -> None:
    seen = replace(OK, source="torch and NVML")
    assert health(machine(seen, driver_cuda="12.2", torch_cuda="13.0")) == ()


@pytest.mark.parametrize(
    ("runs", "build"), [("12.2", "12.1"), ("12.4", "12.4"), ("12.7", "12.6"), ("11.8", "11.8")]
)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_old_driver_is_told_a_build_of_pytorch_that_exists(lang: str, runs: str, build: str) -> None:
    (finding,) = health(machine(OK, driver_cuda=runs, torch_cuda="13.0"), lang)
    assert f"CUDA {build}" in finding.remedy
    assert runs in finding.detail


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_driver_older_than_every_build_can_only_be_updated(lang: str) -> None:
    (finding,) = health(machine(OK, driver_cuda="11.4", torch_cuda="13.0"), lang)
    assert "11.4" in finding.remedy and "NVIDIA" in finding.remedy
    assert "11.8" not in finding.remedy


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_failing_driver_is_quoted_in_the_words_of_the_language(lang: str) -> None:
    (finding,) = health(machine(OK, driver_error="GPU is lost"), lang)
    assert "GPU is lost" in finding.detail
    assert "driver answered" not in f"{finding.title} {finding.detail}"
