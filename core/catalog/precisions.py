"""The precisions of precisions.csv: their names everywhere, and the bytes they take."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from ..errors import UnknownName, nearest
from .csv_rows import Row, count, table, version

# What a plan calls the weights of a folder that was saved quantised: "fp8 as saved".
AS_SAVED = " as saved"


@dataclass(frozen=True)
class Precision:
    """A row of precisions.csv, in the order a selector shows them.

    ``quality`` counts from 1, the best; ``offered`` is "always" or "cpu" (only where the model runs there).
    ``bytes_elsewhere`` a weight outside quantised nn.Linear, activations and caches too. ``linear_bits`` a
    weight inside, None where nothing is quantised; beside them ``row_bytes`` a row, and with ``block`` a byte
    a block, four a ``nested_block`` of blocks and ``tables_bytes`` a matrix. ``min_capability`` is the CUDA
    compute capability needed, None where any will do.
    """

    id: str
    quality: int
    offered: str
    bytes_elsewhere: int
    linear_bits: int | None
    row_bytes: int
    block: int | None
    nested_block: int | None
    tables_bytes: int
    min_capability: tuple[int, int] | None
    rule: str
    source: str
    date: str

    @property
    def quantised(self) -> bool:
        return self.linear_bits is not None

    def linear_bytes(self, rows: int, columns: int) -> int:
        """Bytes of a quantised nn.Linear weight of ``rows`` x ``columns``."""
        count = rows * columns
        blocks = math.ceil(count / self.block) if self.block else 0
        nested = 4 * math.ceil(blocks / self.nested_block) if self.nested_block else 0
        packed = math.ceil(count * (self.linear_bits or 8 * self.bytes_elsewhere) / 8)
        return packed + self.row_bytes * rows + blocks + nested + self.tables_bytes


@functools.cache
def precisions() -> tuple[Precision, ...]:
    """Every precision, in the order of the file."""
    return table("precisions.csv", _precision)


@functools.cache
def quantised_precisions() -> tuple[str, ...]:
    """The ids of those that quantise while a model is loaded, in the order of the file."""
    return tuple(row.id for row in precisions() if row.quantised)


def _precision(row: Row) -> Precision:
    numbers = {name: count(row[name]) for name in ("linear_bits", "block", "nested_block")}
    counts = {
        name: int(row[name] or 0) for name in ("quality", "bytes_elsewhere", "row_bytes", "tables_bytes")
    }
    capability = version(row["min_capability"])
    return Precision(**{**row, **numbers, **counts, "min_capability": capability})  # type: ignore[arg-type]


def precision(precision_id: str) -> Precision:
    """The row of ``precision_id``; an unknown id raises UnknownName that names the nearest.

    "... as saved" is no row of the file: a folder holds its matrices in its own way, and the rest in 16 bit.
    """
    if precision_id.endswith(AS_SAVED):
        return _as_saved(precision_id)
    found = next((row for row in precisions() if row.id == precision_id), None)
    if found is None:
        known = [row.id for row in precisions()]
        raise UnknownName(
            f'There is no precision "{precision_id}".{nearest(precision_id, known)} '
            f"Use one of: {', '.join(known)}."
        )
    return found


def _as_saved(precision_id: str) -> Precision:
    rule = "as the files hold them"
    return Precision(
        precision_id, len(precisions()) + 1, "always", 2, None, 0, None, None, 0, None, rule, rule, ""
    )


def best_first(kind: str) -> tuple[str, ...]:
    """The ids offered on a device of ``kind`` ("cuda", "cpu", ...), the best quality first."""
    offered = [row for row in precisions() if row.offered in ("always", kind)]
    return tuple(row.id for row in sorted(offered, key=lambda row: row.quality))
