"""Small copies of the pages of a run, for the browser that started it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SIDE = 1400  # pixels: enough to read a page of print in a panel
MOST = 64
QUALITY = 85
FOLDER = "vramwise"


def previews(pages: Sequence[Any]) -> list[dict[str, str]]:
    """One entry for ComfyUI's /view a page, of its temporary folder. ``pages``: uint8 RGB (height, width, 3).

    None at all where no browser waits for this run, and none after the first MOST pages.
    """
    return [_saved(pages[at]) for at in range(min(len(pages), MOST))] if _watched() else []


def _watched() -> bool:
    """Whether somebody hears of this run. Without a server (a script that calls the node) nobody does."""
    server = getattr(sys.modules.get("server"), "PromptServer", None)
    return getattr(getattr(server, "instance", None), "client_id", None) is not None


def _saved(page: Any) -> dict[str, str]:
    import cv2
    import folder_paths

    scale = SIDE / max(page.shape[:2])
    if scale < 1:
        page = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(page, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    folder = Path(folder_paths.get_temp_directory()) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    name = f"page_{uuid.uuid4().hex}.jpg"
    (folder / name).write_bytes(data.tobytes())
    return {"filename": name, "subfolder": FOLDER, "type": "temp"}
