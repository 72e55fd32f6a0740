"""``-`` among the inputs: a picture or PDF that another program pipes in."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..catalog.words import said
from ..errors import VramwiseError
from .usage import UsageError

NAME = "stdin"


@dataclass(frozen=True)
class Piped:
    """The inputs with the file that holds what was piped in, and the folder of that file."""

    inputs: tuple[str, ...]
    folder: str = ""

    def named(self, text: str) -> str:
        """``text`` without the folder that nobody has typed: "stdin", "stdin#2"."""
        if not self.folder:
            return text
        return text.replace(f"{Path(self.folder).as_posix()}/", "").replace(str(Path(self.folder, "")), "")


@contextlib.contextmanager
def read_from_stdin(inputs: Sequence[str]) -> Iterator[Piped]:
    """The inputs, with a file in place of ``-`` for as long as they are read.

    Raises UsageError where nothing is piped in, VramwiseError where what is piped in is empty.
    """
    if "-" not in inputs:
        yield Piped(tuple(inputs))
        return
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(said("error_stdin_none"))
    with tempfile.TemporaryDirectory(prefix="vramwise-") as folder:
        file = Path(folder, NAME)  # without an ending: it is known by what is in it
        with file.open("wb") as target:
            shutil.copyfileobj(sys.stdin.buffer, target)
        if not file.stat().st_size:
            raise VramwiseError(said("error_stdin_empty"))
        yield Piped(tuple(str(file) if one == "-" else one for one in inputs), folder)
