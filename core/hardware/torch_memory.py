"""What torch knows of a device, asked without making a context on it.

A CUDA context takes hundreds of MiB. ``mem_get_info`` makes one on every device it is asked about, so it is
asked only where torch has already put something; properties and the allocator's own counts are free.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TorchDevice:
    """An accelerator of torch. Bytes; ``allocated_bytes`` and ``reserved_bytes`` are
    torch.cuda.memory_allocated and memory_reserved: what tensors hold, and what the allocator keeps from the
    driver for them.
    """

    id: str
    kind: str
    name: str
    total_bytes: int | None
    free_bytes: int | None = None
    allocated_bytes: int | None = None
    reserved_bytes: int | None = None
    uuid: str | None = None
    capability: tuple[int, int] | None = None
    architecture: str = ""
    unified: bool = False


def driver_free(device_id: str, kind: str) -> int | None:
    """What the driver calls free, for whoever is about to put a model there: asking makes the context that
    the model would. None where torch is not imported or cannot say.
    """
    torch = sys.modules.get("torch")
    ask = getattr(getattr(torch, "xpu" if kind == "xpu" else "cuda", None), "mem_get_info", None)
    if ask is None or kind not in ("cuda", "rocm", "xpu"):
        return None
    return int(ask(int(device_id.partition(":")[2] or 0))[0])


def torch_device(torch: Any, device_id: str, kind: str) -> TorchDevice:
    """``kind`` is "cuda", "rocm", "xpu" or "mps"."""
    if kind == "mps":
        total = int(torch.mps.recommended_max_memory())
        reserved = int(torch.mps.driver_allocated_memory())
        allocated = int(torch.mps.current_allocated_memory())
        free = max(0, total - reserved)
        return TorchDevice(device_id, kind, "Apple GPU", total, free, allocated, reserved, unified=True)
    index = int(device_id.split(":")[1])
    backend = torch.xpu if kind == "xpu" else torch.cuda
    properties = backend.get_device_properties(index)
    allocated = reserved = 0
    driver_free: int | None = None
    if backend.is_initialized():
        allocated, reserved = int(backend.memory_allocated(index)), int(backend.memory_reserved(index))
        if reserved and hasattr(backend, "mem_get_info"):
            driver_free = int(backend.mem_get_info(index)[0])
    uuid = getattr(properties, "uuid", None)
    return TorchDevice(
        device_id,
        kind,
        str(properties.name),
        int(properties.total_memory),
        driver_free,
        allocated,
        reserved,
        uuid=None if uuid is None else str(uuid),
        capability=(properties.major, properties.minor) if kind == "cuda" else None,
        architecture=str(getattr(properties, "gcnArchName", "")).split(":")[0] if kind == "rocm" else "",
        unified=bool(getattr(properties, "is_integrated", False)),
    )
