"""The formula for image and video models against the real ComfyUI, asked in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vramwise.advisor.diffusion_memory import diffusion_need
from vramwise.catalog.diffusion import diffusion_model

SCRIPT = Path(__file__).resolve().parent / "inside" / "estimates.py"
MODELS = ("flux1-dev", "flux1-kontext", "wan2.1-1.3b", "wan2.1-14b", "wan2.2-14b", "wan2.2-5b")

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def comfy_says(require: Callable[[object, str], None]) -> dict[str, Any]:
    from devtools.comfy.server import default_comfy_dir

    checkout = default_comfy_dir()
    require(
        (checkout / "main.py").is_file(),
        f"There is no ComfyUI in {checkout}: run `python dev.py demo` once, or give one with --comfy DIR.",
    )
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(checkout)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


@pytest.mark.parametrize("name", MODELS)
def test_activations_are_those_comfyui_plans_to_the_byte(name: str, comfy_says: dict[str, Any]) -> None:
    model, said = diffusion_model(name), comfy_says["models"][name]
    assert model.comfy_class == said["class"]
    assert model.factor == pytest.approx(said["factor"], rel=1e-9)
    first = model.precisions[0]
    assert abs(diffusion_need(model, first).activation_bytes - said["flash"]) <= 1
    assert abs(diffusion_need(model, first, flash=False).activation_bytes - said["plain"]) <= 1


@pytest.mark.parametrize("name", MODELS)
def test_the_16_bit_file_is_the_parameters_comfyui_builds(name: str, comfy_says: dict[str, Any]) -> None:
    weights, said = diffusion_model(name).weights[0], comfy_says["models"][name]
    assert weights.format in ("fp16", "bf16")
    assert weights.file_bytes == pytest.approx(2 * said["parameters"], rel=0.01)


def test_what_comfyui_keeps_free_is_what_we_take_off(comfy_says: dict[str, Any]) -> None:
    need = diffusion_need(diffusion_model("sd15"), "fp16")
    if sys.platform != "win32":
        assert need.reserve_bytes == comfy_says["reserve"]
    least = comfy_says["least"] - comfy_says["reserve"]
    assert need.sampling_bytes - need.weights_bytes - need.reserve_bytes == int(least)
