"""Pictures set side by side in one are read one after the other; a table with coloured columns stays one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from vramwise.ocr.engines.pictures.collages import collage
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line


def line(text: str, left: float, top: float, high: float = 20) -> Line:
    right = left + 12 * len(text)
    return Line(text, ((left, top), (right, top), (right, top + high), (left, top + high)), 0.99)


def photo(height: int, width: int, colour: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.normal(colour, 25, (height // 8 + 1, width // 8 + 1, 3)).clip(0, 255).astype(np.uint8)
    smooth = cv2.resize(coarse, (width, height)).astype(np.int16)
    return (smooth + rng.integers(-6, 7, smooth.shape)).clip(0, 255).astype(np.uint8)


def flat(height: int, width: int, colour: int) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def text(lines: list[Line], parts: list[list[int]]) -> list[str]:
    return reading_order.plain_text(lines, reading_order.arrange_parts(lines, parts)).split("\n")


LEFT = [line("MARKET", 30, 150), line("STREET", 30, 190)]
RIGHT = [line("SPEED", 260, 60), line("LIMIT", 260, 100)]


def test_two_photographs_are_read_one_by_one() -> None:
    picture = np.hstack([photo(300, 200, 90, 1), photo(300, 200, 180, 2)])
    lines = [*RIGHT, *LEFT]
    assert text(lines, collage(picture, lines)) == ["MARKET", "STREET", "SPEED", "LIMIT"]


def test_a_photograph_beside_what_was_read_of_it() -> None:
    picture = np.hstack([photo(300, 300, 110, 3), flat(300, 300, 255)])
    words = "INVOICE", "TOTAL", "THANKS"
    lines = [line(word, x, 60 + 80 * i) for i, word in enumerate(words) for x in (40, 340)]
    assert text(lines, collage(picture, lines)) == [*words, *words]


def test_a_grid_of_pictures_is_read_by_rows() -> None:
    rows = [
        np.hstack([photo(200, 300, 60 + 90 * y, y), photo(200, 300, 200 - 90 * y, 5 + y)]) for y in (0, 1)
    ]
    lines = [line(f"PANEL {y}{x}", 60 + 300 * x, 60 + 200 * y + 50 * x) for x in (0, 1) for y in (0, 1)]
    assert text(lines, collage(np.vstack(rows), lines)) == ["PANEL 00", "PANEL 01", "PANEL 10", "PANEL 11"]


def test_a_row_of_pictures_over_a_caption() -> None:
    above = np.hstack([photo(300, 200, 90, 1), photo(300, 200, 180, 2)])
    lines = [*RIGHT, *LEFT, line("Two signs of one street", 20, 350)]
    found = collage(np.vstack([above, flat(100, 400, 255)]), lines)
    assert text(lines, found) == ["MARKET", "STREET", "SPEED", "LIMIT", "Two signs of one street"]


@pytest.mark.parametrize("kind", ["coloured columns", "one photograph", "a line across", "upright columns"])
def test_other_pictures_are_one(kind: str) -> None:
    picture = np.hstack([photo(300, 200, 90, 1), photo(300, 200, 180, 2)])
    lines = [*RIGHT, *LEFT]
    if kind == "coloured columns":  # of a table
        picture = np.hstack([flat(300, 200, 180), flat(300, 200, 255)])
        lines = [
            line(word, x, 30 + 50 * i) for i, word in enumerate(["One", "Two", "Six"]) for x in (30, 240)
        ]
    elif kind == "one photograph":
        picture = photo(300, 400, 120, 1)
    elif kind == "a line across":
        lines.append(line("A HEADING OVER BOTH", 80, 20))
    else:
        lines = [Line(one.text, tuple((y, x) for x, y in one.polygon), 0.99) for one in [*RIGHT, *LEFT]]
    assert collage(picture, lines) == [list(range(len(lines)))]


@pytest.mark.parametrize("thick", [1, 3, 5])
def test_a_rule_through_a_scanned_table_is_no_seam(thick: int) -> None:
    scan = np.full((400, 500, 3), 235, np.int16)
    scan[:, 300 : 300 + thick] = 60
    grain = np.random.default_rng(7).integers(-6, 7, scan.shape[:2])[..., None]
    picture = (scan + grain).clip(0, 255).astype(np.uint8)
    rows = [("Rent", "1,200"), ("Travel", "340"), ("Fees", "75"), ("Total", "1,615")]
    lines = [
        line(cell, x, 40 + 80 * n)
        for n, row in enumerate(rows)
        for x, cell in zip((30, 350), row, strict=True)
    ]
    assert collage(picture, lines) == [list(range(len(lines)))]


def test_tables_of_a_part_keep_their_lines() -> None:
    rows = [("January", "100", "7"), ("February", "200", "8"), ("March", "300", "9"), ("April", "400", "5")]
    table = [
        line(cell, 420 + 130 * x, 20 + 40 * y) for y, row in enumerate(rows) for x, cell in enumerate(row)
    ]
    lines = [*table, line("Photo", 30, 30), line("of it", 30, 70)]
    parts = [[12, 13], list(range(12))]
    order = reading_order.arrange_parts(lines, parts)
    (found,) = reading_order.tables(lines, order)
    assert tuple(tuple(cell.text for cell in row) for row in found.rows) == tuple(rows)
    assert [cell.regions for row in found.rows for cell in row] == [(n,) for n in range(2, 14)]
    assert reading_order.markdown(lines, order).split("\n")[0] == "Photo"
