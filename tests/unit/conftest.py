"""Hypothesis invents the same cases in every run, so that what fails fails again, and judges none by its
time: a busy machine is no failure. `VRAMWISE_NEW_CASES=1` makes it look for others. And a stand-in of
NVIDIA's library, compiled from tests/fixtures/nvml/nvml.c, behind the real pynvml.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "vramwise",
    deadline=None,
    derandomize="VRAMWISE_NEW_CASES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("vramwise")

CARDS = Path(__file__).resolve().parents[1] / "fixtures" / "nvml"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Path:
    """The folder of the stand-in, under the name that pynvml loads."""
    from vramwise.hardware import nvml

    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    require(compiler, "There is no C compiler (cc, gcc or clang) to build the stand-in of NVML.")
    require(sys.platform == "linux", "pynvml finds the stand-in of NVML on Linux only.")
    require(nvml.installed(), f"pynvml is missing: {sys.executable} -m pip install nvidia-ml-py")
    folder = tmp_path_factory.mktemp("nvml")
    made = folder / "libnvidia-ml.so.1"
    subprocess.run([str(compiler), "-shared", "-fPIC", "-o", str(made), str(CARDS / "nvml.c")], check=True)
    return folder


@pytest.fixture
def driver(library: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | Path], None]:
    """``driver(name)``: from now on the driver shows the cards of fixtures/nvml/NAME.txt, or of that file,
    and torch is one for CUDA 12.8.
    """
    import ctypes

    import pynvml
    from vramwise.hardware import machine
    from vramwise.hardware.torch_build import TorchBuild

    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(library / "libnvidia-ml.so.1")))
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setattr(machine, "torch_build", lambda live=None: TorchBuild("2.9.0+cu128", "12.8"))
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)

    def shown(cards: str | Path) -> None:
        path = cards if isinstance(cards, Path) else CARDS / f"{cards}.txt"
        monkeypatch.setenv("VRAMWISE_NVML", str(path))

    return shown
