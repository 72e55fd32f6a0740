"""ComfyUI's template packages as the pack finds them, in a process with the real ComfyUI."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent / "inside" / "installed.py"

pytestmark = pytest.mark.comfy


@pytest.fixture
def ask(require: Callable[[object, str], None], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    from devtools.comfy.server import default_comfy_dir

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


def test_installed_templates_are_found_and_what_is_on_disk_is_marked(
    ask: Callable[..., dict[str, Any]], require: Callable[[object, str], None]
) -> None:
    require(
        importlib.util.find_spec("comfyui_workflow_templates_json"),
        "ComfyUI's templates are not installed: `pip install --no-deps comfyui-workflow-templates-core "
        "comfyui-workflow-templates-json`.",
    )
    said = ask()
    assert said["templates"] >= 258 and said["with_files"] >= 250
    assert said["on_disk"] == ["diffusion_models/z_image_turbo_bf16.safetensors 5"]
    assert said["unknown_kind"] is None


def test_without_the_template_packages_there_are_no_templates(ask: Callable[..., dict[str, Any]]) -> None:
    said = ask("hidden")
    assert said["templates"] == 0 and said["on_disk"] == []
