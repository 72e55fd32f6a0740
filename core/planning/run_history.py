"""What real runs took on this machine: kept in the user's folder and used by the next plan.

An SQLite file of at most ``MOST`` runs, which several processes may write at once. A run is never lost over
bookkeeping: what cannot be read counts as empty, and what cannot be written is a line in the log.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger("vramwise.planning")
NAME = "measured.sqlite3"
FORMAT = 1  # kept as the file's user_version
MOST = 400
# Before it was a database: one JSON file, in which of two writers the later one won.
JSON_NAME, JSON_FORMAT = "measured.json", 1
# Others hold the file for milliseconds. A person waits for a plan; a run has taken seconds already.
_READ_WAIT_SECONDS, _WRITE_WAIT_SECONDS = 2.0, 20.0
# What SQLite says of the disk, of rights and of others (sqlite3_errstr); all else it says of the file.
_OF_THE_PLACE = re.compile(
    r"locked|busy|readonly|unable to open|disk I/O|is full|interrupt|access permission", re.I
)


@dataclass(frozen=True)
class Run:
    """One load (``pixels`` 0) or one read of ``images`` pictures at once.

    ``device`` is the card's name or "cpu"; ``pixels`` of the largest picture as the model saw it;
    ``prompt_tokens`` of one row, those of its picture included; ``activation_peak_bytes`` the allocator's
    peak without what was resident before and after, None where the device does not count (a CPU).
    ``loaded_from`` is "files" or "cache" (quantised weights kept on disk). ``date`` is a day, YYYY-MM-DD.
    """

    device: str
    model: str
    precision: str
    attention: str = ""
    quantise_vision: bool = False
    pixels: int = 0
    images: int = 1
    prompt_tokens: int = 0
    new_tokens: int = 0
    activation_peak_bytes: int | None = None
    read_seconds: float | None = None
    load_seconds: float | None = None
    loaded_from: str = ""
    date: str = ""


_COLUMNS = tuple(field.name for field in fields(Run))
# What is measured anew rather than beside: the latest run of these is kept.
_KEY = ("device", "model", "precision", "quantise_vision", "attention", "pixels", "images", "loaded_from")
_KINDS: Mapping[str, Any] = {
    "str": str,
    "bool": bool,
    "int": int,
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
}


def record(folder: Path, run: Run) -> None:
    """Keep ``run`` in ``folder`` as the latest of its kind, dated today. Never raises for the disk.

    The first call takes over what an earlier version kept as JSON.
    """
    import sqlite3

    path = folder / NAME
    dated = run if run.date else replace(run, date=time.strftime("%Y-%m-%d"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _write(folder, dated)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and _OF_THE_PLACE.search(str(error)):
                raise
            log.warning("%s is damaged (%s); the record of measured runs starts anew.", path, error)
            for damaged in (Path(f"{path}-journal"), path):
                damaged.unlink(missing_ok=True)
            _write(folder, dated)
    except (OSError, ValueError, sqlite3.Error) as error:
        log.info("%s could not be written, so this run is not remembered: %s", path, error)


def lookup(folder: Path, device: str, model: str) -> tuple[Run, ...]:
    """Every remembered run of ``model`` on ``device`` (a name as ``device_label`` gives it), oldest first."""
    path = folder / NAME
    if not path.exists():
        return tuple(run for run in _json_runs(folder) if (run.device, run.model) == (device, model))
    return _found(path, "device = ? AND model = ?", (device, model))


def lookup_all(folder: Path, device: str, prefix: str) -> tuple[Run, ...]:
    """Every remembered run on ``device`` of what is called ``prefix`` and more, oldest first."""
    path = folder / NAME
    if not path.exists():
        return ()
    return _found(path, "device = ? AND substr(model, 1, ?) = ?", (device, len(prefix), prefix))


def _found(path: Path, where: str, values: tuple[str | int, ...]) -> tuple[Run, ...]:
    import sqlite3

    try:
        with contextlib.closing(_connect(path, _READ_WAIT_SECONDS, "rw")) as database:
            if _format(database) != FORMAT:
                return ()
            found = database.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM runs WHERE {where} ORDER BY id",  # noqa: S608
                values,
            )
            return tuple(_sound(path, found))
    except (ValueError, sqlite3.Error) as error:
        log.warning("%s cannot be read (%r); what was measured before is not used.", path, error)
        return ()


def device_label(device: str) -> str:
    """What a card is remembered by: its name, so that another card in the same slot starts anew.

    ``device`` is a torch device id; where torch is not imported, or has no name for it, the id itself.
    """
    kind, _, index = device.partition(":")
    torch = sys.modules.get("torch")
    backend = {"cuda": "cuda", "rocm": "cuda", "xpu": "xpu"}.get(kind)
    if torch is None or backend is None:
        return kind
    return str(getattr(torch, backend).get_device_name(int(index or 0)))


def remembered_as(name: str, device: str) -> str:
    """The device's name in the record: ``name`` where the budget knows it, else that of torch ``device``."""
    return name or device_label(device)


