"""Full stops that Tesseract adds behind a last letter whose foot reaches out: the Cyrillic "a" of Arial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..results.line import Line
from ..results.result import Word, hull

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

POINTS = (".", ",")
MOST_WORDS = 3  # of a line: a cell or a label, which seldom ends with a full stop
LETTER = 0.5  # of a word's height is the last piece of its ink at least, where that is a letter
FOOT = 0.15  # of a word's height that its foot reaches beyond the rest of it, at most, or a point joined it
LEAST_HIGH = 8  # pixels of a word that is looked at


def without_imagined_points(
    picture: NDArray[uint8], lines: Sequence[Line], scale: tuple[float, float]
) -> list[Line]:
    """``lines`` of a few words as found on ``picture`` (uint8 RGB), whose pixels are ``scale`` (across, down)
    of theirs: without a full stop or comma at the end where the last piece of ink is a letter.
    """
    return [_without_point(picture, line, scale) if _may_have(line) else line for line in lines]


def _may_have(line: Line) -> bool:
    text = line.text
    return (
        text.endswith(POINTS)
        and text[-2:-1].isalpha()
        and 0 < len(line.words) <= MOST_WORDS
        and line.words[-1].text.endswith(text[-2:])
    )


def _without_point(picture: NDArray[uint8], line: Line, scale: tuple[float, float]) -> Line:
    last = line.words[-1]
    if not _ends_with_a_letter(picture, last, scale):
        return line
    return replace(line, text=line.text[:-1], words=(*line.words[:-1], replace(last, text=last.text[:-1])))


def _ends_with_a_letter(picture: NDArray[uint8], word: Word, scale: tuple[float, float]) -> bool:
    import cv2
    import numpy as np

    x0, y0, x1, y1 = hull([(x / scale[0], y / scale[1]) for x, y in word.polygon])
    grey = picture[max(0, round(y0)) : round(y1), max(0, round(x0)) : round(x1)]
    if min(grey.shape[:2]) < LEAST_HIGH:
        return False
    grey = cv2.cvtColor(np.ascontiguousarray(grey), cv2.COLOR_RGB2GRAY)
    ink = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)[1]
    ink = 1 - ink if ink.mean() > 0.5 else ink
    _, labels, places, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    ends = places[1:, cv2.CC_STAT_LEFT] + places[1:, cv2.CC_STAT_WIDTH]
    if not len(ends):
        return False
    piece = 1 + int(np.argmax(ends))
    _, top, _, high, _ = places[piece].tolist()
    if high < LETTER * len(ink):
        return False
    mine = labels[top : top + high] == piece
    reach = np.where(mine.any(axis=1), mine.shape[1] - np.argmax(mine[:, ::-1], axis=1), 0)
    foot = max(1, high // 4)
    return int(reach[-foot:].max()) - int(reach[:-foot].max()) < FOOT * len(ink)
