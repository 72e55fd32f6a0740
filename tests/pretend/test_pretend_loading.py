"""Scripts on pretend cards: room for another model, two cards, an old card's dtypes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vramwise.errors import VramwiseError  # noqa: E402
from vramwise.ocr.vlm import load  # noqa: E402
from vramwise.ocr.vlm.model_owner import LoadSpec, PlainOwner, owner_of  # noqa: E402

from devtools.pretend_card import Card, pretend_cards  # noqa: E402

GIB, MIB = 1024**3, 1024**2
TURING, AMPERE, ADA, BLACKWELL = (7, 5), (8, 6), (8, 9), (12, 0)


def toy(name: str, gib: float, device: str = "cuda:0") -> Any:
    """An owner of one weight of ``gib``, which takes no RAM here."""

    def made() -> torch.nn.Module:
        net = torch.nn.Module()
        weight = torch.empty(int(gib * GIB), dtype=torch.uint8)
        net.weight = torch.nn.Parameter(weight.to(device), requires_grad=False)
        return net

    owner = owner_of(LoadSpec(Path(name), "toy", "bf16", "sdpa", device), made, int(gib * GIB))
    assert isinstance(owner, PlainOwner)
    return owner


def test_a_scripts_models_make_room_for_each_other_on_a_pretend_card_200_times() -> None:
    with pretend_cards(Card(gib=8), numbers_up_to=MIB) as live:
        first, second, small = toy("first", 5), toy("second", 4), toy("small", 1)
        for _ in range(100):
            small.use(0)
            first.use(GIB)
            assert (small.resident_bytes(), second.resident_bytes()) == (GIB, 0), "the oldest goes, no more"
            second.use(GIB)
            assert first.resident_bytes() == 0
        assert live.pools[0].failures == 0
        assert live.pools[0].most_reserved <= 6 * GIB
        for owner in (first, second, small):
            owner.close()
        assert live.allocated() == 0


def test_memory_that_other_programs_hold_on_a_pretend_card_is_no_room() -> None:
    with pretend_cards(Card(gib=8, others_bytes=3 * GIB), numbers_up_to=MIB) as live:
        first, second = toy("first", 3), toy("second", 3)
        first.use(0)
        second.use(0)
        assert (first.resident_bytes(), live.allocated()) == (0, 3 * GIB)


def test_out_of_memory_of_a_pretend_card_halves_the_pixels_of_one_picture(
    model: Callable[..., Any], page: Any
) -> None:
    with pretend_cards(Card()) as live:
        reader = model("qwen3_vl")
        reader.read(page, max_new_tokens=4)
        before = live.allocated()
        live.fail_at(300)
        (found,) = reader.read(page, max_new_tokens=4)
        assert live.pools[0].failures == 1
        assert any("Memory ran out at" in note for note in found.notes)
        assert live.allocated() == before
        reader.unload()


def test_of_two_pretend_cards_of_different_size_the_named_one_is_used(
    model: Callable[..., Any], page: Any
) -> None:
    with pretend_cards(Card("small", 4, TURING), Card("large", 12, ADA)) as live:
        reader = model("qwen3_vl", "auto", "cuda:1")
        (found,) = reader.read(page, max_new_tokens=4)
        plan = reader.handle._live.decided.plan
        assert (found.precision, plan.device) == ("bf16", "cuda:1")
        assert 11 * GIB < plan.budget_bytes <= 12 * GIB
        assert (live.pools[0].most_allocated, live.pools[1].most_allocated > 0) == (0, True)
        reader.unload()
        with pytest.raises(VramwiseError, match="bf16"):
            model("qwen3_vl", "bf16", "cuda:0").load()


@pytest.mark.parametrize("family", ["qwen3_vl", "got_ocr2", "dots_ocr"])
def test_a_model_spread_by_device_map_auto_over_two_pretend_cards_reads_the_same(
    model: Callable[..., Any], page: Any, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of its weights fit on the first card, as accelerate is told."""
    alone = model(family, "bf16", "cpu")
    (expected,) = alone.read(page, max_new_tokens=12)
    alone.unload()
    monkeypatch.setattr(
        load, "_placement", lambda spec: {"device_map": "auto", "max_memory": halves(spec.path)}
    )
    with pretend_cards(Card("first", 8), Card("second", 8)) as live:
        spread = model(family, "bf16", "auto")
        spread.load(sharded=True)
        assert spread.handle._live.decided.spec.device == "auto"
        (found,) = spread.read(page, max_new_tokens=12)
        assert all(pool.most_allocated for pool in live.pools)
        spread.unload()
        assert [live.allocated(0), live.allocated(1)] == [0, 0]
    assert found.text == expected.text


def halves(folder: Path) -> dict[int, int]:
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return {0: size // 2, 1: 4 * size}


@pytest.mark.parametrize(
    ("capability", "asked", "chosen", "weights"),
    [
        (TURING, "auto", "fp16", torch.float16),
        (AMPERE, "auto", "bf16", torch.bfloat16),
        (BLACKWELL, "auto", "bf16", torch.bfloat16),
        (TURING, "int4", "int4", torch.float16),
        (ADA, "int4", "int4", torch.bfloat16),
        (TURING, "int8", "int8", torch.float16),
    ],
)
def test_what_a_pretend_card_computes_in_is_what_the_plan_said(
    model: Callable[..., Any],
    page: Any,
    capability: tuple[int, int],
    asked: str,
    chosen: str,
    weights: Any,
) -> None:
    with pretend_cards(Card("Pretend", 8, capability)) as live:
        reader = model("qwen3_vl", asked)
        reader.load()
        live.dtypes.clear()  # transformers takes room for the weights with a tensor of fp16 before
        (found,) = reader.read(page, max_new_tokens=2)
        plan = reader.handle._live.decided.plan
        net = reader.handle._live.engine.owner.use(0)
        floating = {one.dtype for one in net.parameters() if one.is_floating_point()}
        del net
        reader.unload()
        used = live.dtypes
    assert (found.precision, plan.chosen.precision) == (chosen, chosen)
    assert floating == {weights}
    other = torch.bfloat16 if weights == torch.float16 else torch.float16
    allowed = 0.0 if chosen != "int8" else 1.0  # bitsandbytes' int8 itself computes in fp16
    assert used.get(other, 0) <= allowed * sum(used.values()), "nothing is silently of another dtype"


def test_bf16_on_a_pretend_card_of_capability_7_5_is_refused_with_what_would_run(
    model: Callable[..., Any],
) -> None:
    with pretend_cards(Card("Pretend T4", 16, TURING)), pytest.raises(VramwiseError) as refused:
        model("qwen3_vl", "bf16").load()
    assert "8.0" in str(refused.value) and "7.5" in str(refused.value)
