"""Sizes as people read them: one place, with unit or without, and a word for what is not known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from vramwise.units import GIB, MIB, gb_text, gib, gib_text, megapixels, megapixels_text, mib_text

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("size", "one", "two", "text"),
    [
        (0, "0.0", "0.00", "0.0 GiB"),
        (400 * MIB, "0.4", "0.39", "0.4 GiB"),
        (6 * GIB, "6.0", "6.00", "6.0 GiB"),
        (-GIB // 2, "-0.5", "-0.50", "-0.5 GiB"),
        (None, "-", "-", "unknown"),
    ],
)
def test_a_size_is_written_with_its_decimals_its_unit_or_a_word_for_unknown(
    size: int | None, one: str, two: str, text: str
) -> None:
    assert (gib(size), gib(size, 2), gib_text(size)) == (one, two, text)
    assert gib(None, unknown="?") == "?"


def test_files_are_counted_in_thousands_as_the_hub_and_file_managers_do() -> None:
    assert (gb_text(GIB), gb_text(GIB, 2), gb_text(MIB)) == ("1.1 GB", "1.07 GB", "0.0 GB")
    assert mib_text(8 * MIB + 1) == "8 MiB"


@pytest.mark.parametrize(
    ("pixels", "text"), [(128_000_000, "128.0"), (1_000_000, "1.0"), (32_000, "0.032"), (0, "0.0")]
)
def test_megapixels_are_a_plain_number_that_says_something_however_many(pixels: int, text: str) -> None:
    assert (megapixels(pixels), megapixels_text(pixels)) == (f"{pixels / 1e6:.1f}", text)


def test_no_other_file_makes_gib_of_bytes_or_megapixels_of_pixels() -> None:
    own = re.compile(r"/ ?(GIB|MIB)\b[^)]*:\.[0-9]f|1024 ?\*\* ?[23]|def _?gib\b|/ 1e9:\.|/ 1e6:")
    files = [path for folder in ("core", "nodes") for path in sorted((ROOT / folder).rglob("*.py"))]
    places = [path.relative_to(ROOT).as_posix() for path in files if own.search(path.read_text("utf-8"))]
    assert len(files) > 100
    assert places == ["core/units.py"]
