"""Lines in scripts that the built-in recogniser lacks: whoever can reads them, and their words go where they
stood.

Tesseract reads level pages only, so it is given the picture turned until these lines run level, and what it
found is brought back. A line that it missed on the page, or is not sure of, is shown to it alone.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import mean, median
from typing import TYPE_CHECKING, NamedTuple

from ...cjk import is_cjk
from ..results.line import Line
from ..results.reading_order import join_words
from ..results.result import Point, Word
from ..results.text_angle import text_angle
from .drawn_rules.table_rules import tilt, without_rules
from .language_routing import LineReader
from .level_picture import LEVEL_ENOUGH, LevelPicture, level_picture
from .line_shapes.missed_lines import without_repeats
from .line_shapes.vanished_words import is_whole_number
from .protocol import ProgressCallback
from .script_at_a_glance import share_in_script
from .script_judge import LIKE_LATIN, LOOK_ALIKE, NO_DOUBT
from .tesseract import TesseractReader

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

# The share of a page's text length in one foreign script from which that script's reader takes the page.
MOSTLY = 0.6
SURE_ON_PAGE = 0.7  # below this confidence on the page, times the share of it read, a line is also read alone
# Tesseract's mean confidence below which a page may lie turned: 0.9 and more upright, 0.2 to 0.6 else; and by
# how much surer the other way up is to be.
DOUBTFUL, MORE_SURE = 0.8, 0.05
LEAST_OWN = 3  # lines in the script, before others are doubted of which PP-OCR is sure
SURE_WORD = 0.6  # and one with a word below this
WIDE_GAP = 1.0  # of a line's height, without a word: nothing was read there
ALONE_AT_LEAST = 0.5  # and what is less sure alone is not taken
# Lines lower than this many pixels are enlarged to the second figure, at most so many times and pixels.
SMALL_LINE, GOOD_LINE, MOST_TIMES, MOST_ENLARGED = 24, 40, 4.0, 12_000_000
# What Tesseract sees where PP-OCR saw no text is a drawing, unless it is this sure.
NO_DRAWING = 0.85
# Some lines of a page are read upside down before all of it is: so many that are so long for their height, or
# the longest, as far as they are so long together.
TELLING, LONG = 6, 8.0
FEW = 0.25  # of a page's text; for so little of it, all of it is not read over
FUTILE = 12  # lines of a page, one after the other, none of which is surer alone: nor will the rest be
LETTERS = 4  # different ones of a line that PP-OCR is believed without a doubt

# Of a line that nobody reads: words of such a confidence that are numbers, or Latin.
SURE_PART = 0.9
NUMBER = re.compile(r"[\d.,:;/%+()\u2116#$\u20ac\u00a3-]*\d[\d.,:;/%+()$\u20ac\u00a3-]*")
WORD = re.compile(r"[A-Za-z][A-Za-z'@._-]{2,}")


class PageReading(NamedTuple):
    """What Tesseract found on a level picture of a page, ``lines`` standing where they do on that picture."""

    level: LevelPicture
    lines: Sequence[Line]


@dataclass(frozen=True)
class ForeignPage:
    """``lines``: all of the page, those in ``script`` marked so and not read yet. ``image``: uint8 RGB.
    ``read_alone``: what Tesseract read of single lines, by their pictures, and ``readings``: of the page,
    both kept for the same page with other lines marked.
    """

    image: NDArray[uint8]
    lines: Sequence[Line]
    script: str
    read_alone: dict[bytes, tuple[str, float]] = field(default_factory=dict, compare=False, repr=False)
    readings: list[PageReading] = field(default_factory=list, compare=False, repr=False)

    @property
    def share(self) -> float:
        """The share of the page's text length (along the lines) that is in the script."""
        total = sum(map(_length, self.lines))
        return sum(map(_length, self._own)) / total if total else 0.0

    @property
    def _own(self) -> list[Line]:
        return [line for line in self.lines if line.foreign == self.script]

    @property
    def _others(self) -> list[Line]:
        """What PP-OCR read."""
        return [line for line in self.lines if not line.foreign]

    def read(self, reader: LineReader, max_pixels: int | None, progress: ProgressCallback) -> list[Line]:
        """The page's lines, those of the script read by ``reader``; what it could not read stays foreign.

        What Tesseract makes little sense of may stand on its head: of a few words the script net cannot tell.
        Then the surer of both ways is taken.
        """
        read = self._read(reader, max_pixels, progress)
        sure = self._sureness(read)
        if not isinstance(reader, TesseractReader) or sure >= DOUBTFUL:
            return read
        if not self._may_hang(reader):
            return read
        other = replace(
            self, lines=[line if line.foreign != self.script else _turned(line) for line in self.lines]
        )
        turned = other._read(reader, max_pixels, progress)
        return turned if self._sureness(turned) > sure + MORE_SURE else read

    def with_doubted(self) -> ForeignPage | None:
        """The page with the lines that PP-OCR is not sure of in the script too, where it is sure of few: such
        as words that stand on their heads, of which it read Latin letters. Numbers tell nothing. In a script
        like Latin it may be sure of what looks alike in both, so there what is beyond doubt alone stays, on a
        page that is mostly not. None of a page that was read.
        """
        others = [line for line in self._others if any(map(str.isalpha, line.text))]
        doubted = [line for line in others if not _sure(line)]
        if not others:
            return None
        if mean_confidence(others) >= DOUBTFUL:
            doubted = [line for line in others if not _no_doubt(line)]
            mostly = len(self._own) + len(doubted) >= MOSTLY * (len(self._own) + len(others))
            if self.script not in LIKE_LATIN or len(self._own) < LEAST_OWN or not mostly:
                return None
        marked = {id(line) for line in doubted}
        lines = [replace(line, foreign=self.script) if id(line) in marked else line for line in self.lines]
        return replace(self, lines=lines)

    def _sureness(self, read: Sequence[Line]) -> float:
        """The mean confidence of what was read of the script's lines."""
        kept = {id(line) for line in self.lines if line.foreign != self.script}
        return mean_confidence([line for line in read if id(line) not in kept and not line.foreign])

    def _may_hang(self, reader: TesseractReader) -> bool:
        """Whether the page may stand on its head: not where PP-OCR read enough of it that runs as these lines
        do. Else some lines, read alone both ways, tell at a fraction of the cost of the page, if they are
        long enough: by the letters of the script, for it is as sure of the signs it sees in vowels' points.
        """
        import numpy as np

        beyond_doubt = [line for line in self._others if _no_doubt(line)]
        if len(beyond_doubt) >= TELLING:
            apart = text_angle(beyond_doubt) - text_angle(self._own)
            return abs(math.remainder(apart, 2 * math.pi)) > math.pi / 4
        telling = _telling(self._own) or (self._own if self.share < FEW else [])
        if not telling:
            return True
        level = next((made.level for made in self.readings if made.level.is_like(self._level)), self._level)
        crops = [level.cut(line.polygon) for line in telling]

        def sense(crop: NDArray[uint8]) -> float:
            text, sure = self._line(reader, crop)
            return sure * share_in_script(text, self.script)

        here = mean(map(sense, crops))
        turned = mean(sense(np.ascontiguousarray(crop[::-1, ::-1])) for crop in crops)
        return turned > here + MORE_SURE

    def _page(
        self, reader: TesseractReader, max_pixels: int | None, progress: ProgressCallback
    ) -> PageReading:
        """The page as Tesseract reads it; not once more where it was read so before."""
        for made in self.readings:
            if made.level.is_like(self._level):
                return made
        made = PageReading(self._level, reader.lines(self._level.picture, max_pixels, progress))
        self.readings.append(made)
        return made

    def _line(self, reader: TesseractReader, crop: NDArray[uint8]) -> tuple[str, float]:
        key = hashlib.blake2b(crop.tobytes(), person=b"%dx%d" % crop.shape[:2]).digest()
        if key not in self.read_alone:
            self.read_alone[key] = reader.line(crop)
        return self.read_alone[key]

    def _read(self, reader: LineReader, max_pixels: int | None, progress: ProgressCallback) -> list[Line]:
        if isinstance(reader, TesseractReader):
            level, seen = self._page(reader, max_pixels, progress)
            found = [level.line(line) for line in seen]
        else:
            found = reader.lines(self.image, max_pixels, progress)
        read = [(line, [(word, _centre(word.polygon)) for word in _words_of(line)]) for line in found]
        filled = {id(line): _filled(line, read) for line in self._own}
        if isinstance(reader, TesseractReader):
            self._ask_alone(reader, level, filled, progress)
        others = [line for line in self.lines if line.foreign != self.script]
        if self.share < MOSTLY or any(line.foreign for line in others) or any(map(_has_cjk, others)):
            return [filled.get(id(line), line) for line in self.lines]
        return self._page_of(found, filled)

    @cached_property
    def _level(self) -> LevelPicture:
        """What Tesseract sees: level lines of its size, and no rules of tables."""
        high = median(map(_height, self._own))
        times = enlarging(high, self.image)
        angle = text_angle(self._own)
        upright = round(angle / (math.pi / 2)) * (math.pi / 2)
        if abs(angle - upright) < LEVEL_ENOUGH:  # a quarter turn moves no pixel, so rules stay thin
            return level_picture(without_rules(self.image, high), angle, times)
        level = level_picture(self.image, angle)
        if more := tilt(level.picture, high):
            level = level_picture(self.image, angle + more)
        level = replace(level, picture=without_rules(level.picture, high, aslant=True))
        return level if times == 1.0 else level.enlarged(times)

    def _ask_alone(
        self,
        reader: TesseractReader,
        level: LevelPicture,
        filled: dict[int, Line],
        progress: ProgressCallback,
    ) -> None:
        """Into ``filled``, lines by the id of what they fill, the surer of each as read on its page and read
        alone; of a part of a line, that share counts. Where asking alone was in vain so often, what has words
        stays as it is.
        """
        in_vain = 0
        for line in self._own:
            progress.check()
            read = filled[id(line)]
            here = 0.0 if read.foreign else (read.confidence or 0.0) * _share_read(line, read.words)
            weakest = min((word.confidence or 0.0 for word in read.words), default=here)
            if (here >= SURE_ON_PAGE and weakest >= SURE_WORD) or (read.words and in_vain >= FUTILE):
                continue
            text, sure = self._line(reader, level.cut(line.polygon))
            if not text or sure < max(ALONE_AT_LEAST, here):
                in_vain += 1
                continue
            in_vain = 0
            filled[id(line)] = replace(line, text=text, confidence=sure, words=(), foreign=None)

    def _page_of(self, found: list[Line], filled: dict[int, Line]) -> list[Line]:
        """A page of the script: the reader's own lines, and the single ones that it read better alone."""
        alone = [line for line in filled.values() if not line.foreign and not line.words]
        alone += [line for line in self._others if _no_doubt(line) or is_whole_number(line)]
        unread = [line for line in filled.values() if line.foreign]
        kept = []
        for line in (piece for whole in found for piece in _without(whole, alone)):
            middle = [_centre(word.polygon) for word in _words_of(line)]
            seen = any(_inside(at, other.polygon) for other in self.lines for at in middle)
            if seen or (line.confidence or 1.0) >= NO_DRAWING:
                kept.append(line)
        places = [_centre(word.polygon) for line in kept for word in _words_of(line)]
        others = [line for line in self._others if not _covered(line, places)]
        others = [line for line in others if not any(line is taken for taken in alone)]
        return [*without_repeats([*kept, *alone, *others]), *unread]


