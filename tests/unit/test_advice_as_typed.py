"""Advice and plans by what people type: units, spellings of three languages, options that do not count."""

from __future__ import annotations

import json

import pytest
from vramwise.advisor.model_names import model_name
from vramwise.catalog.diffusion import diffusion_model
from vramwise.catalog.gpus import find_gpus
from vramwise.cli import JSON_VERBS, main

VIDEO_RU = "\u0432\u0438\u0434\u0435\u043e"
VIDEO_ZH = "\u89c6\u9891"
GB_RU = "\u0413\u0411"


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        (("advise", "--vram-gib", "12GB", "--task", "ocr"), 0, "12 GB"),
        (("advise", "--vram-gib", f"8,5 {GB_RU}", "--ram-gib", f"16 {GB_RU}", "--task", "ocr"), 0, "8.5 GB"),
        (("advise", "--vram-gib", "12MB", "--task", "ocr"), 2, "12MB"),
        (("advise", "--vram-gib", "8", "--task", f"{VIDEO_RU.capitalize()}"), 0, "Video: "),
        (("advise", "--vram-gib", "8", "--task", VIDEO_ZH), 0, "Video: "),
        (("advise", "--vram-gib", "8", "--task", "image_edit"), 0, "Image edit: "),
        (("advise", "--vram-gib", "8", "--task", "vidoe"), 2, '"video"'),
        (("advise", "--task", "which-gpu", "--with", "sd15", "--gpu", "RTX 3090"), 0, "--gpu is ignored"),
        (("advise", "--task", "which-gpu", "--with", "qwen-image@fp8"), 0, "fp8_e4m3fn: fits"),
        (("advise", "--vram-gib", "8", "--task", "ocr", "--vendor", "AMD"), 0, "--vendor is ignored"),
        (("plan", "flux1-dev@q4", "--vram-gib", "12"), 0, "Chosen: Q4_K_M."),
        (("plan", "qwen3_vl_2b", "--vram-gib", "8", "--ram-gib", "3"), 1, "not this RAM: 5.5 GiB"),
        (("plan", "rapid", "--vram-gib", "8", "--ram-gib", "3"), 0, "rapid"),
        (("plan", "qwen3_vl_2b", "--gpu", "M4 Max 48 GB", "--ram-gib", "3"), 0, "qwen3_vl_2b"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, tuple) else "",
)
def test_a_command(typed: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        ended = main([*typed, "--lang", "en"])
    except SystemExit as stopped:
        ended = int(stopped.code or 0)
    told = capsys.readouterr()
    assert (ended, said in told.out + told.err) == (code, True)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("\u0436\u0435\u0444\u043e\u0440\u0441 4060", "GeForce RTX 4060"),
        ("\u044d\u043d\u0432\u0438\u0434\u0438\u044f \u0440\u0442\u0445 5090", "GeForce RTX 5090"),
        ("\u72ec\u7acb\u663e\u5361 RTX 4080", "GeForce RTX 4080"),
        ("AMD Radeon PRO W7900 Dual Slot", "Radeon PRO W7900"),
        ("Orin NX 16GB", "Jetson Orin NX 16 GB"),
        ("ASUS Dual GeForce RTX 4060", "GeForce RTX 4060"),
    ],
)
def test_a_card(text: str, label: str) -> None:
    assert [gpu.label for gpu in find_gpus(text)] == [label]


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("\u0444\u043b\u044e\u043a\u0441 1 \u0434\u0435\u0432", "flux1-dev"),
        ("\u0432\u0430\u043d 2.2", "wan2.2-14b"),
        ("\u043a\u0432\u0435\u043d3-vl-8b", "qwen3_vl_8b"),
        ("\u901a\u4e49\u4e07\u76f82.2", "wan2.2-14b"),
        ("\u5343\u95ee\u56fe\u50cf\u7f16\u8f91", "qwen-image-edit"),
        ("\u6df7\u5143\u89c6\u98911.5", "hunyuanvideo1.5"),
    ],
)
def test_a_model(text: str, model: str) -> None:
    assert model_name(text) == model


