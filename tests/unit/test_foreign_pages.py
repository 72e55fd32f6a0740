"""How often, and at what, the reader of a foreign script is asked: nothing here needs its data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from vramwise import ReadOptions
from vramwise.ocr.engines import cpu
from vramwise.ocr.engines.foreign_text import FUTILE, TELLING, ForeignPage
from vramwise.ocr.engines.language_routing import TesseractRoute
from vramwise.ocr.engines.line_shapes.missed_lines import missed_places, with_missed
from vramwise.ocr.engines.line_shapes.vanished_words import restored, with_vanished_words
from vramwise.ocr.engines.script_at_a_glance import PlainPage, covers
from vramwise.ocr.engines.tesseract import TesseractReader
from vramwise.ocr.results.line import Line

Picture = NDArray[np.uint8]


class Progress:
    def check(self) -> None: ...

    def page_done(self, done: int, count: int) -> None: ...


class Asked(TesseractReader):
    """Reads what it is told to, and keeps what it was shown. Single lines that hang are less sure."""

    def __init__(self, found: list[Line], alone: float = 0.7, hanging: float = 0.3, signs: str = "") -> None:
        self.found, self.alone, self.hanging, self.signs = found, alone, hanging, signs
        self.pages: list[Picture] = []
        self.singles: list[Picture] = []

    def lines(self, image: Picture, max_pixels: int | None, progress: Any) -> list[Line]:
        self.pages.append(image)
        return self.found

    def line(self, crop: Picture) -> tuple[str, float]:
        self.singles.append(crop)
        inked = np.flatnonzero((crop < 128).any(axis=(1, 2)))
        upright = not len(inked) or inked.mean() <= crop.shape[0] / 2
        text = "\u0441\u043b\u043e\u0432\u043e"
        return (text, self.alone) if upright else (self.signs or text, self.hanging)

    def release(self) -> None: ...


def box(left: float, top: float, right: float, bottom: float) -> tuple[tuple[float, float], ...]:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def a_page(count: int = 8, long: float = 20.0) -> tuple[Picture, list[Line]]:
    """Lines, 30 pixels high, whose upper part is inked; PP-OCR read half of them, not beyond doubt."""
    picture = np.full((60 * count + 40, 700, 3), 255, np.uint8)
    lines = []
    for number in range(count):
        top, right = 30 + 60 * number, 40 + 30 * long
        for x in range(44 + number, int(right) - 8, 14):
            picture[top + 4 : top + 12, x : x + 8] = 0
        own = number % 2 == 0
        text = "" if own else f"read {number}"
        lines.append(Line(text, box(40, top, right, top + 30), 0.9, foreign="Cyrillic" if own else None))
    return picture, lines


def found_on(lines: list[Line], sure: float) -> list[Line]:
    return [Line("\u0447\u0442\u043e-\u0442\u043e", line.polygon, sure) for line in lines]


def test_a_page_is_read_once_however_many_of_its_lines_are_doubted() -> None:
    picture, lines = a_page(12)
    reader = Asked(found_on(lines, 0.75))
    page = ForeignPage(picture, lines, "Cyrillic")
    doubted = page.with_doubted()
    assert doubted is not None and doubted.share > page.share
    doubted.read(reader, None, Progress())
    page.read(reader, None, Progress())
    assert len(reader.pages) == 1  # four times before: each way up, and each twice


def test_long_lines_tell_that_a_page_hangs_and_short_ones_do_not() -> None:
    picture, lines = a_page(12)
    hanging = Asked(found_on(lines, 0.5), alone=0.3, hanging=0.9)
    ForeignPage(picture, lines, "Cyrillic").read(hanging, None, Progress())
    assert len(hanging.pages) == 2
    picture, lines = a_page(12, long=4.0)
    short = Asked(found_on(lines, 0.5))
    ForeignPage(picture, lines, "Cyrillic").read(short, None, Progress())
    assert len(short.pages) == 2


def test_a_page_that_reads_nearly_as_well_either_way_is_read_once() -> None:
    picture, lines = a_page(12)
    either = Asked(found_on(lines, 0.5), alone=0.3, hanging=0.33)
    ForeignPage(picture, lines, "Cyrillic").read(either, None, Progress())
    assert len(either.pages) == 1


def test_signs_that_a_reader_sees_in_letters_on_their_heads_do_not_tell_that_a_page_hangs() -> None:
    picture, lines = a_page(12)
    signs = Asked(found_on(lines, 0.5), alone=0.3, hanging=0.6, signs="0 6:4 \u20aa0")
    ForeignPage(picture, lines, "Cyrillic").read(signs, None, Progress())
    assert len(signs.pages) == 1


def test_a_page_of_which_enough_was_read_beyond_doubt_does_not_hang() -> None:
    picture, lines = a_page(12, long=4.0)
    plain = [line if line.foreign else replace(line, text="quite upright", confidence=1.0) for line in lines]
    sure = Asked(found_on(lines, 0.5))
    ForeignPage(picture, plain, "Cyrillic").read(sure, None, Progress())
    assert len(sure.pages) == 1


def test_many_short_lines_together_tell_whether_a_page_hangs_as_few_long_ones_do() -> None:
    picture, lines = a_page(24, long=5.0)
    short = Asked(found_on(lines, 0.5), alone=0.6)
    ForeignPage(picture, lines, "Cyrillic").read(short, None, Progress())
    assert len(short.pages) == 1


def test_for_a_small_part_of_a_page_all_of_it_is_not_read_over() -> None:
    picture, lines = a_page(12, long=4.0)
    few = [replace(line, foreign=None, text="1") if number > 2 else line for number, line in enumerate(lines)]
    asked = Asked(found_on(lines, 0.5))
    ForeignPage(picture, few, "Cyrillic").read(asked, None, Progress())
    assert len(asked.pages) == 1


def test_lines_are_not_asked_alone_for_ever_where_none_is_surer_so() -> None:
    picture, lines = a_page(60)
    own = [replace(line, foreign="Cyrillic") for line in lines]
    in_vain = Asked(found_on(lines, 0.6), alone=0.3, hanging=0.3)
    ForeignPage(picture, own, "Cyrillic").read(in_vain, None, Progress())
    assert len(in_vain.singles) <= FUTILE + 2 * TELLING
    surer = Asked(found_on(lines, 0.6), alone=0.7)
    ForeignPage(picture, own, "Cyrillic").read(surer, None, Progress())
    assert len(surer.singles) >= len(own)


def contents() -> tuple[Picture, list[Line], list[int]]:
    """A table of contents: titles that were read, dots, and page numbers that were not."""
    picture = np.full((900, 700, 3), 255, np.uint8)
    lines, tops = [], list(range(60, 840, 60))
    for top in tops:
        for x in range(60, 300, 16):
            cv2.rectangle(picture, (x, top + 3), (x + 8, top + 22), (0, 0, 0), 2)
        for x in range(320, 590, 12):
            picture[top + 19 : top + 23, x : x + 4] = 0
        for x in (600, 614, 628):
            cv2.rectangle(picture, (x, top + 3), (x + 8, top + 22), (0, 0, 0), 2)
        text = "\u0437\u0430\u0433\u043e\u043b\u043e\u0432\u043e\u043a"
        lines.append(Line(text, box(56, top, 590, top + 26), 0.95))
    return picture, lines, tops


def test_numbers_that_a_reader_missed_are_found_without_their_dots() -> None:
    picture, lines, tops = contents()
    short = [Line(line.text, box(56, y, 306, y + 26), 0.95) for line, y in zip(lines, tops, strict=True)]
    places = missed_places(picture, short)
    assert [round(place[0][1]) for place in places] == pytest.approx([top + 2 for top in tops], abs=3)
    assert all(590 < place[0][0] < 602 and 634 < place[1][0] < 645 for place in places)
    assert not missed_places(picture, []) and not missed_places(np.full((300, 300, 3), 255, np.uint8), lines)


def test_a_number_in_a_frame_of_its_own_is_found() -> None:
    """The frame's sides stand closer to it than letters to one another."""
    picture, _, tops = contents()
    whole = [Line("", box(56, top, 650, top + 26)) for top in tops]
    assert not missed_places(picture, whole)
    cv2.rectangle(picture, (660, tops[0] - 10), (700, tops[0] + 36), (0, 0, 0), 2)
    cv2.rectangle(picture, (668, tops[0] + 3), (676, tops[0] + 22), (0, 0, 0), 2)
    (place,) = missed_places(picture, whole)
    assert place[0][0] == pytest.approx(668, abs=4) and place[1][0] == pytest.approx(677, abs=4)


