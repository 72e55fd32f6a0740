"""``plan`` answers for every model of the catalog, for any size of the result."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import vramwise
from vramwise.advisor.candidate import RESIDENT, ResultSize
from vramwise.advisor.picture_plan import PicturePlan, picture_plan, plans_of
from vramwise.advisor.targets import target_of_memory
from vramwise.catalog import ocr_models
from vramwise.catalog.diffusion import diffusion_model, diffusion_models
from vramwise.catalog.words import LANGUAGES
from vramwise.cli import main
from vramwise.errors import UnknownName, VramwiseError
from vramwise.units import GIB


def planned(model: str, vram: float = 16, **asked: Any) -> PicturePlan:
    made = vramwise.plan(model, vram_gib=vram, **asked)
    assert isinstance(made, PicturePlan)
    return made


def test_every_model_of_the_catalog_is_planned() -> None:
    names = [row.id for row in ocr_models()] + [model.id for model in diffusion_models()]
    for name in names:
        told = vramwise.plan(name, vram_gib=24).to_dict()
        assert told["verdicts"] and {"model", "device", "budget_bytes", "chosen"} <= set(told), name
        assert {"precision", "verdict", "need_bytes", "weights_bytes", "reason"} <= set(told["verdicts"][0])
        json.dumps(told)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_plan_is_read_in_each_language(lang: str) -> None:
    for model in ("flux1-dev", "wan2.2-14b", "ace-step-1.5", "trellis-2", "hunyuanvideo1.5"):
        for vram in (2, 12):
            text = planned(model, vram).text(lang)
            assert "{" not in text and "plan_" not in text and "advise_" not in text


def test_a_larger_result_takes_more_and_the_usual_one_is_the_models_own() -> None:
    usual = planned("wan2.2-14b")
    own = diffusion_model("wan2.2-14b")
    assert (usual.size.width, usual.size.height, usual.size.frames) == (own.width, own.height, own.frames)
    for change in ({"image": (1280, 720)}, {"frames": 161}, {"batch": 2}):
        more = planned("wan2.2-14b", **change)
        needs = [
            dict(precision=row["precision"], need=row["need_bytes"]) for row in more.to_dict()["verdicts"]
        ]
        before = {row["precision"]: row["need_bytes"] for row in usual.to_dict()["verdicts"]}
        assert all(row["need"] > before[row["precision"]] for row in needs), change


@pytest.mark.parametrize(
    ("model", "vram"), [("flux1-dev", 12), ("wan2.2-14b", 16), ("sdxl", 8), ("ltx-2.3", 24)]
)
def test_the_largest_result_runs_and_a_step_more_does_not(model: str, vram: float) -> None:
    made = planned(model, vram)
    assert made.chosen is not None
    for largest, good in (
        (made.largest_resident, RESIDENT),
        (made.largest_streamed, (*RESIDENT, "streams")),
    ):
        if largest is None:
            continue
        row = diffusion_model(model)

        def verdict(size: ResultSize) -> str:
            plan = picture_plan(diffusion_model(model), target_of_memory(vram), size)
            return next(one.verdict for one in plan.verdicts if one.precision == made.chosen.precision)

        assert verdict(largest) in good
        if row.frames > 1:
            more = ResultSize(largest.width, largest.height, largest.frames + int(row.temporal))
        else:
            more = ResultSize(largest.width + row.width // 8, largest.height + row.height // 8, 1)
        assert verdict(more) not in good


def test_a_precision_that_was_asked_for_is_chosen_or_refused_with_what_would_run() -> None:
    assert planned("flux1-dev", 12, precision="q4_k_s").chosen.precision == "Q4_K_S"
    with pytest.raises(UnknownName, match=r'"fp7".*Use one of'):
        planned("flux1-dev", 12, precision="fp7")
    with pytest.raises(VramwiseError, match="What would run: Q"):
        planned("flux1-dev", 6, precision="bf16", ram_gib=16)


@pytest.mark.parametrize(
    ("model", "asked", "words"),
    [
        ("flux1-dev", {"frames": 5}, "makes no clips"),
        ("qwen3_vl_2b", {"frames": 5}, "makes no clips"),
        ("ace-step-1.5", {"image": (512, 512)}, "makes no pictures"),
        ("flux1-dev", {"image": (4, 4)}, "is no picture"),
        ("flux1-dev", {"image": (40_000, 64)}, "from 1 to 32768"),
        ("flux1-dev", {"image": (-64, 64)}, "from 1 to 32768"),
        ("flux1-dev", {"batch": 0}, "batch 0 cannot be"),
        ("wan2.2-14b", {"frames": -1}, "frames -1 cannot be"),
        ("flux1-dve", {}, 'Did you mean "flux1-dev"'),
        ("wan2.2-41b", {}, "Did you mean"),
    ],
)
def test_what_cannot_be_is_a_sentence(model: str, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(VramwiseError, match=words):
        vramwise.plan(model, vram_gib=16, **asked)


def test_the_command_line_plans_any_model(capsys: pytest.CaptureFixture[str]) -> None:
    asked = "plan flux1-dev --vram-gib 12 --size 1536x1024 --batch 2 --ram-gib 32 --json"
    assert main(asked.split()) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["size"] == {"width": 1536, "height": 1024, "frames": 1, "batch": 2}
    assert main(["plan", "wan2.2-14b", "--vram-gib", "16", "--frames", "121", "--size", "832*480"]) == 0
    assert "832 x 480, 121 frames" in capsys.readouterr().out
    assert main(["plan", "Wan 2.2 A14B", "--gpu", "RTX 4060 Ti", "--ram-gib", "64", "--json"]) == 0
    assert [row["device"][-5:] for row in json.loads(capsys.readouterr().out)["plans"]] == [
        "16 GB",
        " 8 GB",
    ]
    with pytest.raises(SystemExit) as ended:
        main(["plan", "qwen3_vl_2b", "--vram-gib", "8", "--frames", "3"])
    assert ended.value.code == 2, "wrong usage"
    assert main(["plan", "flux1-dve", "--vram-gib", "8"]) == 2
    assert 'Did you mean "flux1-dev"' in capsys.readouterr().err


def test_a_precision_may_stand_in_the_name() -> None:
    (made,) = plans_of("flux1-dev@fp8", [target_of_memory(16)], ResultSize())
    assert made.chosen.precision == "fp8"
    (read,) = plans_of("qwen3_vl_2b@int4", [target_of_memory(16)], ResultSize())
    assert read.chosen.precision == "int4"


@pytest.mark.parametrize(
    ("text", "taken", "also"),
    [
        ("wan2.2", "Wan 2.2 A14B", "Wan 2.2 TI2V 5B (wan2.2-5b)"),
        ("Wan 2.1", "Wan 2.1 14B", "wan2.1-1.3b"),
        ("flux1", "FLUX.1 dev", "flux1-schnell"),
        ("qwen3-vl", "Qwen3-VL 8B", "qwen3_vl_2b"),
    ],
)
def test_a_name_of_several_is_taken_for_what_people_mean_and_the_others_are_named(
    text: str, taken: str, also: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from vramwise.cli import main

    assert main(["plan", text, "--vram-gib", "24"]) == 0
    said = capsys.readouterr().err
    assert f'"{text}" was taken for {taken}; it may also be' in said and also in said


@pytest.mark.parametrize(
    "text", ["wan2.2-5b", "Wan 2.2 TI2V 5B", "flux1-dev", "FLUX.1 Kontext", "qwen3_vl_8b"]
)
def test_a_name_of_one_is_not_remarked_on(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    from vramwise.cli import main

    assert main(["plan", text, "--vram-gib", "24"]) == 0
    assert "was taken for" not in capsys.readouterr().err


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_a_decode_takes_is_told_where_it_is_something(lang: str) -> None:
    """Of a tiny picture it is nothing that a GiB with one decimal shows; a shape has no tiles."""
    tiny, shape = planned("sd15", 8, image=(64, 64)), planned("hunyuan3d-2", 8)
    assert not re.search(r"(?<![\d.,])0[.,]0(?!\d)", tiny.text(lang) + shape.text(lang))
    assert shape.rows[0][1].decode_bytes > 1.5 * GIB
    parts = next(
        line
        for line in shape.text(lang).splitlines()
        if "1.8" in line.replace(",", ".") and "2.1" in line.replace(",", ".")
    )
    assert "ComfyUI" not in parts
