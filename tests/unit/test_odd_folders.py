"""One odd folder: judged alone, listed with its reason, hiding no other model; no traceback from any list."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.settings import Settings
from vramwise.weights import checkpoint_files, checkpoints, safetensors_headers

CONFIG = {
    "model_type": "qwen3_vl",
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "tie_word_embeddings": True,
    "text_config": {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 500,
    },
    "vision_config": {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 16,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 64,
        "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
    },
}  # fmt: skip


def safetensors(header: bytes, body: bytes = b"\0" * 4) -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def one_tensor(**changed: Any) -> bytes:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changed}
    return safetensors(json.dumps({"a": entry}).encode())


WHOLE = one_tensor()
PLAIN = json.dumps(CONFIG).encode()
SAME = {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"}
NO_NAMES = b'{"weight_map": {"a": ["x"], "b": "\\u0000.safetensors"}}'
HALF = b'{"weight_map": {"a": "\\ud800.safetensors"}}'
ODD_ADAPTER = b'{"peft_type": [], "base_model_name_or_path": {}}'
RAW = b'{"a":{"dtype":"F32","shape":%s,"data_offsets":[0,%s]}}'


def _wide(value: bytes) -> bytes:
    return PLAIN.replace(b'"hidden_size": 64', b'"hidden_size": ' + value)


Files = dict[str, bytes]
CASES: dict[str, Files] = {
    "a model_type that is a list": {"config.json": b'{"model_type": ["qwen3_vl"]}'},
    "a model_type that is an object": {"config.json": b'{"model_type": {"a": 1}}'},
    "a model_type that is null": {"config.json": b'{"model_type": null}'},
    "a model_type that is a number": {"config.json": b'{"model_type": 5}'},
    "a model_type given twice": {"config.json": b'{"model_type": "qwen3_vl", "model_type": []}'},
    "a model_type that is half a letter": {"config.json": b'{"model_type": "\\ud800"}'},
    "architectures that are no names": {
        "config.json": b'{"model_type": "qwen3_vl", "architectures": [{"a": 1}, ["b"]]}'
    },
    "a config nested too deeply": {"config.json": b'{"a":' * 100_000},
    "a config nested deeper than a copy goes": {"config.json": b'{"a":' * 400 + b"1" + b"}" * 400},
    "a config in UTF-16": {"config.json": b"\xff\xfe{\x00}\x00"},
    "a config of 30 MB": {"config.json": b'{"a": "' + b"x" * 30_000_000 + b'"}'},
    "a number of 5,000 digits": {"config.json": b'{"model_type": "qwen3_vl", "x": ' + b"9" * 5000 + b"}"},
    "widths that are NaN": {"config.json": _wide(b"NaN")},
    "widths that are text": {"config.json": _wide(b'"big"')},
    "widths of 0": {"config.json": PLAIN.replace(b'"num_attention_heads": 4', b'"num_attention_heads": 0')},
    "widths beyond any float": {"config.json": _wide(b"1" + b"0" * 400)},
    "parts that are no objects": {"config.json": b'{"model_type": "qwen3_vl", "text_config": 5}'},
    "a quantisation that is a list": {"config.json": PLAIN[:-1] + b', "quantization_config": [1]}'},
    "a quantisation without a method": {"config.json": PLAIN[:-1] + b', "quantization_config": {}}'},
    "an empty config": {"config.json": b""},
    "offsets of 1e999": {"model.safetensors": safetensors(RAW % (b"[1]", b"1e999"))},
    "a shape of 1e999": {"model.safetensors": safetensors(RAW % (b"[1e999]", b"4"))},
    "a shape of NaN": {"model.safetensors": safetensors(RAW % (b"[NaN]", b"4"))},
    "a negative shape": {"model.safetensors": one_tensor(shape=[-1], data_offsets=[0, -4])},
    "a shape in text": {"model.safetensors": one_tensor(shape=["1"], data_offsets=["0", "4"])},
    "a shape whose product no machine holds": {"model.safetensors": one_tensor(shape=[2**62] * 4000)},
    "a true for a 1": {"model.safetensors": one_tensor(shape=[True])},
    "a dtype that is a list": {"model.safetensors": one_tensor(dtype=["F32"])},
    "a header of 2 GB": {"model.safetensors": struct.pack("<Q", 2**31) + b"{}"},
    "a header of 2^63 bytes": {"model.safetensors": struct.pack("<Q", 2**63 + 5) + b"{}"},
    "a header nested too deeply": {"model.safetensors": safetensors(b"[" * 100_000, b"")},
    "a header that is a list": {"model.safetensors": safetensors(b"[]", b"")},
    "two tensors in one place": {"model.safetensors": safetensors(json.dumps(SAME).encode())},
    "a record nested too deeply": {".vramwise.json": b"[" * 100_000},
    "a record of a download nested too deeply": {".incomplete": b"[" * 100_000},
    "notes of the hub that are no text": {".cache/huggingface/download/config.json.metadata": b"\xff" * 100},
    "an index that names a folder": {
        "model.safetensors": b"",
        "model.safetensors.index.json": b'{"weight_map": {"a": "../x.safetensors"}}',
    },
    "an index that names what is no name": {
        "model.safetensors": b"",
        "model.safetensors.index.json": NO_NAMES,
    },
    "an index with half a letter": {"model.safetensors": b"", "model.safetensors.index.json": HALF},
    "an index nested too deeply": {
        "model.safetensors": b"",
        "model.safetensors.index.json": b'{"weight_map": ' * 50_000,
    },
    "an adapter whose record is odd": {
        "model.safetensors": b"",
        "adapter_config.json": ODD_ADAPTER,
        "adapter_model.safetensors": WHOLE,
    },
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine with one good checkpoint and room for an odd one beside it."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path / "models"))
    put(tmp_path / "models" / "LLM" / "good", {})
    return Settings(places=Places(tmp_path / "user", (tmp_path / "models",)))


def put(folder: Path, files: Files) -> Path:
    """A folder of ``files`` over those of a good checkpoint; an empty model.safetensors is left out."""
    for name, content in {"config.json": PLAIN, "model.safetensors": WHOLE, **files}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name != "model.safetensors" or content:
            file.write_bytes(content)
    checkpoint_files._parsed.cache_clear()
    safetensors_headers._read_header.cache_clear()
    return folder


def asked_of_all(settings: Settings, name: str) -> tuple[list[str], str]:
    """The names that every list offers, and what is said of ``name``: its plan, or a sentence."""
    from vramwise.hardware.budget import budget_of_memory
    from vramwise.models.names import model_ids
    from vramwise.models.request import plan
    from vramwise.panel_data import installed_models

    offered = model_ids()
    installed_models()
    odd = {folder.name: folder.reason for folder in checkpoints.odd_folders(settings)}
    assert all(len(reason) > 20 for reason in odd.values())
    said = odd.get(name, "")
    try:
        said = said or plan(name, budget=budget_of_memory(8)).text()
    except VramwiseError as error:
        said = str(error)
    return offered, said


@pytest.mark.parametrize("case", CASES)
def test_an_odd_folder_is_judged_alone(tmp_path: Path, machine: Settings, case: str) -> None:
    put(tmp_path / "models" / "LLM" / "odd", CASES[case])
    offered, said = asked_of_all(machine, "odd")
    assert "good" in offered and said


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("a model_type that is a list", "not a name"),
        ("a config nested too deeply", "nested too deeply"),
        ("a config of 30 MB", "more than 8 MB"),
        ("offsets of 1e999", "damaged or only half downloaded"),
        ("a record of a download nested too deeply", "partly downloaded"),
        ("widths that are text", "does not describe a Qwen3-VL model"),
        ("an index that names a folder", "Only safetensors files beside it"),
    ],
)
def test_the_reason_is_told_where_the_folder_is_chosen_and_where_models_are_listed(
    tmp_path: Path, machine: Settings, case: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from vramwise.cli import main
    from vramwise.models.handle import ocr_handle

    put(tmp_path / "models" / "LLM" / "odd", CASES[case])
    assert reason in ocr_handle("odd").plan()
    assert main(["models"]) == 0
    told = capsys.readouterr().out
    assert reason in told or "cannot be planned" in ocr_handle("odd").plan()


def _loop(folder: Path) -> None:
    (folder / "round").symlink_to(folder / "round")


def _config_is_a_folder(folder: Path) -> None:
    put(folder / "odd", {})
    (folder / "odd" / "config.json").unlink()
    (folder / "odd" / "config.json").mkdir()


def _config_is_a_loop(folder: Path) -> None:
    put(folder / "odd", {})
    (folder / "odd" / "config.json").unlink()
    (folder / "odd" / "config.json").symlink_to(folder / "odd" / "config.json")


def _weights_are_a_pipe(folder: Path) -> None:
    put(folder / "odd", {"model.safetensors": b""})
    os.mkfifo(folder / "odd" / "model.safetensors")


def _config_is_a_pipe(folder: Path) -> None:
    put(folder / "odd", {})
    (folder / "odd" / "config.json").unlink()
    os.mkfifo(folder / "odd" / "config.json")


def _two_lines(folder: Path) -> None:
    put(folder / "two\nlines \x1b[31m", {})


def _no_unicode(folder: Path) -> None:
    put(Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9")), {})


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither pipes in folders nor such names")
@pytest.mark.parametrize(
    "make",
    [
        _loop,
        _config_is_a_folder,
        _config_is_a_loop,
        _weights_are_a_pipe,
        _config_is_a_pipe,
        _two_lines,
        _no_unicode,
    ],
)
def test_what_a_folder_can_be_beside_one_with_files_hides_nothing(
    tmp_path: Path, machine: Settings, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "models" / "LLM")
    offered, _ = asked_of_all(machine, "odd")
    assert "good" in offered and all(checkpoints.printable(name) for name in offered)


def test_a_folder_that_may_not_be_read_hides_nothing(
    tmp_path: Path, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as root, to whom everything is open: the refusal is the system call's."""
    closed = put(tmp_path / "models" / "LLM" / "closed", {})
    really = Path.stat

    def stat(path: Path, **more: Any) -> os.stat_result:
        if closed in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, **more)

    monkeypatch.setattr(Path, "stat", stat)
    offered, said = asked_of_all(machine, "closed")
    assert "good" in offered and "Permission denied" in said


