"""``memory:`` of config.yaml: a person sets the figure, everybody plans with it, and every report says so."""

from __future__ import annotations

import io
import json
import types
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import psutil
import pytest
from vramwise import advise
from vramwise.cli import main
from vramwise.errors import VramwiseError
from vramwise.hardware import amd_memory, machine, nvml
from vramwise.hardware.budget import SUPPOSED, budget_of_machine, sharded_budgets
from vramwise.models.place import budget_here, machine_now
from vramwise.panel_data import machine_answer
from vramwise.settings import MemoryByHand, load_settings

GIB = 1024**3
SAID = "total_gib 96, reserve_gib 8"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    path = tmp_path / "config.yaml"
    monkeypatch.setenv("VRAMWISE_CONFIG", str(path))
    monkeypatch.setattr(nvml, "read_nvml", lambda: nvml.NvmlReport(False))
    monkeypatch.setattr(amd_memory, "_SYSFS", tmp_path / "none")
    ram = types.SimpleNamespace(total=125 * GIB, available=110 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: ram)
    return lambda text: path.write_text(text, encoding="utf-8") and None


def amd(total: float, free: float | None, integrated: int = 0, reserved: int = 0) -> Any:
    card = types.SimpleNamespace(
        name="AMD Radeon 8060S Graphics", total_memory=int(total * GIB), is_integrated=integrated
    )
    cuda = types.SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: free is not None,
        device_count=lambda: 1,
        get_device_properties=lambda index: card,
        memory_allocated=lambda index: reserved * GIB,
        memory_reserved=lambda index: reserved * GIB,
        mem_get_info=lambda index: (int((free or 0) * GIB), card.total_memory),
    )
    version = types.SimpleNamespace(cuda=None, hip="7.0", xpu=None)
    return types.SimpleNamespace(__version__="2.9.0", version=version, cuda=cuda)


@pytest.mark.parametrize(
    ("torch", "said", "total", "free"),
    [
        (amd(62.5, 50, 1, 4), "{total_gib: 96}", 96, 92),
        (amd(62.5, 50, 1, 4), SAID, 96, 84),
        (amd(62.5, None, 1), "{total_gib: 120}", 120, 110),  # no more than RAM can give
        (amd(62.5, 50, 1, 4), "{reserve_gib: 20}", 62.5, 38.5),
        (amd(16, 12, 0, 2), "{total_gib: 8}", 8, 4),  # what is used stays used
        (amd(16, 12, 0, 2), "{total_gib: 24}", 24, 20),
        (amd(16, 12, 0, 2), "{total_gib: 2}", 2, 0),
        (amd(16, 12, 0, 2), "{reserve_gib: 15.5}", 16, 0),
        (amd(16, None), SAID, 96, 88),
    ],
)
def test_the_figure_that_was_set_is_what_a_model_can_be_given(
    torch: Any, said: str, total: float, free: float, config: Callable[[str], None]
) -> None:
    config(f"memory: {{cuda:0: {said if said != SAID else '{total_gib: 96, reserve_gib: 8}'}}}")
    report = machine.probe(torch=torch)
    budget = budget_of_machine(report)
    assert budget is not None and report.device.total_bytes == total * GIB
    assert budget.free_bytes == free * GIB
    assert "set by hand" in budget.note
    assert (SUPPOSED in budget.note) == (report.device.free_bytes is None)


