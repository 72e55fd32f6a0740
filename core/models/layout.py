"""The net that finds a page's blocks for a vision-language model: which one is here, where it runs, what it
takes.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..catalog.layout import LayoutModel, layout_models
from ..catalog.words import said
from ..errors import VramwiseError
from ..families.family import Family, family
from ..ocr.vlm.model_owner import LoadSpec, owner_of
from ..settings import Settings, load_settings
from ..units import gib_text
from .handle import OCRHandle
from .place import budget_here
from .resolved import catalog_row, family_of_checkpoint, find_checkpoint

if TYPE_CHECKING:
    from ..ocr.hybrid.layout_net import LayoutNet
    from ..weights.checkpoints import Checkpoint

EXTRA_KINDS = ("chart", "seal")


class _Nets:
    """The net that each reader's blocks were found by, kept as long as whoever holds the reader does: in
    ComfyUI its cache, by the loader's output. Readers on one device share its weights by its owner.
    """

    lock = threading.Lock()
    opened: ClassVar[MutableMapping[Any, LayoutNet]] = weakref.WeakKeyDictionary()


def layout_model() -> LayoutModel:
    """The row of the net that finds blocks."""
    return layout_models()[0]


def with_room(reader: Any) -> Any:
    """``reader`` planned with room for the net beside it where it runs on this machine, else itself. It stays
    the same live model.
    """
    if not isinstance(reader, OCRHandle) or reader.beside_bytes:
        return reader
    return replace(reader, beside_bytes=_need_bytes(layout_model()))


def open_layout(reader: Any) -> LayoutNet:
    """The net, on the reader's device where it runs here, else on the best one with room for it.

    Raises VramwiseError where its files are not here, with the command that fetches them.
    """
    from ..ocr.hybrid.layout_net import LayoutNet, load_layout_net

    settings = load_settings()
    row = layout_model()
    found = _located(row, settings)
    device = _device(reader, row)
    spec = LoadSpec(found.path, found.model_type, "fp32", "eager", device, revision=found.revision)
    holder = getattr(reader, "held_by", reader)
    with _Nets.lock:
        net = _Nets.opened.get(holder)
        if net is None or net.owner.spec != spec:
            owner = owner_of(spec, lambda: load_layout_net(spec), row.weight_bytes or found.tensor_bytes)
            net = _Nets.opened[holder] = LayoutNet(row.name, found.path, owner, row.activation_bytes)
        return net


def release_nets() -> bool:
    """Let the weights of every net go; the next page that is read by its layout brings them back. True when
    some were in memory. Only for the thread that reads.
    """
    owners = {id(net.owner): net.owner for net in list(_Nets.opened.values())}.values()
    resident = [owner for owner in owners if owner.residence.held() != (0, 0)]
    for owner in resident:
        owner.release()
    return bool(resident)


def plan_line(reader: Any) -> str:
    """What the net takes and where, for a person. Never raises: the sentence is the plan."""
    row = layout_model()
    sizes = {"weights": gib_text(row.weight_bytes or 0), "activations": gib_text(row.activation_bytes)}
    try:
        _located(row, load_settings())
        where = _device(reader, row)
    except VramwiseError as error:
        return said("hybrid_layout_missing", name=row.name, **sizes, error=error)
    room = said("hybrid_layout_room") if isinstance(reader, OCRHandle) else ""
    return said("hybrid_layout", name=row.name, device=where, **sizes, room=room)


def asked_kinds(reader: Any) -> tuple[str, ...]:
    """The kinds of blocks beyond text, table and formula that ``reader``'s family has a prompt for."""
    its = _family_of(reader)
    return () if its is None else tuple(kind for kind in EXTRA_KINDS if kind in its.tasks)


def _need_bytes(row: LayoutModel) -> int:
    return (row.weight_bytes or 0) + row.activation_bytes


def _located(row: LayoutModel, settings: Settings) -> Checkpoint:
    from ..weights.checkpoints import locate

    return locate(row, settings)


def _device(reader: Any, row: LayoutModel) -> str:
    """The device of a reader here; of one elsewhere the best of this machine that has the room, else the
    CPU.
    """
    if isinstance(reader, OCRHandle):
        device = reader.device_here()
        return device if device != "auto" else budget_here().device
    try:
        budget = budget_here()
    except VramwiseError:
        return "cpu"
    return budget.device if budget.budget_bytes >= _need_bytes(row) else "cpu"


def _family_of(reader: Any) -> Family | None:
    """The family that ``reader`` asks by, as far as it can be told before anything is read."""
    its = getattr(reader, "family", None)
    if isinstance(its, Family):  # a CLIP
        return its
    if isinstance(reader, OCRHandle):
        row = catalog_row(reader.model)
        if row is not None:
            return family(row.family)
        return family_of_checkpoint(find_checkpoint(reader.model, load_settings()), None)
    from ..ocr.remote.handle import RemoteHandle

    if isinstance(reader, RemoteHandle):
        return reader.family_named()
    return None
