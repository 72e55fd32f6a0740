"""Formats of weights, what comes on top of a model, and how fast a card's bus is."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from ..errors import UnknownName, nearest
from .csv_rows import Row, number, table, version
from .gpus import GPU

_USUAL_BUS = "PCIe 4.0 x16"


@dataclass(frozen=True)
class Format:
    """A row of formats.csv.

    ``bits`` a weight by definition; ``measured_low`` and ``measured_high`` of whole published files (layers
    kept in 16 bit make them larger), None where none was measured. ``fast_from`` is the lowest compute
    capability that computes in it, None where no card does.
    """

    format: str
    group: str
    bits: float
    measured_low: float | None
    measured_high: float | None
    fast_from: tuple[int, int] | None
    note: str
    source: str
    date: str

    def fast_on(self, capability: tuple[int, int] | None) -> bool:
        """True where an NVIDIA card of this compute capability is faster with it, not only fuller."""
        return self.fast_from is not None and capability is not None and capability >= self.fast_from

    def file_bytes(self, parameters: int) -> int:
        """A file of so many parameters: by the middle of the measured files, else by definition and 3 %."""
        if self.measured_low is None or self.measured_high is None:
            return round(parameters * self.bits / 8 * 1.03)
        return round(parameters * (self.measured_low + self.measured_high) / 2 / 8)


@dataclass(frozen=True)
class AddOn:
    """A row of addons.csv.

    ``kind`` is "controlnet", "patch", "lora", "distilled" or "training". ``gib`` is (low, high) beside the
    diffusion model, ``vram_gb`` what the whole task takes as published; None where it does not apply.
    ``model`` is an id of diffusion.csv or empty. ``contradicts`` quotes what this fact disproves.
    """

    kind: str
    name: str
    model: str
    gib: tuple[float, float] | None
    vram_gb: float | None
    note: str
    contradicts: str
    source: str
    date: str


@dataclass(frozen=True)
class Bus:
    """How a card is joined to the machine: ``gb_s`` is the most that can cross one way, in 10^9 bytes/s."""

    bus: str
    gb_s: float
    source: str
    assumed: bool = False


@functools.cache
def formats() -> tuple[Format, ...]:
    """Every format, largest first within its group."""
    return table("formats.csv", _format)


@functools.cache
def format_named(name: str) -> Format:
    """The format of this name. Raises UnknownName with the nearest."""
    for row in formats():
        if row.format.lower() == name.lower():
            return row
    known = [row.format for row in formats()]
    raise UnknownName(f'There is no format "{name}".{nearest(name, known)} Use one of: {", ".join(known)}.')


@functools.cache
def addons() -> tuple[AddOn, ...]:
    """Every row of addons.csv."""
    return table("diffusion/addons.csv", _addon)


def bus_of(gpu: GPU | None) -> Bus | None:
    """The bus of a card, None where memory is unified. Where a card names none, the usual one is assumed."""
    if gpu is not None and gpu.unified:
        return None
    known = _buses()
    return known.get(gpu.host_bus, known[""]) if gpu is not None else known[""]


@functools.cache
def _buses() -> dict[str, Bus]:
    """The buses by name; "" is what is assumed of cards that name none."""
    found = {bus.bus: bus for bus in table("cards/buses.csv", _bus)}
    return {**found, "": replace(found[_USUAL_BUS], assumed=True)}


def _bus(row: Row) -> Bus:
    return Bus(row["bus"], float(row["gb_s"]), row["source"])


def _format(row: Row) -> Format:
    return Format(
        row["format"],
        row["group"],
        float(row["bits"]),
        number(row["measured_low"]),
        number(row["measured_high"]),
        version(row["fast_from"]),
        row["note"],
        row["source"],
        row["date"],
    )


def _addon(row: Row) -> AddOn:
    low, _, high = row["gib"].partition("-")
    return AddOn(
        row["kind"],
        row["name"],
        row["model"],
        (float(low), float(high or low)) if low else None,
        number(row["vram_gb"]),
        row["note"],
        row["contradicts"],
        row["source"],
        row["date"],
    )
