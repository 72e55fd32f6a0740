"""Names of the places where a model can run."""

from __future__ import annotations

import sys
from typing import Any


def device_names() -> list[str]:
    """Device ids for a selector, without importing torch: those torch knows when the host has imported it,
    and cpu.
    """
    torch = sys.modules.get("torch")
    return [device_id for device_id, _ in accelerators(torch)] + ["cpu"]


def accelerators(torch: Any) -> list[tuple[str, str]]:
    """(id, kind) of every accelerator torch can see."""
    found: list[tuple[str, str]] = []
    if torch is None:
        return found
    if torch.cuda.is_available():
        kind = "rocm" if getattr(torch.version, "hip", None) else "cuda"
        found += [(f"cuda:{index}", kind) for index in range(torch.cuda.device_count())]
    xpu = getattr(torch, "xpu", None)
    if xpu is not None and xpu.is_available():
        found += [(f"xpu:{index}", "xpu") for index in range(xpu.device_count())]
    mps = getattr(torch.backends, "mps", None)
    if mps is not None and mps.is_available():
        found.append(("mps", "mps"))
    return found
