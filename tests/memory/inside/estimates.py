"""What ComfyUI itself plans for models that are built without a byte of weights; one JSON object to stdout.

Run as a program of its own: `estimates.py FOLDER_OF_COMFYUI`.
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[:1]

import comfy.cli_args  # noqa: E402

comfy.cli_args.args.cpu = True

import comfy.model_detection  # noqa: E402
import comfy.model_management as mm  # noqa: E402
import comfy.supported_models as supported  # noqa: E402
import torch  # noqa: E402
from comfy.ldm.flux.model import FluxParams  # noqa: E402

FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "vec_in_dim": 768,
    "context_in_dim": 4096,
    "hidden_size": 3072,
    "mlp_ratio": 4.0,
    "num_heads": 24,
    "depth": 19,
    "depth_single_blocks": 38,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": True,
    "out_channels": 16,
    "patch_size": 2,
}


if "txt_ids_dims" in inspect.signature(FluxParams).parameters:  # newer versions tell it from the weights
    FLUX["txt_ids_dims"] = []


def wan(dim: int, ffn: int, heads: int, layers: int, channels: int = 16) -> dict[str, Any]:
    return {
        "image_model": "wan2.1",
        "model_type": "t2v",
        "dim": dim,
        "ffn_dim": ffn,
        "num_heads": heads,
        "num_layers": layers,
        "patch_size": (1, 2, 2),
        "freq_dim": 256,
        "window_size": (-1, -1),
        "qk_norm": True,
        "cross_attn_norm": True,
        "eps": 1e-6,
        "in_dim": channels,
        "out_dim": channels,
        "text_dim": 4096,
    }


# Row of the catalog: (class, config, latent of its usual picture, latents that go in beside it).
CASES: dict[str, tuple[Any, dict[str, Any], list[int], list[list[int]]]] = {
    "flux1-dev": (supported.Flux, FLUX, [1, 16, 128, 128], []),
    "flux1-kontext": (supported.Flux, FLUX, [1, 16, 128, 128], [[1, 16, 128, 128]]),
    "wan2.1-1.3b": (supported.WAN21_T2V, wan(1536, 8960, 12, 30), [1, 16, 21, 60, 104], []),
    "wan2.1-14b": (supported.WAN21_T2V, wan(5120, 13824, 40, 40), [1, 16, 21, 60, 104], []),
    "wan2.2-14b": (supported.WAN21_T2V, wan(5120, 13824, 40, 40), [1, 16, 21, 80, 80], []),
    "wan2.2-5b": (supported.WAN22_T2V, wan(3072, 14336, 24, 30, 48), [1, 48, 31, 44, 80], []),
}


def answer(kind: Any, config: dict[str, Any], latent: list[int], beside: list[list[int]]) -> dict[str, Any]:
    """Built on the meta device, recognised again by its own tensors, asked with both kinds of attention."""
    made = kind(dict(config))
    made.set_inference_dtype(torch.bfloat16, None)
    model = made.get_model({}, "", device=torch.device("meta"))
    tensors = model.diffusion_model.state_dict()
    found = comfy.model_detection.model_config_from_unet(tensors, "")
    conds = {"ref_latents": beside} if beside else {}
    said: dict[str, Any] = {
        "class": type(found).__name__,
        "factor": found.memory_usage_factor,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
    }
    for name, flash in (("flash", True), ("plain", False)):
        mm.pytorch_attention_flash_attention = lambda flash=flash: flash
        said[name] = model.memory_required(latent, conds)
    return said


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "reserve": mm.extra_reserved_memory(),
                "least": mm.minimum_inference_memory(),
                "models": {name: answer(*case) for name, case in CASES.items()},
            }
        )
    )
