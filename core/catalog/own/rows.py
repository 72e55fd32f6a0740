"""A person's own rows: gpus.csv, models.csv and diffusion.csv in the user folder, with the columns of ours.

The files are read once a process. A row that cannot be used is left out and said, with its line, its column
and what to do; it hides no other. Cells that have a usual value may be left out with their column. What
spreadsheets write is taken: a byte order mark, UTF-16, ";" or tabs between cells, a decimal comma.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from ...errors import nearest, shown
from ...host import current_places
from ...units import figure
from ..csv_rows import Row, cells_of_line, header
from ..words import words

MOST_BYTES, MOST_ROWS = 1_000_000, 5_000
_MOST_FAULTS = 20  # of one file; the others are counted
_LONGEST_CELL = 40
_MOST_WORDS = 12
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Fault:
    """Why a row, a column or a file of a person is not used. ``why`` is a key of the words."""

    path: Path
    why: str
    line: int | None = None
    column: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def text(self, lang: str = "en") -> str:
        """One sentence, and what to do."""
        say = words(lang)
        place = str(self.path)
        if self.line is not None:
            place += say["own_line"].format(line=self.line)
        if self.column:
            place += say["own_column"].format(column=self.column)
        return shown(f"{place}: {say[f'own_{self.why}'].format(**self.facts)}")


class Unfit(ValueError):
    """What is wrong with a row or one of its cells, before anybody says where it stands."""

    def __init__(self, why: str, column: str = "", **facts: Any) -> None:
        super().__init__(why)
        self.why, self.column, self.facts = why, column, facts


@dataclass(frozen=True)
class OwnRows(Generic[_Made]):
    """What was made of a person's file, in its order, and what was not."""

    rows: tuple[_Made, ...] = ()
    faults: tuple[Fault, ...] = ()


def own_rows(
    name: str,
    of: str,
    usual: Mapping[str, str],
    make: Callable[[Row], _Made],
    names: Callable[[Row], Iterable[str]],
) -> OwnRows[_Made]:
    """The rows of ``name`` in the user folder; nothing where there is no such file. Never raises for it.

    The columns are those of our file ``of``; ``usual`` the values of those that may be empty. ``make`` makes
    something of a row and raises ``Unfit`` (or ValueError) where it cannot; ``names`` are its names, which no
    earlier row of the file may have.
    """
    path = current_places().user_dir / name
    if not os.path.lexists(path):
        return OwnRows()
    columns = header(of)
    made: list[_Made] = []
    faults: list[Fault] = []
    taken: dict[str, int] = {}
    for line, row in _rows(path, columns, usual, faults):
        try:
            for one in names(row):
                if taken.setdefault(one.casefold(), line) != line:
                    raise Unfit("again", columns[0], name=_cut(one), line=taken[one.casefold()])
            made.append(make(row))
        except Unfit as error:
            faults.append(Fault(path, error.why, line, error.column, error.facts))
        except (ValueError, KeyError, TypeError) as error:
            faults.append(Fault(path, "unusable", line, "", {"said": _cut(str(error))}))
    if len(faults) > _MOST_FAULTS:
        more = Fault(path, "more_faults", facts={"count": len(faults) - _MOST_FAULTS})
        faults = [*faults[:_MOST_FAULTS], more]
    return OwnRows(tuple(made), tuple(faults))


# --- cells -----------------------------------------------------------------------------------------------


def needed(row: Row, *columns: str) -> None:
    """Raise Unfit for the first of ``columns`` that is empty."""
    for column in columns:
        if not row[column]:
            raise Unfit("empty", column)


def amounts(
    row: Row, columns: Iterable[str], most: float = 1e15, *, whole: bool = False, least: float = 0
) -> Row:
    """``columns`` as plain numbers above ``least`` (from it on where ``whole``); empty cells stay empty.
    Raises Unfit for anything else, NaN and infinity too.
    """
    return {column: _amount(column, row[column], most, whole, least) for column in columns}


def _amount(column: str, text: str, most: float, whole: bool, least: float) -> str:
    if not text:
        return text
    try:
        value = float(text)
    except ValueError:
        raise Unfit("no_number", column, cell=_cut(text)) from None
    inside = (least <= value if whole else least < value) and value <= most
    if not math.isfinite(value) or not inside or (whole and value != int(value)):
        why = "whole_number" if whole else "number"
        widest = f"{most:.0f}" if most >= 1000 else f"{most:g}"
        raise Unfit(why, column, cell=_cut(text), least=f"{least:g}", most=widest)
    return str(int(value)) if whole else text


