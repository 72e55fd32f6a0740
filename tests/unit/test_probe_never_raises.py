"""Each call of the probe fails in each way, one by one: the report stands, and what is not known is said."""

from __future__ import annotations

import json
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from vramwise.catalog.words import LANGUAGES
from vramwise.hardware import device_names, machine, nvml, torch_build, windows_memory
from vramwise.hardware.budget import budget_of_machine, free_bytes
from vramwise.hardware.health import health
from vramwise.hardware.report import MachineReport
from vramwise.panel_data import machine_answer

GIB = 1024**3
Driver = Callable[[str | Path], None]

RAISES: list[Exception] = [
    UnicodeDecodeError("utf-8", b"\xf8", 0, 1, "invalid start byte"),
    AttributeError("function nvmlDeviceGetName not found"),
    RuntimeError("CUDA error: unknown error\nCUDA kernel errors might be asynchronously reported"),
    AssertionError("Torch not compiled with CUDA enabled"),
    OSError("libcuda.so.1: cannot open shared object file"),
    NotImplementedError(),
    TypeError("{name} takes no arguments: {0}"),
    KeyError("usedGpuMemory"),
]
ANSWERS: list[Any] = [None, -1, 2**70, float("nan"), "N/A", b"\xff\xfe", [], (), {}, object(), True]
NVML_CALLS = sorted(set(re.findall(r'"(nvml[A-Z]\w+)"', Path(nvml.__file__).read_text(encoding="utf-8"))))


def ways() -> list[Any]:
    """Each way to fail as something to put in the place of a call."""

    def raising(error: Exception) -> Callable[..., Any]:
        def call(*about: Any, **named: Any) -> Any:
            raise error

        return call

    found = [pytest.param(raising(error), id=type(error).__name__) for error in RAISES]
    return found + [pytest.param(lambda *a, _it=it, **k: _it, id=f"answers {it!r:.12}") for it in ANSWERS]


def everything_said(report: MachineReport) -> str:
    """All that reads a report, and all of its text."""
    assert json.loads(json.dumps(report.to_dict()))
    budget_of_machine(report, ask=True)
    assert free_bytes(report) >= 0
    for lang in LANGUAGES:
        json.dumps(machine_answer(report, lang))
        health(report, lang)
        assert all(remark.text(lang) for remark in report.remarks)
    for device in report.devices:
        assert device.free_bytes is None or device.free_bytes >= 0
        assert device.total_bytes is None or device.total_bytes > 0
    return report.text()


# --- NVML -------------------------------------------------------------------------------------------------


def test_the_table_of_calls_is_the_probes_own() -> None:
    assert len(NVML_CALLS) > 25 and "nvmlDeviceGetMemoryInfo" in NVML_CALLS


