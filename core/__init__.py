"""VRAMwise without ComfyUI: what this machine has, and what a picture says.

Names are imported at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .first_use import from_modules

if TYPE_CHECKING:
    from .errors import VramwiseError
    from .hardware import DeviceReport, MachineReport, probe
    from .loader import LoadedModel, ModelLoader, OCRHandle, ocr_handle
    from .ocr.engine import ReadOptions
    from .ocr.images import load_picture
    from .ocr.result import OCRResult, Region, Regions, Word
    from .planning.advice import advise
    from .planning.ocr import plan

__version__ = "0.1.0"

_HOME = {
    "VramwiseError": "errors",
    "DeviceReport": "hardware",
    "MachineReport": "hardware",
    "probe": "hardware",
    "LoadedModel": "loader",
    "ModelLoader": "loader",
    "OCRHandle": "loader",
    "ocr_handle": "loader",
    "ReadOptions": "ocr.engine",
    "load_picture": "ocr.images",
    "OCRResult": "ocr.result",
    "Region": "ocr.result",
    "Regions": "ocr.result",
    "Word": "ocr.result",
    "advise": "planning.advice",
    "plan": "planning.ocr",
}
__all__ = [
    "DeviceReport",
    "LoadedModel",
    "MachineReport",
    "ModelLoader",
    "OCRHandle",
    "OCRResult",
    "ReadOptions",
    "Region",
    "Regions",
    "VramwiseError",
    "Word",
    "advise",
    "load_picture",
    "ocr_handle",
    "plan",
    "probe",
]

__getattr__ = from_modules(__name__, _HOME)
