"""The job itself: read every page that is not done yet, and keep what it says."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..atomic_files import SUFFIX, NotWritten, write_whole
from ..documents.pages import PageFiles
from ..errors import VramwiseError
from ..ocr.engines.protocol import NoProgress, ProgressCallback, ReadOptions
from ..option_values import MOST_TOGETHER, WHOLE_DOCUMENTS
from ..weights.locks import only_writer
from .inputs import JobPage, find_files, pages_of
from .manifest import Entry, Manifest, begun_with
from .outputs import ENDINGS, check_packages, encoded
from .whole_documents import Documents, disk_is_full

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..ocr.results.result import OCRResult

LOCK = ".vramwise-job.lock"
# Pages handed to a local engine at once: enough for its micro-batches, few enough to keep in memory.
_TOGETHER = 8
_END_MISSING = {
    "length": "The answer reached the limit of tokens before its end: the rest of the page is missing. Read "
    "the page in parts, or give the server a larger limit.",
    "loop": "The model repeated itself and was stopped: the rest of the page may be missing. Read the page "
    "at another size (--megapixels), or with another model.",
}
# Options of a reading that are younger than the first manifests, and what they were before.
ADDED_OPTIONS = {
    "reading_direction": "auto",
    "partial": False,
    "block": "",
    "together": False,
    "history": "",
    "json_schema": "",
    "temperature": 0.0,
    "seed": 0,
}
# Texts that can be one file a document; a page of a document that has no other is written at once.
JOINED = ("text", "markdown")


class PageReader(Protocol):
    """What reads pages: a handle of ours. One with ``read_each`` is given the pages as a stream."""

    def read(
        self,
        images: Sequence[NDArray[uint8]],
        options: ReadOptions | None = None,
        progress: ProgressCallback | None = None,
    ) -> Iterator[OCRResult]: ...


class JobProgress(Protocol):
    """Hears of every page that is finished."""

    def __call__(self, done: int, total: int | None, entry: Entry) -> None: ...


@dataclass(frozen=True)
class JobOptions:
    """What decides about the outputs. ``reader`` names the model or endpoint; ``form`` is one of FORMATS;
    ``dpi`` is for PDFs; with ``documents`` texts of JOINED are one file a document too. A job can only be
    resumed with the same options; one that was begun with a file a page goes on so.
    """

    reader: str
    form: str = "text"
    dpi: int = 200
    options: ReadOptions = field(default_factory=ReadOptions)
    documents: bool = False

    @property
    def joins(self) -> bool:
        """Whether the texts of a document's pages become one file."""
        return self.documents and self.form in JOINED

    def whole(self, page: JobPage) -> bool:
        """Whether ``page`` waits for the other pages of its document."""
        return (self.joins and page.pages > 1) or self.form in WHOLE_DOCUMENTS


@dataclass(frozen=True)
class JobReport:
    """How a run ended: pages taken up in this run, pages that were done before, (page, sentence) of those
    of this run that failed, (document, sentence) of documents that could not be written, and (page, sentence)
    of those whose end is missing.
    """

    read: int
    before: int
    failed: tuple[tuple[str, str], ...]
    unwritten: tuple[tuple[str, str], ...] = ()
    cut: tuple[tuple[str, str], ...] = ()


def run_job(
    inputs: Sequence[str],
    out: Path,
    reader: PageReader,
    job: JobOptions,
    *,
    resume: bool = False,
    progress: JobProgress | None = None,
    callback: ProgressCallback | None = None,
) -> JobReport:
    """Read every page of ``inputs`` into ``out``; each output file is either whole or not there.

    With ``resume`` pages that are done are left alone, unless their file has changed or failed before.
    Stopped by anything (an exception of the host, Ctrl-C, a kill) the folder stays valid for ``resume``.
    Raises VramwiseError where the folder cannot be used and where the reader can read no page at all; a page
    that cannot be read is in the report.
    """
    check_packages(job.form)
    try:
        results = out.resolve()
    except (OSError, RuntimeError) as error:  # a ring of links: RuntimeError before Python 3.13
        raise _not_made(out, os.strerror(errno.ELOOP)) from error
    found = find_files(inputs, results)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_made(out, error.strerror) from error
    with only_writer(out / LOCK, f"The job in {out}"):
        if resume and job.documents and begun_by_pages(out):
            job = replace(job, documents=False)
        manifest = Manifest(out, _told(job))
        manifest.start(resume)
        try:
            _clear(out)
            files = PageFiles()
            together = job.joins or job.form in WHOLE_DOCUMENTS
            pages = pages_of(found, files, manifest.stems(), together)
            return _run(pages, out, reader, job, manifest, files, progress, callback or NoProgress())
        finally:
            manifest.close()


