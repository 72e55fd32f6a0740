"""One page of blocks: what the model said of each, and the result of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...catalog.layout import block_label
from ...errors import VramwiseError
from ..engines.protocol import ReadOptions
from ..results.outcomes import Outcome, summed
from ..results.result import OCRResult, Region
from ..results.written_tables import tables_in
from .blocks import Block

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray


def page_of_blocks(
    image: NDArray[uint8],
    blocks: Sequence[Block],
    answers: Mapping[int, Outcome],
    options: ReadOptions,
    finder: str,
    model: str,
    seconds: float,
    said: Sequence[str] = (),
) -> OCRResult:
    """The result of a page. ``answers`` by the number of the block: those that were asked. ``seconds`` were
    taken by ``finder``, which found the blocks; ``said`` are notes on the whole reading.

    Text has every block; markdown leaves out what runs along the page's edges. Raises the VramwiseError of
    the first block where none could be read.
    """
    good = [answer for answer in answers.values() if isinstance(answer, OCRResult)]
    failed = [answer for answer in answers.values() if isinstance(answer, VramwiseError)]
    if failed and not good:
        raise failed[0]
    texts, marked, regions = [], [], []
    for number, block in enumerate(blocks):
        answer = answers.get(number)
        read = answer if isinstance(answer, OCRResult) else None
        text = read.text.strip() if read else ""
        if text:
            texts.append(text)
            marked.append(_markdown(block, read.markdown.strip() if read else ""))
        regions.append(Region(text, block.polygon, number, category=block.label))
    notes = [*said, *(note for answer in good for note in answer.notes)]
    if failed:
        notes.append(f"{len(failed)} of {len(answers)} blocks of the page could not be asked: {failed[0]}")
    ends = [answer.finish_reason for answer in good if answer.finish_reason not in ("stop", "blank")]
    if ends:
        notes.append(f"The model did not come to an end in {len(ends)} of {len(answers)} blocks of the page.")
    page = "\n\n".join(filter(None, marked))
    height, width = image.shape[:2]
    return OCRResult(
        text=page if options.task == "markdown" else "\n".join(texts),
        markdown=page,
        regions=tuple(regions),
        width=width,
        height=height,
        finish_reason=ends[0] if ends else "stop" if texts else "blank",
        model=f"layout {finder} + {good[0].model if good else model}",
        language=options.language,
        notes=tuple(dict.fromkeys(notes)),
        **summed(good, seconds),
        tables=tuple(tables_in(page)),
    )


def _markdown(block: Block, text: str) -> str:
    place = block_label(block.label).place
    if place == "margin":
        return ""
    if place in ("title", "heading") and not text.startswith("#"):
        return f"{'#' if place == 'title' else '##'} {' '.join(text.split())}"
    return text
