"""The V3 nodes, one file each."""

from __future__ import annotations

from ..core.host import set_memory_source
from .bridge.folders import announce_places, offer_sample
from .bridge.managed import manage_models
from .bridge.memory import host_memory, listen_to_free
from .bridge.model_facts import announce_models
from .bridge.reader_language import listen_for_language
from .bridge.routes import serve
from .bridge.sampling_peaks import watch_sampling
from .bridge.schema import ComfyExtension, io
from .bridge.widget_values import checked
from .convert_regions import ConvertRegions
from .crop_regions import CropRegions
from .draw_text import DrawText
from .gpu_probe import GPUProbe
from .load_pages import LoadPages
from .memory_release import MemoryRelease
from .model_advisor import ModelAdvisor
from .ocr import OCR
from .ocr_model_loader import OCRModelLoader
from .ocr_score import OCRScore
from .remote_ocr_model import RemoteOCRModel
from .save_text import SaveText
from .text_mask import TextMask

NODES = (
    GPUProbe,
    OCRModelLoader,
    OCR,
    RemoteOCRModel,
    MemoryRelease,
    ModelAdvisor,
    TextMask,
    OCRScore,
    DrawText,
    LoadPages,
    CropRegions,
    ConvertRegions,
    SaveText,
)


class VramwiseExtension(ComfyExtension):
    """What ComfyUI asks for the node list. Set-up happens here: on_load is not called on 0.3.75."""

    def __init__(self) -> None:
        announce_places()
        offer_sample()
        listen_to_free()
        serve()
        listen_for_language()
        manage_models()
        set_memory_source(host_memory)
        announce_models()
        watch_sampling()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [checked(node) for node in NODES]
