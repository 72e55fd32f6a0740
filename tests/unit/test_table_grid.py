"""Tables among detected lines: the right cells on drawn ones, and none where there is none."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.parted_lines import parted
from vramwise.ocr.results.result import Table, Word
from vramwise.ocr.results.rules import Rule

from devtools.drawn_layouts import average_width, boxes, columns_page, rows_page, table_page
from devtools.drawn_tables import varied_table

Drawn = tuple[list[Line], list[Rule]]


def tables_of(lines: list[Line]) -> tuple[Table, ...]:
    return reading_order.tables(lines, reading_order.arrange(lines))


def cells_of(table: Table) -> set[tuple[int, int, int, str]]:
    return {
        (y, x, cell.across, cell.text)
        for y, row in enumerate(table.rows)
        for x, cell in enumerate(row)
        if cell.text
    }


def test_drawn_tables_have_the_right_cells() -> None:
    """Ruled or not, with a merged heading, empty cells, cells of several lines and numbers on the right."""
    scores = []
    for seed in range(1_000, 1_120):
        drawn = table_page(seed)
        wanted = set(drawn.cells)
        found = max((cells_of(table) for table in tables_of(boxes(drawn.page, seed))), key=len, default=set())
        scores.append(2 * len(wanted & found) / (len(wanted) + len(found)))
    print(f"cell F1 {sum(scores) / len(scores):.3f}")
    assert sum(scores) / len(scores) >= 0.95


def cell_f1(tables: tuple[Table, ...], wanted: set[tuple[int, int, int, str]]) -> float:
    found = max(map(cells_of, tables), key=len, default=set())
    return 2 * len(wanted & found) / (len(wanted) + len(found))


def test_other_drawn_tables_have_the_right_cells_too() -> None:
    """Wrapped cells in several columns, headings over groups and of two lines, all kinds of rules."""
    scores: dict[str, list[float]] = {}
    for seed in range(2_000, 2_080):
        drawn, kind = varied_table(seed, average_width(1.0))
        rules = [Rule((x0, y0), (x1, y1)) for x0, y0, x1, y1 in drawn.rules]
        lines = boxes(drawn.page, seed, degrees=0.0)
        found = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
        scores.setdefault(kind, []).append(cell_f1(found, set(drawn.cells)))
    means = {kind: sum(some) / len(some) for kind, some in scores.items()}
    print(f"cell F1 {means}")
    assert min(means.values()) >= 0.93
    assert min(means["grid"], means["dotted"]) >= 0.99


def test_spaces_between_low_boxes_may_be_a_line_high_within_cells_too() -> None:
    """Of uneven height, as detectors draw them: what tells is that each row has one full line."""
    texts = (
        ("Item", "Sort", "Sum"),
        ("Tea", "green leaves", "1.20"),
        ("", "of the early", ""),
        ("", "harvest", ""),
        ("Salt", "from the sea", "0.80"),
        ("", "and coarse", ""),
        ("Rice", "long grains", "2.10"),
        ("", "of last year", ""),
    )
    pitches = (0, 43, 36, 34, 43, 37, 43, 30)  # of boxes 20 pixels high
    lines = []
    for row, y in zip(texts, itertools.accumulate(pitches), strict=True):
        for x, text in zip((0, 150, 400), row, strict=True):
            corners = ((x, y), (x + 9 * len(text), y), (x + 9 * len(text), y + 20), (x, y + 20))
            lines += [Line(text, corners)] * bool(text)
    (table,) = reading_order.tables(lines, reading_order.arrange(lines))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Item", "Sort", "Sum"],
        ["Tea", "green leaves of the early harvest", "1.20"],
        ["Salt", "from the sea and coarse", "0.80"],
        ["Rice", "long grains of last year", "2.10"],
    ]


def test_three_level_rules_around_headings_and_rows_say_that_columns_are_those_of_a_table() -> None:
    drawn, _ = varied_table(5117, average_width(1.0))
    rules = [Rule((x0, y0), (x1, y1)) for x0, y0, x1, y1 in drawn.rules]
    assert len(rules) == 3
    lines = boxes(drawn.page, 5117)
    found = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
    assert cell_f1(found, set(drawn.cells)) == 1.0


def test_rules_alone_say_which_cells_are_merged() -> None:
    """A heading over two columns, a name beside two rows; an underline is no rule of the table."""
    lines = grid(("Item", "Both"), ("Tea", "a", "b"), ("", "c", "d"), x=(0, 200, 320))
    level = [((-10, y), (400, y)) for y in (-3, 24, 76)] + [((190, 50), (400, 50)), ((200, 70), (230, 70))]
    upright = [((x, -3), (x, 76)) for x in (-10, 190, 400)] + [((310, 24), (310, 76))]
    order = reading_order.arrange(lines, rules=[Rule(*ends) for ends in (*level, *upright)])
    (table,) = reading_order.tables(lines, order)
    assert [[(cell.text, cell.across, cell.down) for cell in row] for row in table.rows] == [
        [("Item", 1, 1), ("Both", 2, 1), ("", 1, 1)],
        [("Tea", 1, 2), ("a", 1, 1), ("b", 1, 1)],
        [("", 1, 1), ("c", 1, 1), ("d", 1, 1)],
    ]


def test_names_of_columns_that_end_beside_each_other_are_one_head() -> None:
    """Longer ones begin higher. A whole head above them is not theirs."""
    heads = [("", "Whole", "", "Combined"), ("", "school", "", "weighted"), ("Land", "rate", "Rate", "rate")]
    rows = [(f"Land {n} of all", f"{n + 10}", f"{n + 30}", f"{n + 50}") for n in range(6)]
    x = (0, 200, 320, 440)
    (table,) = tables_of(grid(*heads, *rows, x=x))
    names = ["Land", "Whole school rate", "Rate", "Combined weighted rate"]
    assert [cell.text for cell in table.rows[0]] == names and len(table.rows) == 7
    (table,) = tables_of(grid(("Kind", "Best", "Last", "Most"), *heads, *rows, x=x))
    assert [cell.text for cell in table.rows[0]] == ["Kind", "Best", "Last", "Most"]


def test_two_numbers_side_by_side_below_one_year_are_two_columns() -> None:
    """No rule parts them; the year stands over both."""
    rows = [("Land", "  2007", "", "  2008", ""), ("", "N", "Pos", "N", "Pos")]
    rows += [(f"Land {n}", f"{90 + 9 * n}", f"{n}.4", f"{91 + n}", f"{n}.7") for n in range(5)]
    lines = grid(*rows, x=(0, 120, 170, 240, 290))
    lines[1:3] = [replace(one, polygon=tuple((x + 25, y) for x, y in one.polygon)) for one in lines[1:3]]
    level = [((-10, y), (340, y)) for y in range(-3, 26 * 8 - 3, 26)]
    upright = [((x, -3), (x, 26 * 7 - 3)) for x in (-10, 110, 230, 340)]
    order = reading_order.arrange(lines, rules=[Rule(*ends) for ends in (*level, *upright)])
    (table,) = reading_order.tables(lines, order)
    cells = [[(cell.text, cell.across) for cell in row if cell.text] for row in table.rows]
    assert cells[0] == [("Land", 1), ("2007", 2), ("2008", 2)]
    assert [cell.text for cell in table.rows[3]] == ["Land 1", "99", "1.4", "92", "1.7"]
    names = [(f"Name {n}", "of", "them", "all", "here") for n in range(5)]
    lines = grid(*names, x=(0, 120, 170, 240, 290))
    order = reading_order.arrange(lines, rules=[Rule(*ends) for ends in (*level[:6], *upright)])
    (table,) = reading_order.tables(lines, order)
    assert len(table.rows[0]) == 3


def test_columns_ruled_in_the_head_alone_part_the_words_below_it() -> None:
    """A name may reach over an empty column, not over what stands in the one behind it; boxes have paper."""
    rows = ("Item", "Unit", "Best", "Last"), ("Tea", "cup", "", "5"), ("All of the teas here", "", "7", "8")
    lines = grid(*rows, x=(0, 190, 320, 420))
    ends = [((-10, y), (500, y)) for y in (-3, 24, 50, 76)]
    ends += [((x, -3), (x, 76)) for x in (-10, 500)] + [((x, -3), (x, 24)) for x in (193, 310, 410)]
    order = reading_order.arrange(lines, rules=[Rule(*one) for one in ends])
    (table,) = reading_order.tables(lines, order)
    assert [[(cell.text, cell.across) for cell in row if cell.text] for row in table.rows] == [
        [("Item", 1), ("Unit", 1), ("Best", 1), ("Last", 1)],
        [("Tea", 1), ("cup", 2), ("5", 1)],
        [("All of the teas here", 2), ("7", 1), ("8", 1)],
    ]


@pytest.mark.parametrize(
    "drawn", [(190, 310, 400), (-10, 190, 310), (190, 310)], ids=["right", "left", "none"]
)
def test_a_side_that_is_not_drawn_is_where_the_other_rules_end(drawn: tuple[int, ...]) -> None:
    """As many print tables, and as one rule of a slanted picture is missed: the column stays a column."""
    lines = grid(("Item", "Best", "Last"), ("Tea with milk", "a", "b"), ("", "c", "d"), x=(0, 200, 320))
    ends = [((-10, y), (400, y)) for y in (-3, 24, 50, 76)] + [((x, -3), (x, 76)) for x in drawn]
    order = reading_order.arrange(lines, rules=[Rule(*one) for one in ends])
    (table,) = reading_order.tables(lines, order)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Item", "Best", "Last"],
        ["Tea with milk", "a", "b"],
        ["", "c", "d"],
    ]
    assert " ".join(lines[at].text for at in order.rows[0]) == "Item Best Last"


def test_three_level_rules_with_a_head_between_are_one_table() -> None:
    """Two wrapped columns side by side looked like columns of text, and the table was cut in two."""
    for seed in (20_073, 20_221):
        table, kind = varied_table(seed, average_width(1.0))
        rules = [Rule((x0, y0), (x1, y1)) for x0, y0, x1, y1 in table.rules]
        lines = boxes(table.page, seed, degrees=0.0)
        found = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
        assert kind == "level" and cell_f1(found, set(table.cells)) >= 0.95


def test_two_headings_read_as_one_line_are_two_cells() -> None:
    rows = grid(("Item", "Best", "Last"), ("Tea", "2.50", "3"), ("Milk", "1.20", "12"), x=(0, 200, 265))
    first, best, last, *rest = rows
    words = tuple(Word(line.text, line.polygon) for line in (best, last))
    (a, _, _, d), (_, b, c, _) = best.polygon, last.polygon
    lines = parted([first, Line("Best Last", (a, b, c, d), 0.9, words), *rest])
    (table,) = tables_of(lines)
    assert [cell.text for cell in table.rows[0]] == ["Item", "Best", "Last"]


def joined(*lines: Line) -> Line:
    """Neighbours in a row as a reader that draws one box around them gives them."""
    words = tuple(Word(line.text, line.polygon) for line in lines)
    (a, _, _, d), (_, b, c, _) = lines[0].polygon, lines[-1].polygon
    return Line(" ".join(line.text for line in lines), (a, b, c, d), 0.9, words)


def test_numbers_that_were_read_with_the_words_beside_them_are_cells_of_their_own() -> None:
    rows = grid(
        *(
            ("Item", "Sum", "Kept in"),
            ("Tea", "2.50", "tins"),
            ("Milk", "1.20", "glass"),
            ("Salt", "0.40", "bags"),
        ),
        x=(0, 200, 256),
    )
    lines = parted(
        [*rows[:4], joined(*rows[4:6]), *rows[6:7], joined(*rows[7:9]), rows[9], joined(*rows[10:])]
    )
    (table,) = tables_of(lines)
    assert [[cell.text for cell in row][1:] for row in table.rows] == [
        ["Sum", "Kept in"],
        ["2.50", "tins"],
        ["1.20", "glass"],
        ["0.40", "bags"],
    ]


def test_under_a_heading_over_all_columns_names_and_numbers_read_with_their_neighbours_are_parted() -> None:
    rows = [("Make", "Water", "My", "Who", "Your", "If"), ("On", "1,204.00", "They", "12.00", "3.49", "This")]
    rows += [
        ("These", "7.25", "Which", "129.90", "3.49", "It Her"),
        ("Some", "7.25", "Do", "12.00", "7.25", "For"),
    ]
    lines = [at("Each Words", 905, 142, 1051, 170)]
    for number, (*others, number_, words) in enumerate(rows):
        y = 201 + 60 * number
        for text, x, flush in zip(others, (70, 535, 571, 1040), "lrlr", strict=True):
            left = x - 14 * len(text) if flush == "r" else x
            lines.append(at(text, left, y, left + 14 * len(text), y + 28))
        ends = (
            at(number_, 1265 - 14 * len(number_), y, 1265, y + 28),
            at(words, 1290, y, 1290 + 14 * len(words), y + 28),
        )
        lines += ends if number == 1 else [joined(*ends)]
    (table,) = tables_of(parted(lines))
    assert [[cell.text for cell in row] for row in table.rows[-4:]] == [list(row) for row in rows]


def test_cells_that_were_read_as_one_line_are_parted_at_a_space_as_wide_as_no_other() -> None:
    names = (("Item", "Kind"), ("Tea", "black"), ("Milk", "whole"), ("Salt", "rough"))
    lines: list[Line] = []
    for number, (item, kind) in enumerate(names):
        y = 66 * number
        pair = [at(item, 0, y, 10 * len(item), y + 20), at(kind, 120, y, 120 + 10 * len(kind), y + 20)]
        lines += [joined(*pair)] if number in (1, 2) else pair
        for below in (0, 26) if number else (0,):
            two = (
                at("of my", 320, y + below, 370, y + below + 20),
                at("own", 376, y + below, 406, y + below + 20),
            )
            lines.append(joined(*two))
    (table,) = tables_of(parted(lines))
    assert [[cell.text for cell in row][:2] for row in table.rows] == [list(pair) for pair in names]


def at(text: str, left: float, top: float, right: float, bottom: float) -> Line:
    return Line(text, ((left, top), (right, top), (right, bottom), (left, bottom)), 0.9)


def test_a_box_drawn_out_to_the_next_cell_takes_no_column_of_it() -> None:
    """It looked like a merged cell, so the lines under it were rows of their own."""
    texts = (
        ("Do", "Way", "Was"),
        ("One", "long they", "these"),
        ("", "more will", ""),
        ("My", "into woulds", "were"),
    )
    texts += (("", "him if", ""), ("Six", "did long", "their"), ("", "like him", ""))
    tops = itertools.accumulate((0, 45, 26, 45, 26, 45, 26))
    lines = [
        at(text, x, y, x + (175 if "woulds" in text else 10 * len(text)), y + 22)
        for row, y in zip(texts, tops, strict=True)
        for x, text in zip((0, 100, 260), row, strict=True)
        if text
    ]
    drawn_out = [
        at("were", 255, line.polygon[0][1], 300, line.polygon[2][1]) if line.text == "were" else line
        for line in lines
    ]
    (table,) = tables_of(drawn_out)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Do", "Way", "Was"],
        ["One", "long they more will", "these"],
        ["My", "into woulds him if", "were"],
        ["Six", "did long like him", "their"],
    ]


def test_headings_over_columns_do_not_hide_that_each_row_has_one_full_line() -> None:
    """Spaces within cells of 1.4 line heights, as Tesseract's low boxes have them, and headings twice."""
    texts = (("", "Both", "", "All"), ("Item", "Sort", "Sum", "Tax"), ("Tea", "green leaves", "1.20", "3"))
    texts += (("", "of the early", "", ""), ("", "harvest", "", ""), ("Salt", "from the sea", "0.80", "1"))
    texts += (("", "and coarse", "", ""),)
    tops = itertools.accumulate((0, 60, 60, 42, 42, 60, 42))
    lines = [
        at(text, x, y, x + 10 * len(text), y + 20)
        for row, y in zip(texts, tops, strict=True)
        for x, text in zip((0, 150, 400, 480), row, strict=True)
        if text
    ]
    (table,) = tables_of(lines)
    assert [[cell.text for cell in row] for row in table.rows][-2:] == [
        ["Tea", "green leaves of the early harvest", "1.20", "3"],
        ["Salt", "from the sea and coarse", "0.80", "1"],
    ]


