"""Reading order on pages laid out at random: from boxes alone, and a few by reading a picture."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from vramwise.ocr.results import reading_order
from vramwise.ocr.results.column_signs import parts_columns
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.line_boxes import Box
from vramwise.ocr.results.parted_lines import parted
from vramwise.ocr.results.result import Word
from vramwise.ocr.results.rules import Rule

from devtools.drawn_layouts import Laid, boxes, captions_page, cards_page, columns_page, rows_page

PAGES = 200  # of each sort; of 1,500 others with columns 6 have a fault, of rows none


def read_wrongly(make: Callable[[int], Laid], texts: bool) -> list[int]:
    """The seeds of pages whose lines are not read in their order, however they were detected."""
    wrong = []
    for seed in range(10_000, 10_000 + PAGES):
        lines = boxes(make(seed), seed, texts)
        places = list(range(len(lines)))
        random.Random(seed).shuffle(places)
        order = reading_order.arrange([lines[place] for place in places])
        if [places[index] for row in order.rows for index in row] != list(range(len(lines))):
            wrong.append(seed)
    return wrong


@pytest.mark.parametrize("texts", [True, False], ids=["with texts", "boxes alone"])
def test_columns_are_read_one_by_one_whatever_spans_them(texts: bool) -> None:
    assert len(read_wrongly(columns_page, texts)) <= 2


@pytest.mark.parametrize("texts", [True, False], ids=["with texts", "boxes alone"])
def test_receipts_forms_and_contents_are_read_row_by_row(texts: bool) -> None:
    assert read_wrongly(rows_page, texts) == []


def test_most_labels_and_panels_side_by_side_are_read_one_by_one() -> None:
    """Mostly: lines of one size, or panels that stand close, look like the cells of rows."""
    assert len(read_wrongly(cards_page, True)) <= 0.4 * PAGES


def test_captions_side_by_side_are_read_one_by_one() -> None:
    """Mostly: those of one size that stand level by chance look like the cells of rows."""
    assert len(read_wrongly(captions_page, True)) <= 0.3 * PAGES


def line(text: str, x0: float, y0: float, x1: float, height: float = 20.0, words: bool = False) -> Line:
    """``words``: each letter 8 wide, beginning at ``x0``; a | in the text is the gutter, up to ``x1``."""
    corners = ((x0, y0), (x1, y0), (x1, y0 + height), (x0, y0 + height))
    spans: list[Word] = []
    if words:
        first, second = text.split("|")
        for some, end in ((first, None), (second, x1)):
            at = x0 if end is None else end - 8 * len(some)
            for word in some.split():
                x = at + 8 * some.index(word)
                box = ((x, y0), (x + 8 * len(word), y0), (x + 8 * len(word), y0 + 20), (x, y0 + 20))
                spans.append(Word(word, box, 0.9))
    return Line(text.replace("|", " "), corners, 0.9, tuple(spans))


def two_columns(first: Line, gutter: float = 16.0) -> list[Line]:
    right = 240 + gutter
    lines = [first]
    for row in range(1, 8):
        lines.append(line(f"left {row} goes on", 0, 24 * row, 240))
        lines.append(line(f"right {row} goes on", right, 24 * row, right + 240))
    return lines


def test_a_line_drawn_through_the_gutter_is_parted_there() -> None:
    lines = parted(
        two_columns(line("she sighed and then she|cause of her great sadness", 0, 0, 496, words=True))
    )
    order = reading_order.arrange(lines)
    text = reading_order.plain_text(lines, order).split("\n")
    assert text[0] == "she sighed and then she" and text[8] == "cause of her great sadness"
    assert [word.text for word in lines[0].words] == ["she", "sighed", "and", "then", "she"]
    assert lines[0].polygon[1][0] < 240 < lines[1].polygon[0][0]


@pytest.mark.parametrize("start", [60, 100, 130])
def test_a_headline_over_both_columns_stays_whole(start: int) -> None:
    lines = two_columns(line("the great headline of|this page", start, -30, start + 280, words=True))
    assert parted(lines) == lines


def test_an_initial_is_read_with_the_first_line_beside_it() -> None:
    lines = [line("S", 0, 2, 40, 66)]
    lines += [line(text, 44, 24 * k, 240) for k, text in enumerate(("HE SIGHED and", "then went", "away to"))]
    lines += [line(f"line {k} of it", 0, 24 * k, 240) for k in (3, 4, 5)]
    order = reading_order.arrange(lines)
    assert reading_order.plain_text(lines, order).startswith("SHE SIGHED and\nthen went\naway to\nline 3")


def test_a_line_over_a_headline_is_read_with_it_and_not_with_the_column_above() -> None:
    lines = [line(f"left {row} goes on and on", 0, 24 * row, 240) for row in range(12)]
    lines += [line(f"right {row} goes on and on", 256, 24 * row, 496) for row in range(20)]
    lines += [
        line("Listen to us", 20, 24 * 20 - 30, 180, 24),
        line("What All Need Most", 20, 24 * 20, 490, 60),
    ]
    order = reading_order.arrange(lines)
    read = reading_order.plain_text(lines, order).split("\n")
    assert read[-2:] == ["Listen to us", "What All Need Most"]


def test_labels_scattered_over_a_map_are_no_columns() -> None:
    places = [(180, 20), (360, 12), (530, 270), (360, 326), (480, 318), (196, 434), (350, 436), (20, 446)]
    lines = [line(f"Place {k}", x, y, x + 80, 18 + k % 3 * 8) for k, (x, y) in enumerate(places)]
    read = [lines[index] for row in reading_order.arrange(lines).rows for index in row]
    tops = [one.polygon[0][1] // 60 for one in read]
    assert tops == sorted(tops)


def test_balloons_of_a_comic_are_read_one_after_the_other() -> None:
    """Short lines, in the middle over one another, beside those of another speaker at other heights."""
    lines = [line("LOL", 217, 222, 252, 25), line("THIS IS", 202, 244, 268, 26)]
    lines += [line("GREAT I LOVE", 186, 269, 283, 22), line("YOU JERRY", 191, 291, 279, 24)]
    lines += [
        line("HEY", 44, 249, 87, 25),
        line("JERRY DO", 15, 275, 112, 30),
        line("THE FACE", 16, 302, 114, 32),
    ]
    lines += [line("PEANUT", 353, 231, 470, 43), line("BUTTER", 354, 270, 469, 39)]
    text = reading_order.plain_text(lines, reading_order.arrange(lines)).replace("\n", " ")
    assert text == "HEY JERRY DO THE FACE LOL THIS IS GREAT I LOVE YOU JERRY PEANUT BUTTER"


def test_a_line_that_runs_up_a_margin_is_in_one_piece() -> None:
    """Whatever rule of the margin's boxes runs beside it: its words stand over one another."""
    page = [line(f"text of the page {n}", 100, 30 * n, 500) for n in range(12)]
    words = [("Signed", 300, 200), ("and", 190, 160), ("dated", 150, 80)]
    up = [Word(text, ((20, y0), (20, y1), (40, y1), (40, y0))) for text, y0, y1 in words]
    margin = Line("Signed and dated", ((20, 300), (20, 80), (40, 80), (40, 300)), words=tuple(up))
    rules = [Rule((30.0, 0.0), (30.0, 400.0))]
    assert set(parted([*page, margin], rules)) == {*page, margin}


