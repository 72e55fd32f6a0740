"""The newer families: their published shapes against the real classes, and what a plan says of them."""

from __future__ import annotations

import collections
import re
from typing import Any

import pytest
from vramwise.catalog import ocr_models
from vramwise.families.blocks import tied
from vramwise.families.family import families
from vramwise.families.published import published_config
from vramwise.families.weights import weights_of_config
from vramwise.planning import Workload, footprint

# Billions of parameters by the names of three, and as Ollama's library counts GLM-OCR.
PARAMETERS = {
    "zai-org/GLM-OCR": (1.11, 0.005),
    "PaddlePaddle/PaddleOCR-VL": (0.9, 0.05),
    "lightonai/LightOnOCR-2-1B": (1.0, 0.05),
    "ibm-granite/granite-docling-258M": (0.258, 0.0005),
    "Qwen/Qwen2.5-VL-3B-Instruct": (3.75, 0.01),
    "Qwen/Qwen2.5-VL-7B-Instruct": (8.29, 0.01),
    # as the Hub counts them, by the size of the file, and by the class
    "deepseek-community/DeepSeek-OCR-2": (3.39, 0.005),
    "opendatalab/MinerU2.5-Pro-2604-1.2B": (1.156, 0.0005),
    "tencent/HunyuanOCR": (1.0, 0.05),
    "Qwen/Qwen3.5-0.8B": (0.8, 0.06),
    "Qwen/Qwen3.5-2B": (2.0, 0.25),
    "Qwen/Qwen3.5-4B": (4.0, 0.6),
    "Qwen/Qwen3.5-9B": (9.0, 0.5),
}
REPOS = pytest.mark.parametrize("repo", sorted(PARAMETERS), ids=lambda repo: repo.rpartition("/")[2])


def config_of(repo: str) -> Any:
    config = published_config(repo)
    assert config is not None
    return config


@REPOS
def test_they_have_as_many_parameters_as_is_said_of_them(repo: str) -> None:
    billions, off = PARAMETERS[repo]
    count = sum(weight.count for weight in weights_of_config(config_of(repo)))
    assert count / 1e9 == pytest.approx(billions, abs=off)
    sizes = [
        footprint(config_of(repo), None, precision, workload=Workload(1024 * 1024)).weights_bytes
        for precision in ("bf16", "int8", "int4")
    ]
    assert sizes[0] == 2 * count
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.slow
@REPOS
def test_shapes_and_names_are_those_of_the_class_and_its_defaults(repo: str) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    facts = dict(config_of(repo))
    kind = facts.pop("model_type")
    if kind not in transformers.models.auto.configuration_auto.CONFIG_MAPPING:
        pytest.skip(f"transformers {transformers.__version__} has no {kind}.")
    if kind == "idefics3":
        facts["text_config"] = {"model_type": "llama", **facts["text_config"]}
    if kind == "lighton_ocr":
        facts["text_config"] = {"model_type": "qwen3", **facts["text_config"]}
        facts["vision_config"] = {"model_type": "pixtral", **facts["vision_config"]}
    config = transformers.AutoConfig.for_model(kind, **facts)
    # transformers 5.23 ties PaddleOCR-VL's head whatever the file says, until it sees two tensors in it
    config.tie_word_embeddings = bool(tied(config_of(repo)))
    config.get_text_config().tie_word_embeddings = config.tie_word_embeddings
    with torch.device("meta"):
        model = transformers.AutoModelForImageTextToText.from_config(config)
    model.tie_weights()
    linears = {name for name, module in model.named_modules() if type(module) is torch.nn.Linear}
    real: collections.Counter[Any] = collections.Counter()
    for name, parameter in model.named_parameters():
        matrix = name.endswith(".weight") and name.rpartition(".")[0] in linears
        real[(re.sub(r"(?<!mlp)\.\d+\.", ".*.", name), tuple(parameter.shape), matrix)] += 1
    ours: collections.Counter[Any] = collections.Counter()
    for weight in weights_of_config(config_of(repo)):
        ours[(weight.name, weight.shape, weight.linear)] += weight.copies
    assert ours == real


def test_where_the_numbers_are_from_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    from vramwise.cli import main

    for model in ("glm_ocr", "qwen3_vl_2b"):
        assert main(["plan", model, "--vram-gib", "6"]) == 0
        assert "the published config.json;" in " ".join(capsys.readouterr().out.split())
    assert main(["plan", "lighton_ocr", "--vram-gib", "6"]) == 0
    assert "config.json of LightOnOCR-1B-1025" in " ".join(capsys.readouterr().out.split())


def test_every_figure_of_a_family_says_where_it_is_from() -> None:
    for its in families():
        for row in (its, *its.activations, *its.published):
            assert row.source and re.fullmatch(r"\d{4}-\d\d-\d\d", row.date), (its.id, row)


def rows() -> list[str]:
    """The repositories of the catalog that publish 16-bit weights, less those whose every shape is compared
    above.
    """
    repos = [row.repo for row in ocr_models() if row.repo and not row.repo.endswith("-FP8")]
    return [repo for repo in repos if repo not in PARAMETERS]


@pytest.mark.slow
@pytest.mark.parametrize("repo", rows(), ids=lambda repo: repo.rpartition("/")[2])
def test_a_row_is_as_large_as_its_class_on_the_meta_device(repo: str) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from benchmarks.activations import build

    config = config_of(repo)
    kind = config["model_type"]
    if kind not in transformers.models.auto.configuration_auto.CONFIG_MAPPING and kind != "dots_ocr":
        pytest.skip(f"transformers {transformers.__version__} has no {kind}.")
    with torch.device("meta"):
        net = build(config, "eager" if kind == "got_ocr2" else "sdpa")
    # the class of PaddleOCR-VL ties its head whatever the file says, until it sees two tensors in it
    head, embedding = net.get_output_embeddings(), net.get_input_embeddings()
    lacking = embedding.weight.numel() if head.weight is embedding.weight and not tied(config) else 0
    size = 2 * (sum(parameter.numel() for parameter in net.parameters()) + lacking)
    counted = footprint(config, None, "bf16", workload=Workload(1024 * 1024)).weights_bytes
    assert counted == pytest.approx(size, rel=0.005)


SHAPES = ((512, 512), (640, 960), (1240, 1754), (1654, 2339), (2339, 1654), (1024, 1024), (1600, 900))


@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_a_picture_becomes_as_many_tokens_as_its_processor_makes_of_it(size: tuple[int, int]) -> None:
    transformers = pytest.importorskip("transformers")
    from vramwise.families.family import family
    from vramwise.families.pictures import picture_size, smart_resize

    (width, height), its = size, family("hunyuan_vl")
    if not hasattr(transformers, "HunYuanVLImageProcessor"):
        pytest.skip(f"transformers {transformers.__version__} has neither HunyuanOCR nor DeepSeek-OCR-2.")
    wide, high = smart_resize(width, height, its.factor, its.min_pixels, its.max_pixels)
    rows, columns = high // 32, wide // 32
    told = picture_size(config_of("tencent/HunyuanOCR"), wide * high)
    assert told.tokens == pytest.approx(rows * (columns + 1) + 2, rel=0.01)
    processor = transformers.DeepseekOcr2ImageProcessor()
    views = processor.get_number_of_image_patches(height, width, {})
    told = picture_size(config_of("deepseek-community/DeepSeek-OCR-2"), width * height)
    assert told.tiles == (7 if views > 1 else 1) and told.tokens >= 256 + (views - 1) * 144 + 1
