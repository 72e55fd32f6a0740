"""The one way to standard output and standard error: what pages, files, models and servers say is shown,
never obeyed. A control character in it would recolour, retitle or type into the terminal.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from ..catalog.words import in_language, words
from ..errors import UNSEEN, shown
from ..units import Figure
from .language import spoken
from .streams import is_utf8, spells

if TYPE_CHECKING:
    from .tables import Table

_IN_JSON = {code: f"\\u{code:04x}" for code in UNSEEN}
_IN_XML = {code: f"&#x{code:x};" for code in UNSEEN}
_STYLES = {"head": "1", "good": "32", "doubtful": "33", "bad": "31"}
_NARROWEST = 40  # columns; below that lines are as long as they must be
_MARKS = re.compile(r"\*\*|`")


def say(text: object = "", file: TextIO | None = None, end: str = "\n") -> None:
    """Print ``text``, of one line or several, on standard output or ``file``."""
    print(shown(str(text)), file=file or sys.stdout, end=end)


def say_failure(text: object) -> None:
    """A sentence on standard error, behind the name of the program, in the language that is spoken."""
    say(f"vramwise: {in_language(text, spoken())}", sys.stderr)


def say_json(facts: Any) -> None:
    """Print plain JSON types; what is escaped is so in JSON's way and is read back as it was."""
    text = json.dumps(facts, ensure_ascii=False, indent=2).translate(_IN_JSON)
    if not (is_utf8(sys.stdout) and spells(text, sys.stdout)):  # JSON is UTF-8 or plain ASCII
        text = json.dumps(facts, indent=2)
    print(text)


def say_xml(text: str, end: str = "\n") -> None:
    """Print a document in XML, with references in place of what is not to be seen."""
    whole = text.translate(_IN_XML)
    if not (is_utf8(sys.stdout) and spells(whole, sys.stdout)):  # it says of itself that it is UTF-8
        whole = whole.encode("ascii", "xmlcharrefreplace").decode()
    print(whole, end=end)


def on_one_line(text: object) -> str:
    """A name, which may have line feeds in it, for the middle of a line."""
    return shown(str(text)).replace("\n", "\\n").replace("\t", "\\t")


def drawing() -> bool:
    """Whether standard output is a terminal: then tables are aligned and lines end where it ends."""
    return sys.stdout.isatty()


def colours() -> bool:
    """Whether the terminal may be written to in colours (https://no-color.org)."""
    if not drawing() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.platform != "win32" or bool(os.environ.get("WT_SESSION") or os.environ.get("TERM"))


def columns() -> int:
    """The width of the terminal, or of COLUMNS, in cells."""
    import shutil  # with its archives it takes as long to import as all of argparse

    return max(_NARROWEST, shutil.get_terminal_size().columns)


def say_lines(lines: Iterable[str], indent: str = "  ") -> None:
    """Sentences, each on a line of its own; on a terminal broken at its words."""
    if not drawing():
        for line in lines:
            print(shown(line))
        return
    from .tables import wrapped

    for line in lines:
        for piece in wrapped(shown(line), columns(), indent):
            print(piece)


def say_markdown(text: str) -> None:
    """On a terminal with headings, wrapped lines and aligned tables; as it is when piped."""
    if not drawing():
        say(text)
        return
    from .tables import fitted, wrapped

    rows: list[list[str]] = []
    for line in (*shown(text).splitlines(), ""):
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if rows:
            _draw(fitted(rows[0], [row for row in rows[2:] if len(row) == len(rows[0])], columns()))
            rows = []
        if line.startswith("#"):
            print(_styled(line.lstrip("# "), "head"))
            continue
        for piece in wrapped(_MARKS.sub("", line), columns(), "  " if line.startswith("- ") else ""):
            print(piece)


def say_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    least: Sequence[int] | None = None,
    styles: Sequence[str] = (),
) -> None:
    """A table on a terminal, aligned and without the columns ``least`` that it has no room for; one tab
    between two cells, and figures as JSON has them, when piped."""
    lang = spoken() if drawing() else "en"
    plain = [
        [on_one_line(in_language(cell, lang) if isinstance(cell, Figure) else cell) for cell in row]
        for row in rows
    ]
    names = [on_one_line(name) for name in head]
    if not drawing():
        for row in (names, *plain):
            print("\t".join(row))
        return
    from .tables import fitted

    _draw(fitted(names, plain, columns(), least, styles))


def _draw(table: Table) -> None:
    for line, style in zip(table.lines, table.styles, strict=True):
        print(_styled(line, style))
    if table.left_out:
        from .tables import wrapped

        said = words(spoken())["table_left_out"].format(columns=", ".join(table.left_out))
        for piece in wrapped(said, columns()):
            print(piece)


def _styled(line: str, style: str) -> str:
    return f"\x1b[{_STYLES[style]}m{line}\x1b[0m" if style and colours() else line


class Warnings(logging.Handler):
    """Warnings of the core on standard error, as sentences."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        say_failure(record.getMessage())
