"""The verb that reads text: ``vramwise ocr INPUT... [--out DIR]``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog import language
from ..catalog.words import in_language, words
from ..errors import VramwiseError
from ..jobs.outputs import FORMATS, check_packages
from ..models.names import model_id
from ..option_values import (
    CPU_ENGINES,
    DEFAULT_MODEL,
    HYBRID,
    READING_DIRECTIONS,
    TASKS,
    WHOLE_DOCUMENTS,
    precision_choices,
)
from ..settings import load_settings
from . import asking
from .json_answers import add_lang
from .language import spoken
from .numbers import counted, number, whole
from .stdin import Piped, read_from_stdin
from .terminal import on_one_line, say, say_failure, say_json, say_xml
from .usage import UsageError, one_of, refuse_empty

if TYPE_CHECKING:
    from ..jobs.job import PageReader
    from ..jobs.manifest import Entry
    from ..models.handle import OCRHandle
    from ..ocr.engines.protocol import ReadOptions
    from ..ocr.remote.handle import RemoteHandle
    from ..ocr.results.result import OCRResult

MOST_MEGAPIXELS = 1000
USUAL_DPI = 200


def add_verbs(verbs: Any) -> None:
    """Add ``ocr`` to the parser's verbs."""
    ocr = verbs.add_parser("ocr", help="read the text of pictures, PDFs and folders of them")
    ocr.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help='files, folders or patterns ("scans/*.png"); - reads a picture or PDF from standard input',
    )
    _add_outputs(ocr)
    _add_reader(ocr)
    _add_pages(ocr)
    asking.add_options(ocr)
    add_lang(ocr)
    ocr.set_defaults(run=_ocr)


def _add_outputs(ocr: Any) -> None:
    """What becomes of the texts."""
    ocr.add_argument(
        "--out", metavar="DIR", help="write one file a document there, with a manifest; else print"
    )
    ocr.add_argument(
        "--per-page",
        action="store_true",
        help="with --out: one file a page of text and markdown too (json, hocr and csv always are)",
    )
    ocr.add_argument("--resume", action="store_true", help="go on with the job in --out where it stopped")
    ocr.add_argument(
        "--format",
        type=one_of("--format", FORMATS),
        metavar="FORM",
        help="text, markdown, json, hocr, pdf (searchable), xlsx or csv (the tables); default: text",
    )
    ocr.add_argument("--json", action="store_true", help="short for that format")


def _add_reader(ocr: Any) -> None:
    """Who reads, and how it computes."""
    where = ocr.add_mutually_exclusive_group()
    where.add_argument(
        "--model", metavar="MODEL", help="a model of `vramwise models`, or a folder; default: rapid, built in"
    )
    where.add_argument("--endpoint", metavar="NAME", help="a server of config.yaml that reads instead")
    ocr.add_argument(
        "--hybrid",
        type=one_of("--hybrid", HYBRID),
        metavar="HOW",
        default="off",
        help="who finds what --model or --endpoint reads: the built-in engine lines or paragraphs, "
        "PP-DocLayout blocks (layout); default: off",
    )
    ocr.add_argument(
        "--precision",
        type=one_of("--precision", precision_choices()),
        metavar="P",
        default="auto",
        help="of --model; default: auto, the best that fits",
    )
    ocr.add_argument(
        "--fast-decode",
        action="store_true",
        help="of --model on an NVIDIA card: tokens by CUDA graphs, after a first page that waits for them",
    )


