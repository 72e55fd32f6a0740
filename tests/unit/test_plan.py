"""What fits: verdicts, the choice of `auto`, refusals, and that more memory never makes a choice worse."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vramwise.errors import VramwiseError
from vramwise.families.family import Family, family
from vramwise.families.published import published_config
from vramwise.hardware import DeviceReport, MachineReport
from vramwise.hardware.budget import Budget, sharded_budgets
from vramwise.hardware.capabilities import Capability
from vramwise.planning import Plan, make_plan

GIB = 1024**3
SEEDS = {
    "GOT-OCR-2.0-hf": ("stepfun-ai/GOT-OCR-2.0-hf", "got_ocr2"),
    "Qwen2-VL-2B": ("Qwen/Qwen2-VL-2B-Instruct", "qwen2_vl"),
    "Qwen2-VL-7B": ("Qwen/Qwen2-VL-7B-Instruct", "qwen2_vl"),
    "Qwen3-VL-2B": ("Qwen/Qwen3-VL-2B-Instruct", "qwen3_vl"),
    "Qwen3-VL-4B": ("Qwen/Qwen3-VL-4B-Instruct", "qwen3_vl"),
    "Qwen3-VL-8B": ("Qwen/Qwen3-VL-8B-Instruct", "qwen3_vl"),
}
QUALITY = ("bf16", "fp16", "int8", "int4")
FLASH = {"flash_attention_2": Capability(True, "flash-attn 2.8.3 is installed")}


def plan(name: str, gib: float, **more: Any) -> Plan:
    repo, family_id = SEEDS[name]
    config = published_config(repo)
    assert config is not None
    given = {
        "kind": "cuda",
        "capability": (8, 6),
        "reclaimable_bytes": 0,
        "family": family(family_id),
        **more,
    }
    budget = Budget(
        "cuda:0" if given["kind"] != "cpu" else "cpu",
        given.pop("kind"),
        int(gib * GIB),
        given.pop("reclaimable_bytes"),
        given.pop("capability"),
    )
    return make_plan(name, given.pop("family"), config, None, budget, **given)


def verdicts(it: Plan) -> dict[str, str]:
    return {verdict.precision: verdict.verdict for verdict in it.verdicts}


def test_auto_takes_the_best_quality_that_fits_the_memory_there_is() -> None:
    chosen = {gib: plan("Qwen3-VL-8B", gib).chosen for gib in (9, 10, 16, 24)}
    assert {gib: choice and choice.precision for gib, choice in chosen.items()} == {
        9: "int4",
        10: "int4",
        16: "int8",
        24: "bf16",
    }
    assert plan("Qwen3-VL-8B", 8).chosen is None


def test_verdicts_go_from_no_over_reduced_and_tight_to_fits() -> None:
    seen = []
    for tenth in range(60, 140):
        verdict = verdicts(plan("Qwen3-VL-8B", tenth / 10))["int4"]
        if not seen or seen[-1] != verdict:
            seen.append(verdict)
    assert seen == ["no", "reduced", "tight", "fits"]


def test_a_reduced_verdict_says_how_small_and_that_size_really_fits() -> None:
    it = next(p for tenth in range(60, 140) if (p := plan("Qwen3-VL-8B", tenth / 10)).chosen is not None)
    verdict = it.verdict("int4")
    assert verdict.verdict == "reduced" and verdict.max_pixels is not None
    assert 512 * 512 <= verdict.max_pixels < family("qwen3_vl").default_pixels
    assert "megapixels" in verdict.reason
    assert it.chosen is not None and it.chosen.max_pixels == verdict.max_pixels
    smaller = dataclasses.replace(family("qwen3_vl"), default_pixels=verdict.max_pixels)
    assert verdicts(plan("Qwen3-VL-8B", it.budget_bytes / GIB, family=smaller))["int4"] == "tight"


def test_max_pixels_is_a_multiple_of_the_grid_and_never_beyond_the_family() -> None:
    for gib in (8, 12, 24, 80):
        choice = plan("Qwen2-VL-2B", gib).chosen
        assert choice is not None
        assert choice.max_pixels % 28**2 == 0
        assert choice.max_pixels <= family("qwen2_vl").max_pixels


def test_what_comfyui_could_evict_counts() -> None:
    assert plan("Qwen3-VL-8B", 2).chosen is None
    it = plan("Qwen3-VL-8B", 2, reclaimable_bytes=22 * GIB)
    assert it.budget_bytes == 24 * GIB
    assert it.chosen is not None and it.chosen.precision == "bf16"


def test_a_forced_precision_that_cannot_fit_is_refused_with_what_would() -> None:
    with pytest.raises(VramwiseError) as refused:
        plan("Qwen3-VL-8B", 12, precision="bf16")
    text = str(refused.value)
    assert "needs 18.20 GiB and cuda:0 has 12.00 GiB" in text
    assert "What would fit: int8; int4, or precision auto." in text
    with pytest.raises(VramwiseError, match="No other precision fits either"):
        plan("Qwen3-VL-8B", 4, precision="int4")


def test_what_could_be_evicted_stands_apart_in_the_text() -> None:
    first = plan("Qwen3-VL-8B", 2, reclaimable_bytes=22 * GIB).text().splitlines()[0]
    assert "24.00 GiB to be had, 2.00 free and 22.00 that could be evicted" in first
    assert plan("Qwen3-VL-8B", 24).text().splitlines()[0] == "Qwen3-VL-8B on cuda:0, 24.00 GiB free:"


def test_what_does_not_fit_says_what_would() -> None:
    it = plan("Qwen3-VL-8B", 12)
    assert verdicts(it)["bf16"] == "no"
    assert it.verdict("bf16").reason.endswith("; int8 would fit")
    assert "would fit" not in plan("Qwen3-VL-8B", 4).verdict("bf16").reason


def test_the_text_has_a_line_for_each_term_of_the_choice_with_its_source() -> None:
    it = plan("Qwen3-VL-8B", 24)
    lines = it.text().splitlines()
    begun = next(number for number, line in enumerate(lines) if line.startswith("Chosen:"))
    said = " ".join(" ".join(lines[begun + 1 :]).split())
    terms = it.verdict("bf16").footprint.terms  # type: ignore[union-attr]
    assert [term.name for term in terms] == ["weights", "kv", "activations", "context", "margin"]
    for term in terms:
        assert f"{term.name} {term.bytes / GIB:.2f} {term.source}" in said


def test_a_plan_for_a_size_and_a_number_of_pictures_counts_them() -> None:
    one, four = (plan("Qwen3-VL-8B", 12, pixels=2**20, images=n) for n in (1, 4))
    assert four.verdict("int8").footprint.kv_bytes == 4 * one.verdict("int8").footprint.kv_bytes
    assert four.chosen.micro_batch <= 4
    tight = plan("Qwen3-VL-8B", 11, pixels=2**23, images=8, precision="int4")
    verdict = tight.verdict("int4")
    assert verdict.verdict == "reduced"
    assert verdict.reason == f"only {tight.chosen.micro_batch} of 8 pictures at once"
    assert 1 <= tight.chosen.micro_batch < 8


def test_a_forced_precision_that_fits_is_taken_although_a_better_one_would_too() -> None:
    choice = plan("Qwen3-VL-2B", 24, precision="int4").chosen
    assert choice is not None and choice.precision == "int4"


def test_nothing_fits_is_a_plan_with_words_and_an_error_when_required() -> None:
    it = plan("Qwen3-VL-8B", 4)
    assert it.to_dict()["chosen"] is None
    assert "does not fit on cuda:0 at any precision" in it.text()
    with pytest.raises(VramwiseError, match="GiB short"):
        it.require()


def test_bf16_is_passed_by_where_the_gpu_has_none_and_fp16_comes_first() -> None:
    it = plan("Qwen3-VL-2B", 16, capability=(7, 5))
    assert verdicts(it)["bf16"] == "unavailable"
    assert "7.5" in it.verdict("bf16").reason
    assert it.chosen is not None and it.chosen.precision == "fp16"
    with pytest.raises(VramwiseError, match=r"compute capability 8\.0"):
        plan("Qwen3-VL-2B", 16, capability=(7, 5), precision="bf16")


@pytest.mark.parametrize("its", ["qwen2_vl", "qwen2_5_vl"])
def test_a_model_that_overflows_fp16_computes_bf16_by_emulation_on_a_card_without_it(its: str) -> None:
    for capability, emulated in (((6, 1), False), ((7, 0), True), ((7, 5), True), ((8, 6), False)):
        it = plan("Qwen2-VL-2B", 16, capability=capability, family=family(its))
        assert it.chosen is not None
        assert any("by emulation" in note for note in it.notes) == emulated, capability
        assert it.chosen.precision == ("fp16" if capability < (7, 0) else "bf16"), capability
        assert any("prefer bf16" in note for note in it.notes) == (it.chosen.precision == "fp16")
    forced = plan("Qwen2-VL-2B", 16, capability=(7, 5), precision="fp16", family=family(its))
    assert any("prefer bf16" in note for note in forced.notes)
    assert not any("by emulation" in note for note in forced.notes)


def test_a_missing_quantiser_makes_precisions_unavailable_with_the_reason_and_auto_passes_them_by() -> None:
    missing = {p: Capability(False, "bitsandbytes is not installed") for p in ("int8", "int4")}
    it = plan("Qwen3-VL-8B", 12, available=missing)
    assert verdicts(it) == {"bf16": "no", "fp16": "no", "int8": "unavailable", "int4": "unavailable"}
    assert it.chosen is None
    assert it.verdict("int8").reason == "bitsandbytes is not installed"


@pytest.mark.parametrize(("torchao", "expected"), [(True, "fits"), (False, "unavailable")])
def test_on_an_apple_gpu_int8_needs_torchao_whatever_bitsandbytes_can(torchao: bool, expected: str) -> None:
    bitsandbytes = Capability(not torchao, "bitsandbytes is not looked at")
    said = Capability(torchao, "torchao is or is not installed")
    options = {"int8": bitsandbytes, "int4": bitsandbytes, "torchao": said}
    it = plan("Qwen3-VL-8B", 40, kind="mps", capability=None, available=options)
    assert verdicts(it)["int8"] == expected
    if not torchao:
        assert it.verdict("int8").reason == said.reason


@pytest.mark.parametrize(
    ("capability", "kind", "available", "expected"),
    [
        ((8, 0), "cuda", FLASH, "flash_attention_2"),
        ((8, 9), "cuda", {}, "sdpa"),
        ((7, 5), "cuda", FLASH, "sdpa"),
        (None, "cpu", FLASH, "sdpa"),
        ((8, 9), "cuda", {**FLASH, "sdpa": Capability(True, "")}, "flash_attention_2"),
        (
            (8, 9),
            "cuda",
            {"flash_attention_2": Capability(False, "no"), "sdpa": Capability(False, "no")},
            "eager",
        ),
    ],
)
def test_attention_is_the_fastest_that_card_and_packages_allow(
    capability: Any, kind: str, available: Any, expected: str
) -> None:
    it = plan("Qwen3-VL-2B", 80, capability=capability, kind=kind, available=available)
    assert it.chosen is not None and it.chosen.attention == expected
    assert it.notes[0].startswith(f"attention {expected}: ")


def test_got_is_eager_whatever_is_installed_and_refuses_another() -> None:
    choice = plan("GOT-OCR-2.0-hf", 24, available=FLASH).chosen
    assert choice is not None and choice.attention == "eager"
    with pytest.raises(VramwiseError, match="has no sdpa"):
        plan("GOT-OCR-2.0-hf", 24, attention="sdpa")


def test_a_forced_attention_that_cannot_run_is_refused_with_the_reason() -> None:
    with pytest.raises(VramwiseError, match="flash-attn is not installed"):
        plan("Qwen3-VL-2B", 24, attention="flash_attention_2")
    choice = plan("Qwen3-VL-2B", 24, attention="flash_attention_2", available=FLASH).chosen
    assert choice is not None and choice.attention == "flash_attention_2"


def test_fp32_is_offered_on_the_cpu_only_and_named_when_taken() -> None:
    assert "fp32" not in verdicts(plan("Qwen3-VL-2B", 24))
    it = plan("Qwen3-VL-2B", 24, kind="cpu", capability=None, precision="fp32")
    assert it.chosen is not None and it.chosen.precision == "fp32"
    assert any("fp32 takes twice" in note for note in it.notes)
    auto = plan("Qwen3-VL-2B", 64, kind="cpu", capability=None).chosen
    assert auto is not None and auto.precision == "bf16"


def test_a_folder_saved_quantised_is_planned_as_what_it_is() -> None:
    config = {
        **(published_config("Qwen/Qwen3-VL-2B-Instruct") or {}),
        "quantization_config": {"load_in_4bit": True},
    }
    it = make_plan("mine", family("qwen3_vl"), config, None, Budget("cuda:0", "cuda", 24 * GIB, 0, (8, 6)))
    assert it.chosen is not None and it.chosen.precision == "int4 as saved"
    assert list(verdicts(it)) == ["int4 as saved"]


def test_unknown_words_are_answered_with_the_nearest() -> None:
    with pytest.raises(VramwiseError, match='Did you mean "bf16"'):
        plan("Qwen3-VL-2B", 24, precision="bf61")
    with pytest.raises(VramwiseError, match='Did you mean "eager"'):
        plan("Qwen3-VL-2B", 24, attention="eagr")


def test_the_json_form_is_the_stable_one() -> None:
    made = json.loads(json.dumps(plan("Qwen3-VL-8B", 12).to_dict()))
    assert list(made) == ["model", "device", "budget_bytes", "verdicts", "chosen"]
    assert list(made["chosen"]) == ["precision", "attention", "max_pixels", "micro_batch"]
    for verdict in made["verdicts"]:
        assert list(verdict) == [
            *("precision", "verdict", "need_bytes", "weights_bytes", "activation_bytes", "kv_bytes"),
            *("overhead_bytes", "reason"),
        ]
        parts = ("weights_bytes", "activation_bytes", "kv_bytes", "overhead_bytes")
        assert verdict["need_bytes"] == sum(verdict[part] for part in parts)
        assert verdict["reason"]


def test_the_table_has_a_line_for_each_precision_and_says_what_was_chosen() -> None:
    lines = plan("Qwen3-VL-8B", 12).text().splitlines()
    assert lines[1].split()[:3] == ["precision", "verdict", "need"]
    assert [line.split()[0] for line in lines[2:6]] == list(QUALITY)
    assert any(line.startswith("Chosen: int8, sdpa") for line in lines)
    assert max(map(len, lines)) < 160


def test_the_chosen_micro_batch_of_usual_pictures_fits() -> None:
    from vramwise.planning import Workload, footprint

    for gib in (8, 12, 16, 24, 48):
        it = plan("Qwen3-VL-4B", gib)
        usual = family("qwen3_vl").default_pixels
        assert it.chosen is not None
        work = Workload(usual, it.chosen.micro_batch, new_tokens=family("qwen3_vl").max_new_tokens)
        config = published_config("Qwen/Qwen3-VL-4B-Instruct") or {}
        assert footprint(config, None, it.chosen.precision, workload=work).need_bytes <= it.budget_bytes


def rank(it: Plan, of: Family) -> tuple[Any, ...]:
    """How good a choice is: usual pictures first, then quality, then size and number of pictures."""
    choice = it.chosen
    if choice is None:
        return (0,)
    quality = len(QUALITY) - QUALITY.index(choice.precision)
    if choice.max_pixels < of.default_pixels:
        return (1, choice.max_pixels, quality, choice.micro_batch)
    return (2, quality, choice.max_pixels, choice.micro_batch)


ORDER = ("no", "reduced", "tight", "fits")


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(SEEDS)),
    free=st.floats(0.5, 96),
    more=st.floats(0, 40),
    capability=st.sampled_from([(7, 5), (8, 6), (12, 0)]),
    attention=st.sampled_from(["auto", "eager"]),
    new_tokens=st.sampled_from([64, 2048, 24000]),
)
def test_more_memory_never_gives_a_worse_choice(
    name: str, free: float, more: float, capability: tuple[int, int], attention: str, new_tokens: int
) -> None:
    rules: Any = {"capability": capability, "attention": attention, "new_tokens": new_tokens}
    less, rich = plan(name, free, **rules), plan(name, free + more, **rules)
    of = family(SEEDS[name][1])
    assert rank(less, of) <= rank(rich, of)
    for before, after in zip(less.verdicts, rich.verdicts, strict=True):
        if before.verdict != "unavailable":
            assert ORDER.index(before.verdict) <= ORDER.index(after.verdict)
            assert (before.max_pixels or 0) <= (after.max_pixels or 0)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(SEEDS)), gib=st.floats(0.5, 96))
def test_a_choice_always_fits_its_budget(name: str, gib: float) -> None:
    it = plan(name, gib)
    if it.chosen is not None:
        verdict = it.verdict(it.chosen.precision)
        assert verdict.verdict in ("fits", "tight", "reduced")
        assert verdict.footprint is not None
        if verdict.verdict != "reduced":
            assert verdict.footprint.need_bytes <= it.budget_bytes


# --- device_map="auto" from a script ----------------------------------------------------------------------


def machine(*free_gib: float, ram_gib: float = 64, capability: str = "8.6") -> MachineReport:
    cards = [
        DeviceReport(
            id=f"cuda:{number}",
            name=f"NVIDIA Card {number}",
            kind="cuda",
            total_bytes=24 * GIB,
            free_bytes=int(size * GIB),
            compute_capability=capability,
        )
        for number, size in enumerate(free_gib)
    ]
    cpu = DeviceReport("cpu", "CPU", "cpu", 128 * GIB, int(ram_gib * GIB))
    return MachineReport(
        devices=(*cards, cpu),
        chosen=(*cards, cpu)[0].id,
        system="Linux 6",
        python="3.12",
        torch="2.9",
        cpu_count=8,
        ram_total_bytes=128 * GIB,
        ram_available_bytes=int(ram_gib * GIB),
    )


def test_a_model_that_is_spread_has_the_memory_of_every_card_and_then_of_ram() -> None:
    budgets = sharded_budgets(machine(12, 10))
    assert budgets is not None
    cards, everything = budgets
    assert (cards.device, cards.kind, cards.capability) == ("auto", "cuda", (8, 6))
    assert cards.budget_bytes == pytest.approx(0.9 * 22 * GIB, rel=1e-6)
    assert everything.budget_bytes == pytest.approx(0.9 * (22 + 64) * GIB, rel=1e-6)
    assert cards.reclaimable_bytes == everything.reclaimable_bytes == 0  # never moved, nothing is evicted
    assert "cuda:0 12.0, cuda:1 10.0" in cards.note and "never moved" in cards.note
    assert "RAM 64.0 GiB" in everything.note and "slow" in everything.note


def test_where_there_is_no_card_there_is_nothing_to_spread_over() -> None:
    assert sharded_budgets(machine()) is None


def spread_plan(model: str, report: MachineReport, precision: str = "auto") -> Plan | None:
    from vramwise.models import load_plan, request

    repo, family_id = SEEDS[model]
    resolved = request.ResolvedModel(family(family_id), published_config(repo) or {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_plan, "machine_now", lambda torch: report)
        patch.setattr(load_plan, "model_options", lambda least_transformers: {})
        return load_plan._sharded_plan(request.ModelRequest(model, precision), resolved, None)


def test_two_cards_together_take_what_neither_takes_alone_and_the_text_says_how() -> None:
    assert plan("Qwen3-VL-8B", 12).chosen.precision == "int8"  # type: ignore[union-attr]
    it = spread_plan("Qwen3-VL-8B", machine(12, 12))
    assert it is not None and it.chosen is not None and it.chosen.precision == "bf16"
    assert it.device == "auto"
    assert "placed by accelerate and never moved" in it.text().splitlines()[0]


def test_cards_come_before_ram_and_only_16_bits_go_into_ram() -> None:
    quantised = spread_plan("Qwen3-VL-8B", machine(14))
    assert quantised is not None and quantised.chosen is not None
    assert quantised.chosen.precision == "int8"  # on the card, rather than bf16 half in RAM
    into_ram = spread_plan("Qwen3-VL-8B", machine(4))
    assert into_ram is not None and into_ram.chosen is not None
    assert into_ram.chosen.precision == "bf16"
    assert {verdicts(into_ram)[name] for name in ("int8", "int4")} == {"unavailable"}
    assert "cards only" in into_ram.verdict("int8").reason
    forced = spread_plan("Qwen3-VL-8B", machine(12), "bf16")
    assert forced is not None and forced.chosen is not None and "RAM" in forced.text().splitlines()[0]
    with pytest.raises(VramwiseError, match="cards only"):
        spread_plan("Qwen3-VL-8B", machine(4), "int8")
