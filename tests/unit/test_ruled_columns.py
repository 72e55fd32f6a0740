"""Tables whose columns are ruled and whose rows are not: a rule under the heading, one below the last row."""

from __future__ import annotations

import numpy as np
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.panels import Panel, Pictures
from vramwise.ocr.results.parted_lines import parted
from vramwise.ocr.results.result import Word
from vramwise.ocr.results.rules import Rule

WORDS = ("one", "two", "six", "ten", "all")
XS = (0, 200, 330, 450, 900)


def at(text: str, left: float, top: float) -> Line:
    right, bottom = left + 10 * len(text), top + 20
    return Line(text, ((left, top), (right, top), (right, bottom), (left, bottom)), 0.9)


def rows_of(rows: list[list[list[str]]]) -> list[list[str]]:
    """``rows`` of cells of lines; rules around the first and below the last, and between columns."""
    lines, y, level = [], 8, [0]
    for number, row in enumerate(rows):
        for x, texts in zip(XS, row, strict=False):
            lines += [at(text, x + 8, y + 28 * place) for place, text in enumerate(texts) if text]
        y += 28 * max(map(len, row))
        if number in (0, len(rows) - 1):
            y += 8
            level.append(y)
            y += 8
    rules = [Rule((0, at_y), (900, at_y)) for at_y in level] + [Rule((x, 0), (x, level[-1])) for x in XS]
    (table,) = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
    return [[cell.text for cell in row] for row in table.rows]


def test_rows_between_two_rules_are_told_by_their_words_and_numbers() -> None:
    """All five data sets of a paper's table stood in one cell."""
    rows = [
        ["Dataset", "Base", "Large", "Notes"],
        ["PubLayNet", "F / M", "M", "Layouts of modern documents"],
        ["PRImA", "M", "", "Layouts of magazines and reports"],
        ["Newspaper", "F", "", "Layouts of newspapers from the past"],
        ["TableBank", "F", "F", "Regions of tables"],
        ["HJDataset", "F / M", "", "Layouts of history"],
    ]
    assert rows_of([[[text] for text in row] for row in rows]) == rows


def test_rows_of_small_print_are_told_by_three_columns_with_a_line_in_each() -> None:
    """Words of one length, so that each would have had room for none of the next line's."""
    rows = [["Name", "Base", "Large", "Notes"]]
    rows += [
        [f"Model{n}", "FM"[n % 2], "" if n % 2 else "M", f"{word} of all"] for n, word in enumerate(WORDS)
    ]
    assert rows_of([[[text] for text in row] for row in rows]) == rows


def test_bars_that_are_rules_are_no_letters() -> None:
    """A heading read with the rules between its cells, as detectors' and Tesseract's lines have them."""
    texts = ("|Base", "Model|", "Large", "|", "Notes|")
    lefts = ((198, 250), (258, 334), (345, 395), (446, 456), (465, 530))
    words = tuple(
        Word(text, ((x0, 8.0), (x1, 8.0), (x1, 28.0), (x0, 28.0)), 0.9)
        for text, (x0, x1) in zip(texts, lefts, strict=True)
    )
    head = Line(" ".join(texts), ((198, 8), (530, 8), (530, 28), (198, 28)), 0.9, words=words)
    alone = Line("a|b", ((600, 8), (640, 8), (640, 28), (600, 28)), 0.9)
    rules = [Rule((x, 0), (x, 40)) for x in (200, 330, 450, 530)]
    found = sorted(parted([head, alone], rules), key=lambda line: line.polygon[0])
    assert [line.text for line in found] == ["Base Model", "Large", "Notes", "a|b"]
    assert [[word.text for word in line.words] for line in found[:3]] == [
        ["Base", "Model"],
        ["Large"],
        ["Notes"],
    ]


def test_lines_that_go_on_within_ruled_cells_stay_together() -> None:
    head = [["Town"], ["Sort"], ["Sum"], ["What it is"]]
    notes = [
        "The harbour is an old one that",
        "was built before the town had",
        "a wall, and is still used by",
        "boats",
    ]
    body = [["Oslo in", "the north of", "the country", "of fjords"], ["7"], ["12"], notes]
    assert rows_of([head, body]) == [
        ["Town", "Sort", "Sum", "What it is"],
        ["Oslo in the north of the country of fjords", "7", "12", " ".join(notes)],
    ]


