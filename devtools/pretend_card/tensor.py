"""A tensor that says it is on a pretend card: its numbers are on the CPU, its rules are CUDA's.

``Places`` is the dispatch mode that makes such tensors of whatever is asked for on a card, and
``PretendTensor.__torch_dispatch__`` computes with them. Mixed devices are the error that they are on a card.
Where the numbers of a tensor are left out (its inner tensor is on torch's meta device), floating results are
left out too, and whole numbers made of them are zeros: sizes, and with them memory, stay true.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from .allocator import Block, Pool

aten = torch.ops.aten
CPU, META = torch.device("cpu"), torch.device("meta")
# What takes tensors of two devices on a card: copies, and indices that lie in RAM.
_COPIES = {aten.copy_.default, aten._to_copy.default, aten.set_.source_Tensor}
_INDEXING = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
}
# Beside pointwise operations these take a single number from RAM.
_NUMBER_FROM_RAM = {
    aten.masked_fill.Tensor,
    aten.masked_fill_.Tensor,
    aten.fill.Tensor,
    aten.fill_.Tensor,
    aten.where.self,
    aten.index_fill.int_Tensor,
    aten.index_fill_.int_Tensor,
}
# In place, with another shape: the wrapper would go on saying the old one.
_RESHAPING = {
    name
    for name in dir(aten)
    if name in ("t_", "transpose_", "swapaxes_", "squeeze_", "unsqueeze_", "resize_", "resize_as_", "set_")
}
_MOST_ZEROS = 1 << 24


class Pools:
    """The memory of every card that is pretended, and which storage has which block."""

    def __init__(self) -> None:
        self.pools: list[Pool] = []
        self.current = 0
        self.numbers_up_to: int | None = None
        self.blocks: WeakValueDictionary[int, Block] = WeakValueDictionary()
        self.dtypes: dict[torch.dtype, int] = {}
        self.fetches = 0

    def block(self, inner: torch.Tensor, index: int) -> Block | None:
        """The block of ``inner``'s storage: the one that it has, else a new one on card ``index``."""
        storage = inner.untyped_storage()
        if not storage.nbytes():
            return None
        key = storage._cdata
        found = self.blocks.get(key)
        if found is None:
            found = self.blocks[key] = self.pools[index].take(storage.nbytes())
            self.dtypes[inner.dtype] = self.dtypes.get(inner.dtype, 0) + found.bytes
        return found


POOLS = Pools()


class PretendTensor(torch.Tensor):
    """``inner`` as a tensor of ``cuda:index``. Views share ``inner``'s storage, and with it the block."""

    inner: torch.Tensor
    block: Block | None

    @staticmethod
    def __new__(cls, inner: torch.Tensor, index: int) -> PretendTensor:
        block = POOLS.block(inner, index)  # before anything else: the card may be full
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=torch.device("cuda", index),
        )
        made.inner, made.block = inner, block
        return made

    def __init__(self, inner: torch.Tensor, index: int) -> None:
        pass

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return run(func, args, kwargs or {})

    def __tensor_flatten__(self) -> tuple[list[str], int]:
        return ["inner"], self.device.index

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, torch.Tensor], index: int, size: Any, stride: Any) -> Any:
        return PretendTensor(inner["inner"], index)

    def __repr__(self, **more: Any) -> str:
        return f"PretendTensor({self.inner!r}, device='{self.device}')"

    def data_ptr(self) -> int:
        return self.inner.data_ptr() if self.inner.device == CPU else id(self.inner)

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.inner.untyped_storage()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, **more: Any) -> Any:
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )

    def pin_memory(self, *device: Any) -> torch.Tensor:
        raise RuntimeError(f"cannot pin '{self.type()}' only dense CPU tensors can be pinned")

    @property
    def data(self) -> torch.Tensor:
        return self.detach()

    @data.setter
    def data(self, other: torch.Tensor) -> None:
        if not isinstance(other, PretendTensor):
            raise RuntimeError(f"A tensor on {self.device} cannot become one on {other.device} in place.")
        fresh = PretendTensor(other.inner, other.device.index)
        torch._C._swap_tensor_impl(self, fresh)
        self.inner, self.block = other.inner, other.block