def test_lines_of_a_heading_half_a_line_apart_are_the_tables_however_low_their_boxes_are() -> None:
    heading = [at("Evening", 262, 66, 336, 92), at("Place", 75, 85, 149, 111), at("sums", 259, 109, 336, 129)]
    body = [
        at(text, x, y, x + wide, y + 26)
        for y, row in zip(
            (163, 223, 283, 343), (("Tea", "12"), ("Salt", "44"), ("Rice", "6"), ("Milk", "9")), strict=True
        )
        for x, wide, text in zip((75, 280), (80, 60), row, strict=True)
    ]
    (table,) = tables_of([*heading, *body])
    assert [cell.text for cell in table.rows[0]] == ["Place", "Evening sums"]


def test_columns_of_text_are_no_table() -> None:
    assert not [seed for seed in range(100) if tables_of(boxes(columns_page(seed), seed))]


def grid(*rows: tuple[str, ...], x: tuple[int, ...] = (0, 200, 320), pitch: int = 26) -> list[Line]:
    lines = []
    for number, row in enumerate(rows):
        for at, text in zip(x, row, strict=False):
            if text:
                y, end = number * pitch, at + 10 * len(text)
                lines.append(Line(text, ((at, y), (end, y), (end, y + 20), (at, y + 20)), 0.9))
    return lines