def test_letters_of_flat_strokes_are_no_dots() -> None:
    """Hangul: cut to its upright strokes, "\ubaa8\ub4e0" was read as "\ubaa8-"."""
    picture, lines, tops = contents()
    for x in (660, 676):
        picture[tops[0] + 3 : tops[0] + 7, x : x + 14] = 0
        picture[tops[0] + 18 : tops[0] + 22, x : x + 14] = 0
        picture[tops[0] + 3 : tops[0] + 22, x : x + 3] = 0 if x == 660 else 255
    whole = [Line("", box(56, line.polygon[0][1], 650, line.polygon[2][1])) for line in lines]
    (place,) = missed_places(picture, whole)
    assert place[0][0] == pytest.approx(660, abs=3) and place[1][0] == pytest.approx(690, abs=3)


def test_what_was_missed_is_read_alone_and_taken_where_it_is_sure() -> None:
    picture, lines, tops = contents()
    assert len(with_missed(picture, lines, Asked([], alone=0.95, hanging=0.95))) == 2 * len(tops)
    assert with_missed(picture, lines, Asked([], alone=0.7, hanging=0.7)) == lines
    reader, note = Asked([]), "a footnote's second line"
    reader.line = lambda crop: (note, 0.75)  # type: ignore[method-assign]
    assert len(with_missed(picture, lines, reader)) == 2 * len(tops), "so many letters are no drawing"
    reader.line = lambda crop: (note, 0.6)  # type: ignore[method-assign]
    assert with_missed(picture, lines, reader) == lines


