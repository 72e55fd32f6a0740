"""The probe on machines without NVML: what torch alone tells, number formats, attention, Windows' spill."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.machinery
import json
import os
import re
import string
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog.words import LANGUAGES, words
from vramwise.errors import UnknownName
from vramwise.hardware import (
    budget,
    compute_support,
    machine,
    nvml,
    processor,
    report,
    torch_build,
    windows_memory,
)
from vramwise.hardware.capabilities import Capability
from vramwise.hardware.torch_build import TorchBuild

GIB = 1024**3
NO_DRIVER = nvml.NvmlReport(False)


@pytest.fixture(autouse=True)
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "read_nvml", lambda: NO_DRIVER)


def torch_with(**parts: Any) -> Any:
    """The part of torch that the probe asks, with nothing in it but ``parts``."""
    version = types.SimpleNamespace(cuda=None, hip=parts.pop("hip", None), xpu=None)
    none = types.SimpleNamespace(is_available=lambda: False)
    given = {"cuda": none, "xpu": none, "backends": types.SimpleNamespace(), **parts}
    return types.SimpleNamespace(__version__="2.9.0", version=version, **given)


def backend(properties: Any, used: bool = True, **more: Any) -> Any:
    return types.SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: used,
        device_count=lambda: 1,
        get_device_properties=lambda index: properties,
        memory_allocated=lambda index: 1 * GIB,
        memory_reserved=lambda index: 2 * GIB,
        mem_get_info=lambda index: (9 * GIB, 16 * GIB),
        **more,
    )


# --- AMD, Intel, Apple, CPU --------------------------------------------------------------------------------


def test_an_amd_card_comes_from_torch_alone() -> None:
    card = types.SimpleNamespace(
        name="AMD Radeon RX 9070 XT", total_memory=int(15.9 * GIB), gcnArchName="gfx1201:sramecc-"
    )
    found = machine.probe(torch=torch_with(cuda=backend(card), hip="6.4")).device
    assert (found.id, found.kind, found.vendor, found.source) == ("cuda:0", "rocm", "AMD", "torch")
    assert (found.free_bytes, found.allocated_bytes, found.reserved_bytes) == (9 * GIB, GIB, 2 * GIB)
    assert (found.bf16, found.fp8, found.fp4, found.architecture) == (True, True, False, "gfx1201")
    assert found.bandwidth_gb_s == 644.6 and found.tensor_cores is None
    assert found.compute_capability is None and found.temperature_c is None and found.other_bytes is None
    assert not found.sage_attention.usable and "NVIDIA GPUs only" in found.sage_attention.reason


def test_an_intel_card_comes_from_torch_alone() -> None:
    card = types.SimpleNamespace(name="Intel(R) Arc(TM) B580 Graphics", total_memory=int(11.6 * GIB))
    found = machine.probe(torch=torch_with(xpu=backend(card))).device
    assert (found.id, found.kind, found.vendor, found.catalog_name) == ("xpu:0", "xpu", "Intel", "Arc B580")
    assert (found.bf16, found.fp8, found.bandwidth_gb_s) == (True, False, 456)


def test_apples_gpu_is_named_by_its_chip_and_the_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setattr(machine, "processor_name", lambda: "Apple M3 Max")
    ram = types.SimpleNamespace(total=64 * GIB, available=40 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: ram)
    mps = types.SimpleNamespace(
        recommended_max_memory=lambda: 48 * GIB,
        driver_allocated_memory=lambda: 8 * GIB,
        current_allocated_memory=lambda: 5 * GIB,
    )
    here = types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: True))
    found = machine.probe(torch=torch_with(mps=mps, backends=here))
    assert (found.device.name, found.device.vendor, found.device.unified) == ("Apple M3 Max", "Apple", True)
    assert (found.device.total_bytes, found.device.free_bytes) == (48 * GIB, 40 * GIB)
    assert (found.device.catalog_name, found.device.bandwidth_gb_s) == ("Apple M3 Max 64 GB", 400)
    assert budget.desktop_bytes(found) == 0


def test_free_memory_without_a_context_is_unknown_and_never_asked_for() -> None:
    card = types.SimpleNamespace(name="AMD Radeon RX 9070 XT", total_memory=16 * GIB, gcnArchName="gfx1201")
    found = machine.probe(torch=torch_with(cuda=backend(card, used=False), hip="6.4"))
    assert (found.device.free_bytes, found.device.allocated_bytes) == (None, 0)
    assert "unknown free of 16.0 GiB" in found.text()


def test_a_machine_without_an_accelerator_is_its_processor_and_its_ram() -> None:
    import psutil

    found = machine.probe(torch=None)
    assert [one.id for one in found.devices] == ["cpu"]
    assert found.device.name == processor.processor_name() != ""
    assert found.device.total_bytes == psutil.virtual_memory().total
    assert budget.desktop_bytes(found) == 0


def test_the_report_is_json_with_the_old_fields_first() -> None:
    found = machine.probe(torch=None).to_dict()
    assert json.loads(json.dumps(found))["devices"][0]["id"] == "cpu"
    old = ["id", "name", "kind", "total_bytes", "free_bytes", "compute_capability", "driver", "source"]
    assert [one.name for one in dataclasses.fields(report.DeviceReport)][:8] == old


# --- which torch, without importing it ---------------------------------------------------------------------


def test_the_build_of_torch_is_read_without_importing_it() -> None:
    import torch

    code = (
        "import sys; from vramwise.hardware.torch_build import torch_build; print(torch_build()); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(torch_build.torch_build(torch))


@pytest.mark.parametrize(
    ("answers", "pynvml", "build", "asked"),
    [
        (True, True, TorchBuild("2.9.0+cu128", cuda="12.8"), False),
        (False, True, TorchBuild("2.9.0+cu128", cuda="12.8"), False),
        (False, False, TorchBuild("2.9.0+cu128", cuda="12.8"), True),
        (False, True, TorchBuild("2.9.0+rocm6.4", hip="6.4"), True),
        (False, True, TorchBuild("2.9.0+xpu", xpu="20250201"), True),
        (False, False, TorchBuild("2.9.0+cpu"), False),
        (False, False, None, False),
    ],
)
def test_torch_is_imported_only_where_it_alone_can_answer(
    answers: bool, pynvml: bool, build: TorchBuild | None, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(torch_build.sys, "platform", "linux")
    monkeypatch.setattr(nvml, "installed", lambda: pynvml)
    stand_in = types.ModuleType("torch")

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            if name != "torch":
                return None
            loader = types.SimpleNamespace(create_module=lambda spec: stand_in, exec_module=lambda it: None)
            return importlib.machinery.ModuleSpec("torch", loader)

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    devices = (nvml.NvmlDevice("GPU-1", "a card"),) if answers else ()
    driver = nvml.NvmlReport(answers, devices=devices)
    assert (torch_build.live_torch("auto", driver, build) is stand_in) is asked
    sys.modules.pop("torch", None)
    assert torch_build.live_torch(None, driver, build) is None
    assert (torch_build.live_torch("import", driver, build) is stand_in) is (build is not None)
    sys.modules.pop("torch", None)


# --- formats and attention ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "formats"),
    [
        ((6, 1), (False, False, False)),
        ((7, 5), (False, False, False)),
        ((8, 0), (True, False, False)),
        ((8, 6), (True, False, False)),
        ((8, 9), (True, True, False)),
        ((9, 0), (True, True, False)),
        ((10, 0), (True, True, True)),
        ((12, 0), (True, True, True)),
        (None, (None, None, None)),
    ],
)
def test_number_formats_follow_the_compute_capability(
    capability: tuple[int, int] | None, formats: tuple[bool | None, ...]
) -> None:
    found = compute_support.number_formats("cuda", capability)
    assert (found.bf16, found.fp8, found.fp4) == formats


@pytest.mark.parametrize(
    ("architecture", "bf16", "fp8"),
    [("gfx1030", False, False), ("gfx1100", True, False), ("gfx1201", True, True), ("gfx942", True, True)],
)
def test_number_formats_of_amd_follow_the_architecture(architecture: str, bf16: bool, fp8: bool) -> None:
    found = compute_support.number_formats("rocm", None, architecture)
    assert (found.bf16, found.fp8) == (bf16, fp8)


def test_each_refusal_of_a_kernel_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    here: set[str] = set()
    monkeypatch.setattr(compute_support, "_installed", lambda module: module in here)
    assert compute_support.flash_attention("cuda", (8, 9)).reason == "flash-attn is not installed"
    assert "this GPU has 7.5" in compute_support.flash_attention("cuda", (7, 5)).reason
    assert "NVIDIA and AMD GPUs only" in compute_support.flash_attention("mps", None).reason
    here |= {"flash_attn", "sageattention"}
    flash = compute_support.flash_attention("cuda", (8, 9))
    assert flash.usable and "not in fp32" in flash.reason
    sage = compute_support.sage_attention("cuda", (8, 9))
    assert not sage.usable and "Triton" in sage.reason
    here.add("triton")
    assert compute_support.sage_attention("cuda", (8, 9)).usable
    assert not compute_support.sage_attention("rocm", None).usable
    assert compute_support.flash_attention("rocm", None).usable


# --- Windows: memory that has been moved to RAM ------------------------------------------------------------


class Pdh:
    """pdh.dll's few functions: one item a process and adapter, the names behind the items as Windows does."""

    def __init__(self, *sizes: int, refuses: str = "", status: int = 0) -> None:
        self.sizes, self.refuses, self.status = sizes, refuses, status
        self.path, self.open = "", 0

    def PdhOpenQueryW(self, source: Any, user: Any, query: Any) -> int:
        self.open += 1
        return self._code("open")

    def PdhAddEnglishCounterW(self, query: Any, path: str, user: Any, counter: Any) -> int:
        self.path = path
        return self._code("add")

    def PdhCollectQueryData(self, query: Any) -> int:
        return self._code("collect")

    def PdhGetFormattedCounterArrayW(self, counter: Any, form: int, size: Any, count: Any, room: Any) -> int:
        assert form == 0x400
        item = ctypes.sizeof(windows_memory._Item)
        if room is None:
            size._obj.value = len(self.sizes) * item + 64
            return -0x7FFFF82E if self.sizes else 0  # PDH_MORE_DATA, as a signed int
        count._obj.value = len(self.sizes)
        for place, one in enumerate(self.sizes):
            row = windows_memory._Item.from_buffer(room._obj, place * item)
            row.value.status, row.value.large = self.status, one
        return 0

    def PdhCloseQuery(self, query: Any) -> int:
        self.open -= 1
        return 0

    def _code(self, step: str) -> int:
        return -1 if self.refuses == step else 0