@pytest.mark.parametrize(
    "rows",
    [
        [("1.", "Tea and more"), ("2.", "Bread and"), ("3.", "Milk with")],
        [("-", "Tea and more"), ("-", "Bread and"), ("-", "Milk with")],
        [("Name:", "Ann"), ("Born:", "1990"), ("Place:", "Oslo")],
        [("Tea", "3"), ("Bread", "9"), ("Milk", "12"), ("Honey", "40")],
        [("HEY", "THIS IS", "PEANUT"), ("JERRY", "GREAT", "BUTTER")],
        [("Tea .......", "..3"), ("Bread ....", "9"), ("Milk . . . .", "...12"), ("Honey", ".. 40")],
        [("int a = 5;", "// the first"), ("int b = 7;", "// the second"), ("return 0;", "// done")],
        [("a = 5", "x = 1", "# the first"), ("b = 7", "y = 2", "# the second"), ("c = 0", "z = 3", "# no")],
    ],
    ids=["numbered list", "list", "form", "contents", "two rows of balloons", "dots", "code", "more code"],
)
def test_a_list_a_form_and_contents_are_no_table(rows: list[tuple[str, ...]]) -> None:
    assert tables_of(grid(*rows)) == ()


SIDES = ("Tea from", "the hills", "Bread of", "dark rye", "Milk and", "cream")


