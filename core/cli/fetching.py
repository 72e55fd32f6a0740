"""The verbs for weights on disk: ``vramwise download NAME``, ``vramwise cache list|clear``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..catalog import ocr_models, recogniser, recognisers
from ..errors import UnknownName, nearest
from ..settings import load_settings
from ..units import gb_text
from .terminal import on_one_line, say


def add_verbs(verbs: Any) -> None:
    """Add ``download`` and ``cache`` to the parser's verbs."""
    download = verbs.add_parser("download", help="fetch an OCR model, or a recogniser for more languages")
    models = [row.id for row in ocr_models() if row.repo]
    more = "; ".join(f"{row.id}: {row.reads}" for row in recognisers())
    download.add_argument(
        "name", metavar="NAME", help=f"a model ({', '.join(models)}) or a recogniser ({more})"
    )
    download.add_argument(
        "--models-dir", metavar="DIR", help="put it under this models folder (ComfyUI's, say)"
    )
    download.set_defaults(run=_download)

    cache = verbs.add_parser("cache", help="the quantised weights kept on disk")
    cache.add_argument("action", choices=("list", "clear"))
    cache.set_defaults(run=_cache)


def _download(arguments: argparse.Namespace) -> int:
    from ..weights import download, download_model, locate

    name = _downloadable(arguments.name)
    settings = load_settings()
    if arguments.models_dir:
        settings = replace(settings, models_dirs=(Path(arguments.models_dir), *settings.models_dirs))
    shown = _Percent()
    model = next((row for row in ocr_models() if row.repo and row.id == name), None)
    if model is not None:
        path = download_model(model, settings, shown)
        shown.end()
        say(f"{model.name}: {path} (commit {locate(model, settings).revision}, licence: {model.licence})")
        return 0
    row = recogniser(name)
    path = download(row, settings, lambda done, total: shown(done, total, row.file))
    shown.end()
    say(f"{row.reads}: {path} ({row.licence}, SHA-256 verified)")
    return 0


def _downloadable(name: str) -> str:
    """The id of the model or recogniser ``name``, which may be a model's display name. Raises UnknownName."""
    models = {row.name.casefold(): row.id for row in ocr_models() if row.repo}
    known = [*(row.id for row in recognisers()), *models.values()]
    found = models.get(name.casefold(), name)
    if found not in known:
        raise UnknownName(
            f'There is nothing called "{name}" to download.{nearest(name, known)} Known: {", ".join(known)}.'
        )
    return found


def _cache(arguments: argparse.Namespace) -> int:
    from ..weights import quantised_cache

    settings = load_settings()
    if arguments.action == "clear":
        say(f"{gb_text(quantised_cache.clear(settings), 2)} freed.")
        return 0
    for one in quantised_cache.entries(settings):
        say(f"{one.name}  {one.precision}  {gb_text(one.bytes, 2)}  {one.created}  {one.path}")
    if not settings.quantised_cache:
        say("The cache is off; quantised_cache: true in config.yaml switches it on.", sys.stderr)
    return 0


class _Percent:
    """A line on a terminal that counts up; silent when standard error is a file."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, done: int, total: int | None, name: str) -> None:
        text = f"{name}: {100 * done // total} %" if total else f"{name}: {done >> 20} MiB"
        if text != self._last and sys.stderr.isatty():
            self._last = text
            sys.stderr.write(f"\r{on_one_line(text):<70}")
            sys.stderr.flush()

    def end(self) -> None:
        if self._last:
            say(file=sys.stderr)
