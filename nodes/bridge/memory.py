"""ComfyUI's memory: what is free, giving it back, and hearing POST /free for engines that live outside
torch.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from typing import Any

import comfy.model_management as mm
import psutil
import torch
from aiohttp import web

log = logging.getLogger("vramwise")
GIB = 1024**3


@dataclass(frozen=True)
class Free:
    """Free bytes now: on ComfyUI's device, and what this process holds in RAM."""

    device: str
    device_bytes: int
    process_bytes: int


def free_bytes(device_id: str) -> int:
    """Free bytes of a device as ComfyUI counts them (driver-free plus torch's unused reserve)."""
    return int(mm.get_free_memory(torch.device(device_id)))


def comfy_device() -> str:
    """The id of the device that ComfyUI runs its models on: "cuda:0", "cpu", "mps", ... Asked anew at each
    run.
    """
    device = mm.get_torch_device()
    return f"{device.type}:{device.index or 0}" if device.type in ("cuda", "xpu") else str(device.type)


def measure() -> Free:
    """Memory now. On a CPU-only ComfyUI the device is the machine's RAM."""
    device = mm.get_torch_device()
    return Free(str(device), int(mm.get_free_memory(device)), int(psutil.Process().memory_info().rss))


def release(what: str) -> list[str]:
    """Give memory back. ``what``: "ocr models", "all models" or "cache". Returns the names of our engines
    let go.
    """
    from ...core.loader import release_all, resident_engines

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
            from ...core.loader import release_cpu_engines

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
