"""One page: its lines, what the model said of each piece, and the result of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import VramwiseError
from ...normal_forms import normalised
from ..engines.confidence.lines import correctness
from ..engines.pictures.page_pictures import pictures_on
from ..engines.protocol import ReadOptions
from ..regions.word_boxes import place
from ..results import reading_order
from ..results.line import Line
from ..results.outcomes import Outcome, summed
from ..results.result import OCRResult, Region, Word
from .pieces import Piece

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray


def page_of(
    image: NDArray[uint8],
    lines: Sequence[Line],
    pieces: Sequence[Piece],
    answers: Sequence[Outcome],
    options: ReadOptions,
    model: str,
    seconds: float,
    said: Sequence[str] = (),
) -> OCRResult:
    """The result of a page. ``answers``: one a piece; ``seconds`` were taken by finding the lines; ``said``
    are notes on the whole reading.

    Raises the VramwiseError of the first piece where no piece could be read.
    """
    good = [answer for answer in answers if isinstance(answer, OCRResult)]
    if answers and not good:
        raise next(answer for answer in answers if isinstance(answer, VramwiseError))
    read: list[Line] = []
    notes = [*said, *(note for answer in good for note in answer.notes)]
    fallen_back = 0
    for piece, answer in zip(pieces, answers, strict=True):
        text = answer.text.strip() if isinstance(answer, OCRResult) else ""
        if text:
            read += _spread(piece, text, lines, image)
        else:
            own = [lines[index] for row in piece.rows for index in row if _is_sure(lines[index])]
            read += own
            fallen_back += len(own)
    failed = [answer for answer in answers if isinstance(answer, VramwiseError)]
    if failed:
        notes.append(f"{len(failed)} of {len(answers)} pieces of the page could not be asked: {failed[0]}")
    if fallen_back:
        one = "1 line was read by the built-in engine: the model gave no text."
        more = f"{fallen_back} lines were read by the built-in engine: the model gave no text."
        notes.append(one if fallen_back == 1 else more)
    order = reading_order.arrange(read, options.reading_direction, pictures=pictures_on(image, read))
    marked = reading_order.markdown(read, order)
    height, width = image.shape[:2]
    ends = [answer.finish_reason for answer in good if answer.finish_reason not in ("stop", "blank")]
    if ends:
        notes.append(f"The model did not come to an end in {len(ends)} of {len(answers)} pieces of the page.")
    return OCRResult(
        text=marked if options.task == "markdown" else reading_order.plain_text(read, order),
        markdown=marked,
        regions=reading_order.regions_in_order(read, order),
        width=width,
        height=height,
        finish_reason=ends[0] if ends else "stop" if read else "blank",
        model=f"hybrid rapid + {good[0].model if good else model}",
        language=options.language,
        notes=tuple(dict.fromkeys(notes)),
        **summed(good, seconds),
    )


def _is_sure(line: Line) -> bool:
    """Whether the built-in engine's own reading of a line may stand."""
    return bool(line.text.strip()) and not line.foreign and (line.confidence or 0.0) >= 0.5


def _spread(piece: Piece, text: str, lines: Sequence[Line], image: NDArray[uint8]) -> list[Line]:
    """The model's text on the lines that were found: row by row where there are as many, else one block."""
    written = [" ".join(row.split()) for row in text.splitlines() if row.strip()]
    if len(piece.rows) == 1:
        written = [" ".join(written)]
    if len(written) != len(piece.rows):
        return [_placed(Line(" ".join(written), piece.polygon), image)]
    out: list[Line] = []
    for row, words in zip(piece.rows, written, strict=True):
        found = [lines[index] for index in row]
        if len(found) == 1:
            out.append(_placed(_worded(found[0], words), image))
        else:
            out += [_placed(_worded(line, part), image) for line, part in _shared(found, words)]
    return out


def _shared(lines: Sequence[Line], text: str) -> list[tuple[Line, str]]:
    """A row's text on the several lines that it was found as: cut at the spaces that make each as long as the
    built-in engine's own reading of it; what it did not read, as long as it is wide.
    """
    weights = [len(line.text.strip()) or max(1, round(_length(line))) for line in lines]
    words, at, out = text.split(), 0, []
    total, left = sum(map(len, words)), sum(weights)
    for number, (line, weight) in enumerate(zip(lines, weights, strict=True)):
        wanted, taken = total * weight / left if left else 0.0, 0
        start = at
        while at < len(words) and (
            number == len(lines) - 1 or taken + len(words[at]) / 2 <= wanted or at == start
        ):
            taken += len(words[at])
            at += 1
        total, left = total - taken, left - weight
        out.append((line, " ".join(words[start:at])))
    return [(line, part) for line, part in out if part]


def _length(line: Line) -> float:
    (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
    return abs(complex(x1 - x0, y1 - y0))


def _worded(line: Line, text: str) -> Line:
    """``line`` with the model's text. Two that read the same letters are as sure as the built-in engine; of
    what it read otherwise nothing is known.
    """
    same = _letters(line.text) == _letters(text)
    pieces = text.split()
    words: tuple[Word, ...] = ()
    if len(pieces) == len(line.words) and [len(word.text) for word in line.words] == list(map(len, pieces)):
        words = tuple(replace(word, text=new) for word, new in zip(line.words, pieces, strict=True))
    sure = correctness(line.confidence) if same and line.confidence is not None else None
    return Line(text, line.polygon, sure, words)


def _placed(line: Line, image: NDArray[uint8]) -> Line:
    """``line`` with its words where they stand: by the gaps in the ink where the engine has none."""
    if line.words or not line.text:
        return line
    spans, at = [], 0
    for word in line.text.split():
        at = line.text.index(word, at)
        spans.append((at, at + len(word)))
        at += len(word)
    boxes = place(Region(line.text, line.polygon, 0), spans, image)
    if any(len(box.polygons) != 1 for box in boxes):
        return line
    return replace(
        line,
        words=tuple(
            Word(line.text[start:end], box.polygons[0])
            for (start, end), box in zip(spans, boxes, strict=True)
        ),
    )


def _letters(text: str) -> str:
    return "".join(normalised("NFKC", text).split())
