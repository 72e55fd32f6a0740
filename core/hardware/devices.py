"""Names of the places where a model can run."""

from __future__ import annotations

import sys
from typing import Any

from .asking import Asking


def device_names() -> list[str]:
    """Device ids for a selector, without importing torch: those torch knows when the host has imported it,
    and cpu. Never raises.
    """
    torch = sys.modules.get("torch")
    return [device_id for device_id, _ in accelerators(torch, Asking())] + ["cpu"]


def accelerators(torch: Any, asking: Asking) -> list[tuple[str, str]]:
    """(id, kind) of every accelerator torch can see. A part of torch that fails shows none of its own."""
    found: list[tuple[str, str]] = []
    if torch is None:
        return found
    if asking.yes("torch.cuda.is_available", lambda: torch.cuda.is_available()):
        kind = "rocm" if getattr(getattr(torch, "version", None), "hip", None) else "cuda"
        count = asking.count("torch.cuda.device_count", lambda: torch.cuda.device_count())
        found += [(f"cuda:{index}", kind) for index in range(count)]
    xpu = getattr(torch, "xpu", None)
    if xpu is not None and asking.yes("torch.xpu.is_available", lambda: xpu.is_available()):
        count = asking.count("torch.xpu.device_count", lambda: xpu.device_count())
        found += [(f"xpu:{index}", "xpu") for index in range(count)]
    mps = getattr(getattr(torch, "backends", None), "mps", None)
    if mps is not None and asking.yes("torch.backends.mps.is_available", lambda: mps.is_available()):
        found.append(("mps", "mps"))
    return found
