"""ComfyUI's memory manager owns our torch models.

A Shell is what ComfyUI tracks by weak reference, a ManagedPatcher what it calls, a ComfyOwner what the core
holds. Loading is all or nothing: transformers layers cannot run half on the device. See the memory contract
in docs and the traps in comfy/model_management.py: a model is only ever evictable while it is known there.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import comfy.model_management as mm
import torch
from comfy.model_patcher import ModelPatcher

from ...core.errors import VramwiseError
from ...core.host import set_out_of_memory_test
from ...core.ocr.vlm.model_owner import (
    LoadSpec,
    Residence,
    closed_error,
    let_graphs_go,
    residences,
    set_owner_factory,
)
from ...core.units import GIB
from .memory import shares_ram

log = logging.getLogger("vramwise")

# What the rest of the machine keeps when an evicted model moves to RAM: the system, ComfyUI's caches, a
# browser.
RAM_MARGIN_BYTES = 2 * GIB


class Shell(torch.nn.Module):
    """The stable object that ComfyUI tracks; the net in it comes and goes.

    ``where`` is kept here and not asked of a tensor: a tensor forgets the index of its device, and a
    dropped net has none. ``size_bytes`` is the caller's estimate until the first load, then what was
    measured. Every move is told to ``residence``, which is all that other threads look at.
    """

    device: torch.device  # ComfyUI's: where the model is, or goes next

    def __init__(
        self,
        load: Callable[[], torch.nn.Module],
        size_bytes: int,
        residence: Residence,
        load_device: torch.device,
    ) -> None:
        super().__init__()
        self.load, self.size_bytes = load, size_bytes
        self.residence, self.load_device = residence, load_device
        self.net: torch.nn.Module | None = None
        self.where: torch.device | None = None
        self.movable = False
        self.lock = threading.RLock()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """One thread at a time brings, moves or drops the net. An owner that was closed meanwhile could not
        wait for it, so whoever was at it drops the net when it is done.
        """
        try:
            with self.lock:
                yield
        finally:
            if self.residence.closed and self.net is not None:
                self.drop()

    def resident(self, device: torch.device) -> bool:
        return self.net is not None and self.where == device

    def is_at(self, device: torch.device | None) -> None:
        """The net is on ``device`` now, whole; None: nowhere."""
        self.where = device
        here = self.size_bytes if device is not None else 0
        on_device = device == self.load_device
        self.residence.tell(here if on_device else 0, 0 if on_device else here)

    def drop(self) -> None:
        """Forget the net and reclaim reference cycles through it."""
        with self.lock:
            self.net = None
            self.is_at(None)
        gc.collect()

    def forget(self) -> torch.nn.Module | None:
        """Hand the net over, unless another thread is at it. Waits for nobody: a collection may ask this in
        the middle of anything.
        """
        if not self.lock.acquire(blocking=False):
            return None
        try:
            net, self.net = self.net, None
            self.is_at(None)
            return net
        finally:
            self.lock.release()


class ManagedPatcher(ModelPatcher):
    """A ModelPatcher around a Shell: everything that core asks about weights is answered from the shell."""

    model: Shell

    def __init__(
        self,
        model: Shell,
        load_device: torch.device,
        offload_device: torch.device,
        size: int = 0,
        **more: Any,
    ) -> None:
        super().__init__(model, load_device, offload_device, size=size, **more)

    def model_size(self) -> int:
        return self.model.size_bytes

    def loaded_size(self) -> int:
        return self.model.size_bytes if self.model.resident(self.load_device) else 0

    def get_ram_usage(self) -> int:
        """Bytes in the machine's RAM, by which ComfyUI's cache decides what to drop when RAM runs short."""
        where = self.model.where
        return self.model.size_bytes if where is not None and where.type == "cpu" else 0

    def current_loaded_device(self) -> torch.device:
        resident = self.model.resident(self.load_device)
        return self.load_device if resident else self.offload_device

    def is_dynamic(self) -> bool:
        return False

    def partially_load(
        self, device_to: torch.device, extra_memory: int = 0, force_patch_weights: bool = False, **more: Any
    ) -> int:
        """The whole net on ``device_to``; core has made the room before. Returns the bytes that this took.

        On failure, an interrupt included, nothing stays behind and the error goes on to the caller.
        """
        shell = self.model
        with shell.changing():
            if shell.resident(device_to):
                return 0
            try:
                # Prompts run inside inference_mode: parameters made there could not be used elsewhere.
                with torch.inference_mode(False):
                    if shell.net is None:
                        shell.net = shell.load()
                        shell.size_bytes, shell.movable = _measured(shell.net)
                    else:
                        shell.net.to(device_to)
            except BaseException as error:
                traceback.clear_frames(error.__traceback__)  # their locals hold half-loaded weights
                shell.drop()
                shell.device = self.offload_device
                mm.soft_empty_cache()
                raise
            self.size = shell.size_bytes
            shell.device = device_to
            shell.is_at(device_to)
            return int(shell.size_bytes)

    def partially_unload(
        self, device_to: torch.device, memory_to_free: int = 0, force_patch_weights: bool = False, **more: Any
    ) -> int:
        """Never a part: with 0 freed, core goes on to ``detach`` and lets the whole net go."""
        return 0

    def detach(self, unpatch_all: bool = True) -> Shell:
        """Evict, when ``unpatch_all``. Without it core only re-registers the model, and nothing may move."""
        if unpatch_all and self.model.resident(self.load_device):
            self._evict()
        return self.model

    def patch_model(self, *positional: Any, **named: Any) -> Shell:
        return self.model

    def unpatch_model(self, device_to: torch.device | None = None, unpatch_weights: bool = True) -> None:
        if unpatch_weights:
            self.detach(True)

    def unpin_all_weights(self) -> None:
        """Nothing is ever pinned; called by the base class when a patcher dies."""

    def _evict(self) -> None:
        shell = self.model
        with shell.changing():
            shell.device = self.offload_device
            let_graphs_go(shell.net)
            if shell.net is None or not self._may_wait_in_ram():
                shell.drop()
                return
            try:
                with torch.inference_mode(False):
                    shell.net.to(self.offload_device)
            except BaseException as error:
                traceback.clear_frames(error.__traceback__)
                shell.drop()
                if not isinstance(error, (RuntimeError, MemoryError)):
                    raise
                # Whoever asked for room gets it either way; the next use reads the weights from disk.
                log.warning("An evicted OCR model could not move to RAM (%s) and was dropped.", error)
            else:
                shell.is_at(self.offload_device)

    def _may_wait_in_ram(self) -> bool:
        """Whether eviction keeps the weights in RAM.

        Where the offload device is the load device (--cpu, --gpu-only, --highvram) or RAM is the device's own
        memory (Apple, DGX Spark, integrated GPUs), a move would give nothing back.
        """
        if not self.model.movable or self.load_device == self.offload_device:
            return False
        if mm.vram_state == mm.VRAMState.SHARED or shares_ram(str(self.load_device)):
            return False
        free = mm.get_free_memory(torch.device("cpu"))
        return bool(free > self.model.size_bytes + RAM_MARGIN_BYTES)


class ComfyOwner:
    """core.ocr.vlm.model_owner.Owner inside ComfyUI. The patcher, and through it the net, lives as long as
    this object.

    ``use`` and ``release`` belong to the thread that runs prompts, as all of ComfyUI's memory manager does;
    other threads look at ``residence``. There is no ``__del__``: Python runs one while weak references still
    lead to the object, and whoever followed one then held half an owner. ``weakref.finalize`` comes after
    the last of them is dead.
    """

    def __init__(self, spec: LoadSpec, load: Callable[[], torch.nn.Module], size_bytes: int) -> None:
        self.spec = spec
        self.residence = Residence(spec, self)
        device = _device(spec.device)
        shell = Shell(load, size_bytes, self.residence, device)
        self.patcher = ManagedPatcher(shell, device, _offload_device(device), size_bytes)
        self._end = weakref.finalize(self, _end_of_owner, self.patcher, self.residence)
        self._end.atexit = False

    def use(self, activation_bytes: int) -> torch.nn.Module:
        """The net on its device, with ``activation_bytes`` free beside it as far as others could be
        evicted.
        """
        if self.residence.closed:
            raise closed_error(self.spec)
        mm.load_models_gpu([self.patcher], memory_required=activation_bytes)
        net = self.patcher.model.net
        if net is None:
            raise VramwiseError(
                f"{self.spec.name} was let go again while it was being loaded. Queue the prompt once "
                "more; if that repeats, choose a smaller precision or close other programs that use the GPU."
            )
        return net

    def release(self) -> None:
        """Drop the weights, on the device and in RAM, and leave ComfyUI's list of loaded models."""
        shell = self.patcher.model
        if shell.net is not None:
            let_graphs_go(shell.net)
            shell.drop()
        others = [entry for entry in mm.current_loaded_models if entry.model is not self.patcher]
        mm.free_memory(1e30, self.patcher.load_device, keep_loaded=others)

    def forget(self) -> object:
        """The weights go to the caller; the entry in ComfyUI's list, which only the prompt's thread may
        touch, stays and counts nothing until the next load or eviction.
        """
        return self.patcher.model.forget()

    def close(self) -> None:
        self.release()
        self._end()

    def resident_bytes(self) -> int:
        """Bytes on the device now; 0 while the weights wait in RAM or are dropped."""
        return self.residence.resident_bytes()

    def get_ram_usage(self) -> int:
        return self.patcher.get_ram_usage()


