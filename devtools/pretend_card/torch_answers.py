"""What torch's functions about cards answer while cards are pretended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from .allocator import Pool
from .tensor import POOLS, attention, make_subclass

if TYPE_CHECKING:
    from .card import Card


def answers(cards: tuple[Card, ...], pools: list[Pool]) -> Iterator[tuple[Any, str, Any]]:
    """(module, name, what it is meanwhile)."""
    of_memory = _of_memory(pools)
    common = {
        **of_memory,
        "synchronize": _nothing,
        "is_available": lambda: True,
        "device_count": lambda: len(cards),
    }
    summary = _of_pool(pools, lambda pool: f"{pool.allocated} of {pool.total_bytes} bytes")
    for module, meanwhile in (
        (torch.cuda, {**common, **_of_cards(cards), **_OF_CUDA, "memory_summary": summary}),
        (torch.cuda.memory, {**common, "memory_summary": summary}),
        (torch.accelerator, {**common, **_OF_ACCELERATOR}),
        (getattr(torch.accelerator, "memory", torch.accelerator), common),
    ):
        for name, value in meanwhile.items():
            yield module, name, value
    yield torch, "inference_mode", _NoGrad
    fused = torch.nn.functional.scaled_dot_product_attention
    yield torch.nn.functional, "scaled_dot_product_attention", attention(fused)
    yield torch.Tensor, "_make_subclass", staticmethod(make_subclass(torch.Tensor._make_subclass))
    yield torch, "tensor", _tensor(torch.tensor)
    yield torch.version, "hip", None


def _of_pool(pools: list[Pool], read: Any) -> Any:
    """A function of a device that reads its pool."""
    return lambda device=None: read(pools[_index(device)])


def _of_memory(pools: list[Pool]) -> dict[str, Any]:
    def empty_cache() -> None:
        for pool in pools:
            pool.empty_cache()

    information = _of_pool(pools, lambda pool: (pool.free_bytes, pool.total_bytes))
    return {
        "memory_allocated": _of_pool(pools, lambda pool: pool.allocated),
        "max_memory_allocated": _of_pool(pools, lambda pool: pool.most_allocated),
        "memory_reserved": _of_pool(pools, lambda pool: pool.reserved),
        "max_memory_reserved": _of_pool(pools, lambda pool: pool.most_reserved),
        "memory_stats": _of_pool(pools, _statistics),
        "reset_peak_memory_stats": _of_pool(pools, lambda pool: pool.reset_peaks()),
        "reset_accumulated_memory_stats": _nothing,
        "empty_cache": empty_cache,
        "mem_get_info": information,
        "get_memory_info": information,
    }


def _statistics(pool: Pool) -> dict[str, int]:
    return {
        "allocated_bytes.all.current": pool.allocated,
        "allocated_bytes.all.peak": pool.most_allocated,
        "active_bytes.all.current": pool.allocated,
        "active_bytes.all.peak": pool.most_allocated,
        "reserved_bytes.all.current": pool.reserved,
        "reserved_bytes.all.peak": pool.most_reserved,
        "inactive_split_bytes.all.current": pool.reserved - pool.allocated,
        "num_ooms": pool.failures,
        "num_alloc_retries": 0,
    }


def _of_cards(cards: tuple[Card, ...]) -> dict[str, Any]:
    def properties(device: Any = None) -> Any:
        return _properties(cards[_index(device)], _index(device))

    def capability(device: Any = None) -> tuple[int, int]:
        return cards[_index(device)].capability

    def bf16(including_emulation: bool = True) -> bool:
        return including_emulation or capability() >= (8, 0)

    return {
        "get_device_properties": properties,
        "get_device_capability": capability,
        "get_device_name": lambda device=None: cards[_index(device)].name,
        "is_bf16_supported": bf16,
        "get_arch_list": lambda: sorted({f"sm_{a}{b}" for a, b in (card.capability for card in cards)}),
    }


def _properties(card: Card, index: int) -> Any:
    return SimpleNamespace(
        name=card.name,
        major=card.capability[0],
        minor=card.capability[1],
        total_memory=card.total_bytes,
        multi_processor_count=40,
        is_integrated=0,
        is_multi_gpu_board=0,
        uuid=f"pretend-{index}",
        gcnArchName="",
        warp_size=32,
        max_threads_per_multi_processor=1536,
        regs_per_multiprocessor=65536,
        shared_memory_per_block=49152,
        shared_memory_per_multiprocessor=102400,
        L2_cache_size=32 * 1024**2,
    )


def _current() -> int:
    return POOLS.current


def _set_current(device: Any) -> None:
    POOLS.current = _index(device)


def _exchange(index: int) -> int:
    before = POOLS.current
    if index >= 0:
        POOLS.current = index
    return before


def _nothing(*args: Any, **more: Any) -> None:
    return None


class _NoGrad(torch.no_grad):
    """inference_mode: its tensors could not be wrapped."""

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode):
            return torch.no_grad()(mode)
        return super().__new__(cls) if mode else contextlib.nullcontext()

    def __init__(self, mode: bool = True) -> None:
        super().__init__()


def _tensor(real: Any) -> Any:
    """torch.tensor, which fills by a copy of its own that no dispatch mode sees."""

    def tensor(data: Any, *, device: Any = None, **more: Any) -> Any:
        place = None if device is None else torch.device("cuda", device) if type(device) is int else device
        if place is None or torch.device(place).type != "cuda":
            return real(data, **more, **({} if place is None else {"device": place}))
        return real(_in_ram(data), **more, device="cpu").to(place)

    return tensor


def _in_ram(data: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return [_in_ram(one) for one in data]
    return data.cpu() if isinstance(data, torch.Tensor) else data


class _Stream:
    """There is one, and it is always done."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.device = torch.device("cuda", POOLS.current)
        self.cuda_stream = 0

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **more: True


class _On:
    """torch.cuda.device: another current card for a while."""

    def __init__(self, device: Any) -> None:
        self.index = _index(device)

    def __enter__(self) -> None:
        self.before, POOLS.current = POOLS.current, self.index

    def __exit__(self, *error: object) -> None:
        POOLS.current = self.before


def _index(device: Any = None) -> int:
    if device is None:
        return POOLS.current
    if isinstance(device, int):
        found = POOLS.current if device < 0 else device
    else:
        place = torch.device(device)
        if place.type != "cuda":
            raise ValueError(f"Expected a cuda device, but got: {device}")
        found = POOLS.current if place.index is None else place.index
    if found >= len(POOLS.pools):
        raise AssertionError("Invalid device id")
    return found


_OF_CUDA = {
    "is_initialized": lambda: True,
    "_is_initialized": lambda: True,
    "_lazy_init": _nothing,
    "_lazy_call": _nothing,
    "init": _nothing,
    "current_device": _current,
    "set_device": _set_current,
    "device": _On,
    "_exchange_device": _exchange,
    "_maybe_exchange_device": _exchange,
    "ipc_collect": _nothing,
    "Stream": _Stream,
    "Event": _Stream,
    "current_stream": _Stream,
    "default_stream": _Stream,
    "stream": lambda stream: contextlib.nullcontext(),
    "is_current_stream_capturing": lambda: False,
}
_OF_ACCELERATOR = {
    "current_accelerator": lambda *args, **more: torch.device("cuda"),
    "current_device_index": _current,
    "current_device_idx": _current,
    "set_device_index": _set_current,
    "set_device_idx": _set_current,
    "current_stream": _Stream,
}
