"""Who keeps a live torch model: a script keeps it itself, inside ComfyUI its memory manager does."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...errors import VramwiseError

if TYPE_CHECKING:
    import torch

log = logging.getLogger("vramwise.ocr")


@dataclass(frozen=True)
class LoadSpec:
    """What makes two resident models the same one: change any of it and it is another model, never the old
    weights.

    ``precision`` is "bf16", "fp16", "fp32", "int8" or "int4"; ``device`` a torch device string. ``files`` is
    the stamp of what lies in the folder: weights that were trained on are other weights.
    """

    path: Path
    model_type: str
    precision: str
    attention: str
    device: str
    quantise_vision: bool = False
    revision: str | None = None
    adapter: Path | None = None
    files: str = ""

    @property
    def name(self) -> str:
        """What a person knows it by: the folder's, an adapter's own."""
        return (self.adapter or self.path).name


class Residence:
    """Where the weights of one owner are, for whoever asks, from any thread and at any moment.

    It keeps nothing alive: an owner is held by handles only, dies with the last of them in the thread that
    let go of it, and is never handed to a thread that merely looks. Its figures are one tuple that the owner
    replaces, so that nobody sees half of a move. Closed once, it stays closed.
    """

    __slots__ = ("__weakref__", "_held", "_owner", "closed", "spec")

    def __init__(self, spec: LoadSpec, owner: Owner) -> None:
        self.spec, self.closed = spec, False
        self._owner = weakref.ref(owner)
        self._held = (0, 0)

    def tell(self, device_bytes: int, ram_bytes: int) -> None:
        """The owner's word after every move of its weights. A closed one holds nothing, whoever says else."""
        self._held = (0, 0) if self.closed else (device_bytes, ram_bytes)

    def close(self) -> None:
        """For ever: the owner is gone or about to be."""
        self.closed = True
        self._held = (0, 0)

    def owner(self) -> Owner | None:
        """Whom a handle still holds. For the thread that reads: others would keep it alive beyond its end."""
        return None if self.closed else self._owner()

    def held(self) -> tuple[int, int]:
        """(bytes on the device, bytes waiting in RAM) of one moment."""
        return (0, 0) if self.closed else self._held

    def resident_bytes(self) -> int:
        """Bytes on the device now; 0 when evicted."""
        return self.held()[0]

    def get_ram_usage(self) -> int:
        """Bytes of evicted weights that wait in RAM."""
        return self.held()[1]


class Owner(Protocol):
    """Keeps one model, loads it at need and lets it go on request."""

    @property
    def spec(self) -> LoadSpec: ...

    @property
    def residence(self) -> Residence: ...

    def use(self, activation_bytes: int) -> torch.nn.Module:
        """The net, resident on ``spec.device`` now, with room made for ``activation_bytes`` beside it.

        Called at every inference; the caller keeps no reference beyond it. Raises VramwiseError when closed.
        """

    def release(self) -> None:
        """Let the weights go; a later ``use`` brings them back."""

    def forget(self) -> object:
        """Let the weights go in no time: they are handed to the caller, who drops them where nobody waits.

        Any thread may ask. None where there are none or another thread is moving them.
        """

    def close(self) -> None:
        """Let everything go for ever. Handles that still hold this owner get a sentence at their next use."""

    def resident_bytes(self) -> int:
        """Bytes held on the device now; 0 when evicted."""


Load = Callable[[], "torch.nn.Module"]
OwnerFactory = Callable[[LoadSpec, Load, int], Owner]


def closed_error(spec: LoadSpec) -> VramwiseError:
    """What a handle is told whose model was closed under it."""
    return VramwiseError(f"{spec.name} was closed and cannot be read with any more. Load the model again.")


class PlainOwner:
    """For scripts: loads at first use, keeps until released or until another model needs the room.

    A plan counts the other models of its device as evictable, so they are: where free memory does not cover
    a load or a reading, they are released, the one that was used longest ago first, and come back at their
    next use. A model that is spread over several devices ("auto") stays, and counts as room for nobody.
    """

    def __init__(self, spec: LoadSpec, load: Load, size_bytes: int) -> None:
        self.spec = spec
        self.residence = Residence(spec, self)
        self._load, self._size = load, size_bytes
        self._net: torch.nn.Module | None = None
        self._loading = threading.Lock()
        self._used_at = 0.0
        weakref.finalize(self, self.residence.close).atexit = False

    def use(self, activation_bytes: int) -> torch.nn.Module:
        self._used_at = time.monotonic()
        with self._loading:  # of two threads that come at once the second finds it loaded
            if self.residence.closed:
                raise closed_error(self.spec)
            net = self._net
            self._make_room(activation_bytes + (self._size if net is None else 0))
            if net is None:
                net = self._net = self._load()
                self.residence.tell(self._size, 0)
        return net

    def release(self) -> None:
        let_graphs_go(self._net)
        self.forget()
        gc.collect()
        _empty_cache(self.spec.device)

    def forget(self) -> object:
        net, self._net = self._net, None
        self.residence.tell(0, 0)
        return net

    def close(self) -> None:
        self.residence.close()
        self.release()

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
            log.info("%s is released to make room for %s.", owner.spec.name, self.spec.name)
            owner.release()


def let_graphs_go(net: torch.nn.Module | None) -> None:
    """What fast decoding had compiled for ``net`` goes before its weights do: CUDA graphs hold memory of
    their own until what was compiled is gone. It is kept by the code of the class' ``forward``, which all
    nets of transformers share, so of those that others compiled some are compiled anew, and nothing else.
    Only for the thread that reads.
    """
    if net is not None and net.__dict__.pop("_compiled_call", None) is not None:
        from torch._dynamo.eval_frame import remove_from_cache

        remove_from_cache(type(net).forward)


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


class _Register:
    """Who lives, by spec. Its list is replaced and never changed in place, and holds no owner: a collection
    that ends an owner in the middle of any line here, in whichever thread, finds nothing half done.
    """

    def __init__(self) -> None:
        self.entries: tuple[Residence, ...] = ()
        self.lock = threading.RLock()

    def living(self) -> list[Residence]:
        return [one for one in self.entries if not one.closed]

    def owners(self) -> list[Owner]:
        return [owner for one in self.entries if (owner := one.owner()) is not None]

    def add(self, residence: Residence) -> None:
        self.entries = (*self.living(), residence)

    def clear(self) -> None:
        for one in self.entries:
            one.close()
        self.entries = ()


_owners = _Register()


def set_owner_factory(factory: OwnerFactory) -> None:
    """Called once by the ComfyUI bridge: from then on its memory manager owns every model."""
    _Host.factory = factory


def owner_of(spec: LoadSpec, load: Load, size_bytes: int) -> Owner:
    """The owner of ``spec``: the living one where another handle has it, else a new one.

    Owners live as long as a handle holds them; in ComfyUI that is as long as its cache keeps the loader's
    output.
    """
    with _owners.lock:
        owner = next((owner for owner in _owners.owners() if owner.spec == spec), None)
        if owner is None:
            owner = _Host.factory(spec, load, size_bytes)
            _owners.add(owner.residence)
        return owner


def living_owners() -> list[Owner]:
    """Every owner that a handle still holds, to let go of. Only for the thread that reads, or while it waits:
    whoever else held one could be the last to, and would end it in the wrong thread.
    """
    return _owners.owners()


def residences() -> list[Residence]:
    """Where the model of every living owner is. Any thread may look, at any moment."""
    return _owners.living()
