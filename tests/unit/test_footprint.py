"""Predicted weights against the real classes of transformers, the real quantiser, and the published sizes."""

from __future__ import annotations

import collections
import copy
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog import ocr_models
from vramwise.errors import VramwiseError
from vramwise.families.family import families
from vramwise.families.published import published_config
from vramwise.families.saved.quantised import saved_quantised
from vramwise.families.weights import weights_of_config, weights_of_files
from vramwise.planning import Workload, activations, footprint, reading_bytes, weight_bytes

GIB, MIB = 1024**3, 1024**2

# Parameters, then bytes by bnb's own rules (docs/sources.md#sizes-of-the-ocr-models): bf16, int8, nf4
# and nf4 with double quantisation, first with the vision tower quantised, then with it kept at 16 bits.
TABLE = {
    "stepfun-ai/GOT-OCR-2.0-hf": (
        *(560528640, 1121057280, 728160768, 554315840, 536154020),
        *(812763648, 676406336, 662155748),
    ),
    "Qwen/Qwen2-VL-2B-Instruct": (
        *(2208985600, 4417971200, 2448632832, 1581200768, 1489513624),
        *(3110355968, 2534577408, 2473683344),
    ),
    "Qwen/Qwen2-VL-7B-Instruct": (
        *(8291375616, 16582751232, 9390824448, 6234211712, 5898851352),
        *(10063025152, 7202661632, 6898583312),
    ),
    "Qwen/Qwen3-VL-2B-Instruct": (
        *(2127532032, 4255064064, 2446401536, 1650420480, 1566236592),
        *(2848071680, 2229227776, 2163713040),
    ),
    "Qwen/Qwen3-VL-4B-Instruct": (
        *(4437815808, 8875631616, 4836688896, 3061890304, 2873664400),
        *(5246739456, 3652756224, 3483590640),
    ),
    "Qwen/Qwen3-VL-8B-Instruct": (
        *(8767123696, 17534247392, 10023806880, 6728195296, 6378036920),
        *(10594083296, 7549722848, 7226094800),
    ),
    "rednote-hilab/dots.ocr": (
        *(3039179264, 6078358528, 3512439808, 2382227968, 2262748288),
        *(4770743296, 4194964736, 4134070672),
    ),
}
# KV cache bytes of a token at 16 bits, image tokens and activation MiB of 1024x1024 pixels
# (docs/sources.md#memory-while-reading).
READING = {
    "stepfun-ai/GOT-OCR-2.0-hf": (98304, 256, 2335),
    "Qwen/Qwen2-VL-2B-Instruct": (28672, 1369, 235),
    "Qwen/Qwen2-VL-7B-Instruct": (57344, 1369, 240),
    "Qwen/Qwen3-VL-2B-Instruct": (114688, 1024, 172),
    "Qwen/Qwen3-VL-4B-Instruct": (147456, 1024, 174),
    "Qwen/Qwen3-VL-8B-Instruct": (147456, 1024, 207),
    "rednote-hilab/dots.ocr": (28672, 1369, 234),
}
MODELS = pytest.mark.parametrize("repo", sorted(TABLE), ids=lambda repo: repo.rpartition("/")[2])
NATIVE = pytest.mark.parametrize(
    "repo", sorted(set(TABLE) - {"rednote-hilab/dots.ocr"}), ids=lambda repo: repo.rpartition("/")[2]
)


@dataclass(frozen=True)
class Info:
    dtype: str
    shape: tuple[int, ...]
    nbytes: int


def config_of(repo: str) -> Any:
    config = published_config(repo)
    assert config is not None
    return config


