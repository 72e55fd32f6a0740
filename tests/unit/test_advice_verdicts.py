"""What stands in the way of a verdict: RAM, a margin, streaming; and which model is said to be the better."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from vramwise.advisor import advise, report
from vramwise.advisor.candidate import RESIDENT, WAITS_SECONDS, Candidate
from vramwise.advisor.candidates import candidates
from vramwise.advisor.diffusion_candidates import diffusion_candidate
from vramwise.advisor.diffusion_memory import ROUNDING, diffusion_need, usability
from vramwise.advisor.targets import Target, target_of_memory
from vramwise.advisor.tasks import MODEL_TASKS, OCR
from vramwise.catalog.csv_rows import table
from vramwise.catalog.diffusion import diffusion_models
from vramwise.catalog.ranks import TIERS_OF_QUALITY, quality
from vramwise.catalog.words import LANGUAGES, words
from vramwise.planning.fit import tight_below
from vramwise.units import GIB, seconds_text

PICTURES = tuple(task for task in MODEL_TASKS if task != OCR)


def row(answer: object, model: str, precision: str) -> Candidate:
    return next(
        one
        for one in answer.candidates  # type: ignore[attr-defined]
        if (one.model, one.precision) == (model, precision)
    )


# --- RAM ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpu", "ram_gib", "model", "precision", "verdict", "why"),
    [
        ("RTX 3090", 8, "qwen-image", "fp8_e4m3fn", "no", "ram_kills"),
        ("RTX 3090", 16, "qwen-image", "fp8_e4m3fn", "no", "ram_kills"),
        ("RTX 3090", 64, "qwen-image", "fp8_e4m3fn", "fits", "fits"),
        ("RTX 3090", 28, "qwen-image", "fp8_e4m3fn", "tight", "tight_ram"),
        ("RTX 4060", 8, "sd15", "fp16", "fits", "fits"),
        ("RTX 4060", 8, "flux1-dev", "fp8", "no", "no_ram"),
        ("RTX 5080", 16, "wan2.2-14b", "fp8_scaled", "no", "no_ram"),
        ("RTX 5080", 48, "wan2.2-14b", "fp8_scaled", "streams", "streams"),
        # as reported: Comfy-Org/ComfyUI#10771, #3566
        ("RTX 5060 Ti 16 GB", 32, "wan2.2-14b", "fp8_scaled", "no", "no_ram"),
        ("RTX 3060 Laptop GPU", 8, "sdxl", "fp16", "no", "no_ram"),
    ],
)
def test_ram_is_judged_for_what_fits_and_for_what_streams(
    gpu: str, ram_gib: float, model: str, precision: str, verdict: str, why: str
) -> None:
    found = row(advise(gpu=gpu, ram_gib=ram_gib), model, precision)
    assert (found.verdict, found.why) == (verdict, why), found.reason()
    assert found.verdict != "no" or f"{ram_gib}.0 GiB are there" in found.reason()


def test_no_pick_takes_more_ram_than_there_is() -> None:
    for gib in (4, 8, 16, 24, 32, 48):
        answer = advise(gpu="RTX 3090", ram_gib=gib)
        assert all((pick.ram_bytes or 0) <= gib * GIB for pick in answer.picks)


def test_without_a_figure_ram_is_not_judged_and_what_it_takes_is_said() -> None:
    text = report(advise(gpu="RTX 3090", task="image"))
    assert "RAM: not given" in text and "| RAM |" in text
    assert "not given" not in report(advise(gpu="RTX 3090", task="image", ram_gib=32))
    assert "not given" not in report(advise(gpu="Apple M4 24 GB", task="image"))


def test_more_gpu_memory_takes_less_ram() -> None:
    for model in diffusion_models():
        need = diffusion_need(model, model.precisions[0])
        asked = [need.least_ram_bytes(gib * GIB) for gib in range(2, 97)]
        assert asked == sorted(asked, reverse=True)
        assert need.least_ram_bytes(8 * GIB, "windows") > need.least_ram_bytes(8 * GIB)


VRAM, RAM = (4, 6, 8, 12, 16, 24, 48), (4, 8, 16, 24, 32, 64, 128)


@pytest.mark.parametrize("task", PICTURES)
def test_more_of_either_memory_is_worse_for_no_model(task: str) -> None:
    """Over a grid of GPU memory x RAM: no candidate's key grows along either side."""
    keys = {
        (vram, ram): {(one.model, one.precision): one.key for one in candidates(place(vram, ram), task)}
        for vram, ram in itertools.product(VRAM, RAM)
    }
    for vram, ram in keys:
        for more in (
            ((VRAM[VRAM.index(vram) + 1 :][:1] or (vram,))[0], ram),
            (
                vram,
                (RAM[RAM.index(ram) + 1 :][:1] or (ram,))[0],
            ),
        ):
            worse = {name for name, key in keys[vram, ram].items() if keys[more][name] > key}
            assert not worse, ((vram, ram), more, worse)


def place(vram: float, ram: float) -> Target:
    return replace(target_of_memory(vram), ram_bytes=int(ram * GIB))


# --- the margin --------------------------------------------------------------------------------------------