def test_rules_say_which_lines_are_of_one_cell_and_that_cells_are_no_columns() -> None:
    """Lines at one distance, in two columns of words: columns of text, but for the rules between them."""
    lines = grid(*zip(SIDES, reversed(SIDES), strict=True), x=(0, 300))
    rules = [Rule((-10, y), (450, y)) for y in (-3, 49, 101, 153)] + [Rule((250, -3), (250, 153))]
    (table,) = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Tea from the hills", "cream Milk and"],
        ["Bread of dark rye", "dark rye Bread of"],
        ["Milk and cream", "the hills Tea from"],
    ]


@pytest.mark.parametrize(("bottom", "pieces"), [(60, ["Tea", "2.50"]), (15, ["Tea 2.50"])])
def test_a_line_drawn_through_a_rule_is_two_cells(bottom: float, pieces: list[str]) -> None:
    words = tuple(Word(w.text, w.polygon) for w in grid(("Tea", "2.50"), x=(0, 35)))
    ((a, _, _, d), (_, b, c, _)) = (word.polygon for word in words)
    line = Line("Tea 2.50", (a, b, c, d), 0.9, words)
    assert [piece.text for piece in parted([line], [Rule((32, -20), (32, bottom))])] == pieces


PRICES = [
    ("Item", "Price", "Count"),
    ("Tea | black", "2.50", "3"),
    ("Bread", "", "1"),
    ("Milk", "1.20", "12"),
]


