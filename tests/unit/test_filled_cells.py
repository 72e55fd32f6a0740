"""Rules of tables that are only looked at: beside filled cells, in ledgers and in small print."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from vramwise.ocr.engines.drawn_rules.page_rules import rules_on
from vramwise.ocr.engines.drawn_rules.table_rules import Found, _is_one_stroke
from vramwise.ocr.engines.pictures.collages import collage
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.rules import Rule

XS, YS = (20, 160, 300, 440), (20, 60, 100, 140, 180)


def at(text: str, left: float, top: float, right: float, bottom: float) -> Line:
    return Line(text, ((left, top), (right, top), (right, bottom), (left, bottom)), 0.9)


def cells(width: int = 60) -> list[Line]:
    return [at(f"R{y}C{x}", x + 10, y + 10, x + 10 + width, y + 30) for y in YS[:-1] for x in XS[:-1]]


def heights(rules: tuple[Rule, ...]) -> tuple[set[int], set[int]]:
    """Of level rules, and the places of upright ones, to some pixels."""
    level = {round(r.start[1] / 20) * 20 for r in rules if abs(r.start[0] - r.end[0]) > 100}
    upright = {round(r.start[0] / 20) * 20 for r in rules if abs(r.start[1] - r.end[1]) > 100}
    return level, upright


@pytest.mark.parametrize("light", [False, True], ids=["dark rules", "paper between filled cells"])
def test_rules_between_filled_cells_are_found(light: bool) -> None:
    """A blue heading and every second row pink, as in spreadsheets; the rules were parts of the fill."""
    page = np.full((200, 460, 3), 255, np.uint8)
    page[20:60, 20:440] = (70, 150, 240)
    page[100:140, 20:440] = (250, 215, 215)
    if light:
        page[20:180, 20:440] = (70, 150, 240)
    for y in YS:
        page[y : y + 2, 20:442] = 255 * light
    for x in XS:
        page[20:182, x : x + 2] = 255 * light
    level, upright = heights(rules_on(page, cells()))
    outer = 1 if light else 0  # the edge of the fill itself is no rule of it
    assert level >= set(YS[outer : len(YS) - outer]) and upright >= set(XS[outer : len(XS) - outer])


@pytest.mark.parametrize("upright", [False, True], ids=["heading", "first column"])
def test_where_a_filled_heading_ends_is_a_rule(upright: bool) -> None:
    """White on black without a rule below, and words that leave little of it: the row below was no row."""
    page = np.full((200, 460, 3), 255, np.uint8)
    for y in YS[2:]:
        page[y : y + 2, 20:442] = 0
    for x in XS:
        page[60:182, x : x + 2] = 0
    page[20:60, 20:442] = 30
    page[28:52, 30:400] = 240
    lines = cells()
    if upright:
        page = np.ascontiguousarray(page.transpose(1, 0, 2))
        lines = [at(f"R{x}C{y}", y + 5, x + 10, y + 29, x + 30) for y in YS[:-1] for x in XS[:-1]]
    assert 60 in heights(rules_on(page, lines))[upright]


def test_the_lines_of_a_printed_grey_are_no_rules() -> None:
    """Of a band of a scanned heading some rows of pixels are full, between rows of dots."""
    page = np.full((200, 460, 3), 255, np.uint8)
    page[20:62:2, 20:442] = 40
    page[21:62:2, 20:442:2] = 40
    for x in XS:
        page[20:182, x : x + 2] = 0
    for y in YS[1:]:
        page[y : y + 2, 20:442] = 0
    level = {round(r.start[1]) for r in rules_on(page, cells()) if abs(r.start[0] - r.end[0]) > 100}
    assert not [y for y in level if 24 < y < 56]
    assert any(abs(y - 100) < 3 for y in level)


def test_a_ledger_has_rules_though_many_cross_them_close_to_one_another() -> None:
    page = np.full((220, 460, 3), 255, np.uint8)
    for y in range(10, 211, 20):
        page[y, 10:450] = 0
    for x in range(90, 450, 9):
        page[10:211, x : x + 2] = 0
    lines = [at("Name", 14, y + 2, 60, y + 19) for y in range(10, 200, 20)]
    lines += [at("9", 420, y + 2, 428, y + 19) for y in range(10, 200, 20)]
    level = {round(r.start[1]) for r in rules_on(page, lines) if abs(r.start[0] - r.end[0]) > 300}
    assert len(level) == 11


def small_print() -> tuple[NDArray[np.uint8], list[Line]]:
    """Rows 14 pixels high of letters whose feet and heads stand a pixel off the rules."""
    rng = np.random.default_rng(3)
    page = np.full((80, 420, 3), 255, np.uint8)
    for y in (5, 22, 39, 56):
        page[y : y + 3, 5:405] = 20
    for y in (9, 26, 43):
        for x in range(8, 380, 3):
            page[y + rng.integers(0, 3) : y + 12 - rng.integers(0, 2), x : x + 2] = 30
    for x in (5, 120, 260, 403):
        page[5:59, x : x + 2] = 20
    lines = [at("words", x, y - 1, x + 90, y + 12) for y in (9, 26, 43) for x in (10, 130, 270)]
    return page, lines


def test_rules_of_small_print_are_found_though_letters_touch_them() -> None:
    page, lines = small_print()
    rules = rules_on(page, lines)
    level = {round(r.start[1]) for r in rules if abs(r.start[0] - r.end[0]) > 100}
    upright = {round(r.start[0]) for r in rules if abs(r.start[1] - r.end[1]) > 40}
    for y in (6, 23, 40, 57):
        assert any(abs(y - one) <= 2 for one in level), (y, level)
    for x in (120, 260):
        assert any(abs(x - one) <= 2 for one in upright), (x, upright)


def test_stems_of_letters_above_one_another_are_no_stroke() -> None:
    """They stand a few pixels aside of one another, as those of "P", "h" and a third line's letter did."""
    ink = np.zeros((60, 90), np.uint8)
    for at_line in range(3):
        ink[20 + 3 * (at_line % 2), 30 * at_line : 30 * at_line + 30] = 1
    letters = Found(0, 19, np.ones((6, 90), np.uint8))
    assert not _is_one_stroke(ink, letters)
    ink[20] = 1
    assert _is_one_stroke(ink, letters)


