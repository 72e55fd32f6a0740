"""What a job has done so far: one line of JSON a page, so that a job stopped at any moment can go on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import VramwiseError

NAME = "manifest.jsonl"
VERSION = 1


@dataclass(frozen=True)
class Entry:
    """A page that is finished. ``output`` is relative to the job's folder, empty where the page failed with
    ``error``. ``stamp`` is the size and the time of change of its file.
    """

    page: str
    stamp: list[int]
    output: str
    finish_reason: str
    seconds: float
    error: str = ""


class Manifest:
    """The file ``manifest.jsonl`` of a job's folder: a line with the options, then one line a page.

    A line is written whole and reaches the disk before the next page begins. The last line for a page counts.
    """

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.path = folder / NAME
        self.options = options
        self.done: dict[str, Entry] = {}
        self._file: IO[bytes] | None = None

    def start(self, resume: bool) -> None:
        """Open for writing. With ``resume`` the pages done before are in ``done``.

        Raises VramwiseError where there is a manifest and ``resume`` is False, or where it was made with
        other options.
        """
        if self.path.exists() and not resume:
            raise VramwiseError(
                f"{self.path.parent} holds a job already. Go on with it by --resume, or give another --out."
            )
        if self.path.exists():
            self._read()
        fresh = not self.path.exists() or self.path.stat().st_size == 0
        self._file = self.path.open("ab", buffering=0)
        if fresh:
            self._line(self._head())

    def add(self, entry: Entry) -> None:
        """Record a finished page."""
        self.done[entry.page] = entry
        self._line(vars(entry))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _head(self) -> dict[str, Any]:
        return {"vramwise_job": VERSION, "options": self.options}

    def _line(self, record: dict[str, Any]) -> None:
        assert self._file is not None  # noqa: S101 - start() comes first
        self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        os.fsync(self._file.fileno())

    def _read(self) -> None:
        """Take over what is there. A torn last line (the machine lost power in the middle) is cut off."""
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        lines = [line for line in whole.split(b"\n") if line]
        try:
            records = [json.loads(line) for line in lines]
            head: dict[str, Any] = records[0] if records else self._head()
            before: dict[str, Any] = dict(head["options"])
            version = head["vramwise_job"]
            entries = [Entry(**record) for record in records[1:]]
        except (ValueError, KeyError, TypeError) as error:
            raise VramwiseError(
                f"{self.path} is damaged ({error}). Give another --out; the texts already there are whole."
            ) from error
        if version != VERSION or before != self.options:
            changed = sorted(
                name for name in {*before, *self.options} if before.get(name) != self.options.get(name)
            )
            raise VramwiseError(
                f"The job in {self.path.parent} was started with other options ({', '.join(changed)}). "
                "Repeat those, or give another --out."
            )
        if len(whole) != len(data):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        self.done = {entry.page: entry for entry in entries}