def test_a_table_is_a_table_in_markdown_and_rows_in_the_text() -> None:
    lines = grid(*PRICES)
    order = reading_order.arrange(lines)
    assert reading_order.markdown(lines, order) == (
        "| Item | Price | Count |\n| --- | --- | --- |\n"
        "| Tea \\| black | 2.50 | 3 |\n| Bread |  | 1 |\n| Milk | 1.20 | 12 |"
    )
    assert (
        reading_order.plain_text(lines, order)
        == "Item Price Count\nTea | black 2.50 3\nBread 1\nMilk 1.20 12"
    )


def test_cells_name_the_regions_that_they_are_made_of() -> None:
    lines = list(reversed(grid(*PRICES)))
    order = reading_order.arrange(lines)
    regions = reading_order.regions_in_order(lines, order)
    (table,) = reading_order.tables(lines, order)
    assert table.header_rows == 1
    for row in table.rows:
        for cell in row:
            assert cell.text == " ".join(regions[place].text for place in cell.regions)


def test_a_receipt_of_names_and_prices_is_a_table_of_two_columns() -> None:
    (table,) = tables_of(grid(("Tea", "2.50"), ("Bread", "3.10"), ("Milk", "1.20")))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Tea", "2.50"],
        ["Bread", "3.10"],
        ["Milk", "1.20"],
    ]