def one_of(row: Row, column: str, known: Iterable[str]) -> str:
    """A word of ``known``, in its spelling there, whatever the case. Raises Unfit with the nearest."""
    spelled = {word.casefold(): word for word in known}
    text = row[column]
    if text.casefold() not in spelled:
        words_there = [word for word in spelled.values() if word]
        listed = ", ".join(words_there[:_MOST_WORDS]) + (", ..." if len(words_there) > _MOST_WORDS else "")
        raise Unfit("no_word", column, cell=_cut(text), near=nearest(text, spelled.values()), known=listed)
    return spelled[text.casefold()]


# --- the file --------------------------------------------------------------------------------------------


def _rows(
    path: Path, columns: Sequence[str], usual: Mapping[str, str], faults: list[Fault]
) -> Iterator[tuple[int, Row]]:
    """Each row with its line. What is wrong with the file, its header or a line goes to ``faults``."""
    text = _text(path, faults)
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if _has_cells(line)]
    if not lines:
        return
    (at, first), *rest = lines
    delimiter = max(",;\t", key=first.count)
    header = _cells(first, delimiter)
    if header is None or not set(map(str.casefold, header)) & set(columns):
        faults.append(Fault(path, "no_header", at, facts={"columns": ", ".join(columns)}))
        return
    spelled = [name.casefold().replace(" ", "_") for name in header]
    for name in spelled:
        if name and name not in columns:
            faults.append(Fault(path, "no_column", at, _cut(name), {"near": nearest(name, columns)}))
    today = {"source": f"your {path.name}", "date": time.strftime("%Y-%m-%d", _changed(path))}
    for number, line in rest[:MOST_ROWS]:
        cells = _cells(line, delimiter)
        if cells is None:
            faults.append(Fault(path, "quotes", number))
        elif _no_utf8(line):
            bad = next((place for place, cell in enumerate(cells) if _no_utf8(cell)), len(spelled))
            faults.append(Fault(path, "no_utf8", number, spelled[bad] if bad < len(spelled) else ""))
        elif any(cells[len(spelled) :]):
            counts = {"cells": len(cells), "columns": len(spelled)}
            faults.append(Fault(path, "long", number, "", counts))
        else:
            found = dict(zip(spelled, cells, strict=False))
            row = {name: found.get(name, "") or usual.get(name, today.get(name, "")) for name in columns}
            yield number, row
    if len(rest) > MOST_ROWS:
        faults.append(Fault(path, "many_rows", facts={"most": MOST_ROWS, "count": len(rest)}))


def _text(path: Path, faults: list[Fault]) -> str:
    """The file's text; a byte that is no UTF-8 is half a letter in it. Empty where there is no such file."""
    try:
        if not path.exists():
            return ""
        if (size := path.stat().st_size) > MOST_BYTES:
            faults.append(
                Fault(path, "large", facts={"size": figure(size, ","), "most": figure(MOST_BYTES, ",")})
            )
            return ""
        data = path.read_bytes()
    except OSError as error:
        faults.append(Fault(path, "unreadable", facts={"said": error.strerror or str(error)}))
        return ""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "surrogateescape")


def _changed(path: Path) -> time.struct_time:
    try:
        return time.localtime(path.stat().st_mtime)
    except (OSError, ValueError, OverflowError):
        return time.localtime()


def _has_cells(line: str) -> bool:
    """Neither empty, nor commas alone, nor a remark."""
    return bool(line.strip(" ,;\t\ufeff\u00a0")) and not line.lstrip().startswith("#")


def _cells(line: str, delimiter: str) -> list[str] | None:
    """None where a quote is not closed."""
    cells = cells_of_line(line, delimiter)
    return None if cells is None else [_decimal(cell.replace("\u00a0", " ").strip()) for cell in cells]


def _no_utf8(text: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in text)


def _decimal(cell: str) -> str:
    """ "8,5" of a spreadsheet that writes decimal commas."""
    return cell.replace(",", ".") if re.fullmatch(r"-?\d+,\d+", cell) else cell


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}..."
