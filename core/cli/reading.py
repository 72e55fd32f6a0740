"""The verb that reads text: ``vramwise ocr INPUT... [--out DIR]``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog import language, languages
from ..errors import VramwiseError
from ..jobs.outputs import FORMATS, check_packages
from ..models.names import model_ids
from ..option_values import CPU_ENGINES, DEFAULT_MODEL, HYBRID, READING_DIRECTIONS, TASKS, WHOLE_DOCUMENTS
from ..settings import load_settings
from .numbers import number, whole
from .terminal import on_one_line, say, say_failure, say_json, say_xml

if TYPE_CHECKING:
    from ..jobs.job import PageReader
    from ..jobs.manifest import Entry
    from ..models.handle import OCRHandle
    from ..ocr.engines.protocol import ReadOptions
    from ..ocr.remote.handle import RemoteHandle

MOST_MEGAPIXELS = 1000


def add_verbs(verbs: Any) -> None:
    """Add ``ocr`` to the parser's verbs."""
    ocr = verbs.add_parser("ocr", help="read the text of pictures, PDFs and folders of them")
    ocr.add_argument("inputs", nargs="+", metavar="INPUT", help='files, folders or patterns ("scans/*.png")')
    ocr.add_argument(
        "--out",
        metavar="DIR",
        help="write one file a page there (pdf, xlsx: one a document), with a manifest; else print",
    )
    ocr.add_argument("--resume", action="store_true", help="go on with the job in --out where it stopped")
    ocr.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="of the files, or of what is printed (%(default)s); pdf: searchable; xlsx, csv: the tables",
    )
    ocr.add_argument(
        "--json", action="store_const", const="json", dest="format", help="short for that format"
    )
    where = ocr.add_mutually_exclusive_group()
    where.add_argument("--model", choices=model_ids(), help=f"default: {DEFAULT_MODEL} (built in)")
    where.add_argument("--endpoint", metavar="NAME", help="a server of config.yaml that reads instead")
    ocr.add_argument(
        "--hybrid",
        choices=HYBRID,
        default="off",
        help="the built-in engine finds lines or paragraphs, and --model or --endpoint reads them",
    )
    ocr.add_argument("--precision", default="auto", help="of --model; auto: the best that fits")
    ocr.add_argument(
        "--language",
        default="auto",
        metavar="CODE",
        help=f"auto, {', '.join(row.code for row in languages()[:5])}, ru, ...",
    )
    ocr.add_argument(
        "--reading-direction",
        default="auto",
        choices=READING_DIRECTIONS,
        help="vertical: columns from right to left, as in manga (%(default)s: by the lines)",
    )
    ocr.add_argument(
        "--partial",
        action="store_true",
        help="of pages in a script that cannot be read here, what could be read: numbers, lines in others",
    )
    ocr.add_argument("--task", default="text", choices=TASKS)
    ocr.add_argument("--prompt", default="", help="an instruction, for task custom")
    ocr.add_argument(
        "--megapixels",
        type=number(0, MOST_MEGAPIXELS, "size in megapixels", "0 is automatic."),
        default=0.0,
        help="scale larger pictures down to this; 0: automatic",
    )
    ocr.add_argument(
        "--dpi",
        type=whole(36, 1200, "number of dots per inch"),
        default=200,
        help="of PDF pages (%(default)s)",
    )
    ocr.set_defaults(run=_ocr)


def _ocr(arguments: argparse.Namespace) -> int:
    from ..models.hybrid import with_hybrid
    from ..ocr.engines.protocol import ReadOptions

    if arguments.resume and not arguments.out:
        raise VramwiseError("--resume goes on with the job in a folder: name it with --out DIR.")
    if arguments.format in WHOLE_DOCUMENTS and not arguments.out:
        raise VramwiseError(f"A {arguments.format} cannot be printed: name a folder for it with --out DIR.")
    check_packages(arguments.format)
    options = ReadOptions(
        task=arguments.task,
        prompt=arguments.prompt,
        language=arguments.language,
        max_pixels=int(arguments.megapixels * 1_000_000) or None,
        reading_direction=arguments.reading_direction,
        partial=arguments.partial,
    )
    reader = with_hybrid(_reader(arguments), arguments.hybrid)
    if arguments.endpoint and arguments.precision != "auto":
        say_failure(f"--precision {arguments.precision} is ignored: the endpoint's server has decided it.")
    if arguments.out:  # without it every page has its notes
        for sentence in reader.not_used(options):
            say_failure(sentence)
    if arguments.out:
        return _job(arguments, reader, options)
    return _print(arguments, reader, options)