def test_dots_that_lead_from_cell_to_cell_are_no_part_of_either() -> None:
    """What is said with three dots is, and so is a number that begins with one."""
    rows = (("Tea . . . .", "...2.50"), ("Bread.......", ".. $3.10"), ("And more...", ".75"))
    (table,) = tables_of(grid(*rows))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Tea", "2.50"],
        ["Bread", "$3.10"],
        ["And more...", ".75"],
    ]


def test_forms_and_contents_of_drawn_pages_stay_rows() -> None:
    for seed in range(60):
        lines = boxes(rows_page(seed), seed)
        for table in tables_of(lines):
            assert not all(row[0].text.endswith(":") for row in table.rows)


def test_pieces_of_one_cell_read_from_left_to_right() -> None:
    """The detector parts "6,001, 271.61" at a mark drawn into it, its right piece a pixel higher."""
    pieces = [("6,001,", 330, 91, 388, 111), ("271.61", 384, 89, 450, 109)]
    for row, name in enumerate(("January", "February", "March", "April", "May")):
        pieces.append((name, 20, 30 * row, 110, 30 * row + 20))
        pieces.append((f"1{row}0.00", 200, 30 * row, 260, 30 * row + 20))
        if row != 3:
            pieces.append((f"35,498,64{row}.64", 330, 30 * row, 450, 30 * row + 20))
    lines = [Line(text, ((a, b), (c, b), (c, d), (a, d)), 0.99) for text, a, b, c, d in pieces]
    (table,) = tables_of(lines)
    assert "6,001, 271.61" in [cell.text for row in table.rows for cell in row]


