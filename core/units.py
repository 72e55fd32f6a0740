"""Sizes for people. Inside, memory is int bytes; GiB and GB are made here, where a person reads them."""

from __future__ import annotations

KIB, MIB, GIB = 1024, 1024**2, 1024**3


def gib(size_bytes: int | None, decimals: int = 1, unknown: str = "-") -> str:
    """``size_bytes`` in GiB without a unit: "5.6"; ``unknown`` where it is None."""
    return unknown if size_bytes is None else f"{size_bytes / GIB:.{decimals}f}"


def gib_text(size_bytes: int | None, decimals: int = 1) -> str:
    """``size_bytes`` in GiB with its unit: "5.6 GiB"; "unknown" where it is None."""
    return "unknown" if size_bytes is None else f"{gib(size_bytes, decimals)} GiB"


def mib_text(size_bytes: int) -> str:
    """``size_bytes`` in whole MiB with its unit: "5 MiB"."""
    return f"{size_bytes / MIB:.0f} MiB"


def gb_text(size_bytes: int, decimals: int = 1) -> str:
    """Sizes of files and free room on disk, as file managers and the hub count: 10^9 bytes, "1.2 GB"."""
    return f"{size_bytes / 1e9:.{decimals}f} GB"


def seconds_text(seconds: float) -> str:
    """Seconds without a unit: "12.3"; below one to two digits that say something: "0.084", never "0.0"."""
    return f"{seconds:.1f}" if seconds >= 1 or seconds <= 0 else f"{seconds:.2g}"
