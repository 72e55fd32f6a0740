"""Is a page plainly in one script that the built-in recogniser lacks?

Detecting lines and reading some of them costs a Cyrillic page several times what Tesseract needs for all of
it. So level lines are guessed at from the picture alone, the script net looks at a few, and where they are in
one foreign script the page goes straight to that script's reader. What it says is believed only where it is
sure of it and it is in that script; any other page takes the usual way.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from statistics import mean, median
from typing import TYPE_CHECKING, NamedTuple

from ..images import fit_pixels
from ..results.line import Line
from .level_picture import level_picture
from .script_detection import READABLE, ScriptGuess, guess_as_they_stand, in_grey

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

SEEN_PIXELS = 700_000  # of the page: letters of A4 at 150 dpi are 10 pixels high
JOIN = 13  # pixels there between letters and words that belong together
LEAST_HEIGHT, MOST_HEIGHT, LEAST_ASPECT = 7, 100, 2.0  # there, of what may be a line
LOOKED_AT = 6  # lines
# Each look at the page: whether smoothed, and how many pixels of it.
LOOKS = ((False, SEEN_PIXELS), (True, SEEN_PIXELS), (True, 60_000))
# Rows of so many pixels tell the slant, in degrees, by so much more sharpness than level ones.
ROW, LEAST_SLANT, MOST_SLANT, SHARPER, LEAST_INK, MOST_INK = 2, 1.25, 20, 1.1, 200, 8_000
PLAIN, READABLE_SURE = 0.7, 0.85  # the net's mean confidence; not less than upside down
MOSTLY, BESIDE = 0.55, ("Latin", "Common")  # the share of one script, and what may be the rest
LEAST = 12  # pixels of a line in the page, paper around it included
# What its reader says is believed from this mean confidence, with few lines under the next, and with so many
# letters in the script.
BELIEVED, DOUBTED, FEW_DOUBTED, IN_SCRIPT = 0.85, 0.6, 0.1, 0.6
SPECK = 6  # pixels of ink; less is noise
PIECE = 20  # and of ink that a letter or a digit has at least
FRAME = 0.5  # of both sides of a page: the paper's own edge on a dark table, or a frame
COVERED = 0.8  # of the page's ink at least stands in lines that were read
UNICODE_NAMES = {"Han": ("CJK",)}


class PlainPage(NamedTuple):
    """The script of a page, the height of its lines in pixels, and by how many radians they run down (0: left
    to right, positive: clockwise).
    """

    script: str
    high: float
    angle: float


def plain_script(image: NDArray[uint8]) -> PlainPage | None:
    """What a page, uint8 RGB (height, width, 3), is plainly in, or None. It is levelled first. Noise may hide
    lines from the first look; the second is at a smoothed picture, the third at a small one, for large
    letters. A page that is readable as it lies is looked at once.
    """
    angle, grey = 0.0, in_grey(image)
    for number, (smooth, pixels) in enumerate(LOOKS):
        crops = _guessed_lines(image, grey, smooth, pixels)
        guesses = guess_as_they_stand(crops)
        if number == 0 and not _is_readable(guesses) and (angle := slant(grey)):
            image = level_picture(image, angle).picture
            grey = in_grey(image)
            crops = _guessed_lines(image, grey, smooth, pixels)
            guesses = guess_as_they_stand(crops)
        if _is_readable(guesses):
            return None
        if found := _plain(crops, guesses):
            return PlainPage(*found, angle)
    return None


def slant(image: NDArray[uint8]) -> float:
    """By how many radians the lines of a page, uint8 RGB or grey, run down: where its ink falls into the
    sharpest rows. 0.0 where it is level, or there are no rows.
    """
    import numpy as np

    ys, xs = np.nonzero(_seen(image, smooth=True)[1])
    if len(ys) < LEAST_INK:
        return 0.0
    some = slice(None, None, max(1, len(ys) // MOST_INK))
    ys, xs = ys[some], xs[some]

    def sharpness(degrees: float) -> float:
        rows = ys * math.cos(math.radians(degrees)) - xs * math.sin(math.radians(degrees))
        counts = np.bincount((rows - rows.min()).astype(np.int64) // ROW)
        return float(np.square(counts, dtype=np.float64).sum())

    whole = max(range(-MOST_SLANT, MOST_SLANT + 1), key=sharpness)
    best = max((whole + part / 4 for part in range(-3, 4)), key=sharpness)
    clear = sharpness(best) >= SHARPER * sharpness(0.0) and LEAST_SLANT <= abs(best) <= MOST_SLANT
    return math.radians(best) if clear else 0.0


def _is_readable(guesses: Sequence[ScriptGuess]) -> bool:
    """Whether most lines are surely in a script of the built-in recogniser: no other need be sought."""
    own = [guess.confidence for guess in guesses if guess.script in READABLE and guess.script != "Common"]
    return len(own) > MOSTLY * len(guesses) and mean(own) >= READABLE_SURE


def _plain(crops: Sequence[NDArray[uint8]], guesses: Sequence[ScriptGuess]) -> tuple[str, float] | None:
    import numpy as np

    high = median(crop.shape[0] for crop in crops) if crops else 0.0
    if high < LEAST:
        return None
    wide: dict[str, int] = {}
    for crop, guess in zip(crops, guesses, strict=True):
        wide[guess.script] = wide.get(guess.script, 0) + crop.shape[1]
    script = max(wide, key=lambda name: wide[name])
    if script in READABLE or wide[script] < MOSTLY * sum(wide.values()) or set(wide) - {script, *BESIDE}:
        return None
    own = [i for i, guess in enumerate(guesses) if guess.script == script]
    sure = mean(guesses[i].confidence for i in own)
    hanging = guess_as_they_stand([np.ascontiguousarray(crops[i][::-1, ::-1]) for i in own])
    over = mean(guess.confidence for guess in hanging)
    return (script, high) if sure >= PLAIN and sure >= over else None


def is_believable(lines: Sequence[Line], script: str) -> bool:
    """Whether what a reader of ``script`` read was there to be read."""
    sure = [line.confidence or 0.0 for line in lines for _ in line.text]
    letters = "".join(letter for line in lines for letter in line.text if letter.isalpha())
    if not letters or sum(sure) / len(sure) < BELIEVED:
        return False
    doubted = sum((line.confidence or 0.0) < DOUBTED for line in lines)
    return share_in_script(letters, script) >= IN_SCRIPT and doubted <= FEW_DOUBTED * len(lines)


def share_in_script(text: str, script: str) -> float:
    """The share of a text's characters, white space aside, that are letters or marks of a script."""
    characters = "".join(text.split())
    names = UNICODE_NAMES.get(script, (script.upper(),))
    own = sum(unicodedata.name(character, "").startswith(names) for character in characters)
    return own / len(characters) if characters else 0.0


