"""Is a page plainly in one script that the built-in recogniser lacks?

Detecting lines and reading some of them costs a Cyrillic page several times what Tesseract needs for all of
it. So level lines are guessed at from the picture alone, the script net looks at a few, and where they are in
one foreign script the page goes straight to that script's reader. What it says is believed only where it is
sure of it and it is in that script; any other page takes the usual way.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from statistics import mean, median
from typing import TYPE_CHECKING

from ..images import fit_pixels
from ..results.line import Line
from .script_detection import READABLE, guess_as_they_stand

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

SEEN_PIXELS = 700_000  # of the page: letters of A4 at 150 dpi are 10 pixels high
JOIN = 13  # pixels there between letters and words that belong together
LEAST_HEIGHT, MOST_HEIGHT, LEAST_ASPECT = 7, 60, 4.0  # there, of what may be a line
LOOKED_AT = 6  # lines
PLAIN, UPRIGHT_BY = 0.85, 0.05  # the net's mean confidence, and by how much it is less upside down
MOSTLY, BESIDE = 0.75, ("Latin", "Common")  # the share of one script, and what may be the rest
LEAST = 12  # pixels of a line in the page, paper around it included
# What its reader says is believed from this mean confidence, with few lines under the next, and with so many
# letters in the script.
BELIEVED, DOUBTED, FEW_DOUBTED, IN_SCRIPT = 0.85, 0.6, 0.1, 0.6
UNICODE_NAMES = {"Han": ("CJK",)}


def plain_script(image: NDArray[uint8]) -> tuple[str, float] | None:
    """The script of a page of level lines, uint8 RGB (height, width, 3), and their height in pixels, or None
    where it is not plain.
    """
    import numpy as np

    crops = _guessed_lines(image)
    high = median(crop.shape[0] for crop in crops) if crops else 0.0
    if high < LEAST:
        return None
    guesses = guess_as_they_stand(crops)
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
    return (script, high) if sure >= PLAIN and sure - over >= UPRIGHT_BY else None


def is_believable(lines: Sequence[Line], script: str) -> bool:
    """Whether what a reader of ``script`` read was there to be read."""
    sure = [line.confidence or 0.0 for line in lines for _ in line.text]
    letters = [letter for line in lines for letter in line.text if letter.isalpha()]
    if not letters or sum(sure) / len(sure) < BELIEVED:
        return False
    names = UNICODE_NAMES.get(script, (script.upper(),))
    own = sum(unicodedata.name(letter, "").startswith(names) for letter in letters)
    doubted = sum((line.confidence or 0.0) < DOUBTED for line in lines)
    return own >= IN_SCRIPT * len(letters) and doubted <= FEW_DOUBTED * len(lines)


def _guessed_lines(image: NDArray[uint8]) -> list[NDArray[uint8]]:
    """Some of what look like level lines, cut from the page."""
    import cv2
    import numpy as np

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = np.asarray(fit_pixels(grey, SEEN_PIXELS), np.uint8)
    if np.median(small) < 128:
        small = 255 - small
    ink = cv2.adaptiveThreshold(small, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 15)
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
