"""A mixture of experts: the plan counts what bitsandbytes cannot reach as it stays."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from vramwise.families.weights import weights_of_files  # noqa: E402
from vramwise.planning.footprint import weight_bytes  # noqa: E402
from vramwise.weights.safetensors_headers import TensorInfo  # noqa: E402

KEPT = ("lm_head", "vision_tower", "multi_modal_projector")
WIDTH, EXPERTS, INSIDE = 1280, 64, 896  # of DeepSeek-OCR-2's decoder


def test_fused_experts_stay_16_bit_in_an_int4_plan() -> None:
    """Against the real class at its own widths, on the meta device: what is an nn.Linear of the decoder is
    quantised, everything else is not. The headers name experts one by one, as published files do.
    """
    made = getattr(transformers, "DeepseekOcr2TextConfig", None)
    if made is None:
        pytest.skip(f"transformers {transformers.__version__} has no DeepSeek-OCR-2")
    from transformers.models.deepseek_ocr2.modeling_deepseek_ocr2 import DeepseekOcr2TextModel

    config = made(
        hidden_size=WIDTH,
        intermediate_size=6848,
        num_hidden_layers=3,
        num_attention_heads=10,
        n_routed_experts=EXPERTS,
        n_shared_experts=2,
        num_experts_per_tok=6,
        moe_intermediate_size=INSIDE,
        mlp_layer_types=["dense", "sparse", "sparse"],
        vocab_size=129280,
    )
    with torch.device("meta"):
        net = DeepseekOcr2TextModel(config)
    linear = {f"{name}.weight" for name, one in net.named_modules() if isinstance(one, torch.nn.Linear)}
    headers, wanted = {}, 0.0
    for name, tensor in net.named_parameters():
        bits = 4 + 8 / 64 + 32 / (64 * 256) if name in linear else 16
        wanted += tensor.numel() * bits / 8
        for saved, shape in published(name, tuple(tensor.shape)):
            size = 2 * torch.Size(shape).numel()
            headers[saved] = TensorInfo("BF16", shape, size)
    planned = weight_bytes(weights_of_files(headers, {}), "int4", KEPT)
    assert planned == pytest.approx(wanted, rel=0.005)
    experts = 2 * EXPERTS * 3 * WIDTH * INSIDE * 2
    assert planned > experts > 0.6 * planned  # most of such a model is not quantised


def published(name: str, shape: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """A tensor as the published files have it."""
    if "experts." not in name or "shared" in name:
        return [(name, shape)]
    layer = name.rpartition(".experts.")[0]
    if name.endswith("gate_up_proj"):
        parts = [("gate_proj", (INSIDE, WIDTH)), ("up_proj", (INSIDE, WIDTH))]
    else:
        parts = [("down_proj", (WIDTH, INSIDE))]
    return [
        (f"{layer}.experts.{number}.{part}.weight", size) for number in range(EXPERTS) for part, size in parts
    ]