def _end_of_owner(patcher: ManagedPatcher, residence: Residence) -> None:
    """No handle holds the owner any more. Runs in whichever thread let the last one go, perhaps within a
    collection: it waits for nobody.
    """
    residence.close()
    net = patcher.model.forget()
    if net is not None:
        dismantle(net)


def dismantle(net: torch.nn.Module) -> None:
    """Give back the weights of a net that nobody will use again, now and in this thread.

    Layers with hooks form reference cycles, so to drop the net is not enough. A collection instead would hold
    the interpreter for a third of a second in a process of this size, and outside the prompt's thread it
    could end other packs' models between two lines of ComfyUI's memory manager.
    """
    for part in list(net.modules()):
        part.__dict__.clear()


@dataclass(frozen=True)
class ManagedModel:
    """One model of ours as ComfyUI's memory manager sees it. ``device_bytes`` and ``ram_bytes`` are 0 when
    not there.
    """

    spec: LoadSpec
    device: str
    device_bytes: int
    ram_bytes: int


def comfy_owner_factory(spec: LoadSpec, load: Callable[[], torch.nn.Module], size_bytes: int) -> ComfyOwner:
    """An OwnerFactory. ``size_bytes`` is the predicted weight size: core makes that much room first."""
    return ComfyOwner(spec, load, size_bytes)