def drawn_cells(xs: tuple[float, ...], ys: tuple[float, ...], counts: dict[tuple[int, int], int]) -> Drawn:
    """A grid with so many lines of text in its cells, 20 high in steps of 24, and its rules."""
    lines = []
    for (row, column), count in counts.items():
        for n in range(count):
            x, y = xs[column] + 6, ys[row] + 4 + 24 * n
            text = f"{row}.{column}.{n} " + "words " * 6
            lines.append(
                Line(text, ((x, y), (xs[column + 1] - 6, y), (xs[column + 1] - 6, y + 20), (x, y + 20)))
            )
    rules = [Rule((xs[0], y), (xs[-1], y)) for y in ys] + [Rule((x, ys[0]), (x, ys[-1])) for x in xs]
    return lines, rules


def test_lines_of_one_ruled_cell_are_read_from_above_though_a_line_beside_stands_between() -> None:
    _, rules = drawn_cells((0, 100, 300, 400), (0, 60, 120), {})
    lines = [at("Use", 20, 19, 60, 41), at("from here", 111, 9, 200, 31), at("for it", 110, 29, 170, 51)]
    lines += [at("1.20", 320, 19, 360, 41), at("Was", 20, 80, 70, 102)]
    lines += [at("kept", 111, 80, 160, 102), at("3", 320, 80, 335, 102)]
    (table,) = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
    assert [cell.text for cell in table.rows[0]] == ["Use", "from here for it", "1.20"]


def test_a_cell_of_a_ruled_table_may_have_many_lines() -> None:
    counts = [[1, 1, 1], [1, 3, 14], [2, 6, 3], [5, 1, 4], [1, 1, 1]]
    some = {(row, column): count for row, line in enumerate(counts) for column, count in enumerate(line)}
    lines, rules = drawn_cells((0.0, 200.0, 400.0, 800.0), (0.0, 40.0, 400.0, 560.0, 700.0, 740.0), some)
    order = reading_order.arrange(lines, rules=rules)
    (table,) = reading_order.tables(lines, order)
    assert [[len(cell.regions) for cell in row] for row in table.rows] == counts
    assert " ".join(lines[at].text[:5] for at in order.rows[1]) == "1.0.0 1.1.0 1.2.0"


@pytest.mark.parametrize("columns", [3, 4])
def test_high_rows_are_of_a_table_with_many_columns_and_of_no_newspaper(columns: int) -> None:
    xs = tuple(200.0 * n for n in range(columns + 1))
    counts = {(row, column): 15 for row in range(2) for column in range(columns)}
    lines, rules = drawn_cells(xs, (0.0, 380.0, 760.0), counts)
    order = reading_order.arrange(lines, rules=rules)
    assert len(reading_order.tables(lines, order)) == (columns > 3)
    assert len(order.rows[0]) == (columns if columns > 3 else 1)


