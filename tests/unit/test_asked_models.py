"""Names of models as people, repositories and files have them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from vramwise.advisor.candidates import named_candidate
from vramwise.advisor.model_names import also_meant, model_name, models_meant, precision_in
from vramwise.advisor.targets import target_of_memory
from vramwise.catalog.diffusion import diffusion_model
from vramwise.cli import main
from vramwise.errors import UnknownName

ASKED = list(csv.DictReader((Path(__file__).parent / "asked_models.csv").open(encoding="utf-8")))


def test_names_of_models_are_understood() -> None:
    """What is meant is first or among those that the answer names; what no model is called is none."""
    wrong = {}
    for row in ASKED:
        found = models_meant(row["asked"])
        if row["model"] not in found if row["model"] else found:
            wrong[row["asked"]] = found
    assert len(ASKED) >= 150
    assert not wrong


@pytest.mark.parametrize(
    ("file", "model", "precision"),
    [
        ("flux1-dev-Q4_K_S.gguf", "flux1-dev", "Q4_K_S"),
        ("wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors", "wan2.2-14b", "fp8_scaled"),
        ("qwen_image_fp8_e4m3fn", "qwen-image", "fp8_e4m3fn"),
        ("z_image_turbo_bf16", "z-image-turbo", "bf16"),
        ("flux1-dev", "flux1-dev", ""),
    ],
)
def test_a_file_says_its_model_and_precision(file: str, model: str, precision: str) -> None:
    assert (model_name(file), precision_in(file, model)) == (model, precision)
    if precision:
        assert named_candidate(target_of_memory(24), file).precision == precision


def test_a_plan_for_a_file_is_for_its_precision(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "flux1-dev-Q4_K_S.gguf", "--vram-gib", "16"]) == 0
    assert "Chosen: Q4_K_S." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "listed"), [("q4km", "Q4_K_M"), ("fp8 ", "fp8"), ("Q4", "Q4_K_M"), ("q8 0", "Q8_0")]
)
def test_a_precision_is_understood_without_its_marks(asked: str, listed: str) -> None:
    assert diffusion_model("flux1-dev").of(asked).precision == listed


def test_a_family_is_the_one_that_people_mean_and_the_others_are_named() -> None:
    first, *others = models_meant("flux dev")
    assert first == "flux2-dev" and "flux1-dev" in others
    assert "FLUX.1 dev (flux1-dev)" in also_meant("flux dev")


@pytest.mark.parametrize(
    "text",
    ["image", "turbo", "dev", "canny", "flux", "video edit", "8b", "image 9", "sam3.safetensors", "fp8"],
)
def test_words_that_many_have_name_no_model(text: str) -> None:
    with pytest.raises(UnknownName):
        model_name(text)
