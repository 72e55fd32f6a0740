"""Every family reads on a pretend card as it does on the CPU, at every precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vramwise.ocr.vlm import decoding  # noqa: E402

from devtools.pretend_card import Card, pretend_cards  # noqa: E402
from devtools.tiny_models.build import families  # noqa: E402

TOKENS = 8
# Places do not hang on the 16-bit type: fp16 for four ways of making tensors; test_family_matrix has all.
# int8 and int4 go all the way: bitsandbytes' operations are torch's, and here its CPU kernels answer. What
# its CUDA kernels would round and keep for themselves is not seen.
CASES = [
    *((family, "bf16") for family in families()),
    *((family, "fp16") for family in ("qwen3_vl", "qwen2_vl", "got_ocr2", "dots_ocr")),
    *((family, precision) for family in ("qwen3_vl", "got_ocr2") for precision in ("int8", "int4")),
]


@pytest.mark.parametrize(("family", "precision"), CASES)
def test_a_family_reads_on_a_pretend_card_what_it_reads_on_the_cpu(
    model: Callable[..., Any], page: Any, family: str, precision: str
) -> None:
    on_cpu = model(family, precision, "cpu")
    on_cpu.load()
    for layer in on_cpu.handle._live.engine.owner.use(0).modules():
        layer.support_avx512bf16_for_cpu = False  # bitsandbytes' other kernel for int4, on the CPU alone
    (expected,) = on_cpu.read(page, max_new_tokens=TOKENS)
    on_cpu.unload()
    with pretend_cards(Card("Pretend RTX", 8, (8, 9))) as live:
        on_card = model(family, precision)
        (found,) = on_card.read(page, max_new_tokens=TOKENS)
        net = on_card.handle._live.engine.owner.use(0)
        places = {str(one.device) for one in (*net.parameters(), *net.buffers())}
        del net
        peak = live.pools[0].most_allocated
        on_card.unload()
        left = live.allocated()
    assert (found.text, found.tokens) == (expected.text, expected.tokens)
    assert places == {"cuda:0"}
    assert (found.peak_bytes, left) == (peak, 0)


def test_a_tensor_left_in_ram_is_an_error_on_a_pretend_card() -> None:
    with pretend_cards(Card(), Card(gib=4)), torch.no_grad():
        on_card, on_second = torch.ones(2, device="cuda"), torch.ones(2).to("cuda:1")
        for other in (torch.ones(2), on_second):
            with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
                on_card + other
        with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
            on_card.numpy()
        assert (on_card + torch.tensor(2.0)).tolist() == [3.0, 3.0], "one number may come from RAM"
        assert on_card[torch.tensor([1])].device.type == "cuda", "so may indices"


def test_a_pretend_card_that_was_the_first_to_need_something_leaves_nothing_of_it_behind() -> None:
    import bitsandbytes.functional as tables

    torch.utils._device._device_constructors.cache_clear()
    tables.name2qmap.pop("dynamic", None)
    with pretend_cards(Card()), torch.device("meta"):
        assert torch.ones(1).device.type == "meta"
    with pretend_cards(Card()), torch.no_grad():
        tables.quantize_blockwise(torch.ones(64, device="cuda"))
    with torch.device("meta"):
        assert torch.tensor([1.0]).device.type == "meta", "else transformers write no rotary tables"
    tables.quantize_blockwise(torch.ones(64))


def test_decoding_does_not_wait_for_a_pretend_card_at_every_token(
    model: Callable[..., Any], page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Generation itself asks whether all rows are done: once a token, or less in a newer transformers."""
    monkeypatch.setattr(decoding, "TEXT_EVERY", 1e9)  # this card is slow
    fetched = []
    with pretend_cards(Card()) as live:
        reader = model("qwen3_vl")
        reader.load()
        for tokens in (2, 14):
            before = live.fetches
            (found,) = reader.read(page, max_new_tokens=tokens)
            assert found.tokens == tokens
            fetched.append(live.fetches - before)
        reader.unload()
    assert fetched[1] - fetched[0] <= 12 + 2, "it was two a token"
