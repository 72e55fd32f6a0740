"""What this machine has."""

from .probe import DeviceReport, MachineReport, device_names, probe

__all__ = ["DeviceReport", "MachineReport", "device_names", "probe"]
