"""The guide's ModelLoader as a script calls it: arguments, config.yaml, unloading, the quantised cache.

Checkpoints are tiny and random, but talkative: what they write depends on the picture, the precision and
every weight, so the same text again means the same model again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vramwise import ModelLoader, VramwiseError  # noqa: E402
from vramwise.loader import release_all, resident_engines  # noqa: E402

from devtools.tiny import talkative_checkpoint  # noqa: E402

FOLDERS = {
    "qwen3_vl_2b": "Qwen3-VL-2B-Instruct",
    "qwen3_vl_8b": "Qwen3-VL-8B-Instruct",
    "got_ocr": "GOT-OCR-2.0-hf",
}
TOKENS = 12


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders by family."""
    root = tmp_path_factory.mktemp("talkative")
    return {family: talkative_checkpoint(family, root / family) for family in ("qwen3_vl", "got_ocr2")}


@pytest.fixture
def models(talkative: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A models folder with the guide's model and two more, and nothing else of this machine."""
    folder = tmp_path / "models"
    for model, name in FOLDERS.items():
        shutil.copytree(talkative["got_ocr2" if model == "got_ocr" else "qwen3_vl"], folder / name)
    monkeypatch.setenv("VRAMWISE_MODELS", str(folder))
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "VRAMWISE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ModelLoader, "_loaded", {})
    release_all()
    yield folder
    release_all()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``config(text)``: what config.yaml says."""
    file = tmp_path / "config.yaml"

    def write(text: str) -> None:
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv("VRAMWISE_CONFIG", str(file))

    return write


@pytest.fixture
def picture() -> Any:
    from PIL import Image, ImageDraw

    made = Image.new("RGB", (320, 200), "white")
    ImageDraw.Draw(made).text((10, 60), "Hello 123", fill="black", font_size=40)
    return made


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The LoadSpec of every load, in order."""
    from vramwise.ocr.vlm import load

    seen: list[Any] = []
    original = load.load_net
    monkeypatch.setattr(load, "load_net", lambda spec, family: (seen.append(spec), original(spec, family))[1])
    return seen


def text_of(model: Any, picture: Any) -> str:
    (result,) = model.read(picture, max_new_tokens=TOKENS)
    assert len(result.text) == TOKENS, "a talkative model says one letter a token"
    return str(result.text)


# --- the guide's calls ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"precision": "fp16"},
        {"precision": "int8"},
        {"precision": "int4"},
        {"use_flash_attention": True},
        {"device_map": "auto"},
        {"precision": "int8", "use_flash_attention": True, "device_map": "auto"},
    ],
    ids=lambda given: ", ".join(f"{name}={value}" for name, value in given.items()),
)
def test_every_call_of_the_guide_loads_and_reads(
    models: Path, picture: Any, arguments: dict[str, Any]
) -> None:
    if str(arguments.get("precision")).startswith("int"):
        pytest.importorskip("bitsandbytes")
    model = ModelLoader.load_model("qwen3_vl_8b", **arguments)
    assert resident_engines() == [f"{FOLDERS['qwen3_vl_8b']} {arguments.get('precision', 'bf16')}"]
    (result,) = model.read(picture, max_new_tokens=TOKENS)
    assert len(result.text) == TOKENS
    assert result.precision == arguments.get("precision", "bf16")
    assert ModelLoader.unload_model("qwen3_vl_8b")
    assert resident_engines() == []


def test_flash_attention_asked_for_where_it_cannot_run_is_replaced_and_the_plan_says_why(
    models: Path,
) -> None:
    from vramwise.ocr.vlm import compat

    if compat.flash_attention_2() and torch.cuda.is_available():
        pytest.skip("flash-attn runs on this machine.")
    model = ModelLoader.load_model("qwen3_vl_2b", use_flash_attention=True)
    assert "attention sdpa: flash-attn is not installed" in model.plan


@pytest.mark.parametrize("use", [True, False])
def test_either_flash_setting_loads_got_which_has_only_eager_attention(
    models: Path, loads: list[Any], use: bool
) -> None:
    ModelLoader.load_model("got_ocr", use_flash_attention=use)
    assert [spec.attention for spec in loads] == ["eager"]


def test_flash_attention_named_as_the_attention_is_refused_where_it_cannot_run(
    models: Path, loads: list[Any]
) -> None:
    with pytest.raises(
        VramwiseError, match=r"flash_attention_2 cannot be used for GOT-OCR 2\.0.*Set attention to auto"
    ):
        ModelLoader.load_model("got_ocr", attention="flash_attention_2")
    assert loads == []