@pytest.mark.parametrize("way", ways())
def test_each_call_of_pynvml_may_fail_in_each_way(
    way: Callable[..., Any], driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pynvml

    driver("mig")
    for name in NVML_CALLS:
        with monkeypatch.context() as patch:
            patch.setattr(pynvml, name, way)
            report = machine.probe(torch=None)
            assert report.device.id in ("cuda:0", "cpu"), name
            everything_said(report)


@pytest.mark.parametrize("error", RAISES, ids=lambda error: type(error).__name__)
def test_what_pynvml_could_not_say_is_named(
    error: Exception, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pynvml

    driver("two_cards")

    def raises(*about: Any) -> Any:
        raise error

    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", raises)
    report = machine.probe(torch=None)
    assert [device.total_bytes for device in report.devices[:2]] == [12_884_901_888, 34_190_917_632]
    assert "an NVIDIA GPU that does not say its name" in report.text()
    (note,) = [remark for remark in report.remarks if remark.code == "unanswered"]
    assert note.values["question"] == "pynvml.nvmlDeviceGetName"
    assert type(error).__name__ in note.values["said"] and "\n" not in note.text()


@pytest.mark.parametrize("missing", [*NVML_CALLS, "NVML_ERROR_NO_PERMISSION", "NVML_CLOCK_SM"])
def test_a_pynvml_of_another_version_may_lack_any_name(
    missing: str, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pynvml

    driver("mig")
    monkeypatch.delattr(pynvml, missing, raising=False)
    everything_said(machine.probe(torch=None))


@pytest.mark.parametrize("name", [b"\xf8\x88\x80\x80\x80", b"GeForce\xff", b"", b"RTX \x1b[31m 3090"])
def test_a_cards_name_that_is_no_text_leaves_the_rest_known(
    name: bytes, driver: Driver, tmp_path: Path
) -> None:
    """WSL with driver 555 (gpuopenanalytics/pynvml#53)."""
    cards = tmp_path / "cards.txt"
    cards.write_bytes(b"driver 555.85\ncuda 12050\ncard\ntotal 25769803776\nused 0\nname " + name + b"\n")
    driver(cards)
    report = machine.probe(torch=None)
    assert report.devices[0].total_bytes == report.devices[0].free_bytes == 24 * GIB
    everything_said(report)


@pytest.mark.parametrize("error", [ImportError("DLL load failed"), OSError("[WinError 193]"), SyntaxError()])
def test_a_pynvml_that_cannot_be_imported_is_a_remark(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            if name == "pynvml":
                raise error
            return None

    monkeypatch.setattr(nvml, "installed", lambda: True)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    report = machine.probe(torch=None)
    assert report.device.id == "cpu"
    assert any("pynvml" in note and type(error).__name__ in note for note in report.notes)
    everything_said(report)


# --- torch ------------------------------------------------------------------------------------------------

CALLS = {
    "cuda": "is_available device_count is_initialized get_device_properties memory_allocated "
    "memory_reserved mem_get_info",
    "mps": "recommended_max_memory driver_allocated_memory current_allocated_memory",
}
PARTS = "name total_memory major minor uuid gcnArchName is_integrated is_integrated_gpu pci_bus_id"


def torch_of(kind: str, **changed: Any) -> Any:
    """A torch with one used device of ``kind``; ``changed`` are its calls by their names."""
    card = types.SimpleNamespace(
        name="Card", total_memory=16 * GIB, major=8, minor=6, uuid="x", gcnArchName="gfx1201", is_integrated=0
    )
    calls: dict[str, Any] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "is_initialized": lambda: True,
        "get_device_properties": lambda index: card,
        "memory_allocated": lambda index: GIB,
        "memory_reserved": lambda index: 2 * GIB,
        "mem_get_info": lambda index: (9 * GIB, 16 * GIB),
        "recommended_max_memory": lambda: 48 * GIB,
        "driver_allocated_memory": lambda: GIB,
        "current_allocated_memory": lambda: GIB,
        **changed,
    }
    used = types.SimpleNamespace(**{name: call for name, call in calls.items() if call is not None})
    none = types.SimpleNamespace(is_available=lambda: False)
    parts = {"cuda": none, "xpu": none, "mps": used, "backends": types.SimpleNamespace()}
    if kind == "mps":
        parts["backends"] = types.SimpleNamespace(
            mps=types.SimpleNamespace(is_available=calls["is_available"] or (lambda: True))
        )
    else:
        parts["xpu" if kind == "xpu" else "cuda"] = used
    version = types.SimpleNamespace(cuda="12.8", hip="6.4" if kind == "rocm" else None, xpu=None)
    return types.SimpleNamespace(__version__="2.9.0", version=version, **parts)


def calls_of(kind: str) -> list[str]:
    return ["is_available", *CALLS["mps"].split()] if kind == "mps" else CALLS["cuda"].split()


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "read_nvml", lambda: nvml.NvmlReport(False))


@pytest.mark.parametrize("kind", ["cuda", "rocm", "xpu", "mps"])
@pytest.mark.parametrize("way", ways())
def test_each_call_of_torch_may_fail_in_each_way(
    kind: str, way: Callable[..., Any], no_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in calls_of(kind):
        for call in (way, None):  # None: this torch has no such function
            torch = torch_of(kind, **{name: call})
            monkeypatch.setitem(sys.modules, "torch", torch)
            everything_said(machine.probe(torch=torch))
            assert device_names()[-1] == "cpu"


@pytest.mark.parametrize("kind", ["cuda", "rocm", "xpu", "mps"])
def test_what_torch_could_not_say_is_named_and_the_rest_is_known(kind: str, no_driver: None) -> None:
    def raises(*about: Any) -> Any:
        raise RuntimeError("The device does not support querying the available free memory. File an issue")

    for name in calls_of(kind):
        report = machine.probe(torch=torch_of(kind, **{name: raises}))
        (note,) = [remark for remark in report.remarks if remark.code == "unanswered"]
        assert name in note.values["question"], note
        if name not in ("is_available", "device_count"):
            assert report.device.kind == kind
        if name == "mem_get_info":
            assert report.device.free_bytes is None and report.device.total_bytes == 16 * GIB


@pytest.mark.parametrize("kind", ["cuda", "rocm", "xpu"])
@pytest.mark.parametrize("part", PARTS.split())
def test_each_part_of_torchs_record_may_be_missing_or_odd(kind: str, part: str, no_driver: None) -> None:
    whole = vars(torch_of(kind).cuda.get_device_properties(0)) if kind != "xpu" else {}
    whole = whole or vars(torch_of(kind).xpu.get_device_properties(0))
    odd: list[Any] = [*ANSWERS, None]
    for answer in odd:
        record = types.SimpleNamespace(**{**whole, part: answer})
        everything_said(machine.probe(torch=torch_of(kind, get_device_properties=lambda i, r=record: r)))
    record = types.SimpleNamespace(**{name: value for name, value in whole.items() if name != part})
    everything_said(machine.probe(torch=torch_of(kind, get_device_properties=lambda index: record)))

    class Raises:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("device lost")

    report = machine.probe(torch=torch_of(kind, get_device_properties=lambda index: Raises()))
    everything_said(report)
    assert "does not say its name" in report.device.name


@pytest.mark.parametrize("error", [*RAISES, ImportError("libcudart.so.12")])
def test_a_torch_that_cannot_be_imported_is_a_remark(
    error: Exception, no_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*about: Any) -> Any:
        raise error

    monkeypatch.setattr(machine, "live_torch", raises)
    report = machine.probe(torch="import")
    assert report.device.id == "cpu"
    assert any("import torch" in note for note in report.notes)
    everything_said(report)


# --- the system and the settings --------------------------------------------------------------------------


@pytest.mark.parametrize("way", ways())
def test_the_systems_own_calls_may_fail_too(
    way: Callable[..., Any], no_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("virtual_memory", "cpu_count"):
        with monkeypatch.context() as patch:
            patch.setattr(psutil, name, way)
            report = machine.probe(torch=torch_of("cuda"))
        everything_said(report)


def test_reading_the_processor_or_torchs_version_may_raise(
    no_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*about: Any) -> Any:
        raise OSError("Input/output error")

    names = "processor_name processor_has_bf16 torch_build gpu_of_device model_options"
    places = [(machine, name) for name in names.split()]
    for module, name in [*places, (windows_memory, "shared_bytes")]:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, raises)
            report = machine.probe(torch=torch_of("mps"))
        assert "OSError" in everything_said(report), name


@pytest.mark.parametrize("error", RAISES, ids=lambda error: type(error).__name__)
def test_a_python_that_cannot_look_for_packages_shows_the_machine(
    error: Exception, no_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*about: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torch_build.importlib.util, "find_spec", raises)
        report = machine.probe(torch=torch_of("cuda"))
    everything_said(report)


def test_settings_that_cannot_be_read_are_a_remark_and_the_machine_is_shown(
    no_driver: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text("memory: {cuda:0: {total_gb: 96}}", encoding="utf-8")
    monkeypatch.setenv("VRAMWISE_CONFIG", str(tmp_path / "config.yaml"))
    report = machine.probe(torch=torch_of("cuda"))
    assert report.device.total_bytes == 16 * GIB
    assert any('Did you mean "total_gib"?' in note for note in report.notes)
