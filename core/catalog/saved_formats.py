"""Ways in which a folder can be saved quantised: what each needs, and what happens where it cannot run."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from .csv_rows import Row, table, version


@dataclass(frozen=True)
class SavedFormat:
    """A row of saved_formats.csv.

    ``method`` is the quant_method of config.json, ``words`` what a person calls it, ``packages`` what pip
    installs for it. ``runs_on`` are kinds of devices on which weights stay as they were saved, CUDA ones from
    ``min_capability`` on; elsewhere they are dequantised or the folder is refused (``otherwise``), and
    ``why`` says it where the device alone does not.
    """

    method: str
    words: str
    packages: tuple[str, ...]
    runs_on: tuple[str, ...]
    min_capability: tuple[int, int] | None
    otherwise: str
    why: str
    source: str
    date: str

    @property
    def dequantises(self) -> bool:
        return self.otherwise == "dequantise"


@functools.cache
def saved_formats() -> tuple[SavedFormat, ...]:
    """Every row, in the order of the file."""
    return table("saved_formats.csv", _saved_format, lambda row: [row["method"]])


def saved_format(method: str) -> SavedFormat | None:
    """The row of ``method``, in any case and with either hyphen; None for one that nobody here knows."""
    wanted = method.lower().replace("_", "-")
    return next((row for row in saved_formats() if row.method.replace("_", "-") == wanted), None)


def distribution(requirement: str) -> str:
    """The package that ``requirement`` names, without its version."""
    return re.split(r"[<>=\[]", requirement, maxsplit=1)[0]


def _saved_format(row: Row) -> SavedFormat:
    if row["otherwise"] not in ("refuse", "dequantise"):
        raise ValueError(f'otherwise is "{row["otherwise"]}": write refuse or dequantise')
    return SavedFormat(
        row["method"],
        row["words"],
        tuple(row["packages"].split()),
        tuple(row["runs_on"].split()),
        version(row["min_capability"]),
        row["otherwise"],
        row["why"],
        row["source"],
        row["date"],
    )
