"""Optional things, probed in one place and lazily. Every answer carries its reason."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..catalog.saved_formats import distribution, saved_formats
from ..catalog.words import joined, said
from ..errors import VramwiseError
from ..shell import pip_line

log = logging.getLogger("vramwise.capabilities")
OPENCV_BUILDS = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)
# The newest that all tests of the models were run with. Its classes change with every minor version.
TESTED_TRANSFORMERS = "5.24"


@dataclass(frozen=True)
class Capability:
    """Whether something can be used here, and why not when it cannot."""

    usable: bool
    reason: str


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except Exception:  # an import hook of somebody's may raise anything
        return False


def required(module: str, what: str, requirement: str) -> ModuleType:
    """Import an optional package. Raises VramwiseError: ``what`` needs it, and the line that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        why = (
            "which this Python does not have" if not _installed(name) else f"which cannot be loaded ({error})"
        )
        raise VramwiseError(
            f"{what} needs the package {name}, {why}. Install it with: {pip_line(requirement)}"
        ) from error


def rapid_runtime() -> str:
    """ "openvino" where it is installed, else "onnxruntime"; VramwiseError when PP-OCR cannot run at all."""
    if not _installed("rapidocr"):
        raise VramwiseError(
            "The built-in OCR engine needs the package rapidocr, which this Python does not have. "
            f"Install it with: {pip_line('rapidocr>=3.10', 'openvino')}"
        )
    for runtime in ("openvino", "onnxruntime"):
        if _installed(runtime):
            return runtime
    raise VramwiseError(
        "PP-OCR needs OpenVINO or ONNX Runtime, and this Python has neither. "
        f"Install one with: {pip_line('openvino')} (on an Intel Mac: {pip_line('onnxruntime')})"
    )


def import_openvino() -> ModuleType:
    """Import OpenVINO without its usage report.

    Importing openvino loads openvino_telemetry, which writes ~/intel and resolves an analytics host. A None
    entry in sys.modules makes that import fail, which OpenVINO expects and answers with a silent stub; the
    entry is taken out again so that other packs see their environment unchanged.
    """
    if "openvino" in sys.modules:
        return sys.modules["openvino"]
    held: Mapping[str, Any] = {
        name: sys.modules[name] for name in ("openvino_telemetry",) if name in sys.modules
    }
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules["openvino_telemetry"]
        sys.modules.update(held)


def tesseract() -> Capability:
    """Whether tesserocr is installed (its wheels bring the Tesseract library)."""
    if _installed("tesserocr"):
        return Capability(True, "tesserocr is installed")
    return Capability(False, f"tesserocr is not installed; {pip_line('tesserocr')} adds it")


def model_options(least_transformers: str = "") -> dict[str, Capability]:
    """What this Python can run of a vision-language model: precisions, flash attention and torchao, which is
    what int8 takes on an Apple GPU, and what folders that were saved quantised need; each with its reason.

    ``least_transformers`` is the version that its family needs, "5.3.0", "" for any.
    """
    everything = ("bf16", "fp16", "fp32", "int8", "int4", "torchao")
    missing = [name for name in ("torch", "transformers") if not _installed(name)]
    if missing:
        why = _added_by(said("plan_lacking", names=joined(missing)), *missing)
        return dict.fromkeys(everything, Capability(False, why))
    has = installed_version("transformers")
    if least_transformers and has is not None and _minor(has) < _minor(least_transformers):
        pip = pip_line("--upgrade", f"transformers>={least_transformers}")
        old = said("plan_transformers_old", least=least_transformers, has=has, pip=pip)
        return dict.fromkeys(everything, Capability(False, old))
    lacking = [name for name in ("bitsandbytes", "accelerate") if not _installed(name)]
    quantised = (
        Capability(False, _added_by(said("plan_lacking", names=joined(lacking)), *lacking))
        if lacking
        else Capability(True, "bitsandbytes is installed")
    )
    torchao = (
        Capability(True, "torchao is installed")
        if _installed("torchao")
        else Capability(False, _added_by(said("plan_not_installed", name="torchao"), "torchao"))
    )
    flash = (
        Capability(True, "flash-attn is installed")
        if _installed("flash_attn")
        else Capability(False, said("plan_not_installed", name="flash-attn"))
    )
    # where bitsandbytes is installed, the loader takes it
    int8 = torchao if torchao.usable and "bitsandbytes" in lacking else quantised
    own = {
        "int8": int8,
        "int4": quantised,
        "torchao": torchao,
        "flash_attention_2": flash,
        "triton": _triton(),
    }
    return {**_packages_of_saved_formats(), **own}


