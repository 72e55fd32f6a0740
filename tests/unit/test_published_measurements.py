"""What others measured, beside the product: docs/measurements.md is true, and nothing is told far too low."""

from __future__ import annotations

import pytest

from devtools.published_measurements.compare import Measurement, measurements, median_deviation
from devtools.published_measurements.page import PAGE, of_weights, page

ROWS = measurements()


def test_there_are_sixty_and_each_says_where_it_was_published() -> None:
    assert len(ROWS) >= 60
    assert all(row.source for row in ROWS)
    seen = [(row.model, row.precision, row.what, row.settings, row.source) for row in ROWS]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("weights", [True, False], ids=["weights", "peaks"])
def test_the_median_deviation_is_within_eight_percent(weights: bool) -> None:
    assert median_deviation([row for row in ROWS if of_weights(row) == weights]) <= 0.08


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.model} {row.precision} {row.what}")
def test_none_is_below_by_more_than_a_tenth_without_a_reason(row: Measurement) -> None:
    assert row.deviation >= -0.10 or row.reason


def test_the_page_is_what_the_table_comes_to() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
