"""ComfyUI's front door. Imports nothing heavy: the nodes are imported when ComfyUI asks for them."""

from __future__ import annotations

from typing import Any

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> Any:
    """The extension with this pack's nodes; called once by ComfyUI."""
    from .nodes import VramwiseExtension

    return VramwiseExtension()
