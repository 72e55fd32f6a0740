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
from vramwise.models.handle import release_all, resident_engines  # noqa: E402
from vramwise.ocr.vlm.model_owner import living_owners  # noqa: E402

from devtools.tiny_models.build import talkative_checkpoint  # noqa: E402

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


def test_without_bitsandbytes_int8_loads_by_torchao_and_reads(
    models: Path, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchao")
    from importlib.util import find_spec

    from vramwise.hardware import capabilities
    from vramwise.ocr.vlm import load

    monkeypatch.setattr(
        capabilities, "_installed", lambda name: name != "bitsandbytes" and find_spec(name) is not None
    )
    monkeypatch.setattr(load, "find_spec", lambda name: None if name == "bitsandbytes" else find_spec(name))
    model = ModelLoader.load_model("qwen3_vl_2b", precision="int8")
    assert len(text_of(model, picture)) == TOKENS
    with pytest.raises(VramwiseError, match="bitsandbytes not installed"):
        ModelLoader.load_model("qwen3_vl_2b", precision="int4")


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
    assert "download qwen2_vl_2b" in said


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
        ("models:\n  Qwen3-VL-8B:\n    precision: int8\n", "qwen3_vl_8b"),
        ("models:\n  qwen3_vl_8b:\n    precision: int_8\n", "int8"),
        ("models:\n  qwen3_vl_8b:\n    precision: INT8\n", "int8"),
    ],
    ids=["section", "precision", "use_flash_attention", "a name", "a title", "a value", "capitals"],
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


# --- places and options -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["gpu", "balanced", "cuda:7", {"": 0}], ids=str)
def test_a_device_that_is_not_here_is_an_error_in_a_script_and_says_what_is(
    models: Path, loads: list[Any], place: Any
) -> None:
    with pytest.raises(VramwiseError, match=r"device .* is unknown.*Use one of: auto, .*cpu\."):
        ModelLoader.load_model("qwen3_vl_2b", device_map=place)
    assert loads == []


