"""Two columns a narrow gutter apart, drawn here; the boxes reach into it as a detector's do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from vramwise.ocr.engines.line_shapes.gutter_ends import ends_at_ink
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import hull

ROWS, PITCH, HIGH, LEFT, WIDE = 12, 26, 24, 60, 420
WORDS = (
    "of words between columns that are set",
    "close to each other, so that the lines",
    "of one side seem to go on at the other",
    "and what was said before is cut in two",
)


def page(gutter: int, into: float) -> tuple[NDArray[np.uint8], list[Line]]:
    """Each line of the left column fills it; every fourth box reaches ``into`` the gutter from both sides,
    in pixels, the others 4.
    """
    picture = Image.new("RGB", (2 * WIDE + gutter + 2 * LEFT, 60 + ROWS * PITCH), "white")
    pen, font, lines = ImageDraw.Draw(picture), ImageFont.load_default(18), []
    for side, name in enumerate(("left", "right")):
        x = LEFT + side * (WIDE + gutter)
        for row in range(ROWS):
            y, text = 30 + row * PITCH, f"{name} {row} {WORDS[row % len(WORDS)]}"
            pen.text((x, y), text, "black", font=font)
            pen.text((x + WIDE - pen.textlength("n", font=font), y), "n", "black", font=font)  # set flush
            room = into if row % 4 == 1 else 4.0
            x0, x1 = (x - 4.0, x + WIDE + room) if side == 0 else (x - room, x + WIDE + 4.0)
            corners = ((x0, y), (x1, y), (x1, y + HIGH), (x0, y + HIGH))
            lines.append(Line(f"{text} n", corners, 0.99))
    return np.asarray(picture), lines


@pytest.mark.parametrize(("gutter", "into"), [(20, 9.0), (24, 16.0), (26, 22.0)])
def test_columns_are_read_though_boxes_reach_into_a_narrow_gutter(gutter: int, into: float) -> None:
    image, lines = page(gutter, into)
    order = [line.text for line in lines]
    found = ends_at_ink(lines, image)
    assert reading_order.plain_text(lines, reading_order.arrange(found)).splitlines() == order
    assert reading_order.plain_text(lines, reading_order.arrange(lines)).splitlines() != order, "as boxes are"
    for one, other in zip(found[:ROWS], found[ROWS:], strict=True):
        paper = hull(other.polygon)[0] - hull(one.polygon)[2]
        assert 0.5 * gutter < paper < gutter + 2
        assert hull(one.polygon)[1::2] == hull(lines[found.index(one)].polygon)[1::2], "no lower, no higher"


def test_what_stands_apart_and_words_of_one_line_stay() -> None:
    image, lines = page(60, 4.0)
    assert ends_at_ink(lines, image) == lines, "a wide gutter"
    halves = []
    for line in lines[:ROWS]:
        x0, y0, x1, y1 = hull(line.polygon)
        for a, b in ((x0, 255.0), (256.0, x1)):
            halves.append(Line("half of a line", ((a, y0), (b, y0), (b, y1), (a, y1)), 0.9))
    assert ends_at_ink(halves, image) == halves