def test_a_frame_around_a_page_makes_no_cell_of_it_and_its_block_stays_a_table() -> None:
    """As drawings and technical papers have it, with boxes up the left margin."""
    ys = (0.0, 600.0, 630.0, 660.0)
    block = {(row, column): 1 for row in (1, 2) for column in (1, 2, 3)}
    lines, _ = drawn_cells((0.0, 40.0, 240.0, 440.0, 640.0), ys, block)
    texts = [
        ("1. First chapter", 60.0, 300.0),
        ("4", 600.0, 620.0),
        ("2. Second", 60.0, 200.0),
        ("9", 600.0, 620.0),
    ]
    for n, (text, x0, x1) in enumerate(texts):
        y = 100.0 + 60 * (n // 2)
        lines.append(Line(text, ((x0, y), (x1, y), (x1, y + 20), (x0, y + 20))))
    rules = [Rule((0.0 if y in (0.0, 660.0) else 40.0, y), (640.0, y)) for y in ys]
    rules += [Rule((x, 0.0), (x, 660.0)) for x in (0.0, 40.0, 640.0)]
    rules += [Rule((x, 600.0), (x, 660.0)) for x in (240.0, 440.0)]
    order = reading_order.arrange(lines, rules=rules)
    assert reading_order.plain_text(lines, order).splitlines()[:2] == ["1. First chapter 4", "2. Second 9"]
    (table,) = reading_order.tables(lines, order)
    assert [[cell.text[:5] for cell in row] for row in table.rows] == [
        ["1.1.0", "1.2.0", "1.3.0"],
        ["2.1.0", "2.2.0", "2.3.0"],
    ]


@pytest.mark.parametrize("ragged", [True, False], ids=["labels", "a column of text"])
def test_boxes_of_a_form_are_read_beside_their_labels_and_a_table_beside_text_is_one(ragged: bool) -> None:
    xs, ys = (400.0, 500.0, 600.0), tuple(30.0 * n for n in range(7))
    lines, rules = drawn_cells(xs, ys, {(row, column): 1 for row in range(6) for column in range(2)})
    for n in range(6):
        x0, y = (300.0 - 40 * (n % 5), 30.0 * n + 4) if ragged else (100.0, 30.0 * n + 8)
        lines.append(Line(f"label {n}", ((x0, y), (380, y), (380, y + 20), (x0, y + 20))))
    order = reading_order.arrange(lines, rules=rules)
    ruled = [table for table in reading_order.tables(lines, order) if len(table.rows[0]) == 2]
    assert bool(ruled) != ragged
    if ragged:
        assert reading_order.plain_text(lines, order).splitlines()[0].startswith("label 0 0.0.0")


def test_rows_far_apart_whose_lines_stand_under_one_another_are_of_one_table() -> None:
    """A week's plan: what is on at an hour, and where, with room between the hours and days left free."""
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
    plan = {(0, 0): "Maths", (0, 2): "History", (0, 4): "Art", (1, 1): "Physics", (1, 3): "English"}
    plan |= {(2, 0): "Music", (2, 2): "Maths", (2, 4): "Sport"}
    lines = [_at(day, 200 + 200 * x, 60) for x, day in enumerate(days)]
    lines += [_at(f"{8 + 2 * y}:00", 40, 140 + 120 * y) for y in range(3)]
    for (y, x), what in plan.items():
        lines += [
            _at(what, 200 + 200 * x, 140 + 120 * y),
            _at(f"Room {5 * y + x}", 200 + 200 * x, 172 + 120 * y),
        ]
    (table,) = tables_of(lines)
    assert [len(row) for row in table.rows] == [6] * 4
    assert [cell.text for cell in table.rows[2]] == ["10:00", "", "Physics Room 6", "", "English Room 8", ""]


@pytest.mark.parametrize(
    ("name", "price"), [("Beef steak .", "24.00"), ("Beef steak", ". 24.00"), ("Beef steak ..", "24.00")]
)
def test_the_one_dot_that_was_seen_of_a_leader_is_in_no_cell(name: str, price: str) -> None:
    rows = [("Tomato soup", "6.50"), (name, price), ("Apple pie", "7.00"), ("Espresso", "2.80")]
    lines = [
        _at(text, x, 60 + 60 * y)
        for y, row in enumerate(rows)
        for x, text in zip((60, 600), row, strict=True)
    ]
    (table,) = tables_of(lines)
    assert [cell.text for cell in table.rows[1]] == ["Beef steak", "24.00"]


def _at(text: str, x: float, y: float) -> Line:
    return Line(text, ((x, y), (x + 12 * len(text), y), (x + 12 * len(text), y + 24), (x, y + 24)), 0.95)
