"""One picture's answer as an OCRResult, whoever wrote it: a model here, a server, a CLIP of ComfyUI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    from .answers import Parsed, RawRegion

    _Placed = list[tuple[RawRegion, tuple[Point, ...]]]

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
    that the text begins there. ``others_seen``: the same of the further pictures of one question.
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
    others_seen: tuple[tuple[int, int], ...] = ()


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
    return together_results(answer, source, task, options, [size], notes)[0]


def together_results(
    answer: Answer | None,
    source: Source,
    task: Task,
    options: ReadOptions,
    sizes: Sequence[tuple[int, int]],
    notes: tuple[str, ...],
) -> list[OCRResult]:
    """One result for each picture of a question, of the ``sizes`` (width, height): the first has the answer,
    each the places that the answer gives on it.
    """
    text = marked = reasoning = ""
    finish_reason = "blank"
    regions: Sequence[tuple[Region, ...]] = [()] * len(sizes)
    if answer is not None:
        parsed = parse(task.parse, answer.text, answer.finish_reason != "stop", answer.opened)
        finish_reason = answer.finish_reason
        placed = [_on_picture(parsed, at, answer, source, sizes) for at in range(len(sizes))]
        text, marked, regions = _words_and_places(parsed, placed, options.reading_direction)
        notes = (*notes, *parsed.notes, *answer.notes)
        reasoning = "\n\n".join(filter(None, (answer.reasoning.strip(), parsed.reasoning)))
        if not parsed.answered or (answer.reasoning.strip() and not answer.text.strip()):
            finish_reason = "loop" if finish_reason == "loop" else "length"
            notes = (*notes, ONLY_THOUGHT)
    first = OCRResult(
        text=marked if options.task == "markdown" else text,
        markdown=marked,
        regions=regions[0],
        width=sizes[0][0],
        height=sizes[0][1],
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
    bare = replace(first, text="", markdown="", seconds=0.0, tokens=None, notes=(), reasoning="", tables=())
    rest = zip(sizes[1:], regions[1:], strict=True)
    return [first, *(replace(bare, width=w, height=h, regions=its) for (w, h), its in rest)]


def _on_picture(
    parsed: Parsed, at: int, answer: Answer, source: Source, sizes: Sequence[tuple[int, int]]
) -> _Placed:
    """The places that an answer gives on picture ``at``, in its pixels; of no picture there are those on the
    first.
    """
    seen = (answer.seen, *answer.others_seen)[at]
    return [
        (raw, polygon)
        for raw in parsed.regions
        if (raw.picture == at or (at == 0 and not 0 <= raw.picture < len(sizes)))
        and (polygon := to_pixels(raw.points, source.coordinates, seen, sizes[at]))
    ]


def _words_and_places(
    parsed: Parsed, placed: Sequence[_Placed], direction: str
) -> tuple[str, str, list[tuple[Region, ...]]]:
    """Text, markdown and the regions of each picture: in the model's own order where it has one, else in
    that of reading, with what has no place behind it.
    """
    if parsed.ordered:
        regions = [
            tuple(
                Region(raw.text, polygon, order, category=raw.category.lower())
                for order, (raw, polygon) in enumerate(its)
            )
            for its in placed
        ]
        return parsed.text, parsed.markdown, regions
    nowhere: list[tuple[Region, ...]] = [()] * (len(placed) - 1)
    if not placed[0]:
        return parsed.text, parsed.markdown, [(), *nowhere]
    text, marked, first = _arranged(placed[0], direction)
    on_page = {id(raw) for raw, _ in placed[0]}
    others = (raw.text for raw in parsed.regions if id(raw) not in on_page)
    for words in filter(None, (*others, *parsed.beside)):
        text, marked = f"{text}\n{words}".strip(), f"{marked}\n\n{words}".strip()
    return text, marked, [first, *nowhere]


def _arranged(placed: _Placed, direction: str) -> tuple[str, str, tuple[Region, ...]]:
    """Text, markdown and regions of lines that came in no order."""
    lines = [Line(raw.text, polygon) for raw, polygon in placed]
    order = reading_order.arrange(lines, direction)
    return (
        reading_order.plain_text(lines, order),
        reading_order.markdown(lines, order),
        reading_order.regions_in_order(lines, order),
    )
