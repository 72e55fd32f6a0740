"""What this machine has.

Names are imported at first use: ComfyUI starts with none of this.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .devices import device_names
    from .machine import DeviceReport, MachineReport, probe

_HOME = {
    "DeviceReport": "machine",
    "MachineReport": "machine",
    "device_names": "devices",
    "probe": "machine",
}
__all__ = [
    "DeviceReport",
    "MachineReport",
    "device_names",
    "probe",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
