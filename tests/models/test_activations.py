"""Predicted peaks beside the weights against torch's own allocator: real classes at their true widths.

The nets are cut to a few layers so that they fit a small machine; the full matrix (1024 and 2048 pixels, an
A4 page at 300 dpi, deeper nets) is `python dev.py bench activations`.
"""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from benchmarks.activations import MODELS, Measured, cut_config, measure  # noqa: E402

# Not on each run: gigabytes, and of a family whose smaller ones are measured.
WIDE = ("_vl_7b", "_vl_8b", "3_5_2b", "3_5_4b", "3_5_9b")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def here(model: str) -> None:
    """Go on only where this transformers has the model's class."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = cut_config(model, 1, 1)["model_type"]
    if kind not in CONFIG_MAPPING and kind != "dots_ocr":
        pytest.skip(f"This transformers has no {kind}.")


def good(it: Measured) -> bool:
    """Within a tenth, and never more than 3 % below."""
    return -0.03 <= it.error <= 0.10


def said(it: Measured) -> str:
    return f"{it.predicted_bytes()} predicted, {it.peak_bytes} measured: {100 * it.error:+.1f} %"


@pytest.mark.slow
@pytest.mark.parametrize("model", [name for name in MODELS if not name.endswith(WIDE)])
def test_a_small_picture_takes_what_was_predicted(model: str) -> None:
    here(model)
    it = measure(model, 512, 512, new_tokens=2)
    assert good(it), said(it)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "dominant"),
    [
        ({"images": 3}, "the vision tower"),
        ({"prompt_tokens": 1500}, "the prompt"),
        ({"text_layers": 6, "vision_layers": 3, "prompt_tokens": 300}, "the prompt"),
    ],
    ids=["three pictures", "a long prompt", "more layers"],
)
def test_every_moment_of_reading_is_predicted(case: dict[str, Any], dominant: str) -> None:
    it = measure("qwen3_vl_2b", 256, 256, new_tokens=2, **case)
    assert good(it), said(it)
    from vramwise.planning import reading_terms

    terms = reading_terms(it.config, "bf16", "sdpa", it.workload)
    assert f"the widest moment, {dominant}," in terms[1].source


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [{"images": 3}, {"prompt_tokens": 1500}], ids=["three pictures", "a long prompt"]
)
@pytest.mark.parametrize("model", ["qwen2_vl_2b", "qwen3_vl_4b", "qwen3_5_0_8b", "dots_ocr", "lighton_ocr"])
def test_a_batch_and_a_long_prompt_take_what_was_predicted(model: str, case: dict[str, Any]) -> None:
    """The classes of transformers 4.57 and 5 differ most here: by the logits of the whole prompt, once."""
    here(model)
    it = measure(model, 256, 256, new_tokens=2, **case)
    assert good(it), said(it)


@pytest.mark.slow
def test_depth_changes_nothing_but_the_cache() -> None:
    shallow, deep = (measure("qwen2_vl_2b", 256, 256, text_layers=n, vision_layers=n) for n in (1, 3))
    assert deep.peak_bytes == pytest.approx(shallow.peak_bytes, rel=0.01)


@pytest.mark.gpu
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("size", [(512, 512), (1024, 1024), (2048, 2048), (2480, 3508)], ids=str)
def test_on_a_gpu_a_picture_takes_what_was_predicted(model: str, size: tuple[int, int]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("This machine has no CUDA device.")
    it = measure(model, *size, device="cuda:0")
    assert it.error >= -0.03, said(it)
