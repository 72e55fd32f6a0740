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
# What a shell hands over in a file's place: `vramwise ocr <(curl URL)`, `curl URL | vramwise ocr /dev/stdin`.
_OF_THE_SHELL = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")


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
    """The inputs, with a file in place of ``-`` and of the shell's own pipes for as long as they are read.

    Raises UsageError where nothing is piped in, VramwiseError where what is piped in is empty.
    """
    piped = [one for one in dict.fromkeys(inputs) if one == "-" or _is_pipe(one)]
    if not piped:
        yield Piped(tuple(inputs))
        return
    if "-" in piped and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError(said("error_stdin_none"))
    with tempfile.TemporaryDirectory(prefix="vramwise-") as folder:
        files = {one: _whole(one, Path(folder)) for one in piped}
        yield Piped(tuple(str(files.get(one, one)) for one in inputs), folder)


def _is_pipe(text: str) -> bool:
    """A pipe that a shell has opened. One with a name is not waited for: nobody may ever write there."""
    return text.startswith(_OF_THE_SHELL) and Path(text).is_fifo()


def _whole(text: str, folder: Path) -> Path:
    """A file of ``folder`` with all that comes out of ``text``."""
    name = NAME if text == "-" else Path(text).name
    file = folder / name  # without an ending: it is known by what is in it
    with file.open("wb") as target, contextlib.ExitStack() as opened:
        source = sys.stdin.buffer if text == "-" else opened.enter_context(open(text, "rb"))
        shutil.copyfileobj(source, target)
    if not file.stat().st_size:
        raise VramwiseError(said("error_stdin_empty", text=text))
    return file
