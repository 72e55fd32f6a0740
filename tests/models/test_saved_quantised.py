"""Folders that were saved quantised, with real classes: read as what they are, at the planned bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vramwise.errors import VramwiseError  # noqa: E402
from vramwise.models.handle import ocr_handle, release_all  # noqa: E402
from vramwise.models.request import ModelRequest, plan_resolved  # noqa: E402
from vramwise.models.resolved import resolve  # noqa: E402
from vramwise.ocr.engines.protocol import ReadOptions  # noqa: E402
from vramwise.ocr.images import as_picture  # noqa: E402
from vramwise.settings import load_settings  # noqa: E402
from vramwise.units import GIB  # noqa: E402

from devtools.tiny_models.build import held_out, trained_checkpoint  # noqa: E402

SKIPPED = ["lm_head", "model.visual"]
BLOCKS = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [32, 32],
          "modules_to_not_convert": SKIPPED}  # fmt: skip
Tensors = dict[str, Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("saved")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VRAMWISE_MODELS", str(folder))
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "APPDATA", "HOME", "HF_HOME"):
            patch.setenv(name, str(folder / "nobody"))
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "VRAMWISE_CONFIG"):
            patch.delenv(name, raising=False)
        yield folder
        release_all()
    torch.set_num_threads(threads)


def saved(folder: Path, told: dict[str, Any] | None, change: Callable[[Tensors], None]) -> Path:
    """A copy of the trained tiny Qwen3-VL whose config.json says ``told`` and whose tensors are changed."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(trained_checkpoint("qwen3_vl"), folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if told is not None:
        config["quantization_config"] = told
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(whole, folder / "model.safetensors", {"format": "pt"})
    return folder


def matrices(tensors: Tensors) -> list[str]:
    return [name for name in tensors if "language_model.layers" in name and name.endswith("proj.weight")]


