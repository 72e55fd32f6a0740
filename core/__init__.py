"""VRAMwise without ComfyUI: what this machine has, and what a picture says.

Names are imported at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy_imports import from_modules

if TYPE_CHECKING:
    from .advisor import advise
    from .advisor.picture_plan import plan
    from .errors import VramwiseError
    from .hardware import DeviceReport, MachineReport, probe
    from .models.handle import OCRHandle, ocr_handle
    from .models.script_api import LoadedModel, ModelLoader
    from .ocr.engines.protocol import ReadOptions
    from .ocr.images import load_picture
    from .ocr.results.from_json import regions_from_json, result_from_dict
    from .ocr.results.result import OCRResult, Region, Regions, Word

__version__ = "0.1.0"

_HOME = {
    "VramwiseError": "errors",
    "DeviceReport": "hardware",
    "MachineReport": "hardware",
    "probe": "hardware",
    "LoadedModel": "models.script_api",
    "ModelLoader": "models.script_api",
    "OCRHandle": "models.handle",
    "ocr_handle": "models.handle",
    "ReadOptions": "ocr.engines.protocol",
    "load_picture": "ocr.images",
    "OCRResult": "ocr.results.result",
    "Region": "ocr.results.result",
    "Regions": "ocr.results.result",
    "Word": "ocr.results.result",
    "advise": "advisor",
    "plan": "advisor.picture_plan",
    "regions_from_json": "ocr.results.from_json",
    "result_from_dict": "ocr.results.from_json",
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
    "regions_from_json",
    "result_from_dict",
]

__getattr__ = from_modules(__name__, _HOME)