def make_subclass(real: Callable[..., Any]) -> Callable[..., Any]:
    """torch.Tensor._make_subclass, by which bitsandbytes makes its parameters: of a tensor on a card one that
    is both.
    """

    def make(cls: Any, data: torch.Tensor, *rest: Any, **more: Any) -> Any:
        if not isinstance(data, PretendTensor):
            return real(cls, data, *rest, **more)
        return PretendTensor.__new__(_both(cls), data.inner, data.device.index)

    return make


@functools.cache
def _both(cls: type) -> Any:
    """A class of the name of ``cls``, whose tensors are on a pretend card."""
    return type(cls)(cls.__name__, (cls, PretendTensor), {"__init__": lambda *args, **more: None})


class Places(TorchDispatchMode):
    """While it is entered, whatever is made on a card is a PretendTensor."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return run(func, args, kwargs or {})


def run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One operation, on the CPU or on a pretend card."""
    given = list(_tensors((args, kwargs)))
    ours = [one for one in given if isinstance(one, PretendTensor)]
    asked = kwargs.get("device")
    onto = torch.device(asked) if asked is not None else None
    on_card = onto is not None and onto.type == "cuda"
    if not ours and not on_card:
        return func(*args, **kwargs)
    if ours:
        _check_places(func, ours, given)
    if kwargs.get("pin_memory"):
        kwargs = {**kwargs, "pin_memory": False}
    index = (POOLS.current if onto.index is None else onto.index) if on_card else None  # type: ignore[union-attr]
    if index is None:
        index = ours[0].device.index
    if index >= len(POOLS.pools):
        raise RuntimeError("CUDA error: invalid device ordinal")
    if func.overloadpacket.__name__ in _RESHAPING:
        raise NotImplementedError(f"A pretend card has no {func}: it changes a tensor's shape in place.")
    if ours and _waits(func, args, on_card, onto):
        POOLS.fetches += 1
    left_out = any(one.inner.device == META for one in ours)
    if onto is not None:
        kwargs = {**kwargs, "device": onto if onto.type == "meta" else META if left_out else CPU}
    if func is aten._to_copy.default and not on_card and onto is not None:  # a card's tensor to RAM
        return _to_ram(func, args, kwargs, left_out)
    if func is aten.copy_.default and not isinstance(args[0], PretendTensor):
        return args[0] if left_out else func(args[0], args[1].inner, *args[2:], **kwargs)
    if func is aten._to_copy.default and on_card and _too_large(args[0]):
        left_out, kwargs = True, {**kwargs, "device": META}
    wrappers = {id(one.inner): one for one in ours}
    if left_out:
        made = _without_numbers(func, args, kwargs)
        if made is _SAME:
            return args[0] if args else kwargs["out"]
    else:
        made = _with_numbers(func, _plain(args), _plain(kwargs))
    if onto is not None and not on_card:  # new_zeros(device="cpu") and the like
        return made

    def wrapped(inner: torch.Tensor) -> torch.Tensor:
        known = wrappers.get(id(inner))
        return known if known is not None else PretendTensor(inner, index)

    return tree_map_only(torch.Tensor, wrapped, made)


def _waits(func: Any, args: tuple[Any, ...], on_card: bool, onto: torch.device | None) -> bool:
    """Whether a number or a tensor of a card goes to RAM."""
    if func is aten._local_scalar_dense.default:
        return True
    if func is aten._to_copy.default:
        return onto is not None and not on_card
    return func is aten.copy_.default and not isinstance(args[0], PretendTensor)


def _too_large(tensor: torch.Tensor) -> bool:
    """Whether the numbers of ``tensor`` would take more RAM than this machine should give."""
    return POOLS.numbers_up_to is not None and tensor.nbytes > POOLS.numbers_up_to


def _tensors(value: Any) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _tensors(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)


def _plain(value: Any) -> Any:
    return tree_map_only(PretendTensor, lambda one: one.inner, value)


def _check_places(func: Any, ours: list[PretendTensor], given: list[torch.Tensor]) -> None:
    if func in _COPIES:
        return
    places = {one.device for one in ours}
    for one in given:
        if isinstance(one, PretendTensor) or one.device == META:
            continue
        number = one.dim() == 0 and (torch.Tag.pointwise in func.tags or func in _NUMBER_FROM_RAM)
        if not number and func not in _INDEXING:
            places.add(one.device)
    if len(places) > 1:
        first, second = sorted(map(str, places), reverse=True)[:2]
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{first} and {second}! (when checking argument in method wrapper_CUDA_{func})"
        )