def _connect(path: Path, wait_seconds: float, mode: str) -> sqlite3.Connection:
    """``mode`` "rw" makes no file, "rwc" does. Transactions are begun by hand."""
    import sqlite3

    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", timeout=wait_seconds, isolation_level=None, uri=True
    )
    database.text_factory = lambda data: data.decode("utf-8", "replace")  # one odd row hides no other
    return database


def _format(database: sqlite3.Connection) -> int:
    """FORMAT, or 0 of a file in which nothing is yet."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def _write(folder: Path, run: Run) -> None:
    """Raises sqlite3.Error, and ValueError for a file of a newer form or a name that is no Unicode."""
    import sqlite3

    with contextlib.closing(_connect(folder / NAME, _WRITE_WAIT_SECONDS, "rwc")) as database:
        database.execute("BEGIN IMMEDIATE")  # one writer from here on; the others wait
        version = _format(database)
        if version not in (0, FORMAT):
            raise ValueError(f"it is of the newer form {version}")
        ((said,),) = database.execute("PRAGMA integrity_check(1)").fetchall()  # a few ms: there are MOST runs
        if said != "ok":
            raise sqlite3.DatabaseError(said)
        if version == 0:
            columns = ", ".join(_COLUMNS)
            database.execute(f"CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})")
            database.execute(f"CREATE UNIQUE INDEX latest ON runs ({', '.join(_KEY)})")
            database.execute(f"PRAGMA user_version = {FORMAT}")
            _insert(database, _json_runs(folder))
        _insert(database, [run])
        database.execute(
            "DELETE FROM runs WHERE id <= (SELECT id FROM runs ORDER BY id DESC LIMIT 1 OFFSET ?)", (MOST,)
        )
        database.execute("COMMIT")
    (folder / JSON_NAME).unlink(missing_ok=True)


def _insert(database: sqlite3.Connection, runs: Sequence[Run]) -> None:
    """Each as the youngest row, in the place of an earlier one of its kind."""
    places = ", ".join("?" for _ in _COLUMNS)
    database.executemany(
        f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({places})",  # noqa: S608
        [tuple(getattr(run, name) for name in _COLUMNS) for run in runs],
    )


def _json_runs(folder: Path) -> list[Run]:
    """What an earlier version kept, oldest first."""
    path = folder / JSON_NAME
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != JSON_FORMAT:
            return []
        rows = [{"activation_peak_bytes": row.get("beside_bytes"), **row} for row in told["runs"]]
        return [_run({name: row[name] for name in _COLUMNS if name in row}) for row in rows][-MOST:]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("%s cannot be read (%r); what was measured before is not used.", path, error)
        return []


def _sound(path: Path, rows: Iterable[tuple[Any, ...]]) -> Iterator[Run]:
    """Each row of the table; a damaged one is left out."""
    for row in rows:
        try:
            yield _run(dict(zip(_COLUMNS, row, strict=True)))
        except ValueError as error:
            log.warning("A run in %s cannot be read (%s) and is not used.", path, error)


def _run(row: dict[str, Any]) -> Run:
    """A row as it was kept. A value of another kind than ours is damage: ValueError."""
    if row.get("quantise_vision") in (0, 1):
        row["quantise_vision"] = bool(row["quantise_vision"])  # SQLite knows no truth values
    run = Run(**row)
    for field in fields(Run):
        value = getattr(run, field.name)
        if not isinstance(value, _KINDS[str(field.type)]):
            raise ValueError(f"{field.name} is {value!r:.60}")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError(f"{field.name} is a number of more than 64 bits")
        if isinstance(value, str):
            value.encode("utf-8")  # half a letter, which no database takes, is a ValueError too
    return run