def _triton() -> Capability:
    """What torch.compile writes kernels with; torch brings it on Linux and not on Windows."""
    if _installed("triton"):
        return Capability(True, "triton is installed")
    package = "triton-windows" if sys.platform == "win32" else "triton"
    return Capability(False, _added_by(said("plan_not_installed", name="triton"), package))


def _packages_of_saved_formats() -> dict[str, Capability]:
    """Each package that a folder saved quantised may need, by its own name."""
    needed = {distribution(named): named for row in saved_formats() for named in row.packages}
    return {
        name: Capability(True, f"{name} is installed")
        if installed_version(name) is not None
        else Capability(False, _added_by(said("plan_not_installed", name=name), named))
        for name, named in needed.items()
    }


def _added_by(what: str, *packages: str) -> str:
    """What is missing, and the line that installs it."""
    return said("plan_pip", what=what, pip=pip_line(*packages))


def option_for(precision: str, kind: str) -> str:
    """Which of ``model_options`` decides about ``precision`` on a device of ``kind`` ("cuda", "mps", ...)."""
    return "torchao" if kind == "mps" and precision == "int8" else precision


def untested_transformers() -> str | None:
    """A sentence where the installed transformers is of a newer minor version than TESTED_TRANSFORMERS, else
    None.
    """
    installed = installed_version("transformers")
    if installed is None or _minor(installed) <= _minor(TESTED_TRANSFORMERS):
        return None
    return (
        f"transformers {installed} is newer than {TESTED_TRANSFORMERS}, the newest that this version of "
        "VRAMwise was tested with."
    )


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def overwritten_opencv() -> tuple[tuple[str, ...], str] | None:
    """The OpenCV builds that share one cv2 folder where the contrib modules were lost by it, and the
    requirement that brings them back; else None.

    All four builds install into the same ``cv2`` folder and the one installed last wins. When that is no
    contrib build, packs that need cv2.ximgproc break; an empty ``ximgproc`` folder stays, so a function is
    asked for, not the module.
    """
    present = {name: version for name in OPENCV_BUILDS if (version := installed_version(name))}
    contrib = next((name for name in present if "contrib" in name), None)
    if len(present) < 2 or contrib is None:
        return None
    import cv2

    if hasattr(getattr(cv2, "ximgproc", None), "guidedFilter"):
        return None
    newest = max(
        present.values(), key=lambda version: [int(part) for part in version.split(".") if part.isdigit()]
    )
    return tuple(present), f"{contrib}=={newest}"


@functools.cache
def check_opencv() -> str | None:
    """``overwritten_opencv`` as a sentence, else None. Logged once."""
    lost = overwritten_opencv()
    if lost is None:
        return None
    present, wanted = lost
    contrib = wanted.partition("==")[0]
    hint = (
        f"Several OpenCV builds are installed ({', '.join(present)}) and the contrib modules "
        f"(cv2.ximgproc) of {contrib} have been overwritten, so packs that need them will fail. "
        f"Mend it with: {pip_line('--force-reinstall', '--no-deps', wanted)}"
    )
    log.warning(hint)
    return hint


def installed_version(distribution: str) -> str | None:
    """The version of a distribution in this Python; None where it is not there."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
