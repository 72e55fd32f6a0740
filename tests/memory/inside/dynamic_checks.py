"""Our models beside ComfyUI's dynamic ones (comfy-aimdo): their pages of weights come and go as they run."""

from __future__ import annotations

import importlib
import math
from typing import Any

import comfy.model_management as mm
import comfy.model_patcher
import pytest
import torch
from toys import CPU, GPU, MIB, Factory, Machine, listed, memory, read


class Pages:
    """What comfy-aimdo's driver half does, by number: it needs a card."""

    def __init__(self, size: int, index: int) -> None:
        self.reserved, self.held = 0, 0

    def alloc(self, size: int) -> tuple[Any, int, int]:
        self.reserved += size
        return self, self.reserved - size, size

    def prioritize(self) -> None:
        pass

    def loaded_size(self) -> int:
        return self.held

    def free_memory(self, wanted: float) -> int:
        freed = min(self.held, math.ceil(min(wanted, 1e15)))
        self.held -= freed
        return freed


class HostBuffer:
    def __init__(self, *sizes: int) -> None:
        self.size = 0

    def truncate(self, *positional: Any, **named: Any) -> None:
        pass


class Peer:
    """A diffusion-like model under the real ModelPatcherDynamic."""

    def __init__(self, machine: Machine, mib: int) -> None:
        plain = machine.diffusion(mib)
        for layer in plain.model:  # ComfyUI leaves them out until a file is read
            layer.weight = torch.nn.Parameter(torch.zeros(512, 512), requires_grad=False)
        self.machine = machine
        self.patcher = comfy.model_patcher.ModelPatcherDynamic(plain.model, GPU, CPU, size=mib * MIB)
        machine.patchers.add(self.patcher)

    def sample(self) -> int:
        """Load as a sampler does, and touch every page that there is room for, pages of other dynamic models
        included; MiB on the card afterwards.
        """
        mm.load_models_gpu([self.patcher])
        pages = self.patcher._vbar_get()
        others = [
            one._vbar_get() for one in self.machine.patchers if one.is_dynamic() and one is not self.patcher
        ]
        while pages.held < pages.reserved:
            room = self.machine.free() - mm.minimum_inference_memory() >= MIB
            if not room and not any(one.free_memory(MIB) for one in others if one is not None):
                break
            pages.held += MIB
        return self.held()

    def held(self) -> int:
        return round(self.patcher.loaded_size() / MIB)


@pytest.fixture
def dynamic(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """ComfyUI with dynamic VRAM on."""
    if not hasattr(comfy.model_patcher, "ModelPatcherDynamic"):
        pytest.skip("This ComfyUI has no dynamic VRAM.")
    monkeypatch.setattr(importlib.import_module("comfy.memory_management"), "aimdo_enabled", True)
    for name, stand_in in (("model_vbar.ModelVBAR", Pages), ("host_buffer.HostBuffer", HostBuffer)):
        module, _, attribute = f"comfy_aimdo.{name}".rpartition(".")
        monkeypatch.setattr(importlib.import_module(module), attribute, stand_in)
    return machine


def test_dynamic_vram_is_told(dynamic: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.dynamic_vram()
    monkeypatch.setattr(importlib.import_module("comfy.memory_management"), "aimdo_enabled", False)
    assert not memory.dynamic_vram()


def test_a_dynamic_model_gives_up_the_pages_that_ours_needs_and_no_more(dynamic: Machine) -> None:
    peer, factory = Peer(dynamic, 9), Factory()
    assert peer.sample() == 9
    owner = dynamic.owner(factory)
    text = read(owner)
    assert owner.resident_bytes() == 6 * MIB and listed(owner)
    assert 0 < peer.held() <= 4
    assert read(owner) == text and len(factory.made) == 1


def test_a_dynamic_model_evicts_ours_and_ours_comes_back(dynamic: Machine) -> None:
    factory = Factory()
    owner = dynamic.owner(factory)
    text = read(owner)
    assert Peer(dynamic, 9).sample() == 9
    assert owner.resident_bytes() == 0 and not listed(owner)
    assert read(owner) == text


def test_ours_and_dynamic_models_take_turns_without_growth(dynamic: Machine) -> None:
    peers, factory = [Peer(dynamic, 9), Peer(dynamic, 3)], Factory()
    owner = dynamic.owner(factory)
    texts = set()
    for number in range(40):
        assert peers[number % 2].sample() >= 3
        texts.add(read(owner, activation_bytes=MIB))
        assert dynamic.free() >= mm.minimum_inference_memory()
    assert len(texts) == 1 and factory.living() == 1
    mm.unload_all_models()
    assert owner.resident_bytes() == 0 and [peer.held() for peer in peers] == [0, 0]
