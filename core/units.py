"""Sizes and other numbers for people. Inside, memory is int bytes; GiB and GB are made here, where a person
reads them.

All are ``Figure``: written as in English, and known for what they are, so that ``catalog.words`` can write
them as another language does ("11,2 GiB"). JSON and CSV take them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

KIB, MIB, GIB = 1024, 1024**2, 1024**3
# How people write the units behind a size, folded, as parts of a regular expression: in Latin and Cyrillic.
MIB_WRITTEN = "mib|mb|\u043c\u0438?\u0431"
GIB_WRITTEN = (
    "gib|gb|g|\u0433\u0438?\u0431|\u0433"
    "|\u0433\u0438\u0433(?:\u0430|\u043e\u0432|\u0430\u0431\u0430\u0439\u0442(?:\u0430|\u043e\u0432)?)?"
)


class Figure(str):
    """A number for people, with its unit or without, in English: "11.2", "1,024", "5.6 GiB"."""


def figure(number: float, form: str = "g") -> Figure:
    """``number`` by Python's format ``form``: "12.6" by ".1f", "1,024" by ","."""
    return Figure(format(number, form))


def gib(size_bytes: int | None, decimals: int = 1, unknown: str = "-") -> Figure:
    """``size_bytes`` in GiB without a unit: "5.6"; ``unknown`` where it is None."""
    return Figure(unknown if size_bytes is None else f"{size_bytes / GIB:.{decimals}f}")


def gib_text(size_bytes: int | None, decimals: int = 1) -> Figure:
    """``size_bytes`` in GiB with its unit: "5.6 GiB"; "unknown" where it is None."""
    return Figure("unknown" if size_bytes is None else f"{gib(size_bytes, decimals)} GiB")


def mib_text(size_bytes: int) -> Figure:
    """``size_bytes`` in whole MiB with its unit: "5 MiB"."""
    return Figure(f"{size_bytes / MIB:.0f} MiB")


def gb_text(size_bytes: int, decimals: int = 1) -> Figure:
    """Sizes of files and free room on disk, as file managers and the hub count: 10^9 bytes, "1.2 GB"."""
    return Figure(f"{size_bytes / 1e9:.{decimals}f} GB")


def megapixels(pixels: float, form: str = ".1f") -> Figure:
    """``pixels`` in millions, without a unit: "12.6"."""
    return figure(pixels / 1e6, form)


def megapixels_text(pixels: float) -> Figure:
    """As ``megapixels``; below one to two digits that say something: "0.032", never "0.0"."""
    return _telling(pixels / 1e6)


def seconds_text(seconds: float) -> Figure:
    """Seconds without a unit: "12.3"; below one to two digits that say something: "0.084", never "0.0"."""
    return _telling(seconds)


def _telling(number: float) -> Figure:
    return figure(number, ".1f" if number >= 1 or number <= 0 else ".2g")


def median(numbers: Iterable[float]) -> float:
    """That of ``statistics``, whose import takes longer than what reports compute with it."""
    ordered = sorted(numbers)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
