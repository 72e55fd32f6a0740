"""Our class of dots.ocr against the published checkpoint's names, sizes and picture arithmetic."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from PIL import Image, ImageDraw  # noqa: E402
from vramwise import VramwiseError  # noqa: E402
from vramwise.ocr.vlm.families.dots_model import (  # noqa: E402
    DotsOCRConfig,
    DotsOCRForCausalLM,
    DotsOCRProcessor,
    DotsVisionConfig,
    DotsVisionTransformer,
)

from devtools.tiny_models.build import tiny_checkpoint  # noqa: E402
from devtools.tiny_models.dots_ocr import dots_shapes  # noqa: E402

PUBLISHED_PARAMETERS = 3_039_179_264  # docs/sources.md#architectures-of-the-ocr-models
PUBLISHED_TEXT = {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-6,
}
PUBLISHED_VISION = {
    "embed_dim": 1536,
    "hidden_size": 1536,
    "intermediate_size": 4224,
    "num_hidden_layers": 42,
    "num_attention_heads": 12,
    "num_channels": 3,
    "patch_size": 14,
    "post_norm": True,
    "rms_norm_eps": 1e-5,
    "spatial_merge_size": 2,
    "temporal_patch_size": 1,
    "use_bias": False,
    "attn_implementation": "flash_attention_2",
}
PROMPT = "Extract the text content from this image."


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder() -> Path:
    return tiny_checkpoint("dots_ocr")


@pytest.fixture(scope="module")
def processor(folder: Path) -> DotsOCRProcessor:
    return DotsOCRProcessor.from_folder(folder)


def _net(folder: Path, **options: Any) -> Any:
    net, info = DotsOCRForCausalLM.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False, output_loading_info=True, **options
    )
    wrong = {
        kind: info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[kind]
    }
    assert not wrong
    return net.eval()


def _page(width: int = 200, height: int = 120, words: str = "Hello") -> Image.Image:
    page = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(page).text((10, 10), words, fill="black")
    return page


def test_the_full_size_has_the_published_names_and_the_published_parameter_count() -> None:
    config = DotsOCRConfig(**PUBLISHED_TEXT, vision_config=dict(PUBLISHED_VISION))
    with torch.device("meta"):
        net = DotsOCRForCausalLM(config)
    assert sum(weight.numel() for weight in net.parameters()) == PUBLISHED_PARAMETERS
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes == dots_shapes(PUBLISHED_TEXT, PUBLISHED_VISION)


def test_a_published_config_is_read_and_the_code_it_points_to_is_left_alone(folder: Path) -> None:
    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert said["auto_map"]
    net = _net(folder, dtype=torch.float32)
    assert net.config.model_type == "dots_ocr"
    assert not getattr(net.config, "auto_map", None)
    assert net.config.vision_config.num_hidden_layers == said["vision_config"]["num_hidden_layers"]
    rope = getattr(net.config, "rope_parameters", None) or {"rope_theta": net.config.rope_theta}
    assert rope["rope_theta"] == said["rope_theta"]


def test_generation_with_a_cache_says_the_same_as_without(folder: Path, processor: DotsOCRProcessor) -> None:
    net = _net(folder, dtype=torch.float32)
    inputs = processor([_page()], PROMPT)
    with torch.inference_mode():
        quick = net.generate(**inputs, max_new_tokens=6, do_sample=False)
        ids = inputs["input_ids"]
        for _ in range(quick.shape[1] - ids.shape[1]):
            pictures = {name: inputs[name] for name in ("pixel_values", "image_grid_thw")}
            ids = torch.cat([ids, net(input_ids=ids, **pictures).logits[:, -1:].argmax(-1)], dim=1)
    assert quick.tolist() == ids.tolist()


def test_pictures_of_a_batch_do_not_see_each_other(folder: Path, processor: DotsOCRProcessor) -> None:
    net = _net(folder, dtype=torch.float32)
    pages = [_page(), _page(310, 500, "Other words")]
    with torch.inference_mode():
        together = net.generate(
            **processor(pages, PROMPT), max_new_tokens=5, do_sample=False, eos_token_id=None
        )
        alone = [
            net.generate(**processor([page], PROMPT), max_new_tokens=5, do_sample=False, eos_token_id=None)
            for page in pages
        ]
    assert together[:, -5:].tolist() == [answer[0, -5:].tolist() for answer in alone]
    assert alone[0][0, -5:].tolist() != alone[1][0, -5:].tolist()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precisions_run_and_save_and_return(
    dtype: str, folder: Path, processor: DotsOCRProcessor, tmp_path: Path
) -> None:
    net = _net(folder, dtype=getattr(torch, dtype))
    inputs = processor([_page()], PROMPT)
    with torch.inference_mode():
        first = net.generate(**inputs, max_new_tokens=4, do_sample=False)
        net.save_pretrained(tmp_path)
        again = _net(tmp_path, dtype=getattr(torch, dtype)).generate(
            **inputs, max_new_tokens=4, do_sample=False
        )
    assert first.tolist() == again.tolist()


def test_a_prompt_with_too_few_image_tokens_is_an_error(folder: Path, processor: DotsOCRProcessor) -> None:
    net = _net(folder, dtype=torch.float32)
    inputs = processor([_page()], PROMPT)
    inputs["input_ids"][0, 3] = 0
    with pytest.raises(ValueError, match="image tokens"), torch.inference_mode():
        net(**inputs)


def test_patches_are_those_of_transformers_qwen2_vl_processor(processor: DotsOCRProcessor) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torchvision")
    theirs = transformers.Qwen2VLImageProcessor(
        size={"shortest_edge": 3136, "longest_edge": 11289600},
        patch_size=14,
        temporal_patch_size=1,
        merge_size=2,
    )
    # a size that both leave as it is: only the cutting and the colours are compared
    page = _page(280, 140)
    expected = theirs(images=[page], return_tensors="pt")
    assert expected["image_grid_thw"].tolist() == [[1, 10, 20]]
    torch.testing.assert_close(processor.patches(page), expected["pixel_values"].float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "size", [(1000, 1000), (1200, 1200), (900, 600), (3000, 400), (30, 20), (5000, 7000)]
)
def test_a_picture_gets_as_many_image_tokens_as_its_size_asks_for(
    size: tuple[int, int], processor: DotsOCRProcessor
) -> None:
    width, height = processor.size(Image.new("RGB", size))
    assert width % 28 == height % 28 == 0
    assert 3136 <= width * height <= 11289600
    if max(size) <= 1200:
        page = Image.new("RGB", size)
        inputs = processor([page], PROMPT)
        place = processor.tokenizer.convert_tokens_to_ids("<|imgpad|>")
        assert int((inputs["input_ids"] == place).sum()) == width * height // 28**2
        assert inputs["pixel_values"].shape == (width * height // 14**2, 588)


def test_positions_count_rows_and_columns_within_groups_of_four() -> None:
    config = DotsVisionConfig(embed_dim=64, hidden_size=64, num_attention_heads=2, num_hidden_layers=0)
    tower = DotsVisionTransformer(config)
    cos, sin = tower.positions([[1, 4, 4]], torch.device("cpu"))
    assert cos.shape == sin.shape == (16, 1, 32)
    angle = torch.atan2(sin, cos)[:, 0]
    # the first speed is 1 radian a row (first half) and a column (second half)
    rows, columns = angle[:, 0], angle[:, 8]
    assert rows[:8].round().tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert columns[:8].round().tolist() == [0, 1, 0, 1, 2, 3, 2, 3]


def test_a_folder_without_the_special_tokens_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tiny_checkpoint("qwen3_vl")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(other / name, tmp_path / name)
    shutil.copy(folder / "config.json", tmp_path / "config.json")
    with pytest.raises(VramwiseError, match="not that of"):
        DotsOCRProcessor.from_folder(tmp_path)
