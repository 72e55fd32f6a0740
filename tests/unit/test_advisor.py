"""What runs on a card, best first, and what the next size brings. More memory: test_advice_sizes.py."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache

import pytest
from vramwise.advisor import TASKS, advise, advise_each, report
from vramwise.advisor.advise import reaching
from vramwise.advisor.candidate import RESIDENT
from vramwise.advisor.diffusion_candidates import diffusion_candidate
from vramwise.advisor.gpu_ranking import offered_cards
from vramwise.advisor.graph_memory import loaded_in_graph, ocr_models_on_disk
from vramwise.advisor.memory_ranges import ranges, tiers
from vramwise.advisor.targets import TIERS, target_of_memory
from vramwise.advisor.tasks import MODEL_TASKS
from vramwise.catalog import ocr_models
from vramwise.catalog.diffusion import diffusion_models
from vramwise.catalog.formats import addons
from vramwise.catalog.words import LANGUAGES, words
from vramwise.errors import UnknownName, VramwiseError
from vramwise.hardware import DeviceReport, MachineReport
from vramwise.hardware.capabilities import Capability
from vramwise.units import GIB

PICK = {
    "task",
    "model",
    "precision",
    "verdict",
    "optimal_bytes",
    "resident_bytes",
    "floor_bytes",
    "licence",
    "commercial",
    "confidence",
    "reason",
}


@cache
def on(size: float, task: str = "all"):
    return advise(vram_gib=size, task=task)


# --- the answer -------------------------------------------------------------------------------------------


def test_the_json_has_the_stable_fields_and_integers() -> None:
    told = json.loads(json.dumps(on(12).to_dict()))
    room = {"system", "vram_gib", "comfy_bytes", "budget_bytes"}
    assert set(told) == {"gpu", "picks", "unlocks_next", "contradictions", "elsewhere", *room}
    for pick in told["picks"]:
        assert set(pick) >= PICK
        for size in ("optimal_bytes", "resident_bytes", "floor_bytes"):
            assert pick[size] is None or isinstance(pick[size], int)
        assert pick["verdict"] in ("fits", "tight", "reduced", "streams")
        assert pick["confidence"] in ("measured here", "computed", "estimated", "published", "community")
        assert pick["commercial"] in ("yes", "no", "conditions", "unknown")
        assert pick["reason"].endswith(".")


def test_every_model_of_the_catalog_has_an_candidate_at_each_of_its_precisions() -> None:
    found = {(candidate.model, candidate.precision) for candidate in on(24).candidates}
    wanted = {
        (model.id, precision)
        for model in diffusion_models()
        if set(model.tasks) & {"image", "edit", "video"}
        for precision in model.precisions
    }
    assert wanted <= found
    assert {row.id for row in ocr_models()} <= {model for model, _ in found}


def test_picks_are_best_first_by_grade_then_by_what_a_step_waits() -> None:
    for size in (6, 8, 12, 16, 24):
        for task in MODEL_TASKS:
            found = [pick for pick in on(size).picks if pick.task == task]
            assert [pick.key for pick in found] == sorted(pick.key for pick in found)
            usable = [pick for pick in found if pick.verdict != "reduced" and not pick.slow]
            grades = [(pick.rough, pick.grade) for pick in usable]
            assert grades == sorted(grades)


def test_a_quantised_large_model_comes_before_a_whole_small_one() -> None:
    best = on(12).best("OCR")
    assert (best.model, best.precision) == ("qwen3_vl_8b", "int4")
    small = next(pick for pick in on(12).picks if pick.model == "qwen3_vl_2b")
    assert small.precision == "bf16"
    assert best.key < small.key


def test_files_below_four_bits_are_offered_after_every_better_file_that_fits() -> None:
    found = [pick for pick in on(8).picks if pick.task == "image" and pick.verdict in RESIDENT]
    rough = [pick.rough for pick in found]
    assert any(rough)
    assert rough == sorted(rough)


def test_the_three_numbers_are_in_order() -> None:
    for candidate in on(24).candidates:
        if candidate.optimal_bytes is not None:
            assert candidate.floor_bytes <= max(candidate.optimal_bytes, candidate.floor_bytes)
            assert (
                candidate.optimal_bytes <= candidate.resident_bytes
                or candidate.task == "OCR"
                or not candidate.seconds
            ), candidate


def test_a_non_commercial_licence_is_flagged() -> None:
    flags = {candidate.model: candidate.commercial for candidate in on(24).candidates}
    assert flags["flux1-dev"] == "no"
    assert flags["qwen3_vl_8b"] == "yes"
    assert flags["sd35-large"] == "conditions"
    assert "NO" in report(on(24, "image"))


def test_too_little_ram_is_said_whether_weights_stream_or_not() -> None:
    plenty, little = (advise(gpu="RTX 4060", task="video", ram_gib=gib) for gib in (128, 16))
    run, kept = ({(pick.model, pick.precision) for pick in answer.picks} for answer in (plenty, little))
    assert kept < run
    short = next(candidate for candidate in little.candidates if candidate.why == "no_ram")
    assert "RAM" in short.reason() and "would kill it" in short.reason()


def test_streaming_names_its_seconds_floor() -> None:
    candidate = diffusion_candidate(target_of_memory(8), "flux1-dev", "bf16")
    assert candidate.verdict == "streams"
    assert candidate.seconds > 10
    assert f"{candidate.seconds:.1f} s" in candidate.reason()


def test_unified_memory_is_never_streamed_into() -> None:
    answer = advise(gpu="Apple M4 24 GB")
    assert "streams" not in {candidate.verdict for candidate in answer.candidates}
    assert any(candidate.why == "no_unified" for candidate in answer.candidates)


# --- the place --------------------------------------------------------------------------------------------


def test_a_card_with_two_memory_sizes_asks_for_one_or_answers_for_both() -> None:
    with pytest.raises(VramwiseError, match='"GeForce RTX 4060 Ti 8 GB"'):
        advise(gpu="RTX 4060 Ti")
    both = advise_each(gpu="RTX 4060 Ti", task="OCR")
    assert [answer.gpu for answer in both] == ["GeForce RTX 4060 Ti 16 GB", "GeForce RTX 4060 Ti 8 GB"]
    assert advise(gpu="RTX 4060 Ti 8 GB", task="OCR").gpu == "GeForce RTX 4060 Ti 8 GB"


@pytest.mark.parametrize("text", ["RTX 409O", "RTX 4091"])
def test_an_unknown_card_suggests_the_nearest(text: str) -> None:
    with pytest.raises(UnknownName, match="RTX 4090"):
        advise(gpu=text)


def test_a_memory_size_may_be_written_as_a_card_is() -> None:
    assert advise(gpu="16 GB", task="OCR").to_dict() == advise(vram_gib=16, task="OCR").to_dict()


def test_an_unknown_task_or_model_suggests_the_nearest() -> None:
    with pytest.raises(VramwiseError, match="Did you mean"):
        advise(vram_gib=16, task="vidoe")
    with pytest.raises(UnknownName, match="flux1-dev"):
        advise(vram_gib=16, also_loaded=["flux1-dve"])


def machine(total: int, free: int, kind: str = "cuda", own: int = 0, held_by_comfy: int = 0) -> MachineReport:
    device = DeviceReport(
        "cuda:0" if kind == "cuda" else kind,
        "NVIDIA GeForce RTX 3060" if kind == "cuda" else "CPU",
        kind,
        total,
        free,
        "8.6" if kind == "cuda" else None,
        own_bytes=own,
        host_bytes=held_by_comfy,
    )
    return MachineReport((device,), device.id, "Linux 6.1", "3.11", None, 8, 32 * GIB, 24 * GIB)


def test_a_live_machine_is_judged_by_what_is_free_and_what_comfyui_could_give_back() -> None:
    idle = advise(machine=machine(12 * GIB, 11 * GIB))
    busy = advise(machine=machine(12 * GIB, 4 * GIB))
    evictable = advise(machine=machine(12 * GIB, 4 * GIB, held_by_comfy=7 * GIB))
    assert idle.best("OCR").model == "qwen3_vl_8b"
    assert busy.best("OCR").model != "qwen3_vl_8b"
    assert evictable.best("OCR").key == idle.best("OCR").key
    assert "GeForce RTX 3060" in idle.gpu


def lacking_bitsandbytes(report: MachineReport) -> MachineReport:
    none = Capability(False, "bitsandbytes not installed; pip install bitsandbytes adds it")
    flash = Capability(False, "flash-attn is not installed")
    options = {"int8": none, "int4": none, "torchao": none, "flash_attention_2": flash}
    return replace(report, torch="2.9.0+cu128", options=options)


def test_what_the_loader_here_would_refuse_is_not_picked_and_says_what_is_missing() -> None:
    here = lacking_bitsandbytes(machine(12 * GIB, 11 * GIB))
    answer = advise(machine=here, task="OCR")
    assert answer.best("OCR").precision == "bf16"
    refused = [candidate for candidate in answer.candidates if candidate.precision in ("int8", "int4")]
    assert {candidate.verdict for candidate in refused} == {"unavailable"}
    assert all("pip install bitsandbytes" in candidate.reason() for candidate in refused)
    assert report(answer).count("pip install bitsandbytes") == 2, "in the five lines and under the table"
    assert "int8, int4" in report(answer)
    # its own packages go with it to a larger card, and an invented card has them all
    assert not {"int8", "int4"} & {unlock.candidate.precision for unlock in answer.unlocks}
    assert advise(gpu="RTX 3060 12 GB", task="OCR").best("OCR").precision in ("int8", "int4")


def test_int8_by_torchao_is_picked_where_bitsandbytes_is_missing() -> None:
    here = lacking_bitsandbytes(machine(16 * GIB, 14 * GIB))
    torchao = Capability(True, "torchao is installed")
    answer = advise(machine=replace(here, options={**here.options, "int8": torchao}), task="OCR")
    assert (answer.best("OCR").model, answer.best("OCR").precision) == ("qwen3_vl_8b", "int8")


def test_on_apple_int8_asks_for_torchao_and_int4_for_nothing_that_would_not_help() -> None:
    answer = advise(machine=lacking_bitsandbytes(machine(32 * GIB, 24 * GIB, kind="mps")), task="OCR")
    asked = {
        candidate.precision: candidate.reason()
        for candidate in answer.candidates
        if candidate.verdict == "unavailable"
    }
    assert asked["int8"].endswith("install torchao")
    assert "pip install accelerate" not in asked["int4"] and "-m pip" not in asked["int4"]


def test_without_torch_advice_is_about_memory_alone() -> None:
    here = replace(lacking_bitsandbytes(machine(12 * GIB, 11 * GIB)), torch=None)
    assert advise(machine=here, task="OCR").best("OCR").model == "qwen3_vl_8b"


def test_without_a_gpu_the_built_in_engine_comes_first_and_images_are_not_promised() -> None:
    answer = advise(machine=machine(32 * GIB, 24 * GIB, kind="cpu"))
    assert answer.best("OCR").model == "rapid"
    assert answer.best("image") is None
    assert answer.unlocks == ()


# --- what else is loaded, what is on disk -----------------------------------------------------------------


def test_a_model_of_the_same_graph_leaves_less() -> None:
    alone = advise(vram_gib=16, task="OCR")
    beside = advise(vram_gib=16, task="OCR", also_loaded=["flux1-dev@Q4_K_S"])
    weights = diffusion_candidate(target_of_memory(16), "flux1-dev", "Q4_K_S").weights_bytes
    assert alone.target.budget.budget_bytes - beside.target.budget.budget_bytes == weights
    assert alone.best("OCR").key < beside.best("OCR").key
    assert "FLUX.1 dev Q4_K_S" in report(beside)


def test_a_precision_of_an_ocr_model_is_known_in_any_case_and_a_wrong_one_is_refused() -> None:
    told = {
        text: advise(vram_gib=24, task="OCR", also_loaded=[text]).taken
        for text in ("qwen3_vl_8b@int8", "Qwen3-VL 8B@INT8", "Qwen3-VL 8B @ Int8")
    }
    assert set(told.values()) == {("Qwen3-VL 8B int8",)}
    best = advise(vram_gib=24, task="OCR", also_loaded=["qwen3_vl_8b"])
    assert advise(vram_gib=24, task="OCR", also_loaded=["qwen3_vl_8b@auto"]).taken == best.taken
    for task in ("OCR", "which GPU"):
        with pytest.raises(UnknownName, match=r'"int9".*Did you mean "int8".*bf16, fp16, int8, int4'):
            advise(vram_gib=24, task=task, also_loaded=["qwen3_vl_8b@int9"])
    # a saved handle of the built-in engine may carry a precision, which it has no use for
    assert advise(vram_gib=24, task="OCR", also_loaded=["rapid@int8"]).taken_bytes == 0
    with pytest.raises(UnknownName, match=r'"int9".*auto'):
        advise(vram_gib=24, task="OCR", also_loaded=["rapid@int9"])


def test_only_what_is_on_disk_when_asked_so() -> None:
    some = advise(vram_gib=24, installed=["flux1-dev", "qwen3_vl_4b"], installed_only=True)
    assert {pick.model for pick in some.picks} == {"flux1-dev", "qwen3_vl_4b", "rapid"}
    assert all(pick.installed for pick in some.picks)


def test_names_objects_and_lists_say_what_else_is_loaded() -> None:
    class Handle:
        model, precision = "qwen3_vl_2b", "int8"

        def read(self) -> None: ...

    class Patcher:
        def model_size(self) -> int:
            return 5 * GIB

    class VAE:
        patcher = Patcher()

    assert loaded_in_graph("flux1-dev, qwen3_vl_2b@int8\n") == ("flux1-dev", "qwen3_vl_2b@int8")
    assert loaded_in_graph([Handle(), Patcher(), VAE(), None]) == ("qwen3_vl_2b@int8", 5 * GIB, 5 * GIB)
    with pytest.raises(VramwiseError, match="dict"):
        loaded_in_graph({})


def test_folders_named_as_the_repository_are_models_on_disk() -> None:
    assert ocr_models_on_disk(["Qwen3-VL-2B-Instruct", "something"]) == {"qwen3_vl_2b"}


# --- tiers and cards --------------------------------------------------------------------------------------


def test_every_tier_unlocks_something_over_the_one_below() -> None:
    found = dict(tiers())
    assert tuple(found) == TIERS
    assert all(found.values())
    opened = {
        size: {unlock.candidate.model for unlock in unlocks if not unlock.was}
        for size, unlocks in found.items()
    }
    assert "qwen-image-edit" in opened[12] and "wan2.2-14b" in opened[12]  # at two or three bits
    assert "flux2-dev" in opened[24]
    assert "qwen3_vl_8b" in opened[12]


def test_what_the_next_size_unlocks_is_resident_there_and_not_here() -> None:
    answer = on(12)
    assert {unlock.vram_gib for unlock in answer.unlocks} == {16.0}
    here = {
        (candidate.task, candidate.model): candidate
        for candidate in reversed(answer.candidates)
        if candidate.verdict in RESIDENT
    }
    for unlock in answer.unlocks:
        assert unlock.candidate.verdict in RESIDENT
        known = here.get((unlock.candidate.task, unlock.candidate.model))
        assert (known.precision if known else "") == unlock.was
        assert known is None or unlock.candidate.key < known.key


def test_what_the_card_cannot_hold_an_endpoint_could_on_the_smallest_size_that_does() -> None:
    advice = advise(vram_gib=8, task="OCR")
    resident = {candidate.model for candidate in advice.candidates if candidate.verdict in RESIDENT}
    named = [remote.candidate.model for remote in advice.remote]
    assert named[0] == "qwen3_vl_8b" and "qwen2_vl_7b" in named
    for remote in advice.remote:
        assert remote.candidate.model not in resident and remote.candidate.precision == "bf16"
        there = advise(vram_gib=remote.vram_gib, task="OCR")
        assert any(
            (pick.model, pick.precision, pick.verdict in RESIDENT) == (remote.candidate.model, "bf16", True)
            for pick in there.candidates
        )
        assert not any(gone.candidate.model == remote.candidate.model for gone in there.remote)
    assert advise(vram_gib=8, task="video").remote == ()


def test_your_own_endpoint_is_named_where_its_model_is_said() -> None:
    served = {"studio": "Qwen/Qwen3-VL-8B-Instruct", "box": "qwen2-vl:7b", "quiet": ""}
    advice = advise(vram_gib=8, task="OCR", served=served)
    named = {remote.candidate.model: remote.endpoints for remote in advice.remote if remote.endpoints}
    assert named == {"qwen3_vl_8b": ("studio",), "qwen2_vl_7b": ("box",)}
    assert "your endpoint studio" in report(advice)
    assert advice.to_dict()["elsewhere"][0]["endpoints"] == ["studio"]
    assert "quiet" not in report(advice)


def test_without_a_gpu_every_model_is_better_read_elsewhere() -> None:
    advice = advise(machine=machine(32 * GIB, 24 * GIB, kind="cpu"), task="OCR")
    assert {"qwen3_vl_2b", "qwen3_vl_8b", "dots_ocr"} <= {remote.candidate.model for remote in advice.remote}
    assert advice.remote[0].vram_gib >= 24


def test_a_models_range_goes_from_what_runs_to_what_more_does_not_help() -> None:
    for model in ranges():
        if model.minimum_bytes is not None:
            assert model.minimum_bytes <= model.optimum_bytes, model
            assert model.resident_from_bytes <= model.optimum_bytes, model
    flux = next(model for model in ranges() if model.model == "flux1-dev")
    assert (flux.tier, flux.optimum_precision) == (12, "bf16")


def test_cards_for_a_goal_run_all_of_it_and_are_ranked() -> None:
    goal, cards = ["flux1-dev@fp8", "wan2.2-14b@fp8_scaled"], offered_cards()
    found = reaching(goal, cards)
    assert found[0].model == "GeForce RTX 5090"
    assert {"GeForce RTX 3090", "GeForce RTX 4090"} < {card.model for card in found}
    assert "GeForce RTX 4080" not in {card.model for card in found}
    assert len(reaching(goal, cards, streams=True)) > len(found)
    assert not [card for card in found if "SUPER" in card.model and "50" in card.model]


def test_the_task_which_gpu_answers_with_cards() -> None:
    answer = advise(task="which GPU", also_loaded=["qwen-image-edit@fp8_e4m3fn"])
    assert {pick.task for pick in answer.picks} == {"which GPU"}
    assert answer.picks[0].model == "GeForce RTX 5090"
    for lang in LANGUAGES:
        assert "GeForce RTX 3090" in report(answer, lang)


# --- the report -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("task", TASKS)
def test_the_report_speaks_the_language_and_shows_every_part(lang: str, task: str) -> None:
    text = report(advise(gpu="RTX 3070", task=task), lang)
    assert "{" not in text and "advise_" not in text
    if task == "which GPU":
        return
    differ = {"en": "Why figures differ", "ru": "\u041f\u043e\u0447\u0435\u043c\u0443", "zh": "\u6570\u5b57"}
    assert differ[lang] in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_the_report_shows_what_comes_on_top_and_the_formats_of_weights() -> None:
    text = report(advise(gpu="RTX 4090", task="image"))
    assert "FLUX.1 dev Q4_K_S with InstantX Canny: reported with 8 GB: fits." in text
    assert "Qwen-Image LoRA: reported with 42 GB: no." in text
    formats = {line.split(" | ")[0]: line.split(" | ") for line in text.splitlines() if line.startswith("| ")}
    assert formats["| fp32"][1:3] == ["32", "4"]
    assert formats["| fp8"][1:3] == ["8", "1"]
    assert formats["| Q2_K"][1] == "2.625"
    assert "yes" in formats["| fp8"][4]
    assert "yes" not in formats["| nvfp4"][4]


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_no_english_is_left_in_the_report_of_another_language(lang: str) -> None:
    english = r"\b(with|usual|full|fine-tune|blocks|swapped|in|at|pictures|patch|distilled|and|models)\b"
    for size, task in ((3, "OCR"), (24, "image"), (48, "video")):
        text = report(advise(vram_gib=size, task=task, also_loaded=[GIB]), lang)
        lines = [line for line in text.splitlines() if line.startswith("-")]
        assert lines
        assert not [line for line in lines if re.search(english, line)]
        if lang == "ru":
            assert not [line for line in text.splitlines() if "GiB" in line or re.search(r"^# .* GB$", line)]
    named = {words(lang).get(f"advise_addon_name_{addon.name}", addon.name) for addon in addons()}
    assert not [name for name in named if re.search(english, name)]


def test_what_comes_on_top_counts_what_is_loaded_beside_it() -> None:
    case = "FLUX.1 dev Q4_K_S with InstantX Canny: reported with 8 GB"
    assert f"{case}: fits." in report(advise(vram_gib=8, task="image"))
    full = report(advise(vram_gib=8, task="image", also_loaded=["qwen3_vl_8b@int4"]))
    assert f"{case}: no." in full
    top = full.partition("## On top of a model")[2].partition("## Formats")[0]
    assert ": fits" not in top


def test_every_row_of_the_report_names_where_its_figures_come_from() -> None:
    text = report(on(12)).partition("## On top of a model")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ") and "Model | Precision " not in line]
    assert rows
    assert all(" computed " in row or " measured here " in row or " size estimated " in row for row in rows)


def test_a_rumoured_card_says_so() -> None:
    assert "rumoured" in report(advise(gpu="RTX 5080 SUPER"))
