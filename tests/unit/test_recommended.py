"""``check-gpu`` recommends what this machine's packages and speed can use, and says what is missing."""

from __future__ import annotations

import pytest
from vramwise.cli.machine import Recommendation, recommended
from vramwise.hardware.capabilities import Capability
from vramwise.hardware.report import DeviceReport, MachineReport

GIB = 1024**3
YES = Capability(True, "here")
ALL = dict.fromkeys(("bf16", "fp16", "fp32", "int8", "int4", "torchao", "accelerate", "bitsandbytes"), YES)
NONE = Capability(False, "transformers not installed; pip install transformers adds it")


def machine(kind: str, total_gib: float, options: dict[str, Capability]) -> MachineReport:
    ids, names = {"cuda": "cuda:0", "cpu": "cpu"}, {"cuda": "NVIDIA GeForce RTX 3060", "cpu": "CPU"}
    total, free = int(total_gib * GIB), int((total_gib - 0.4) * GIB)
    device = DeviceReport(ids[kind], names[kind], kind, total, free, "8.6" if kind == "cuda" else None)
    ram = (64 * GIB, 60 * GIB) if kind == "cuda" else (total, free)
    return MachineReport((device,), device.id, "Linux 6.1", "3.11", "2.9.0", 8, *ram, options=options)


def card(total_gib: float, options: dict[str, Capability]) -> Recommendation:
    return recommended(machine("cuda", total_gib, options))


def test_with_everything_installed_the_largest_at_its_best_precision() -> None:
    found = card(12, ALL)
    assert "qwen3_vl_8b" in {model.model for model in found.now} and found.waiting == ()


def test_without_bitsandbytes_no_int8_is_recommended_and_what_it_would_bring_is_said() -> None:
    lacking = Capability(False, "bitsandbytes not installed; pip install bitsandbytes adds it")
    found = card(12, {**ALL, "int8": lacking, "int4": lacking, "bitsandbytes": lacking})
    assert {model.precision for model in found.now} <= {"bf16", "fp16", "fp8 as saved"}
    assert "qwen3_vl_8b" not in {model.model for model in found.now}
    waits = {model.model: why for model, why in found.waiting}
    assert "bitsandbytes" in waits["qwen3_vl_8b"]


def test_without_transformers_only_the_built_in_engines_are_recommended() -> None:
    found = card(12, dict.fromkeys(ALL, NONE))
    assert {model.bytes for model in found.now} == {0}
    assert {why for _, why in found.waiting} == {NONE.reason}


@pytest.mark.parametrize("ram_gib", [8, 64, 256])
def test_on_a_processor_no_vision_model_is_recommended(ram_gib: int) -> None:
    found = recommended(machine("cpu", ram_gib, ALL))
    assert {model.model for model in found.now} <= {"rapid", "tesseract"} and found.now
    assert list(found.slow) == sorted(found.slow, key=lambda model: model.bytes) and found.slow
