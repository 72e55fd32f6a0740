"""Adapters on top of a real tiny base: made by peft, planned, merged or active, and gone when let go."""

from __future__ import annotations

import copy
import functools
import gc
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

from vramwise.errors import VramwiseError  # noqa: E402
from vramwise.models.handle import ocr_handle, release_all  # noqa: E402
from vramwise.models.names import model_ids  # noqa: E402
from vramwise.ocr.engines.protocol import ReadOptions  # noqa: E402
from vramwise.ocr.images import as_picture  # noqa: E402
from vramwise.settings import load_settings  # noqa: E402

from devtools.tiny_models.build import held_out, trained_checkpoint  # noqa: E402

BASE = "Qwen3-VL-2B-Instruct"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the trained tiny Qwen3-VL by the published model's name."""
    folder = tmp_path_factory.mktemp("base")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    shutil.copytree(trained_checkpoint("qwen3_vl"), folder / BASE)
    yield folder
    torch.set_num_threads(threads)


@pytest.fixture
def models(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "VRAMWISE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(made / BASE, tmp_path / BASE)
    release_all()
    yield tmp_path
    release_all()


@functools.cache
def _net() -> Any:
    from vramwise.families.family import family
    from vramwise.ocr.vlm.load import load_net
    from vramwise.ocr.vlm.model_owner import LoadSpec

    return load_net(
        LoadSpec(trained_checkpoint("qwen3_vl"), "qwen3_vl", "bf16", "sdpa", "cpu"), family("qwen3_vl")
    )


def base_net() -> Any:
    """A copy of the base's net of one's own."""
    return copy.deepcopy(_net())


def adapter(models: Path, config: Any = None, strength: float = 0.0, base: str = f"Qwen/{BASE}") -> Path:
    """A folder that peft writes: its matrices are random times ``strength``."""
    config = config or peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"])
    config.base_model_name_or_path = base
    wrapped = peft.PeftModel(base_net(), config)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad and "lora_magnitude" not in name:
                parameter.copy_(torch.randn_like(parameter) * strength)
    wrapped.save_pretrained(str(models / "my-lora"))
    told = json.loads((models / "my-lora" / "adapter_config.json").read_text(encoding="utf-8"))
    told["base_model_name_or_path"] = base
    (models / "my-lora" / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
    return models / "my-lora"


def texts(model: str, precision: str = "bf16", count: int = 2) -> list[str]:
    pictures = [as_picture(picture) for picture, _ in held_out("qwen3_vl")[:count]]
    handle = ocr_handle(model, precision, "auto", "cpu")
    return [result.text for result in handle.read(pictures, ReadOptions(max_new_tokens=30))]


def truth(count: int = 2) -> list[str]:
    return [text for _, text in held_out("qwen3_vl")[:count]]


def test_an_adapter_is_a_model_of_its_own_on_top_of_its_base_with_both_their_bytes(models: Path) -> None:
    folder = adapter(models)
    assert "my-lora" in model_ids()
    decided = ocr_handle("my-lora", "bf16", "auto", "cpu")._decide(load_settings())
    base = ocr_handle("qwen3_vl_2b", "bf16", "auto", "cpu")._decide(load_settings())
    from vramwise.weights.lora_folders import lora_tensors

    held = sum(2 * torch.Size(info.shape).numel() for info in lora_tensors(folder).values())
    sizes = [one.plan.verdict("bf16").footprint.weights_bytes for one in (decided, base)]  # type: ignore[union-attr]
    assert held > 0 and sizes[0] == sizes[1] + held
    assert any(f"my-lora is put on top of {BASE}" in note for note in decided.plan.notes)
    assert decided.spec.adapter == folder and decided.spec.name == "my-lora"


KINDS = {
    "all but the vision tower, by an expression": lambda: peft.LoraConfig(
        r=4, lora_alpha=64, target_modules=r".*language_model.*\.(q_proj|down_proj)"
    ),
    "ranks by layer": lambda: peft.LoraConfig(
        r=4,
        lora_alpha=64,
        target_modules=["q_proj", "down_proj"],
        rank_pattern={"layers.0.self_attn.q_proj": 2},
        alpha_pattern={".*down_proj": 16},
    ),
    "dora": lambda: peft.LoraConfig(
        r=4, lora_alpha=64, target_modules=["q_proj", "down_proj"], use_dora=True
    ),
    "rslora": lambda: peft.LoraConfig(
        r=4, lora_alpha=32, target_modules=["q_proj", "down_proj"], use_rslora=True
    ),
    "loha": lambda: peft.LoHaConfig(r=4, alpha=64, target_modules=["q_proj", "down_proj"]),
    "lokr": lambda: peft.LoKrConfig(r=4, alpha=64, target_modules=["q_proj", "down_proj"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_changes_is_what_peft_itself_changes(models: Path, kind: str) -> None:
    from vramwise.ocr.vlm.lora import put_on

    folder = adapter(models, KINDS[kind](), strength=0.3)
    theirs = peft.PeftModel.from_pretrained(base_net(), str(folder)).merge_and_unload()
    ours = put_on(base_net(), folder, torch.bfloat16)
    plain = base_net()
    changed = 0
    for (name, one), (other, two), (_, before) in zip(
        ours.named_parameters(), theirs.named_parameters(), plain.named_parameters(), strict=True
    ):
        assert name == other and torch.allclose(one.float(), two.float(), atol=0.02, rtol=0.02), name
        changed += not torch.equal(one, before)
    assert changed >= 6


@pytest.mark.parametrize("precision", ["bf16", "int4"])
def test_one_that_changes_nothing_reads_as_its_base_and_one_that_does_reads_otherwise(
    models: Path, precision: str
) -> None:
    if precision != "bf16":
        pytest.importorskip("bitsandbytes")
    adapter(models, strength=0.0)
    expected = texts("qwen3_vl_2b", precision)
    assert texts("my-lora", precision) == expected
    release_all()
    shutil.rmtree(models / "my-lora")
    adapter(models, strength=2.0)
    assert texts("my-lora", precision) != expected
    if precision == "bf16":
        assert texts("qwen3_vl_2b") == truth(), "the base is not changed by it"


def test_the_net_takes_what_was_planned_and_letting_go_leaves_nothing(models: Path) -> None:
    pytest.importorskip("bitsandbytes")
    from vramwise.ocr.vlm.load import true_bytes

    adapter(models)
    for precision in ("bf16", "int8"):
        handle = ocr_handle("my-lora", precision, "auto", "cpu")
        list(handle.read([as_picture(held_out("qwen3_vl")[0][0])], ReadOptions(max_new_tokens=2)))
        engine = handle._live.engine
        assert engine is not None and handle._live.decided is not None
        footprint = handle._live.decided.plan.verdict(precision).footprint
        assert footprint is not None
        assert true_bytes(engine.owner.use(0)) == pytest.approx(footprint.weights_bytes, rel=0.05)
        assert handle.release()
        gc.collect()
        layers = [one for one in gc.get_objects() if isinstance(one, torch.nn.Module)]
        assert not [one for one in layers if "lora" in type(one).__module__]
        nets = [one for one in layers if type(one).__name__ == "Qwen3VLForConditionalGeneration"]
        assert all(one is _net() for one in nets)


def test_names_of_older_transformers_find_their_layers(models: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = adapter(models, strength=2.0)
    expected = texts("my-lora")
    tensors = load_file(folder / "adapter_model.safetensors")
    older = {
        name.replace("model.language_model.layers", "model.layers"): one for name, one in tensors.items()
    }
    assert older.keys() != tensors.keys()
    save_file(older, folder / "adapter_model.safetensors")
    release_all()
    assert texts("my-lora") == expected


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("other layers", "changes layers that its base does not have"),
        ("other shapes", "cannot be put on its base"),
        ("no expression", "names layers by the expression"),
        ("corda", "starts its layers by 'corda'"),
        ("cut short", "damaged or only half downloaded"),
    ],
)
def test_an_adapter_that_does_not_fit_is_a_sentence(models: Path, damage: str, said: str) -> None:
    from safetensors.torch import load_file, save_file

    folder = adapter(models)
    file, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    tensors, told = load_file(file), json.loads(config.read_text(encoding="utf-8"))
    if damage == "other layers":
        save_file({name.replace("layers.0", "layers.70"): one for name, one in tensors.items()}, file)
    elif damage == "other shapes":
        save_file({name: torch.cat((one, one), 0) for name, one in tensors.items()}, file)
    elif damage == "cut short":
        file.write_bytes(file.read_bytes()[:-10])
    else:
        told.update({"init_lora_weights": "corda"} if damage == "corda" else {"target_modules": "(q_proj"})
        config.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(VramwiseError, match=said):
        texts("my-lora")


def test_an_adapter_that_was_left_beside_whole_weights_is_not_put_on_top_and_the_plan_says_so(
    models: Path,
) -> None:
    folder = adapter(models, strength=2.0)
    for left in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(folder / left, models / BASE / left)
    plan = ocr_handle("qwen3_vl_2b", "bf16", "auto", "cpu").plan()
    assert "is not put on top of them" in plan.replace("\n", " ")
    assert texts("qwen3_vl_2b") == truth()
