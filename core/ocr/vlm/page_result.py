"""One picture's answer as an OCRResult, whoever wrote it: a model here, a server, a CLIP of ComfyUI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..results import reading_order
from ..results.coordinates import to_pixels
from ..results.line import Line
from ..results.result import OCRResult, Point, Region
from ..results.written_tables import tables_in
from .answers import parse

if TYPE_CHECKING:
    from ...families.family import Task
    from ..engines.protocol import ReadOptions
    from .answers import RawRegion


ONLY_THOUGHT = (
    "The model thought about the page and did not come to an answer: this is no blank page. What it thought "
    "is in reasoning. Raise max_new_tokens, or switch thinking off: choose a model without it (Instruct "
    "rather than Thinking), or start the server with thinking off."
)


@dataclass(frozen=True)
class Answer:
    """What a model wrote about one picture, and how that ended (see OCRResult). ``seen`` is the picture's
    (width, height) as the model saw it; ``notes`` are sentences for the person. ``reasoning`` is what a
    server sent apart from the text as the model's thinking; ``opened``: the prompt ended inside thinking, so
    that the text begins there.
    """

    text: str
    tokens: int
    finish_reason: str
    seen: tuple[int, int]
    seconds: float
    peak_bytes: int | None = None
    notes: tuple[str, ...] = ()
    reasoning: str = ""
    opened: bool = False


@dataclass(frozen=True)
class Source:
    """Who answers: ``model`` and ``precision`` as the result names them, ``coordinates`` the units in which
    its family writes places, one of ``coordinates.UNITS``.
    """

    model: str
    precision: str
    coordinates: str


def page_result(
    answer: Answer | None,
    source: Source,
    task: Task,
    options: ReadOptions,
    size: tuple[int, int],
    notes: tuple[str, ...],
) -> OCRResult:
    """``answer`` is None for a blank page, which the model never saw; ``size`` is the picture's (width,
    height) in pixels; ``notes`` come before those of the answer.
    """
    text = marked = reasoning = ""
    finish_reason = "blank"
    regions: tuple[Region, ...] = ()
    if answer is not None:
        parsed = parse(task.parse, answer.text, answer.finish_reason != "stop", answer.opened)
        finish_reason = answer.finish_reason
        text, marked = parsed.text, parsed.markdown
        placed = [
            (raw, polygon)
            for raw in parsed.regions
            if (polygon := to_pixels(raw.points, source.coordinates, answer.seen, size))
        ]
        if parsed.ordered:
            regions = tuple(
                Region(raw.text, polygon, order, category=raw.category.lower())
                for order, (raw, polygon) in enumerate(placed)
            )
        elif placed:
            text, marked, regions = _arranged(placed, options.reading_direction)
        notes = (*notes, *parsed.notes, *answer.notes)
        reasoning = "\n\n".join(filter(None, (answer.reasoning.strip(), parsed.reasoning)))
        if not parsed.answered or (answer.reasoning.strip() and not answer.text.strip()):
            finish_reason = "loop" if finish_reason == "loop" else "length"
            notes = (*notes, ONLY_THOUGHT)
    return OCRResult(
        text=marked if options.task == "markdown" else text,
        markdown=marked,
        regions=regions,
        width=size[0],
        height=size[1],
        finish_reason=finish_reason,
        model=source.model,
        precision=source.precision,
        seconds=answer.seconds if answer else 0.0,
        language=options.language,
        tokens=answer.tokens if answer else None,
        peak_bytes=answer.peak_bytes if answer else None,
        notes=notes,
        reasoning=reasoning,
        tables=tuple(tables_in(marked)),
    )


def _arranged(
    placed: list[tuple[RawRegion, tuple[Point, ...]]], direction: str
) -> tuple[str, str, tuple[Region, ...]]:
    """Text, markdown and regions of lines that came in no order."""
    lines = [Line(raw.text, polygon) for raw, polygon in placed]
    order = reading_order.arrange(lines, direction)
    return (
        reading_order.plain_text(lines, order),
        reading_order.markdown(lines, order),
        reading_order.regions_in_order(lines, order),
    )