def test_shared_memory_of_this_process_is_summed_over_the_adapters() -> None:
    pdh = Pdh(3 * GIB, 5)
    assert windows_memory.shared_bytes(pdh) == 3 * GIB + 5
    assert pdh.path == rf"\GPU Process Memory(pid_{os.getpid()}_*)\Shared Usage"
    assert pdh.open == 0


@pytest.mark.parametrize("step", ["add", "collect"])
def test_a_counter_that_windows_refuses_is_unknown_and_the_query_is_closed(step: str) -> None:
    pdh = Pdh(GIB, refuses=step)
    assert windows_memory.shared_bytes(pdh) is None
    assert pdh.open == 0


def test_no_counter_or_no_valid_value_is_unknown_not_zero() -> None:
    assert windows_memory.shared_bytes(Pdh()) is None
    assert windows_memory.shared_bytes(Pdh(GIB, status=0xC0000BBA)) is None
    assert windows_memory.shared_bytes(Pdh(0)) == 0
    if sys.platform != "win32":
        assert windows_memory.shared_bytes() is None


def test_a_spill_belongs_to_the_only_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_memory, "shared_bytes", lambda: 6 * GIB)
    card = types.SimpleNamespace(name="Intel(R) Arc(TM) B580 Graphics", total_memory=12 * GIB)
    found = machine.probe(torch=torch_with(xpu=backend(card)))
    assert found.device.shared_bytes == 6 * GIB
    assert "shared with RAM by Windows: 6.0 GiB" in found.text()
    assert machine.probe(torch=None).device.shared_bytes is None


