"""What ComfyUI's sampling took here is remembered by architecture and latent, and advice shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from vramwise.advisor import advise, report
from vramwise.advisor.candidate import ResultSize
from vramwise.advisor.diffusion_candidates import diffusion_candidate
from vramwise.advisor.diffusion_memory import diffusion_need
from vramwise.advisor.picture_plan import picture_plan
from vramwise.advisor.targets import target_of_machine
from vramwise.catalog.diffusion import diffusion_model
from vramwise.hardware import DeviceReport, MachineReport
from vramwise.host import Places, set_places
from vramwise.planning import run_history
from vramwise.planning.sampling_peaks import named, remember, sampling_peaks
from vramwise.settings import load_settings
from vramwise.units import GIB

CARD = "NVIDIA GeForce RTX 4090"
MODEL = diffusion_model("flux1-dev")
AREA = diffusion_need(MODEL, "fp8").area


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    set_places(Places(tmp_path, (tmp_path / "models",)))
    yield tmp_path
    set_places(None)  # type: ignore[arg-type]


def machine(name: str = CARD) -> MachineReport:
    device = DeviceReport("cuda:0", name, "cuda", 24 * GIB, 23 * GIB, "8.9", host_bytes=0)
    return MachineReport((device,), device.id, "Linux 6.1", "3.11", None, 8, 64 * GIB, 48 * GIB)


def kept(folder: Path, area: int = AREA, card: str = CARD, factor: float = MODEL.factor) -> None:
    remember(folder, card, MODEL.comfy_class, factor, area, 5 * GIB)


def test_a_remembered_peak_is_what_sampling_needs_on_this_machine_and_is_marked(folder: Path) -> None:
    before = diffusion_candidate(target_of_machine(machine()), "flux1-dev", "fp8")
    kept(folder)
    after = diffusion_candidate(target_of_machine(machine()), "flux1-dev", "fp8")
    computed = diffusion_need(MODEL, "fp8").activation_bytes
    assert (before.confidence, after.confidence) == ("computed", "measured here")
    assert after.optimal_bytes - before.optimal_bytes == 5 * GIB - computed
    text = report(advise(machine=machine(), task="image"))
    assert any("FLUX.1 dev" in line and "measured here" in line for line in text.splitlines())
    plan = picture_plan(MODEL, target_of_machine(machine()), ResultSize())
    assert {row.confidence for row in plan.verdicts} == {"measured here"}


@pytest.mark.parametrize(
    "other",
    [{"area": AREA * 2}, {"card": "NVIDIA GeForce RTX 3060"}, {"factor": 1.0}],
    ids=["another latent", "another card", "another model of the class"],
)
def test_a_peak_is_used_for_nothing_else(other: dict[str, object], folder: Path) -> None:
    kept(folder, **other)  # type: ignore[arg-type]
    assert diffusion_candidate(target_of_machine(machine()), "flux1-dev", "fp8").confidence == "computed"


def test_a_card_that_is_only_asked_about_has_nothing_measured(folder: Path) -> None:
    kept(folder)
    assert {row.confidence for row in advise(gpu="RTX 4090", task="image").candidates} <= {
        "computed",
        "estimated",
    }


def test_the_latest_of_a_kind_and_the_larger_of_two_data_types_counts(folder: Path) -> None:
    for dtype, size in (("bfloat16", 5), ("float32", 9), ("bfloat16", 3), ("float32", 7)):
        remember(folder, CARD, "Flux", 3.1, 4096, size * GIB, dtype)
    found = sampling_peaks(folder, CARD)
    assert {key: peak.bytes for key, peak in found.items()} == {(named("Flux", 3.1), 4096): 7 * GIB}


def test_readings_of_ocr_models_stay_beside_them(folder: Path) -> None:
    kept(folder)
    run_history.record(folder, run_history.Run(CARD, "qwen3_vl_2b", "bf16", pixels=10**6))
    assert len(sampling_peaks(folder, CARD)) == 1
    assert len(run_history.lookup(folder, CARD, "qwen3_vl_2b")) == 1


def test_a_damaged_record_is_no_record(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / run_history.NAME).write_bytes(b"no database" * 100)
    assert sampling_peaks(folder, CARD) == {} and "cannot be read" in caplog.text
    assert diffusion_candidate(target_of_machine(machine()), "flux1-dev", "fp8").confidence == "computed"


@pytest.mark.parametrize(
    ("text", "environ", "learns"),
    [
        ("", {}, True),
        ("learn_peaks: false", {}, False),
        ("learn_peaks: true", {"VRAMWISE_LEARN_PEAKS": "0"}, False),
        ("learn_peaks: false", {"VRAMWISE_LEARN_PEAKS": "1"}, True),
    ],
)
def test_it_can_be_switched_off(text: str, environ: dict[str, str], learns: bool, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_settings({"VRAMWISE_CONFIG": str(path), **environ}).learn_peaks is learns


def test_a_machine_that_computes_on_the_processor_has_no_peaks(folder: Path) -> None:
    kept(folder, card="cpu")
    here = machine()
    cpu = replace(here.device, id="cpu", kind="cpu", name="CPU")
    assert target_of_machine(replace(here, devices=(cpu,), chosen="cpu")).sampling_peaks == {}
