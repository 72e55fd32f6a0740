"""A net of zeros measured without its products takes what it takes with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from benchmarks import zero_products  # noqa: E402
from benchmarks.activations import measure, peak_bytes  # noqa: E402
from benchmarks.zero_products import ZeroProducts, products_left_out  # noqa: E402


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode], ids=lambda guard: guard.__name__)
def test_a_product_is_zeros_of_its_shape_and_takes_its_bytes(guard: Callable[[], Any]) -> None:
    page = torch.ones(2, 300, 64, dtype=torch.bfloat16)
    weight, bias = (torch.zeros(size, dtype=torch.bfloat16) for size in ((96, 64), (96,)))
    several = torch.ones(2, 3, 64, 300, dtype=torch.bfloat16)

    def work() -> list[Any]:
        wide = torch.nn.functional.linear(page, weight, bias)
        seen = [
            wide,
            wide.transpose(1, 2).matmul(page),
            0 * page @ several.transpose(0, 1)[:, 0].unsqueeze(1),
        ]
        return [torch.nn.functional.linear(page, weight), *seen]

    with guard():
        done = work()
        with ZeroProducts():
            left_out = work()
        # oneDNN's products take room of their own where a processor multiplies bf16 (AVX-512), 46 KiB here
        with torch.backends.mkldnn.flags(enabled=False):
            assert peak_bytes(products_left_out(work)) == pytest.approx(peak_bytes(work), abs=64)
    for one, other in zip(done, left_out, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype and one.stride() == other.stride()
        assert other.any() == False  # noqa: E712


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode], ids=lambda guard: guard.__name__)
def test_a_convolution_is_zeros_of_its_shape(guard: Callable[[], Any]) -> None:
    layer = torch.nn.Conv2d(8, 16, 3, stride=2, padding=1, dtype=torch.bfloat16)
    page = torch.ones(2, 8, 31, 20, dtype=torch.bfloat16)
    with guard():
        done = layer(page)
        with ZeroProducts():
            left_out = layer(page)
    assert left_out.shape == done.shape and left_out.dtype == done.dtype and not left_out.any()


def test_of_positions_the_products_are_done() -> None:
    places, turns = torch.arange(6.0).reshape(6, 1), torch.ones(1, 4)
    with torch.inference_mode(), ZeroProducts():
        assert (places @ turns).sum() == 60


@pytest.mark.slow
@pytest.mark.parametrize("model", ["paddleocr_vl", "lighton_ocr"])
def test_a_whole_reading_takes_the_same_to_a_kilobyte(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from benchmarks.activations import cut_config

    if cut_config(model, 1, 1)["model_type"] not in CONFIG_MAPPING:
        pytest.skip("This transformers has no such class.")
    short = measure(model, 224, 224, new_tokens=2)
    monkeypatch.setattr(zero_products, "products_left_out", lambda work: work)
    assert measure(model, 224, 224, new_tokens=2).peak_bytes == pytest.approx(short.peak_bytes, abs=1024)