FORM = (  # the edges of each row's boxes
    (0, 150, 420, 520, 660, 800, 900),
    (0, 150, 900),
    (0, 150, 420, 520, 660, 900),
    (0, 210, 480, 700, 900),
    (0, 150, 520, 660, 900),
)


def form() -> tuple[list[Line], list[Rule]]:
    """Rows 60 pixels high whose boxes are of every width, each with a label."""
    lines = [
        at(f"b{row}{box}", x + 8, 60 * row + 20)
        for row, xs in enumerate(FORM)
        for box, x in enumerate(xs[:-1])
    ]
    rules = [Rule((0, 60 * y), (900, 60 * y)) for y in range(len(FORM) + 1)]
    rules += [Rule((x, 60 * row), (x, 60 * row + 60)) for row, xs in enumerate(FORM) for x in xs]
    return lines, rules


def test_a_form_that_was_filled_in_is_a_table_though_most_of_its_boxes_are_merged() -> None:
    lines, rules = form()
    (table,) = reading_order.tables(lines, reading_order.arrange(lines, rules=rules))
    found = [[cell.text for cell in row if cell.text] for row in table.rows]
    assert found == [[f"b{row}{box}" for box in range(len(xs) - 1)] for row, xs in enumerate(FORM)]
    assert [cell.across for cell in table.rows[1] if cell.text] == [1, 8]
    blank = [line for line in lines if line.text.endswith("0")]
    assert not reading_order.tables(blank, reading_order.arrange(blank, rules=rules))


def test_the_boxes_of_a_form_are_no_pictures_of_a_comic() -> None:
    """A grey box in two corners looked like a drawing in a frame around two rows."""
    lines, rules = form()
    panels = (Panel(520, 0, 900, 120), Panel(0, 180, 900, 300))
    pictures = Pictures(panels, np.zeros((2, 2), np.int64), 1.0)
    (table,) = reading_order.tables(lines, reading_order.arrange(lines, rules=rules, pictures=pictures))
    assert len(table.rows) == len(FORM)


def _under_names(names: list[tuple[str, float]], below: float = 0) -> tuple[list[list[str]], int, list[str]]:
    """A calendar of three weeks, all cells ruled, with ``names`` (text, x) above: its rows, how many are a
    heading, and the text.
    """
    lines = [at(name, x, 20 - below) for name, x in names]
    lines += [at(str(1 + 5 * y + x), 20 + 100 * x, 60 + 60 * y) for y in range(3) for x in range(5)]
    rules = [Rule((0, 50 + 60 * y), (500, 50 + 60 * y)) for y in range(4)]
    rules += [Rule((100 * x, 50), (100 * x, 230)) for x in range(6)]
    order = reading_order.arrange(lines, rules=rules)
    (table,) = reading_order.tables(lines, order)
    text = reading_order.plain_text(lines, order).splitlines()
    return [[cell.text for cell in row] for row in table.rows], table.header_rows, text


DAYS = [(day, 20 + 100 * x) for x, day in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri"))]


def test_names_close_above_ruled_columns_are_the_heading():
    rows, heading, text = _under_names(DAYS)
    assert rows[0] == [day for day, _ in DAYS]
    assert (len(rows), heading, text[0]) == (4, 1, "Mon Tue Wed Thu Fri")
    assert _under_names([*DAYS[:1], *DAYS[2:]])[0][0] == ["Mon", "", "Wed", "Thu", "Fri"]


def test_a_title_a_few_words_and_a_row_far_above_are_no_heading_of_a_ruled_table():
    for names in ([("A month of the year", 150.0)], DAYS[:2], [(day, x + 60) for day, x in DAYS]):
        assert len(_under_names(names)[0]) == 3
    assert len(_under_names(DAYS, below=60)[0]) == 3
