"""What real runs took on this machine: kept in the user's folder and used by the next plan.

One JSON file of at most ``MOST`` runs. A second process may write at the same moment: a file is replaced
whole, so the later one wins and nobody reads half of it. A run is never lost over bookkeeping: a file that
cannot be read counts as empty, one that cannot be written is a line in the log.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

log = logging.getLogger("vramwise.planning")
NAME = "measured.json"
FORMAT = 1
MOST = 400
_writing = threading.Lock()


@dataclass(frozen=True)
class Run:
    """One load (``pixels`` 0) or one read of ``images`` pictures at once.

    ``device`` is the card's name or "cpu"; ``pixels`` of the largest picture as the model saw it;
    ``prompt_tokens`` of one row, those of its picture included; ``beside_bytes`` the allocator's peak without
    what was resident before and after, None where the device does not count (a CPU). ``loaded_from`` is
    "files" or "cache" (quantised weights kept on disk). ``date`` is a day, YYYY-MM-DD.
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
    beside_bytes: int | None = None
    read_seconds: float | None = None
    load_seconds: float | None = None
    loaded_from: str = ""
    date: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        """What is measured anew rather than beside: the latest run of a key is kept."""
        what = (self.attention, self.pixels, self.images, self.loaded_from)
        return (self.device, self.model, self.precision, self.quantise_vision, *what)


def record(folder: Path, run: Run) -> None:
    """Keep ``run`` in ``folder`` as the latest of its kind, dated today. Never raises for the disk."""
    dated = run if run.date else replace(run, date=time.strftime("%Y-%m-%d"))
    with _writing:
        kept = [one for one in _read(folder / NAME) if one.key != dated.key]
        try:
            _write(folder / NAME, [*kept, dated][-MOST:])
        except OSError as error:
            log.info("%s could not be written, so this run is not remembered: %s", folder / NAME, error)


def lookup(folder: Path, device: str, model: str) -> tuple[Run, ...]:
    """Every remembered run of ``model`` on ``device`` (a name as ``device_label`` gives it), oldest first."""
    return tuple(run for run in _read(folder / NAME) if (run.device, run.model) == (device, model))


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


def _read(path: Path) -> list[Run]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            return []
        return [_run(row) for row in told["runs"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read (%r); what was measured before is not used.", path, error)
        return []


def _run(row: Mapping[str, Any]) -> Run:
    """A row of the file. A field of another kind than ours is damage: ValueError."""
    known = {field.name: field for field in fields(Run)}
    run = Run(**{name: value for name, value in dict(row).items() if name in known})
    for name in known:
        value, fits = getattr(run, name), _KINDS[str(known[name].type)]
        if not isinstance(value, fits):
            raise ValueError(f"{name} is {value!r}")
    return run


_KINDS: Mapping[str, Any] = {
    "str": str,
    "bool": bool,
    "int": int,
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
}


def _write(path: Path, runs: list[Run]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, "runs": [asdict(run) for run in runs]}, indent=1)
    handle, unfinished = tempfile.mkstemp(prefix=f".{NAME}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
