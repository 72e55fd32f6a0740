"""What a device computes with: number formats and attention kernels, each answer with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalog.words import said
from .capabilities import Capability, _installed

# Tensor cores take bf16 from compute capability 8.0 on, fp8 from 8.9 and fp4 from 10.0
# (CUDA C++ Programming Guide, "Tensor Core data types").
_BF16, _FP8, _FP4 = (8, 0), (8, 9), (10, 0)
# Matrix units by AMD's own names (rocWMMA's table of supported data types).
_AMD_BF16 = ("gfx11", "gfx12", "gfx908", "gfx90a", "gfx94", "gfx95")
_AMD_FP8 = ("gfx12", "gfx94", "gfx95")
_AMD_FP4 = ("gfx95",)


@dataclass(frozen=True)
class NumberFormats:
    """Whether the device computes in a format itself. None: not known. False for bf16 means that torch
    answers in fp32 without a word: twice the time and memory traffic.
    """

    bf16: bool | None = None
    fp8: bool | None = None
    fp4: bool | None = None


def number_formats(kind: str, capability: tuple[int, int] | None, architecture: str = "") -> NumberFormats:
    """``capability`` of a CUDA card, ``architecture`` ("gfx1201") of an AMD one."""
    if kind == "cuda" and capability is not None:
        return NumberFormats(capability >= _BF16, capability >= _FP8, capability >= _FP4)
    if kind == "rocm" and architecture.startswith("gfx"):
        named = (_AMD_BF16, _AMD_FP8, _AMD_FP4)
        return NumberFormats(*(architecture.startswith(prefixes) for prefixes in named))
    if kind == "xpu":  # every Arc has XMX units, which take bf16 and no fp8
        return NumberFormats(True, False, False)
    return NumberFormats()


def flash_attention(kind: str, capability: tuple[int, int] | None) -> Capability:
    """flash-attn: CUDA from compute capability 8.0 on, and AMD; fp16 and bf16 only."""
    return _kernel("flash-attn", "flash_attn", kind, capability, amd=True)


def sage_attention(kind: str, capability: tuple[int, int] | None) -> Capability:
    """SageAttention: CUDA from compute capability 8.0 on, with Triton; fp16 and bf16 only."""
    found = _kernel("SageAttention", "sageattention", kind, capability, amd=False)
    if found.usable and not _installed("triton"):
        return Capability(False, "SageAttention needs Triton, which is not installed")
    return found


def supports_flash(kind: str, capability: tuple[int, int] | None) -> bool:
    """Whether the hardware could run flash-attn, installed or not."""
    return kind == "cuda" and (capability or (0, 0)) >= _BF16


def _kernel(name: str, module: str, kind: str, capability: tuple[int, int] | None, amd: bool) -> Capability:
    if kind not in ("cuda", "rocm") or (kind == "rocm" and not amd):
        runs = "NVIDIA and AMD GPUs" if amd else "NVIDIA GPUs"
        return Capability(False, f"{name} runs on {runs} only")
    if kind == "cuda" and capability is None:
        return Capability(False, f"{name} needs compute capability 8.0, and the driver does not say which")
    if kind == "cuda" and not supports_flash(kind, capability):
        has = ".".join(map(str, capability or ()))
        return Capability(False, f"{name} needs compute capability 8.0; this GPU has {has}")
    if not _installed(module):
        return Capability(False, said("plan_not_installed", name=name))
    return Capability(True, f"{name} is installed; it computes in fp16 and bf16, not in fp32")