def test_a_rule_across_a_table_that_fills_the_picture_parts_no_pictures() -> None:
    """Scanned paper, and letters beside a rule in a small picture, are as grainy as a photograph."""
    rng = np.random.default_rng(5)
    page = np.repeat(245 + rng.integers(-6, 7, (200, 300, 1)), 3, axis=2).astype(np.uint8)
    page[:, 149:151] = 0
    lines = [at(f"w{x}{y}", x, y, x + 60, y + 14) for y in range(4, 190, 20) for x in (70, 170)]
    assert len(collage(page, lines)) == 1


def test_the_middles_of_small_letters_that_touch_are_no_rules() -> None:
    """A paper's footnote under a table became a part of it: its lines were rules that closed off cells."""
    page = np.full((200, 460, 3), 255, np.uint8)
    for y in YS:
        page[y : y + 2, 20:442] = 0
    lines = cells()
    for top in (72, 112):
        page[top + 8 : top + 10, 170:290] = 0
        lines.append(at("a word after another", 160, top, 300, top + 18))
    level = {round(r.start[1]) for r in rules_on(page, lines) if abs(r.start[0] - r.end[0]) > 60}
    assert {round(y / 20) * 20 for y in level} == set(YS)


def test_rules_may_part_groups_of_rows() -> None:
    """One above the last two rows, and one behind the names: the rows between two rules were one row."""
    rows = [("Method", "R", "P"), *((f"M{n}", f"7{n}.1", f"8{n}.2") for n in range(8))]
    lines = [
        at(text, x, 18 * n, x + 10 * len(text), 18 * n + 17)
        for n, row in enumerate(rows)
        for x, text in zip((0, 120, 200), row, strict=True)
    ]
    rules = [Rule((0, y), (250, y)) for y in (17.5, 18 * 7 - 0.5)] + [Rule((100, 0), (100, 170))]
    (table,) = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
    assert [[cell.text for cell in row] for row in table.rows] == [list(row) for row in rows]


def test_two_level_rules_that_end_together_say_where_the_side_of_a_table_is() -> None:
    rows = (("1", "Tea", "2.50"), ("2", "Salt", "3.80"))
    lines = [
        at(text, x + 5, 26 * n + 3, x + 5 + 10 * len(text), 26 * n + 23)
        for n, row in enumerate(rows)
        for x, text in zip((0, 60, 160), row, strict=True)
    ]
    lines += [at("Total", 165, 70, 215, 90), at("6.30", 300, 70, 340, 90)]
    rules = [Rule((0, y), (240, y)) for y in (26, 52)] + [Rule((x, 0), (x, 52)) for x in (0, 60, 160)]
    table, *_ = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
    assert [[cell.text for cell in row] for row in table.rows] == [list(row) for row in rows]
