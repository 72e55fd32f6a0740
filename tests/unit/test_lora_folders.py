"""A folder with an adapter and no whole model: what it is, of which base, and what to do."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog import ocr_model
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.models.names import model_ids
from vramwise.settings import Settings
from vramwise.weights import checkpoints, local_checkpoint, local_checkpoints, locate, lora_folders

REPO = "Qwen/Qwen3-VL-2B-Instruct"
RAW = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
WHOLE = struct.pack("<Q", len(RAW)) + RAW + bytes(8)


def lora(
    folder: Path, base: Any = REPO, kind: Any = "LORA", weights: str = "adapter_model.safetensors"
) -> Path:
    folder.mkdir(parents=True)
    told = {"peft_type": kind, "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
    (folder / weights).write_bytes(WHOLE)
    return folder


def whole(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "qwen3_vl"}', encoding="utf-8")
    (folder / "model.safetensors").write_bytes(WHOLE)
    return folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """With peft, whether or not it is here: nothing below loads."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(lora_folders, "find_spec", lambda name: name)
    return Settings(places=Places(tmp_path / "user", (tmp_path / "models",)))


def said_of(name: str, machine: Settings) -> str:
    with pytest.raises(VramwiseError) as caught:
        local_checkpoint(name, machine)
    listed = {odd.name: odd.reason for odd in checkpoints.odd_folders(machine)}
    assert listed.get(name, str(caught.value)) == str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "base",
    [
        REPO,
        "unsloth/Qwen3-VL-2B-Instruct-unsloth-bnb-4bit",
        "unsloth/Qwen3-VL-2B-Instruct-bnb-4bit",
        "unsloth/Qwen3-VL-2B-Instruct",
        "/home/somebody/models/Qwen3-VL-2B-Instruct/",
        "C:\\\\models\\\\Qwen3-VL-2B-Instruct",
        "./pretrained/qwen3_vl_2b_instruct",
    ],
)
def test_the_base_is_found_by_the_last_part_of_its_name(tmp_path: Path, machine: Settings, base: str) -> None:
    folder = lora(tmp_path / "models" / "LLM" / "mine", base)
    its = whole(tmp_path / "models" / "LLM" / "Qwen3-VL-2B-Instruct")
    found = local_checkpoint("mine", machine)
    assert (found.path, found.adapter, found.model_type, found.tensor_bytes) == (its, folder, "qwen3_vl", 16)
    assert found.weight_files == (its / "model.safetensors", folder / "adapter_model.safetensors")
    assert "mine" in model_ids()


def test_without_its_base_it_says_what_it_is_and_how_to_get_it(tmp_path: Path, machine: Settings) -> None:
    lora(tmp_path / "models" / "LLM" / "mine")
    said = said_of("mine", machine)
    assert f"is an adapter (LORA) of {REPO}, not a whole model" in said
    assert "its base is not on this machine" in said and "download qwen3_vl_2b" in said
    assert "merge it into its base" in said and "mine" in model_ids()


def test_without_peft_it_says_so_with_this_pythons_pip_line(
    tmp_path: Path, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora(tmp_path / "models" / "LLM" / "mine")
    whole(tmp_path / "models" / "LLM" / "Qwen3-VL-2B-Instruct")
    monkeypatch.setattr(lora_folders, "find_spec", lambda name: None)
    assert "the package peft is needed" in said_of("mine", machine) and "-m pip install peft" in said_of(
        "mine", machine
    )


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"weights": "adapter_model.bin"}, "can run any Python code"),
        ({"weights": "other.safetensors"}, "adapter_model.safetensors is missing"),
        ({"kind": "PROMPT_TUNING"}, "and no PROMPT_TUNING: merge it"),
        ({"kind": ["LORA"]}, "does not say of which model"),
        ({"base": ""}, "does not say of which model"),
        ({"base": {"a": 1}}, "does not say of which model"),
    ],
)
def test_what_cannot_be_put_on_top_is_a_sentence(
    tmp_path: Path, machine: Settings, about: dict[str, Any], said: str
) -> None:
    lora(tmp_path / "models" / "LLM" / "mine", **about)
    whole(tmp_path / "models" / "LLM" / "Qwen3-VL-2B-Instruct")
    assert said in said_of("mine", machine)


def test_an_adapter_of_a_model_that_is_none_of_ours_is_in_no_list_and_still_answered(
    tmp_path: Path, machine: Settings
) -> None:
    lora(tmp_path / "models" / "LLM" / "flux-style", "black-forest-labs/FLUX.1-dev")
    assert "flux-style" not in model_ids() and checkpoints.odd_folders(machine) == []
    assert "is an adapter (LORA) of black-forest-labs/FLUX.1-dev" in said_of("flux-style", machine)


def test_an_adapter_with_a_config_of_its_own_is_one_all_the_same_and_never_taken_for_its_base(
    tmp_path: Path, machine: Settings
) -> None:
    """Trainers copy the base's config.json and processor beside the adapter, by the base's name even."""
    folder = lora(tmp_path / "models" / "LLM" / "Qwen3-VL-2B-Instruct")
    (folder / "config.json").write_text('{"model_type": "qwen3_vl"}', encoding="utf-8")
    with pytest.raises(VramwiseError, match="is not on this machine"):
        locate(ocr_model("qwen3_vl_2b"), machine)
    assert "not a whole model" in said_of("Qwen3-VL-2B-Instruct", machine)


def test_what_is_left_in_a_whole_folder_makes_no_adapter_of_it(tmp_path: Path, machine: Settings) -> None:
    folder = whole(tmp_path / "models" / "LLM" / "mine")
    shutil.copy(lora(tmp_path / "elsewhere") / "adapter_config.json", folder)
    (found,) = local_checkpoints(machine)
    assert found.adapter is None and found.path == folder