def test_without_a_precision_load_model_means_auto(models: Path) -> None:
    assert "Chosen: bf16, " in ModelLoader.load_model("qwen3_vl_2b").plan


def test_a_catalog_model_that_is_not_here_lists_the_folders_searched_and_the_name_expected(
    models: Path,
) -> None:
    with pytest.raises(VramwiseError) as caught:
        ModelLoader.load_model("qwen2_vl_2b")
    said = str(caught.value)
    assert "Qwen2-VL-2B-Instruct/config.json" in said
    assert all(str(folder) in said for folder in (models, models / "LLM", models / "prompt_generator"))
    assert "vramwise download qwen2_vl_2b" in said


def test_a_misspelt_model_name_names_the_nearest(models: Path) -> None:
    for call in (ModelLoader.load_model, ModelLoader.unload_model):
        with pytest.raises(
            VramwiseError, match=r'"qwen3_vl_8" is not an OCR model.*Did you mean "qwen3_vl_8b"'
        ):
            call("qwen3_vl_8")


def test_a_misspelt_precision_names_the_nearest(models: Path) -> None:
    with pytest.raises(VramwiseError, match=r'precision "int9" is unknown.*Did you mean "int[48]"'):
        ModelLoader.load_model("qwen3_vl_8b", precision="int9")


# --- config.yaml ------------------------------------------------------------------------------------------


def test_config_yaml_gives_the_defaults_of_a_model(
    models: Path, config: Callable[[str], None], loads: list[Any]
) -> None:
    pytest.importorskip("bitsandbytes")
    config('models:\n  qwen3_vl_8b:\n    precision: "int8"\n    use_flash_attention: true\n')
    ModelLoader.load_model("qwen3_vl_8b")
    ModelLoader.load_model("qwen3_vl_2b")
    assert [(spec.path.name, spec.precision) for spec in loads] == [
        (FOLDERS["qwen3_vl_8b"], "int8"),
        (FOLDERS["qwen3_vl_2b"], "bf16"),
    ]


def test_arguments_win_over_the_file(models: Path, config: Callable[[str], None], loads: list[Any]) -> None:
    config("models:\n  qwen3_vl_2b:\n    precision: int4\n    attention: eager\n    quantise_vision: true\n")
    ModelLoader.load_model("qwen3_vl_2b", precision="fp16", attention="sdpa", quantise_vision=False)
    assert [(spec.precision, spec.attention, spec.quantise_vision) for spec in loads] == [
        ("fp16", "sdpa", False)
    ]


def test_flash_switched_off_in_the_call_wins_over_the_file(
    models: Path, config: Callable[[str], None], loads: list[Any]
) -> None:
    config("models:\n  qwen3_vl_2b:\n    use_flash_attention: true\n")
    ModelLoader.load_model("qwen3_vl_2b", use_flash_attention=False)
    assert [spec.attention for spec in loads] == ["sdpa"]


def test_an_argument_auto_wins_over_the_file(
    models: Path, config: Callable[[str], None], loads: list[Any]
) -> None:
    config("models:\n  qwen3_vl_2b:\n    precision: fp16\n    attention: eager\n")
    ModelLoader.load_model("qwen3_vl_2b", precision="auto", attention="auto")
    assert [(spec.precision, spec.attention) for spec in loads] == [("bf16", "sdpa")]


def test_flash_asked_for_in_the_call_wins_over_an_attention_of_the_file(
    models: Path, config: Callable[[str], None], loads: list[Any]
) -> None:
    config("models:\n  qwen3_vl_2b:\n    attention: eager\n")
    ModelLoader.load_model("qwen3_vl_2b", use_flash_attention=True)
    assert [spec.attention for spec in loads] != ["eager"]


