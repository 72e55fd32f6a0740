"""A drawn page that does not lie flat."""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from vramwise import ReadOptions, ocr_handle

WORDS = (
    "Pour off liquid in pan in which chicken has been roasted",
    "From liquid skim off four tablespoons fat and return it",
    "and brown with four tablespoons flour, then add stock",
    "in which giblets, neck and tips of wings have cooked.",
)


def test_lines_of_a_curled_page_are_read() -> None:
    """At 22 pixels off their chord and 38 apart their rectangles are mostly paper and each other."""
    page = Image.new("L", (1000, 400), 235)
    for row, words in enumerate(WORDS):
        ImageDraw.Draw(page).text((60, 110 + 38 * row), words, 40, font=ImageFont.load_default(26))
    ys, xs = np.mgrid[0:400, 0:1000].astype(np.float32)
    curled = cv2.remap(np.asarray(page), xs, ys - 22 * np.sin(xs * 2 * math.pi / 900), cv2.INTER_LINEAR)
    image = np.repeat(curled[:, :, None], 3, axis=2)
    (read,) = ocr_handle("rapid").read([image], ReadOptions())
    found = read.text.splitlines()
    assert len(found) == len(WORDS)
    for line, words in zip(found, WORDS, strict=True):
        assert line.replace(" ", "").rstrip(".,") == words.replace(" ", "").rstrip(".,")
