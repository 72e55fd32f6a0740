"""Which writing system a text line is in, told without reading it, and whether the recogniser really read it.

The built-in recogniser (PP-OCRv6 small) knows Latin and Han. Of a Cyrillic line it returns what it
knows, digits and the odd Latin look-alike, with a confident score, and the letters it cannot read simply
vanish. Two independent witnesses expose that: `explained_share` (how much of the line's ink lies under the
characters that came back) and `guess_as_they_stand` (a small convolutional net that looks only at shapes).
`script_judge.foreign_lines` weighs both over a page.

The net itself is `script_net.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .script_net import LINE_HEIGHT, WINDOW, scores_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCRIPTS = (
    "Latin",
    "Cyrillic",
    "Greek",
    "Han",
    "Hangul",
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Bengali",
    "Tamil",
    "Telugu",
    "Thai",
    "Georgian",
    "Armenian",
    "Common",
)
"""Unicode script names, in the order of the net's outputs. `Han` stands for Chinese and Japanese, kana
included; `Common` for digits, punctuation and things that are no text."""


READABLE = frozenset({"Latin", "Han", "Common"})
"""What the built-in recogniser reads. Not Greek: it has the plain letters but none with an accent."""

# A character's half width at most, in time steps of an eighth of a 48 pixel line: wide (Han) and other
# letters.
WIDE_REACH, NARROW_REACH = 3.5, 2.5
# Ink is what has this share of the full contrast; a column is inked from this share of its rows, and a row
# counts as part of the line from this share of the fullest row.
INK_LEVEL, INK_ROWS, INK_ROW_SHARE = 0.45, 0.06, 0.08
# A frame's side is so much ink along a line's edge, of its height at most so thick and so far in (of a column
# thicker: letters there may be as high), and parted from the letters by rows with less than so much.
SIDE, SIDE_THICK, SIDE_WITHIN, SIDE_ALONE = 0.85, 0.12, 0.35, 0.1

# A line guessed with less than the first confidence is also looked at upside down, and that guess taken above
# the second: the lines of Hebrew and Thai that PP-OCR had turned scored 0.97 to 1. Not believed of alphabets
# that Latin resembles upside down ("number" is good Armenian, 0.99).
TURN_UNDER, TURN_OVER = 0.7, 0.95
TURN_NEVER = frozenset({"Cyrillic", "Greek", "Armenian", "Georgian", "Common"})


@dataclass(frozen=True)
class ScriptGuess:
    """A line's most likely script and its probability, 0 to 1."""

    script: str
    confidence: float