@pytest.mark.parametrize(
    ("model", "asked", "precision"),
    [
        ("flux1-dev", "Q4", "Q4_K_M"),
        ("qwen-image", "FP8", "fp8_e4m3fn"),
        ("yue2", "int8_convrot", "int8_convrot AIO"),
    ],
)
def test_a_precision(model: str, asked: str, precision: str) -> None:
    assert diffusion_model(model).of(asked).precision == precision


def test_a_task_that_is_typed_as_a_verb_is_told_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["which-gpu"]) == 2
    assert "advise --task which-gpu` answers that." in capsys.readouterr().err


def test_json_before_the_verb_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "advise", "--gpu", "RTX 9999"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "unknown_name"


def test_an_option_that_is_given_twice_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--task", "image", "--task=video", "--vram-gib", "12"]) == 0
    said = capsys.readouterr()
    assert "--task is given twice: the last one counts." in said.err and "Image:" not in said.out
    assert main(["advise", "--vram-gib", "24", "--with", "sd15", "--with", "sdxl"]) == 0
    assert "twice" not in capsys.readouterr().err


def test_a_size_is_no_card_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "16 GB", "RTX 3090"]) == 2
    assert '"16 GB" is a size and no card' in capsys.readouterr().err
    assert main(["compare", "RTX 9999"]) == 2
    assert "works too" not in capsys.readouterr().err


def test_cards_whose_names_begin_so_come_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpus", "M4", "--json"]) == 0
    found = [card["gpu"] for card in json.loads(capsys.readouterr().out)["cards"]]
    assert "Apple M4 16 GB" in found and not any("SXM4" in card for card in found)
    assert main(["gpus", "XM4", "--json"]) == 0
    assert all("SXM4" in card["gpu"] for card in json.loads(capsys.readouterr().out)["cards"])


def test_ram_beside_unified_memory_is_told_or_is_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--gpu", "M4 Max 36GB", "--ram-gib", "8", "--task", "image"]) == 0
    assert "--ram-gib is ignored" in capsys.readouterr().err
    assert main(["advise", "--gpu", "Radeon 780M", "--ram-gib", "32", "--task", "image", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["answers"][0]["vram_gib"] == 32 and not said.err


def test_where_no_card_is_so_it_says_what_to_allow(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--task", "which-gpu", "--max-watts", "30", "--with", "flux1-dev"]) == 0
    assert "No card of the catalog is so. Allow more watts" in capsys.readouterr().out


def test_a_machine_with_a_large_card_has_as_much_ram(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--gpu", "H200", "--task", "image", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["answers"][0]["picks"][0]
    assert (first["model"], first["precision"]) == ("flux2-dev", "bf16")


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_a_precision_as_saved_and_what_is_built_in_are_told_in_the_language(
    lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["advise", "--gpu", "RTX 5060 Ti 16GB", "--all"], ["models"], ["check-gpu"]):
        main([*words, "--lang", lang])
        told = capsys.readouterr().out
        assert "as saved" not in told and "(built in)" not in told


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("RX 580 8GB", "PyTorch has no build for this card"),
        ("GTX 1080", "CUDA 12.6 (cu126)"),
        ("RTX 4060", ""),
    ],
)
def test_a_card_that_the_usual_builds_leave_out_is_told(
    card: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["advise", "--gpu", card, "--task", "image"]) == 0
    told = capsys.readouterr().out
    assert said in told if said else "PyTorch" not in told


@pytest.mark.parametrize("verb", JSON_VERBS)
def test_a_wrong_option_beside_json_is_json_for_every_report(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--json", "--no-such-option"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["schema_version"] and told["catalog_date"] and told["error"]["exit_code"] == 2
