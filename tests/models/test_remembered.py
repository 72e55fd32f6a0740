"""Real reads of tiny checkpoints leave their seconds behind, and the next plan shows them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vramwise import ModelLoader  # noqa: E402
from vramwise.models.handle import ocr_handle, release_all  # noqa: E402
from vramwise.planning import run_history  # noqa: E402
from vramwise.settings import load_settings  # noqa: E402

from devtools.tiny_models.build import tiny_checkpoint  # noqa: E402


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The user folder of this test; the guide's smallest Qwen3-VL is a tiny one here."""
    torch.set_num_threads(1)
    shutil.copytree(tiny_checkpoint("qwen3_vl"), tmp_path / "models" / "Qwen3-VL-2B-Instruct")
    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path / "models"))
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "VRAMWISE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ModelLoader, "_loaded", {})
    release_all()
    yield load_settings().places.user_dir
    release_all()


def picture(width: int = 640) -> Any:
    from PIL import Image, ImageDraw

    made = Image.new("RGB", (width, 480), "white")
    ImageDraw.Draw(made).text((10, 60), "Hello 123", fill="black", font_size=40)
    return made


def runs() -> list[run_history.Run]:
    return list(run_history.lookup(load_settings().places.user_dir, "cpu", "qwen3_vl_2b"))


def test_a_load_and_a_read_are_remembered_with_what_they_were() -> None:
    model = ModelLoader.load_model("qwen3_vl_2b", precision="bf16")
    (load,) = runs()
    assert load.load_seconds is not None and load.load_seconds > 0
    assert (load.loaded_from, load.precision, load.pixels) == ("files", "bf16", 0)
    (result,) = model.read(picture(), max_new_tokens=7)
    _, read = runs()
    assert (read.pixels, read.images, read.new_tokens) == (640 * 480, 1, result.tokens)
    assert read.prompt_tokens > 640 * 480 // 32**2
    assert read.read_seconds == pytest.approx(result.seconds, abs=0.002)
    assert (read.attention, read.activation_peak_bytes) == ("sdpa", None)  # a CPU counts no peak


def test_the_next_plan_shows_what_was_measured_here() -> None:
    ModelLoader.load_model("qwen3_vl_2b", precision="bf16").read(picture(), max_new_tokens=7)
    text = ocr_handle("qwen3_vl_2b", precision="bf16").plan()
    assert "Measured here: loaded in " in text
    assert "Measured here: 0.3 megapixels and " in text


def test_a_second_read_of_the_same_kind_takes_the_place_of_the_first() -> None:
    model = ModelLoader.load_model("qwen3_vl_2b", precision="bf16")
    for width in (640, 640, 320):
        model.read(picture(width), max_new_tokens=3)
    assert sorted(run.pixels for run in runs()) == [0, 320 * 480, 640 * 480]


def test_a_load_from_the_quantised_cache_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes")
    pytest.importorskip("accelerate")
    assert "quantised_cache: true" in ocr_handle("qwen3_vl_2b", precision="int8").plan()
    (tmp_path / "config.yaml").write_text("quantised_cache: true\n", encoding="utf-8")
    monkeypatch.setenv("VRAMWISE_CONFIG", str(tmp_path / "config.yaml"))
    for _ in range(2):
        ModelLoader.load_model("qwen3_vl_2b", precision="int8")
        ModelLoader.unload_model("qwen3_vl_2b")
    assert [run.loaded_from for run in runs()] == ["files", "cache"]
    assert "quantised_cache: true" not in ocr_handle("qwen3_vl_2b", precision="int8").plan()


def test_a_damaged_record_stops_neither_a_load_nor_a_read(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / run_history.NAME).write_text('{"format": 1, "runs": [{"device"', encoding="utf-8")
    (result,) = ModelLoader.load_model("qwen3_vl_2b").read(picture(), max_new_tokens=3)
    assert result.tokens
    assert len(runs()) == 2