def _sure(line: Line) -> bool:
    return (line.confidence or 0.0) >= DOUBTFUL


def _telling(lines: Sequence[Line]) -> list[Line]:
    """The longest of ``lines`` if they are long enough to tell which way up they are."""
    ordered = sorted(lines, key=_length, reverse=True)
    long = list(itertools.accumulate(_length(line) / max(1.0, _height(line)) for line in ordered))
    return next(
        (
            ordered[:count]
            for count, so_long in enumerate(long, 1)
            if count >= TELLING and so_long >= TELLING * LONG
        ),
        [],
    )


def _turned(line: Line) -> Line:
    """The line as it reads from the other side."""
    return replace(line, polygon=line.polygon[2:] + line.polygon[:2], words=())


def _without(line: Line, taken: Sequence[Line]) -> Iterator[Line]:
    """The pieces of a line without the words that stand in one of the ``taken`` lines: Tesseract reads the
    cells of a row as one line.
    """
    words = _words_of(line)
    stays = [not any(_inside(_centre(word.polygon), other.polygon) for other in taken) for word in words]
    if all(stays):
        yield line
        return
    for stay, some in itertools.groupby(zip(stays, words, strict=True), key=lambda one: one[0]):
        piece = [word for _, word in some]
        if stay:
            first, last = piece[0].polygon, piece[-1].polygon
            known = [word.confidence for word in piece if word.confidence is not None]
            yield replace(
                line,
                text=join_words([word.text for word in piece]),
                polygon=(first[0], last[1], last[2], first[3]),
                confidence=mean(known) if known else line.confidence,
                words=tuple(piece),
            )


