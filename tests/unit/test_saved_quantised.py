"""Folders that were saved quantised: what they are, in words and bytes, before a byte of weights is read."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog import ocr_model
from vramwise.catalog.saved_formats import saved_formats
from vramwise.errors import VramwiseError
from vramwise.families.family import family
from vramwise.families.published import published_config
from vramwise.families.saved.quantised import saved_quantised
from vramwise.families.weights import weights_of_config
from vramwise.hardware.budget import Budget
from vramwise.hardware.capabilities import Capability, model_options
from vramwise.models.request import ModelRequest, plan_resolved
from vramwise.models.resolved import resolve_published
from vramwise.planning import Plan, make_plan, weight_bytes
from vramwise.units import GIB
from vramwise.weights import read_config

REPO = "Qwen/Qwen3-VL-2B-Instruct"
BASE = published_config(REPO) or {}
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [128, 128],
       "modules_to_not_convert": ["lm_head", "model.visual"]}  # fmt: skip
GROUPS = {
    "group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}
}
NVFP4 = {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "float", "group_size": 16}}}

# quantization_config as published folders and the libraries' own writers have it -> its label
CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"load_in_8bit": True, "load_in_4bit": False, "quant_method": "bitsandbytes"}, "int8"),
    ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "quant_method": "bitsandbytes"}, "int4"),
    ({"_load_in_4bit": True, "load_in_4bit": True, "llm_int8_skip_modules": ["visual"]}, "int4"),
    (FP8, "fp8"),
    ({"quant_method": "fp8", "activation_scheme": "static", "ignored_layers": ["lm_head"]}, "fp8"),
    ({"quant_method": "mxfp8", "weight_block_size": [1, 32], "scale_fmt": "ue8m0"}, "mxfp8"),
    ({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}, "fp8"),
    ({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}, "awq int4"),
    ({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True}, "gptq int4"),
    ({"quant_method": "gptq", "bits": 8, "group_size": 128}, "gptq int8"),
    ({"quant_method": "auto-round", "bits": 4, "group_size": 128}, "auto-round int4"),
    ({"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": GROUPS}, "fp8"),
    ({"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {}}, "int4"),
    ({"quant_method": "compressed-tensors", "config_groups": NVFP4}, "nvfp4"),
    ({"quant_method": "compressed_tensors", "format": "int-quantized"}, "int8"),
    ({"quant_method": "compressed-tensors", "format": "mixed-precision"}, "compressed-tensors"),
    ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4"}}}, "torchao int4"),
    ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "torchao int8"),
    ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4}}}, "hqq int4"),
    ({"quant_method": "quanto", "weights": "int8", "activations": None}, "quanto int8"),
    ({"quant_method": "quanto", "weights": "float8"}, "quanto fp8"),
    ({"quant_method": "aqlm", "nbits_per_codebook": 16, "num_codebooks": 1}, "aqlm"),
    ({"quant_method": "eetq", "weights": "int8"}, "eetq int8"),
    ({"quant_method": "mxfp4"}, "mxfp4"),
    ({"quant_method": "bitnet"}, "bitnet"),
    ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt nvfp4"),
    ({"quant_method": "modelopt", "quant_algo": "FP8"}, "modelopt fp8"),
    ({"quant_method": "vptq"}, "vptq"),
    ({"quant_method": "quark", "bits": 8}, "quark int8"),
    ({"quant_method": "something-of-tomorrow", "bits": 3}, "something-of-tomorrow int3"),
    ({"bits": 4}, "unknown int4"),
    ({"quant_method": "fp8", "weight_block_size": "big", "modules_to_not_convert": "visual"}, "fp8"),
    ({"quant_method": ["fp8"]}, "unknown"),
]  # fmt: skip


def budget(kind: str = "cuda", capability: tuple[int, int] | None = (8, 9), gib: float = 24) -> Budget:
    return Budget("cuda:0" if kind == "cuda" else kind, kind, int(gib * GIB), 0, capability, "a card")


def planned(
    told: Any, place: Budget, available: Mapping[str, Capability] | None = None, asked: str = "auto"
) -> Plan:
    config = {**BASE, "quantization_config": told}
    return make_plan("mine", family("qwen3_vl"), config, None, place, asked, available=available)


def bf16_bytes() -> int:
    return weight_bytes(weights_of_config(BASE), "bf16")


@pytest.mark.parametrize(("told", "label"), CONFIGS, ids=[label for _, label in CONFIGS])
def test_each_way_to_save_a_folder_is_named_and_has_one_row(told: dict[str, Any], label: str) -> None:
    found = saved_quantised({"quantization_config": told})
    assert found is not None and found.label == label
    for place in (
        budget(),
        budget(capability=(7, 5)),
        budget("cpu", None),
        budget("mps", None),
        budget("rocm", None),
    ):
        it = planned(told, place)
        assert [verdict.precision for verdict in it.verdicts] == [f"{label} as saved"]
        assert it.chosen is not None or len(it.refusal()) > 60


@pytest.mark.parametrize("where", ["text_config", "compression_config"])
def test_it_is_found_wherever_config_json_has_it(where: str) -> None:
    inner = {"text_config": {"quantization_config": FP8}, "compression_config": FP8}[where]
    found = saved_quantised({where: inner})
    assert found is not None and found.label == "fp8"


def test_fp8_stays_where_the_card_has_it_and_is_16_bit_elsewhere_with_the_reason_and_both_sizes() -> None:
    pytest.importorskip("transformers", minversion="5.0")  # 4.57 unpacks no fp8
    kept = planned(FP8, budget())
    assert kept.chosen is not None and kept.chosen.computed == "fp8 as saved"
    held = kept.verdict("fp8 as saved").footprint
    for place, why in (
        (budget(capability=(8, 6)), "fp8 needs compute capability 8.9 and this GPU has 8.6"),
        (budget("cpu", None), "only on an NVIDIA GPU, and this is the CPU"),
        (budget("mps", None), "this is an Apple GPU"),
        (budget("rocm", None), "this is an AMD GPU"),
        (budget("xpu", None), "this is an Intel GPU"),
    ):
        it = planned(FP8, place)
        dense = it.verdict("fp8 as saved").footprint
        assert it.chosen is not None and it.chosen.computed == "bf16 (dequantised from fp8)"
        assert held is not None and dense is not None
        assert dense.weights_bytes == bf16_bytes() > 1.4 * held.weights_bytes
        assert why in it.text().replace("\n", " ") and "instead of the 2.65 GiB" in it.text().replace(
            "\n", " "
        )
        assert "runs as bf16 (dequantised from fp8)" in it.verdicts[0].reason
    turing = planned(FP8, budget(capability=(7, 5))).chosen
    assert turing is not None and turing.computed == "fp16 (dequantised from fp8)"


def test_a_model_is_offered_as_fp8_only_where_its_published_fp8_stays_so() -> None:
    """Qwen's does on cards of 8.9; olmOCR-2's is compressed-tensors, which transformers unpacks."""

    def offers(model: str, capability: tuple[int, int]) -> bool:
        resolved = resolve_published(ocr_model(model))
        assert resolved is not None
        plan = plan_resolved(ModelRequest(model), resolved, budget(capability=capability))
        return any(f"{model}_fp8" in note for note in plan.notes)

    assert offers("qwen3_vl_8b", (8, 9)) and not offers("qwen3_vl_8b", (8, 6))
    assert not offers("olmocr_2", (8, 9))


def test_scales_of_compressed_tensors_are_counted_as_it_says() -> None:
    from vramwise.families.blocks import Weight
    from vramwise.families.saved.quantised import published_bytes

    matrix = [Weight("layer.weight", (100, 256), True)]
    sizes = {}
    for strategy in ("tensor", "channel", "group"):
        group = {"num_bits": 8, "type": "float", "strategy": strategy, "group_size": 64}
        told = {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": group}}}
        saved = saved_quantised({"quantization_config": told})
        assert saved is not None
        sizes[strategy] = published_bytes(matrix, saved) - 100 * 256
    assert sizes == {"tensor": 2, "channel": 200, "group": 1000}


def test_fp8_that_only_a_newer_transformers_unpacks_is_refused_by_the_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vramwise.planning import activations

    monkeypatch.setattr(activations, "transformers_major", lambda: 4)
    refused = planned(FP8, budget(capability=(7, 5)))
    assert refused.chosen is None and "cannot unpack fp8" in refused.verdicts[0].reason
    assert planned(FP8, budget(capability=(8, 9))).chosen is not None, "there it stays as it is"


def test_fp8_by_shape_is_a_byte_a_weight_and_a_scale_a_block() -> None:
    quantised = [row for row in weights_of_config(BASE) if row.linear and "layers" in row.name]
    saved = sum(row.count for row in quantised)
    scales = sum(4 * -(-row.shape[0] // 128) * -(-row.shape[1] // 128) * row.copies for row in quantised)
    held = planned(FP8, budget()).verdicts[0].footprint
    assert held is not None and held.weights_bytes == bf16_bytes() - saved + scales


def test_room_for_the_largest_matrix_is_kept_beside_what_is_unpacked_while_it_computes() -> None:
    it = planned(FP8, budget())
    footprint = it.verdicts[0].footprint
    assert footprint is not None
    margin = next(term for term in footprint.terms if term.name == "margin")
    unpacked, head = 2 * 6144 * 2048, 2 * 151936 * 2048  # the head stays 16-bit
    assert "unpacked" in margin.source and unpacked < margin.bytes < head


def test_another_precision_is_answered_with_what_the_folder_is() -> None:
    it = planned(FP8, budget(), asked="int8")
    assert it.chosen is not None and it.chosen.computed == "fp8 as saved"
    assert "int8 was asked for, and a folder saved as fp8 is read only as fp8 as saved." in it.notes
    four = {"load_in_4bit": True, "quant_method": "bitsandbytes"}
    assert not any("asked for" in note for note in planned(four, budget(), asked="int4").notes)
    with pytest.raises(VramwiseError, match='Did you mean "int8"'):
        planned(FP8, budget(), asked="int9")


PACKAGES = {
    "awq": ["gptqmodel"],
    "gptq": ["gptqmodel", "optimum"],
    "compressed-tensors": ["compressed-tensors>=0.15"],
    "torchao": ["torchao>=0.15"],
    "hqq": ["hqq>=0.2.1"],
    "quanto": ["optimum-quanto"],
    "aqlm": ["aqlm"],
    "auto-round": ["auto-round>=0.5"],
}


@pytest.mark.parametrize("method", PACKAGES)
def test_a_package_that_is_missing_is_named_with_this_pythons_pip_line(method: str) -> None:
    here = model_options()
    if all(here[name.partition(">")[0]].usable for name in PACKAGES[method]):
        pytest.skip(f"{method} is installed here")
    it = planned({"quant_method": method, "bits": 4}, budget(), {**here, "bf16": Capability(True, "")})
    assert it.chosen is None
    assert f"{sys.executable} -m pip install" in it.refusal()
    assert all(name in it.refusal() for name in PACKAGES[method])


@pytest.mark.parametrize(
    ("method", "place", "reason"),
    [
        ("eetq", budget(), "fetched from the Hub while it runs"),
        ("nvfp4", budget(capability=(12, 0)), "does not load weights that were saved as nvfp4"),
        ("modelopt", budget(), "does not load what ModelOpt has saved"),
        (
            "something-of-tomorrow",
            budget(),
            "saved by something-of-tomorrow, which transformers does not load",
        ),
        ("hqq", budget("cpu", None), "NVIDIA and AMD GPUs only"),
        ("vptq", budget("mps", None), "only on an NVIDIA GPU, and this is an Apple GPU"),
        ("bitsandbytes", budget("mps", None), "fetches its kernels for Apple GPUs from the Hub"),
        ("fbgemm_fp8", budget(capability=(8, 9)), "needs compute capability 9.0 and this GPU has 8.9"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(method: str, place: Budget, reason: str) -> None:
    it = planned({"quant_method": method}, place)
    assert it.chosen is None and reason in it.refusal()


def test_every_row_of_the_table_is_of_a_method_that_transformers_has_or_says_that_it_has_not() -> None:
    pytest.importorskip("transformers", minversion="5.0")  # 4.57 has fewer of them
    auto = pytest.importorskip("transformers.quantizers.auto")
    theirs = {name.removesuffix("_4bit").removesuffix("_8bit") for name in auto.AUTO_QUANTIZER_MAPPING}
    assert {row.method for row in saved_formats()} - theirs == {"modelopt"}
    assert all(row.source and row.date for row in saved_formats())


@pytest.mark.parametrize(("size", "gib"), [("2b", 2.65), ("4b", 4.88), ("8b", 9.86)])
def test_what_the_vendor_publishes_as_fp8_is_in_the_catalog_and_named_beside_the_16_bit_model(
    size: str, gib: float
) -> None:
    from vramwise.hardware.budget import budget_of_memory
    from vramwise.models.request import plan

    model, card = f"qwen3_vl_{size}", budget_of_memory(24)
    it = plan(f"{model}_fp8", budget=card)
    footprint = it.verdicts[0].footprint
    assert it.chosen is not None and it.chosen.computed == "fp8 as saved" and footprint is not None
    assert footprint.weights_bytes / GIB == pytest.approx(gib, abs=0.005)
    beside = plan(model, budget=card)
    assert any(f"{model}_fp8 is the same model" in note and f"{gib:.2f} GiB" in note for note in beside.notes)
    assert not any("fp8" in note for note in plan(model, budget=budget(capability=(8, 6))).notes)


@pytest.mark.parametrize(
    ("model", "published"),
    [("qwen3_vl_2b_fp8", 3.23 * GIB), ("qwen3_vl_4b_fp8", 6_021_235_456), ("olmocr_2_fp8", 10_061_929_760)],
)
def test_published_files_are_as_large_as_public_lists_say(model: str, published: float) -> None:
    """Layers that stay in 16 bit are told by that: olmOCR's vision tower in fp8 would be 0.67 GB less."""
    from vramwise.catalog import ocr_model
    from vramwise.panel_data import _published_bytes

    assert (_published_bytes(ocr_model(model)) or 0) == pytest.approx(published, rel=0.003)