def _not_made(out: Path, why: str | None) -> VramwiseError:
    return VramwiseError(f"The folder {out} cannot be made: {why}. Give another --out.")


def end_missing(outcome: OCRResult | VramwiseError) -> str:
    """A sentence where a page's text stops before the page does; "" where it does not, or there is none."""
    if isinstance(outcome, VramwiseError) or not outcome.text.strip():
        return ""
    return _END_MISSING.get(outcome.finish_reason, "")


def begun_by_pages(out: Path) -> bool:
    """Whether the job in ``out`` was begun with one file a page."""
    options = begun_with(out)
    return options is not None and "documents" not in options


def _told(job: JobOptions) -> dict[str, Any]:
    """``job`` as its manifest has it: what later versions added is named where it was chosen only, so that a
    job of an earlier version goes on.
    """
    told = asdict(job)
    for name, usual in ADDED_OPTIONS.items():
        if told["options"].get(name) == usual:
            del told["options"][name]
    if not job.joins:
        del told["documents"]
    return told


def _run(
    pages: Iterator[JobPage],
    out: Path,
    reader: PageReader,
    job: JobOptions,
    manifest: Manifest,
    files: PageFiles,
    progress: JobProgress | None,
    callback: ProgressCallback,
) -> JobReport:
    everything = list(pages)
    waiting = [page for page in everything if job.whole(page)]
    documents = Documents(waiting, out, job.form, ENDINGS[job.form], job.dpi, files)
    done = manifest.done
    read = {page.key for page in everything if _is_read(done.get(page.key), page, job)}
    there = documents.there(read)
    there |= {
        page.key
        for page in everything
        if page.key in read and not job.whole(page) and _is_there(done[page.key], out)
    }
    todo = [page for page in everything if page.key not in there]
    count, failed, unwritten, cut = 0, [], [], []
    unwritten += documents.finish_those_without(page for page in todo if job.whole(page))
    for page, outcome in read_pages(todo, reader, job, files, callback):
        entry = _keep(page, outcome, out, job, documents)
        manifest.add(entry)
        count += 1
        if entry.error:
            failed.append((page.name, entry.error))
        elif missing := end_missing(outcome):
            cut.append((page.name, missing))
        if job.whole(page):
            unwritten += documents.page_done(page)
        if progress is not None:
            progress(count, len(todo), entry)
    return JobReport(count, len(everything) - len(todo), tuple(failed), tuple(unwritten), tuple(cut))


def _is_read(entry: Entry | None, page: JobPage, job: JobOptions) -> bool:
    return (
        entry is not None
        and not entry.error
        and entry.stamp == page.stamp()
        and entry.output == _output(page, job)
    )


def _is_there(entry: Entry, out: Path) -> bool:
    return (out / entry.output).is_file()


def _keep(
    page: JobPage, outcome: OCRResult | VramwiseError, out: Path, job: JobOptions, documents: Documents
) -> Entry:
    if isinstance(outcome, VramwiseError):
        return _failed(page, str(outcome))
    output = _output(page, job)
    try:
        if job.whole(page):
            documents.keep(page, outcome)
        else:
            write_whole(out / output, encoded(outcome, job.form, page.name))
    except NotWritten as error:
        if error.disk_full:
            raise disk_is_full(error) from error
        return _failed(page, f"{error} See what is there; --resume tries again.")
    return Entry(page.key, page.stamp(), output, outcome.finish_reason, round(outcome.seconds, 4))


def _failed(page: JobPage, sentence: str) -> Entry:
    return Entry(page.key, page.stamp(), "", "", 0.0, sentence)


def _output(page: JobPage, job: JobOptions) -> str:
    return f"{page.stem}.{ENDINGS[job.form]}"


def _clear(out: Path) -> None:
    """Take away what a kill left half-written."""
    for leftover in out.rglob(f"*{SUFFIX}"):
        leftover.unlink(missing_ok=True)


