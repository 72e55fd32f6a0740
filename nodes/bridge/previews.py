"""What a run shows: small copies of its pages and files of its texts for the browser that started it, and
which of it ComfyUI counts among a job's outputs.
"""

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


def text_files(texts: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """Part of ``ui``: under "files" one entry for ComfyUI's /view a text, of its temporary folder.

    For versions whose app mode and list of jobs show files of text; of a bare text they show nothing there.
    Nodes that are run for their text give it. It comes before the records, as the first of a kind is what
    stands for the job. None where no browser waits, none after the first MOST.
    """
    if not _watched() or not hasattr(_jobs(), "count_previewable_outputs"):
        return {}
    return {"files": [_kept(".txt", text.encode("utf-8", "replace")) for text in texts[:MOST]]}


def uncounted(shown: list[Any]) -> list[Any]:
    """What only panels of ours draw, as a value of ``ui``. Newer ComfyUI takes every dict in such a list for
    an output of the job and passes a list in it by; our panels take both.
    """
    return [shown] if shown and _jobs() is not None else shown


def _jobs() -> Any:
    """Where ComfyUI counts the outputs of a job; None on versions that do not."""
    try:
        from comfy_execution import jobs
    except ImportError:
        return None
    return jobs


def _watched() -> bool:
    """Whether somebody hears of this run. Without a server (a script that calls the node) nobody does."""
    server = getattr(sys.modules.get("server"), "PromptServer", None)
    return getattr(getattr(server, "instance", None), "client_id", None) is not None


def _saved(page: Any) -> dict[str, str]:
    import cv2

    height, width = page.shape[:2]
    scale = SIDE / max(height, width)
    if scale < 1:
        size = (
            max(1, round(width * scale)),
            max(1, round(height * scale)),
        )  # of strips too
        page = cv2.resize(page, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(page, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return _kept(".jpg", data.tobytes())


def _kept(ending: str, data: bytes) -> dict[str, str]:
    import folder_paths

    folder = Path(folder_paths.get_temp_directory()) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    name = f"page_{uuid.uuid4().hex}{ending}"
    (folder / name).write_bytes(data)
    return {"filename": name, "subfolder": FOLDER, "type": "temp"}
