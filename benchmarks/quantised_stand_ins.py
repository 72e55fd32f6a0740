"""Linear layers as bitsandbytes 0.50 holds and computes them on a card, in shapes alone.

Its kernels want real numbers and a driver; what they take is read in its source: csrc's callers in
bitsandbytes/backends/cuda/ops.py and autograd/_functions.py. Tensors are made and freed in the same order, so
that an allocator sees the same peak.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

BLOCK, ABSMAX_BLOCK = 64, 256
# Up to so many rows a kernel unpacks as it multiplies; above, a card of compute capability 10 never does, and
# others not for a long prompt: then the matrix is unpacked first.
MOST_ROWS_FUSED = 4


class Int8(torch.nn.Module):
    """Linear8bitLt: a byte a weight, and an fp32 a row. Its kernels are fp16's, whatever comes in."""

    def __init__(self, like: torch.nn.Linear) -> None:
        super().__init__()
        rows, columns = like.weight.shape
        self.register_buffer("weight", torch.empty(rows, columns, dtype=torch.int8))
        self.register_buffer("SCB", torch.empty(rows, dtype=torch.float32))
        self.bias = like.bias

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        flat = given.reshape(-1, given.shape[-1])
        half = flat.to(torch.float16)
        scales = half.new_empty(len(half), dtype=torch.float32)
        bytes_ = half.new_empty(half.shape, dtype=torch.int8)
        above = half.abs() >= 6.0
        del half, above
        product = flat.new_empty((len(flat), len(self.weight)), dtype=torch.int32)
        found = product.new_empty(product.shape, dtype=torch.float16).to(given.dtype)
        del product, bytes_, scales
        if self.bias is not None:
            found.add_(self.bias)
        return found.view(*given.shape[:-1], -1)


class Int4(torch.nn.Module):
    """Linear4bit in nf4 with double quantisation: half a byte a weight, a byte a block of them, an fp32 a
    block of those, and two tables.
    """

    def __init__(self, like: torch.nn.Linear) -> None:
        super().__init__()
        self.shape = tuple(like.weight.shape)
        count = like.weight.numel()
        blocks = -(-count // BLOCK)
        self.register_buffer("weight", torch.empty(-(-count // 2), 1, dtype=torch.uint8))
        self.register_buffer("absmax", torch.empty(blocks, dtype=torch.uint8))
        self.register_buffer("absmax2", torch.empty(-(-blocks // ABSMAX_BLOCK), dtype=torch.float32))
        self.register_buffer("code", torch.empty(16, dtype=torch.float32))
        self.register_buffer("code2", torch.empty(256, dtype=torch.float32))
        self.register_buffer("offset", torch.empty((), dtype=torch.float32))
        self.bias = like.bias

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        rows = given.numel() // given.shape[-1]
        if rows <= MOST_ROWS_FUSED:
            return given.new_empty((*given.shape[:-1], self.shape[0]))
        absmax = self.absmax.new_empty(self.absmax.shape, dtype=torch.float32)
        absmax = absmax + self.offset
        unpacked = given.new_empty(self.shape)
        found: torch.Tensor = torch.nn.functional.linear(given, unpacked, self.bias)
        return found


def quantised(net: Any, precision: str, keep_16bit: Iterable[str]) -> Any:
    """``net``, still on the meta device, with the layers that bitsandbytes would take in its place."""
    kept = {name.rpartition(".")[2] for name in keep_16bit}
    kind = {"int8": Int8, "int4": Int4}[precision]
    for name, module in list(net.named_modules()):
        if type(module) is torch.nn.Linear and kept.isdisjoint(name.split(".")):
            _put(net, name.split("."), kind(module))
    return net


def _put(net: Any, path: Sequence[str], layer: torch.nn.Module) -> None:
    for step in path[:-1]:
        net = getattr(net, step)
    setattr(net, path[-1], layer)