def _reader(arguments: argparse.Namespace) -> OCRHandle | RemoteHandle:
    if arguments.endpoint:
        from ..ocr.remote import open_remote

        return open_remote(arguments.endpoint)
    from ..models.handle import ocr_handle

    model = arguments.model or DEFAULT_MODEL
    _check_language(model, arguments.language)
    return ocr_handle(model, arguments.precision)


def _check_language(model: str, code: str) -> None:
    """Raise VramwiseError where ``model`` cannot read ``code`` on this machine: once, not for every page."""
    if code == "auto" or model not in CPU_ENGINES:
        return
    from ..ocr.engines.language_routing import rapid_route, tesseract_route

    wanted, settings = language(code), load_settings()
    if model == "tesseract":
        tesseract_route([wanted], settings)
    else:
        rapid_route(wanted, settings)


def _job(arguments: argparse.Namespace, reader: PageReader, options: ReadOptions) -> int:
    from ..jobs import JobOptions, run_job

    name = arguments.endpoint or f"{arguments.model or DEFAULT_MODEL} {arguments.precision}"
    if arguments.hybrid != "off":
        name = f"{name} hybrid {arguments.hybrid}"
    job = JobOptions(name, arguments.format, arguments.dpi, options)
    with _Bar() as bar:
        report = run_job(
            arguments.inputs, Path(arguments.out), reader, job, resume=arguments.resume, progress=bar
        )
    for page, sentence in report.failed:
        say_failure(f"{on_one_line(page)}: {sentence}")
    for document, sentence in report.unwritten:
        say_failure(f"{on_one_line(document)}: {sentence}")
    good = report.read + report.before - len(report.failed)
    earlier = f", {report.before} of them before" if report.before else ""
    say(f"{good} pages in {arguments.out}{earlier}; {len(report.failed)} failed.", sys.stderr)
    if report.failed or report.unwritten:
        return 3 if good else 1
    return 0


def _print(arguments: argparse.Namespace, reader: PageReader, options: ReadOptions) -> int:
    from ..documents.pages import PageFiles
    from ..jobs import find_pages
    from ..jobs.job import JobOptions, read_pages
    from ..jobs.outputs import encoded

    files = PageFiles()
    pages = list(find_pages(arguments.inputs, files))
    failed, records = 0, []
    job = JobOptions("", arguments.format, arguments.dpi, options)
    for page, outcome in read_pages(pages, reader, job, files):
        name = page.file if page.pages == 1 else page.name
        if isinstance(outcome, VramwiseError):
            say_failure(f"{on_one_line(name)}: {outcome}")
            failed += 1
            continue
        for note in outcome.notes:
            say_failure(f"{on_one_line(name)}: {note}")
        if arguments.format == "json":
            records.append(outcome.to_dict(file=str(name)))
        else:
            heading = f"== {on_one_line(name)}\n" if len(pages) > 1 and arguments.format != "hocr" else ""
            said = encoded(outcome, arguments.format, str(name)).decode("utf-8-sig")
            out = say_xml if arguments.format == "hocr" else say
            out(f"{heading}{said}", end="\n" if heading else "")
    if arguments.format == "json":
        say_json(records)
    if failed:
        return 3 if failed < len(pages) else 1
    return 0


class _Bar:
    """Pages done, pages a second and the time left, on a terminal; silent when standard error is a file."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._begun = time.monotonic()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int | None, entry: Entry) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="page", file=sys.stderr, initial=0)
            self._bar.start_t -= time.monotonic() - self._begun  # the first page counts too
        self._bar.update(done - self._bar.n)
        self._bar.set_postfix_str(on_one_line(Path(entry.page).name[:40]))
