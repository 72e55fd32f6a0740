"""Who keeps a live torch model: a script keeps it itself, inside ComfyUI its memory manager does."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


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
    """For scripts: loads at first use, keeps until released."""

    def __init__(self, spec: LoadSpec, load: Load, size_bytes: int) -> None:
        self.spec = spec
        self._load, self._size = load, size_bytes
        self._net: torch.nn.Module | None = None

    def use(self, activation_bytes: int) -> torch.nn.Module:
        if self._net is None:
            self._net = self._load()
        return self._net

    def release(self) -> None:
        self._net = None
        gc.collect()

    def resident_bytes(self) -> int:
        return self._size if self._net is not None else 0


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
