"""Signs that Tesseract does not know in a language, or takes for what looks like them: the euro for "=", the
paragraph sign for 8, a raised 2 for "?". The built-in recogniser knows nearly all of them, and no Cyrillic
letter: where a word may have lost one, it is asked, and believed where the rest of the word is the same.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean
from typing import TYPE_CHECKING, NamedTuple

from ....cancel import watched
from ...results.line import Line
from ...results.result import Point, Word
from ..level_picture import straight_line

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

# (text, score, where its characters are, score of each) of every picture of a word, uint8 BGR.
Readings = Sequence[tuple[str, float, list[tuple[float, float]], list[float]]]
Recognise = Callable[[Sequence["NDArray[uint8]"]], Readings]

# What Tesseract writes for a sign, by letters as `_alike` has them; "" where it leaves it out.
TAKEN_FOR = {
    "\u20ac": ("", "=", "&", "\u00a9", "e", "c", "\u0454", "6", "\u00a3"),
    "\u00a3": ("", "#", "&", "e", "f", "l", "\u0433", "\u00a3", "2", "5", "\u20ac"),
    "\u00a5": ("", "y", "#", "v", "\u00a5", "\u20ac"),
    "$": ("", "5", "8", "s"),
    "\u00a7": ("8", "5", "$", "s", "&"),
    "\u00b1": ("+", "#", "-", "*"),
    "\u00d7": ("x", "*", "%", "\u0436"),
    "\u00b2": ("?", "2", "'", '"', "*", "\u00b0", "\u0433", "\u201d"),
    "\u00b3": ("?", "3", "'", '"', "*", "\u00b0", "\u201d"),
    "\u2192": (">", "->", "->>", "=>", "+", "=", "\u00bb", "-", "->\u00bb", "-\u00bb"),
    "\u2190": ("<", "<-", "<=", "=", "\u00ab", "-", "--", "+", "e", "\u20ac"),
    "\u2264": ("<", "=", "5", "s", "$", "x", "<="),
    "\u2265": (">", "=", "2", "\u00bb", ">="),
    "\u2248": ("=", "~"),
    "\u2260": ("=", "*", "#", "+"),
    "\u00bd": ("%", "52", "12", "/2", "1/2", "\u00bd", "y2", "2", "&"),
    "\u00bc": ("%", "\u00bd", "14", "/4", "1/4", "y4", "\u00bc"),
    "\u25a1": ("o", "0", "n", "\u043f", "[]", "d", "c", "\u0433", "l"),
}
SAME = {(written, sign): sign for sign, every in TAKEN_FOR.items() for written in every if written != sign}
SAME |= {("88", "ss"): "\u00a7\u00a7", ("88", "\u00a7s"): "\u00a7\u00a7", ("/", "\u221a"): "\u2713"}
SAME |= {(written, "1\u00bd2"): "\u00bd" for written in TAKEN_FOR["\u00bd"]}
# "N" before a number, as Russian laws have it, is read as a Cyrillic letter.
SAME |= {(written, seen): seen.upper() for written in ("\u043c", "m") for seen in ("n", "\u2116")}
SAME |= {(written, "tm"): "\u2122" for written in ('""', '"', "''", "\u201d", "\u201c\u201d")}
# Letters that look alike are one; marks that the recogniser has several of, too.
ALIKE = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0437"
    "\u00ba\u2014\u2013\u2212\u4e00\u30fc\u5341\u2610\uffe5\uffe1",
    "abekmhopctyx3\u00b0-----+\u25a1\u00a5\u00a3",
)
ALONE = re.compile(
    r"[=#*&<>/+\u00a2\u00a9\u00a3\u20ac\u00ab\u00bb]|O|\[\]|<[=-]|[-\u2014=+]?[-\u2014]+[>\u00bb]{1,2}|-\u2014"
    r"|\"\"|\u201c\u201d|''"
)
PERCENT = re.compile(r"%|[\u0423Y52/]2|1/2")  # a half where no number stands before
PARAGRAPH = re.compile(r"[85$sS&]{1,2}")  # in front of a number
IN_NUMBER = re.compile(
    r"[#?=&$+*\u00a9\u00b0'\"%]|(?<=\d)[\u0445x\u0425X](?=\d)|^[\u0423Y\u0415\u0404\u0401]"
)
POWER = re.compile(
    r"(?:[a-z\u0430-\u044f]{1,3}[?23'\"*\u00b0\u201d]|[\u043a\u0441\u043c\u0434]?\u043c[\u0437\u0433])[.,;:)]?",
    re.IGNORECASE,
)
NUMBER = re.compile(r"[^\w\s]?\d[\d.,:]*")
SUM = re.compile(r"[\u20ac\u00a3\u00a5$]\d[\d.,]*")
YEN = re.compile(r"[\u0423Y][\d\u0417\u0437\u041eO][\d.,\u0417\u0437\u041eO]*")
AFTER_WORD = re.compile(r"[^\W\d]+[<>=]")
SCALE = re.compile(r"\d+:")  # "M 1:100"
NUMERO = frozenset("\u041cM")
DOUBTED = 0.9  # a number that Tesseract is less sure of may have lost its sign
# Of the sign, at least; of money that was read as a digit, and of a sign that is seldom read so.
SURE, VERY_SURE = 0.6, 0.9
MONEY = "$\u20ac\u00a3\u00a5"
MOST = 60  # words of a page
# In line heights: paper around a word; what stands nearer is shown with a sign that is alone.
PAPER, BESIDE, NEAR = 0.05, 0.12, 0.8
BULLETS = frozenset("*\u00a2eo\u00a9\u00ae\u00b0\u00ab\u00bb\u0435\u043e\u00b7@\u2122")
# Of a rouble: its bar, in shares of its width and height.
BAR, BAR_AT, LEAST_HIGH = 0.1, (0.35, 0.86), 10
# Of a dot: its share of its box, and its size and place in line heights.
FULL, LEAST, MOST_HIGH, ROUND, MIDDLE = 0.68, 0.15, 0.6, 0.75, (0.3, 0.8)
LETTER_HIGH = 0.42  # a blurred letter is filled too, and higher


class Asked(NamedTuple):
    """A word by line and place, and the words from ``first`` to ``last`` that are shown with it."""

    line: int
    word: int
    first: int
    last: int


def with_signs(image: NDArray[uint8], lines: Sequence[Line], recognise: Recognise) -> list[Line]:
    """``lines`` as Tesseract read them on a page (uint8 RGB), with the signs that it lost."""
    import numpy as np

    mended: dict[tuple[int, int], Word] = {}
    asked = []
    for number, line in watched(enumerate(lines)):
        if [word.text for word in line.words] != line.text.split():
            continue
        for at, word in enumerate(line.words):
            most = LETTER_HIGH if word.text.isalpha() else MOST_HIGH
            if word.text in BULLETS and _is_dot(straight_line(image, _place(line, at, at), 0.0), most):
                mended[number, at] = replace(word, text="\u2022")
            elif _may_be_rouble(line, at) and _is_rouble(straight_line(image, _place(line, at, at), 0.0)):
                mended[number, at] = replace(word, text=f"{word.text[:-1]}\u20bd")
            elif _may_have_lost(line, at):
                asked.append(Asked(number, at, *_shown(line, at)))
    asked = sorted(asked, key=lambda one: lines[one.line].words[one.word].confidence or 0.0)[:MOST]
    crops = [
        np.ascontiguousarray(straight_line(image, _place(lines[a.line], a.first, a.last), PAPER)[:, :, ::-1])
        for a in asked
    ]
    for one, reading in zip(asked, recognise(crops) if crops else (), strict=True):
        words = lines[one.line].words
        text = _mended(words, one, *reading[::3])
        if text is not None:
            mended[one.line, one.word] = replace(words[one.word], text=text, confidence=reading[1])
    if not mended:
        return list(lines)
    return [_with(line, number, mended) for number, line in enumerate(lines)]


def _with(line: Line, number: int, mended: dict[tuple[int, int], Word]) -> Line:
    words = tuple(mended.get((number, at), word) for at, word in enumerate(line.words))
    if words == line.words:
        return line
    known = [word.confidence for word in words if word.confidence is not None]
    text = " ".join(word.text for word in words)
    return replace(line, text=text, words=words, confidence=mean(known) if known else line.confidence)


def _may_have_lost(line: Line, at: int) -> bool:
    """Whether a word looks like one in which a sign was read as something else, or left out."""
    word = line.words[at]
    text = word.text
    before = line.words[at - 1].text if at else ""
    after = line.words[at + 1].text if at + 1 < len(line.words) else ""
    if ALONE.fullmatch(text) or POWER.fullmatch(text) or AFTER_WORD.fullmatch(text) or YEN.fullmatch(text):
        return True
    if PERCENT.fullmatch(text):
        return not before[-1:].isdigit()
    if PARAGRAPH.fullmatch(text):
        return after[:1].isdigit() and _apart(line, at, at + 1) < NEAR
    if text in NUMERO:
        return after[:1].isdigit() and not SCALE.match(after)
    if not any(map(str.isdigit, text)):
        return False
    if IN_NUMBER.search(text.rstrip("%\"'")):
        return True
    return bool(NUMBER.fullmatch(text)) and (word.confidence or 0.0) < DOUBTED


def _shown(line: Line, at: int) -> tuple[int, int]:
    """The words from which to which the recogniser is shown, that it may read one: it is no good at signs
    that stand alone, so a number beside one comes with it.
    """
    first = last = at
    words = line.words
    if not any(map(str.isalnum, words[at].text)) or PARAGRAPH.fullmatch(words[at].text):
        if at and NUMBER.fullmatch(words[at - 1].text) and _apart(line, at - 1, at) < NEAR:
            first = at - 1
        if at + 1 < len(words) and NUMBER.fullmatch(words[at + 1].text) and _apart(line, at, at + 1) < NEAR:
            last = at + 1
    return first, last


def _mended(words: Sequence[Word], one: Asked, read: str, sure: Sequence[float]) -> str | None:
    """The text of a word with the sign that the recogniser saw there, None where it saw the same or something
    of which the rest differs.
    """
    text = words[one.word].text
    if len(sure) != len(read) or len(_alike(text)) != len(text):
        return None
    # what is one character here may be two there
    told = [(part, score) for whole, score in zip(read, sure, strict=True) for part in _alike(whole.strip())]
    seen, scores = "".join(part for part, _ in told), [score for _, score in told]
    alone = one.first == one.last
    if alone and told and mean(scores) >= SURE and (text.lower(), seen) in SAME:
        return SAME[text.lower(), seen]
    written = "".join(_alike(word.text) for word in words[one.first : one.last + 1])
    before = sum(len(_alike(word.text)) for word in words[one.first : one.word])
    out = list(text)
    for kind, a0, a1, b0, b1 in reversed(
        difflib.SequenceMatcher(None, written, seen, autojunk=False).get_opcodes()
    ):
        if kind == "equal":
            continue
        sign = _sign(written[a0:a1], seen[b0:b1])
        if sign is None or not before <= a0 <= a1 <= before + len(text):
            return None
        odd = (written[a0:a1], seen[b0:b1]) not in SAME and len(sign) == 1
        if mean(scores[b0:b1]) < (VERY_SURE if odd or (sign in MONEY and written[a0:a1].isdigit()) else SURE):
            return None
        if a0 == a1 and not (alone and _beside_digit(seen, b0, b1)):
            return None
        out[a0 - before : a1 - before] = list(sign)
    whole = "".join(read.split())
    changed = "".join(out)
    return None if changed == text else whole if SUM.fullmatch(whole) else changed


def _sign(written: str, seen: str) -> str | None:
    if (written, seen) in SAME:
        return SAME[written, seen]
    if len(written) == len(seen):  # several of one sign
        every = [SAME.get(pair) for pair in zip(written, seen, strict=True)]
        if every and all(every):
            return "".join(one for one in every if one)
    if seen in TAKEN_FOR and len(written) == 1 and not written.isalnum() and seen not in written:
        return seen  # no letter: some sign it is
    return None


def _beside_digit(seen: str, start: int, stop: int) -> bool:
    return any(map(str.isdigit, seen[max(0, start - 1) : start] + seen[stop : stop + 1]))


def _alike(text: str) -> str:
    return text.replace("\u2103", "\u00b0c").lower().translate(ALIKE)


def _place(line: Line, first: int, last: int) -> tuple[Point, ...]:
    """The part of a line that has the words from ``first`` to ``last``, as high as the line is."""
    a, b, c, d = line.polygon
    long = max(1.0, math.dist(a, b))
    ends = [end for at in (first, last) for end in _along(line, at)]
    pad = BESIDE * math.dist(a, d)
    start, stop = (min(ends) - pad) / long, (max(ends) + pad) / long
    return _on(a, b, start), _on(a, b, stop), _on(d, c, stop), _on(d, c, start)


def _along(line: Line, at: int) -> tuple[float, float]:
    """Where a word begins and ends along its line, in pixels from the line's start."""
    (x0, y0), (x1, y1) = line.polygon[:2]
    long = max(1.0, math.dist(*line.polygon[:2]))
    along = [((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / long for x, y in line.words[at].polygon]
    return min(along), max(along)


def _apart(line: Line, one: int, other: int) -> float:
    """How far apart two words of a line stand, in its heights."""
    high = max(1.0, math.dist(line.polygon[0], line.polygon[3]))
    left, right = sorted((_along(line, one), _along(line, other)))
    return (right[0] - left[1]) / high


def _on(start: Point, end: Point, share: float) -> Point:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _may_be_rouble(line: Line, at: int) -> bool:
    """Whether a word is, or ends with, a letter P behind a number: no reader here knows the rouble's sign."""
    text = line.words[at].text
    number = text[:-1] or (line.words[at - 1].text if at else "")
    return text[-1:] in ("\u0420", "P") and bool(NUMBER.fullmatch(number))


def _is_rouble(crop: NDArray[uint8]) -> bool:
    """Whether the last piece of ink of a picture (uint8 RGB) is a P with a bar that goes out to its left."""
    import numpy as np

    ink, pieces = _pieces(crop)
    if not pieces:
        return False
    x, y, wide, tall, _ = max(pieces, key=lambda piece: piece[0] + piece[2])
    left = ink[y : y + tall, x : x + max(1, round(BAR * wide))]
    rows = np.flatnonzero(left.any(axis=1)) / max(1, tall)
    return bool(tall >= LEAST_HIGH and BAR_AT[0] < rows.min() and rows.max() < BAR_AT[1])


def _pieces(crop: NDArray[uint8]) -> tuple[NDArray[uint8], list[list[int]]]:
    """The ink of a picture (uint8 RGB), 0 or 1, and its pieces, as x, y, width, height and pixels of each;
    without specks.
    """
    import cv2
    import numpy as np

    grey = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY)
    ink = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)[1]
    ink = np.asarray(1 - ink if ink.mean() > 0.5 else ink, np.uint8)
    found = cv2.connectedComponentsWithStats(ink, connectivity=8)[2][1:].tolist()
    return ink, [piece for piece in found if piece[4] >= 0.02 * crop.shape[0] ** 2]


def _is_dot(crop: NDArray[uint8], most: float = MOST_HIGH) -> bool:
    """Whether the only ink of a picture (uint8 RGB) is one round or square dot in its middle, ``most`` of its
    height at most.
    """
    _, pieces = _pieces(crop)
    high = crop.shape[0]
    if len(pieces) != 1:
        return False
    _, y, wide, tall, area = pieces[0]
    return bool(
        area >= FULL * wide * tall
        and LEAST * high <= tall <= most * high
        and ROUND * wide <= tall <= wide / ROUND
        and MIDDLE[0] * high <= y + tall / 2 <= MIDDLE[1] * high
    )