def covers(image: NDArray[uint8], lines: Sequence[Line]) -> bool:
    """Whether most ink of a page (uint8 RGB, without the rules of tables) is in ``lines``: a reader that sees
    two words of a page may be sure of both. Where noise is ink too, most of what a smoothed picture shows.
    """
    return any(_covered(image, lines, smooth) >= COVERED for smooth in (False, True))


def _covered(image: NDArray[uint8], lines: Sequence[Line], smooth: bool) -> float:
    """The share of the ink, as `seen_ink` has it, that is in ``lines``."""
    ink = seen_ink(image, smooth)
    total = float(ink.sum())
    return float((ink & under(lines, image, ink.shape)).sum()) / total if total else 0.0


def seen_ink(image: NDArray[uint8], smooth: bool) -> NDArray[uint8]:
    """The ink of a page (0 or 1) at the size it is looked at, without specks and the page's own frame."""
    import cv2

    _, ink = _seen(image, smooth)
    _, places, sizes, _ = cv2.connectedComponentsWithStats(ink)
    high, wide = ink.shape
    frame = (sizes[:, cv2.CC_STAT_WIDTH] > FRAME * wide) & (sizes[:, cv2.CC_STAT_HEIGHT] > FRAME * high)
    kept: NDArray[uint8] = ink * ((sizes[:, cv2.CC_STAT_AREA] >= SPECK) & ~frame)[places]
    return kept


def under(lines: Sequence[Line], image: NDArray[uint8], shape: tuple[int, ...]) -> NDArray[uint8]:
    """1 where a line of ``image`` lies on it at the size ``shape``, else 0."""
    import cv2
    import numpy as np

    scale = shape[1] / image.shape[1], shape[0] / image.shape[0]
    read = np.zeros(shape[:2], np.uint8)
    for line in lines:
        cv2.fillConvexPoly(read, np.round(np.multiply(line.polygon, scale)).astype(np.int32), 1)
    return read


def _seen(
    image: NDArray[uint8], smooth: bool = False, pixels: int = SEEN_PIXELS
) -> tuple[NDArray[uint8], NDArray[uint8]]:
    """The page (RGB or grey) as it is looked at, dark on light grey, and its ink (0 or 1)."""
    import cv2
    import numpy as np

    small = np.asarray(fit_pixels(in_grey(image), pixels), np.uint8)
    if 2 * np.count_nonzero(small < 128) > small.size:
        small = 255 - small
    if smooth:
        small = np.asarray(cv2.GaussianBlur(cv2.medianBlur(small, 3), (0, 0), 0.8), np.uint8)
    ink = cv2.adaptiveThreshold(small, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 15)
    return small, np.asarray(ink, np.uint8)


def _guessed_lines(
    image: NDArray[uint8], grey: NDArray[uint8], smooth: bool, pixels: int
) -> list[NDArray[uint8]]:
    """Some of what look like level lines, cut from the page; ``grey`` is the same without colours."""
    import cv2
    import numpy as np

    small, ink = _seen(grey, smooth, pixels)
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, JOIN), np.uint8))
    _, _, places, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    found = [
        (int(y), int(x), int(high), int(wide))
        for x, y, wide, high, area in places[1:].tolist()
        if LEAST_HEIGHT <= high <= MOST_HEIGHT and wide >= LEAST_ASPECT * high and area >= 0.3 * wide * high
    ]
    usual = median(high for _, _, high, _ in found) if found else 0
    found = [place for place in found if place[2] <= 1.5 * usual]  # higher ones are two lines, or slanted
    some = sorted(found, key=lambda place: place[3])[-LOOKED_AT:]  # the longest: the rest may be anything
    scale_y, scale_x = image.shape[0] / small.shape[0], image.shape[1] / small.shape[1]
    crops = []
    for y, x, high, wide in some:
        pad = max(1, high // 6)
        rows = slice(max(0, round((y - pad) * scale_y)), round((y + high + pad) * scale_y))
        columns = slice(max(0, round((x - pad) * scale_x)), round((x + wide + pad) * scale_x))
        crops.append(np.ascontiguousarray(image[rows, columns]))
    return crops
