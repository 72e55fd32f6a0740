from collections.abc import Sequence
from enum import Enum

import torch
from comfy.model_patcher import ModelPatcher

class VRAMState(Enum):
    DISABLED = 0
    NO_VRAM = 1
    LOW_VRAM = 2
    NORMAL_VRAM = 3
    HIGH_VRAM = 4
    SHARED = 5

class LoadedModel:
    device: torch.device
    @property
    def model(self) -> ModelPatcher | None: ...

vram_state: VRAMState
current_loaded_models: list[LoadedModel]

def get_torch_device() -> torch.device: ...
def unet_offload_device() -> torch.device: ...
def get_free_memory(dev: torch.device | None = None) -> float: ...
def load_models_gpu(models: Sequence[ModelPatcher], memory_required: float = 0) -> None: ...
def free_memory(
    memory_required: float, device: torch.device, keep_loaded: Sequence[LoadedModel] = []
) -> list[LoadedModel]: ...
def unload_all_models() -> None: ...
def soft_empty_cache(force: bool = False) -> None: ...
def throw_exception_if_processing_interrupted() -> None: ...
