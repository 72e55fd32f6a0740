"""Finding checkpoints: every folder people put them in, and a sentence for every way they can be broken."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from vramwise.catalog import OCRModel
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.settings import Settings
from vramwise.weights import (
    checkpoint_files,
    huggingface_cache,
    local_checkpoint,
    local_checkpoints,
    locate,
    read_config,
    searched_model_folders,
    tensor_index,
    verify,
)
from vramwise.weights.checkpoints import Checkpoint

REPO = "Qwen/Qwen3-VL-2B-Instruct"
NAME = "Qwen3-VL-2B-Instruct"
COMMIT = "89644892e4d85e24eaac8bacfd4f463576704203"
MODEL = OCRModel(
    id="qwen3_vl_2b", name="Qwen3-VL 2B", engine="vlm", runs_on="gpu", weight_bytes=None,
    licence="", about="", source="", date="", family="qwen3_vl", repo=REPO,
)  # fmt: skip
Shapes = Mapping[str, tuple[int, ...]]
SHAPES: Shapes = {"model.embed.weight": (10, 4), "model.norm.weight": (4,), "lm_head.weight": (10, 4)}


def safetensors(path: Path, shapes: Shapes = SHAPES, dtype: str = "BF16") -> Path:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(end))
    return path


def checkpoint(folder: Path, model_type: str = "qwen3_vl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}), encoding="utf-8")
    safetensors(folder / "model.safetensors")
    return folder


def sharded(folder: Path) -> Path:
    checkpoint(folder)
    (folder / "model.safetensors").unlink()
    names = {}
    for number, (name, shape) in enumerate(SHAPES.items(), 1):
        file = f"model-{number:05}-of-00003.safetensors"
        safetensors(folder / file, {name: shape})
        names[name] = file
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}), encoding="utf-8")
    return folder


def cached_repo(hub: Path, commits: tuple[str, ...] = (COMMIT,), main: str = COMMIT) -> Path:
    """A repo as huggingface_hub caches it: snapshots hold links to blobs."""
    repo = hub / f"models--{REPO.replace('/', '--')}"
    for commit in commits:
        snapshot = checkpoint(repo / "snapshots" / commit)
        for file in list(snapshot.iterdir()):
            blob = repo / "blobs" / f"{commit}{file.name}"
            blob.parent.mkdir(exist_ok=True)
            os.replace(file, blob)
            try:
                file.symlink_to(blob)
            except OSError:  # Windows without the right to make links: the cache holds files there too
                os.replace(blob, file)
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(main, encoding="utf-8")
    return repo


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HF_HOME", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def machine(tmp_path: Path) -> Settings:
    return Settings(places=Places(user_dir=tmp_path / "user", models_dirs=(tmp_path / "models",)))


@pytest.mark.parametrize(
    "place",
    [
        NAME,
        f"LLM/{NAME}",
        f"LLM/Qwen-VL/{NAME}",
        f"LLM/{REPO}",
        f"prompt_generator/{NAME}",
        f"LLM/{NAME.lower()}",
        "LLM/Qwen--Qwen3-VL-2B-Instruct",
        "LLM/Qwen_Qwen3-VL-2B-Instruct",
        f"LLM/models--Qwen--Qwen3-VL-2B-Instruct/snapshots/{COMMIT}",
    ],
)
def test_a_checkpoint_is_found_where_people_and_packs_put_it(
    tmp_path: Path, machine: Settings, place: str
) -> None:
    folder = checkpoint(tmp_path / "models" / place)
    found = locate(MODEL, machine)
    assert found.path == folder and found.model_type == "qwen3_vl" and found.name == NAME
    assert found.weight_files == (folder / "model.safetensors",)
    assert found.tensor_bytes == 2 * (40 + 4 + 40)


def test_a_dot_in_a_repos_name_may_be_spelt_as_modelscope_and_dots_own_guide_do(
    tmp_path: Path, machine: Settings
) -> None:
    dots = replace(MODEL, id="dots_ocr", repo="rednote-hilab/dots.ocr")
    for number, name in enumerate(("dots.ocr", "dots___ocr", "DotsOCR")):
        base = tmp_path / str(number)
        folder = checkpoint(base / name, "dots_ocr")
        assert locate(dots, replace(machine, models_dirs=(base,))).path == folder


def test_folders_of_config_go_first_and_the_hosts_registered_ones_are_searched(tmp_path: Path) -> None:
    places = Places(tmp_path / "user", (tmp_path / "models",), checkpoint_dirs=(tmp_path / "extra",))
    machine = Settings(places=places, models_dirs=(tmp_path / "mine",))
    registered = checkpoint(tmp_path / "extra" / NAME)
    assert locate(MODEL, machine).path == registered
    mine = checkpoint(tmp_path / "mine" / NAME)
    assert locate(MODEL, machine).path == mine
    folders = searched_model_folders(machine)
    assert folders[:2] == [tmp_path / "mine", tmp_path / "mine" / "LLM"] and folders[-1] == tmp_path / "hub"


def test_the_hugging_face_cache_is_read_main_first_and_nothing_in_it_changes(
    hub: Path, machine: Settings
) -> None:
    repo = cached_repo(hub, ("1" * 40, COMMIT, "f" * 40))
    before = sorted(path for path in hub.rglob("*"))
    found = locate(MODEL, machine)
    assert found.path == repo / "snapshots" / COMMIT and found.revision == COMMIT and found.name == NAME
    assert locate(replace(MODEL, revision="f" * 40), machine).revision == "f" * 40, "the pinned commit wins"
    assert sorted(path for path in hub.rglob("*")) == before
    mine = checkpoint(machine.all_models_dirs[0] / NAME)
    assert locate(replace(MODEL, revision=COMMIT), machine).path == mine, "the person's own folder goes first"


def test_a_cached_snapshot_without_weights_gives_way_to_a_whole_one(hub: Path, machine: Settings) -> None:
    repo = cached_repo(hub, (COMMIT, "2" * 40))
    (repo / "snapshots" / COMMIT / "model.safetensors").unlink()
    assert locate(MODEL, machine).revision == "2" * 40


def test_the_cache_is_where_huggingface_hub_itself_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE")
    assert huggingface_cache() == tmp_path / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert huggingface_cache() == tmp_path / "xdg" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", "~/hf")
    assert huggingface_cache() == tmp_path / "hf" / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "direct"))
    assert huggingface_cache() == tmp_path / "direct"


def test_an_absent_model_names_every_folder_the_exact_name_and_the_command(machine: Settings) -> None:
    with pytest.raises(VramwiseError) as caught:
        locate(MODEL, machine)
    said = str(caught.value)
    assert f"{NAME}/config.json" in said and "download qwen3_vl_2b" in said and REPO in said
    assert all(str(folder) in said for folder in searched_model_folders(machine))


def test_7_a_missing_shard_is_named(tmp_path: Path, machine: Settings) -> None:
    folder = sharded(tmp_path / "models" / NAME)
    assert len(locate(MODEL, machine).weight_files) == 3
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(VramwiseError, match=r"lacks model-00002-of-00003.safetensors \(1 of 3") as caught:
        locate(MODEL, machine)
    assert str(folder) in str(caught.value) and "download qwen3_vl_2b" in str(caught.value)


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    folder = sharded(tmp_path / NAME)
    (folder / "model.safetensors.index.json").unlink()
    with pytest.raises(VramwiseError, match=r"neither model.safetensors nor model.safetensors.index.json"):
        verify(folder)


def test_shards_of_two_checkpoints_are_not_taken_for_one(tmp_path: Path) -> None:
    folder = sharded(tmp_path / NAME)
    safetensors(folder / "model-00003-of-00003.safetensors", {"other.weight": (2, 2)})
    with pytest.raises(VramwiseError, match=r"no tensor lm_head\.weight"):
        verify(folder)


@pytest.mark.parametrize("left", [0, 7, 8, 40, -1])
def test_a_truncated_file_is_named_with_its_sizes(tmp_path: Path, machine: Settings, left: int) -> None:
    folder = checkpoint(tmp_path / "models" / NAME)
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    with pytest.raises(VramwiseError, match=r"model\.safetensors is damaged or only half downloaded"):
        locate(MODEL, machine)


def test_a_file_longer_than_its_header_says_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / NAME)
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(VramwiseError, match=r"bytes and the file has"):
        verify(folder)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff" * 8 + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 3) + b"{x}",
        struct.pack("<Q", 9) + b'{"a": {}}',
        struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
        b"<!doctype html><title>404</title>",
    ],
)
def test_what_is_not_a_safetensors_file_is_a_sentence_not_a_traceback(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(raw)
    with pytest.raises(VramwiseError, match=r"damaged or only half downloaded"):
        tensor_index(file)


@pytest.mark.parametrize("offsets", [[0, 7], [8, 16], [8, 0]])
def test_offsets_that_cannot_be_are_refused(tmp_path: Path, offsets: list[int]) -> None:
    raw = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": offsets}}).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(max(offsets)))
    with pytest.raises(VramwiseError, match=r"tensor a in it is impossible"):
        tensor_index(file)


def test_the_headers_tell_what_the_safetensors_library_reads(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    tensors = {
        "a": torch.zeros(3, 5, dtype=torch.bfloat16),
        "b": torch.zeros((), dtype=torch.int64),
        "c": torch.zeros(0, 4),
        "d": torch.zeros(7, dtype=torch.uint8),
        "e": torch.zeros(2, dtype=torch.float8_e4m3fn),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    index = tensor_index(tmp_path)
    assert {name: info.shape for name, info in index.items()} == {
        name: tuple(one.shape) for name, one in tensors.items()
    }
    assert {name: info.nbytes for name, info in index.items()} == {
        name: one.numel() * one.element_size() for name, one in tensors.items()
    }
    assert index["a"].dtype == "BF16"


def test_weights_that_could_run_code_are_refused_with_the_reason(tmp_path: Path, machine: Settings) -> None:
    folder = checkpoint(tmp_path / "models" / NAME)
    os.replace(folder / "model.safetensors", folder / "pytorch_model.bin")
    with pytest.raises(VramwiseError, match=r"pytorch_model\.bin.*can run any Python code.*safetensors only"):
        locate(MODEL, machine)


@pytest.mark.parametrize("place", [f"LLM/GGUF/{NAME}-Q4_K_M.gguf", f"LLM/{NAME}-GGUF/q8.gguf"])
def test_a_gguf_is_answered_with_how_to_serve_it(tmp_path: Path, machine: Settings, place: str) -> None:
    file = tmp_path / "models" / place
    file.parent.mkdir(parents=True)
    file.write_bytes(b"GGUF")
    for ask in (lambda: locate(MODEL, machine), lambda: local_checkpoint(NAME, machine, {"qwen3_vl"})):
        with pytest.raises(VramwiseError, match=r"llama.cpp.*Ollama.*endpoint") as caught:
            ask()
        assert str(file) in str(caught.value)


def test_an_index_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    folder = sharded(tmp_path / NAME)
    for name in ("../model.safetensors", "/etc/passwd", "a\\b.safetensors", "C:x.safetensors", "x.bin", 3):
        index = {"weight_map": {"a": name}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
        os.utime(folder / "model.safetensors.index.json", ns=(0, hash(name) % 10**15))
        with pytest.raises(VramwiseError, match=r"Only safetensors files beside it"):
            verify(folder)


def test_a_broken_copy_is_passed_by_when_a_whole_one_is_further_on(
    tmp_path: Path, hub: Path, machine: Settings
) -> None:
    broken = checkpoint(tmp_path / "models" / NAME)
    (broken / "model.safetensors").write_bytes(b"short")
    cached_repo(hub)
    assert locate(MODEL, machine).revision == COMMIT


def test_a_changed_config_is_read_again_and_a_broken_one_is_a_sentence(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / NAME)
    read_config(folder)["model_type"] = "changed by the caller"
    assert read_config(folder) == {"model_type": "qwen3_vl"}
    for text, said in (("{", "cannot be read as JSON"), ("[1]", "not the JSON object")):
        (folder / "config.json").write_text(text, encoding="utf-8")
        os.utime(folder / "config.json", ns=(0, len(text) * 10**12))
        with pytest.raises(VramwiseError, match=said):
            read_config(folder)
    with pytest.raises(VramwiseError, match=r"cannot be read"):
        read_config(tmp_path / "nowhere")


def test_own_checkpoints_of_a_known_kind_are_offered_by_their_folders_name(
    tmp_path: Path, hub: Path, machine: Settings
) -> None:
    models = tmp_path / "models"
    finetune = checkpoint(models / "LLM" / "my-finetune")
    checkpoint(models / "LLM" / "someone" / "abliterated")
    checkpoint(models / "LLM" / "a-text-model", "llama")
    checkpoint(models / "vramwise_quantised" / "my-finetune-int8-0123456789ab")
    (checkpoint(models / "LLM" / "half") / ".incomplete").write_text("{}", encoding="utf-8")
    (checkpoint(models / "LLM" / "no-weights") / "model.safetensors").unlink()
    (models / "LLM" / "junk").mkdir()
    (models / "LLM" / "junk" / "config.json").write_text("{{", encoding="utf-8")
    cached_repo(hub, (COMMIT, "3" * 40))
    names = [one.name for one in local_checkpoints(machine, {"qwen3_vl"})]
    assert names == ["abliterated", "my-finetune", NAME]
    assert local_checkpoint("my-finetune", machine, {"qwen3_vl"}).path == finetune
    with pytest.raises(VramwiseError, match='Did you mean "my-finetune"'):
        local_checkpoint("my-finetun", machine, {"qwen3_vl"})
    with pytest.raises(VramwiseError, match=r"only partly downloaded"):
        local_checkpoint("half", machine, {"qwen3_vl"})


def test_two_checkpoints_of_one_name_get_their_parents_in_front(
    tmp_path: Path, hub: Path, machine: Settings
) -> None:
    checkpoint(tmp_path / "models" / "LLM" / "alice" / NAME)
    checkpoint(tmp_path / "models" / "LLM" / "bob" / NAME)
    cached_repo(hub)
    names = [one.name for one in local_checkpoints(machine, {"qwen3_vl"})]
    assert names == [f"alice/{NAME}", f"bob/{NAME}", f"Qwen/{NAME}"]


def test_known_kinds_are_by_default_those_of_the_catalogs_families(tmp_path: Path, machine: Settings) -> None:
    from vramwise.families.family import families

    kind = families()[0].model_types[0]
    checkpoint(tmp_path / "models" / "mine", kind)
    checkpoint(tmp_path / "models" / "other", "no_such_kind")
    assert [one.name for one in local_checkpoints(machine)] == ["mine"]


def test_a_second_look_parses_nothing_again(
    tmp_path: Path, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        checkpoint(tmp_path / "models" / "LLM" / f"model{number}")
    assert len(local_checkpoints(machine, {"qwen3_vl"})) == 20
    monkeypatch.setattr(checkpoint_files.json, "loads", lambda *_: pytest.fail("parsed again"))
    assert len(local_checkpoints(machine, {"qwen3_vl"})) == 20


def test_the_commit_is_read_from_huggingface_hubs_own_notes(tmp_path: Path, machine: Settings) -> None:
    folder = checkpoint(tmp_path / "models" / NAME)
    assert locate(MODEL, machine).revision is None
    notes = folder / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    (notes / "config.json.metadata").write_text(f"{COMMIT}\netag\n1.0\n", encoding="utf-8")
    assert locate(MODEL, machine).revision == COMMIT


def test_a_folder_whose_files_change_has_another_stamp(tmp_path: Path) -> None:
    """Of weights that were trained on, of an adapter too; what a download leaves in dots is no file of it."""
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    for folder in (base, adapter):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    found = Checkpoint("x", base, "qwen3_vl", (), 0, None, adapter)
    before = found.stamp()
    (base / ".vramwise.json").write_text("{}")
    assert found.stamp() == before
    (adapter / "adapter_model.safetensors").write_bytes(b"trained")
    after = found.stamp()
    assert after != before and "adapter_model.safetensors 7" in after
    for folder in (base, adapter):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    assert found.stamp() == ""