def _add_pages(ocr: Any) -> None:
    """What is on the pages, what is wanted of them, and how large they are read."""
    ocr.add_argument(
        "--language",
        default="auto",
        metavar="CODE",
        help="of the text: auto, en, ru, zh, ...; default: auto",
    )
    ocr.add_argument(
        "--reading-direction",
        default="auto",
        type=one_of("--reading-direction", READING_DIRECTIONS),
        metavar="HOW",
        help="horizontal, or vertical: columns from right to left, as in manga; default: auto, by the lines",
    )
    ocr.add_argument(
        "--partial",
        action="store_true",
        help="of pages in a script that cannot be read here, what could be read: numbers, lines in others",
    )
    ocr.add_argument(
        "--task",
        default="text",
        type=one_of("--task", TASKS),
        metavar="TASK",
        help=f"{', '.join(TASKS)}; default: text",
    )
    ocr.add_argument("--prompt", help="a question, for task custom; a further wish, for captions, tags, json")
    ocr.add_argument(
        "--megapixels",
        type=number(0, MOST_MEGAPIXELS, "size in megapixels", "error_more_megapixels"),
        default=0.0,
        help="scale larger pictures down to this; 0: automatic",
    )
    ocr.add_argument(
        "--dpi",
        type=whole(36, 1200, "number of dots per inch"),
        help="of PDF pages; default: 200",
    )


