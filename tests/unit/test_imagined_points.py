"""A full stop at the end of a short line stays where there is ink for one."""

from __future__ import annotations

import numpy as np
import pytest
from vramwise.ocr.engines.imagined_points import without_imagined_points
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.result import Word


def box(x0: float, y0: float, x1: float, y1: float) -> tuple[tuple[float, float], ...]:
    return (x0, y0), (x1, y0), (x1, y1), (x0, y1)


def page(after: str, dark: bool) -> np.ndarray:
    """Four letters from x 20 to 64; behind them nothing, a point that stands alone, or one that touches."""
    picture = np.full((60, 120, 3), 250, np.uint8)
    for x in range(20, 64, 12):
        picture[20:32, x : x + 2] = picture[20:32, x + 6 : x + 8] = picture[20:22, x : x + 8] = 20
    picture[31:32, 63:65] = 20  # the foot of the last one
    if after == "point":
        picture[29:32, 66:69] = 20
    elif after == "joined":
        picture[29:32, 63:69] = 20
    return 255 - picture if dark else picture


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("after", "kept"), [("nothing", False), ("point", True), ("joined", True)])
def test_a_full_stop_is_dropped_where_the_last_ink_is_a_letter(after: str, kept: bool, dark: bool) -> None:
    where = box(40, 38, 140, 66)  # of the page, which is twice as large as the picture that was read
    line = Line("word.", where, 0.9, words=(Word("word.", where, 0.9),))
    (found,) = without_imagined_points(page(after, dark), [line], (2.0, 2.0))
    assert found.text == found.words[-1].text == ("word." if kept else "word")


def test_sentences_and_numbers_keep_theirs() -> None:
    words = tuple(Word(text, box(20, 19, 70, 33), 0.9) for text in ("and", "so", "it", "was."))
    sentence = Line("and so it was.", words[0].polygon, 0.9, words=words)
    number = Line("12.", words[0].polygon, 0.9, words=(Word("12.", words[0].polygon, 0.9),))
    assert without_imagined_points(page("nothing", False), [sentence, number], (1.0, 1.0)) == [
        sentence,
        number,
    ]