def _to_ram(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], left_out: bool) -> torch.Tensor:
    if not left_out or kwargs["device"] == META:
        made: torch.Tensor = func(*_plain(args), **_plain(kwargs))
        return made if made.device == META or not left_out else _zeros(made)
    return _zeros(func(*_plain(args), **_plain(kwargs)))


def _with_numbers(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if func in _FLOAT_SOFTMAX and args[2]:  # one kernel on a card, none on the CPU
        return func(args[0].float(), args[1], False)
    if func is aten.histc.default and not args[0].is_floating_point():  # whole numbers are counted on a card
        return func(args[0].float(), *args[1:], **kwargs).to(args[0].dtype)
    return func(*args, **kwargs)


_FLOAT_SOFTMAX = {aten._softmax.default, aten._log_softmax.default}

# --- without numbers ----------------------------------------------------------------------------------------

_SAME = object()


def _zeros(made: torch.Tensor) -> torch.Tensor:
    """Nobody reads the large ones, and zeros would have to be written."""
    return (torch.zeros if made.numel() <= _MOST_ZEROS else torch.empty)(made.shape, dtype=made.dtype)


def _without_numbers(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Results of the right shape: whole numbers as zeros, others on the meta device."""
    if func is aten._local_scalar_dense.default:
        kind = args[0].dtype
        return False if kind == torch.bool else 0.0 if kind.is_floating_point else 0
    if func is aten.equal.default:
        return False
    if func._schema.is_mutable and not func.overloadpacket.__name__.startswith("_fused"):
        return _SAME
    if func in _INDEXING:
        args = (args[0], [found for one in args[1] for found in _whole_numbers(one)], *args[2:])
    made = func(*_as_meta(args), **_as_meta(kwargs))

    def shown(one: torch.Tensor) -> torch.Tensor:
        whole = not one.dtype.is_floating_point and not one.dtype.is_complex
        return _zeros(one) if whole and one.numel() <= _MOST_ZEROS and not _is_view(func) else one

    return tree_map_only(torch.Tensor, shown, made)


def _is_view(func: Any) -> bool:
    return any(argument.alias_info is not None for argument in func._schema.arguments)


def _whole_numbers(index: Any) -> list[Any]:
    """A mask as the numbers of its places: torch counts them, which nobody can on the meta device."""
    inner = index.inner if isinstance(index, PretendTensor) else index
    if isinstance(inner, torch.Tensor) and inner.dtype == torch.bool and inner.device != META:
        return list(inner.nonzero(as_tuple=True))
    return [inner]


def _as_meta(value: Any) -> Any:
    def meta(one: torch.Tensor) -> torch.Tensor:
        inner = one.inner if isinstance(one, PretendTensor) else one
        return inner if inner.device == META else inner.to(META)

    return tree_map_only(torch.Tensor, meta, value)


def attention(real: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """scaled_dot_product_attention as a card has it: a fused kernel, which keeps no scores, and beside its
    result one fp32 number a row (PyTorch's _scaled_dot_product_flash_attention, _efficient_attention).
    """

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *rest: Any, **more: Any) -> Any:
        given = (query, key, value, *rest, *more.values())
        ours = [one for one in given if isinstance(one, PretendTensor)]
        if not ours:
            return real(query, key, value, *rest, **more)
        tensors = [one for one in given if isinstance(one, torch.Tensor)]
        _check_places(aten.matmul.default, ours, tensors)
        index = ours[0].device.index
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        if any(one.inner.device == META for one in ours):
            shape = (*query.shape[:-1], value.shape[-1])
            made = torch.empty(shape, dtype=query.dtype, device=META).transpose(1, 2).contiguous()
            answer = PretendTensor(made.transpose(1, 2), index)
        else:
            answer = PretendTensor(real(*_plain((query, key, value, *rest)), **_plain(more)), index)
        del sums
        return answer

    return attend


def weightless(net: torch.nn.Module, index: int = 0) -> torch.nn.Module:
    """``net``, made on the meta device, as one on card ``index`` whose numbers are left out. Tied weights
    stay tied.
    """
    made: dict[int, PretendTensor] = {}

    def onto(one: torch.Tensor) -> PretendTensor:
        if id(one) not in made:
            made[id(one)] = PretendTensor(one.detach(), index)
        return made[id(one)]

    for module in net.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = torch.nn.Parameter(onto(parameter), requires_grad=False)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = onto(buffer)
    return net
