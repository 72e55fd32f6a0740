"""What the loader's panel says where nothing would run: before its download is offered."""

from __future__ import annotations

import pytest
from vramwise import panel_data
from vramwise.hardware import DeviceReport, MachineReport
from vramwise.models import place
from vramwise.weights.background_downloads import Downloads

GIB = 1024**3


@pytest.fixture(autouse=True)
def _eight_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    card = DeviceReport("cuda:0", "NVIDIA Card", "cuda", 8 * GIB, 6 * GIB, display=True)
    processor = DeviceReport("cpu", "Processor", "cpu", 32 * GIB, 16 * GIB, unified=True)
    report = MachineReport((card, processor), "cuda:0", "Windows 11", "3.12", "2.9.0", 8, 32 * GIB, 16 * GIB)
    monkeypatch.setattr(place, "machine_now", lambda *_, **__: report)


def refusal(model: str, precision: str = "auto", lang: str = "en") -> str:
    asked = panel_data.loader_request(model, precision)
    return str(panel_data.plan_answer(asked, Downloads(), lang)["refusal"])


def test_a_model_that_fits_at_no_precision_says_so_and_what_to_do() -> None:
    said = refusal("qwen3_vl_8b")
    assert "does not fit on cuda:0 at any precision" in said and "Choose a smaller model" in said
    assert "does not fit" not in refusal("qwen3_vl_8b", lang="ru") != ""


def test_a_precision_that_does_not_fit_names_the_one_that_would() -> None:
    assert "int4" in refusal("qwen3_vl_4b", "bf16")


def test_what_runs_is_refused_by_nobody() -> None:
    assert refusal("qwen3_vl_4b") == refusal("qwen3_vl_2b", "int8") == refusal("rapid") == ""
