"""What a plan says and counts of fast decoding: a cache of fixed size, where CUDA graphs can be had."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vramwise.families.family import family
from vramwise.families.published import published_config
from vramwise.hardware.budget import Budget, budget_of_memory
from vramwise.hardware.capabilities import Capability
from vramwise.planning import Plan, reading_bytes
from vramwise.planning.activations import static_length
from vramwise.planning.fit import make_plan
from vramwise.units import GIB

CONFIG = published_config("Qwen/Qwen3-VL-2B-Instruct")
CARD = replace(budget_of_memory(12, "linux"), kind="cuda", device="cuda:0", capability=(8, 6))
HAS, LACKS = {"triton": Capability(True, "")}, {"triton": Capability(False, "triton is not installed")}


def planned(budget: Budget, precision: str = "bf16", **more: object) -> Plan:
    assert CONFIG is not None
    given = {"available": HAS, "fast_decode": True, **more}
    return make_plan("m", family("qwen3_vl"), CONFIG, None, budget, precision, "sdpa", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "precision", "more", "said"),
    [
        (CARD, "bf16", {}, "waits while torch compiles"),
        (CARD, "int8", {}, "quantised layers"),
        (replace(CARD, capability=(6, 1)), "fp16", {}, "compute capability 7.0"),
        (CARD, "bf16", {"available": LACKS}, "triton is not installed"),
        (replace(CARD, kind="cpu", device="cpu"), "bf16", {}, "NVIDIA"),
        (replace(CARD, kind="rocm"), "bf16", {}, "NVIDIA"),
        (replace(CARD, device="auto"), "bf16", {}, "NVIDIA"),
    ],
)
def test_a_plan_says_what_fast_decoding_costs_or_why_it_is_not_had(
    budget: Budget, precision: str, more: dict[str, object], said: str
) -> None:
    plan = planned(budget, precision, **more)
    (note,) = (note for note in plan.notes if "fast_decode" in note)
    assert said in note
    assert plan.chosen is not None and plan.chosen.static is ("not used" not in note)


def test_the_cache_of_fast_decoding_is_counted_at_its_whole_length_in_the_plan() -> None:
    fast, plain = (planned(CARD, fast_decode=fast).verdict("bf16") for fast in (True, False))
    assert fast.footprint is not None and plain.footprint is not None
    per_token = 2 * 28 * 8 * 128 * 2  # keys and values, layers, heads, channels, 16 bits
    assert fast.footprint.kv_bytes % (1024 * per_token) == 0
    assert 0 <= fast.footprint.kv_bytes - plain.footprint.kv_bytes < 1024 * per_token
    assert not any("fast_decode" in note for note in planned(CARD, fast_decode=False).notes)


def test_a_short_answer_takes_the_static_cache_of_its_length_from_the_prompt_on() -> None:
    assert CONFIG is not None
    fast, plain = (reading_bytes(CONFIG, "bf16", static=static)(2**20, 1, 16) for static in (True, False))
    assert plain < fast < plain + GIB // 2
    assert [static_length(*both) for both in ((1, 1), (1000, 24), (1000, 25))] == [1024, 1024, 2048]
