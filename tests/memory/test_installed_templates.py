"""ComfyUI's template packages as the pack finds them, in a process with the real ComfyUI."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog.diffusion import diffusion_models

from devtools.comfy.server import default_comfy_dir

SCRIPT = Path(__file__).resolve().parent / "inside" / "installed.py"

pytestmark = pytest.mark.comfy


@pytest.fixture
def ask(require: Callable[[object, str], None], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    checkout = default_comfy_dir()
    require(
        (checkout / "main.py").is_file(),
        f"There is no ComfyUI in {checkout}: run `python dev.py demo` once, or give one with --comfy DIR.",
    )
    (tmp_path / "z_image_turbo_bf16.safetensors").write_bytes(b"12345")

    def run(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(checkout), str(tmp_path), *words],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer

    return run


def the_running_comfyui_tells_its_factors_and_latents_and_the_files_it_has(said: dict[str, Any]) -> None:
    assert said["files"] == ["z_image_turbo_bf16.safetensors"]
    ours = {model.id: model.factor for model in diffusion_models()}
    # 0.3.75 counts most as the catalog does, which is of a later version
    same = {name for name, factor in said["counted"].items() if factor == pytest.approx(ours[name])}
    assert same >= {"wan2.1-1.3b", "wan2.2-5b", "wan2.1-vace-14b", "flux1-dev", "sdxl", "qwen-image"}
    # 1.7 in 0.3.75 and 2.8 in newer ones: what is asked is the running one's
    source = (default_comfy_dir() / "comfy" / "supported_models.py").read_text(encoding="utf-8")
    its = re.search(r"memory_usage_factor = ([\d.]+)", source[source.index("class ZImage(") :])
    assert its is not None and said["counted"]["z-image-turbo"] == float(its[1])
    knows = "class Krea2(" in source  # a version that does not is not asked
    assert ("krea2-turbo" in said["counted"]) is knows
    assert said["newer"] == [pytest.approx(2.0), 32, 6]
    assert said["strange"] == [None, None, None, None]


def test_installed_templates_are_found_and_what_is_on_disk_is_marked(
    ask: Callable[..., dict[str, Any]], require: Callable[[object, str], None]
) -> None:
    require(
        importlib.util.find_spec("comfyui_workflow_templates_json"),
        "ComfyUI's templates are not installed: `pip install --no-deps comfyui-workflow-templates-core "
        "comfyui-workflow-templates-json`.",
    )
    said = ask()
    # 258 in the package of ComfyUI 0.3.75; others bring fewer or more
    assert said["templates"] >= 200 and said["with_files"] >= 0.95 * said["templates"]
    assert said["on_disk"] == ["diffusion_models/z_image_turbo_bf16.safetensors 5"]
    assert said["unknown_kind"] is None
    the_running_comfyui_tells_its_factors_and_latents_and_the_files_it_has(said)


def test_without_the_template_packages_there_are_no_templates(ask: Callable[..., dict[str, Any]]) -> None:
    said = ask("hidden")
    assert said["templates"] == 0 and said["on_disk"] == []
