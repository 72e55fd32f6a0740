"""Reading order and markdown from invented lines."""

from __future__ import annotations

import math

from vramwise.cjk import is_cjk
from vramwise.ocr.results.line import Line
from vramwise.ocr.results.reading_order import (
    arrange,
    join_words,
    markdown,
    plain_text,
    regions_in_order,
)


def line(text: str, x: float, y: float, width: float, height: float = 20.0) -> Line:
    return Line(text, ((x, y), (x + width, y), (x + width, y + height), (x, y + height)))


def turned(lines: list[Line], degrees: float) -> list[Line]:
    a = math.radians(degrees)
    return [
        Line(
            one.text,
            tuple(
                (x * math.cos(a) - y * math.sin(a), x * math.sin(a) + y * math.cos(a)) for x, y in one.polygon
            ),
        )
        for one in lines
    ]


TWO_COLUMNS = [
    line("Title over both columns", 100, 10, 600, 40),
    line("left one", 50, 80, 300),
    line("right one", 420, 80, 300),
    line("left two", 50, 105, 300),
    line("right two", 420, 105, 300),
    line("left three", 50, 130, 300),
    line("right three", 420, 130, 300),
]
COLUMN_ORDER = "Title over both columns\nleft one\nleft two\nleft three\nright one\nright two\nright three"


def test_columns_are_read_one_after_the_other_below_a_title_across_both() -> None:
    assert plain_text(TWO_COLUMNS, arrange(TWO_COLUMNS)) == COLUMN_ORDER


def test_a_stamp_up_the_margin_is_read_behind_the_page_and_one_in_the_text_where_it_stands() -> None:
    page = [line(f"line {n}", 100, 40 * n, 400) for n in range(8)]
    up = [(20, 250), (20, 80), (44, 80), (44, 250)]
    stamp = Line("stamp", tuple(up))
    label = Line("label", tuple((x + 280, y) for x, y in up))
    for degrees in (0, 4, 90):
        lines = turned([stamp, *page], degrees)
        assert plain_text(lines, arrange(lines)).endswith("line 7\nstamp")
    lines = [label, *page]
    assert not plain_text(lines, arrange(lines)).endswith("label")


def test_reading_order_is_the_same_on_a_page_turned_by_any_angle() -> None:
    for degrees in (-12, 3, 7, 90, 180, 270):
        lines = turned(TWO_COLUMNS, degrees)
        assert plain_text(lines, arrange(lines)) == COLUMN_ORDER, degrees


def test_the_order_in_which_lines_were_detected_does_not_matter() -> None:
    shuffled = [TWO_COLUMNS[i] for i in (5, 0, 3, 6, 1, 4, 2)]
    assert plain_text(shuffled, arrange(shuffled)) == COLUMN_ORDER


def test_a_receipt_is_read_row_by_row_not_as_two_columns() -> None:
    lines = []
    for row, (name, price) in enumerate(
        [("Tea", "2.50"), ("Bread", "3.10"), ("Milk", "1.20"), ("Total", "6.80")]
    ):
        lines += [line(price, 400, 50 + 30 * row, 60), line(name, 50, 50 + 30 * row, 80)]
    assert plain_text(lines, arrange(lines)) == "Tea 2.50\nBread 3.10\nMilk 1.20\nTotal 6.80"


def test_regions_are_numbered_in_reading_order_and_keep_their_polygons() -> None:
    shuffled = list(reversed(TWO_COLUMNS))
    regions = regions_in_order(shuffled, arrange(shuffled))
    assert [region.order for region in regions] == list(range(7))
    assert "\n".join(region.text for region in regions) == COLUMN_ORDER
    assert {region.polygon for region in regions} == {one.polygon for one in TWO_COLUMNS}


def test_markdown_has_headings_paragraphs_and_no_accidental_markup() -> None:
    lines = [
        line("Report", 50, 10, 200, 40),
        line("# not a heading", 50, 90, 300),
        line("second line", 50, 115, 300),
        line("1. not a list", 50, 200, 300),
        line("- nor this", 50, 225, 300),
        line("the end", 50, 250, 300),
    ]
    assert markdown(lines, arrange(lines)) == (
        "## Report\n\n\\# not a heading\nsecond line\n\n\\1. not a list\n\\- nor this\nthe end"
    )


def test_an_indented_line_begins_a_paragraph_and_ragged_or_centred_lines_do_not() -> None:
    rows = [
        (0, "one goes on"),
        (0, "to its end."),
        (22, "Two goes on"),
        (0, "and on."),
        (22, "Three"),
        (0, "ends."),
    ]
    lines = [line(text, 50 + x, 24 * k, 300 - x) for k, (x, text) in enumerate(rows)]
    assert markdown(lines, arrange(lines)) == (
        "one goes on\nto its end.\n\nTwo goes on\nand on.\n\nThree\nends."
    )
    centred = [line(f"verse {k}", 50 + 13 * (k * 7 % 5), 24 * k, 300 - 26 * (k * 7 % 5)) for k in range(6)]
    assert "\n\n" not in markdown(centred, arrange(centred))


def test_an_empty_page_gives_empty_text() -> None:
    page = arrange([])
    assert plain_text([], page) == markdown([], page) == ""


def test_words_are_joined_with_spaces_but_not_between_chinese_characters() -> None:
    han = chr(0x4E2D)
    assert join_words(["two", "words"]) == "two words"
    assert join_words([han, han, "PP", han]) == f"{han}{han} PP {han}"
    assert is_cjk(han) and not is_cjk("a")
