"""The command line: ``vramwise ocr FILE``, ``vramwise download NAME``, ``vramwise cache list|clear``.

Exit codes: 0 done, 1 it failed (the sentence is on standard error), 2 wrong usage, 3 some of the files
failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .catalog import languages, ocr_models, recogniser, recognisers
from .errors import VramwiseError
from .settings import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except VramwiseError as error:
        print(f"vramwise: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("vramwise: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0


def _parser() -> argparse.ArgumentParser:
    from . import __version__
    from .choices import TASKS
    from .models import model_ids

    parser = argparse.ArgumentParser(
        prog="vramwise", description="Read text from pictures; know what fits your GPU."
    )
    parser.add_argument("--version", action="version", version=f"vramwise {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    ocr = verbs.add_parser("ocr", help="read the text of one or more pictures")
    ocr.add_argument("files", nargs="+", metavar="FILE", help="picture files")
    ocr.add_argument("--model", default="rapid", choices=model_ids(), help="default: %(default)s (built in)")
    ocr.add_argument(
        "--language",
        default="auto",
        metavar="CODE",
        help=f"auto, {', '.join(row.code for row in languages()[:5])}, ru, ...",
    )
    ocr.add_argument("--task", default="text", choices=TASKS)
    ocr.add_argument(
        "--megapixels", type=float, default=0.0, help="scale larger pictures down to this; 0: automatic"
    )
    ocr.add_argument("--json", action="store_true", help="print regions, confidences and notes as JSON")
    ocr.set_defaults(run=_ocr)

    download = verbs.add_parser("download", help="fetch an OCR model, or a recogniser for more languages")
    models = [row.id for row in ocr_models() if row.repo]
    names = [row.id for row in recognisers()] + models
    more = "; ".join(f"{row.id}: {row.reads}" for row in recognisers())
    download.add_argument(
        "name", choices=names, metavar="NAME", help=f"a model ({', '.join(models)}) or a recogniser ({more})"
    )
    download.add_argument(
        "--models-dir", metavar="DIR", help="put it under this models folder (ComfyUI's, say)"
    )
    download.set_defaults(run=_download)

    cache = verbs.add_parser("cache", help="the quantised weights kept on disk")
    cache.add_argument("action", choices=("list", "clear"))
    cache.set_defaults(run=_cache)
    return parser


def _ocr(arguments: argparse.Namespace) -> int:
    from .loader import ocr_handle
    from .ocr.engine import ReadOptions
    from .ocr.images import load_picture

    if arguments.megapixels < 0:
        raise VramwiseError("--megapixels must be 0 (automatic) or more.")
    handle = ocr_handle(arguments.model)
    options = ReadOptions(
        task=arguments.task,
        language=arguments.language,
        max_pixels=int(arguments.megapixels * 1_000_000) or None,
    )
    several, failed, pages = len(arguments.files) > 1, 0, []
    for name in arguments.files:
        try:
            (result,) = handle.read([load_picture(name)], options)
        except VramwiseError as error:
            print(f"vramwise: {name}: {error}", file=sys.stderr)
            failed += 1
            continue
        for note in result.notes:
            print(f"vramwise: {name}: {note}", file=sys.stderr)
        if arguments.json:
            pages.append({"file": str(Path(name)), **result.to_dict()})
        else:
            print(f"== {name}\n{result.text}\n" if several else result.text)
    if arguments.json:
        print(json.dumps(pages, ensure_ascii=False, indent=2))
    if failed:
        return 3 if failed < len(arguments.files) else 1
    return 0


def _download(arguments: argparse.Namespace) -> int:
    from .weights import download, download_model, locate

    settings = load_settings()
    if arguments.models_dir:
        settings = replace(settings, models_dirs=(Path(arguments.models_dir), *settings.models_dirs))
    shown = _Percent()
    model = next((row for row in ocr_models() if row.repo and row.id == arguments.name), None)
    if model is not None:
        path = download_model(model, settings, shown)
        shown.end()
        print(f"{model.name}: {path} (commit {locate(model, settings).revision}, licence: {model.licence})")
        return 0
    row = recogniser(arguments.name)
    path = download(row, settings, lambda done, total: shown(done, total, row.file))
    shown.end()
    print(f"{row.reads}: {path} ({row.licence}, SHA-256 verified)")
    return 0


def _cache(arguments: argparse.Namespace) -> int:
    from .weights import quantised

    settings = load_settings()
    if arguments.action == "clear":
        print(f"{quantised.clear(settings) / 1e9:.2f} GB freed.")
        return 0
    for one in quantised.entries(settings):
        print(f"{one.name}  {one.precision}  {one.bytes / 1e9:.2f} GB  {one.created}  {one.path}")
    if not settings.quantised_cache:
        print("The cache is off; quantised_cache: true in config.yaml switches it on.", file=sys.stderr)
    return 0


class _Percent:
    """A line on a terminal that counts up; silent when standard error is a file."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, done: int, total: int | None, name: str) -> None:
        text = f"{name}: {100 * done // total} %" if total else f"{name}: {done >> 20} MiB"
        if text != self._last and sys.stderr.isatty():
            self._last = text
            print(f"\r{text:<70}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._last:
            print(file=sys.stderr)
