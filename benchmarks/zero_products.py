"""Products of matrices with a net whose weights are all zero: their memory taken, the sum not done.

A peak is made of what is allocated, and a layer of zeros makes zeros of anything. In bf16, which few CPUs
multiply, a page's attention took two minutes of products for the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
_PRODUCTS = {_aten.mm.default: 0, _aten.bmm.default: 0, _aten.addmm.default: 1}  # where the factors begin
# In inference mode these come whole, with a product among their parts.
_LAYERS = (_aten.linear.default, _aten.matmul.default)
_CONVOLUTIONS = (_aten.conv2d.default, _aten.convolution.default)


class ZeroProducts(TorchDispatchMode):
    """Within it, a product or convolution in bf16 is a new tensor of zeros. Others are done: of positions, in
    fp32.
    """

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        first = _PRODUCTS.get(function)
        if function in _LAYERS:
            with self:
                return function.decompose(*args, **(kwargs or {}))
        if function in _CONVOLUTIONS and args[0].dtype == torch.bfloat16:
            shape = function(*map(_bare, args), **{name: _bare(one) for name, one in (kwargs or {}).items()})
            return args[0].new_zeros(shape.shape)
        if first is None or args[first].dtype != torch.bfloat16:
            return function(*args, **(kwargs or {}))
        left, right = args[first : first + 2]
        return left.new_zeros((*left.shape[:-1], right.shape[-1]))


def _bare(given: Any) -> Any:
    """A tensor without its content: what is made of it says its shape and costs nothing."""
    return given.to("meta") if isinstance(given, torch.Tensor) else given


def products_left_out(work: Callable[[], None]) -> Callable[[], None]:
    """``work`` within `ZeroProducts`."""

    def shortened() -> None:
        with ZeroProducts():
            work()

    return shortened
