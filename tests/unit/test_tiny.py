"""The tiny checkpoints: every family opens, answers, and has a tokenizer that takes printed strings apart."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from devtools import tiny  # noqa: E402

MOST_BYTES = 3_000_000


@pytest.mark.parametrize("family", tiny.families())
def test_every_family_is_small_complete_and_built_once(family: str) -> None:
    try:
        folder = tiny.tiny_checkpoint(family)
    except tiny.NotHere as reason:
        pytest.skip(str(reason))
    names = {file.name for file in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".py", ".pt"))]
    assert sum(file.stat().st_size for file in folder.iterdir()) < MOST_BYTES
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert tiny.tiny_checkpoint(family) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("family", tiny.families())
def test_layers_that_may_be_quantised_have_sizes_that_bitsandbytes_takes(family: str) -> None:
    from safetensors import safe_open

    try:
        folder = tiny.tiny_checkpoint(family)
    except tiny.NotHere as reason:
        pytest.skip(str(reason))
    with safe_open(str(folder / "model.safetensors"), "pt") as file:
        for name in file.keys():  # noqa: SIM118 (not a mapping)
            shape = file.get_slice(name).get_shape()
            if len(shape) != 2 or any(part in name for part in ("embed", "lm_head", "rel_pos", "pos_")):
                continue
            assert shape[1] % 64 == 0 and shape[0] % 32 == 0, (name, shape)


def test_a_printed_string_is_one_token_a_character_and_a_prompt_about_one_a_word() -> None:
    words = transformers.AutoTokenizer.from_pretrained(
        tiny.tiny_checkpoint("qwen3_vl"), local_files_only=True
    )
    for start in range(0, len(tiny.READABLE), 9):
        text = tiny.READABLE[start : start + 9]
        assert len(words(text)["input_ids"]) == len(text)
        assert words.decode(words(text)["input_ids"]) == text
    prompt = " Extract all the text content from this image"
    assert len(words(prompt)["input_ids"]) == len(prompt.split())


def test_held_out_strings_are_two_hundred_different_readable_ones() -> None:
    pairs = tiny.held_out()
    assert len(pairs) == len({text for _, text in pairs}) == 200
    assert {picture.size for picture, _ in pairs} == {(320, 64)}
    assert all(set(text) <= set(tiny.READABLE) and 4 <= len(text) <= 10 for _, text in pairs)