def to_blocks(tensors: Tensors) -> None:
    """As DeepSeek's and Qwen's fine-grained fp8: a scale for each 32 x 32."""
    for name in matrices(tensors):
        weight = tensors[name].float()
        rows, columns = weight.shape
        blocks = weight.reshape(rows // 32, 32, columns // 32, 32)
        scale = blocks.abs().amax((1, 3)).clamp(min=1e-6) / 448
        tensors[name] = (blocks / scale[:, None, :, None]).reshape(rows, columns).to(torch.float8_e4m3fn)
        tensors[f"{name}_scale_inv"] = scale


def to_one_scale(tensors: Tensors) -> None:
    for name in matrices(tensors):
        scale = tensors[name].float().abs().amax() / 448
        tensors[name] = (tensors[name].float() / scale).to(torch.float8_e4m3fn)
        tensors[f"{name}_scale_inv"] = scale


def to_bare_fp8(tensors: Tensors) -> None:
    for name in matrices(tensors):
        tensors[name] = tensors[name].to(torch.float8_e4m3fn)


def texts(model: str, precision: str = "auto", count: int = 3) -> tuple[list[str], str]:
    """What ``model`` reads of the held-out lines on the CPU, and the precision that its results report."""
    handle = ocr_handle(model, precision, "auto", "cpu")
    pictures = [as_picture(picture) for picture, _ in held_out("qwen3_vl")[:count]]
    results = list(handle.read(pictures, ReadOptions(max_new_tokens=40)))
    return [result.text for result in results], results[0].precision


def truth(count: int = 3) -> list[str]:
    return [text for _, text in held_out("qwen3_vl")[:count]]


@pytest.mark.parametrize(
    ("name", "told", "change"),
    [
        ("fp8-blocks", BLOCKS, to_blocks),
        ("fp8-one-scale", {**BLOCKS, "weight_block_size": None}, to_one_scale),
    ],
)
def test_an_fp8_folder_is_dequantised_on_the_cpu_and_the_result_says_what_ran(
    models: Path, name: str, told: dict[str, Any], change: Callable[[Tensors], None]
) -> None:
    saved(models / name, told, change)
    plan = ocr_handle(name, "int8", "auto", "cpu").plan()
    if int(version("transformers").split(".")[0]) < 5:
        assert "this transformers cannot unpack fp8" in " ".join(plan.split())
        with pytest.raises(VramwiseError, match="cannot unpack fp8"):
            texts(name, "int8")
        return
    assert (
        "\nfp8 as saved" in plan and "dequantised from fp8 to bf16" in plan and "int8 was asked for" in plan
    )
    assert texts(name, "int8") == (truth(), "bf16 (dequantised from fp8)")


def test_fp8_that_stays_fp8_reads_the_same_and_takes_the_bytes_of_its_files(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers keeps fp8 on a GPU only; its check is passed by, all else is what a card runs."""
    quantizer = pytest.importorskip("transformers.quantizers.quantizer_finegrained_fp8")
    from vramwise.hardware.budget import Budget
    from vramwise.ocr.vlm.load import load_net, true_bytes
    from vramwise.ocr.vlm.model_owner import LoadSpec

    monkeypatch.setattr(quantizer.FineGrainedFP8HfQuantizer, "validate_environment", lambda *a, **b: None)
    path = saved(models / "fp8-kept", BLOCKS, to_blocks)
    resolved = resolve("fp8-kept", load_settings())
    ada = Budget("cuda:0", "cuda", 8 * GIB, 0, (8, 9))
    plan = plan_resolved(ModelRequest("fp8-kept"), resolved, ada)
    choice, footprint = plan.require(), plan.verdicts[0].footprint
    assert choice.computed == "fp8 as saved" and footprint is not None
    net = load_net(LoadSpec(path, "qwen3_vl", choice.computed, "sdpa", "cpu"), resolved.family)
    assert (
        sum(one.weight.dtype == torch.float8_e4m3fn for one in net.modules() if hasattr(one, "weight")) > 10
    )
    assert true_bytes(net) == pytest.approx(footprint.weights_bytes, rel=0.01)
    from vramwise.ocr.vlm.engine import VLMEngine
    from vramwise.ocr.vlm.limits import Limits
    from vramwise.ocr.vlm.model_owner import owner_of

    owner = owner_of(LoadSpec(path, "qwen3_vl", "fp8 as saved", "sdpa", "cpu"), lambda: net, 0)
    engine = VLMEngine(resolved.family, path, owner, "mine", "fp8 as saved", Limits(10**6, 4))
    from vramwise.ocr.engines.protocol import NoProgress

    pictures = [as_picture(picture) for picture, _ in held_out("qwen3_vl")[:4]]
    read = list(engine.read(pictures, ReadOptions(max_new_tokens=40), NoProgress()))
    assert [(one.text, one.precision) for one in read] == [(text, "fp8 as saved") for text in truth(4)]


def test_fp8_that_transformers_unpacks_against_the_plan_is_refused(models: Path) -> None:
    from vramwise.ocr.vlm.load import load_net
    from vramwise.ocr.vlm.model_owner import LoadSpec

    if int(version("transformers").split(".")[0]) < 5:
        pytest.skip("transformers 4 unpacks no fp8: it refuses the folder itself.")
    path = saved(models / "fp8-not-kept", BLOCKS, to_blocks)
    with pytest.raises(VramwiseError, match="did not keep fp8-not-kept in fp8 on cpu"):
        load_net(LoadSpec(path, "qwen3_vl", "fp8 as saved", "sdpa", "cpu"), resolve_family())


@pytest.mark.parametrize("block", [None, (32, 32), (16, 64)])
def test_a_matrix_is_unpacked_as_transformers_unpacks_it(block: tuple[int, int] | None) -> None:
    from vramwise.ocr.vlm.fp8_layers import unpacked

    torch.manual_seed(0)
    weight = torch.randn(80, 144).to(torch.float8_e4m3fn)  # no multiple of the block
    down, across = block or (80, 144)
    scale = torch.rand(-(-80 // down), -(-144 // across)) + 0.5
    if block is None:
        scale = scale.reshape(())
    whole = (
        scale if block is None else scale.repeat_interleave(down, 0).repeat_interleave(across, 1)[:80, :144]
    )
    assert torch.allclose(unpacked(weight, scale, block, torch.float32), weight.float() * whole)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_folder_saved_by_bitsandbytes_is_one_row_at_the_bytes_of_its_files(
    models: Path, precision: str
) -> None:
    pytest.importorskip("bitsandbytes")
    from vramwise.ocr.vlm.load import load_net, save_quantised, true_bytes
    from vramwise.ocr.vlm.model_owner import LoadSpec
    from vramwise.weights import tensor_index

    source = trained_checkpoint("qwen3_vl")
    its = resolve_family()
    fresh = load_net(LoadSpec(source, "qwen3_vl", precision, "sdpa", "cpu"), its)
    held = true_bytes(fresh)
    save_quantised(fresh, source, models / f"bnb-{precision}")
    handle = ocr_handle(f"bnb-{precision}", "auto", "auto", "cpu")
    decided = handle._decide(load_settings())
    assert [verdict.precision for verdict in decided.plan.verdicts] == [f"{precision} as saved"]
    footprint = decided.plan.verdicts[0].footprint
    assert footprint is not None and footprint.weights_bytes == pytest.approx(held, rel=0.02)
    assert footprint.weights_bytes <= sum(
        one.nbytes for one in tensor_index(models / f"bnb-{precision}").values()
    )
    read, ran = texts(f"bnb-{precision}", "bf16", 1)
    assert ran == f"{precision} as saved" and all(read)


def resolve_family() -> Any:
    from vramwise.families.family import family

    return family("qwen3_vl")


def test_bare_fp8_is_read_at_the_precision_that_is_asked_for(models: Path) -> None:
    saved(models / "fp8-bare", None, to_bare_fp8)
    handle = ocr_handle("fp8-bare", "bf16", "auto", "cpu")
    decided = handle._decide(load_settings())
    footprint = decided.plan.verdict("bf16").footprint
    read, ran = texts("fp8-bare", "bf16", 1)
    from vramwise.ocr.vlm.load import true_bytes

    assert ran == "bf16" and all(read) and footprint is not None
    net = handle._live.engine.owner.use(0) if handle._live.engine else None
    assert net is None or true_bytes(net) == footprint.weights_bytes


def test_weights_that_are_16_bit_after_all_are_read_as_such(models: Path) -> None:
    saved(models / "stale", BLOCKS, lambda tensors: None)
    read, ran = texts("stale", "bf16")
    assert read == truth() and ran == "bf16"


@pytest.mark.parametrize("method", ["awq", "modelopt", "something-of-tomorrow"])
def test_what_cannot_run_is_refused_before_a_byte_of_weights_is_read(
    models: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vramwise.ocr.vlm import load

    def packed(tensors: Tensors) -> None:
        for name in matrices(tensors):
            tensors[name.replace(".weight", ".qweight")] = torch.zeros(4, 4, dtype=torch.int32)
            del tensors[name]

    saved(models / method, {"quant_method": method, "bits": 4}, packed)
    monkeypatch.setattr(load, "load_net", lambda *given: pytest.fail("weights were read"))
    with pytest.raises(VramwiseError, match=r"cannot run on cpu\. .* as saved: "):
        texts(method)


def to_channels(tensors: Tensors) -> None:
    """As compressed-tensors writes fp8: a scale a row."""
    for name in matrices(tensors):
        weight = tensors[name].float()
        scale = weight.abs().amax(1, keepdim=True) / 448
        tensors[name] = (weight / scale).to(torch.float8_e4m3fn)
        tensors[f"{name}_scale"] = scale.to(torch.bfloat16)


def test_compressed_tensors_is_unpacked_and_says_so(models: Path) -> None:
    pytest.importorskip("compressed_tensors")
    weights = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True, "dynamic": False}
    told = {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "quantization_status": "compressed",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
        "ignore": ["re:.*visual.*", "lm_head"],
    }
    saved(models / "compressed", told, to_channels)
    assert texts("compressed") == (truth(), "bf16 (dequantised from fp8)")