def manage_models() -> None:
    """From now on every torch model of the pack belongs to ComfyUI's memory manager, and its judgement of
    an error that memory ran out counts, where it has one. Called once at set-up.
    """
    set_owner_factory(comfy_owner_factory)
    judge = getattr(mm, "is_oom", None)
    # Where torch has no class of its own, ComfyUI takes every error for one.
    if judge is not None and getattr(mm, "OOM_EXCEPTION", None) is not Exception:
        set_out_of_memory_test(judge)


def managed_owners_report() -> list[ManagedModel]:
    """What each living model of ours holds now, for the panel. Any thread may ask."""
    report = []
    for one in residences():
        on_device, in_ram = one.held()
        report.append(ManagedModel(one.spec, str(_device(one.spec.device)), on_device, in_ram))
    return report


def _device(named: str) -> torch.device:
    """``named`` with its index: core compares devices, and "cuda" is not "cuda:0" to it."""
    device, comfys = torch.device(named), mm.get_torch_device()
    return comfys if device.index is None and device.type == comfys.type else device


def _offload_device(device: torch.device) -> torch.device:
    """RAM, or the device itself where ComfyUI was started to keep models on it."""
    keeps = mm.unet_offload_device() == mm.get_torch_device()
    return device if keeps else torch.device("cpu")


def _measured(net: torch.nn.Module) -> tuple[int, bool]:
    """Real bytes of the weights, and whether they may be moved between devices."""
    from ...core.ocr.vlm.load import movable, true_bytes  # brings transformers, which a loaded net has anyway

    return true_bytes(net), movable(net)