def read_pages(
    pages: Sequence[JobPage],
    reader: PageReader,
    job: JobOptions,
    files: PageFiles,
    callback: ProgressCallback | None = None,
) -> Iterator[tuple[JobPage, OCRResult | VramwiseError]]:
    """Every page with what became of it, in order. Pictures are loaded as the reader takes them.

    Raises VramwiseError for what no page can be read for, such as weights that are missing.
    """
    callback = callback or NoProgress()
    stream = getattr(reader, "read_each", None)
    waiting = iter(pages)
    if job.options.together and len(pages) > 1:
        yield from _at_once(pages, reader, job, files, callback)
        return
    if stream is not None:
        yield from _streamed(waiting, stream, job, files, callback)
        return
    if not all(page.problem for page in pages):
        list(reader.read([], job.options, callback))  # asked for no page, it says what is the same for all
    while group := list(islice(waiting, _TOGETHER)):
        yield from _grouped(group, reader, job, files, callback)


def _at_once(
    pages: Sequence[JobPage],
    reader: PageReader,
    job: JobOptions,
    files: PageFiles,
    callback: ProgressCallback,
) -> Iterator[tuple[JobPage, OCRResult | VramwiseError]]:
    """All pages as one question. One that cannot be opened is an error: about the others alone the question
    would be another one.
    """
    if len(pages) > MOST_TOGETHER:
        raise VramwiseError(
            f"{len(pages)} pages are more than one question takes, {MOST_TOGETHER}. Name fewer, or leave out "
            "--together."
        )
    pictures = []
    for page in pages:
        picture = _load(page, job, files)
        if isinstance(picture, VramwiseError):
            raise VramwiseError(f"{page.name}: {picture}")
        pictures.append(picture)
    yield from zip(pages, reader.read(pictures, job.options, callback), strict=True)


def _load(page: JobPage, job: JobOptions, files: PageFiles) -> NDArray[uint8] | VramwiseError:
    if page.problem:
        return VramwiseError(page.problem)
    try:
        return files.read(page.file, page.index, job.dpi)
    except VramwiseError as error:
        return error


def _grouped(
    pages: Sequence[JobPage],
    reader: PageReader,
    job: JobOptions,
    files: PageFiles,
    callback: ProgressCallback,
) -> Iterator[tuple[JobPage, OCRResult | VramwiseError]]:
    loaded = [_load(page, job, files) for page in pages]
    pictures = [picture for picture in loaded if not isinstance(picture, VramwiseError)]
    results = _read_or_say(pictures, reader, job, callback)
    for page, picture in zip(pages, loaded, strict=True):
        yield page, picture if isinstance(picture, VramwiseError) else next(results)


def _read_or_say(
    pictures: Sequence[NDArray[uint8]],
    reader: PageReader,
    job: JobOptions,
    callback: ProgressCallback,
) -> Iterator[OCRResult | VramwiseError]:
    """One outcome a picture. A page that fails ends an engine's reading, so the rest is asked for anew."""
    at = 0
    while at < len(pictures):
        try:
            for result in reader.read(pictures[at:], job.options, callback):
                yield result
                at += 1
        except VramwiseError as error:
            yield error
            at += 1


def _streamed(
    pages: Iterable[JobPage],
    stream: object,
    job: JobOptions,
    files: PageFiles,
    callback: ProgressCallback,
) -> Iterator[tuple[JobPage, OCRResult | VramwiseError]]:
    """A remote reader draws pictures while earlier ones are under way; what could not be loaded keeps its
    place.
    """
    order: list[tuple[JobPage, VramwiseError | None]] = []

    def pictures() -> Iterator[NDArray[uint8]]:
        for page in pages:
            picture = _load(page, job, files)
            failed = picture if isinstance(picture, VramwiseError) else None
            order.append((page, failed))
            if not isinstance(picture, VramwiseError):
                yield picture

    results = stream(pictures(), job.options, callback)  # type: ignore[operator]
    for result in results:
        while order[0][1] is not None:
            page, failed = order.pop(0)
            assert failed is not None  # noqa: S101 - for the type checker
            yield page, failed
        yield order.pop(0)[0], result
    for page, failed in order:
        if failed is not None:
            yield page, failed