def test_the_edge_of_the_paper_is_no_ink_that_nobody_read() -> None:
    picture, lines, _ = contents()
    whole = [Line(line.text, box(56, line.polygon[0][1], 650, line.polygon[2][1]), 0.95) for line in lines]
    table = cv2.copyMakeBorder(picture, 90, 90, 90, 90, cv2.BORDER_CONSTANT, value=(0, 0, 0)).astype(np.uint8)
    moved = [Line(line.text, tuple((x + 90, y + 90) for x, y in line.polygon), 0.95) for line in whole]
    assert covers(picture, whole) and covers(table, moved)
    assert not covers(table, moved[:6])


@pytest.mark.parametrize(
    ("plain", "times", "as_it_lies"),
    [
        (PlainPage("Cyrillic", 16.0, 0.0), 2.5, False),
        (PlainPage("Cyrillic", 30.0, math.radians(5)), 1.0, False),
        (PlainPage("Cyrillic", 30.0, 0.0), 1.0, True),
        (PlainPage("Thai", 16.0, 0.0), 1.0, True),
        (None, 1.0, True),
    ],
    ids=["small", "slanted", "plain", "other", "unknown"],
)
def test_a_page_of_a_named_language_is_levelled_and_enlarged_as_on_auto(
    plain: PlainPage | None, times: float, as_it_lies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, lines = a_page(4)
    reader = Asked(found_on(lines, 0.95))

    class Pool:
        @contextmanager
        def acquire(self, route: Any, make: Any) -> Iterator[Asked]:
            yield reader

    monkeypatch.setattr(cpu, "plain_script", lambda image: plain)
    engine = cpu.CPUEngine("rapid", Pool(), None)  # type: ignore[arg-type]
    route = object.__new__(TesseractRoute)
    read = engine._by_tesseract(route, "Cyrillic", picture, ReadOptions(language="ru"), Progress())
    assert read
    (shown,) = reader.pages
    if as_it_lies:
        assert shown is picture
    else:
        assert shown.shape[1] == pytest.approx(times * picture.shape[1], rel=0.1)
        assert shown.shape != picture.shape


def numbers(text: str, top: float, explained: float, sure: float = 0.98) -> Line:
    return Line(text, box(40, top, 640, top + 30), sure, explained=explained)


def test_words_that_vanished_beside_numbers_are_asked_of_who_can_read_them() -> None:
    vanished = numbers(" , : 1-11, 16-26", 30, 0.68)
    whole = numbers("206-219, 231-258", 90, 1.0)
    short = Line("5", box(40, 150, 60, 180), 1.0, explained=0.8)
    marked = with_vanished_words([vanished, whole, short], "Cyrillic")
    assert [line.foreign for line in marked] == ["Cyrillic", None, None]
    assert [line.foreign for line in with_vanished_words([vanished], "Thai")] == [None]
    read = replace(vanished, text="\u0447\u0442\u043e-\u0442\u043e: 1-11, 16-26")
    assert restored([read, whole], [vanished, whole]) == [read, whole]
    assert restored(marked, [vanished, whole, short]) == [vanished, whole, short]  # nobody could


def test_the_first_letter_of_a_line_is_not_read_twice() -> None:
    """It stood in the cell before its word, and made a column of its own."""
    picture, lines = a_page(8)
    lines = [line for line in lines if line.foreign]
    word = Line("\u0412\u0435\u0447\u0435\u0440", box(40, 400, 160, 430), 0.95)
    letter = Line("\u0412", box(39, 401, 56, 429), 0.95)
    beside = Line("\u0412", box(300, 401, 316, 429), 0.95)
    marked = [replace(one, foreign="Cyrillic") for one in (word, beside)]
    page = ForeignPage(picture, [*lines, *marked], "Cyrillic")
    seen = [*found_on(lines, 0.95), word, letter, beside]
    read = [line.text for line in page.read(Asked(seen), None, Progress())]
    assert sorted(text for text in read if text.startswith("\u0412") and len(text) < 6) == [
        "\u0412",
        word.text,
    ]


def test_sums_of_money_of_which_no_ink_is_left_are_not_read_again() -> None:
    """Tesseract's Cyrillic took a euro for "=" and a pound for a 2."""
    picture, lines = a_page(8)
    lines = [line for line in lines if line.foreign]
    sums = [
        Line(text, box(40, top, 160, top + 30), 0.99, explained=0.99)
        for text, top in (("\u20ac3,183.95", 400), ("\u00a37,946.42", 460))
    ]
    seen = found_on(lines, 0.95)
    seen += [Line(text, one.polygon, 0.9) for text, one in zip(("=3,183.95", "27,946.42"), sums, strict=True)]
    page = ForeignPage(picture, [*lines, *sums], "Cyrillic")
    read = [line.text for line in page.read(Asked(seen), None, Progress())]
    assert {one.text for one in sums} <= set(read) and "27,946.42" not in read


def test_numbers_of_which_no_ink_is_left_are_not_read_again() -> None:
    """A page's reader took the 1 of 1367 for a 4, and the number of a column for two."""
    picture, lines = a_page(8)
    lines = [line for line in lines if line.foreign]
    other = Line("1367", box(40, 400, 160, 430), 1.0, explained=0.99)
    unsure = Line("158", box(40, 460, 160, 490), 0.9, explained=0.99)
    seen = found_on(lines, 0.95)
    seen += [Line("4367", other.polygon, 0.9), Line("153", unsure.polygon, 0.9)]
    page = ForeignPage(picture, [*lines, other, unsure], "Cyrillic")
    read = [line.text for line in page.read(Asked(seen), None, Progress())]
    assert "1367" in read and "4367" not in read
    assert "153" in read and "158" not in read


def test_what_was_read_at_a_glance_and_left_much_ink_is_not_read_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its lines serve the page whose lines were found the usual way."""
    picture, lines = a_page(8)
    lines = [replace(line, foreign="Cyrillic") for line in lines]
    reader = Asked(found_on(lines[:4], 0.95))

    class Pool:
        @contextmanager
        def acquire(self, route: Any, make: Any) -> Iterator[Any]:
            yield reader if isinstance(route, TesseractRoute) else FoundLines()

    class FoundLines:
        def lines(self, image: Picture, max_pixels: int | None, progress: Any) -> list[Line]:
            return lines

    monkeypatch.setattr(cpu, "plain_script", lambda image: PlainPage("Cyrillic", 30.0, 0.0))
    monkeypatch.setattr(cpu, "covers", lambda image, lines: False)
    engine = cpu.CPUEngine("rapid", Pool(), None)  # type: ignore[arg-type]
    monkeypatch.setattr(engine, "_route_for_script", lambda script, chosen: TesseractRoute(Path(), ("rus",)))
    read, _ = engine._lines(picture, ReadOptions(), None, Progress())
    assert len(read) == 8 and len(reader.pages) == 1