@pytest.mark.parametrize("drawn", [True, False], ids=["with its rule", "without"])
def test_a_rule_between_labels_and_what_they_say_parts_cells_and_no_columns(drawn: bool) -> None:
    """Two rows of a form, with a line of their own on each side and a rule between and below them."""
    labels = ["Sum", "in words", "abroad", "Sum", "in words", "at home"]
    lines = [line(text, 0, 24 * n + 6 * (n > 2), 90) for n, text in enumerate(labels)]
    lines += [line("Two thousand and some words", 110, y, 480) for y in (12.0, 36.0, 90.0, 114.0)]
    rules = [Rule((-10.0, y), (500.0, y)) for y in (73.0, 150.0)]
    rules += [Rule((100.0, -4.0), (100.0, 150.0))] if drawn else []
    order = reading_order.arrange(lines, rules=rules)
    first = [lines[at].text for row in order.rows for at in row][:3]
    assert ("Two thousand and some words" in first) == drawn


def test_rules_of_a_window_over_two_columns_are_no_table_of_theirs() -> None:
    """Three level rules with three words between the first two, and lines that only begin below them."""
    lines = [line(text, x, 4, x + 24) for text, x in (("New", 110), ("Open", 150), ("Save", 260))]
    for n in range(6):
        lines.append(line(f"left {n} and more", 0, 40 + 30 * n, 180))
        lines.append(line(f"right {n} and more", 220, 40 + 30 * n, 500))
    rules = [Rule((100.0, y), (300.0, y)) for y in (0.0, 30.0, 240.0)]
    order = reading_order.arrange(lines, rules=rules)
    assert sorted(at for row in order.rows for at in row) == list(range(len(lines)))


