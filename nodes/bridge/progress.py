"""Progress and cancel inside a running node."""

from __future__ import annotations

import comfy.model_management as mm
from comfy.utils import ProgressBar


class NodeWatch:
    """The core's Watch inside ComfyUI. ``check`` raises ComfyUI's own interrupt, which nobody may swallow."""

    def __init__(self, total: int) -> None:
        self._bar = ProgressBar(total)

    def check(self) -> None:
        mm.throw_exception_if_processing_interrupted()

    def page_done(self, done: int, total: int) -> None:
        self._bar.update_absolute(done, total)
