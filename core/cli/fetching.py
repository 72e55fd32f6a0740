"""The verbs for weights on disk: ``vramwise download NAME``, ``vramwise cache list|clear``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..catalog import OCRModel, ocr_models, recogniser, recognisers
from ..catalog.layout import layout_models
from ..catalog.words import in_language, said, words
from ..errors import UnknownName, VramwiseError, nearest_name
from ..settings import Settings, load_settings
from ..units import gb_text, mib_text
from .json_answers import add_lang
from .language import spoken
from .terminal import on_one_line, say, say_failure
from .usage import one_of, refuse_empty


def add_verbs(verbs: Any) -> None:
    """Add ``download`` and ``cache`` to the parser's verbs."""
    download = verbs.add_parser("download", help="fetch an OCR model, or a recogniser for more languages")
    download.add_argument(
        "name", metavar="NAME", help="an OCR model of `vramwise models`, or a recogniser of more languages"
    )
    download.add_argument(
        "--models-dir", metavar="DIR", help="put it under this models folder (ComfyUI's, say)"
    )
    download.add_argument(
        "--anyway", action="store_true", help="also where the packages that read it are not installed yet"
    )
    add_lang(download)
    download.set_defaults(run=_download)

    cache = verbs.add_parser("cache", help="the quantised weights kept on disk")
    cache.add_argument(
        "action", type=one_of("cache", ("list", "clear")), metavar="ACTION", help="list or clear"
    )
    add_lang(cache)
    cache.set_defaults(run=_cache)


def _download(arguments: argparse.Namespace) -> int:
    from ..weights import download, download_model, locate

    refuse_empty(arguments.models_dir, "--models-dir names no folder: it is empty.")
    name = _downloadable(arguments.name)
    settings = load_settings()
    if arguments.models_dir:
        folder = _writable(Path(arguments.models_dir))
        settings = replace(settings, models_dirs=(folder, *settings.models_dirs))
    shown = _Percent()
    model = next((row for row in _models() if row.id == name), None)
    if model is not None:
        _packages_first(model, settings, arguments.anyway)
        path = download_model(model, settings, shown)
        shown.end()
        facts = {"name": model.name, "path": path, "licence": in_language(model.licence, spoken())}
        revision = locate(model, settings).revision
        say(words(spoken())["download_done"].format(**facts, revision=revision))
        return 0
    row = recogniser(name)
    path = download(row, settings, lambda done, total: shown(done, total, row.file))
    shown.end()
    facts = {"name": row.reads, "path": path, "licence": in_language(row.licence, spoken())}
    say(words(spoken())["download_recogniser_done"].format(**facts))
    return 0


def _writable(folder: Path) -> Path:
    """The folder that a person names. Raises VramwiseError where it takes no file: what was meant for it
    would go to another one."""
    from ..weights.writable import why_not_writable

    why = why_not_writable(folder)
    if why is not None:
        raise VramwiseError(f"Nothing can be written to {folder}: {why}. Give another --models-dir.")
    return folder


def _models() -> list[OCRModel]:
    """Those with files to fetch: that read, and that find what another reads."""
    return [*(row for row in ocr_models() if row.repo), *layout_models()]


def _packages_first(model: OCRModel, settings: Settings, anyway: bool) -> None:
    """Say what the model takes beside its files. Raises VramwiseError where nothing runs without it, before
    gigabytes are fetched that nobody here could read.
    """
    from ..models.needed_packages import needed_packages, together
    from ..models.request import ModelRequest, answer

    try:
        plan = answer(ModelRequest(model.id), settings).plan
    except VramwiseError:  # what hinders a plan does not hinder a download
        return
    needed = None if plan is None else needed_packages(plan)
    if needed is None or not needed.reasons:
        return
    if needed.runs or anyway:
        for sentence in needed.sentences():
            say_failure(sentence)
        return
    command = settings.command("download", model.id, "--anyway")
    raise VramwiseError(said("fetch_anyway", needs=together(needed.sentences()), command=command))


def _downloadable(name: str) -> str:
    """The id of the model or recogniser ``name``, which may be a model's display name. Raises UnknownName."""
    models = {row.name.casefold(): row.id for row in _models()}
    known = [*(row.id for row in recognisers()), *models.values()]
    found = models.get(name.casefold(), name)
    if found not in known:
        near = nearest_name(name, known)
        helps = said("error_near", near=near) if near else said("error_one_of", known=", ".join(known))
        raise UnknownName(said("error_download", text=name, helps=helps))
    return found


def _cache(arguments: argparse.Namespace) -> int:
    from ..weights import quantised_cache

    settings = load_settings()
    if arguments.action == "clear":
        freed = gb_text(quantised_cache.clear(settings), 2)
        say(words(spoken())["cache_freed"].format(size=freed))
        return 0
    for one in quantised_cache.entries(settings):
        size = in_language(gb_text(one.bytes, 2), spoken())
        say(f"{one.name}  {one.precision}  {size}  {one.created}  {one.path}")
    if not settings.quantised_cache:
        say(words(spoken())["cache_off"], sys.stderr)
    return 0


class _Percent:
    """A line on a terminal that counts up; silent when standard error is a file."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, done: int, total: int | None, name: str) -> None:
        text = (
            f"{name}: {100 * done // total} %"
            if total
            else f"{name}: {in_language(mib_text(done), spoken())}"
        )
        if text != self._last and sys.stderr.isatty():
            self._last = text
            sys.stderr.write(f"\r{on_one_line(text):<70}")
            sys.stderr.flush()

    def end(self) -> None:
        if self._last:
            say(file=sys.stderr)