def numbered(columns: list[list[str]], first: int = 1, words: int = 40) -> list[Line]:
    """Columns whose lines are counted in front, all on the same rows, ``words`` letters to a line."""
    return [
        one
        for x, column in zip((20, 560), columns, strict=True)
        for row, text in enumerate(column)
        for one in (
            line(str(first + row), x, 40 + 30 * row, x + 22),
            line(text, x + 60, 40 + 30 * row, x + 60 + min(words, len(text)) * 10),
        )
    ]


@pytest.mark.parametrize("short", [False, True], ids=["a transcript", "a program"])
def test_columns_with_counted_lines_are_read_one_by_one(short: bool) -> None:
    said = [
        "Q. Did you keep copies of these?",
        "A. Yes.",
        "Q. Where are they?",
        "A. In the office, I believe.",
    ]
    program = ["for row in rows:", "    use(row)", "    if row:", "        stop()"]
    columns = [[f"{text} {side}" for text in 3 * (program if short else said)] for side in "lr"]
    lines = numbered(columns)
    order = reading_order.arrange(list(reversed(lines)))
    read = [list(reversed(lines))[index].text for row in order.rows for index in row]
    assert read == [one.text for one in lines]


def test_a_list_of_numbered_rows_beside_figures_is_read_row_by_row() -> None:
    names = ["Amberg", "Bremen", "Coburg", "Dachau", "Erfurt", "Fulda", "Goslar", "Hameln"]
    rows = [(str(n + 1), name, str(900 - 37 * n), f"{80 - n}.4") for n, name in enumerate(names)]
    lines = [
        line(cell, x, 40 + 30 * n, x + 12 * len(cell))
        for n, row in enumerate(rows)
        for x, cell in zip((20, 70, 400, 560), row, strict=True)
    ]
    order = reading_order.arrange(lines)
    assert [[lines[index].text for index in row] for row in order.rows] == [list(row) for row in rows]


@pytest.mark.parametrize("on_the_left", [True, False])
def test_an_article_beside_a_box_of_figures_is_read_on_its_own(on_the_left: bool) -> None:
    prose = (
        "The company said this morning that it will buy its",
        "smaller rival, which had been for sale since spring, and",
        "that the price will be paid in two parts. A suit over the",
        "rights to the compound is still open, as is well known,",
    )
    figures = [(f"Line {n}:", f"${n}.{(7 * n) % 10}0") for n in range(11, 31)]
    box, text = (20, 440) if on_the_left else (800, 20)
    sidebar = [
        line(cell, box + x, 60 + 31 * n, box + x + 12 * len(cell))
        for n, row in enumerate(figures)
        for x, cell in zip((0, 300), row, strict=True)
    ]
    article = [line(some, text, 50 + 24 * n, text + 720) for n, some in enumerate(6 * prose)]
    expected = [*sidebar, *article] if on_the_left else [*article, *sidebar]
    lines = sorted(expected, key=lambda one: one.polygon[0][1])
    order = reading_order.arrange(lines)
    assert [lines[index].text for row in order.rows for index in row] == [one.text for one in expected]


SPRING = ("The snow has gone,", "The grass is here,", "And every tree", "Has leaves;", "The earth is glad.")
POEM = ("\u767d\u4e91\u662f\u5929\uff0c", "\u6d41\u661f\u4e00\u53ea\uff0c", "\u98de\u6765\u4e00\u6735\u3002")


COUPLETS = (
    "\u5fc3\u540c\u6d41\u6c34\u51c0\uff0c\u8eab\u4e0e\u4e91\u8f7b\u3002",
    "\u6625\u65e5\u5728\u5929\u6daf\uff0c\u5929\u6daf\u65a5\u3002",
)


