"""The tiny checkpoints: every family opens, answers, and has a tokenizer that takes printed strings apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from benchmarks.quality import FAMILIES  # noqa: E402
from devtools.tiny_models import build  # noqa: E402

MOST_BYTES = 3_000_000
MOST_TRAINED_BYTES = 12_000_000


@pytest.mark.parametrize("family", build.families())
def test_every_family_is_small_complete_and_built_once(family: str, built: Callable[..., Path]) -> None:
    folder = built(build.tiny_checkpoint, family)
    names = {file.name for file in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".py", ".pt"))]
    assert sum(file.stat().st_size for file in folder.iterdir()) < MOST_BYTES
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert build.tiny_checkpoint(family) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("family", build.families())
def test_layers_that_may_be_quantised_have_sizes_that_bitsandbytes_takes(
    family: str, built: Callable[..., Path]
) -> None:
    from safetensors import safe_open

    folder = built(build.tiny_checkpoint, family)
    with safe_open(str(folder / "model.safetensors"), "pt") as file:
        for name in file.keys():  # noqa: SIM118 (not a mapping)
            shape = file.get_slice(name).get_shape()
            if len(shape) != 2 or any(
                part in name for part in ("embed", "lm_head", "rel_pos", "pos_", "mlp.gate.", "query_")
            ):
                continue
            assert shape[1] % 64 == 0 and shape[0] % 32 == 0, (name, shape)


def test_a_printed_string_is_one_token_a_character_and_a_prompt_about_one_a_word() -> None:
    words = transformers.AutoTokenizer.from_pretrained(
        build.tiny_checkpoint("qwen3_vl"), local_files_only=True
    )
    for start in range(0, len(build.READABLE), 9):
        text = build.READABLE[start : start + 9]
        assert len(words(text)["input_ids"]) == len(text)
        assert words.decode(words(text)["input_ids"]) == text
    prompt = " Extract all the text content from this image"
    assert len(words(prompt)["input_ids"]) == len(prompt.split())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_checkpoint_is_a_complete_folder_of_at_most_twelve_megabytes(family: str) -> None:
    folder = build.trained_checkpoint(family)
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= set(sizes)
    assert not [name for name in sizes if name.endswith((".bin", ".py", ".pt"))]
    assert sum(sizes.values()) <= MOST_TRAINED_BYTES


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_checkpoint_has_the_weights_of_its_class_stored_in_sixteen_bits(family: str) -> None:
    import safetensors.torch

    folder = build.trained_checkpoint(family)
    net, told = transformers.AutoModelForImageTextToText.from_pretrained(
        folder, local_files_only=True, output_loading_info=True
    )
    assert not told["missing_keys"] and not told["unexpected_keys"] and not told["mismatched_keys"]
    assert 1_000_000 < sum(weight.numel() for weight in net.parameters()) < 6_000_000
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("family", "size", "longest"), [("qwen3_vl", (320, 64), 10), ("got_ocr2", (128, 128), 16)]
)
def test_held_out_strings_are_two_hundred_different_readable_ones(
    family: str, size: tuple[int, int], longest: int
) -> None:
    pairs = build.held_out(family)
    assert len(pairs) == len({text for _, text in pairs}) == 200
    assert {picture.size for picture, _ in pairs} == {size}
    assert all(set(text) <= set(build.READABLE) and 4 <= len(text) <= longest for _, text in pairs)
