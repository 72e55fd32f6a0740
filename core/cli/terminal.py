"""The one way to standard output and standard error: what pages, files, models and servers say is shown,
never obeyed. A control character in it would recolour, retitle or type into the terminal.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any, NoReturn, TextIO

from ..catalog.words import Said
from ..errors import UNSEEN, VramwiseError, shown

_IN_JSON = {code: f"\\u{code:04x}" for code in UNSEEN}
_IN_XML = {code: f"&#x{code:x};" for code in UNSEEN}


def say(text: object = "", file: TextIO | None = None, end: str = "\n") -> None:
    """Print ``text``, of one line or several, on standard output or ``file``."""
    print(shown(str(text)), file=file or sys.stdout, end=end)


def say_failure(text: object) -> None:
    """A sentence on standard error, behind the name of the program."""
    say(f"vramwise: {text}", sys.stderr)


def say_json(facts: Any) -> None:
    """Print plain JSON types; what is escaped is so in JSON's way and is read back as it was."""
    print(json.dumps(facts, ensure_ascii=False, indent=2).translate(_IN_JSON))


def say_xml(text: str, end: str = "\n") -> None:
    """Print a document in XML, with references in place of what is not to be seen."""
    print(text.translate(_IN_XML), end=end)


def on_one_line(text: object) -> str:
    """A name, which may have line feeds in it, for the middle of a line."""
    return shown(str(text)).replace("\n", "\\n").replace("\t", "\\t")


def drawing() -> bool:
    """Whether standard output is a terminal that rich can draw on."""
    return sys.stdout.isatty() and find_spec("rich") is not None


def say_markdown(text: str) -> None:
    """Drawn on a terminal where rich is installed, as it is when piped."""
    if not drawing():
        say(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(shown(text), hyperlinks=False))


def say_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal, one tab between two cells when piped."""
    if not drawing():
        for row in (head, *rows):
            say("\t".join(map(on_one_line, row)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in head:
        table.add_column(Text(on_one_line(name)))
    for row in rows:
        table.add_row(*(Text(on_one_line(cell)) for cell in row))  # a bare string may hold rich's markup
    Console(highlight=False).print(table)


class UsageError(VramwiseError):
    """What was typed is no command: the sentence, without the usage that was printed already."""


class Parser(argparse.ArgumentParser):
    """Its complaints repeat what was typed, and a script may have typed a foreign file's name."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        refused = sys.exc_info()[1]  # argparse's own, of an option whose value was refused
        reason = next(iter(getattr(getattr(refused, "__context__", None), "args", ())), "")
        sentence = f"{message.rstrip('.')}. `{self.prog} --help` says more."
        if isinstance(reason, Said):
            option = getattr(refused, "argument_name", None)
            raise UsageError(sentence, "error_argument", option=option, reason=reason, program=self.prog)
        raise UsageError(sentence)

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(shown(message), file)


class Warnings(logging.Handler):
    """Warnings of the core on standard error, as sentences."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        say_failure(record.getMessage())
