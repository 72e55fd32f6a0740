"""What the two seeds publish: every cell of their tables and every figure of their prose, one row each."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from .csv_rows import table
from .words import amount, sized


@dataclass(frozen=True)
class Published:
    """A row of published.csv, as it was read.

    ``seed`` is "guide" or "article"; ``value`` is the figure or word as printed, "-" where the seed prints a
    dash; ``check`` says what kind of statement it is, that is, how it is checked; ``subject`` names what
    it is about in the catalog's own names, several parted by ";", a model and its precision joined by "@", a
    limit after "|".
    """

    seed: str
    table: str
    row: str
    column: str
    value: str
    unit: str
    check: str
    subject: str
    source: str
    date: str

    @property
    def cell(self) -> str:
        """Where it stands: "vram: GOT-OCR 2.0, INT8". Stable, for programs."""
        return f"{self.table}: {self.row}, {self.column}"

    def place(self, say: Mapping[str, str]) -> str:
        """Where it stands, in the words of ``say``."""
        row, column = (say.get(f"advise_cell_{part}", sized(part, say)) for part in (self.row, self.column))
        return say["advise_place"].format(table=say[f"advise_table_{self.table}"], row=row, column=column)

    def printed(self, say: Mapping[str, str]) -> str:
        """The value as printed, with its unit in the words of ``say``."""
        if self.text == self.value:
            return self.value
        unit, _, power = self.unit.partition(" ")
        return " ".join(filter(None, (amount(self.value, say), say.get(f"advise_unit_{unit}", unit), power)))

    @property
    def text(self) -> str:
        """The value with its unit."""
        return f"{self.value} {self.unit}" if self.unit and self.value != "-" else self.value

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(part for part in self.subject.partition("|")[0].split(";") if part)

    @property
    def limit(self) -> str:
        """What stands after "|" in the subject: a memory size in GB, a colour or a factor."""
        return self.subject.partition("|")[2]


@functools.cache
def published() -> tuple[Published, ...]:
    """Every row, in the order of the seeds."""
    return table("published.csv", lambda row: Published(**row))
