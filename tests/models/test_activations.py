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
WIDE = ("_vl_7b", "_vl_8b", "3_5_2b", "3_5_4b", "3_5_9b", "ocr_3_4b", "ocr2_3b", "chandra_2", "seek_ocr_2")
# Not either: shapes that another of these has.
SAME = ("paddleocr_vl_1_6", "lighton_ocr_3_1b", "dots_mocr")


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
@pytest.mark.parametrize("model", [name for name in MODELS if not name.endswith((*WIDE, *SAME))])
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
@pytest.mark.parametrize(
    ("model", "size"), [("granite_docling", (400, 2000)), ("paddleocr_vl", (60, 40))], ids=str
)
def test_a_picture_of_any_shape_takes_what_was_predicted(model: str, size: tuple[int, int]) -> None:
    """Tiles and patches are those of the shape, not of a page of as many pixels."""
    here(model)
    it = measure(model, *size, new_tokens=2)
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


@pytest.mark.parametrize(("attention", "bytes_a_pair"), [("sdpa", 3), ("flash_attention_2", 0)])
def test_the_mask_of_pages_of_unequal_size_is_counted_as_it_is_made(
    attention: str, bytes_a_pair: int
) -> None:
    """One byte a pair of places by transformers, and two more in bf16 by torch's attention."""
    from transformers import Qwen3Config
    from transformers.masking_utils import create_causal_mask
    from vramwise.families.pictures import picture_size
    from vramwise.planning import Workload, reading_terms

    small = Qwen3Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=9)
    small._attn_implementation = attention
    shown = torch.tensor([[0] * 30 + [1] * 34, [1] * 64])  # the shorter page's row is padded
    made = create_causal_mask(small, torch.zeros(2, 64, 16, dtype=torch.bfloat16), shown, None)
    pairs = 2 * 64**2
    whole = made.numel() >= pairs
    assert (made.nbytes + made.to(torch.bfloat16).nbytes if whole else 0) == bytes_a_pair * pairs
    config, work = cut_config("qwen3_vl_2b", 1, 1), Workload(256 * 256, 2, 4000, 2)
    each = picture_size(config, work.pixels).tokens + work.prompt_tokens
    taken, none = (
        sum(term.bytes for term in reading_terms(config, "bf16", kind, work))
        for kind in (attention, "flash_attention_2")
    )
    assert taken - none == bytes_a_pair * 2 * each**2
