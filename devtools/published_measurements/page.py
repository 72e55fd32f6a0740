"""docs/measurements.md: every published measurement beside our figure."""

from __future__ import annotations

from pathlib import Path

from vramwise.units import gib

from .compare import Measurement, measurements, median_deviation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "measurements.md"
_WEIGHTS = ("weights", "encoder", "vae", "loaded")


def of_weights(row: Measurement) -> bool:
    """Whether ``row`` is of weights alone; the others are peaks, with what works on them."""
    return row.what.partition(":")[0] in _WEIGHTS


def page() -> str:
    """The page as text."""
    rows = measurements()
    peaks = [row for row in rows if not of_weights(row)]
    weights = [row for row in rows if of_weights(row)]
    return "\n".join(
        (
            "# What others measured, and what VRAMwise says of the same",
            "",
            f"{len(rows)} figures that somebody saw on a machine and published: {len(peaks)} peaks, and",
            f"{len(weights)} of weights alone (ComfyUI's log says what it loaded, to a hundredth of a MiB).",
            "Nothing of it was measured by us. The median of the deviations is",
            f"{median_deviation(peaks):.1%} for peaks and {median_deviation(weights):.1%} for weights;",
            "+ is more than measured. Where the stage of a peak was not said, the nearest is compared.",
            "What vendors recommend is no measurement and is not here: the advisor's report names it.",
            "Written by `python -m devtools.published_measurements`; a test keeps it true.",
            "",
            "## Peaks",
            "",
            *_table(peaks),
            "",
            "## Weights",
            "",
            *_table(weights),
            "",
        )
    )


def _table(rows: list[Measurement]) -> list[str]:
    head = ("model", "precision", "what", "size", "card", "measured GiB", "ours", "", "source")
    return [_line(head), _line(["---"] * len(head)), *(_line(_cells(row)) for row in rows)]


def _cells(row: Measurement) -> tuple[str, ...]:
    source = f"{row.source} ({row.reason})" if row.reason else row.source
    what = row.what.replace("encoder:", "text encoder ")
    figures = (gib(int(row.measured_bytes)), gib(row.computed_bytes), f"{row.deviation:+.1%}")
    return (row.model, row.precision, what, row.settings, row.card, *map(str, figures), source)


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
