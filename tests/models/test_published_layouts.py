"""Folders as their publishers lay them out, where that differs from what transformers saves itself.

The layouts are those of public copies of lightonai/LightOnOCR-2-1B, zai-org/GLM-OCR,
PaddlePaddle/PaddleOCR-VL and nanonets/Nanonets-OCR2-3B; the weights are tiny and random.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vramwise.families.family import family_of_model_type  # noqa: E402
from vramwise.host import Places  # noqa: E402
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions  # noqa: E402
from vramwise.ocr.vlm import load  # noqa: E402
from vramwise.ocr.vlm.engine import VLMEngine  # noqa: E402
from vramwise.ocr.vlm.limits import Limits  # noqa: E402
from vramwise.ocr.vlm.model_owner import LoadSpec, PlainOwner  # noqa: E402
from vramwise.planning import Workload, footprint  # noqa: E402
from vramwise.settings import Settings  # noqa: E402
from vramwise.weights.checkpoint_files import read_config, tensor_index  # noqa: E402
from vramwise.weights.checkpoints import local_checkpoints  # noqa: E402

from devtools.tiny_models.build import talkative_checkpoint  # noqa: E402

TOKENS = 8


def rewritten(file: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file.write_text(json.dumps(change(json.loads(file.read_text(encoding="utf-8")))), encoding="utf-8")


def with_weights(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})


def lighton_ocr(folder: Path) -> None:
    """config.json names the type of another class, the processor's class is spelt as in vLLM, and the picture
    settings lie in a file of their own.
    """
    rewritten(
        folder / "config.json",
        lambda config: {
            **{name: value for name, value in config.items() if name != "tie_word_embeddings"},
            "architectures": ["LightOnOCRForConditionalGeneration"],
            "model_type": "mistral3",
            "multimodal_projector_bias": False,
            "projector_hidden_act": "gelu",
            "vision_feature_layer": -1,
        },
    )
    saved = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    pictures = {
        **saved["image_processor"],
        "image_processor_type": "PixtralImageProcessorFast",
        "patch_size": 14,
        "processor_class": "LightOnOCRProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures), encoding="utf-8")
    rewritten(
        folder / "processor_config.json",
        lambda _: {
            "image_break_token": "<|vision_pad|>",
            "image_end_token": "<|vision_end|>",
            "image_token": "<|image_pad|>",
            "patch_size": 14,
            "processor_class": "LightOnOCRProcessor",
            "spatial_merge_size": 2,
        },
    )
    rewritten(
        folder / "tokenizer_config.json",
        lambda config: {
            **config,
            "processor_class": "LightOnOCRProcessor",
            "tokenizer_class": "Qwen2Tokenizer",
        },
    )


def glm_ocr(folder: Path) -> None:
    """A seventeenth layer, for speculation, which the class leaves out."""
    rewritten(
        folder / "config.json",
        lambda config: {**config, "text_config": {**config["text_config"], "num_nextn_predict_layers": 1}},
    )

    def add(weights: dict[str, Any]) -> dict[str, Any]:
        first = {name: tensor for name, tensor in weights.items() if ".language_model.layers.0." in name}
        assert first
        extra = {name.replace(".layers.0.", ".layers.16."): tensor.clone() for name, tensor in first.items()}
        return {**weights, **extra, "model.language_model.layers.16.eh_proj.weight": torch.zeros(64, 128)}

    with_weights(folder, add)


def paddleocr_vl(folder: Path) -> None:
    """The language model at the top level of config.json, other names, two parts left out by the class."""

    def flat(config: dict[str, Any]) -> dict[str, Any]:
        text = config.pop("text_config")
        return {**text, **config, "model_type": "paddleocr_vl", "tie_word_embeddings": False}

    def renamed(weights: dict[str, Any]) -> dict[str, Any]:
        told = (
            ("model.projector.", "mlp_AR."),
            ("model.visual.", "visual."),
            ("model.language_model.", "model."),
        )
        out = {}
        for name, tensor in weights.items():
            for here, there in told:
                name = there + name.removeprefix(here) if name.startswith(here) else name
            out[name] = tensor
        assert any(name.startswith("mlp_AR.") for name in out)
        width = out["visual.vision_model.post_layernorm.weight"].shape[0]
        return {
            **out,
            # a head of its own, which likes the same letters
            "lm_head.weight": out["model.embed_tokens.weight"] / 2,
            "visual.vision_model.embeddings.packing_position_embedding.weight": torch.zeros(256, width),
            "visual.vision_model.head.probe": torch.zeros(1, 1, width),
            "visual.vision_model.head.mlp.fc1.weight": torch.zeros(2 * width, width),
        }

    rewritten(folder / "config.json", flat)
    with_weights(folder, renamed)


def qwen2_5_vl(folder: Path) -> None:
    """Nanonets-OCR2-3B: no head in the file, and a config.json that says it has one of its own; only the
    language model's part says the truth.
    """
    rewritten(folder / "config.json", lambda config: {**config, "tie_word_embeddings": False})
    with_weights(
        folder, lambda weights: {name: one for name, one in weights.items() if "lm_head" not in name}
    )


LAYOUTS = pytest.mark.parametrize(
    "lay_out", [lighton_ocr, glm_ocr, paddleocr_vl, qwen2_5_vl], ids=lambda one: str(one.__name__)
)


@pytest.fixture
def pair(lay_out: Callable[[Path], None], tmp_path: Path, built: Callable[..., Path]) -> tuple[Path, Path]:
    """Folders of the same weights: as transformers saves them, and as their publisher lays them out."""
    ours = built(talkative_checkpoint, lay_out.__name__, tmp_path / "ours")
    published = tmp_path / "LLM" / "published"
    shutil.copytree(ours, published)
    lay_out(published)
    return ours, published


def said(folder: Path, precision: str) -> str:
    """The first tokens read from a drawn page, as numbers."""
    from PIL import Image, ImageDraw

    torch.set_num_threads(1)
    row = family_of_model_type(read_config(folder)["model_type"])
    assert row is not None
    row = replace(row, sampling=None)  # an end that is drawn early would hide what follows
    spec = LoadSpec(folder, row.model_types[0], precision, "sdpa", "cpu")
    engine = VLMEngine(
        row,
        folder,
        PlainOwner(spec, lambda: load.load_net(spec, row), 0),
        "tiny",
        precision,
        Limits(row.default_pixels),
    )
    engine.adapter().decode = lambda ids, task=None: " ".join(map(str, ids))  # type: ignore[method-assign]
    picture = Image.new("RGB", (320, 200), "white")
    ImageDraw.Draw(picture).text((10, 10), "Hello 123", fill="black")
    (result,) = engine.read([np.asarray(picture)], ReadOptions(max_new_tokens=TOKENS), NoProgress())
    return result.text


@LAYOUTS
def test_it_reads_what_the_folder_of_transformers_reads(pair: tuple[Path, Path]) -> None:
    pytest.importorskip("bitsandbytes")
    for precision in ("bf16", "int4"):
        words = [said(folder, precision) for folder in pair]
        assert words[0] == words[1], precision
        assert len(words[0].split()) == TOKENS


@LAYOUTS
def test_it_is_offered_and_planned_by_what_is_loaded_of_it(
    pair: tuple[Path, Path], lay_out: Callable[[Path], None]
) -> None:
    _, published = pair
    root = published.parents[1]
    (found,) = (
        one for one in local_checkpoints(Settings(places=Places(root, (root,)))) if one.path == published
    )
    assert (found.name, found.model_type) == ("published", lay_out.__name__)
    config, headers = read_config(published), tensor_index(published)
    row = family_of_model_type(found.model_type)
    assert row is not None
    for precision in ("bf16", "int8", "int4"):
        net = load.load_net(LoadSpec(published, found.model_type, precision, "sdpa", "cpu"), row)
        tables = sum(buffer.numel() * buffer.element_size() for buffer in net.buffers())
        predicted = footprint(config, headers, precision, workload=Workload(512 * 512)).weights_bytes
        assert load.true_bytes(net) - tables == pytest.approx(predicted, rel=0.005), precision
        del net
        gc.collect()
