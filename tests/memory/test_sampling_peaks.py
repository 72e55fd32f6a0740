"""ComfyUI's real sampler is watched from outside, asked in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent / "inside" / "sampling.py"
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> dict[str, Any]:
    from devtools.comfy.server import default_comfy_dir

    checkout = default_comfy_dir()
    require(
        (checkout / "main.py").is_file(),
        f"There is no ComfyUI in {checkout}: run `python dev.py demo` once, or give one with --comfy DIR.",
    )
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(checkout), str(ROOT), str(tmp_path_factory.mktemp("user"))],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def test_a_sampling_is_told_by_its_class_its_latent_and_its_peak(said: dict[str, Any]) -> None:
    assert said["told"] == ["SD15", 1.0, 2 * 8 * 8, "float32", 4000]
    assert said["kept"] == [["comfyui/SD15/1", 128, 4000]]


def test_it_costs_two_questions_a_sampling_and_none_a_step(said: dict[str, Any]) -> None:
    assert said["asked"] == ["reset", "peak"]


def test_the_picture_is_the_same_and_a_lost_card_costs_only_the_figure(said: dict[str, Any]) -> None:
    assert said["same pictures"] and said["broken counters"] == 0


def test_nothing_is_asked_where_it_is_switched_off_on_the_processor_or_on_a_full_card(
    said: dict[str, Any],
) -> None:
    assert said["left alone on the processor"]
    assert said["switched off"] == [0, []]
    assert said["a full card"] == 0
