"""The trained tiny checkpoints through ModelLoader: what comes out is text, judged against 200 strings that
no training saw.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vramwise import ModelLoader  # noqa: E402
from vramwise.models.handle import release_all, resident_engines  # noqa: E402

from benchmarks.quality import FAMILIES, MOST_TOKENS, error_rate  # noqa: E402
from devtools.tiny_models.build import held_out, trained_checkpoint  # noqa: E402

PRECISIONS = ("bf16", "int8", "int4")
FEW = 8  # strings where one answer is compared with another, not with the truth

# Points of CER that a precision may lose against bf16 (issue of the models, "What has to be shown").
LOST = {"bf16": 0.0, "int8": 1.0, "int4": 5.0}
BF16_MOST = 3.0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A models folder with the trained checkpoints, and nothing else of this machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    for family in FAMILIES:
        shutil.copytree(trained_checkpoint(family), folder / family)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VRAMWISE_MODELS", str(folder))
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "APPDATA", "HOME", "HF_HOME"):
            patch.setenv(name, str(folder / "nobody"))
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "VRAMWISE_CONFIG"):
            patch.delenv(name, raising=False)
        release_all()
        yield folder
        release_all()
    torch.set_num_threads(threads)


def needs(precision: str) -> None:
    if precision.startswith("int"):
        pytest.importorskip("bitsandbytes")


def pictures(family: str, count: int = FEW) -> list[Any]:
    return [picture for picture, _ in held_out(family)[:count]]


def texts(model: Any, given: list[Any]) -> list[str]:
    return [result.text for result in model.read(given, max_new_tokens=MOST_TOKENS)]


@pytest.fixture(scope="module")
def reading(models: Path) -> Callable[[str, str], list[str]]:
    """``reading(family, precision)``: the texts of all held-out pictures, read once a run, in one call."""

    @functools.cache
    def read(family: str, precision: str) -> list[str]:
        model = ModelLoader.load_model(family, precision=precision)
        read = texts(model, pictures(family, 200))
        ModelLoader.unload_model(family)
        return read

    return read


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_two_hundred_held_out_strings_are_read_as_well_as_the_precision_must(
    reading: Callable[[str, str], list[str]], family: str, precision: str
) -> None:
    needs(precision)
    truth = [text for _, text in held_out(family)]
    best = error_rate(reading(family, "bf16"), truth)
    assert best <= BF16_MOST
    assert error_rate(reading(family, precision), truth) <= best + LOST[precision]


@pytest.mark.parametrize("precision", [*PRECISIONS, "fp16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_was_unloaded_comes_back_and_says_the_same(
    models: Path, family: str, precision: str
) -> None:
    needs(precision)
    model = ModelLoader.load_model(family, precision=precision)
    said = texts(model, pictures(family))
    assert all(said) and len(set(said)) == FEW
    assert ModelLoader.unload_model(family)
    assert resident_engines() == []
    assert texts(model, pictures(family)) == said


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_says_what_its_pictures_say_one_by_one(
    reading: Callable[[str, str], list[str]], family: str
) -> None:
    model = ModelLoader.load_model(family, precision="bf16")
    singly = [texts(model, [picture])[0] for picture in pictures(family)]
    assert singly == reading(family, "bf16")[:FEW]


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_from_the_quantised_cache_say_the_same(
    reading: Callable[[str, str], list[str]],
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    precision: str,
) -> None:
    needs(precision)
    said = reading(family, precision)[:FEW]
    config = tmp_path / "config.yaml"
    config.write_text("quantised_cache: true\n", encoding="utf-8")
    monkeypatch.setenv("VRAMWISE_CONFIG", str(config))
    for _ in range(2):
        model = ModelLoader.load_model(family, precision=precision)
        assert texts(model, pictures(family)) == said
        ModelLoader.unload_model(family)
        assert [entry.name for entry in (models / "vramwise_quantised").glob(f"{family}-{precision}-*")]


@pytest.mark.parametrize("family", FAMILIES)
def test_quantising_changes_some_weights_and_so_is_not_bf16_by_another_name(
    models: Path, family: str
) -> None:
    pytest.importorskip("bitsandbytes")
    held = {}
    for precision in ("bf16", "int8", "int4"):
        model = ModelLoader.load_model(family, precision=precision)
        held[precision] = model.handle._live.engine.owner.resident_bytes()
        ModelLoader.unload_model(family)
    assert held["int4"] < held["int8"] < held["bf16"]
