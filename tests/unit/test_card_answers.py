"""What torch finds of a card, which card reaches a goal, models by any spelling, JSON of one shape."""

from __future__ import annotations

import datetime
import json

import pytest
from vramwise.advisor.advise import which_gpu
from vramwise.advisor.gpu_ranking import class_of, has_bf16, rating
from vramwise.advisor.model_names import model_name
from vramwise.advisor.targets import targets_of_text
from vramwise.catalog.edition import OLD_AFTER_DAYS, edition
from vramwise.catalog.gpus import find_gpus, gpus
from vramwise.catalog.words import words
from vramwise.cli import main
from vramwise.errors import UnknownName
from vramwise.hardware.budget import torch_total_bytes
from vramwise.units import GIB

# Torch's own messages in public logs and ComfyUI's error reports (free beside an idle desktop on Windows:
# Comfy-Org/ComfyUI#11186 has 32429309952 bytes of an RTX 5090).
TOTALS = [
    ("Tesla T4", "linux", 14.56),
    ("NVIDIA L4", "linux", 22.5),
    ("L40", "linux", 44.4),
    ("A40", "linux", 44.42),
    ("RTX 4090", "linux", 23.64),
    ("RTX 5090", "linux", 31.36),
    ("RTX 3070", "linux", 7.63),
    ("A10", "linux", 22.06),
    ("RTX 5090", "windows", 30.2),
    ("4060 laptop", "windows", 6.9),
    ("RTX 4090", "windows", 22.45),
]


@pytest.mark.parametrize(("card", "system", "gib"), TOTALS)
def test_a_card_has_what_torch_finds_of_it(card: str, system: str, gib: float) -> None:
    (target,) = targets_of_text(card, system=system)
    assert target.comfy_bytes / GIB == pytest.approx(gib, abs=0.1)


def test_the_rule_is_near_every_published_total() -> None:
    from dataclasses import replace

    for gpu in gpus():
        if gpu.torch_total_gib is not None and not gpu.unified and gpu.memory_type != "HBM3e":
            ruled = torch_total_bytes(replace(gpu, torch_total_gib=None)) / GIB
            assert ruled == pytest.approx(gpu.torch_total_gib, rel=0.035), gpu.label
            assert gpu.torch_total_gib <= (gpu.vram_gib or 0), gpu.label


def test_a_size_that_nobody_knows_is_no_rating_and_shared_memory_counts_as_far_as_it_can_be_used() -> None:
    (unknown,) = find_gpus("Radeon 780M")
    assert rating(unknown) == "unknown"
    assert rating(find_gpus("M4 16GB")[0]) not in ("optimal", "top pick")
    assert {gpu.vram_gib for gpu in find_gpus("M5 Pro")} == {24, 48, 64}
    assert [gpu.bandwidth_gb_s for gpu in find_gpus("M3 Max 36GB")] == [300]
    assert [(gpu.vram_gib, gpu.bandwidth_gb_s) for gpu in find_gpus("A770")] == [(16, 560), (8, 512)]


MISSING = """Arc Pro B70
Strix Halo 128 GB
DGX Spark
MI300X
MI355X
MI210
RX 6600
RX 6950 XT
RX 9060
GTX 1060 6GB
GTX 1650
RTX 3080 Laptop 16 GB
H20
H800 PCIe
L20
B300
RTX 5000 Ada Laptop
RTX PRO 5000 Blackwell Laptop
M5 Max 128GB"""


@pytest.mark.parametrize("card", MISSING.splitlines())
def test_the_cards_that_were_missing_are_there_with_memory_bandwidth_and_source(card: str) -> None:
    (gpu,) = find_gpus(card)
    assert gpu.vram_gib and gpu.bandwidth_gb_s and gpu.source


def test_a_goal_beyond_desktop_cards_is_answered_with_others() -> None:
    found = which_gpu(["flux2-dev@fp8mixed"])
    assert found.candidates[0].facts["class"] == "workstation"
    assert found.cut > 0
    slim = which_gpu(["flux1-dev@fp8"], tier="desktop", max_watts=200, vendor="nvidia")
    cards = [find_gpus(one.model)[0] for one in slim.candidates]
    assert cards and all(card.tdp_w <= 200 and card.vendor == "NVIDIA" for card in cards)
    assert {class_of(card) for card in cards} == {"desktop"}


