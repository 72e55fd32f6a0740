"""What this machine has.

Names are imported at first use: ComfyUI starts with none of this.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .devices import device_names
    from .machine import probe
    from .report import DeviceReport, HostDevice, HostMemory, MachineReport, desktop_bytes

_HOME = {
    "DeviceReport": "report",
    "HostDevice": "report",
    "HostMemory": "report",
    "MachineReport": "report",
    "desktop_bytes": "report",
    "device_names": "devices",
    "probe": "machine",
}
__all__ = [
    "DeviceReport",
    "HostDevice",
    "HostMemory",
    "MachineReport",
    "desktop_bytes",
    "device_names",
    "probe",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
