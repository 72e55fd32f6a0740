"""ComfyUI's own sampler with a tiny UNet, watched as on a GPU; one JSON object to stdout.

Run as a program of its own: `sampling.py FOLDER_OF_COMFYUI FOLDER_OF_THE_PACK USER_FOLDER`. The processor has
no counters, so that torch.cuda's are played by ones that count the tensors' sizes that are told.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

COMFY, PACK, USER = sys.argv[1:4]
sys.path.insert(0, COMFY)
sys.argv = sys.argv[:1]

import comfy.cli_args  # noqa: E402

comfy.cli_args.args.cpu = True

import comfy.model_patcher  # noqa: E402
import comfy.sample  # noqa: E402
import comfy.sampler_helpers as helpers  # noqa: E402
import comfy.supported_models as supported  # noqa: E402
import torch  # noqa: E402

spec = importlib.util.spec_from_file_location(
    "vramwise_pack", f"{PACK}/__init__.py", submodule_search_locations=[PACK]
)
pack = importlib.util.module_from_spec(spec)
sys.modules["vramwise_pack"] = pack
spec.loader.exec_module(pack)

from vramwise_pack.core.host import Places, set_places  # noqa: E402
from vramwise_pack.nodes.bridge import sampling_peaks as bridge  # noqa: E402

set_places(Places(Path(USER), (Path(USER) / "models",)))
TINY = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": [1, 1],
    "channel_mult": [1, 2], "num_heads": 2, "context_dim": 16, "use_spatial_transformer": True,
    "transformer_depth": [1, 1], "transformer_depth_output": [1, 1, 1, 1], "transformer_depth_middle": 1,
    "use_linear_in_transformer": False, "legacy": False, "adm_in_channels": None, "num_classes": None,
    "use_temporal_attention": False,
}  # fmt: skip


class Counters:
    """What torch.cuda counts: asked for, with what was asked in order."""

    def __init__(self, before: int, peak: int, total: int) -> None:
        self.before, self.peak, self.total, self.asked = before, peak, total, []

    def reset_peak_memory_stats(self, device: Any) -> None:
        self.asked.append("reset")

    def memory_allocated(self, device: Any) -> int:
        return self.before

    def max_memory_allocated(self, device: Any) -> int:
        self.asked.append("peak")
        return self.peak

    def get_device_properties(self, device: Any) -> Any:
        return SimpleNamespace(total_memory=self.total)


def tiny() -> Any:
    config = supported.SD15(dict(TINY))
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({}, "", device=torch.device("cpu"))
    return comfy.model_patcher.ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


def picture(model: Any, side: int = 8, batch: int = 1) -> list[float]:
    noise = torch.randn((batch, 4, side, side), generator=torch.manual_seed(1))
    cond = [[torch.zeros(1, 4, 16), {}]]
    made = comfy.sample.sample(
        model, noise, 2, 4.0, "euler", "simple", cond, cond, torch.zeros_like(noise), seed=1
    )
    return [round(float(value), 5) for value in made.flatten()[:8]]


def learned(counters: Counters) -> list[Any]:
    told: list[Any] = []
    watch = bridge.SamplingWatch(lambda begun, peak: told.append((begun, peak)), counters)
    originals = helpers.prepare_sampling, helpers.cleanup_models
    assert watch.install(helpers) and not watch.install(helpers)
    try:
        answers["watched"] = picture(model, batch=2)
        return told
    finally:
        helpers.prepare_sampling, helpers.cleanup_models = originals


answers: dict[str, Any] = {}
torch.manual_seed(0)
model = tiny()
for weights in model.model.parameters():
    torch.nn.init.normal_(weights, std=0.02)
answers["bare"] = picture(model, batch=2)
original = helpers.prepare_sampling
bridge.watch_sampling()
answers["left alone on the processor"] = helpers.prepare_sampling is original

counters = Counters(1000, 5000, 10_000)
((begun, peak),) = learned(counters)
answers["told"] = [begun.architecture, begun.factor, begun.area, begun.dtype, peak]
answers["asked"] = counters.asked
answers["a full card"] = len(learned(Counters(1000, 9_900, 10_000)))
os.environ["VRAMWISE_LEARN_PEAKS"] = "0"
off = Counters(1000, 5000, 10_000)
answers["switched off"] = [len(learned(off)), off.asked]
del os.environ["VRAMWISE_LEARN_PEAKS"]


class Broken(Counters):
    def memory_allocated(self, device: Any) -> int:
        raise RuntimeError("a card that was lost")


answers["broken counters"] = len(learned(Broken(1, 2, 3)))
answers["same pictures"] = answers["watched"] == answers["bare"] and len(set(answers["bare"])) > 4

bridge._remember(begun, peak)
from vramwise_pack.core.planning.sampling_peaks import sampling_peaks  # noqa: E402

kept = sampling_peaks(Path(USER), "cpu")
answers["kept"] = [[*key, value.bytes] for key, value in kept.items()]
print(json.dumps(answers))