def test_models_dir_of_config_yaml_is_searched(
    models: Path, config: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VRAMWISE_MODELS")
    config(f"models_dir: {json.dumps(str(models))}\n")
    assert str(models) not in ModelLoader.load_model("qwen3_vl_2b").plan
    assert resident_engines() == [f"{FOLDERS['qwen3_vl_2b']} bf16"]


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("modles:\n  qwen3_vl_8b:\n    precision: int8\n", "models"),
        ("models:\n  qwen3_vl_8b:\n    precison: int8\n", "precision"),
        ("models:\n  qwen3_vl_8b:\n    use_flash_atention: true\n", "use_flash_attention"),
        ("models:\n  qwen3_v_8b:\n    precision: int8\n", "qwen3_vl_8b"),
        ("models:\n  qwen3_vl_8b:\n    precision: int_8\n", "int8"),
    ],
    ids=["section", "precision", "use_flash_attention", "a model's name", "a value"],
)
def test_a_misspelt_word_in_config_yaml_names_the_nearest_right_one(
    models: Path, config: Callable[[str], None], loads: list[Any], text: str, nearest: str
) -> None:
    config(text)
    with pytest.raises(VramwiseError, match=f'Did you mean "{nearest}"'):
        ModelLoader.load_model("qwen3_vl_8b")
    assert loads == []


def test_a_number_where_config_yaml_wants_a_word_is_refused(
    models: Path, config: Callable[[str], None]
) -> None:
    config("models:\n  qwen3_vl_8b:\n    precision: 8\n")
    with pytest.raises(VramwiseError, match="precision must be a word, not 8"):
        ModelLoader.load_model("qwen3_vl_8b")


# --- unloading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["qwen3_vl_2b", "got_ocr"])
def test_reading_after_unloading_loads_again_and_gives_the_same_text(
    models: Path, picture: Any, loads: list[Any], name: str
) -> None:
    model = ModelLoader.load_model(name)
    first = text_of(model, picture)
    assert len(loads) == 1
    assert ModelLoader.unload_model(name) is True
    assert resident_engines() == []
    assert text_of(model, picture) == first
    assert len(loads) == 2 and loads[0] == loads[1]


def test_a_model_that_came_back_by_reading_is_unloaded_by_its_name_again(models: Path, picture: Any) -> None:
    model = ModelLoader.load_model("qwen3_vl_2b")
    ModelLoader.unload_model("qwen3_vl_2b")
    text_of(model, picture)
    assert ModelLoader.unload_model("qwen3_vl_2b") is True
    assert resident_engines() == []


def test_unloading_by_name_drops_every_precision_of_it(models: Path) -> None:
    pytest.importorskip("bitsandbytes")
    kept = [ModelLoader.load_model("qwen3_vl_2b", precision=precision) for precision in ("bf16", "int8")]
    assert len(resident_engines()) == len(kept) == 2
    assert ModelLoader.unload_model("qwen3_vl_2b") is True
    assert resident_engines() == []


def test_unloading_what_is_not_loaded_says_so_and_harms_nothing(models: Path) -> None:
    assert ModelLoader.unload_model("qwen3_vl_2b") is False
    ModelLoader.load_model("qwen3_vl_2b")
    assert ModelLoader.unload_model("got_ocr") is False
    assert len(resident_engines()) == 1


def test_loading_the_same_model_twice_reads_its_files_once(models: Path, loads: list[Any]) -> None:
    kept = [ModelLoader.load_model("qwen3_vl_2b", precision="bf16") for _ in range(2)]
    assert len(loads) == 1 and len(resident_engines()) == 1 and len(kept) == 2


def test_another_precision_never_reads_with_the_old_weights(
    models: Path, picture: Any, loads: list[Any]
) -> None:
    pytest.importorskip("bitsandbytes")
    texts = {}
    for precision in ("bf16", "int4", "bf16"):
        model = ModelLoader.load_model("qwen3_vl_2b", precision=precision)
        (result,) = model.read(picture, max_new_tokens=TOKENS)
        assert result.precision == precision
        assert texts.setdefault(precision, result.text) == result.text
    assert texts["bf16"] != texts["int4"]
    assert {spec.precision for spec in loads} == {"bf16", "int4"}


def test_the_built_in_engine_is_loaded_and_unloaded_by_the_same_calls(models: Path, picture: Any) -> None:
    pytest.importorskip("rapidocr")
    model = ModelLoader.load_model("rapid", use_flash_attention=False)
    (first,) = model.read(picture)
    assert resident_engines() != []
    assert ModelLoader.unload_model("rapid") is True
    assert resident_engines() == []
    assert model.read(picture)[0].text == first.text


