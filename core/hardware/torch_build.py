"""Which torch is installed and what it was built for, read from its version file: nothing is imported."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import nvml


@dataclass(frozen=True)
class TorchBuild:
    """``cuda``, ``hip`` and ``xpu`` are versions, None where the build has no such part."""

    version: str
    cuda: str | None = None
    hip: str | None = None
    xpu: str | None = None


def torch_build(torch: Any = None) -> TorchBuild | None:
    """The build of ``torch``, or of the one installed; None without one."""
    if torch is not None:
        parts = {name: getattr(torch.version, name, None) for name in ("cuda", "hip", "xpu")}
        return TorchBuild(str(torch.__version__), **parts)
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    try:
        text = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return TorchBuild("unknown")
    named = dict(
        re.findall(r"^(__version__|cuda|hip|xpu)\b[^=\n]*= *['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    )
    return TorchBuild(
        named.get("__version__", "unknown"), named.get("cuda"), named.get("hip"), named.get("xpu")
    )


def live_torch(wanted: Any, driver: nvml.NvmlReport, build: TorchBuild | None) -> Any:
    """The torch module to ask, or None.

    ``wanted``: a torch module, None for never, "import" for always, "auto" for one that is imported already
    or that alone can answer: for AMD, Intel and Apple, or for NVIDIA without pynvml.
    """
    if wanted not in ("auto", "import"):
        return wanted
    if "torch" in sys.modules:
        return sys.modules["torch"]
    if build is None or (wanted == "auto" and not _alone_can_answer(driver, build)):
        return None
    import torch

    return torch


def _alone_can_answer(driver: nvml.NvmlReport, build: TorchBuild) -> bool:
    if driver.devices:
        return False
    other = build.hip or build.xpu or sys.platform == "darwin"
    return bool(other or (build.cuda and not nvml.installed()))
