"""``torch.cuda`` as a machine with pretend cards has it.

Numbers are computed on the CPU, so they are the CPU's and not a card's last bit. What cannot be pretended:
the bytes of a real CUDA context and of cuBLAS' workspaces (``Card.context_bytes`` stands for them), the
temporaries inside a fused kernel, streams that run beside each other, CUDA graphs, Triton, and libraries that
ask the driver by themselves.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from unittest import mock

import torch

from .allocator import Pool
from .tensor import POOLS, Places
from .torch_answers import answers

GIB = 1024**3
# Answers of these packages on whether there is a card are kept by functools.
_WHO_REMEMBER = ("transformers", "accelerate", "bitsandbytes", "vramwise", "vramwise_pack")


@dataclass(frozen=True)
class Card:
    """An invented card. ``others_bytes`` is what other programs hold of ``total_bytes``; ``context_bytes``
    goes once something is put on it.
    """

    name: str = "Pretend RTX"
    gib: float = 8
    capability: tuple[int, int] = (8, 9)
    others_bytes: int = 0
    context_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        return int(self.gib * GIB)


class Live:
    """What tests ask of the pretended machine."""

    def __init__(self, cards: tuple[Card, ...], pools: list[Pool]) -> None:
        self.cards, self.pools = cards, pools

    def allocated(self, index: int = 0) -> int:
        gc.collect()
        return self.pools[index].allocated

    def fail_at(self, allocations: int, index: int = 0) -> None:
        """The allocation that is ``allocations`` from now is refused, as when another program took the
        memory.
        """
        self.pools[index].fail_at = allocations

    @property
    def fetches(self) -> int:
        """How often something was copied to RAM, for which a program waits until a card is done."""
        return POOLS.fetches

    @property
    def dtypes(self) -> dict[torch.dtype, int]:
        """Bytes that were put on the cards so far, by dtype of the first tensor of their storage."""
        return POOLS.dtypes


@contextlib.contextmanager
def pretend_cards(*cards: Card, numbers_up_to: int | None = None) -> Iterator[Live]:
    """A process with ``cards`` in it, in this thread. Tensors on them must not be used afterwards.

    What is copied to a card and is of more than ``numbers_up_to`` bytes leaves its numbers behind: it takes
    its place on the card and none in RAM, and comes back without them.
    """
    if POOLS.pools:
        raise RuntimeError("A pretend card is in use already.")
    cards = cards or (Card(),)
    pools = [
        Pool(card.total_bytes, functools.partial(_out_of_memory, index), card.others_bytes)
        for index, card in enumerate(cards)
    ]
    for pool, card in zip(pools, cards, strict=True):
        pool.others_bytes += card.context_bytes
    _import_first()
    _forget_answers()
    only_lift = torch._C._only_lift_cpu_tensors()
    swap = torch.__future__.get_swap_module_params_on_conversion()
    torch._C._ensureCUDADeviceGuardSet()
    POOLS.pools, POOLS.current, POOLS.dtypes, POOLS.fetches = pools, 0, {}, 0
    POOLS.numbers_up_to = numbers_up_to
    try:
        torch._C._set_only_lift_cpu_tensors(True)
        torch.__future__.set_swap_module_params_on_conversion(True)
        with contextlib.ExitStack() as stack:
            for owner, name, value in answers(cards, pools):
                if hasattr(owner, name):
                    stack.enter_context(mock.patch.object(owner, name, value))
            stack.enter_context(mock.patch.dict(_tables_of_others()))
            stack.enter_context(mock.patch.dict(os.environ, {"HF_DEACTIVATE_ASYNC_LOAD": "1"}))
            stack.enter_context(Places())
            yield Live(cards, pools)
    finally:
        torch._C._set_only_lift_cpu_tensors(only_lift)
        torch.__future__.set_swap_module_params_on_conversion(swap)
        gc.collect()
        POOLS.pools = []
        POOLS.blocks.clear()
        _forget_answers()


def _import_first() -> None:
    """What looks for a card, or at torch's own functions, while it is imported."""
    for name in ("bitsandbytes", "torch._dynamo", "transformers.generation.utils", "accelerate"):
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)
    # A set of torch's functions that is made once: with a pretended torch.tensor in it, torch.device("meta")
    # would pass by the real one for ever, and transformers leave every net's rotary tables unwritten.
    torch.utils._device._device_constructors()


def _tables_of_others() -> dict[str, torch.Tensor]:
    """Tensors that bitsandbytes keeps of the device that was first to need them."""
    functional = sys.modules.get("bitsandbytes.functional")
    return getattr(functional, "name2qmap", {})


def _forget_answers() -> None:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _WHO_REMEMBER:
            for one in list(vars(module).values()):
                if type(one) is functools._lru_cache_wrapper:
                    one.cache_clear()


def _out_of_memory(index: int, pool: Pool, asked: int) -> BaseException:
    """In torch's words (c10/cuda/CUDACachingAllocator.cpp)."""
    kept = pool.reserved - pool.allocated
    return torch.cuda.OutOfMemoryError(
        f"CUDA out of memory. Tried to allocate {_size(asked)}. GPU {index} has a total capacity of "
        f"{_size(pool.total_bytes)} of which {_size(pool.free_bytes)} is free. Including non-PyTorch memory, "
        f"this process has {_size(pool.reserved + pool.others_bytes)} memory in use. Of the allocated memory "
        f"{_size(pool.allocated)} is allocated by PyTorch, and {_size(kept)} is reserved by PyTorch but "
        "unallocated."
    )


def _size(count: int) -> str:
    if count < 1024**2:
        return f"{count / 1024:.2f} KiB"
    return f"{count / 1024**2:.2f} MiB" if count < GIB else f"{count / GIB:.2f} GiB"
