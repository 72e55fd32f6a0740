"""Models whose published config.json was not seen: planned from the defaults of their class, which say so."""

from __future__ import annotations

import collections
import json
import re
from typing import Any

import pytest
from vramwise.catalog import ocr_models
from vramwise.planning import Workload, footprint, published_config, weights_of_config

# Parameters, and GiB at bf16, int8 and int4 with double quantisation, vision quantised as well
# (reference/models.md 4, from the class defaults).
TABLE = {
    "PaddlePaddle/PaddleOCR-VL": (0.80, 1.49, 0.85, 0.53),
    "zai-org/GLM-OCR": (0.81, 1.50, 0.87, 0.57),
    "lightonai/LightOnOCR-2-1B": (1.01, 1.87, 1.08, 0.70),
}
REPOS = pytest.mark.parametrize("repo", sorted(TABLE), ids=lambda repo: repo.rpartition("/")[2])


def config_of(repo: str) -> Any:
    config = published_config(repo)
    assert config is not None
    return config


@REPOS
def test_they_take_what_the_reference_says(repo: str) -> None:
    billions, *sizes = TABLE[repo]
    assert sum(weight.count for weight in weights_of_config(config_of(repo))) / 1e9 == pytest.approx(
        billions, abs=0.005
    )
    for precision, gib in zip(("bf16", "int8", "int4"), sizes, strict=True):
        whole = footprint(
            config_of(repo), None, precision, workload=Workload(1024 * 1024), quantise_vision=True
        )
        assert whole.weights_bytes / 1024**3 == pytest.approx(gib, abs=0.006), precision


@pytest.mark.slow
@REPOS
def test_shapes_and_names_are_those_of_the_class_and_its_defaults(repo: str) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    kind = config_of(repo)["model_type"]
    if kind not in transformers.models.auto.configuration_auto.CONFIG_MAPPING:
        pytest.skip(f"transformers {transformers.__version__} has no {kind}.")
    with torch.device("meta"):
        model = transformers.AutoModelForImageTextToText.from_config(transformers.AutoConfig.for_model(kind))
    linears = {name for name, module in model.named_modules() if type(module) is torch.nn.Linear}
    real: collections.Counter[Any] = collections.Counter()
    for name, parameter in model.named_parameters():
        matrix = name.endswith(".weight") and name.rpartition(".")[0] in linears
        real[(re.sub(r"\.\d+\.", ".*.", name), tuple(parameter.shape), matrix)] += 1
    ours: collections.Counter[Any] = collections.Counter()
    for weight in weights_of_config(config_of(repo)):
        ours[(weight.name, weight.shape, weight.linear)] += weight.copies
    assert ours == real


@REPOS
def test_where_the_numbers_are_from_is_said(repo: str, capsys: pytest.CaptureFixture[str]) -> None:
    from vramwise.cli import main

    model = next(row.id for row in ocr_models() if row.repo == repo)
    assert main(["plan", model, "--vram-gib", "6"]) == 0
    said = capsys.readouterr().out
    assert "class defaults of transformers" in said
    assert "the published config.json was not seen" in said
    assert main(["plan", "qwen3_vl_2b", "--vram-gib", "6"]) == 0
    assert "class defaults" not in capsys.readouterr().out


def test_every_row_says_where_it_was_read() -> None:
    from importlib import resources

    text = resources.files("vramwise.planning").joinpath("configs.json").read_text(encoding="utf-8")
    for row in json.loads(text):
        assert row["source"] and re.fullmatch(r"\d{4}-\d\d-\d\d", row["date"])