# --- files beside config.json -----------------------------------------------------------------------------


SIZES = {"BF16": 2, "F32": 4, "F8_E4M3": 1, "I32": 4, "U8": 1, "I64": 8}


def folder(path: Path, tensors: Mapping[str, str], config: Mapping[str, Any], **files: Any) -> Path:
    """A folder whose ``tensors`` of 8 x 8 have those dtypes, with JSON ``files`` beside config.json."""
    path.mkdir()
    told, end = {}, 0
    for name, dtype in tensors.items():
        size = 64 * SIZES[dtype]
        told[name] = {"dtype": dtype, "shape": [8, 8], "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(told).encode()
    (path / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(end))
    (path / "config.json").write_text(json.dumps({**BASE, **config}), encoding="utf-8")
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return path


LAYER = "model.language_model.layers.0.mlp.up_proj"
PACKED = {f"{LAYER}.qweight": "I32", f"{LAYER}.scales": "BF16", "model.norm.weight": "BF16"}
SCALED = {f"{LAYER}.weight": "F8_E4M3", f"{LAYER}.scale_weight": "F32"}


@pytest.mark.parametrize(
    ("tensors", "config", "files", "label"),
    [
        (PACKED, {}, {"quantize_config": {"bits": 4, "group_size": 128}}, "gptq int4"),
        (PACKED, {}, {"quant_config": {"w_bit": 4, "q_group_size": 128, "version": "GEMM"}}, "awq int4"),
        (
            SCALED,
            {},
            {"hf_quant_config": {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}},
            "modelopt fp8",
        ),
        (PACKED, {}, {}, "a method that no file here names"),
        (SCALED, {}, {}, "a method that no file here names"),
        ({f"{LAYER}.weight": "BF16"}, {"quantization_config": FP8}, {}, None),
        ({f"{LAYER}.weight": "BF16"}, {}, {"quantize_config": {"bits": 4}}, None),
        ({f"{LAYER}.weight": "F8_E4M3"}, {}, {}, None),
        (PACKED, {}, {"quantize_config": [1]}, "a method that no file here names"),
    ],
)
def test_what_older_tools_wrote_beside_config_json_counts_and_what_is_stale_does_not(
    tmp_path: Path, tensors: dict[str, str], config: dict[str, Any], files: dict[str, Any], label: str | None
) -> None:
    found = saved_quantised(read_config(folder(tmp_path / "mine", tensors, config, **files)))
    assert (found.label if found is not None else None) == label