def test_cards_without_bf16_come_last_and_say_so() -> None:
    found = which_gpu(["sdxl"], tier="desktop", vendor="nvidia", max_watts=300).candidates
    goal = [has_bf16(find_gpus(one.model)[0]) for one in found]
    assert goal == sorted(goal, reverse=True)
    old = which_gpu(["sdxl"], tier="datacentre", max_watts=75).candidates[-1]
    assert "bf16" in old.reason("en") and "bf16" in old.reason("ru")


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("qwen3-vl-8b", "qwen3_vl_8b"),
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen3_vl_8b"),
        ("Qwen3-VL-8B-Instruct-FP8", "qwen3_vl_8b_fp8"),
        ("rednote-hilab/dots.ocr", "dots_ocr"),
        ("FLUX.1 Kontext", "flux1-kontext"),
        ("black-forest-labs/FLUX.1-dev", "flux1-dev"),
        ("stabilityai/stable-diffusion-xl-base-1.0", "sdxl"),
        ("Wan-AI/Wan2.2-T2V-A14B-Diffusers", "wan2.2-14b"),
        ("WAN 2.2 14B", "wan2.2-14b"),
        ("Tongyi-MAI/Z-Image-Turbo", "z-image-turbo"),
        ("Qwen/Qwen-Image-Edit-2511", "qwen-image-edit"),
        ("hunyuan video", "hunyuanvideo"),
    ],
)
def test_a_model_is_understood_however_it_is_written(text: str, model: str) -> None:
    assert model_name(text) == model
    assert model_name("wan2.2").startswith("wan2.2")


@pytest.mark.parametrize("text", ["Qwen9-VL 7B", "flux", "qwen", "wan3.1", "sd4"])
def test_no_name_becomes_another_model(text: str) -> None:
    with pytest.raises(UnknownName):
        model_name(text)


VERBS = [
    ["gpus", "4060"],
    ["models"],
    ["compare", "RTX 4090", "RTX 3090"],
    ["advise", "--gpu", "RTX 4060 Ti", "--task", "OCR"],
    ["advise", "--gpu", "RTX 3090", "--task", "OCR"],
    ["plan", "qwen3-vl-8b", "--gpu", "RTX 3090", "--precision", "INT4"],
    ["gpus", "--what"],
    ["advise", "--gpu", "RTX 9999"],
    ["advise", "--vram-gib", "0"],
    ["plan", "nothing", "--vram-gib", "8"],
]


@pytest.mark.parametrize("typed", VERBS, ids=" ".join)
def test_json_is_an_object_with_its_version_errors_too(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([*typed, "--json"])
    except SystemExit as end:  # argparse's way
        code = end.code
    told = json.loads(capsys.readouterr().out)
    assert told["schema_version"] and told["catalog_date"] == edition().date
    assert ("error" in told) == (code != 0)
    if code:
        assert told["error"]["exit_code"] == code and told["error"]["message"]


def test_one_card_and_two_have_the_same_shape(capsys: pytest.CaptureFixture[str]) -> None:
    shapes = []
    for card in ("RTX 3090", "RTX 4060 Ti"):
        main(["advise", "--gpu", card, "--task", "OCR", "--json"])
        shapes.append(json.loads(capsys.readouterr().out))
    assert shapes[0].keys() == shapes[1].keys()
    assert [len(shape["answers"]) for shape in shapes] == [1, 2]


@pytest.mark.parametrize(
    ("lang", "letters"),
    [("ru", "\u0432\u0438\u0434\u0435\u043e\u043a\u0430\u0440\u0442"), ("zh", "\u663e\u5361")],
)
def test_what_failed_is_said_in_the_language_asked_for(
    lang: str, letters: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["advise", "--gpu", "RTX 9999", "--lang", lang]) == 2
    assert letters in capsys.readouterr().err


def test_the_report_says_which_catalog_it_is_and_when_it_is_old(capsys: pytest.CaptureFixture[str]) -> None:
    main(["advise", "--vram-gib", "8", "--task", "OCR"])
    assert edition().text(words("en")) in capsys.readouterr().out
    later = datetime.date.fromisoformat(edition().date) + datetime.timedelta(days=OLD_AFTER_DAYS + 1)
    for lang in ("en", "ru", "zh"):
        assert "gpus.csv" in edition().text(words(lang), later)
        assert "gpus.csv" not in edition().text(words(lang), later - datetime.timedelta(days=1))
