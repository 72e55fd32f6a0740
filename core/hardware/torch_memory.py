"""What torch knows of a device, asked without making a context on it.

A CUDA context takes hundreds of MiB. ``mem_get_info`` makes one on every device it is asked about, so it is
asked only where torch has already put something; properties and the allocator's own counts are free.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

from .asking import Asking, as_capability

# An older torch does not say of an Intel GPU that it is integrated. These names are the processors' (Intel's
# product list, read 2026-11-28); without a name it is its PCI id, of which 56xx and E2xx are Arc cards.
_INTEL_INTEGRATED = re.compile(
    r"\b(?:U?HD|Iris\b.*) Graphics\b|\bArc\(TM\) (?:Graphics|\w+ GPU)\b"
    r"|^Intel\(R\) Graphics(?! \[0x(?:56|e2))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TorchDevice:
    """An accelerator of torch. Bytes; ``allocated_bytes`` and ``reserved_bytes`` are
    torch.cuda.memory_allocated and memory_reserved: what tensors hold, and what the allocator keeps from the
    driver for them. ``unified``: it has no memory of its own. ``bus`` is its PCI address
    ("0000:c3:00.0"), None where torch does not say. ``name`` is empty where nobody says.
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
    bus: str | None = None


def driver_free(device_id: str, kind: str) -> int | None:
    """What the driver calls free, for whoever is about to put a model there: asking makes the context that
    the model would. None where torch is not imported or cannot say.
    """
    torch = sys.modules.get("torch")
    if torch is None or kind not in ("cuda", "rocm", "xpu"):
        return None
    index = int(device_id.partition(":")[2] or 0)
    return Asking().size("mem_get_info", lambda: _backend(torch, kind).mem_get_info(index)[0])


def _backend(torch: Any, kind: str) -> Any:
    return torch.xpu if kind == "xpu" else torch.cuda


def torch_device(torch: Any, device_id: str, kind: str, asking: Asking) -> TorchDevice:
    """``kind`` is "cuda", "rocm", "xpu" or "mps". What torch fails to say is None, with a remark."""
    if kind == "mps":
        return _apple(torch, device_id, asking)
    index, module = int(device_id.split(":")[1]), "xpu" if kind == "xpu" else "cuda"

    def size(question: str, what: Any) -> int | None:
        return asking.size(f"torch.{module}.{question}", what)

    properties = asking.ask(
        f"torch.{module}.get_device_properties",
        lambda: _backend(torch, kind).get_device_properties(index),
    )
    allocated: int | None = 0
    reserved: int | None = 0
    free: int | None = None
    if asking.yes(f"torch.{module}.is_initialized", lambda: _backend(torch, kind).is_initialized()):
        allocated = size("memory_allocated", lambda: _backend(torch, kind).memory_allocated(index))
        reserved = size("memory_reserved", lambda: _backend(torch, kind).memory_reserved(index))
        if reserved and hasattr(_backend(torch, kind), "mem_get_info"):
            free = size("mem_get_info", lambda: _backend(torch, kind).mem_get_info(index)[0])
    seen = _Properties(properties, f"torch.{module}.get_device_properties", asking)
    name = str(seen.value("name") or "")
    return TorchDevice(
        device_id,
        kind,
        name,
        seen.size("total_memory"),
        free,
        allocated,
        reserved,
        uuid=seen.word("uuid"),
        capability=seen.capability() if kind == "cuda" else None,
        architecture=(seen.word("gcnArchName") or "").split(":")[0] if kind == "rocm" else "",
        unified=_integrated(seen, kind, name),
        bus=seen.bus(),
    )


class _Properties:
    """torch's record of a device, of which any part may be missing or odd."""

    def __init__(self, record: Any, question: str, asking: Asking) -> None:
        self._record, self._question, self._asking = record, question, asking

    def value(self, name: str) -> Any:
        found: Any = None
        if self._record is not None:
            found = self._asking.ask(f"{self._question} {name}", lambda: getattr(self._record, name, None))
        return found

    def word(self, name: str) -> str | None:
        found = self.value(name)
        said: str | None = self._asking.ask(name, lambda: None if found is None else str(found))
        return said or None

    def size(self, name: str) -> int | None:
        if self._record is None:
            return None
        return self._asking.size(f"{self._question} {name}", lambda: getattr(self._record, name)) or None

    def capability(self) -> tuple[int, int] | None:
        return as_capability(self.value("major"), self.value("minor"))

    def bus(self) -> str | None:
        """torch says it from 2.9 on."""
        named = [self.value(f"pci_{part}_id") for part in ("domain", "bus", "device")]
        if not all(isinstance(part, int) for part in named):
            return None
        domain, bus, device = named
        return f"{domain:04x}:{bus:02x}:{device:02x}.0"


def _integrated(seen: _Properties, kind: str, name: str) -> bool:
    """CUDA and HIP say ``is_integrated``, SYCL ``is_integrated_gpu``."""
    said = [seen.value(key) for key in ("is_integrated", "is_integrated_gpu")]
    if any(isinstance(answer, int) for answer in said):
        return any(bool(answer) for answer in said)
    return kind == "xpu" and _INTEL_INTEGRATED.search(name) is not None


def _apple(torch: Any, device_id: str, asking: Asking) -> TorchDevice:
    def size(question: str) -> int | None:
        return asking.size(f"torch.mps.{question}", lambda: getattr(torch.mps, question)())

    total = size("recommended_max_memory") or None
    reserved, allocated = size("driver_allocated_memory"), size("current_allocated_memory")
    free = None if total is None or reserved is None else max(0, total - reserved)
    return TorchDevice(device_id, "mps", "Apple GPU", total, free, allocated, reserved, unified=True)
