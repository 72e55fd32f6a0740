"""Folders of models as somebody may have them, and the cache of quantised weights."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import struct
from pathlib import Path
from typing import Any

from devtools.fuzzing.kinds import Kind, Place
from devtools.fuzzing.mutator import mutated_bytes, mutated_json
from devtools.paths import ROOT

_TRAINED = ROOT / "tests" / "fixtures" / "trained"
_TEXTS = (".json", ".jinja", ".txt")


def _models(place: Place) -> Path:
    return place.given / "models" / "LLM"


def _prepare(place: Place) -> None:
    """A good model, and an odd one beside it."""
    for name in ("good", "odd"):
        shutil.copytree(_TRAINED / "qwen3_vl", _models(place) / name)
    os.environ.update(VRAMWISE_MODELS=str(place.given / "models"), HF_HUB_CACHE=str(place.own / "hub"))


def _asked_of_all(place: Place) -> None:
    """Every list, and the plan of the odd one: the good one is always there."""
    from vramwise.hardware.budget import budget_of_memory
    from vramwise.models.names import model_ids
    from vramwise.models.request import plan
    from vramwise.panel_data import installed_models

    assert "good" in model_ids(), "a good model is hidden"
    installed_models()
    plan("odd", budget=budget_of_memory(8)).text()


def _file(name: str) -> Any:
    def attempt(data: bytes, sample: str, place: Place) -> None:
        file = _models(place) / "odd" / name
        before = file.read_bytes() if file.exists() else None
        file.write_bytes(data)
        try:
            _asked_of_all(place)
        finally:
            file.unlink()
            if before is not None:
                file.write_bytes(before)

    return attempt


@functools.cache
def _configs() -> dict[str, bytes]:
    return {name: (_TRAINED / name / "config.json").read_bytes() for name in ("qwen3_vl", "got_ocr2")}


@functools.cache
def _weights() -> dict[str, bytes]:
    """The real header over no more data than a few tensors have."""
    told = {
        "__metadata__": {"format": "pt"},
        "model.visual.patch_embed.proj.bias": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        "lm_head.weight": {"dtype": "BF16", "shape": [2, 4], "data_offsets": [16, 32]},
        "model.scale": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [32, 40]},
    }
    return {"small": _safetensors(json.dumps(told).encode(), bytes(40))}


def _safetensors(header: bytes, body: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def _weights_spoil(sample: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return mutated_bytes(sample, rng)
    (length,) = struct.unpack("<Q", sample[:8])
    return _safetensors(mutated_json(sample[8 : 8 + length], rng), sample[8 + length :])


def _indexes() -> dict[str, bytes]:
    map_ = {"lm_head.weight": "model-00001-of-00002.safetensors", "a": "model-00002-of-00002.safetensors"}
    return {"two": json.dumps({"metadata": {"total_size": 32}, "weight_map": map_}).encode()}


def _index_prepare(place: Place) -> None:
    _prepare(place)
    (_models(place) / "odd" / "model.safetensors").unlink()
    for number, name in enumerate(("lm_head.weight", "a"), 1):
        told = {name: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
        file = _models(place) / "odd" / f"model-0000{number}-of-00002.safetensors"
        file.write_bytes(_safetensors(json.dumps(told).encode(), bytes(16)))


# --- what text is made of ---------------------------------------------------------------------------------


@functools.cache
def _processors() -> dict[str, bytes]:
    folder = _TRAINED / "qwen3_vl"
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in _TEXTS}


def _processor_spoil(sample: bytes, rng: random.Random) -> bytes:
    return mutated_json(sample, rng) if sample.startswith(b"{\n") else mutated_bytes(sample, rng)


def _processor(data: bytes, sample: str, place: Place) -> None:
    """One picture is asked about, up to the tensors that a net would be given."""
    from PIL import Image
    from vramwise.families.family import family
    from vramwise.ocr.vlm.families import adapter_class

    its = family("qwen3_vl")
    file = _models(place) / "odd" / sample
    before = file.read_bytes()
    file.write_bytes(data)
    try:
        adapter = adapter_class(its)(its, file.parent)
        adapter.inputs([Image.new("RGB", (64, 64))], "Read the text.", its.tasks["text"])
    finally:
        file.write_bytes(before)


# --- quantised weights ------------------------------------------------------------------------------------


def _cache_prepare(place: Place) -> None:
    from vramwise.host import Places
    from vramwise.settings import Settings
    from vramwise.weights import quantised_cache as cache
    from vramwise.weights.checkpoints import Checkpoint

    source = place.given / "Tiny"
    source.mkdir()
    (source / "config.json").write_bytes(b'{"model_type": "tiny"}')
    (source / "model.safetensors").write_bytes(_weights()["small"])
    places = Places(place.own, (place.own / "models",))
    settings = Settings(places=places, quantised_cache=True)
    checkpoint = Checkpoint("Tiny", source, "tiny", (source / "model.safetensors",), 40, None)

    def save(folder: Path) -> None:
        shutil.copytree(source, folder, dirs_exist_ok=True)

    def store() -> Path:
        return cache.store(settings, checkpoint, "int8", False, save)

    place.kept.update(settings=settings, checkpoint=checkpoint, store=store)
    place.kept["samples"] = {"complete.json": (store() / "complete.json").read_bytes()}


def _cache(data: bytes, sample: str, place: Place) -> None:
    """Never taken for whole with another record; then listed, filled again, and cleared without a trace."""
    from vramwise.weights import quantised_cache as cache

    settings, checkpoint = place.kept["settings"], place.kept["checkpoint"]
    record = place.kept["store"]() / "complete.json"
    record.write_bytes(data)
    cache.entries(settings)
    found = cache.cached(settings, checkpoint, "int8")
    if found is not None:  # what matters of the record is as it was
        told, whole = json.loads(data), json.loads(place.kept["samples"][sample])
        assert told["fingerprint"] == whole["fingerprint"] and told["files"].keys() <= whole["files"].keys()
    cache.entries(settings)
    again = place.kept["store"]()
    assert cache.cached(settings, checkpoint, "int8") == again


KINDS = {
    "safetensors": Kind(_weights, _weights_spoil, _file("model.safetensors"), _prepare),
    "config": Kind(_configs, mutated_json, _file("config.json"), _prepare),
    "index": Kind(_indexes, mutated_json, _file("model.safetensors.index.json"), _index_prepare),
    "tokenizer": Kind(_processors, _processor_spoil, _processor, _prepare),
    "quantised_cache": Kind(dict, mutated_json, _cache, _cache_prepare),
}