def normalise_line(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One line as ink on nothing, its inked rows stretched to `LINE_HEIGHT`.

    crop: uint8 (h, w, 3) or (h, w), any polarity. Returns float32 (`LINE_HEIGHT`, width), about 0 on the
    background, 1 on full ink; width follows the aspect ratio and is at least 1.
    """
    import cv2
    import numpy as np

    grey = _unframed(in_grey(crop))
    paper, reach = _paper_and_reach(grey)
    counts = np.count_nonzero(_inked(grey, paper, reach, INK_LEVEL), axis=1)
    inked = np.flatnonzero(counts > INK_ROW_SHARE * counts.max())
    if inked.size:
        margin = max(1, round(0.06 * (inked[-1] - inked[0] + 1)))
        grey = grey[max(0, inked[0] - margin) : inked[-1] + 1 + margin]
    height, width = grey.shape
    columns = min(max(1, round(width * LINE_HEIGHT / height)), 64 * WINDOW)
    method = cv2.INTER_AREA if height >= LINE_HEIGHT else cv2.INTER_LINEAR
    small = cv2.resize(grey, (columns, LINE_HEIGHT), interpolation=method)
    line: NDArray[np.float32] = (small.astype(np.float32) - paper) * np.float32(1 / reach)
    return np.clip(line, -0.5, 1.0, out=line)


def in_grey(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (h, w); which channel is red does not matter here."""
    import cv2
    import numpy as np

    if crop.ndim == 2:
        return np.ascontiguousarray(crop)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(crop[:, :, :3]), cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _unframed(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A line's grey picture (h, w) within the frame that somebody drew around it, or over its underline: the
    net takes these for strokes of letters, as Bengali has them.
    """
    import numpy as np

    height, width = grey.shape
    if height < 12 or width < 2 * height:
        return grey
    inked = _inked(grey, *_paper_and_reach(grey), INK_LEVEL)
    rows = inked.mean(axis=1)
    within, thickest = round(SIDE_WITHIN * height), max(3, round(SIDE_THICK * height))
    top = _past_side(rows[:within], thickest)
    bottom = height - _past_side(rows[::-1][:within], thickest)
    if (top, bottom) == (0, height):
        return grey
    columns = inked[top:bottom].mean(axis=0)
    left = _past_side(columns[:height], thickest)
    right = width - _past_side(columns[::-1][:height], thickest)
    return np.ascontiguousarray(grey[top:bottom, left:right])


def _past_side(shares: NDArray[np.float64], thickest: int) -> int:
    """How many rows, from outside, to leave off for a thin side of a frame and what is beyond it; 0 where
    there is none.
    """
    import numpy as np

    full = np.flatnonzero(shares >= SIDE)
    if not full.size:
        return 0
    first = last = int(full[0])
    while last + 1 < len(shares) and shares[last + 1] > SIDE_ALONE:
        last += 1  # with its soft edge
    free = last + 2 < len(shares)
    return last + 1 if free and last - first < thickest else 0


def _paper_and_reach(grey: NDArray[np.uint8]) -> tuple[float, float]:
    """The paper's grey level, and how far from it full ink lies (negative for dark ink).

    Paper is the median, ink the tail of the histogram (3 %) that lies further from it. Under 24 grey
    levels of contrast a line counts as blank rather than being blown up into noise.
    """
    import cv2
    import numpy as np

    counts = np.cumsum(cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel())
    dark, paper, light = (
        int(level) for level in np.searchsorted(counts, counts[-1] * np.array([0.03, 0.5, 0.97]))
    )
    if paper - dark >= light - paper:
        return float(paper), -max(float(paper - dark), 24.0)
    return float(paper), max(float(light - paper), 24.0)


def _inked(grey: NDArray[np.uint8], paper: float, reach: float, level: float) -> NDArray[np.bool_]:
    """Where the ink is at least `level` (0 to 1) of full strength."""
    edge = paper + level * reach
    return grey < edge if reach < 0 else grey > edge


def guess_scripts(crops: Sequence[NDArray[np.uint8]]) -> list[ScriptGuess]:
    """The script of each text line picture, uint8 (h, w, 3), any channel order and polarity; a line that
    makes little sense is also looked at turned half round. A crop without pixels is `Common` with
    confidence 0.
    """
    lines = {i: normalise_line(crop) for i, crop in enumerate(crops) if min(crop.shape[:2]) > 0}
    guesses = _judge(lines)
    turned = _judge(
        {i: lines[i][::-1, ::-1] for i, guess in guesses.items() if guess.confidence < TURN_UNDER}
    )
    for i, guess in turned.items():
        if guess.confidence > TURN_OVER and guess.script not in TURN_NEVER:
            guesses[i] = guess
    return [guesses.get(i, ScriptGuess("Common", 0.0)) for i in range(len(crops))]


def guess_as_they_stand(crops: Sequence[NDArray[np.uint8]]) -> list[ScriptGuess]:
    """`guess_scripts` of lines whose way up is being decided: none is looked at turned."""
    guesses = _judge({i: normalise_line(crop) for i, crop in enumerate(crops) if min(crop.shape[:2]) > 0})
    return [guesses.get(i, ScriptGuess("Common", 0.0)) for i in range(len(crops))]


def _judge(lines: dict[int, NDArray[np.float32]]) -> dict[int, ScriptGuess]:
    """The net's guess for each normalised line: one window, or two of a longer line, weighed by attention."""
    import numpy as np

    if not lines:
        return {}
    windows, widths, owners = [], [], []
    for owner, line in lines.items():
        width = line.shape[1]
        spare = max(0, width - 2 * WINDOW) // 3
        starts = [0] if width <= WINDOW else [spare, width - WINDOW - spare]
        for start in starts:
            piece = line[:, start : start + WINDOW]
            windows.append(np.pad(piece, ((0, 0), (0, WINDOW - piece.shape[1]))))
            widths.append(piece.shape[1])
            owners.append(owner)
    scores, attention = scores_of(np.stack(windows))
    steps = np.maximum((np.array(widths) + 7) // 8, 1)  # the net has halved the width three times
    valid = np.arange(attention.shape[1]) < steps[:, None]
    attention = np.where(valid, np.exp(np.clip(attention, -30, 30)), 0.0)
    guesses = {}
    for owner in lines:
        own = [i for i, of in enumerate(owners) if of == owner]
        logits = (scores[own] * attention[own][:, :, None]).sum(axis=(0, 1)) / attention[own].sum()
        chances = np.exp(logits - logits.max())
        best = int(chances.argmax())
        guesses[owner] = ScriptGuess(SCRIPTS[best], float(chances[best] / chances.sum()))
    return guesses


def character_spans(word_info: Any, crop_width: int) -> list[tuple[float, float]]:
    """Where the returned non-space characters stand: (x0, x1) in crop pixels, left to right.

    word_info: RapidOCR's `WordInfo` of one line, from `TextRecOutput.word_results` before RapidOCR turns it
    into boxes. A character is known by the time step at which it fired; a step is `crop_width / line_txt_len`
    wide, an eighth of 48 pixels of line height. Its span reaches half way to its neighbours, but no further
    than its kind of letter is wide. Empty for a line without text.
    """
    steps = float(word_info.line_txt_len)
    if not word_info.words or steps <= 0:
        return []
    letters = [char for word in word_info.words for char in word]
    columns = [column for word in word_info.word_cols for column in word]
    step = crop_width / steps
    spans = []
    for i, (letter, column) in enumerate(zip(letters, columns, strict=True)):
        reach = WIDE_REACH if unicodedata.east_asian_width(letter) in "WF" else NARROW_REACH
        left = min(reach, (column - columns[i - 1]) / 2) if i else reach
        right = min(reach, (columns[i + 1] - column) / 2) if i + 1 < len(columns) else reach
        x0, x1 = (column + 0.5 - left) * step, (column + 0.5 + right) * step
        spans.append((min(max(0.0, x0), float(crop_width)), min(max(0.0, x1), float(crop_width))))
    return spans


def explained_share(crop: NDArray[np.uint8], spans: Sequence[tuple[float, float]]) -> float:
    """Share (0 to 1) of the line's inked columns that lie within `spans`, (x0, x1) in crop pixels.

    crop: uint8 (h, w, 3) or (h, w), any polarity. A crop without ink is fully explained: 1.0.
    """
    import numpy as np

    if min(crop.shape[:2]) == 0:
        return 1.0
    inked = inked_columns(crop)
    total = int(inked.sum())
    if not total:
        return 1.0
    centres = np.arange(crop.shape[1]) + 0.5
    covered = np.zeros(crop.shape[1], bool)
    for x0, x1 in spans:
        covered |= (centres >= x0) & (centres <= x1)
    return float((inked & covered).sum() / total)


def inked_columns(crop: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which columns of a line, uint8 (h, w, 3) or (h, w) of any polarity, have ink."""
    import numpy as np

    grey = in_grey(crop)
    counts = np.count_nonzero(_inked(grey, *_paper_and_reach(grey), INK_LEVEL), axis=0)
    return np.asarray(counts >= max(1, round(INK_ROWS * crop.shape[0])))
