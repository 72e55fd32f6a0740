"""Which weights ComfyUI's own load_models_gpu leaves on a card of a size, stage by stage; JSON to stdout.

Run as a program of its own: `peaks.py FOLDER_OF_COMFYUI JSON`, of a list of cards with their stages. No
weight exists: a model is a number of bytes that says what it was told to load, and free memory is counted
from those.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

ASKED = json.loads(sys.argv[2])
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[:1]

import comfy.cli_args  # noqa: E402

comfy.cli_args.args.cpu = True

import comfy.model_management as mm  # noqa: E402
import torch  # noqa: E402

CARD = torch.device("meta")  # a device that is not the processor and asks no driver
mm.lowvram_available, mm.vram_state = True, mm.VRAMState.NORMAL_VRAM
mm.DISABLE_SMART_MEMORY = False
mm.MIN_WEIGHT_MEMORY_RATIO = 0.0  # as on NVIDIA


class Real:
    pass


class Model:
    """What LoadedModel asks of a ModelPatcher."""

    parent, load_device, offload_device = None, CARD, torch.device("cpu")

    def __init__(self, size: int) -> None:
        self.size, self.on_card, self.model = size, 0, Real()

    def model_size(self) -> int:
        return self.size

    def loaded_size(self) -> int:
        return self.on_card

    def current_loaded_device(self) -> torch.device:
        return CARD if self.on_card else self.offload_device

    def model_patches_models(self) -> list[Any]:
        return []

    def is_dynamic(self) -> bool:  # newer versions ask these
        return False

    def model_mmap_residency(self, free: bool = False) -> tuple[int, int]:
        return 0, 0

    def pinned_memory_size(self) -> int:
        return 0

    def partially_unload_ram(self, _wanted: int) -> None: ...

    def model_patches_to(self, _device: Any) -> None: ...

    def model_dtype(self) -> None: ...

    def is_clone(self, other: Any) -> bool:
        return other is self

    def partially_load(self, _device: Any, extra: float, force_patch_weights: bool = False) -> int:
        before = self.on_card
        self.on_card = min(self.size, self.on_card + max(0, int(extra)))
        return self.on_card - before

    def partially_unload(self, _device: Any, wanted: int) -> int:
        freed = min(self.on_card, math.ceil(wanted))  # it ends with the layer that is enough
        self.on_card -= freed
        return freed

    def detach(self, _unpatch: bool = True) -> None:
        self.on_card = 0


answers = []
for card in ASKED:
    models = {stage["stage"]: Model(stage["weights"]) for stage in card["stages"]}

    def free(
        _device: Any = None, torch_free_too: bool = False, card: Any = card, models: Any = models
    ) -> Any:
        left = card["vram"] - sum(model.on_card for model in models.values())
        return (left, 0) if torch_free_too else left

    mm.get_free_memory = free
    mm.current_loaded_models.clear()
    peak, at = 0, ""
    for stage in card["stages"]:
        minimum = stage["least"] if stage["least"] is not None else None
        mm.load_models_gpu(
            [models[stage["stage"]]], memory_required=stage["asked"], minimum_memory_required=minimum
        )
        used = min(card["vram"], sum(model.on_card for model in models.values()) + stage["used"])
        if used > peak:
            peak, at = used, stage["stage"]
    answers.append({"peak": peak, "stage": at})
print(json.dumps(answers))
