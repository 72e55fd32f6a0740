"""Who keeps a live torch model: a script keeps it itself, inside ComfyUI its memory manager does."""

from __future__ import annotations

import gc
import logging
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

log = logging.getLogger("vramwise.ocr")


@dataclass(frozen=True)
class LoadSpec:
    """What makes two resident models the same one: change any of it and it is another model, never the old
    weights.

    ``precision`` is "bf16", "fp16", "fp32", "int8" or "int4"; ``device`` a torch device string.
    """

    path: Path
    model_type: str
    precision: str
    attention: str
    device: str
    quantise_vision: bool = False
    revision: str | None = None


class Owner(Protocol):
    """Keeps one model, loads it at need and lets it go on request."""

    @property
    def spec(self) -> LoadSpec: ...

    def use(self, activation_bytes: int) -> torch.nn.Module:
        """The net, resident on ``spec.device`` now, with room made for ``activation_bytes`` beside it.

        Called at every inference; the caller keeps no reference beyond it.
        """

    def release(self) -> None:
        """Let the weights go; a later ``use`` brings them back."""

    def resident_bytes(self) -> int:
        """Bytes held on the device now; 0 when evicted."""


Load = Callable[[], "torch.nn.Module"]
OwnerFactory = Callable[[LoadSpec, Load, int], Owner]


class PlainOwner:
    """For scripts: loads at first use, keeps until released or until another model needs the room.

    A plan counts the other models of its device as evictable, so they are: where free memory does not cover
    a load or a reading, they are released, the one that was used longest ago first, and come back at their
    next use. A model that is spread over several devices ("auto") stays, and counts as room for nobody.
    """

    def __init__(self, spec: LoadSpec, load: Load, size_bytes: int) -> None:
        self.spec = spec
        self._load, self._size = load, size_bytes
        self._net: torch.nn.Module | None = None
        self._used_at = 0.0

    def use(self, activation_bytes: int) -> torch.nn.Module:
        self._used_at = time.monotonic()
        self._make_room(activation_bytes + (self._size if self._net is None else 0))
        if self._net is None:
            self._net = self._load()
        return self._net

    def release(self) -> None:
        self._net = None
        gc.collect()
        _empty_cache(self.spec.device)

    def resident_bytes(self) -> int:
        return self._size if self._net is not None else 0

    def _make_room(self, need_bytes: int) -> None:
        from ...hardware import free_bytes, probe

        device = self.spec.device
        beside = [
            owner
            for owner in living_owners()
            if isinstance(owner, PlainOwner) and owner is not self and evictable_bytes(owner, device)
        ]
        for owner in sorted(beside, key=lambda owner: owner._used_at):
            if free_bytes(probe(device, torch="import")) >= need_bytes:
                return
            log.info("%s is released to make room for %s.", owner.spec.path.name, self.spec.path.name)
            owner.release()


def evictable_bytes(owner: Owner, device: str) -> int:
    """Bytes that letting ``owner`` go gives back on ``device``; none of a model spread over several."""
    return owner.resident_bytes() if owner.spec.device == device != "auto" else 0


def _empty_cache(device: str) -> None:
    """Let torch return what it keeps of ``device``: the driver, and with it the next plan, then counts it as
    free.
    """
    import torch

    kind = device.partition(":")[0].replace("auto", "cuda")
    if kind in ("cuda", "xpu", "mps"):
        getattr(torch, kind).empty_cache()  # nothing where torch has not touched the device


class _Host:
    factory: OwnerFactory = PlainOwner


_owners: weakref.WeakValueDictionary[LoadSpec, Owner] = weakref.WeakValueDictionary()


def set_owner_factory(factory: OwnerFactory) -> None:
    """Called once by the ComfyUI bridge: from then on its memory manager owns every model."""
    _Host.factory = factory


def owner_of(spec: LoadSpec, load: Load, size_bytes: int) -> Owner:
    """The owner of ``spec``: the living one where another handle has it, else a new one.

    Owners live as long as a handle holds them; in ComfyUI that is as long as its cache keeps the loader's
    output.
    """
    owner = _owners.get(spec)
    if owner is None:
        owner = _Host.factory(spec, load, size_bytes)
        _owners[spec] = owner
    return owner


def living_owners() -> list[Owner]:
    """Every owner that a handle still holds."""
    return list(_owners.values())
