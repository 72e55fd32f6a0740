"""Long lines whose letters have room are read pressed together, as PP-OCR was taught them: at less cost, and
with more of their spaces. What comes out unsure or close together is read again as it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

LINE_HEIGHT = 48  # pixels of a line for the recogniser
STEPS = 6  # of the recogniser in a line's height: one is 8 pixels
LONG = 320 / LINE_HEIGHT  # heights; lines were pressed to 320 pixels when PP-OCR was taught
PRESSED = 0.75  # of its width, at which a longer one is read, but no shorter than that
ROWS = slice(14, 36, 3)  # of a line, where its strokes are counted
APART = 11.0  # pixels from a stroke to the next, which leave room for that
FEWEST = 6  # strokes tell how far apart they are
CLOSE = 0.5  # characters a step of the line as it is, which leave none between two that are equal
HOPELESS, SURE = 0.8, 0.96  # score, between which a line may be read better as it is


def ratio_read(crop: NDArray[uint8]) -> float:
    """Times its height that a line, uint8 BGR (height, width, 3), is wide when it is read."""
    ratio: float = crop.shape[1] / crop.shape[0]
    if ratio <= LONG or _stroke_pitch(crop) < APART:
        return ratio
    return max(LONG, PRESSED * ratio)


def is_better_whole(text: str, score: float, ratio: float) -> bool:
    """Whether what was read of a pressed line asks for another reading as it is, ``ratio`` times as wide as
    it is high.
    """
    return HOPELESS <= score < SURE or len(text) > CLOSE * STEPS * ratio


def stretch(words: Any, times: float) -> None:
    """Have the places in a pressed line, RapidOCR's ``WordInfo``, in steps of the line as it is."""
    words.line_txt_len *= times
    words.word_cols = [[(step + 0.5) * times - 0.5 for step in word] for word in words.word_cols or ()]


def _stroke_pitch(crop: NDArray[uint8]) -> float:
    """The median way (pixels at the recogniser's height) from where a stroke begins to where the next does,
    in some rows through a line; infinite for a line of few strokes.
    """
    import cv2
    import numpy as np

    wide = max(1, math.ceil(LINE_HEIGHT * crop.shape[1] / crop.shape[0]))
    rows = cv2.cvtColor(cv2.resize(crop, (wide, LINE_HEIGHT))[ROWS], cv2.COLOR_BGR2GRAY)
    _, light = cv2.threshold(rows, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    begins = np.diff(light.astype(np.int8)) == (-1 if light.mean() > 0.5 else 1)
    ways = np.concatenate([np.diff(np.flatnonzero(row)) for row in begins])
    return float(np.median(ways)) if len(ways) >= FEWEST else math.inf