def test_spreading_over_a_machine_that_has_only_a_cpu_shares_the_model_that_is_there(
    models: Path, loads: list[Any]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("This machine has a GPU to spread over.")
    kept = [ModelLoader.load_model("qwen3_vl_2b", device_map=place) for place in (None, "auto")]
    assert len(loads) == 1 and len(kept) == 2


# --- pictures ---------------------------------------------------------------------------------------------


def test_a_path_a_pil_image_and_an_array_read_the_same(models: Path, picture: Any, tmp_path: Path) -> None:
    import numpy as np

    file = tmp_path / "page.png"
    picture.save(file)
    model = ModelLoader.load_model("qwen3_vl_2b")
    first = text_of(model, picture)
    for given in (file, str(file), np.asarray(picture), picture.convert("RGBA")):
        assert text_of(model, given) == first


def test_a_list_of_pictures_gives_one_result_each_in_order(models: Path, picture: Any) -> None:
    wide = picture.resize((640, 100))
    model = ModelLoader.load_model("qwen3_vl_2b")
    results = model.read([picture, wide, picture], max_new_tokens=TOKENS)
    assert [(result.width, result.height) for result in results] == [(320, 200), (640, 100), (320, 200)]
    assert results[0].text == results[2].text != results[1].text


def test_a_picture_of_another_kind_is_refused_with_what_is_taken(models: Path) -> None:
    import numpy as np

    model = ModelLoader.load_model("qwen3_vl_2b")
    for wrong in (np.zeros((3, 40, 40), np.float32), 7, None):
        with pytest.raises(VramwiseError, match="a file path, a PIL image or a uint8 RGB array"):
            model.read(wrong)
    with pytest.raises(VramwiseError, match="There is no file"):
        model.read("no_such_page.png")


# --- the quantised cache ----------------------------------------------------------------------------------


@pytest.fixture
def cache_on(models: Path, config: Callable[[str], None]) -> Path:
    """The folder of the quantised cache, switched on."""
    pytest.importorskip("bitsandbytes")
    config("quantised_cache: true\n")
    return models / "vramwise_quantised"


def loaded_anew(name: str, precision: str, picture: Any) -> str:
    """The text of ``name``, loaded for this reading and let go."""
    text = text_of(ModelLoader.load_model(name, precision=precision), picture)
    assert ModelLoader.unload_model(name)
    return text


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("name", ["qwen3_vl_2b", "got_ocr"])
def test_the_second_load_comes_from_the_cache_and_gives_the_same_text(
    cache_on: Path, models: Path, picture: Any, loads: list[Any], name: str, precision: str
) -> None:
    first = loaded_anew(name, precision, picture)
    second = loaded_anew(name, precision, picture)
    assert [spec.path.parent for spec in loads] == [models, cache_on]
    assert first == second
    assert loads[1].path.name.startswith(f"{FOLDERS[name]}-{precision}-")


def test_with_the_cache_off_nothing_is_written(models: Path, picture: Any, loads: list[Any]) -> None:
    pytest.importorskip("bitsandbytes")
    for _ in range(2):
        loaded_anew("qwen3_vl_2b", "int8", picture)
    assert [spec.path.parent for spec in loads] == [models, models]
    assert not (models / "vramwise_quantised").exists()


def test_an_unquantised_model_is_never_cached(cache_on: Path, picture: Any, loads: list[Any]) -> None:
    loaded_anew("qwen3_vl_2b", "bf16", picture)
    assert not cache_on.exists() and len(loads) == 1


def test_a_damaged_cache_is_rebuilt_and_gives_the_same_text(
    cache_on: Path, models: Path, picture: Any, loads: list[Any]
) -> None:
    first = loaded_anew("qwen3_vl_2b", "int8", picture)
    (entry,) = cache_on.glob("*/model.safetensors")
    whole = entry.read_bytes()
    entry.write_bytes(whole[:-64] + bytes(64))
    assert loaded_anew("qwen3_vl_2b", "int8", picture) == first
    assert loaded_anew("qwen3_vl_2b", "int8", picture) == first
    assert [spec.path.parent for spec in loads] == [models, models, cache_on]


def test_after_the_model_has_changed_the_cache_of_the_old_one_is_not_used(
    cache_on: Path, models: Path, talkative: dict[str, Path], picture: Any, loads: list[Any]
) -> None:
    from safetensors.torch import load_file, save_file

    first = loaded_anew("qwen3_vl_2b", "int8", picture)
    file = models / FOLDERS["qwen3_vl_2b"] / "model.safetensors"
    weights = {
        name: tensor.flip(0).contiguous() if ".layers." in name else tensor
        for name, tensor in load_file(file).items()
    }
    save_file(weights, file, {"format": "pt"})
    changed = loaded_anew("qwen3_vl_2b", "int8", picture)
    assert changed != first
    assert loaded_anew("qwen3_vl_2b", "int8", picture) == changed
    assert [spec.path.parent for spec in loads] == [models, models, cache_on]
    assert len(list(cache_on.glob("*/complete.json"))) == 1


def test_a_cached_folder_is_not_offered_as_a_model_of_the_persons_own(cache_on: Path, picture: Any) -> None:
    from vramwise.loader import model_ids

    before = model_ids()
    loaded_anew("qwen3_vl_2b", "int8", picture)
    assert model_ids() == before


def test_the_command_line_lists_and_clears_the_cache(
    cache_on: Path, models: Path, picture: Any, loads: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from vramwise.cli import main

    loaded_anew("qwen3_vl_2b", "int8", picture)
    loaded_anew("got_ocr", "int4", picture)
    capsys.readouterr()
    assert main(["cache", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [
        [FOLDERS["got_ocr"], "int4"],
        [FOLDERS["qwen3_vl_2b"], "int8"],
    ]
    assert all(str(cache_on) in line for line in lines)
    assert main(["cache", "clear"]) == 0
    assert "GB freed" in capsys.readouterr().out
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out == ""
    loaded_anew("qwen3_vl_2b", "int8", picture)
    assert loads[-1].path == models / FOLDERS["qwen3_vl_2b"]


# --- damaged folders --------------------------------------------------------------------------------------


def in_shards(folder: Path) -> list[Path]:
    """Turn ``folder`` into one with three shards and an index, as large checkpoints are published."""
    from safetensors.torch import load_file, save_file

    single = folder / "model.safetensors"
    weights = load_file(single)
    names = [f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    home = {name: names[place % 3] for place, name in enumerate(sorted(weights))}
    for shard in names:
        held = {name: weights[name] for name, file in home.items() if file == shard}
        save_file(held, folder / shard, {"format": "pt"})
    single.unlink()
    index = {"metadata": {}, "weight_map": home}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return [folder / name for name in names]


def test_a_checkpoint_in_shards_reads_as_the_single_file_does(models: Path, picture: Any) -> None:
    whole = text_of(ModelLoader.load_model("qwen3_vl_2b"), picture)
    in_shards(models / FOLDERS["qwen3_vl_8b"])
    assert text_of(ModelLoader.load_model("qwen3_vl_8b"), picture) == whole


@pytest.mark.parametrize("damage", ["missing", "half"])
def test_a_half_downloaded_folder_is_refused_naming_the_shard(
    models: Path, loads: list[Any], damage: str
) -> None:
    shard = in_shards(models / FOLDERS["qwen3_vl_8b"])[1]
    if damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    with pytest.raises(VramwiseError) as caught:
        ModelLoader.load_model("qwen3_vl_8b")
    said = str(caught.value)
    assert shard.name in said and str(shard.parent) in said
    assert "vramwise download qwen3_vl_8b" in said
    assert loads == []


def test_a_key_that_is_missing_in_the_weights_is_an_error_and_never_garbage(models: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = models / FOLDERS["qwen3_vl_8b"] / "model.safetensors"
    weights = load_file(file)
    gone = next(name for name in weights if "layers.1" in name and name.endswith("q_proj.weight"))
    save_file({name: tensor for name, tensor in weights.items() if name != gone}, file, {"format": "pt"})
    with pytest.raises(VramwiseError, match=r"missing keys .*layers\.1\.self_attn\.q_proj\.weight"):
        ModelLoader.load_model("qwen3_vl_8b")
    assert resident_engines() == []


# --- bring your own ---------------------------------------------------------------------------------------


def test_a_finetune_is_loaded_by_its_folders_name(models: Path, picture: Any) -> None:
    (models / FOLDERS["qwen3_vl_8b"]).rename(models / "my-finetune")
    model = ModelLoader.load_model("my-finetune")
    assert resident_engines() == ["my-finetune bf16"]
    assert text_of(model, picture) == text_of(ModelLoader.load_model("qwen3_vl_2b"), picture)


def test_settings_of_a_finetune_count_by_its_folders_name(
    models: Path, config: Callable[[str], None], loads: list[Any]
) -> None:
    (models / FOLDERS["qwen3_vl_8b"]).rename(models / "my-finetune")
    config("models:\n  my-finetune:\n    precision: fp16\n")
    ModelLoader.load_model("my-finetune")
    assert [spec.precision for spec in loads] == ["fp16"]
