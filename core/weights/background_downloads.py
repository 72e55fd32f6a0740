"""Downloads that a person starts in the browser: one a model, each in a thread of its own.

Nothing here knows HTTP. Bytes are integers, None where nobody knows; names and sentences are text.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..catalog import OCRModel, Recogniser, ocr_models, recognisers
from ..catalog.layout import layout_models
from ..catalog.words import in_language, said
from ..errors import UnknownName, VramwiseError, nearest
from ..option_values import check_choice
from ..settings import DOWNLOAD_SOURCES, Settings, load_settings

if TYPE_CHECKING:
    from .file_transfer import Cancelled
    from .model_download import DownloadProgress


@dataclass
class _Download:
    model: str
    state: str = "running"
    done_bytes: int = 0
    total_bytes: int | None = None
    file: str = ""
    error: object = ""
    ended: float | None = None
    stop: bool = False

    def end(self, state: str, error: object = "") -> None:
        self.error, self.ended = error, time.time()
        self.state = state  # last: what reads it finds the rest

    def answer(self, lang: str) -> dict[str, Any]:
        names = ("model", "state", "done_bytes", "total_bytes", "file", "ended")
        error = in_language(self.error, lang) if self.error else ""
        return {**{name: getattr(self, name) for name in names}, "error": error}


Fetch = Callable[[OCRModel | Recogniser, Settings, "DownloadProgress", "Cancelled"], Any]


class Downloads:
    """Fetches that a person has started by a button, one a model, each in a thread of its own.

    A state is "running", "done", "stopped" or "failed" (then ``error`` is the sentence). ``ended`` is when,
    in seconds since 1970; None before. Nothing is fetched unless ``start`` is called, and ``start`` refuses
    where the machine's owner has switched the button off.
    """

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch, self._guard = fetch or _fetch, threading.Lock()
        self._known: dict[str, _Download] = {}

    def answer(self, lang: str = "en") -> list[dict[str, Any]]:
        """Every fetch that was started; errors in ``lang``."""
        with self._guard:
            return [download.answer(lang) for download in self._known.values()]

    def state(self, model: str, lang: str = "en") -> dict[str, Any] | None:
        """The fetch of ``model``; None where none was started."""
        with self._guard:
            return self._known[model].answer(lang) if model in self._known else None

    def start(self, model: str, source: str = "") -> dict[str, Any]:
        """Begin to fetch a model, layout net or recogniser of the catalog; one that is being fetched goes on.
        ``source``: one of DOWNLOAD_SOURCES for models, or "" for the machine's own. Raises VramwiseError
        where that may not be.
        """
        settings = load_settings()
        known = (*ocr_models(), *layout_models())
        rows: list[OCRModel | Recogniser] = [*(row for row in known if row.repo), *recognisers()]
        row = next((row for row in rows if row.id == model), None)
        if row is None:
            ids = [row.id for row in rows]
            raise UnknownName(f'"{model[:80]}" is no model that can be fetched.{nearest(model, ids)}')
        if not settings.download_button:
            raise VramwiseError(
                f"Downloads from the browser are switched off on this machine (download_button in "
                f"{settings.config_path}). On the machine itself: {settings.command('download', model)}"
            )
        if source:
            check_choice("source", source, DOWNLOAD_SOURCES)
            settings = replace(settings, download_source=source)
        with self._guard:
            running = self._known.get(model)
            if running is not None and running.state == "running" and not running.stop:
                return running.answer("en")
            begun = self._known[model] = _Download(model)
        threading.Thread(
            target=self._run, args=(begun, row, settings), name=f"vramwise-{model}", daemon=True
        ).start()
        return begun.answer("en")

    def cancel(self, model: str) -> dict[str, Any]:
        """Ask a running fetch to stop; what has arrived is kept. Raises UnknownName where there is none."""
        with self._guard:
            known = self._known.get(model)
            if known is None:
                raise UnknownName(f'Nothing called "{model[:80]}" is being fetched.')
            known.stop = True
            return known.answer("en")

    def _run(self, download: _Download, row: OCRModel | Recogniser, settings: Settings) -> None:
        from .file_transfer import DownloadStopped

        def progress(done: int, total: int | None, file: str) -> None:
            download.done_bytes, download.total_bytes, download.file = done, total, file

        try:
            self._fetch(row, settings, progress, lambda: download.stop)
        except DownloadStopped:
            download.end("stopped")
        except VramwiseError as error:
            download.end("failed", error)
        except BaseException:
            download.end("failed", said("fetch_unexpected"))
            raise
        else:
            download.end("done")


def _fetch(
    wanted: OCRModel | Recogniser, settings: Settings, progress: DownloadProgress, cancelled: Cancelled
) -> None:
    if isinstance(wanted, Recogniser):
        from .recognisers import download

        download(wanted, settings, lambda done, total: progress(done, total, wanted.file), cancelled)
        return
    from .model_download import download_model

    download_model(wanted, settings, progress, cancelled)
