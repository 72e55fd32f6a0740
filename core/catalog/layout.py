"""Models that find the blocks of a page (layout_models.csv), and what their labels mean
(layout_blocks.csv).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from .csv_rows import count, table
from .readers import OCRModel


@dataclass(frozen=True)
class LayoutModel(OCRModel):
    """A row of layout_models.csv. ``activation_bytes`` are taken beside the weights by one page, which is
    looked at in one size whatever its own is.
    """

    activation_bytes: int = 0


@dataclass(frozen=True)
class BlockLabel:
    """A row of layout_blocks.csv. ``kind``: "text", "table", "formula", "chart" or "seal" is what a model is
    asked of such a block, "figure" is not read. ``place``: "title", "heading", "body", or "margin" for what
    runs along a page's edges and is no part of its text in markdown.
    """

    label: str
    kind: str
    place: str
    source: str
    date: str


@functools.cache
def layout_models() -> tuple[LayoutModel, ...]:
    """Best first."""
    return table(
        "reading/layout_models.csv",
        lambda row: LayoutModel(
            **{  # type: ignore[arg-type]
                **row,
                "weight_bytes": count(row["weight_bytes"]),
                "activation_bytes": count(row["activation_bytes"]),
            }
        ),
        lambda row: [row["id"], row["name"]],
    )


@functools.cache
def _labels() -> dict[str, BlockLabel]:
    rows = table("reading/layout_blocks.csv", lambda row: BlockLabel(**row), lambda row: [row["label"]])
    return {row.label: row for row in rows}


def block_label(label: str) -> BlockLabel:
    """The row of ``label``; a label that nobody knows is a block of text."""
    return _labels().get(label) or BlockLabel(label, "text", "body", "", "")
