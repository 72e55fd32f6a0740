"""Every CSV file of the pack is read here, so that a wrong row is named by its file and its line."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from ..errors import VramwiseError

Row = dict[str, str]
_Made = TypeVar("_Made")


def csv_rows(
    package: str,
    path: str,
    make: Callable[[Row], _Made],
    names: Callable[[Row], Iterable[str]] | None = None,
) -> tuple[_Made, ...]:
    """What ``make`` makes of each row of the CSV file at ``path`` in ``package``, in the order of the file.

    A row is a mapping from the header's names to text. Empty lines count as no rows. Raises VramwiseError
    with the file and the line for a row of another length than the header, and for one that ``make`` cannot
    use (it raises KeyError, TypeError or ValueError). ``names`` gives the names under which a row is asked
    for: a row is refused where an earlier one has the same, also in another case.
    """
    made, taken = [], dict[str, tuple[str, int]]()
    for line, row in _rows(package, path):
        for name in names(row) if names is not None else ():
            before, its_line = taken.setdefault(name.casefold(), (name, line))
            if its_line != line:
                raise VramwiseError(
                    f'{_place(package, path, line)}: "{name}" is the "{before}" of line {its_line} again. '
                    "Change that row, or give this one a name of its own (another case is not enough)."
                )
        try:
            made.append(make(row))
        except (KeyError, TypeError, ValueError) as error:
            first = next(iter(row.values()))
            why = f"{error} is not known" if isinstance(error, KeyError) else error
            raise VramwiseError(f'{_place(package, path, line)}, the row of "{first}": {why}.') from error
    return tuple(made)


def table(
    name: str, make: Callable[[Row], _Made], names: Callable[[Row], Iterable[str]] | None = None
) -> tuple[_Made, ...]:
    """``csv_rows`` of a file of the catalog: "gpus.csv", "diffusion/addons.csv"."""
    return csv_rows(__package__, f"tables/{name}", make, names)


def data_folder(package: str) -> Path:
    """The folder of ``package``. importlib.resources would say the same of any archive too, and importing it
    costs a twentieth of all that ``vramwise advise`` takes.
    """
    return Path(next(iter(importlib.import_module(package).__path__)))


def header(name: str) -> tuple[str, ...]:
    """The columns of a file of the catalog."""
    text = data_folder(__package__).joinpath(f"tables/{name}").read_text(encoding="utf-8-sig")
    return tuple(next(csv.reader([text.split("\n", 1)[0].rstrip("\r")])))


def cells_of_line(line: str, delimiter: str) -> list[str] | None:
    """One line of somebody's file, parsed alone, so that it swallows no other; None where a quote is not
    closed."""
    try:
        (cells,) = csv.reader([line], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return None
    return cells


def number(text: str) -> float | None:
    """A cell that may be empty."""
    return float(text) if text else None


def count(text: str) -> int | None:
    """A cell that may be empty, of a whole number."""
    return int(text) if text else None


def version(text: str) -> tuple[int, int] | None:
    """A cell that may be empty, of two numbers: "8.9" is (8, 9), "8" is (8, 0)."""
    major, _, minor = text.partition(".")
    return (int(major), int(minor or 0)) if major else None


def _rows(package: str, path: str) -> Iterator[tuple[int, Row]]:
    """The rows with their lines in the file; a byte order mark, which spreadsheets write, is dropped."""
    text = data_folder(package).joinpath(path).read_text(encoding="utf-8-sig")
    lines = csv.reader(io.StringIO(text))
    header = next(lines)
    for cells in lines:
        if not cells:
            continue
        if len(cells) != len(header):
            raise VramwiseError(
                f'{_place(package, path, lines.line_num)}, the row of "{cells[0]}": it has {len(cells)} '
                f"columns and the header {len(header)} ({', '.join(header)}). An empty cell needs its comma "
                "too, and a text with a comma stands in quotes."
            )
        yield lines.line_num, dict(zip(header, cells, strict=True))


def _place(package: str, path: str, line: int) -> str:
    return f"{data_folder(package).joinpath(path)}, line {line}"
