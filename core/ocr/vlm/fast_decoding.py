"""Fast decoding: with a cache of fixed size the step of a token is the same work each time, and torch.compile
can make one CUDA graph of it. Both are transformers' own (``cache_implementation="static"``).

Here is where that is to be had, how many tokens such a cache has, and the way back where the compiler fails.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from importlib.util import find_spec
from types import TracebackType
from typing import Any

import torch

from ...planning.activations import static_length
from ...shell import pip_line
from . import compat

log = logging.getLogger("vramwise.ocr.vlm")
LEAST_CAPABILITY = (7, 0)  # of Triton, which torch.compile writes kernels with
# Whose code the steps of a token are compiled by.
_COMPILERS = ("torch._dynamo", "torch._inductor", "torch._functorch", "torch._higher_order_ops", "triton")
# What generation leaves on the net after a reading with a static cache, which belongs to no other.
_LEFT_BEHIND = ("_cache", "_previous_max_cache_length")


class FastDecoding:
    """Of one engine: whether it is ``wanted``, and the sentence on why it is not had."""

    def __init__(self, wanted: bool) -> None:
        self.wanted, self.refused = wanted, ""

    @property
    def in_use(self) -> bool:
        return self.wanted and not self.refused

    def usable(self, net: Any) -> bool:
        """Whether ``net`` decodes so; why not is a note from then on."""
        if self.in_use:
            self._refuse(why_not(net))
        return self.in_use

    def gave_up(self, error: BaseException) -> bool:
        """Whether ``error`` is the compiler's own: then decoding is plain from now on."""
        if compat.is_out_of_memory(error) or not _of_compiler(error.__traceback__):
            return False
        # a record with the traceback would keep the cache; dynamo's first line names only its backend
        log.warning("fast_decode is off: torch.compile failed: %s", error)
        self._refuse(f"torch.compile failed: {compat.first_line(getattr(error, 'inner_exception', error))}")
        return True

    def _refuse(self, why: str | None) -> None:
        if why:
            self.refused = f"fast_decode is not used: {why.rstrip('.')}."

    @property
    def notes(self) -> tuple[str, ...]:
        return (self.refused,) if self.refused else ()


def why_not(net: Any) -> str | None:
    """Why ``net`` cannot decode with a static cache and CUDA graphs here; None where it can."""
    device = net.device
    if device.type != "cuda" or torch.version.hip is not None:
        return f"CUDA graphs are of NVIDIA cards, and this model is on {device}"
    if len(set(map(str, (getattr(net, "hf_device_map", None) or {}).values()))) > 1:
        return "the model is spread over several devices"
    if not getattr(net, "_can_compile_fullgraph", False):
        return f"transformers cannot compile {type(net).__name__} as a whole"
    quantiser = getattr(net, "hf_quantizer", None)
    if quantiser is not None and not getattr(quantiser, "is_compileable", False):
        return "quantised layers of this kind cannot be compiled"
    if torch.cuda.get_device_capability(device) < LEAST_CAPABILITY:
        return "torch.compile needs a card of compute capability 7.0 or newer"
    if find_spec("triton") is None:
        package = "triton-windows" if os.name == "nt" else "triton"
        return f"torch.compile needs the package triton ({pip_line(package)})"
    return None


def options(prompt_tokens: int, new_tokens: int) -> dict[str, Any]:
    """Of ``generate``: a cache whose length is one of few, so that few are compiled for. It may go on for
    more than ``new_tokens``; whoever watches it ends it there.
    """
    length = static_length(prompt_tokens, new_tokens)
    return {"cache_implementation": "static", "max_new_tokens": length - prompt_tokens}


@contextlib.contextmanager
def tidied(net: Any) -> Iterator[None]:
    """Afterwards the cache is gone, the next one is no longer than it has to be (transformers would take the
    longest length that there was, for whatever number of pictures), and the process' environment is as it
    was.
    """
    parallel = os.environ.get("TOKENIZERS_PARALLELISM")
    try:
        yield
    finally:
        for name in _LEFT_BEHIND:
            net.__dict__.pop(name, None)
        if parallel is None:
            os.environ.pop("TOKENIZERS_PARALLELISM", None)
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = parallel


def _of_compiler(trace: TracebackType | None) -> bool:
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if any(module == name or module.startswith(f"{name}.") for name in _COMPILERS):
            return True
        trace = trace.tb_next
    return False
