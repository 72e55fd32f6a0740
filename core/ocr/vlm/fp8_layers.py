"""Layers of a folder that was saved as fp8, computed with by torch alone.

transformers computes them with a kernel that it fetches from the Hub at the first token, which VRAMwise does
not allow. Here a matrix is unpacked for its own product and forgotten: fp8's memory at a 16-bit model's
numbers, at the price of reading each matrix twice.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch.nn import functional

_LAYER = "FP8Linear"
_FP8 = tuple(
    kind
    for kind in (getattr(torch, name, None) for name in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"))
    if kind is not None
)


def compute_in_16bit(net: torch.nn.Module) -> int:
    """Have every fp8 layer of transformers' own kind unpack its matrix by torch. Returns how many."""
    changed = 0
    for module in net.modules():
        weight = getattr(module, "weight", None)
        if type(module).__name__ == _LAYER and getattr(weight, "dtype", None) in _FP8:
            module.forward = types.MethodType(_forward, module)
            changed += 1
    return changed


def _forward(self: Any, given: torch.Tensor) -> torch.Tensor:
    weight = unpacked(self.weight, self.weight_scale_inv, self.block_size, given.dtype)
    return functional.linear(given, weight, self.bias)


def unpacked(
    weight: torch.Tensor, scale: torch.Tensor, block: tuple[int, int] | None, dtype: torch.dtype
) -> torch.Tensor:
    """``weight`` (rows, columns) in fp8 times its scales: one, or (rows / block, columns / block) of them."""
    wide = weight.to(dtype)
    if block is None or scale.numel() == 1:
        return wide.mul_(scale.to(torch.float32).reshape(()).to(dtype))
    rows, columns = weight.shape
    down, across = block
    by_row = scale.to(torch.float32).repeat_interleave(down, 0)[:rows]
    for start in range(0, columns, across):
        wide[:, start : start + across].mul_(by_row[:, start // across, None].to(dtype))
    return wide
