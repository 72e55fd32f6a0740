"""A GPU without memory of its own: what is free is what the system can give, in probe and budget."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.hardware import HostDevice, HostMemory, amd_memory, machine, nvml
from vramwise.hardware.budget import SUPPOSED, budget_of_machine, free_bytes, sharded_budgets
from vramwise.hardware.report import MachineReport

GIB = 1024**3
Driver = Callable[[str | Path], None]


@pytest.fixture(autouse=True)
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "read_nvml", lambda: nvml.NvmlReport(False))
    monkeypatch.setattr(amd_memory, "_SYSFS", Path("/there/is/none"))


def torch_with(
    kind: str, name: str, total: float, free: float | None, reserved: float = 0, **record: Any
) -> Any:
    """torch with one device; ``free`` None: mem_get_info raises. Sizes are GiB."""
    card = types.SimpleNamespace(name=name, total_memory=int(total * GIB), major=12, minor=1, **record)

    def mem_get_info(index: int) -> tuple[int, int]:
        if free is None:
            raise RuntimeError(f"The device ({name}) doesn't support querying the available free memory.")
        return int(free * GIB), card.total_memory

    used = types.SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: reserved > 0,
        device_count=lambda: 1,
        get_device_properties=lambda index: card,
        memory_allocated=lambda index: int(reserved * GIB),
        memory_reserved=lambda index: int(reserved * GIB),
        mem_get_info=mem_get_info,
    )
    none = types.SimpleNamespace(is_available=lambda: False)
    parts = {"cuda": none, "xpu": none, "xpu" if kind == "xpu" else "cuda": used}
    version = types.SimpleNamespace(
        cuda="13.0" if kind == "cuda" else None, hip="7.0" if kind == "rocm" else None, xpu=None
    )
    return types.SimpleNamespace(
        __version__="2.9.0", version=version, backends=types.SimpleNamespace(), **parts
    )


@pytest.fixture
def ram(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """``ram(total, available)`` in GiB."""

    def set_ram(total: float, available: float) -> None:
        memory = types.SimpleNamespace(total=int(total * GIB), available=int(available * GIB))
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

    return set_ram


def hosted(report: Callable[[HostMemory | None], MachineReport], device: str, said: float) -> MachineReport:
    """The same machine inside ComfyUI, whose own figure is ``said``."""
    return report(HostMemory(device, {device: HostDevice(int(said * GIB), 0, 0)}))


# kind, name, torch's total and free, reserved by this process, torch's record, RAM, available -> free
MACHINES = {
    "DGX Spark after a download": (
        "cuda", "NVIDIA GB10", 121, 3, 0, {"is_integrated": 1}, 121, 115, 115),
    "DGX Spark with a model of ours": (
        "cuda", "NVIDIA GB10", 121, 3, 30, {"is_integrated": 1}, 121, 85, 85),
    "Jetson Orin": ("cuda", "Orin", 61, 1, 2, {"is_integrated": 1}, 61, 50, 50),
    "Jetson Thor, by the catalog": ("cuda", "NVIDIA GB10", 119, 4, 2, {}, 121, 100, 100),
    "Strix Halo, half of RAM by the kernel": (
        "rocm", "AMD Radeon 8060S Graphics", 62.5, 120, 4, {"is_integrated": 1}, 125, 110, 58.5),
    "Strix Halo, RAM nearly full": (
        "rocm", "AMD Radeon 8060S Graphics", 62.5, 58, 4, {"is_integrated": 1}, 125, 9, 9),
    "Strix Halo, 96 GB set aside": (
        "rocm", "AMD Radeon 8060S Graphics", 96, 90, 4, {"is_integrated": 1}, 31, 20, 90),
    "Lunar Lake": (
        "xpu", "Intel(R) Arc(TM) 140V GPU (16GB)", 15.8, None, 2, {"is_integrated_gpu": True}, 31, 20, 13.8),
    "Meteor Lake, older torch": ("xpu", "Intel(R) Arc(TM) Graphics", 15.8, None, 2, {}, 31.5, 6, 6),
    "an Intel GPU without a name": ("xpu", "Intel(R) Graphics [0x64a0]", 15.8, None, 0, {}, 31.5, 20, 15.8),
}  # fmt: skip


@pytest.mark.parametrize("name", MACHINES)
def test_of_shared_memory_what_the_system_can_give_is_free(
    name: str, ram: Callable[[float, float], None]
) -> None:
    kind, card, total, told, reserved, record, all_ram, available, free = MACHINES[name]
    ram(all_ram, available)
    torch = torch_with(kind, card, total, told, reserved, **record)

    def look(host: HostMemory | None = None) -> MachineReport:
        return machine.probe(torch=torch, host=host)

    device = look().device.id
    for report in (look(), hosted(look, device, 1.0 if told is None else told)):
        assert report.device.free_bytes == int(free * GIB)
        assert free_bytes(report) == int(free * GIB)
        budget = budget_of_machine(report)
        assert budget is not None and budget.free_bytes == int(free * GIB)


DISCRETE = [
    ("cuda", "NVIDIA GeForce RTX 4090", 24, 3, {"is_integrated": 0}),
    ("rocm", "AMD Radeon RX 9070 XT", 15.9, 3, {"is_integrated": 0}),
    ("xpu", "Intel(R) Arc(TM) B580 Graphics", 11.6, 3, {}),
    ("xpu", "Intel(R) Graphics [0xe211]", 23.9, 3, {}),
]


@pytest.mark.parametrize(("kind", "name", "total", "free", "record"), DISCRETE)
def test_a_card_with_memory_of_its_own_is_never_credited_with_ram(
    kind: str, name: str, total: float, free: float, record: Any, ram: Callable[[float, float], None]
) -> None:
    ram(64, 60)
    report = machine.probe(torch=torch_with(kind, name, total, free, 2, **record))
    assert (report.device.free_bytes, report.device.unified) == (free * GIB, False)
    ram(64, 1)
    assert machine.probe(torch=torch_with(kind, name, total, free, 2, **record)).device.free_bytes == 3 * GIB


def test_nvml_of_unified_memory_may_say_nothing_or_zero(
    driver: Driver, tmp_path: Path, ram: Callable[[float, float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the driver below, not the absent one
    ram(121, 115)
    head = "driver 580\ncuda 13000\ncard\nname NVIDIA GB10\n"
    for number, said in enumerate(("", "total 0\nused 0\n", "total 130000000000\nused 126000000000\n")):
        cards = tmp_path / f"{number}.txt"
        cards.write_text(head + said, encoding="utf-8")
        monkeypatch.setenv("VRAMWISE_NVML", str(cards))
        report = machine.probe(torch=None)
        assert report.device.unified and report.device.free_bytes == 115 * GIB, said


def test_comfyuis_figure_has_what_torch_keeps_unused_and_it_counts_once(
    ram: Callable[[float, float], None],
) -> None:
    ram(64, 60)
    torch = torch_with("xpu", "Intel(R) Arc(TM) B580 Graphics", 12, None, 2)
    torch.xpu.memory_allocated = lambda index: GIB
    host = HostMemory("xpu:0", {"xpu:0": HostDevice(11 * GIB, 0, 0)})
    assert free_bytes(machine.probe(torch=torch, host=host)) == 11 * GIB


def test_a_model_over_card_and_ram_counts_shared_memory_once(ram: Callable[[float, float], None]) -> None:
    ram(121, 115)
    found = sharded_budgets(
        machine.probe(torch=torch_with("cuda", "NVIDIA GB10", 121, 3, 2, is_integrated=1))
    )
    assert found is not None
    assert found[0].free_bytes == found[1].free_bytes == int(115 * GIB * 0.9)


@given(st.integers(GIB, 512 * GIB), st.integers(0, 512 * GIB), st.integers(0, 512 * GIB), st.integers(0, 512))
def test_no_shared_device_has_more_free_than_ram_has(
    total: int, told: int, available: int, held: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        memory = types.SimpleNamespace(total=512 * GIB, available=available)
        patch.setattr(psutil, "virtual_memory", lambda: memory)
        torch = torch_with("cuda", "NVIDIA GB10", total / GIB, told / GIB, held, is_integrated=1)
        free = machine.probe(torch=torch).device.free_bytes
    assert free is not None and 0 <= free <= min(available, max(total, 0))


# --- AMD's own figures on Linux ---------------------------------------------------------------------------


def sysfs(folder: Path, *cards: tuple[str, float, float, float, float]) -> Path:
    """/sys/class/drm with cards of (PCI address, vram, of it used, gtt, of it used) in GiB."""
    for number, (bus, *sizes) in enumerate(cards):
        device = folder / "devices" / bus
        device.mkdir(parents=True)
        names = ("vram_total", "vram_used", "gtt_total", "gtt_used")
        for name, size in zip(names, sizes, strict=True):
            (device / f"mem_info_{name}").write_text(f"{int(size * GIB)}\n", encoding="ascii")
        (folder / f"card{number}").mkdir()
        (folder / f"card{number}" / "device").symlink_to(device)
    return folder


# of one GPU: torch's total, sysfs (vram, used, gtt, used), RAM available -> free, unified
AMD = {
    "a card of its own": (15.9, (16, 5, 15, 0), 20, 11, False),
    "96 GB set aside": (96, (96, 6, 15, 1), 20, 90, False),
    "RAM alone": (62.5, (0.5, 0.4, 62.5, 10), 80, 52.6, True),
    "RAM alone, nearly full": (62.5, (0.5, 0.4, 62.5, 10), 7, 7.1, True),
    "both": (112, (96, 6, 16, 1), 20, 105, False),
    "the kernel's limit is above HIP's": (62.5, (0.5, 0.4, 120, 10), 100, 62.5, True),
}


@pytest.mark.parametrize("case", AMD)
def test_amdgpu_says_what_is_free_without_a_context(
    case: str, tmp_path: Path, ram: Callable[[float, float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    total, sizes, available, free, unified = AMD[case]
    ram(128, available)
    monkeypatch.setattr(amd_memory, "_SYSFS", sysfs(tmp_path, ("0000:c3:00.0", *sizes)))
    integrated = int(case != "a card of its own")
    torch = torch_with("rocm", "AMD Radeon Graphics", total, 1, 0, is_integrated=integrated)
    report = machine.probe(torch=torch)
    assert report.device.free_bytes == pytest.approx(free * GIB)
    assert report.device.unified is unified
    budget = budget_of_machine(report)
    assert budget is not None and SUPPOSED not in budget.note


def test_of_two_equal_cards_the_pci_address_says_which(
    tmp_path: Path, ram: Callable[[float, float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ram(64, 60)
    cards = sysfs(tmp_path, ("0000:03:00.0", 16, 14, 8, 0), ("0000:0a:00.0", 16, 1, 8, 0))
    monkeypatch.setattr(amd_memory, "_SYSFS", cards)
    address = {"pci_domain_id": 0, "pci_bus_id": 10, "pci_device_id": 0}
    torch = torch_with("rocm", "AMD Radeon RX 9070", 15.9, 1, 0)
    assert machine.probe(torch=torch).device.free_bytes is None, "either of them"
    torch = torch_with("rocm", "AMD Radeon RX 9070", 15.9, 1, 0, **address)
    assert machine.probe(torch=torch).device.free_bytes == 15 * GIB


def test_a_part_of_a_card_has_no_figures_of_the_whole(
    tmp_path: Path, ram: Callable[[float, float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ram(1500, 1400)
    monkeypatch.setattr(amd_memory, "_SYSFS", sysfs(tmp_path, ("0000:05:00.0", 192, 3, 750, 0)))
    address = {"pci_domain_id": 0, "pci_bus_id": 5, "pci_device_id": 0, "is_integrated": 0}
    torch = torch_with("rocm", "AMD Instinct MI300X", 24, 20, 2, **address)
    device = machine.probe(torch=torch).device
    assert (device.free_bytes, device.unified) == (20 * GIB, False)


@pytest.mark.parametrize("said", ["", "many\n", "-1\n"])
def test_a_sysfs_that_is_odd_says_nothing(said: str, tmp_path: Path) -> None:
    folder = sysfs(tmp_path, ("0000:03:00.0", 16, 14, 8, 0))
    (folder / "devices" / "0000:03:00.0" / "mem_info_vram_used").write_text(said, encoding="ascii")
    assert all(card.vram_used >= 0 for card in amd_memory.amd_memory(folder))