def test_a_device_of_another_machine_is_a_note_in_the_plan_of_a_workflow(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vramwise import host
    from vramwise.models.handle import ocr_handle

    monkeypatch.setattr(host._Host, "places", host.Places(tmp_path, (models,), hosted=True))
    told = ocr_handle("qwen3_vl_2b", device="cuda:7").plan()
    assert 'The device "cuda:7" is not on this machine (here: ' in told and "Chosen: " in told
    assert "is not on this machine" not in ocr_handle("qwen3_vl_2b", device="cpu").plan()


@pytest.mark.parametrize(
    "option", [{"max_pixels": -5}, {"max_new_tokens": -1}, {"max_pixels": "4 MP"}], ids=str
)
def test_a_size_or_limit_that_is_none_is_refused_in_a_sentence(picture: Any, option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(VramwiseError, match=f"{name} must be a number of 1 or more, or 0 for automatic"):
        ModelLoader.load_model("rapid").read(picture, **option)


# --- room for several models ------------------------------------------------------------------------------


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """``full()``: an invented machine whose RAM the models that are loaded now fill, each a large one."""
    import psutil

    real = psutil.virtual_memory()

    def invent() -> None:
        for owner in living_owners():
            monkeypatch.setattr(owner, "_size", 16 * 1024**3)
        whole = sum(owner.resident_bytes() for owner in living_owners())

        def memory() -> Any:
            return real._replace(available=whole - sum(one.resident_bytes() for one in living_owners()))

        monkeypatch.setattr(psutil, "virtual_memory", memory)

    return invent


def test_a_model_that_the_plan_counts_as_room_is_let_go_and_comes_back_with_the_same_text(
    models: Path, picture: Any, loads: list[Any], full: Callable[[], None]
) -> None:
    first = ModelLoader.load_model("qwen3_vl_2b", precision="bf16")
    text = text_of(first, picture)
    full()
    second = ModelLoader.load_model("qwen3_vl_8b", precision="bf16")
    assert "that could be evicted (models of this script, which are let go" in second.plan
    assert resident_engines() == [f"{FOLDERS['qwen3_vl_8b']} bf16"]
    assert text_of(first, picture) == text
    assert resident_engines() == [f"{FOLDERS['qwen3_vl_2b']} bf16"]
    assert [spec.path.name for spec in loads] == [FOLDERS[f"qwen3_vl_{size}b"] for size in (2, 8, 2)]


def test_the_model_used_longest_ago_goes_first_and_one_that_still_fits_stays(
    models: Path, picture: Any, full: Callable[[], None]
) -> None:
    kept = {name: ModelLoader.load_model(name, precision="bf16") for name in ("qwen3_vl_2b", "got_ocr")}
    text_of(kept["qwen3_vl_2b"], picture)
    full()
    ModelLoader.load_model("qwen3_vl_8b", precision="bf16")
    assert resident_engines() == [f"{FOLDERS[name]} bf16" for name in ("qwen3_vl_2b", "qwen3_vl_8b")]


def test_a_model_on_another_device_is_no_room_on_this_one() -> None:
    from vramwise.models.place import budget_here
    from vramwise.ocr.vlm.model_owner import LoadSpec, owner_of

    release_all()
    spec = LoadSpec(Path("elsewhere"), "qwen3_vl", "bf16", "sdpa", "cuda:1")
    owner = owner_of(spec, torch.nn.Identity, 16 * 1024**3)
    owner.use(0)
    assert owner.resident_bytes() == 16 * 1024**3
    assert budget_here("cpu").reclaimable_bytes == 0


# --- out of memory ----------------------------------------------------------------------------------------


def out_of_memory(model: Any, picture: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """What ``model`` says when memory runs out at whatever is read."""
    from vramwise.ocr.vlm import decoding

    def fail(*given: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")

    monkeypatch.setattr(decoding, "generate_rows", fail)
    with pytest.raises(VramwiseError) as caught:
        model.read(picture)
    return str(caught.value)


def test_out_of_memory_advises_a_precision_that_takes_less_and_half_of_the_picture_that_was_tried(
    models: Path, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes")
    model = ModelLoader.load_model("qwen3_vl_2b", precision="bf16")
    said = out_of_memory(model, picture.resize((800, 800)), monkeypatch)
    assert "also with one picture at a time at 0.32 megapixels" in said
    assert "1. Choose int8, which needs" in said  # fp16 takes what bf16 takes
    assert "2. Set megapixels to 0.16 or less." in said


def test_at_the_smallest_precision_and_picture_the_advice_says_so(
    models: Path, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes")
    model = ModelLoader.load_model("qwen3_vl_2b", precision="int4")
    said = out_of_memory(model, picture, monkeypatch)
    assert "1. This is the smallest precision here; choose a smaller model." in said
    assert "2. The picture is as small as this model takes it." in said


def test_what_other_models_hold_is_told_without_the_model_that_failed(
    models: Path, picture: Any, full: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelLoader.load_model("qwen3_vl_2b", precision="bf16")
    full()
    said = out_of_memory(model, picture, monkeypatch)
    assert "3. Close other programs that use cpu: no other model here can be evicted." in said


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


def test_a_disk_that_fills_up_while_the_cache_is_written_costs_the_cache_and_not_the_model(
    cache_on: Path, picture: Any, caplog: pytest.LogCaptureFixture
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no limit on the size of a file.")
    import signal

    limits, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
    try:
        text = loaded_anew("qwen3_vl_2b", "int8", picture)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)
    assert len(text) == TOKENS
    assert "The quantised weights were not kept: The quantised weights could not be kept in" in caplog.text
    assert not list(cache_on.iterdir())


def test_a_disk_without_room_for_the_cache_is_noticed_before_anything_is_saved(
    cache_on: Path, picture: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vramwise.ocr.vlm import load
    from vramwise.weights import quantised_cache

    free = type("Usage", (), {"free": quantised_cache.SPARE_BYTES + 4096})()
    monkeypatch.setattr(quantised_cache.shutil, "disk_usage", lambda folder: free)
    monkeypatch.setattr(load, "save_quantised", lambda *given: pytest.fail("saved"))
    loaded_anew("qwen3_vl_2b", "int8", picture)
    assert "Free some space" in caplog.text


def test_a_cached_folder_is_not_offered_as_a_model_of_the_persons_own(cache_on: Path, picture: Any) -> None:
    from vramwise.models.names import model_ids

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
    assert "download qwen3_vl_8b" in said
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


@pytest.mark.parametrize("call", ["load_model", "unload_model", "plan"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("bin", "has its weights only as pytorch_model.bin"),
        ("gguf", "weights.gguf is a GGUF file, which torch does not run here: serve it with llama.cpp"),
        ("half", "is only partly downloaded. To go on: "),
        ("stranger", "is a llava model, which VRAMwise has no family for"),
    ],
)
def test_a_folder_that_cannot_be_loaded_is_answered_with_its_reason_and_not_with_a_list_of_models(
    models: Path, call: str, damage: str, reason: str
) -> None:
    from vramwise.models.request import plan

    folder = (models / FOLDERS["qwen3_vl_8b"]).rename(models / "my-finetune")
    weights = folder / "model.safetensors"
    if damage == "bin":
        weights.rename(folder / "pytorch_model.bin")
    elif damage == "gguf":
        weights.rename(folder / "weights.gguf")
    elif damage == "half":
        (folder / ".incomplete").write_text("{}", encoding="utf-8")
    else:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config.pop("architectures", None)
        (folder / "config.json").write_text(json.dumps({**config, "model_type": "llava"}), encoding="utf-8")
    calls = {"load_model": ModelLoader.load_model, "unload_model": ModelLoader.unload_model, "plan": plan}
    with pytest.raises(VramwiseError) as caught:
        calls[call]("my-finetune")
    assert reason in str(caught.value) and str(folder) in str(caught.value)


def test_a_catalog_model_is_loaded_and_unloaded_by_its_display_name_too(
    models: Path, config: Callable[[str], None], loads: list[Any]
) -> None:
    config("models:\n  qwen3_vl_2b:\n    precision: fp16\n")
    ModelLoader.load_model("Qwen3-VL 2B")
    assert [(spec.path.name, spec.precision) for spec in loads] == [(FOLDERS["qwen3_vl_2b"], "fp16")]
    assert ModelLoader.unload_model("qwen3-vl 2b") is True


def test_a_transformers_newer_than_the_tested_is_named_in_the_plan_of_what_is_loaded(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vramwise import ocr_handle
    from vramwise.hardware import capabilities

    monkeypatch.setattr(capabilities, "TESTED_TRANSFORMERS", "4.0")
    assert "is newer than 4.0, the newest that this version" in ocr_handle("qwen3_vl_2b").plan()