@pytest.mark.parametrize(
    ("system", "display", "room"),
    [
        ("Windows 11", None, True),
        ("Windows 11", False, False),
        ("Linux 6.8", True, True),
        ("Linux 6.8", None, False),
    ],
)
def test_room_is_left_for_the_desktop_where_a_screen_hangs_on_the_card(
    system: str, display: bool | None, room: bool
) -> None:
    card = report.DeviceReport("cuda:0", "Card", "cuda", 12 * GIB, 12 * GIB, display=display)
    found = report.MachineReport((card,), "cuda:0", system, "3.12", None, 8, 32 * GIB, 16 * GIB)
    assert budget.desktop_bytes(found) == (400 * 1024**2 if room else 0)


# --- words -------------------------------------------------------------------------------------------------


def test_what_torch_keeps_unused_of_a_card_is_free_for_a_model() -> None:
    card = report.DeviceReport(
        "cuda:0", "Card", "cuda", 12 * GIB, 4 * GIB, reserved_bytes=6 * GIB, allocated_bytes=5 * GIB
    )
    assert budget.free_bytes(report.MachineReport((card,), "cuda:0", "Linux", "3", "2", 8, 0, 0)) == 5 * GIB


@pytest.mark.parametrize(("kind", "backend"), [("rocm", "cuda"), ("cuda", "cuda"), ("xpu", "xpu")])
def test_where_no_report_can_tell_torch_is_asked_what_is_free(
    kind: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An AMD or Intel card from a script, and an NVIDIA one without pynvml: 0 would refuse every model."""
    asked = types.SimpleNamespace(mem_get_info=lambda index: ((5 + index) * GIB, 16 * GIB))
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(**{backend: asked}))
    card = report.DeviceReport(f"{kind if kind == 'xpu' else 'cuda'}:1", "Card", kind, 16 * GIB, None)
    made = report.MachineReport((card,), card.id, "Linux", "3", "2", 8, 0, 0)
    assert budget.free_bytes(made) == 6 * GIB
    monkeypatch.delitem(sys.modules, "torch")
    assert budget.free_bytes(made) == 0


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_every_word_of_a_report_is_there_in_every_language(lang: str) -> None:
    folder = Path(report.__file__).parents[1] / "catalog" / "report_words"
    known = {code: json.loads((folder / f"{code}.json").read_text(encoding="utf-8")) for code in LANGUAGES}
    assert set(known[lang]) == set(known["en"])
    for key, text in known["en"].items():
        assert fields(known[lang][key]) <= fields(text) | {"torch"}, key


def test_an_unknown_language_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="en, ru, zh"):
        words("russian")


CARD = report.DeviceReport(
    id="cuda:0",
    name="NVIDIA GeForce RTX 4060",
    kind="cuda",
    total_bytes=8 * GIB,
    free_bytes=6 * GIB,
    compute_capability="8.9",
    driver="560.1",
    source="NVML",
    own_bytes=0,
    host_bytes=GIB,
    reserved_bytes=GIB,
    allocated_bytes=GIB // 2,
    bf16=True,
    fp8=True,
    bandwidth_gb_s=272.5,
    tensor_cores=96,
    catalog_name="GeForce RTX 4060",
    shared_bytes=GIB,
    throttle=("sw_power_cap",),
    dynamic_vram=True,
    flash_attention=compute_support.flash_attention("cpu", None),
    sage_attention=compute_support.sage_attention("cuda", None),
    runnable=Capability(False, "torch 2.1 is built without CUDA"),
    set_by_hand="total_gib 96",
)


@pytest.mark.parametrize(("lang", "letters"), [("ru", r"[\u0400-\u04ff]"), ("zh", r"[\u4e00-\u9fff]")])
def test_every_line_of_a_report_is_in_the_readers_language(lang: str, letters: str) -> None:
    here = machine.probe(torch=None)
    told = dataclasses.replace(
        here, devices=(CARD, *here.devices), chosen="cuda:0", driver_error="boom", remarks=(), torch=None
    )
    room = budget.budget_of_machine(told)
    assert room is not None
    lines = [*told.text(lang).splitlines(), room.text(lang)]
    assert len(lines) == len([*told.text().splitlines(), room.text()]) > 14
    assert [line for line in lines if not re.search(letters, line)] == []
    english = re.compile(r"\b(is|of|on|by|with|only|free|held|yes|no|unknown|needs|cannot|installed)\b")
    assert [line for line in lines if english.search(line)] == []
    assert ("272,5" in told.text(lang)) == (lang == "ru")
    assert told.text().startswith("Chosen: cuda:0: NVIDIA GeForce RTX 4060, 6.0 GiB free of 8.0 GiB, compute")
