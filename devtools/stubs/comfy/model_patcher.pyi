from typing import Any

import torch

class ModelPatcher:
    model: Any
    load_device: torch.device
    offload_device: torch.device
    size: int
    def __init__(
        self, model: Any, load_device: torch.device, offload_device: torch.device, size: int = 0, **more: Any
    ) -> None: ...
    def loaded_size(self) -> int: ...
