"""What comes on top of a model: shown where it fits beside it, and what "Lightning" is."""

from __future__ import annotations

import pytest
from vramwise.advisor.advise import advise
from vramwise.advisor.report import report
from vramwise.catalog.formats import addons


def on_top(vram_gib: float, lang: str = "en") -> list[str]:
    text = report(advise(vram_gib=vram_gib, task="image"), lang)
    return [line for line in text.splitlines() if line.startswith("- ")]


@pytest.mark.parametrize(
    ("name", "model", "fits_on", "not_on"),
    [
        ("SD 1.5 ControlNet", "Stable Diffusion 1.5", 4, 2),
        ("SDXL ControlNet union", "SDXL 1.0 base", 8, 4),
        ("FLUX.1 ControlNet Union Pro 2.0", "FLUX.1 dev", 16, 8),
        ("Qwen-Image InstantX union", "Qwen-Image", 24, 6),
        ("Z-Image Fun union", "Z-Image-Turbo", 12, 4),
    ],
)
def test_a_controlnet_is_shown_beside_its_model_where_both_fit(
    name: str, model: str, fits_on: int, not_on: int
) -> None:
    (line,) = [line for line in on_top(fits_on) if line.startswith(f"- {name}:")]
    assert f"beside {model}" in line and line.endswith(": fits.")
    assert not [line for line in on_top(not_on) if line.startswith(f"- {name}:") and ": fits" in line]


def test_the_five_families_have_one() -> None:
    models = {addon.model for addon in addons() if addon.kind == "controlnet"}
    assert {"sd15", "sdxl", "flux1-dev", "qwen-image", "z-image-turbo"} <= models


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", "not smaller"),
        (
            "ru",
            "\u0435\u0435, \u043d\u043e \u043d\u0435 \u043c\u0435\u043d\u044c\u0448\u0435",
        ),
        ("zh", "\u4e0d\u4f1a\u66f4\u5c0f"),
    ],
)
def test_what_lightning_is_stands_where_such_a_model_is_advised(lang: str, said: str) -> None:
    (line,) = [line for line in on_top(16, lang) if "Lightning" in line and "Z-Image-Turbo" in line]
    assert said in line and "Qwen-Image /" not in line
    assert not [line for line in report(advise(vram_gib=2, task="video"), lang).splitlines() if said in line]