def printed(*arguments: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        assert main(list(arguments)) == 0
    return out.getvalue()


REPORTS: dict[str, Callable[[], str]] = {
    "probe": lambda: machine_now().text(),
    "line": lambda: machine_now().device.line(),
    "budget": lambda: budget_here().text(),
    "check-gpu": lambda: printed("check-gpu"),
    "check-gpu --json": lambda: printed("check-gpu", "--json"),
    "plan": lambda: printed("plan", "qwen3_vl_2b"),
    "plan --json": lambda: printed("plan", "qwen3_vl_2b", "--json"),
    "advise": lambda: printed("advise", "--task", "OCR"),
    "advise --json": lambda: printed("advise", "--task", "OCR", "--json"),
    "advise, script": lambda: advise(task="OCR").target.budget.note,
    "panel": lambda: json.dumps(machine_answer(machine_now())),
}


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_says_when_the_figure_was_set_by_hand(
    name: str, config: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = amd(62.5, 50, 1, 4)
    monkeypatch.setattr(machine, "live_torch", lambda *asked: torch)
    config("")
    assert SAID not in REPORTS[name]()
    config("memory: {cuda:0: {total_gib: 96, reserve_gib: 8}}")
    assert SAID in REPORTS[name]()


def test_a_model_over_several_cards_keeps_back_what_was_set(config: Callable[[str], None]) -> None:
    config("memory: {cuda:0: {reserve_gib: 6}, cpu: {total_gib: 40, reserve_gib: 10}}")
    found = sharded_budgets(machine.probe(torch=amd(16, 12, 0, 2)))
    assert found is not None
    assert found[0].free_bytes == int(6 * GIB * 0.9)
    assert found[1].free_bytes == int(6 * GIB * 0.9) + int(30 * GIB * 0.9)


def test_ram_can_be_set_too_as_a_container_with_less_needs(config: Callable[[str], None]) -> None:
    config("memory: {cpu: {total_gib: 8, reserve_gib: 2}}")
    report = machine.probe(torch=None)
    assert (report.device.total_bytes, report.device.free_bytes) == (8 * GIB, 8 * GIB)
    budget = budget_of_machine(report)
    assert budget is not None and budget.free_bytes == 6 * GIB


def test_a_device_that_is_not_here_is_a_note(config: Callable[[str], None]) -> None:
    config("memory: {cuda:3: {total_gib: 8}}")
    (note,) = machine.probe(torch=amd(16, 12)).notes
    assert "cuda:3" in note and "cuda:0, cpu" in note


def read(tmp_path: Path, text: str) -> dict[str, MemoryByHand]:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return dict(load_settings({"VRAMWISE_CONFIG": str(path)}).memory)


@pytest.mark.parametrize(
    "text",
    [
        "memory: {cuda:0: {total_gib: 96, reserve_gib: 8}}",
        'memory: {"cuda:0": {total_gib: 96, reserve_gib: 8}}',
        "memory:\n  cuda:0:\n    total_gib: 96.0\n    reserve_gib: 8\n",
        "memory:\n  cuda:\n    total_gib: 96\n    reserve_gib: 8\n",
        "memory: {CUDA:0: {reserve_gib: 8, total_gib: 9.6e+1}}",
    ],
)
def test_the_ways_to_write_it(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text) == {"cuda:0": MemoryByHand(96, 8)}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("96", "must hold devices such as cuda:0"),
        ("{cuda:0: 96}", "must hold devices"),
        ("[cuda:0]", "must hold devices"),
        ("{cuda:0: {}}", "says nothing"),
        ("{cuda:0: {total: 96}}", 'unknown key "total".*total_gib'),
        ("{cuda:0: {total_gib: 0}}", "more than 0"),
        ("{cuda:0: {total_gib: -4}}", "more than 0"),
        ("{cuda:0: {total_gib: .nan}}", "must be a number of GiB"),
        ("{cuda:0: {total_gib: .inf}}", "must be a number of GiB"),
        ("{cuda:0: {total_gib: 1e300}}", "must be a number of GiB"),
        ("{cuda:0: {total_gib: yes}}", "must be a number of GiB"),
        ("{cuda:0: {total_gib: 96 GiB}}", "not '96 GiB'"),
        ("{cuda:0: {total_gib: null}}", "not None"),
        ("{cuda:0: {total_gib: [96]}}", "must be a number of GiB"),
        ("{cuda:0: {reserve_gib: -1}}", "0 or more"),
        ("{cuda:0: {total_gib: 8, reserve_gib: 8}}", "leaves nothing"),
        ("{cuda:x: {total_gib: 8}}", '"cuda:x" is no device'),
        ("{cuda:-1: {total_gib: 8}}", "is no device"),
        ("{gpu: {total_gib: 8}}", '"gpu" is no device'),
        ("{xpuu:0: {total_gib: 8}}", 'Did you mean "xpu"'),
        ("{0: {total_gib: 8}}", '"0" is no device'),
        ("{cuda: {total_gib: 8}, cuda:0: {total_gib: 9}}", "cuda:0 twice"),
    ],
)
def test_a_wrong_figure_is_a_sentence_that_names_it(said: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(VramwiseError, match=words):
        read(tmp_path, f"memory: {said}")
