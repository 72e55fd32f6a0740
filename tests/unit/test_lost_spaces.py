"""Spaces that were not read come back where the paper shows them, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from vramwise.ocr.engines.line_shapes.lost_spaces import with_lost_spaces

HIGH = 48
WIDTH = {"wide": 40, "narrow": 14}  # of a character's ink


def line(written: str) -> tuple[list[tuple[float, float]], np.ndarray]:
    """(places of the characters, the line) of a text whose characters are two bars each: "_" is a space."""
    crop = np.full((HIGH, 60 * len(written) + 20, 3), 245, np.uint8)
    x, spans = 10, []
    for character in written:
        wide = WIDTH["wide" if ord(character) > 0x2E80 else "narrow"]
        if character == "_":
            x += 20
        elif character == "\u3000":
            x += 46
        else:
            crop[8:13, x : x + wide] = crop[35:40, x : x + wide] = 20
            spans.append((float(x), float(x + wide)))
            x += wide + (6 if wide > 20 else 4)
    return spans, crop[:, : x + 6]


HAN = "\u89c0\u81ea\u5728\u83e9\u85a9\u3000\u884c\u6df1\u822c\u82e5"  # a space as wide as a character


@pytest.mark.parametrize(
    ("written", "read", "said"),
    [
        (HAN, HAN.replace("\u3000", ""), HAN.replace("\u3000", " ")),
        (HAN.replace("\u3000", ""), HAN.replace("\u3000", ""), HAN.replace("\u3000", "")),
        ("(b)_the_position_shall_mean_a", "(b) the position shallmean a", "(b) the position shall mean a"),
        ("see_Figs._6-8_show_it", "see Figs. 6-8show it", "see Figs. 6-8 show it"),
        ("one_of_12_point_text", "one of 12 point text", "one of 12 point text"),
        ("a_note_sent_by_@anna", "a note sent by@anna", "a note sent by @anna"),
        ("write_to_anna@post_now", "write to anna@post now", "write to anna@post now"),
        ("shall_mean", "shallmean", "shallmean"),  # no space was read that says how wide one is
    ],
)
def test_a_space_that_was_not_read_is_told_by_its_paper(written: str, read: str, said: str) -> None:
    spans, crop = line(written)
    assert with_lost_spaces(read, spans, crop) == said
    assert with_lost_spaces(said, spans, crop) == said


def test_letters_set_apart_and_a_character_that_was_not_read_get_no_space() -> None:
    apart = "_".join("number")
    assert with_lost_spaces("n u mber", *line(apart)) == "n u mber"
    unread = "\u89c0\u81ea\u5728\u83e9\u85a9\u884c\u6df1"
    spans, crop = line(unread)
    assert with_lost_spaces(unread[:3] + unread[4:], spans[:3] + spans[4:], crop) == unread[:3] + unread[4:]
