"""What a job has done so far: one line of JSON a page, so that a job stopped at any moment can go on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from ..errors import VramwiseError

NAME = "manifest.jsonl"
VERSION = 1


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


def page_key(page: str) -> str:
    """``page``, a file and the page's number in it ("scans/a.tif#2"), by the absolute path of the file."""
    file, _, number = page.rpartition("#")
    return f"{Path(os.path.abspath(file)).as_posix()}#{number}"


class Manifest:
    """The file ``manifest.jsonl`` of a job's folder: a line with the options, then one line a page.

    A line is written whole and reaches the disk before the next page begins. The last line for a page counts.
    Nothing is written before the first page, and a manifest in which no page was read counts as none.
    """

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.path = folder / NAME
        self.options = options
        self.done: dict[str, Entry] = {}
        self._file: IO[bytes] | None = None

    def start(self, resume: bool) -> None:
        """Take over the pages that are done: with ``resume`` they are in ``done``, the latest last.

        Raises VramwiseError where pages were read before and ``resume`` is False, or where that was with
        other options.
        """
        if not self.path.exists():
            return
        options, done, torn_at = self._read()
        if all(entry.error for entry in done.values()):
            return
        if not resume:
            raise VramwiseError(
                f"{self.path.parent} holds a job already. Go on with it by --resume, or give another --out."
            )
        self._require(options)
        with self.path.open("r+b") as file:
            file.truncate(torn_at)
        self.done = done

    def stems(self) -> dict[str, str]:
        """Where each page went when it was last read, without the ending; the latest last."""
        return {page: entry.output.rpartition(".")[0] for page, entry in self.done.items() if entry.output}

    def add(self, entry: Entry) -> None:
        """Record a finished page. Raises VramwiseError where the disk does not take it."""
        try:
            if self._file is None:
                self._file = self.path.open("ab" if self.done else "wb", buffering=0)
                if not self.done:
                    self._line(self._file, {"vramwise_job": VERSION, "options": self.options})
            self._line(self._file, vars(entry))
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
        file.write(json.dumps(record).encode("ascii") + b"\n")  # a name may have what no UTF-8 can say
        os.fsync(file.fileno())

    def _read(self) -> tuple[dict[str, Any], dict[str, Entry], int]:
        """The options, what became of each page in the order it was written, and the length of the whole
        lines: a torn last one (the machine lost power in the middle) does not count.
        """
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        lines = [line for line in whole.split(b"\n") if line]
        done: dict[str, Entry] = {}
        try:
            records = [json.loads(line) for line in lines]
            options: dict[str, Any] = dict(records[0]["options"]) if records else self.options
            if records and records[0]["vramwise_job"] != VERSION:
                raise ValueError(f"it is of version {records[0]['vramwise_job']}")
            for record in records[1:]:
                entry = Entry(**record)
                page = page_key(entry.page)  # once they were named as they were typed
                before = done.pop(page, entry)
                done[page] = replace(entry, page=page, output=entry.output or before.output)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise VramwiseError(
                f"{self.path} is damaged or of another version ({error}). Give another --out; the texts "
                "already there are whole."
            ) from error
        return options, done, len(whole)

    def _require(self, before: dict[str, Any]) -> None:
        changed = sorted(
            name for name in {*before, *self.options} if before.get(name) != self.options.get(name)
        )
        if changed:
            raise VramwiseError(
                f"The job in {self.path.parent} was started with other options ({', '.join(changed)}). "
                "Repeat those, or give another --out."
            )
