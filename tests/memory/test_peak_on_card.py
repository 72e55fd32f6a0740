"""What stays on a card, by our walk through the stages and by ComfyUI's own load_models_gpu."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from vramwise.advisor.diffusion_memory import DiffusionNeed, diffusion_need
from vramwise.advisor.peak_on_card import peak_on_card
from vramwise.catalog.diffusion import diffusion_model

SCRIPT = Path(__file__).resolve().parent / "inside" / "peaks.py"
GIB = 1024**3
CASES = [
    (diffusion_need(diffusion_model(model), precision), vram)
    for model, precision in (
        ("z-image-turbo", "bf16"),
        ("z-image-turbo", "Q8_0"),
        ("qwen-image", "fp8_e4m3fn"),
        ("wan2.2-14b", "fp8_scaled"),
        ("flux1-dev", "fp8"),
        ("wan2.1-1.3b", "fp16"),
    )
    for vram in (6, 8, 12, 16, 24, 32, 80)
]

pytestmark = pytest.mark.comfy


def stages(need: DiffusionNeed) -> list[dict[str, object]]:
    """What ComfyUI asks for at each: CLIP.load_model, sampler_helpers.prepare_sampling, VAE.decode."""
    return [
        {"stage": "encode", "weights": need.text_encoder_bytes, "asked": 0, "least": None, "used": 0},
        {
            "stage": "sample",
            "weights": need.weights_bytes,
            "asked": 2 * need.activation_bytes,
            "least": need.activation_bytes,
            "used": need.activation_bytes,
        },
        {
            "stage": "decode",
            "weights": need.vae_bytes,
            "asked": need.decode_bytes,
            "least": None,
            "used": need.decode_bytes,
        },
    ]


def test_the_peak_is_what_comfyuis_own_loading_leaves(require: Callable[[object, str], None]) -> None:
    from devtools.comfy.server import default_comfy_dir

    checkout = default_comfy_dir()
    require((checkout / "main.py").is_file(), f"There is no ComfyUI in {checkout}: run `python dev.py demo`.")
    asked = [{"vram": vram * GIB, "stages": stages(need)} for need, vram in CASES]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(checkout), json.dumps(asked)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.strip().splitlines()[-1])
    for (need, vram), answer in zip(CASES, said, strict=True):
        ours = peak_on_card(need, vram * GIB)
        assert ours == pytest.approx(answer["peak"], rel=0.005), (need.model, need.precision, vram)


# Published for Z-Image as "VRAM used": the need is less, the card shows what ComfyUI leaves on it.
@pytest.mark.parametrize(
    ("precision", "card_gib", "size", "published"),
    [
        ("int8_convrot", 12, (1280, 960), 10.8),
        ("Q8_0", 11, (1024, 1024), 10.0),
        ("bf16", 16, (1024, 1024), 16.0),
    ],
)
def test_published_use_of_z_image_is_a_full_card_and_not_the_need(
    precision: str, card_gib: int, size: tuple[int, int], published: float
) -> None:
    width, height = size
    need = diffusion_need(diffusion_model("z-image-turbo"), precision, width=width, height=height)
    peak = peak_on_card(need, round((card_gib - 0.5) * GIB))
    assert peak / GIB == pytest.approx(published, rel=0.06)
    assert need.optimal_bytes < peak < need.resident_bytes
