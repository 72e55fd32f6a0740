"""What this machine has.

Names are imported at first use: ComfyUI starts with none of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_imports import from_modules

if TYPE_CHECKING:
    from .budget import Budget, desktop_bytes, free_bytes
    from .devices import device_names
    from .machine import probe
    from .report import DeviceReport, HostDevice, HostMemory, MachineReport

_HOME = {
    "Budget": "budget",
    "DeviceReport": "report",
    "HostDevice": "report",
    "HostMemory": "report",
    "MachineReport": "report",
    "desktop_bytes": "budget",
    "device_names": "devices",
    "free_bytes": "budget",
    "probe": "machine",
}
__all__ = [
    "Budget",
    "DeviceReport",
    "HostDevice",
    "HostMemory",
    "MachineReport",
    "desktop_bytes",
    "device_names",
    "free_bytes",
    "probe",
]

__getattr__ = from_modules(__name__, _HOME)