def _ocr(arguments: argparse.Namespace) -> int:
    from ..models.hybrid import with_hybrid
    from ..ocr.engines.protocol import ReadOptions

    _check_outputs(arguments)
    _check_reader(arguments)
    if arguments.model:
        arguments.model = model_id(arguments.model)
    check_packages(arguments.format)
    options = ReadOptions(
        task=arguments.task,
        prompt=arguments.prompt or "",
        language=arguments.language,
        max_pixels=int(arguments.megapixels * 1_000_000) or None,
        reading_direction=arguments.reading_direction,
        partial=arguments.partial,
        **asking.asked(arguments),
    )
    reader = with_hybrid(_reader(arguments), arguments.hybrid)
    asking.check_reader(arguments, reader)
    if arguments.endpoint and arguments.precision != "auto":
        say_failure(f"--precision {arguments.precision} is ignored: the endpoint's server has decided it.")
    if arguments.endpoint and arguments.fast_decode:
        say_failure("--fast-decode is ignored: the endpoint's server decides how it decodes.")
    if arguments.out:  # without it every page has its notes
        for sentence in reader.not_used(options):
            say_failure(sentence)
    with read_from_stdin(arguments.inputs) as piped:
        _settle_dpi(arguments, piped)
        if arguments.out:
            return _job(arguments, reader, options, piped)
        return _print(arguments, reader, options, piped)


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Settle the format. Raises UsageError for two formats, for options of a folder without one, and of files
    that the format does not make.
    """
    if arguments.json and arguments.format not in (None, "json"):
        raise UsageError(f"--json and --format {arguments.format} exclude each other: leave one out.")
    arguments.format = "json" if arguments.json else arguments.format or "text"
    refuse_empty(arguments.out, "--out names no folder: it is empty.")
    if arguments.resume and not arguments.out:
        raise UsageError("--resume goes on with the job in a folder: name it with --out DIR.")
    if arguments.format in WHOLE_DOCUMENTS and not arguments.out:
        raise UsageError(f"{arguments.format} cannot be printed: name a folder for it with --out DIR.")
    if arguments.per_page and not arguments.out:
        raise UsageError("--per-page is about the files in a folder: name it with --out DIR.")
    if arguments.per_page and arguments.format in WHOLE_DOCUMENTS:
        raise UsageError(f"{arguments.format} is one file a document: leave out --per-page.")


def _check_reader(arguments: argparse.Namespace) -> None:
    """Raise UsageError for a reader without a name, or one that is asked nothing."""
    refuse_empty(arguments.model, "--model names no model: it is empty.")
    refuse_empty(arguments.endpoint, "--endpoint names no server: it is empty.")
    refuse_empty(arguments.prompt, "--prompt asks nothing: it is empty.")


def _settle_dpi(arguments: argparse.Namespace, piped: Piped) -> None:
    """The usual one where none was asked for; else it is said to be ignored where no PDF is read or written.
    A folder may hold some.
    """
    if arguments.dpi and arguments.format != "pdf" and all(map(_is_picture, piped.inputs)):
        say_failure(f"--dpi {arguments.dpi} is ignored: no PDF is among what is read.")
    arguments.dpi = arguments.dpi or USUAL_DPI


def _is_picture(name: str) -> bool:
    """Whether it is one file without pages to be drawn; what cannot be opened is told where it is read."""
    from ..documents.pdf_files import is_pdf

    try:
        return Path(name).is_file() and not is_pdf(Path(name))
    except VramwiseError:
        return False


def _reader(arguments: argparse.Namespace) -> OCRHandle | RemoteHandle:
    if arguments.endpoint:
        from ..ocr.remote import open_remote

        return open_remote(arguments.endpoint)
    from ..models.handle import ocr_handle

    model = arguments.model or DEFAULT_MODEL
    _check_language(model, arguments.language)
    return ocr_handle(model, arguments.precision, fast_decode=arguments.fast_decode)


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


def _job(arguments: argparse.Namespace, reader: PageReader, options: ReadOptions, piped: Piped) -> int:
    from ..jobs import JobOptions, run_job

    name = arguments.endpoint or f"{arguments.model or DEFAULT_MODEL} {arguments.precision}"
    if arguments.hybrid != "off":
        name = f"{name} hybrid {arguments.hybrid}"
    job = JobOptions(name, arguments.format, arguments.dpi, options, documents=not arguments.per_page)
    with _Bar() as bar:
        report = run_job(
            piped.inputs, Path(arguments.out), reader, job, resume=arguments.resume, progress=bar
        )
    for page, sentence in (*report.failed, *report.unwritten, *report.cut):
        say_failure(said_of(piped.named(page), sentence))
    good = report.read + report.before - len(report.failed)
    facts = {"pages": counted("pages", good), "out": arguments.out, "before": report.before}
    done = words(spoken())["job_done_before" if report.before else "job_done"]
    say(done.format(**facts, failed=len(report.failed)), sys.stderr)
    if report.failed or report.unwritten:
        return 3 if good else 1
    return 0


def _print(arguments: argparse.Namespace, reader: PageReader, options: ReadOptions, piped: Piped) -> int:
    from ..documents.pages import PageFiles
    from ..jobs import find_pages
    from ..jobs.job import JobOptions, end_missing, read_pages
    from ..jobs.outputs import encoded
    from ..ocr.vlm.prompts import is_together

    files = PageFiles()
    pages = list(find_pages(piped.inputs, files))
    failed, records = 0, []
    together = is_together(options)
    job = JobOptions("", arguments.format, arguments.dpi, options)
    answered: list[OCRResult] = []
    for page, outcome in read_pages(pages, reader, job, files):
        name = piped.named(str(page.file) if page.pages == 1 else page.name)
        if isinstance(outcome, VramwiseError):
            say_failure(said_of(name, outcome))
            failed += 1
            continue
        answered.append(outcome)
        for note in filter(None, (*outcome.notes, end_missing(outcome))):
            say_failure(said_of(name, note))
        if arguments.format == "json":
            records.append(outcome.to_dict(file=name))
        elif len(answered) == 1 or not together:
            parted = len(pages) > 1 and not together and arguments.format != "hocr"
            heading = f"== {on_one_line(name)}\n" if parted else ""
            told = encoded(outcome, arguments.format, name).decode("utf-8-sig")
            told = told.replace("\r\n", "\n")  # of CSV; the stream ends lines as its system does
            out = say_xml if arguments.format == "hocr" else say
            out(f"{heading}{told}", end="\n" if heading else "")
    if arguments.format == "json":
        say_json(records)
    asking.keep_history(arguments.history, reader, options, answered)
    if failed:
        return 3 if failed < len(pages) else 1
    return 0


def said_of(name: str, sentence: object) -> str:
    """A sentence about a page or document, in the language that is spoken."""
    return f"{on_one_line(name)}: {in_language(sentence, spoken())}"


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