@pytest.mark.parametrize("verses", [SPRING, POEM, COUPLETS], ids=["a song", "a Chinese poem", "couplets"])
def test_two_columns_of_verses_are_read_one_by_one_however_level(verses: tuple[str, ...]) -> None:
    """Short lines on the same rows are cells in all else, but cells do not end in commas and stops."""
    wide = 22 if verses is POEM else 6
    rows = [40 + 30 * (n + n // len(verses)) for n in range(3 * len(verses))]  # a blank row after each stanza
    left, right = (
        [line(text, x, y, x + wide * len(text)) for text, y in zip(3 * verses, rows, strict=True)]
        for x in (20, 500)
    )
    cells = [replace(one, text=one.text.rstrip(",;.\uff0c\u3002")) for one in (*left, *right)]
    by_rows = sorted(range(len(cells)), key=lambda n: (n % len(rows), n))
    assert flat(reading_order.arrange([*left, *right])) == list(range(len(cells)))
    assert flat(reading_order.arrange(cells)) == by_rows


def flat(order: reading_order.ReadingOrder) -> list[int]:
    return [index for row in order.rows for index in row]


def test_an_article_is_read_on_its_own_whatever_stands_beside_it() -> None:
    """The end of a table, a paragraph and the labels of a chart, most of them short: rows of their own."""
    words = [(20, 535, 330 + 25 * n, "We are raising our price target on the shares") for n in range(3)]
    cells = [(400 + 9 * (n % 4), 450, 60 + 29 * n, f"{7 * n} units") for n in range(9)]
    labels = [(60 + 70 * (n % 6), 110 + 70 * (n % 6), 430 + 33 * n, f"{n} JAN") for n in range(9)]
    beside = [
        Box(n, x0, y, x1, y + 20.0, text) for n, (x0, x1, y, text) in enumerate((*words, *cells, *labels))
    ]
    prose = (
        "The company said that it will buy",
        "its smaller rival, which was for sale",
        "since the spring.",
    )
    article = [Box(50 + n, 560.0, 50 + 24.0 * n, 1000.0, 70 + 24.0 * n, prose[n % 3]) for n in range(28)]
    assert parts_columns(beside, article)
    table = [replace(box, y0=50 + 24.0 * n, y1=70 + 24.0 * n) for n, box in enumerate(beside)]
    assert not parts_columns(table, article)


PROSE = (
    "The company said that it will buy the",
    "smaller of its rivals, which was for sale",
    "since the spring of the last year, and has",
)


def test_notes_in_the_margin_are_none_of_the_rows_of_an_article() -> None:
    article = [Box(50 + n, 230.0, 24.0 * n, 830.0, 20 + 24.0 * n, PROSE[n % 3]) for n in range(36)]
    drawn = ((30, 6, 30), (40, 44, 30), (46, 130, 26), (150, 196, 18), (140, 219, 18), (145, 243, 18))
    drawn += ((60, 552, 50), (70, 640, 22), (110, 708, 18), (60, 732, 18))  # four level with a line by chance
    notes = [
        Box(n, 30.0, float(y), 30.0 + wide, float(y + high), "May 5")
        for n, (wide, y, high) in enumerate(drawn)
    ]
    assert parts_columns(notes, article)


@pytest.mark.parametrize("ruled", [True, False])
def test_a_heading_on_a_rule_through_both_columns_begins_a_section(ruled: bool) -> None:
    def columns(top: int) -> list[Line]:
        return [
            line(PROSE[n % 3], x, top + 24 * n, x + 420 - 9 * (n % 3)) for x in (50, 500) for n in range(6)
        ]

    lines = [*columns(60), line("Outlook", 50, 210, 200), *columns(250)]
    rules = [Rule((50, 238), (920, 238))] if ruled else []
    order = flat(reading_order.arrange(lines, rules=rules))
    left_first = [*range(6), 12, *range(13, 19), *range(6, 12), *range(19, 25)]
    assert order == (list(range(25)) if ruled else left_first)


def test_a_gutter_below_a_table_of_numbers_does_not_part_the_table() -> None:
    """Some of its rows say nothing but a name."""
    lines, rows = [], []
    for n in range(15):
        row = [line(f"Loans of kind {n}", 0, 24 * n, 180)]
        for x in (220, 320, 500, 600, 700) if n % 5 < 3 else ():
            row.append(line(f"{n + 1}.{n}4%", x, 24 * n, x + 50))
        rows.append(list(range(len(lines), len(lines) + len(row))))
        lines += row
    first = len(lines)
    lines += [line(PROSE[n % 3], 0, 420 + 24 * n, 430 - 9 * (n % 3)) for n in range(16)]
    lines += [line(PROSE[n % 3], 480, 435 + 24 * n, 880 - 9 * (n % 3)) for n in range(14)]
    order = reading_order.arrange(lines)
    assert [list(row) for row in order.rows] == [*rows, *([n] for n in range(first, len(lines)))]


def test_long_descriptions_with_their_amounts_are_read_row_by_row() -> None:
    wording = (
        "Repairs to the roof of the hall and what was",
        "needed for them, as agreed in the spring of the year",
    )
    lines = [
        one
        for n in range(10)
        for one in (
            line(wording[n % 2], 20, 60 + 30 * n, 660),
            line(f"{1200 - 31 * n}.00", 760, 60 + 30 * n, 850),
        )
    ]
    order = reading_order.arrange(lines)
    assert [list(row) for row in order.rows] == [[2 * n, 2 * n + 1] for n in range(10)]


@pytest.mark.parametrize("through", [False, True], ids=["rules end at the gutter", "rules go on"])
def test_what_stands_beside_a_table_whose_rules_end_is_none_of_its_cells(through: bool) -> None:
    rows = [(f"Net margin {n}", f"{20 + n}.5", f"{30 + n}.1") for n in range(12)]
    table = [
        line(cell, x, 60 + 30 * n, x + 10 * len(cell))
        for n, row in enumerate(rows)
        for x, cell in zip((20, 300, 420), row, strict=True)
    ]
    notes = ["Background", "A mine in the north", "Outlook", "Rather grey", "Target", "47.00", "Source: us"]
    beside = [line(text, 520, 66 + 49 * n, 520 + 10 * len(text)) for n, text in enumerate(notes)]
    ends = 800 if through else 470
    rules = [Rule((18.0, 57.0 + 90 * n), (ends, 57.0 + 90 * n)) for n in range(5)]
    lines = sorted([*table, *beside], key=lambda one: one.polygon[0][1])
    order = reading_order.arrange(lines, rules=rules)
    read = [lines[index].text for row in order.rows for index in row]
    assert (read == [one.text for one in [*table, *beside]]) is not through


# A table without rules, each box as high as its ink: (text, left, top, foot).
SPARSE = (
    (
        ("\u0437\u043e\u043d\u0442\u044b", 188, 27, 34),
        ("\u0445\u0440\u0430\u043d\u0438\u0442\u0441\u044f", 334, 27, 37),
    ),
    (("281", 250, 44, 53), ("\u0436\u0443\u0440\u043d\u0430\u043b\u044b", 334, 46, 56)),
    (("\u0436\u0443\u0440\u043d\u0430\u043b\u044b", 250, 65, 75), ("example", 334, 62, 75)),
    (("\u0412\u0435\u0440\u0441\u0438\u044f", 250, 82, 94), ("81", 334, 82, 91)),
    (
        ("\u043f\u0440\u0435\u0432\u044b\u0448\u0430\u0442\u044c", 250, 103, 113),
        ("\u0424\u0430\u0439\u043b", 334, 100, 110),
    ),
    (("\u0436\u0443\u0440\u043d\u0430\u043b\u044b", 250, 122, 132), ("146", 334, 120, 129)),
    (
        ("\u043f\u043e\u043b\u043d\u043e\u0441\u0442\u044c\u044e", 250, 141, 148),
        ("\u0437\u043e\u043d\u0442\u044b", 334, 141, 148),
    ),
)


def _sparse(shift: float = 0.0) -> tuple[list[Box], list[Box]]:
    sides: tuple[list[Box], list[Box]] = ([], [])
    for row in SPARSE:
        for side, (text, x, top, foot) in enumerate(row):
            down = shift * side
            sides[side].append(Box(len(sides[side]), x, top + down, x + 8 * len(text), foot + down, text))
    return sides


def test_words_whose_letters_rise_or_fall_stand_on_one_row_all_the_same() -> None:
    """Their middles differ by a fifth of their height, as those of two columns do."""
    assert not parts_columns(*_sparse())
    left, right = _sparse(9.0)  # half a row lower: lists of their own
    assert parts_columns(left, right)
    assert parts_columns([replace(b, text="\u0434\u0432\u0430 " + b.text) for b in left], right)
