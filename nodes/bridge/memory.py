"""ComfyUI's memory: what is free, giving it back, and hearing POST /free for engines that live outside
torch.
"""

from __future__ import annotations

import functools
import gc
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import psutil
import torch
from aiohttp import web

from ...core.hardware import device_names
from ...core.ocr.vlm.model_owner import residences

if TYPE_CHECKING:
    from ...core.hardware import HostDevice, HostMemory
    from ...core.hardware.report import Remark

log = logging.getLogger("vramwise")


@dataclass(frozen=True)
class Free:
    """Free bytes now: on ComfyUI's device, and what this process holds in RAM."""

    device: str
    device_bytes: int
    process_bytes: int


def host_memory() -> HostMemory:
    """What ComfyUI knows of its devices, for the probe: bytes it could use now, our models, its other models,
    dynamic VRAM. Whatever cannot be asked is left out with a remark; the rest is told.
    """
    from ...core.hardware import HostMemory

    remarks: dict[str, Remark] = {}
    here: str | None = None
    known: dict[str, HostDevice] = {}
    try:
        here = comfy_device()
        known[here] = _host_device(mm.get_torch_device(), True, remarks)
    except Exception as error:  # a CUDA that has died in this process, a driver that was updated under it
        _unanswered(remarks, "its device", error)
    for name in device_names():
        if name not in (here, "cpu"):
            known[name] = _host_device(torch.device(name), False, remarks)
    return HostMemory(here, known, dynamic_vram(), tuple(remarks.values()))


def dynamic_vram() -> bool:
    """Whether ComfyUI streams weights by itself (comfy-aimdo); versions that cannot have no such module."""
    try:
        import comfy.memory_management as memory
    except ImportError:
        return False
    return bool(getattr(memory, "aimdo_enabled", False))


def _host_device(device: torch.device, computes: bool, remarks: dict[str, Remark]) -> HostDevice:
    """Asking the driver for a device's free memory makes a context of hundreds of MiB on it; ComfyUI has one
    on the device it computes on, and any other is asked only where torch holds something already.
    """
    from ...core.hardware import HostDevice

    ours = sum(one.resident_bytes() for one in residences() if _same(one.spec.device, device))
    held = sum(_loaded(entry, device, remarks) for entry in list(mm.current_loaded_models))
    free = _free(device, remarks) if computes or _in_use(device) else None
    return HostDevice(free, int(ours), max(0, int(held - ours)))


def _loaded(entry: Any, device: torch.device, remarks: dict[str, Remark]) -> int:
    """Bytes of one model of ComfyUI's list on ``device``. It may be any pack's, and may end meanwhile: no
    reference outlives this call.
    """
    try:
        model = entry.model if _same(entry.device, device) else None
        return 0 if model is None else int(model.loaded_size())
    except Exception as error:
        _unanswered(remarks, f"a model on {device}", error)
        return 0


def _in_use(device: torch.device) -> bool:
    try:
        return device.type == "cuda" and torch.cuda.memory_reserved(device) > 0
    except Exception:  # a card that was lost, a torch that cannot start CUDA any more
        return False


def _free(device: torch.device, remarks: dict[str, Remark]) -> int | None:
    """What ComfyUI could use of ``device``, None where asking fails: torch.xpu.mem_get_info raises on
    integrated GPUs, torch.cuda's on a card that was lost.
    """
    try:
        return int(mm.get_free_memory(device))
    except Exception as error:
        _unanswered(remarks, f"free memory of {device}", error)
        return None


def _unanswered(remarks: dict[str, Remark], question: str, error: Exception) -> None:
    from ...core.hardware.report import Remark

    said = f"{type(error).__name__}: {error}"
    remarks[question] = Remark("unanswered", {"question": f"ComfyUI, {question}", "said": said[:200]})


def _same(device: torch.device | str, other: torch.device) -> bool:
    device = torch.device(device)
    return (device.type, device.index or 0) == (other.type, other.index or 0)


def comfy_device() -> str:
    """The id of the device that ComfyUI runs its models on: "cuda:0", "cpu", "mps", ... Asked anew at each
    run.
    """
    device = mm.get_torch_device()
    return f"{device.type}:{device.index or 0}" if device.type in ("cuda", "xpu") else str(device.type)


def measure() -> Free:
    """Memory now. On a CPU-only ComfyUI the device is the machine's RAM. Of a GPU without memory of its own
    what the system can give, as GPU Probe says it.
    """
    device = mm.get_torch_device()
    free = int(psutil.virtual_memory().available) if shares_ram(str(device)) else _free(device, {})
    return Free(str(device), free or 0, int(psutil.Process().memory_info().rss))


@functools.cache
def shares_ram(device: str) -> bool:
    """Whether ``device`` has no memory of its own (Apple, DGX Spark, Jetson, integrated GPUs): what moves
    from it to RAM frees nothing.
    """
    from ...core.hardware.machine import probe

    meant = torch.device(device)
    if meant.type in ("cpu", "mps"):
        return True
    name = f"{meant.type}:{meant.index or 0}"
    return any(found.unified for found in probe(torch=torch).devices if found.id == name)


def release(what: str) -> list[str]:
    """Give memory back. ``what``: "ocr models", "all models" or "cache". Returns the names of our engines
    let go.
    """
    from ...core.models.handle import release_all, resident_engines

    gone: list[str] = []
    if what in ("ocr models", "all models"):
        gone = resident_engines()
        release_all()
    if what == "all models":
        mm.unload_all_models()
    gc.collect()
    mm.soft_empty_cache()
    return gone


@web.middleware
async def _release_on_free(request: web.Request, handler: Any) -> Any:
    """ComfyUI's own POST /free unloads what its model manager knows; engines outside torch hear it here."""
    answer = await handler(request)
    if request.method == "POST" and request.path in ("/free", "/api/free"):
        try:
            wanted = await request.json()  # aiohttp keeps the body it has read
        except ValueError:
            return answer
        if isinstance(wanted, dict) and (wanted.get("unload_models") or wanted.get("free_memory")):
            from ...core.models.handle import release_cpu_engines

            release_cpu_engines()
    return answer


def listen_to_free() -> None:
    """Answer POST /free (the toolbar's buttons) for our own engines. Without a server (unit tests) nothing
    happens.
    """
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    if server.app.frozen:
        log.warning(
            "The server was already running when VRAMwise loaded; POST /free will not reach its CPU engines."
        )
        return
    server.app.middlewares.append(_release_on_free)