@pytest.fixture(autouse=True)
def _newest_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules for reading, whatever is installed: those of transformers 5."""
    monkeypatch.setattr(activations, "transformers_major", lambda: 5)


@pytest.fixture(scope="module")
def meta() -> Iterator[Any]:
    """``meta(repo)``: the real class at its true size, without its weights."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    built: dict[str, Any] = {}

    def build(repo: str) -> Any:
        if repo not in built:
            facts = {key: value for key, value in config_of(repo).items() if key != "model_type"}
            text = dict(facts.pop("text_config"))
            kind = config_of(repo)["model_type"]
            if kind.startswith("qwen"):
                half = (text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]) // 2
                sections = [half - 2 * (half // 3), half // 3, half // 3]
                rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections}
                name = "rope_parameters" if int(transformers.__version__[0]) >= 5 else "rope_scaling"
                text[name] = rope
            text["tie_word_embeddings"] = facts["tie_word_embeddings"]
            config = transformers.AutoConfig.for_model(kind, text_config=text, **facts)
            with torch.device("meta"):
                model = transformers.AutoModelForImageTextToText.from_config(config)
            model.tie_weights()
            built[repo] = model
        return built[repo]

    yield build


def star(name: str) -> str:
    """The name with the number of its layer as "*"; the numbers inside an nn.Sequential called mlp stay."""
    return re.sub(r"(?<!mlp)\.\d+\.", ".*.", name)


@MODELS
def test_parameters_of_every_seed_model_are_counted_exactly(repo: str) -> None:
    assert sum(weight.count for weight in weights_of_config(config_of(repo))) == TABLE[repo][0]


@MODELS
def test_weights_of_every_seed_model_and_precision_agree_with_the_table(repo: str) -> None:
    weights = weights_of_config(config_of(repo))
    vision = ("lm_head", "model.visual", "model.vision_tower")
    cases = [
        ("bf16", ("lm_head",), True),
        *((p, ("lm_head",), dq) for p, dq in (("int8", True), ("int4", False), ("int4", True))),
        *((p, vision, dq) for p, dq in (("int8", True), ("int4", False), ("int4", True))),
    ]
    for (precision, kept, double), expected in zip(cases, TABLE[repo][1:], strict=True):
        got = weight_bytes(weights, precision, kept, double_quant=double)
        assert got == pytest.approx(expected, rel=0.005), (precision, kept, double)


@MODELS
def test_the_footprint_keeps_vision_at_16_bits_unless_told(repo: str) -> None:
    config, work = config_of(repo), Workload(1024 * 1024)
    assert footprint(config, None, "int8", workload=work).weights_bytes == pytest.approx(
        TABLE[repo][5], rel=5e-3
    )
    assert footprint(config, None, "int4", workload=work).weights_bytes == pytest.approx(
        TABLE[repo][7], rel=5e-3
    )
    both = footprint(config, None, "int4", workload=work, quantise_vision=True).weights_bytes
    # GOT's tower is never quantised: int8 cannot multiply its 4-D activations
    assert both == pytest.approx(TABLE[repo][7 if "GOT" in repo else 4], rel=5e-3)
    assert footprint(config, None, "fp32", workload=work).weights_bytes == 4 * TABLE[repo][0]


@pytest.mark.slow
@NATIVE
def test_formulas_give_the_names_shapes_and_linears_of_the_real_class(repo: str, meta: Any) -> None:
    import torch

    model = meta(repo)
    linears = {name for name, module in model.named_modules() if type(module) is torch.nn.Linear}
    real: collections.Counter[Any] = collections.Counter()
    for name, parameter in model.named_parameters():
        matrix = name.endswith(".weight") and name.rpartition(".")[0] in linears
        real[(name, tuple(parameter.shape), matrix)] += 1
    folded: collections.Counter[Any] = collections.Counter()
    for (name, shape, matrix), _ in real.items():
        folded[(star(name), shape, matrix)] += 1
    ours: collections.Counter[Any] = collections.Counter()
    for weight in weights_of_config(config_of(repo)):
        ours[(star(weight.name), weight.shape, weight.linear)] += weight.copies
    assert ours == folded


@pytest.mark.slow
@NATIVE
def test_headers_of_files_are_read_as_the_real_class_reads_them(repo: str, meta: Any) -> None:
    import torch

    model, config = meta(repo), config_of(repo)
    headers = {
        name: Info("BF16", tuple(parameter.shape), 2 * parameter.numel())
        for name, parameter in model.named_parameters()
    }
    if config["tie_word_embeddings"]:  # some files repeat it
        headers["lm_head.weight"] = headers["model.language_model.embed_tokens.weight"]
    linears = {name for name, module in model.named_modules() if type(module) is torch.nn.Linear}
    for weight in weights_of_files(headers, config):
        assert weight.linear == (
            weight.name.endswith(".weight") and weight.name.rpartition(".")[0] in linears
        )
    work = Workload(1024 * 1024)
    for precision in ("bf16", "int8", "int4"):
        for vision in (False, True):
            from_files = footprint(config, headers, precision, workload=work, quantise_vision=vision)
            from_config = footprint(config, None, precision, workload=work, quantise_vision=vision)
            assert from_files.weights_bytes == from_config.weights_bytes, (precision, vision)


def test_older_key_names_of_a_vision_tower_are_still_kept_at_16_bits() -> None:
    config = config_of("Qwen/Qwen2-VL-2B-Instruct")
    headers = {
        "visual.blocks.0.attn.proj.weight": Info("BF16", (64, 64), 8192),
        "model.layers.0.mlp.up_proj.weight": Info("BF16", (64, 64), 8192),
    }
    got = footprint(config, headers, "int8", workload=Workload(1024 * 1024)).weights_bytes
    assert got == 64 * 64 * 2 + (64 * 64 + 4 * 64)


def test_files_in_fp32_count_as_the_precision_they_are_loaded_at() -> None:
    config = config_of("Qwen/Qwen2-VL-2B-Instruct")
    headers = {"model.norm.weight": Info("F32", (100,), 400)}
    assert footprint(config, headers, "bf16", workload=Workload(1)).weights_bytes == 200


def test_a_folder_saved_quantised_counts_as_its_files_do() -> None:
    config = {**config_of("Qwen/Qwen2-VL-2B-Instruct"), "quantization_config": {"load_in_8bit": True}}
    headers = {
        "model.layers.0.mlp.up_proj.weight": Info("I8", (64, 64), 4096),
        "model.layers.0.mlp.up_proj.SCB": Info("F32", (64,), 256),
    }
    assert footprint(config, headers, "int8", workload=Workload(1)).weights_bytes == 4096 + 256


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_matrix_takes_what_bitsandbytes_really_holds(precision: str) -> None:
    torch = pytest.importorskip("torch")
    bnb = pytest.importorskip("bitsandbytes")
    from vramwise.families.blocks import Weight
    from vramwise.ocr.vlm.load import true_bytes

    if precision == "int8":
        layer = bnb.nn.Linear8bitLt(512, 384, bias=False, has_fp16_weights=False)
    else:
        layer = bnb.nn.Linear4bit(512, 384, bias=False, quant_type="nf4", compress_statistics=True)
    layer = layer.to(torch.device("cpu"))
    predicted = weight_bytes([Weight("layers.0.up_proj.weight", (384, 512), linear=True)], precision)
    assert true_bytes(layer) == pytest.approx(predicted, rel=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", ["got_ocr2", "qwen2_vl", "qwen3_vl"])
def test_tiny_checkpoints_take_what_was_predicted_from_their_headers_and_from_config(model_type: str) -> None:
    for needed in ("torch", "transformers", "bitsandbytes", "accelerate"):
        pytest.importorskip(needed)
    from vramwise.families.family import family
    from vramwise.ocr.vlm.load import load_net, true_bytes
    from vramwise.ocr.vlm.model_owner import LoadSpec
    from vramwise.weights.checkpoint_files import read_config, tensor_index

    from devtools.tiny_models.build import tiny_checkpoint

    path = tiny_checkpoint(model_type)
    config, headers, work = read_config(path), tensor_index(path), Workload(512 * 512)
    for precision in ("bf16", "fp16", "fp32", "int8", "int4"):
        for vision in (False, True) if precision.startswith("int") else (False,):
            net = load_net(LoadSpec(path, model_type, precision, "eager", "cpu", vision), family(model_type))
            predicted = footprint(
                config, headers, precision, workload=work, quantise_vision=vision
            ).weights_bytes
            assert true_bytes(net) == pytest.approx(predicted, rel=0.005), (precision, vision)
            without = footprint(config, None, precision, workload=work, quantise_vision=vision).weights_bytes
            assert without == predicted, (precision, vision)


# What torch's CPU allocator was seen to hold at most while the real class, cut to two text layers and one
# vision layer at its true widths, read in bf16 (benchmarks/activations.py, transformers 5.23.0, torch 2.14.1,
# 2026-11-22): (pixels as the model sees them, pictures, prompt tokens beside them, new tokens, peak MiB).
# The first four are 512 x 512, 1024 x 1024, 2048 x 2048 and an A4 page at 300 dpi.
MEASURED = {
    "stepfun-ai/GOT-OCR-2.0-hf": (
        *((262144, 1, 40, 3, 2340.6), (1048576, 1, 40, 3, 2340.6), (4194304, 1, 40, 3, 2370.6)),
        *((8699840, 1, 40, 3, 2384.6), (262144, 3, 40, 3, 2356.7), (262144, 1, 3000, 3, 2346.4)),
    ),
    "Qwen/Qwen2-VL-2B-Instruct": (
        *((254016, 1, 40, 3, 57.5), (1073296, 1, 40, 3, 243.0), (4177936, 1, 40, 3, 946.0)),
        *((8722000, 1, 40, 3, 1974.9),),
    ),
    "Qwen/Qwen2-VL-7B-Instruct": (
        *((254016, 1, 40, 3, 61.5), (1073296, 1, 40, 3, 243.0), (4177936, 1, 40, 3, 946.0)),
        *((8722000, 1, 40, 3, 1974.9), (254016, 3, 40, 3, 184.6), (254016, 1, 3000, 3, 476.4)),
    ),
    "Qwen/Qwen3-VL-2B-Instruct": (
        *((262144, 1, 40, 3, 45.1), (1048576, 1, 40, 3, 180.3), (4194304, 1, 40, 3, 721.1)),
        *((8785920, 1, 40, 3, 1510.6),),
    ),
    "Qwen/Qwen3-VL-4B-Instruct": (
        *((262144, 1, 40, 3, 45.1), (1048576, 1, 40, 3, 180.3), (4194304, 1, 40, 3, 721.1)),
        *((8785920, 1, 40, 3, 1510.6), (262144, 3, 40, 3, 135.2), (262144, 1, 3000, 3, 297.9)),
        *((65536, 1, 1000, 40, 96.6),),
    ),
    "Qwen/Qwen3-VL-8B-Instruct": (
        *((262144, 1, 40, 3, 50.3), (1048576, 1, 40, 3, 201.3), (4194304, 1, 40, 3, 805.1)),
        *((8785920, 1, 40, 3, 1686.5),),
    ),
    # with the logits of the last token alone
    "rednote-hilab/dots.ocr": (
        *((254016, 1, 40, 3, 56.9), (1073296, 1, 40, 3, 240.2), (4177936, 1, 40, 3, 934.8)),
        *((8722000, 1, 40, 3, 1951.5), (254016, 3, 40, 3, 170.8), (254016, 1, 3000, 3, 219.0)),
        *((63504, 1, 400, 400, 31.8),),
    ),
}


# The same with transformers 4.57.6 and the logits of the last token alone, as the engine has them computed.
MEASURED_BEFORE_5 = {
    "Qwen/Qwen2-VL-2B-Instruct": (
        *((254016, 1, 40, 3, 59.2), (1073296, 1, 40, 3, 249.6), (4177936, 1, 40, 3, 971.3)),
        *((254016, 3, 40, 3, 177.5), (254016, 1, 3000, 3, 224.7)),
    ),
    "Qwen/Qwen2-VL-7B-Instruct": (
        *((254016, 1, 40, 3, 60.6), (254016, 3, 40, 3, 181.8), (254016, 1, 3000, 3, 474.3)),
    ),
    "Qwen/Qwen3-VL-2B-Instruct": (
        *((262144, 1, 40, 3, 41.0), (1048576, 1, 40, 3, 163.7), (4194304, 1, 40, 3, 654.2)),
        *((262144, 3, 40, 3, 123.1), (262144, 1, 3000, 3, 197.5)),
    ),
    "Qwen/Qwen3-VL-4B-Instruct": (
        *((262144, 1, 40, 3, 41.3), (1048576, 1, 40, 3, 164.7)),
        *((262144, 3, 40, 3, 124.0), (262144, 1, 3000, 3, 277.5)),
    ),
    "Qwen/Qwen3-VL-8B-Instruct": (
        *((262144, 1, 40, 3, 46.8), (262144, 3, 40, 3, 140.4), (262144, 1, 3000, 3, 364.8)),
    ),
}


def cut(repo: str) -> Any:
    """The published architecture with two text layers and one vision layer."""
    config = copy.deepcopy(config_of(repo))
    config.get("text_config", config)["num_hidden_layers"] = 2
    vision = config["vision_config"]
    vision["depth" if "depth" in vision else "num_hidden_layers"] = 1
    if "deepstack_visual_indexes" in vision:
        vision["deepstack_visual_indexes"] = [0]
    return config


@pytest.mark.parametrize("repo", sorted(MEASURED), ids=lambda repo: repo.rpartition("/")[2])
def test_reading_takes_what_the_allocator_was_seen_to_hold(repo: str) -> None:
    attention = "eager" if "GOT" in repo else "sdpa"
    for pixels, images, prompt, new, peak in MEASURED[repo]:
        predicted = reading_bytes(cut(repo), "bf16", attention, prompt_tokens=prompt)(pixels, images, new)
        assert 0.97 * peak <= predicted / MIB <= 1.1 * peak, (pixels, images, prompt, new)


@pytest.mark.parametrize("repo", sorted(MEASURED_BEFORE_5), ids=lambda repo: repo.rpartition("/")[2])
def test_reading_with_an_older_transformers_takes_what_its_own_classes_were_seen_to_hold(
    repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "transformers_major", lambda: 4)
    for pixels, images, prompt, new, peak in MEASURED_BEFORE_5[repo]:
        predicted = reading_bytes(cut(repo), "bf16", "sdpa", prompt_tokens=prompt)(pixels, images, new)
        assert 0.99 * peak <= predicted / MIB <= 1.02 * peak, (pixels, images, prompt, new)


def test_the_installed_transformers_decides_and_the_newest_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()  # look at the installed version again

    def beside(source: str | None) -> tuple[int, str]:
        init = tmp_path / "transformers" / "__init__.py"
        spec = None if source is None else ModuleSpec("transformers", None, origin=str(init))
        if spec is not None:
            spec.has_location = True
            init.parent.mkdir(exist_ok=True)
            init.write_text(f"import this_is_never_imported\n\n{source}\n", encoding="utf-8")
        activations.transformers_major.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(activations, "find_spec", lambda name: spec)
            config, work = config_of("Qwen/Qwen3-VL-2B-Instruct"), Workload(2**20, new_tokens=3)
            term = activations.reading_terms(config, "bf16", "sdpa", work)[1]
        activations.transformers_major.cache_clear()
        return term.bytes, term.source

    older, newer = beside('__version__ = "4.57.6"'), beside('__version__ = "5.23.0"')
    assert "transformers 4.57.6" in older[1]
    assert "transformers 5.23" in newer[1]
    assert older[0] < 0.97 * newer[0]
    others = ('__version__ = "5.0.0.dev0"', '__version__ = "6.1"', "__version__ = unknown()", None)
    assert {beside(other) for other in others} == {newer}


def test_the_version_of_transformers_is_found_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read in a line of the package's source, which a newer one might write in another way."""
    monkeypatch.undo()
    installed = pytest.importorskip("transformers").__version__
    activations.transformers_major.cache_clear()
    assert activations.transformers_major() == int(installed.split(".")[0])


def test_deeper_towers_wait_with_more_features() -> None:
    """Measured too: eight text and four vision layers, of which three hand features on (DeepStack)."""
    config = cut("Qwen/Qwen3-VL-4B-Instruct")
    config["text_config"]["num_hidden_layers"] = 8
    config["vision_config"] |= {"depth": 4, "deepstack_visual_indexes": [0, 1, 2]}
    assert reading_bytes(config, "bf16", prompt_tokens=40)(2**20, 1, 3) == pytest.approx(
        181.3 * MIB, rel=0.03
    )
    config["text_config"]["num_hidden_layers"] = 6
    long = reading_bytes(config, "bf16", prompt_tokens=500)(2**18, 1, 2)
    assert 0.97 * 89.96 <= long / MIB <= 1.1 * 89.96


@MODELS
def test_every_token_of_the_answer_costs_its_keys_and_values(repo: str) -> None:
    token_bytes, tokens, _ = READING[repo]
    # the vision processors round the side to their grid: 1036 for a factor of 28
    pixels = {28: 1036**2, 32: 1024**2}[28 if tokens == 1369 else 32]
    it = footprint(config_of(repo), None, "bf16", workload=Workload(pixels, prompt_tokens=100))
    assert it.kv_bytes == token_bytes * (tokens + 100 + 2048)


def test_the_widest_moment_counts_and_not_the_sum_of_all() -> None:
    """A page: the vision tower is done before the cache grows."""
    config, page = config_of("Qwen/Qwen2-VL-2B-Instruct"), Workload(2492 * 3500, new_tokens=64)
    it = footprint(config, None, "bf16", workload=page)
    vision = 44500 * (34 * 1280 + 8 * 80 + 2352)
    assert it.kv_bytes + it.activation_bytes == pytest.approx(vision, rel=0.01)
    long = footprint(config, None, "bf16", workload=Workload(2492 * 3500, new_tokens=200_000))
    assert long.activation_bytes < long.kv_bytes / 20  # the last token: the cache and little else


def test_activations_are_linear_in_pixels_and_pictures_but_one_tile_for_got() -> None:
    qwen, got = config_of("Qwen/Qwen2-VL-2B-Instruct"), config_of("stepfun-ai/GOT-OCR-2.0-hf")

    def beside(config: Any, pixels: int, images: int = 1) -> int:
        return reading_bytes(config, "bf16", "eager" if config is got else "sdpa")(pixels, images, 16)

    assert beside(qwen, 4 * 1036**2) == pytest.approx(4 * beside(qwen, 1036**2), rel=0.01)
    assert beside(qwen, 1036**2, 4) == pytest.approx(4 * beside(qwen, 1036**2), rel=0.01)
    tile = 12 * 4096**2 * 12 + 4096 * 768 * 10
    assert beside(got, 1024**2) == pytest.approx(tile, rel=0.01)
    assert beside(got, 9 * 1024**2) < 1.05 * tile  # its tiles are encoded one by one


def test_got_pays_tokens_for_every_tile_and_the_thumbnail_and_never_cuts_more_than_twelve() -> None:
    got = config_of("stepfun-ai/GOT-OCR-2.0-hf")
    tiles = {
        size: footprint(got, None, "bf16", workload=Workload(size * 1024**2, prompt_tokens=0, new_tokens=0))
        for size in (1, 2, 6, 12, 30)
    }
    assert {size: it.kv_bytes // (256 * 98304) for size, it in tiles.items()} == {
        **{1: 1, 2: 1, 6: 7},
        **{12: 13, 30: 13},
    }


def test_eager_attention_of_a_page_needs_a_matrix_for_each_head() -> None:
    config, page = config_of("Qwen/Qwen2-VL-2B-Instruct"), Workload(2480 * 3508)
    sdpa = footprint(config, None, "bf16", workload=page, attention="sdpa").activation_bytes
    eager = footprint(config, None, "bf16", workload=page, attention="eager").activation_bytes
    assert sdpa < 3 * GIB
    assert eager > 100 * GIB


def test_several_pages_of_got_at_once_pay_for_eager_attention_of_the_whole_prompt() -> None:
    beside = reading_bytes(config_of("stepfun-ai/GOT-OCR-2.0-hf"), "bf16", "eager", prompt_tokens=0)
    tokens = 13 * 256
    assert beside(12 * 1024**2, 4, 16) > 4 * 16 * tokens**2 * 10


def test_quantised_layers_need_room_for_what_they_compute_in() -> None:
    config = config_of("Qwen/Qwen3-VL-8B-Instruct")
    page = Workload(2496 * 3520, new_tokens=16)
    beside = {
        precision: footprint(config, None, precision, workload=page) for precision in ("bf16", "int8", "int4")
    }
    sizes = {precision: it.kv_bytes + it.activation_bytes for precision, it in beside.items()}
    assert sizes["int4"] - sizes["bf16"] == 2 * 4096 * 12288  # one unpacked matrix
    tokens = 2496 * 3520 // 32**2 + 128
    assert sizes["int8"] - sizes["bf16"] == tokens * 12288 * 4  # int32 and fp16 beside it


def test_every_term_says_where_its_number_comes_from() -> None:
    it = footprint(config_of("Qwen/Qwen3-VL-8B-Instruct"), None, "int4", workload=Workload(1024**2))
    assert [term.name for term in it.terms] == ["weights", "kv", "activations", "context", "margin"]
    assert all(len(term.source) > 15 and term.bytes > 0 for term in it.terms)
    assert it.need_bytes == it.weights_bytes + it.kv_bytes + it.activation_bytes + it.overhead_bytes
    cpu = footprint(
        config_of("Qwen/Qwen3-VL-8B-Instruct"), None, "int4", workload=Workload(1024**2), device_kind="cpu"
    )
    assert it.need_bytes - cpu.need_bytes == int(0.6 * GIB)


def test_what_an_engine_asks_room_for_is_activations_and_kv() -> None:
    config = config_of("Qwen/Qwen3-VL-2B-Instruct")
    it = footprint(config, None, "int8", workload=Workload(2**20, 3, new_tokens=500))
    assert reading_bytes(config, "int8")(2**20, 3, 500) == it.activation_bytes + it.kv_bytes


def test_every_catalogued_family_can_be_planned_from_its_files() -> None:
    for family in families():
        for model_type in family.model_types:
            config = {
                "model_type": model_type,
                "text_config": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
                "vision_config": {
                    "hidden_size": 64,
                    "patch_size": 14,
                    "num_attention_heads": 4,
                    "image_size": 224,
                },
            }
            headers = {"model.layers.0.up_proj.weight": Info("BF16", (64, 64), 8192)}
            it = footprint(config, headers, "int4", workload=Workload(family.default_pixels))
            assert it.activation_bytes > 0, model_type


def test_an_unknown_architecture_without_files_is_refused_with_a_remedy() -> None:
    with pytest.raises(VramwiseError, match="only known from its files"):
        weights_of_config({"model_type": "gpt2"})
    with pytest.raises(VramwiseError, match="does not give 'hidden_size'"):
        weights_of_config({"model_type": "qwen3_vl", "vision_config": {}})
    with pytest.raises(VramwiseError, match="Use one of: fp16, bf16"):
        footprint(config_of("Qwen/Qwen3-VL-2B-Instruct"), None, "int3", workload=Workload(1))


def test_planning_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, vramwise.planning as p, vramwise.families.published as w;"
        "c = w.published_config('Qwen/Qwen3-VL-8B-Instruct');"
        "p.footprint(c, None, 'int4', workload=p.Workload(1 << 20));"
        "print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("ratio", [None, 0.1, 1.7])
@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_the_need_without_words_is_the_need(kind: str, ratio: float | None) -> None:
    """Whoever looks for the largest picture asks hundreds of times, and reads no sentence."""
    from vramwise.planning.footprint import Correction, Workload, need_bytes, weights_term, with_weights

    known = None if ratio is None else Correction(ratio, "measured")
    for row in ocr_models():
        config = published_config(row.repo) if row.repo else None
        if config is None or saved_quantised(config) is not None:
            continue
        for precision, pixels, images in (("bf16", 300_000, 1), ("int4", 8_000_000, 4)):
            of = (weights_term(config, None, precision, False), config, precision, Workload(pixels, images))
            assert need_bytes(*of, "sdpa", kind, known) == with_weights(*of, "sdpa", kind, known).need_bytes
