"""One picture's answer as an OCRResult."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..results import reading_order
from ..results.coordinates import to_pixels
from ..results.line import Line
from ..results.result import OCRResult, Point, Region

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..engines.protocol import ReadOptions
    from .answers import Parsed, RawRegion
    from .engine import Answer, VLMEngine


def page_result(
    engine: VLMEngine,
    image: NDArray[uint8],
    parsed: Parsed | None,
    answer: Answer | None,
    options: ReadOptions,
    notes: tuple[str, ...],
) -> OCRResult:
    """``parsed`` and ``answer`` are None for a blank page, which the model never saw."""
    height, width = image.shape[:2]
    text = marked = ""
    regions: tuple[Region, ...] = ()
    if parsed is not None and answer is not None:
        text, marked = parsed.text, parsed.markdown
        placed = [
            (raw, polygon)
            for raw in parsed.regions
            if (polygon := to_pixels(raw.points, engine.family.coordinates, answer.seen, (width, height)))
        ]
        if parsed.ordered:
            regions = tuple(
                Region(raw.text, polygon, order, category=raw.category.lower())
                for order, (raw, polygon) in enumerate(placed)
            )
        elif placed:
            text, marked, regions = _arranged(placed)
        notes = (*notes, *parsed.notes)
    return OCRResult(
        text=marked if options.task == "markdown" else text,
        markdown=marked,
        regions=regions,
        width=width,
        height=height,
        finish_reason=answer.finish_reason if answer else "blank",
        model=engine.model,
        precision=engine.precision,
        seconds=answer.seconds if answer else 0.0,
        language=options.language,
        tokens=answer.tokens if answer else None,
        peak_bytes=answer.peak_bytes if answer else None,
        notes=notes,
    )


def _arranged(
    placed: list[tuple[RawRegion, tuple[Point, ...]]],
) -> tuple[str, str, tuple[Region, ...]]:
    """Text, markdown and regions of lines that came in no order."""
    lines = [Line(raw.text, polygon) for raw, polygon in placed]
    page = reading_order.arrange(lines)
    return (
        reading_order.plain_text(lines, page),
        reading_order.markdown(lines, page),
        reading_order.regions_in_order(lines, page),
    )
