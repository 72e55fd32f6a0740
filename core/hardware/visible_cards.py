"""Which NVIDIA cards, and which slices of them, CUDA shows to this process.

CUDA C++ Programming Guide, "CUDA Environment Variables", and the MIG User Guide, "Device Enumeration" (read
2026-11-28): CUDA_VISIBLE_DEVICES holds indices, UUIDs ("GPU-8932f937-...") or MIG devices
("MIG-c6d4f1ef-...", before driver 470 "MIG-GPU-8932f937-.../1/0"); the first letters suffice where they name
one alone; after one that is not there nothing counts. Of a card that is cut into slices the first is used
where none is named, and a process that has a slice has nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from .nvml import NvmlDevice
from .torch_memory import TorchDevice

# A torch's total and a slice's differ by what the driver keeps; the card's differs by more.
_SAME_MEMORY = 0.1
# Words with which container runtimes and people say "none", at which CUDA stops like at any unknown one.
_NONE = ("", "-1", "none", "void", "nodevfiles")


def visible(cards: Sequence[NvmlDevice]) -> tuple[list[NvmlDevice], str | None]:
    """(cards and slices in the order of CUDA_VISIBLE_DEVICES, the word at which it ended because nothing is
    called so).
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return _as_cuda_does([_usable(card) for card in cards]), None
    shown: list[NvmlDevice | None] = []
    unknown: str | None = None
    for word in (part.strip() for part in named.split(",")):
        found = _named(word, cards)
        if found is None:
            unknown = word if word.lower() not in _NONE else None
            break
        shown.append(_usable(found))
    return _as_cuda_does(shown), unknown


def shown_by_number() -> bool:
    return any(word.strip().isdigit() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(","))


def _usable(card: NvmlDevice) -> NvmlDevice | None:
    """A whole card, or the first slice of one that is cut; None where it is cut and has no slices."""
    if not card.mig or card.card is not None:
        return card
    return card.slices[0] if card.slices else None


def _as_cuda_does(shown: Sequence[NvmlDevice | None]) -> list[NvmlDevice]:
    cards = [card for card in shown if card is not None]
    slices = [card for card in cards if card.card is not None]
    return slices[:1] or cards


def _named(word: str, cards: Sequence[NvmlDevice]) -> NvmlDevice | None:
    if word.isdigit():
        return cards[int(word)] if int(word) < len(cards) else None
    slices = [piece for card in cards for piece in card.slices]
    by_card = re.fullmatch(r"MIG-(GPU-[^/]+)/(\d+)/(\d+)", word, re.IGNORECASE)
    if by_card:
        owner, *numbers = by_card.groups()
        instance = tuple(map(int, numbers))
        found = [
            piece
            for piece in slices
            if _begins(piece.card, owner) and piece.instance in (instance, (None, None))
        ]
    elif word.upper().startswith("MIG-"):
        found = [piece for piece in slices if _begins(piece.uuid, word)]
    else:
        found = [card for card in cards if word and _begins(card.uuid, word)]
    return found[0] if len(found) == 1 else None


def _begins(uuid: str | None, word: str) -> bool:
    return (uuid or "").lower().startswith(word.lower())


def card_of(seen: TorchDevice, cards: Sequence[NvmlDevice], shown: Sequence[NvmlDevice]) -> NvmlDevice | None:
    """The driver's card, or slice of one, that is torch's ``seen``: by UUID, and for a torch that has none
    the only card of that name. CUDA gives a slice its own UUID or that of the whole, by version: which slice
    it is then says its memory, or CUDA_VISIBLE_DEVICES (``shown``).
    """
    if seen.kind != "cuda":
        return None
    slices = [piece for card in cards for piece in card.slices]
    if seen.uuid is not None:
        own = [piece for piece in slices if piece.uuid and _plain(piece.uuid) == _plain(seen.uuid)]
        if own:
            return own[0]
        found = [card for card in cards if card.uuid and _plain(card.uuid) == _plain(seen.uuid)]
    else:
        found = [card for card in (*cards, *slices) if seen.name and card.name == seen.name]
    if len(found) != 1:
        return None
    return _slice_of(seen, found[0], shown) or found[0]


def _slice_of(seen: TorchDevice, card: NvmlDevice, shown: Sequence[NvmlDevice]) -> NvmlDevice | None:
    like = [piece for piece in card.slices if same_memory(piece, seen)]
    named = [piece for piece in shown if piece in like]
    if len(named) == 1:
        return named[0]
    return like[0] if len(like) == 1 else None


def same_memory(card: NvmlDevice, seen: TorchDevice) -> bool:
    """Whether the driver and torch mean the same piece of memory; True where one does not say."""
    if not card.total_bytes or not seen.total_bytes:
        return True
    return abs(card.total_bytes - seen.total_bytes) <= _SAME_MEMORY * card.total_bytes


def is_whole_of(card: NvmlDevice, used: Sequence[NvmlDevice | None]) -> bool:
    """Whether ``card`` or a slice of it is among ``used``."""
    return any(one is not None and (one == card or (one.card or "-") == card.uuid) for one in used)


def _plain(uuid: str) -> str:
    return uuid.lower().removeprefix("gpu-").removeprefix("mig-")
