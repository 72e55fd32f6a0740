"""What a job has done so far: one line of JSON a page, so that a job stopped at any moment can go on."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import IO, Any

from ..documents.safe_names import checked_parts
from ..errors import VramwiseError

log = logging.getLogger("vramwise.jobs")
NAME = "manifest.jsonl"
VERSION = 1
_HEAD, _OPTIONS, _PROOF = "vramwise_job", "options", "proof"
_BEGINNINGS = (b'{"vramwise_job"', b'{"page"')
_DIGITS = 12  # of a line's SHA-256


@dataclass(frozen=True)
class Entry:
    """A finished page. ``page`` is its ``page_key``. ``output`` is relative to the job's folder, empty
    where the page failed with ``error``. ``stamp`` is the size and the time of change of its file.
    """

    page: str
    stamp: list[int]
    output: str
    finish_reason: str
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class _Told:
    """What a manifest says: the ``options`` of its last whole head (None: there is none), each page's latest
    proven entry, how many lines cannot be read, whether a page was read at all (with whatever options), and
    the ``length`` without a torn piece at the end.
    """

    options: dict[str, Any] | None
    done: dict[str, Entry]
    broken: int
    any_read: bool
    length: int


def page_key(page: str) -> str:
    """``page``, a file and the page's number in it ("scans/a.tif#2"), by the absolute path of the file."""
    file, _, number = page.rpartition("#")
    return f"{Path(os.path.abspath(file)).as_posix()}#{number}"


def begun_with(folder: Path) -> dict[str, Any] | None:
    """The options of the job in ``folder``; None where there is none that says so."""
    try:
        with (folder / NAME).open("rb") as file:
            record, whole = _parsed(file.readline().rstrip(b"\n"))
    except OSError:
        return None
    options = record.get(_OPTIONS) if whole else None
    return options if isinstance(options, dict) else None