# --- a seeded mutator ---------------------------------------------------------------------------------------

INDEX = json.dumps({"metadata": {"total_size": 4}, "weight_map": {"a": "model-1.safetensors"}}).encode()
RECORD = json.dumps({"commit": "0" * 40, "model": "qwen3_vl_2b", "files": {"a": 1}}).encode()
ADAPTER = json.dumps(
    {"peft_type": "LORA", "base_model_name_or_path": "x/good", "r": 4, "target_modules": ["q_proj"]}
).encode()
SAVED = json.dumps(
    {
        **CONFIG,
        "quantization_config": {
            "quant_method": "fp8",
            "weight_block_size": [128, 128],
            "modules_to_not_convert": ["visual"],
        },
    }
).encode()
SEEDS: dict[str, tuple[str, bytes]] = {
    "config": ("config.json", PLAIN),
    "quantised config": ("config.json", SAVED),
    "index": ("model.safetensors.index.json", INDEX),
    "header": ("model.safetensors", WHOLE),
    "record": (".vramwise.json", RECORD),
    "adapter": ("adapter_config.json", ADAPTER),
}
WORDS = [
    b"null",
    b"NaN",
    b"1e999",
    b"-1",
    b"[]",
    b"{}",
    b'""',
    b"[[",
    b"{",
    b"true",
    b'"\\ud800"',
    b"9" * 400,
    b"\0",
    b"\xff",
    b"[" * 3000,
]