def test_the_margin_of_our_own_models_holds_for_image_and_video_models() -> None:
    for model in diffusion_models():
        need = diffusion_need(model, model.precisions[0])
        if need.encode_bytes > need.sampling_bytes:
            continue
        margin = tight_below(need.weights_bytes)
        verdicts = [
            usability(need, None, vram_bytes=need.optimal_bytes + spare).verdict
            for spare in (-ROUNDING, -GIB // 100, 0, margin - 1, margin)
        ]
        assert verdicts == ["tight"] * 4 + ["fits"], model.id
        assert usability(need, None, vram_bytes=need.optimal_bytes - ROUNDING - 1).verdict != "tight"
        assert usability(need, None, vram_bytes=need.floor_bytes - GIB // 100).verdict != "no"


# --- streaming ---------------------------------------------------------------------------------------------


def test_a_16_gb_card_runs_wan_14b_and_the_seconds_a_step_are_said() -> None:
    answer = advise(gpu="RTX 5060 Ti 16 GB", task="video")
    assert row(answer, "wan2.2-14b", "Q4_K_M").verdict in (*RESIDENT, "streams")
    streams = row(answer, "wan2.2-14b", "fp8_scaled")
    assert f"{seconds_text(streams.seconds_per_step)} s a step" in streams.reason()
    assert streams.seconds_per_step == pytest.approx(streams.seconds / 20, rel=0.02)
    assert "| Smallest |" in report(answer)


def test_no_duration_is_shown_as_nothing() -> None:
    for gib in (4, 8, 12, 16, 24):
        for lang in LANGUAGES:
            for one in advise(vram_gib=gib).candidates:
                assert " 0.0 s" not in one.reason(lang) and " 0.0 \u0441" not in one.reason(lang)
                assert "\u81f3\u5c11 0.0 " not in one.reason(lang)


# --- which is better ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpu", "task", "first", "behind"),
    [
        ("RTX 5080", "video", "wan2.2-14b", ("wan2.2-5b", "svd-xt")),
        ("RTX 4090", "video", "wan2.2-14b", ("cogvideox-2b", "ltx-video")),
        ("RTX 4070 SUPER", "video", "wan2.2-14b", ("wan2.1-1.3b",)),
        ("RTX 5090", "image", "flux2-dev", ("sdxl", "sd15")),
    ],
)
def test_the_better_tier_comes_first_even_where_it_streams(
    gpu: str, task: str, first: str, behind: tuple[str, ...]
) -> None:
    order = list(dict.fromkeys(pick.model for pick in advise(gpu=gpu, task=task).picks))
    assert all(order.index(first) < order.index(other) for other in behind), order
    best = advise(gpu=gpu, task=task).best(task)
    assert best is not None and best.tier == 1


def test_a_step_that_waits_long_or_much_ram_costs_a_tier() -> None:
    base = diffusion_candidate(target_of_memory(24), "flux1-dev", "fp8")
    assert base.grade == base.tier == 2
    waits = [replace(base, seconds_per_step=seconds).grade for seconds in (1.0, 1.1, 4.0, 4.1)]
    assert waits == [2, 3, 3, 4] and WAITS_SECONDS == (1.0, 4.0)
    unknown = diffusion_candidate(target_of_memory(8), "flux2-dev", "bf16")
    assert unknown.much_ram and not diffusion_candidate(place(8, 128), "flux2-dev", "bf16").much_ram


def test_the_order_is_said_in_every_language() -> None:
    for lang in LANGUAGES:
        text = report(advise(gpu="RTX 5080", task="video"), lang)
        assert all(f" {figure} " in text or figure in text for figure in ("1 ", "4 ", "32 "))
    first = next(
        line for line in report(advise(gpu="RTX 5080", task="video")).splitlines() if "| Wan" in line
    )
    assert "| 1 |" in first


def test_every_tier_is_of_a_model_that_there_is_and_every_ranked_one_has_one() -> None:
    ranked = set(table("ranks.csv", lambda row: (row["task"], row["model"])))
    tiered = set(table("quality_tiers.csv", lambda row: (row["task"], row["model"])))
    assert {key for key in tiered ^ ranked if key[0] != OCR} == set()


def test_a_model_without_a_tier_stands_in_that_of_its_neighbour_by_rank() -> None:
    assert quality("video", "svd-xt").stated and quality("video", "svd-xt").tier == 4
    assert quality("video", "no-such-model").tier == TIERS_OF_QUALITY[-1]
    for model in diffusion_models():
        for task in PICTURES:
            assert quality(task, model.id).tier in TIERS_OF_QUALITY


# --- what a person came to ask about -----------------------------------------------------------------------


@pytest.mark.parametrize("gpu", ["RTX 3070", "4 GB", "RTX 4060", "RTX 4090"])
def test_well_known_models_are_named_whether_they_run_or_not_and_the_cut_is_counted(gpu: str) -> None:
    answer, say = advise(gpu=gpu), words("en")
    text = report(answer)
    for task in MODEL_TASKS:
        part = text.partition("## " + say["advise_all"].format(task=say[f"advise_task_{task}"]) + "\n")[
            2
        ].partition("\n## ")[0]
        found = [one for one in answer.candidates if one.task == task]
        for one in found:
            assert not one.asked_for or one.name in part, one.name
        run = {one.model for one in found if one.usable}
        shown = {one.model for one in found if f"| {one.name} |" in part}
        assert shown <= run
        assert (f"And {len(run - shown)} more models that run here." in part) == bool(run - shown)
    if gpu == "4 GB":
        assert "Does not run here, because:" in text


def test_the_ram_of_ocr_models_is_judged_too() -> None:
    enough, little = (advise(gpu="RTX 3090", task="OCR", ram_gib=ram) for ram in (8, 4))
    assert enough.best("OCR").model == "qwen3_vl_8b"
    assert little.best("OCR").why == "processor", "the built-in engine takes nothing worth a word"
    refused = [row for row in little.candidates if row.why == "ram_kills"]
    assert refused and all(
        "5.5 GiB of RAM are needed and 4.0 GiB are there" in row.reason() for row in refused
    )
    unknown = advise(gpu="RTX 3090", task="OCR").best("OCR")
    assert unknown.ram_bytes is not None and unknown.verdict == "fits"
    assert advise(gpu="M4 Max 36 GB", task="OCR").best("OCR").ram_bytes is None