class Manifest:
    """The file ``manifest.jsonl`` of a job's folder: a line with the options, then one line a page.

    A line is written whole and reaches the disk before the next page begins, or none of it stays. The last
    line for a page counts. A line that cannot be read proves nothing: its page is read again, and all others
    stay done. Each line has a proof over itself and the options, should the first line be the broken one.
    Nothing is written before the first page, and a manifest in which no page was read counts as none.
    """

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.path = folder / NAME
        self.options = json.loads(json.dumps(options))  # as they come back: a tuple is a list
        self.done: dict[str, Entry] = {}
        self._file: IO[bytes] | None = None
        self._keep_bytes = 0
        self._has_head = False

    def start(self, resume: bool) -> None:
        """Take over the pages that are done: with ``resume`` they are in ``done``, the latest last.

        Raises VramwiseError where pages were read before and ``resume`` is False, where that was with other
        options, and where the file is none of ours.
        """
        try:
            told = self._read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise VramwiseError(
                f"{self.path} cannot be read: {error.strerror or error}. See to the folder, or give another "
                "--out."
            ) from error
        if not told.broken and not told.any_read:
            return
        if not resume:
            raise VramwiseError(
                f"{self.path.parent} holds a job already. Go on with it by --resume, or give another --out."
            )
        if told.options is not None:
            self._require(told.options)
        if told.broken:
            log.warning(
                "%s has damaged lines: %d. Pages that no other line proves are read again.",
                *(self.path, told.broken),
            )
        self.done = told.done
        self._keep_bytes, self._has_head = told.length, told.options is not None

    def stems(self) -> dict[str, str]:
        """Where each page went when it was last read, without the ending; the latest last."""
        return {page: entry.output.rpartition(".")[0] for page, entry in self.done.items() if entry.output}

    def add(self, entry: Entry) -> None:
        """Record a finished page. Raises VramwiseError where the disk does not take it; then none of it is
        in the file.
        """
        try:
            if self._file is None:
                self._file = self.path.open("r+b" if self._keep_bytes else "w+b", buffering=0)
                self._file.truncate(self._keep_bytes)  # a piece of a line: power went in the middle of it
            if not self._has_head:
                head = {_HEAD: VERSION, _OPTIONS: self.options, _PROOF: _proof(self.options)}
                self._line(self._file, head)
                self._has_head = True
            told = asdict(entry)
            self._line(self._file, {**told, _PROOF: _proof(told, self.options)})
        except OSError as error:
            raise VramwiseError(
                f"{self.path} could not be written: {error.strerror or error}. See to the disk and go on "
                "with --resume."
            ) from error
        self.done[entry.page] = entry

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _line(self, file: IO[bytes], record: dict[str, Any]) -> None:
        """``record`` as a line at the end and on the disk, or none of it: a full disk takes a part of a line
        without a word. A torn line that somebody else left is ended first.
        """
        data = json.dumps(record).encode("ascii") + b"\n"  # a name may have what no UTF-8 can say
        end = file.seek(0, os.SEEK_END)
        if end and not _ends_line(file):
            data = b"\n" + data
        try:
            file.seek(end)
            while data:
                written = file.write(data)
                if not written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                data = data[written:]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(end)
            raise

    def _read(self) -> _Told:
        """Raises OSError; VramwiseError for a manifest of another version, and for a file that is none."""
        data = self.path.read_bytes()
        rest = data[data.rfind(b"\n") + 1 :]
        length = len(data) if _parsed(rest)[1] else len(data) - len(rest)
        lines = [line for line in data[:length].split(b"\n") if line]
        if data.strip(b"\0\n") and not any(line.startswith(_BEGINNINGS) for line in (*lines, rest)):
            raise VramwiseError(
                f"{self.path} is no manifest of a VRAMwise job, so nothing is written there. Give another "
                "--out."
            )
        options: dict[str, Any] | None = None
        done: dict[str, Entry] = {}
        broken, any_read, proofless = 0, False, False
        for line in lines:
            record, whole = _parsed(line)
            broken += not whole
            if _HEAD in record:
                options, proofless = self._head(record), _PROOF not in record
                broken += options is None
                continue
            entry = _entry(record)
            if entry is not None and self._proves(record, entry, options if proofless else None):
                page = page_key(entry.page)  # once they were named as they were typed
                before = done.pop(page, entry)
                done[page] = replace(entry, page=page, output=entry.output or before.output)
            elif whole and (entry is None or options in (None, self.options)):
                broken += 1
            any_read = any_read or (entry is not None and not entry.error)
        return _Told(options, done, broken, any_read, length)

    def _proves(self, record: dict[str, Any], entry: Entry, options: dict[str, Any] | None) -> bool:
        """Whether the line is as it was written, for a job with these options. Where the head has no proof
        either, it is of an earlier version, and its ``options`` speak for the line.
        """
        if _PROOF in record:
            return bool(record[_PROOF] == _proof(asdict(entry), self.options))
        return bool(options == self.options)

    def _head(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """The options of a line that names the version; None where it is damaged."""
        options = record.get(_OPTIONS)
        if record[_HEAD] == VERSION:
            sound = isinstance(options, dict) and record.get(_PROOF, _proof(options)) == _proof(options)
            return options if sound else None
        if isinstance(record[_HEAD], int) and record[_HEAD] > VERSION:
            raise VramwiseError(
                f"{self.path} is of version {record[_HEAD]}, which this VRAMwise does not know. Update "
                "VRAMwise, or give another --out; the texts already there are whole."
            )
        return None

    def _require(self, before: dict[str, Any]) -> None:
        changed = sorted(
            name for name in {*before, *self.options} if before.get(name) != self.options.get(name)
        )
        if changed:
            raise VramwiseError(
                f"The job in {self.path.parent} was started with other options ({', '.join(changed)}). "
                "Repeat those, or give another --out."
            )


def _proof(*told: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode("ascii")).hexdigest()[:_DIGITS]


def _ends_line(file: IO[bytes]) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _parsed(line: bytes) -> tuple[dict[str, Any], bool]:
    """A line's record, and whether the line is whole. Of one that is glued to the torn piece of another the
    latter part counts; where nothing does, the record is empty.
    """
    for start in (0, *(line.rfind(beginning) for beginning in _BEGINNINGS)):
        try:
            record = json.loads(line[max(0, start) :].decode("ascii"))
        except (ValueError, RecursionError):
            continue
        return (record, start == 0) if isinstance(record, dict) else ({}, False)
    return {}, False


def _entry(record: dict[str, Any]) -> Entry | None:
    """A page's line; None where a value is not what ``add`` writes: damaged, or by somebody else."""
    try:
        told = {field.name: record[field.name] for field in fields(Entry) if field.name in record}
        entry = Entry(**told)
        kinds = (entry.page, entry.output, entry.finish_reason, entry.error)
        sound = (
            all(isinstance(text, str) for text in kinds)
            and isinstance(entry.stamp, list)
            and [type(number) for number in entry.stamp] == [int, int]
            and type(entry.seconds) in (int, float)
            and math.isfinite(entry.seconds)
        )
        if not sound or (entry.output and not checked_parts(entry.output, written=True)):
            return None
        return entry
    except (TypeError, ValueError, OverflowError, VramwiseError):
        return None
