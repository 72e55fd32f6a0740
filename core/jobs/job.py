"""The job itself: read every page that is not done yet, and keep what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..atomic_files import SUFFIX, NotWritten, write_whole
from ..documents.pages import PageFiles
from ..errors import VramwiseError
from ..ocr.engines.protocol import NoProgress, ProgressCallback, ReadOptions
from ..weights.locks import only_writer
from .inputs import Unit, find_files, units_of
from .manifest import Entry, Manifest
from .outputs import ENDINGS, encoded

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..ocr.results.result import OCRResult

LOCK = ".vramwise-job.lock"
# Pages handed to a local engine at once: enough for its micro-batches, few enough to keep in memory.
_TOGETHER = 8


class Reader(Protocol):
    """What reads pages: a handle of ours. One with ``read_each`` is given the pages as a stream."""

    def read(
        self,
        images: Sequence[NDArray[uint8]],
        options: ReadOptions | None = None,
        watch: ProgressCallback | None = None,
    ) -> Iterator[OCRResult]: ...


class Progress(Protocol):
    """Hears of every page that is finished."""

    def __call__(self, done: int, total: int | None, entry: Entry) -> None: ...


@dataclass(frozen=True)
class JobOptions:
    """What decides about the outputs. ``reader`` names the model or endpoint; ``form`` is one of FORMATS;
    ``dpi`` is for PDFs. A job can only be resumed with the same options.
    """

    reader: str
    form: str = "text"
    dpi: int = 200
    options: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True)
class Report:
    """How a run ended: pages taken up in this run, pages that were done before, and (page, sentence) of those
    of this run that failed.
    """

    read: int
    before: int
    failed: tuple[tuple[str, str], ...]


def run_job(
    inputs: Sequence[str],
    out: Path,
    reader: Reader,
    job: JobOptions,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    watch: ProgressCallback | None = None,
) -> Report:
    """Read every page of ``inputs`` into ``out``; each output file is either whole or not there.

    With ``resume`` pages that are done are left alone, unless their file has changed or failed before.
    Stopped by anything (an exception of the host, Ctrl-C, a kill) the folder stays valid for ``resume``.
    Raises VramwiseError where the folder cannot be used and where the reader can read no page at all; a page
    that cannot be read is in the report.
    """
    found = find_files(inputs)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VramwiseError(f"The folder {out} cannot be made: {error.strerror}.") from error
    with only_writer(out / LOCK, f"The job in {out}"):
        manifest = Manifest(out, asdict(job))
        manifest.start(resume)
        try:
            _clear(out)
            files = PageFiles()
            units = units_of(found, files, manifest.stems())
            return _run(units, out, reader, job, manifest, files, progress, watch or NoProgress())
        finally:
            manifest.close()


def _run(
    units: Iterator[Unit],
    out: Path,
    reader: Reader,
    job: JobOptions,
    manifest: Manifest,
    files: PageFiles,
    progress: Progress | None,
    watch: ProgressCallback,
) -> Report:
    todo, before = [], 0
    for unit in units:
        if _is_done(manifest.done.get(unit.key), unit, out, job):
            before += 1
        else:
            todo.append(unit)
    count, failed = 0, []
    for unit, outcome in read_units(todo, reader, job, files, watch):
        entry = _keep(unit, outcome, out, job)
        manifest.add(entry)
        count += 1
        if entry.error:
            failed.append((unit.name, entry.error))
        if progress is not None:
            progress(count, len(todo), entry)
    return Report(count, before, tuple(failed))


def _is_done(entry: Entry | None, unit: Unit, out: Path, job: JobOptions) -> bool:
    return (
        entry is not None
        and not entry.error
        and entry.stamp == unit.stamp()
        and entry.output == _output(unit, job)
        and (out / entry.output).is_file()
    )


def _keep(unit: Unit, outcome: OCRResult | VramwiseError, out: Path, job: JobOptions) -> Entry:
    if isinstance(outcome, VramwiseError):
        return _failed(unit, str(outcome))
    output = _output(unit, job)
    try:
        write_whole(out / output, encoded(outcome, job.form, unit.name))
    except NotWritten as error:
        if error.disk_full:
            raise VramwiseError(f"{error} Free space on the disk and go on with --resume.") from error
        return _failed(unit, f"{error} See what is there; --resume tries again.")
    return Entry(unit.key, unit.stamp(), output, outcome.finish_reason, round(outcome.seconds, 4))


def _failed(unit: Unit, sentence: str) -> Entry:
    return Entry(unit.key, unit.stamp(), "", "", 0.0, sentence)


def _output(unit: Unit, job: JobOptions) -> str:
    return f"{unit.stem}.{ENDINGS[job.form]}"


def _clear(out: Path) -> None:
    """Take away what a kill left half-written."""
    for leftover in out.rglob(f"*{SUFFIX}"):
        leftover.unlink(missing_ok=True)


def read_units(
    units: Sequence[Unit],
    reader: Reader,
    job: JobOptions,
    files: PageFiles,
    watch: ProgressCallback | None = None,
) -> Iterator[tuple[Unit, OCRResult | VramwiseError]]:
    """Every unit with what became of it, in order. Pictures are loaded as the reader takes them.

    Raises VramwiseError for what no page can be read for, such as weights that are missing.
    """
    watch = watch or NoProgress()
    stream = getattr(reader, "read_each", None)
    waiting = iter(units)
    if stream is not None:
        yield from _streamed(waiting, stream, job, files, watch)
        return
    if not all(unit.problem for unit in units):
        list(reader.read([], job.options, watch))  # asked for no page, it says what is the same for all
    while group := list(islice(waiting, _TOGETHER)):
        yield from _grouped(group, reader, job, files, watch)


def _load(unit: Unit, job: JobOptions, files: PageFiles) -> NDArray[uint8] | VramwiseError:
    if unit.problem:
        return VramwiseError(unit.problem)
    try:
        return files.read(unit.file, unit.index, job.dpi)
    except VramwiseError as error:
        return error


def _grouped(
    units: Sequence[Unit], reader: Reader, job: JobOptions, files: PageFiles, watch: ProgressCallback
) -> Iterator[tuple[Unit, OCRResult | VramwiseError]]:
    loaded = [_load(unit, job, files) for unit in units]
    pictures = [picture for picture in loaded if not isinstance(picture, VramwiseError)]
    results = _read_or_say(pictures, reader, job, watch)
    for unit, picture in zip(units, loaded, strict=True):
        yield unit, picture if isinstance(picture, VramwiseError) else next(results)


def _read_or_say(
    pictures: Sequence[NDArray[uint8]], reader: Reader, job: JobOptions, watch: ProgressCallback
) -> Iterator[OCRResult | VramwiseError]:
    """One outcome a picture. A page that fails ends an engine's reading, so the rest is asked for anew."""
    at = 0
    while at < len(pictures):
        try:
            for result in reader.read(pictures[at:], job.options, watch):
                yield result
                at += 1
        except VramwiseError as error:
            yield error
            at += 1


def _streamed(
    units: Iterable[Unit], stream: object, job: JobOptions, files: PageFiles, watch: ProgressCallback
) -> Iterator[tuple[Unit, OCRResult | VramwiseError]]:
    """A remote reader draws pictures while earlier ones are under way; what could not be loaded keeps its
    place.
    """
    order: list[tuple[Unit, VramwiseError | None]] = []

    def pictures() -> Iterator[NDArray[uint8]]:
        for unit in units:
            picture = _load(unit, job, files)
            failed = picture if isinstance(picture, VramwiseError) else None
            order.append((unit, failed))
            if not isinstance(picture, VramwiseError):
                yield picture

    results = stream(pictures(), job.options, watch)  # type: ignore[operator]
    for result in results:
        while order[0][1] is not None:
            unit, failed = order.pop(0)
            assert failed is not None  # noqa: S101 - for the type checker
            yield unit, failed
        yield order.pop(0)[0], result
    for unit, failed in order:
        if failed is not None:
            yield unit, failed