def enlarging(high: float, image: NDArray[uint8]) -> float:
    """How many times a picture of lines so many pixels ``high`` is enlarged for Tesseract, 1 and more."""
    if high >= SMALL_LINE:
        return 1.0
    room = math.sqrt(MOST_ENLARGED / (image.shape[0] * image.shape[1]))
    return max(1.0, min(GOOD_LINE / max(high, 1.0), MOST_TIMES, room))


def mean_confidence(lines: Sequence[Line]) -> float:
    """0 to 1, longer lines weighing more; 0 of no lines."""
    weight = sum(len(line.text) for line in lines)
    return sum(len(line.text) * (line.confidence or 0.0) for line in lines) / weight if weight else 0.0


def _no_doubt(line: Line) -> bool:
    """Whether PP-OCR read letters of its own beyond doubt: an address among lines in Cyrillic."""
    letters = {letter for letter in line.text if letter.isalpha()}
    return (line.confidence or 0.0) >= NO_DOUBT and len(letters) >= LETTERS and not letters <= LOOK_ALIKE


def _covered(line: Line, places: Sequence[Point]) -> bool:
    return any(_inside(at, line.polygon) for at in places)


def _length(line: Line) -> float:
    return math.dist(line.polygon[0], line.polygon[1])


def _height(line: Line) -> float:
    return math.dist(line.polygon[1], line.polygon[2])


