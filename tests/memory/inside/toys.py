"""Toy nets, an invented accelerator, and an empty memory manager around each check.

`torch.device("cpu", 0)` plays the accelerator: it is not equal to `torch.device("cpu")`, so ComfyUI takes all
the ways it would take with a GPU. Only its free memory is invented: a budget, less what the models on it say
that they hold.
"""

from __future__ import annotations

import gc
import importlib
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import comfy.model_management as mm
import comfy.ops
import pytest
import torch
from comfy.model_patcher import ModelPatcher

managed = importlib.import_module("vramwise_pack.nodes.bridge.managed")
memory = importlib.import_module("vramwise_pack.nodes.bridge.memory")
host = importlib.import_module("vramwise_pack.core.host")
place = importlib.import_module("vramwise_pack.core.models.place")
owners = importlib.import_module("vramwise_pack.core.ocr.vlm.model_owner")

gc.freeze()  # what was imported is never garbage: collections, of which there are hundreds here, pass it by

GPU = torch.device("cpu", 0)
CPU = torch.device("cpu")
MIB = 1024**2
KEEP_FREE = mm.minimum_inference_memory()
REAL_FREE = mm.get_free_memory
MOVES: list[tuple[str, torch.device]] = []


class Net(torch.nn.Module):
    """Weights of ``mib`` MiB, filled with ``value``; remembers every move."""

    def __init__(self, mib: int, value: float = 1.0) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(512, 512, bias=False) for _ in range(mib))
        with torch.no_grad():
            for layer in self.layers:
                layer.weight.fill_(value)

    def to(self, device: torch.device) -> Net:  # type: ignore[override]
        MOVES.append(("to", device))
        return super().to(device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x) / 512
        return x


class Factory:
    """Makes nets and keeps none: only weak references to those made."""

    def __init__(self, mib: int = 6, value: float = 1.0) -> None:
        self.mib, self.value = mib, value
        self.made: list[weakref.ref[Net]] = []
        self.error: BaseException | None = None

    def __call__(self) -> Net:
        net = Net(self.mib, self.value)
        self.made.append(weakref.ref(net))
        if self.error is not None:
            raise self.error
        return net

    def living(self) -> int:
        return sum(ref() is not None for ref in self.made)


class Machine:
    """An invented accelerator beside the real RAM."""

    def __init__(self, budget_mib: float) -> None:
        self.budget = KEEP_FREE + budget_mib * MIB
        self.ram = 64 * 1024 * MIB
        self.patchers: weakref.WeakSet[Any] = weakref.WeakSet()

    def used(self) -> float:
        return sum(patcher.loaded_size() for patcher in self.patchers)

    def free(self, device: Any = None, torch_free_too: bool = False) -> Any:
        free = self.ram if device == CPU else self.budget - self.used()
        return (free, 0) if torch_free_too else free

    def owner(self, load: Callable[[], Any], mib: float = 6, **spec: Any) -> Any:
        given = {
            "path": Path("models/LLM/Toy"),
            "model_type": "toy",
            "precision": "bf16",
            "attention": "sdpa",
            "device": str(mm.get_torch_device()),
            **spec,
        }
        made = owners.owner_of(owners.LoadSpec(**given), load, int(mib * MIB))
        self.patchers.add(made.patcher)
        return made

    def diffusion(self, mib: int) -> ModelPatcher:
        """A peer as core makes them: comfy.ops layers, so it can also be loaded in part."""
        linear = comfy.ops.disable_weight_init.Linear
        net = torch.nn.Sequential(*(linear(512, 512, bias=False) for _ in range(mib)))
        peer = ModelPatcher(net, mm.get_torch_device(), CPU, size=mm.module_size(net))
        self.patchers.add(peer)
        return peer


def read(owner: Any, activation_bytes: int = 0) -> float:
    net = owner.use(activation_bytes)
    with torch.inference_mode():
        return round(float(net(torch.ones(1, 512)).mean()), 4)


def listed(owner: Any) -> bool:
    return any(entry.model is owner.patcher for entry in mm.current_loaded_models)


@pytest.fixture(autouse=True)
def toy_facts(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """What core/ocr/vlm/load.py says of real nets, said of toys."""
    facts = {"movable": True}

    def measured(net: torch.nn.Module) -> tuple[int, bool]:
        return sum(p.numel() * p.element_size() for p in net.parameters()), facts["movable"]

    monkeypatch.setattr(managed, "_measured", measured)
    return facts


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Each check starts and ends with an empty memory manager and no owner."""
    managed.manage_models()
    MOVES.clear()
    yield
    mm.interrupt_current_processing(False)
    gc.collect()
    mm.current_loaded_models.clear()
    owners._owners.clear()  # a failed check's traceback still holds its owner


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """10 MiB beside what ComfyUI always keeps free; ComfyUI believes it is a normal GPU."""
    invented = Machine(10)
    monkeypatch.setattr(mm, "get_free_memory", invented.free)
    monkeypatch.setattr(mm, "get_torch_device", lambda: GPU)
    monkeypatch.setattr(managed, "shares_ram", lambda device: False)
    monkeypatch.setattr(mm, "is_device_cpu", lambda device: device == CPU)
    monkeypatch.setattr(mm, "vram_state", mm.VRAMState.NORMAL_VRAM)
    return invented