def mutated(content: bytes, chance: random.Random) -> bytes:
    """``content`` with one to three changes: values put in another's place, bytes flipped, cut, doubled."""
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(content) + 1)
        stop = min(len(content), start + chance.choice((0, 1, 4, 20, 200)))
        content = chance.choice(
            (
                content[:start] + chance.choice(WORDS) + content[stop:],
                content[:start] + bytes([chance.randrange(256)]) + content[start + 1 :],
                content[:start],
                content[:stop] + content[start:],
                _value_replaced(content, chance),
            )
        )
    return content


def _value_replaced(content: bytes, chance: random.Random) -> bytes:
    """A whole value of the JSON becomes another one, so that more than the first bracket is tried."""
    colons = [place for place, byte in enumerate(content) if byte == ord(":")]
    if not colons:
        return content
    start = chance.choice(colons) + 1
    ends = [place for place in (content.find(b",", start), content.find(b"}", start)) if place > 0]
    return content[:start] + chance.choice(WORDS) + content[min(ends, default=len(content)) :]


@pytest.mark.parametrize("kind", SEEDS)
def test_a_hundred_mutations_of_each_kind_of_file_end_in_a_list_and_a_sentence(
    tmp_path: Path, machine: Settings, kind: str
) -> None:
    file, seed = SEEDS[kind]
    chance = random.Random(kind)
    beside: Files = {}
    if kind == "index":
        beside = {"model.safetensors": b"", "model-1.safetensors": WHOLE}
    if kind == "adapter":
        beside = {"model.safetensors": b"", "adapter_model.safetensors": WHOLE}
    for number in range(100):
        folder = put(tmp_path / "models" / "LLM" / "odd", {**beside, file: mutated(seed, chance)})
        os.utime(folder / file, ns=(0, number))
        offered, said = asked_of_all(machine, "odd")
        assert "good" in offered and said, f"{kind} {number}"
