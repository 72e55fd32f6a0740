"""ComfyUI's own memory manager with a pretend card: a real tiny model beside 4 GiB, against diffusion."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator
from logging import WARNING, root
from pathlib import Path
from typing import Any

import comfy.model_management as mm
import comfy.ops
import numpy as np
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from PIL import Image, ImageDraw
from transformers.utils import logging

from devtools.tiny_models.build import talkative_checkpoint

GIB, MIB = 1024**3, 1024**2
CARD, RAM = torch.device("cuda", 0), torch.device("cpu")
TOKENS = 8

managed = importlib.import_module("vramwise_pack.nodes.bridge.managed")
owners = importlib.import_module("vramwise_pack.core.ocr.vlm.model_owner")
engines = importlib.import_module("vramwise_pack.core.ocr.vlm.engine")
loading = importlib.import_module("vramwise_pack.core.ocr.vlm.load")
protocol = importlib.import_module("vramwise_pack.core.ocr.engines.protocol")
families = importlib.import_module("vramwise_pack.core.families.family")


def large(gib: float) -> torch.nn.Parameter:
    """Weights that nobody has written yet: RAM gives room for them without having it."""
    return torch.nn.Parameter(torch.empty(int(gib * GIB / 2), dtype=torch.float16), requires_grad=False)


def unwritten(module: torch.nn.Module, name: str) -> None:
    """Newer ComfyUI writes zeros for weights that come back from a card without numbers: 5 GiB a round."""
    old = getattr(module, name)
    setattr(module, name, torch.nn.Parameter(torch.empty(old.shape, dtype=old.dtype), requires_grad=False))


if hasattr(comfy.ops.disable_weight_init, "_zero_init_parameter"):
    comfy.ops.disable_weight_init._zero_init_parameter = staticmethod(unwritten)


def picture(word: str = "Hello 123") -> np.ndarray:
    made = Image.new("RGB", (224, 112), "white")
    ImageDraw.Draw(made).text((10, 30), word, fill="black", font_size=30)
    return np.asarray(made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talkative_checkpoint("qwen3_vl", tmp_path_factory.mktemp("models") / "reader")


@pytest.fixture(autouse=True)
def emptied(live: Any) -> Iterator[None]:
    """Each check starts with nothing on the card, and leaves nothing there."""
    managed.manage_models()
    logging.disable_progress_bar()
    root.setLevel(WARNING)
    yield
    mm.interrupt_current_processing(False)
    live.pools[0].fail_at = None
    mm.unload_all_models()
    owners._owners.clear()
    gc.collect()
    mm.current_loaded_models.clear()
    mm.soft_empty_cache()
    assert live.allocated() == 0


@pytest.fixture
def reader(folder: Path) -> Callable[..., Any]:
    """``reader(gib)``: an engine whose weights take ``gib``; its text is of the tiny real model in it."""

    def make(gib: float = 4, at_once: int = 1) -> Any:
        spec = owners.LoadSpec(folder, "qwen3_vl", "bf16", "sdpa", "cuda:0")
        family = families.family_of_model_type("qwen3_vl")

        def load() -> Any:
            net = loading.load_net(spec, family)
            net.beside = torch.nn.Parameter(large(gib).to(CARD), requires_grad=False)
            return net

        owner = owners.owner_of(spec, load, int(gib * GIB))
        limits = engines.Limits(224 * 112, at_once, None, lambda pixels, images, *more: 64 * MIB * images)
        return engines.VLMEngine(family, folder, owner, "reader", "bf16", limits)

    return make


def diffusion(gib: float) -> ModelPatcher:
    """As core makes them, of comfy.ops' layers of half a GiB: it can be loaded in part."""
    linear = comfy.ops.disable_weight_init.Linear
    layers = (linear(16384, 16384, bias=False, dtype=torch.float16) for _ in range(int(2 * gib)))
    net = torch.nn.Sequential(*layers)
    return ModelPatcher(net, CARD, RAM, size=mm.module_size(net))


def read(engine: Any, *pictures: np.ndarray, progress: Any = None) -> list[Any]:
    options = protocol.ReadOptions(max_new_tokens=TOKENS)
    return list(engine.read(pictures or (picture(),), options, progress or protocol.NoProgress()))


def test_a_diffusion_model_and_ours_take_turns_on_a_pretend_card_of_8_gib(
    live: Any, reader: Callable[..., Any]
) -> None:
    ours, peer = reader(4), diffusion(5)
    (first,) = read(ours)
    for _ in range(2):
        mm.load_models_gpu([peer], memory_required=GIB)
        assert ours.owner.resident_bytes() == 0
        assert 5 * GIB <= live.allocated() <= 5.2 * GIB
        (again,) = read(ours)
        assert again.text == first.text
        assert ours.owner.resident_bytes() >= 4 * GIB
        assert live.pools[0].most_reserved <= 8 * GIB
    assert live.pools[0].failures == 0, "room was made before it was needed"


def test_a_sampler_that_takes_what_it_announced_finds_it_on_a_pretend_card(
    live: Any, reader: Callable[..., Any]
) -> None:
    ours = reader(4)
    (first,) = read(ours)
    peer = diffusion(2)
    mm.load_models_gpu([peer], memory_required=3 * GIB)
    latents = torch.empty(int(2.5 * GIB), dtype=torch.uint8, device=CARD)
    assert (live.pools[0].failures, ours.owner.resident_bytes()) == (0, 0)
    del latents
    assert read(ours)[0].text == first.text


def test_memory_that_runs_out_in_the_middle_of_generate_halves_the_batch_on_a_pretend_card(
    live: Any, reader: Callable[..., Any]
) -> None:
    ours = reader(1, at_once=2)
    pictures = (picture("Hello 123"), picture("World 456"))
    alone = [read(ours, one)[0].text for one in pictures]
    before = live.allocated()
    live.fail_at(400)
    found = read(ours, *pictures)
    assert live.pools[0].failures == 1
    assert [one.text for one in found] == alone
    assert any("read 1 at a time" in note for note in found[0].notes)
    assert live.allocated() == before


def test_cancel_in_the_middle_of_generate_leaves_the_weights_alone_on_a_pretend_card(
    live: Any, reader: Callable[..., Any]
) -> None:
    ours = reader(1)
    (first,) = read(ours)
    before = live.allocated()

    class Cancelled(protocol.NoProgress):
        seen = 0

        def token(self, done: int, limit: int, text: str) -> None:
            self.seen = done
            if done == 3:
                mm.interrupt_current_processing()

        def check(self) -> None:
            mm.throw_exception_if_processing_interrupted()

    progress = Cancelled()
    with pytest.raises(mm.InterruptProcessingException):
        read(ours, progress=progress)
    mm.interrupt_current_processing(False)
    assert progress.seen == 3, "within one token"
    assert live.allocated() == before
    assert read(ours)[0].text == first.text


def test_200_rounds_of_eviction_and_return_leave_nothing_behind_on_a_pretend_card(
    live: Any, reader: Callable[..., Any]
) -> None:
    ours, peer = reader(4), diffusion(5)
    seen = []
    for _ in range(200):
        ours.owner.use(64 * MIB)
        mm.load_models_gpu([peer])
        seen.append((live.pools[0].allocated, live.pools[0].reserved))
    assert ours.owner.resident_bytes() == 0
    assert len(set(seen[5:])) == 1, "bytes after each round"
    assert read(ours)[0].tokens == TOKENS