def _has_cjk(line: Line) -> bool:
    return any(map(is_cjk, line.text))


def _filled(line: Line, read: Sequence[tuple[Line, Sequence[tuple[Word, Point]]]]) -> Line:
    """``line`` with the words that another reader found inside its polygon; still foreign when it found
    none. The text is that reader's where a whole line of it lies inside. ``read``: its lines, each with its
    words and their middles.
    """
    inside = [(other, [word for word, at in all_of if _inside(at, line.polygon)]) for other, all_of in read]
    parts = [(other, words) for other, words in inside if words]
    if not parts:
        return line
    parts.sort(key=lambda part: mean(_along(line, [_centre(word.polygon) for word in part[1]])))
    texts = [
        other.text if len(words) == len(_words_of(other)) else join_words([word.text for word in words])
        for other, words in parts
    ]
    words = [word for _, some in parts for word in some]
    known = [word.confidence for word in words if word.confidence is not None]
    sure = sum(known) / len(known) if known else None
    return replace(line, text=join_words(texts), confidence=sure, words=tuple(words), foreign=None)


def _share_read(line: Line, words: Sequence[Word]) -> float:
    """The share of a line's length, 0 to 1, that is no wide gap before, between or after its words."""
    length = _length(line)
    if not words or not length:
        return 1.0
    wide = WIDE_GAP * math.dist(line.polygon[1], line.polygon[2])
    read_to = gaps = 0.0
    spans = []
    for word in words:
        along = _along(line, word.polygon)
        spans.append((min(along) / length, max(along) / length))
    for start, end in [*sorted(spans), (length, length)]:
        gaps += start - read_to if start - read_to > wide else 0.0
        read_to = max(read_to, end)
    return max(0.0, 1 - gaps / length)


def _along(line: Line, points: Sequence[Point]) -> list[float]:
    """How far along a line, from its start, each of ``points`` lies, in pixels times the line's length."""
    (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
    return [(x - x0) * (x1 - x0) + (y - y0) * (y1 - y0) for x, y in points]


def _words_of(line: Line) -> tuple[Word, ...]:
    return line.words or (Word(line.text, line.polygon, line.confidence),)


def _centre(polygon: Sequence[Point]) -> Point:
    return sum(x for x, _ in polygon) / len(polygon), sum(y for _, y in polygon) / len(polygon)


def _inside(point: Point, polygon: Sequence[Point]) -> bool:
    """Whether ``point`` lies in a convex clockwise polygon."""
    px, py = point
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (x1 - x0) * (py - y0) - (y1 - y0) * (px - x0) < 0:
            return False
    return True


def with_parts(lines: Sequence[Line], script: str | None = None) -> Iterator[Line]:
    """``lines``; a foreign one is followed by a line of each of its words that is a number of two digits
    or more, or, where its script is unlike Latin, a Latin word. ``script``: only lines in that one.
    """
    for line in lines:
        yield line
        for word in line.words if line.foreign and script in (None, line.foreign) else ():
            if (word.confidence or 0.0) < SURE_PART:
                continue
            number = NUMBER.fullmatch(word.text) and sum(map(str.isdigit, word.text)) > 1
            latin = line.foreign not in LIKE_LATIN and WORD.fullmatch(word.text)
            if number or latin:
                yield replace(
                    line,
                    text=word.text,
                    polygon=word.polygon,
                    confidence=word.confidence,
                    words=(word,),
                    foreign=None,
                )
