"""Rules of tables on a picture: few rows are looked at, the same rules are found, letters stay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from vramwise.ocr.engines.drawn_rules import table_rules

from tests.fixtures import draw_small_tables

LINE = 20.0


def found(ink: NDArray[np.uint8], aslant: bool) -> list[tuple[int, int, tuple[int, ...], int]]:
    rules = table_rules.level_rules(ink, LINE, aslant)
    return sorted((rule.x, rule.y, rule.mask.shape, int(rule.mask.sum())) for rule in rules)


@pytest.mark.parametrize("aslant", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 1.0])
def test_few_rows_looked_at_give_the_rules_of_all(
    degrees: float, aslant: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for table in draw_small_tables.tables(9, 81):
        ink = table_rules.ink_of(draw_small_tables.turned(table.picture, degrees), 25)
        few = found(ink, aslant)
        with monkeypatch.context() as whole:
            whole.setattr(table_rules, "_bands", lambda ink, *_: [(0, ink.shape[0])])
            assert found(ink, aslant) == few


def test_of_a_large_page_only_the_rows_of_its_rules_are_looked_at() -> None:
    (table,) = (one for one in draw_small_tables.tables(2, 83) if one.name.startswith("drawn"))
    picture = Image.fromarray(table.picture)
    page = np.asarray(picture.resize((picture.width * 8, picture.height * 8), Image.Resampling.NEAREST))
    bands = table_rules._bands(table_rules.ink_of(page, 25), round(3.0 * 8 * LINE), False)
    assert 0 < sum(stop - start for start, stop in bands) <= 0.1 * page.shape[0]


def test_the_short_rules_of_single_cells_go_and_stems_of_letters_stay() -> None:
    """A column's edge that is left out beside a merged cell, and an "l" between the same two rules."""
    page = np.full((170, 300, 3), 255, np.uint8)
    page[[10, 34, 58, 82, 106, 130, 154]] = page[10:155, [0, 150]] = page[10:155, 299] = 0
    page[82:155, 80] = page[10:35, 80] = page[14:31, 100:103] = 0
    clean = table_rules.without_rules(page, LINE)
    assert np.count_nonzero(clean[:, 80, 0] < 255) <= 2  # where it met other rules
    assert (clean[14:31, 100:103] == 0).all()


def test_the_only_upright_rule_of_a_low_table_goes_where_it_joins_two_level_ones() -> None:
    """Of 2.5 line heights, too short for a rule by itself; the stem beside it is as long and joins none."""
    page = np.full((90, 300, 3), 255, np.uint8)
    high = round(2.5 * LINE)
    page[[10, 10 + high]] = page[10 : 11 + high, 150] = 0
    page[13 : 10 + high - 6, 80] = 0
    clean = table_rules.without_rules(page, LINE)
    assert np.count_nonzero(clean[:, 150, 0] < 255) <= 2
    assert (clean[13 : 10 + high - 6, 80] == 0).all()


def test_the_last_dot_of_a_dotted_rule_goes_too_and_dots_of_letters_stay() -> None:
    """Where two dotted rules cross, read as a quotation mark before the word in the cell."""
    page = np.full((90, 300, 3), 255, np.uint8)
    page[40, 10:201:2] = page[10:81:2, 250] = 0
    page[41, 203] = page[83, 251] = 0  # the last dots, a little off
    stays = np.zeros(page.shape[:2], bool)
    stays[34:36, 150:152] = stays[30:32, 202:204] = stays[60:62, 30:32] = True  # of letters
    stays[41:45, 7:9] = True  # a comma at the rule's other end
    page[stays] = 0
    clean = table_rules.without_rules(page, LINE)
    assert np.array_equal(clean[:, :, 0] == 0, stays)


def test_letters_of_low_rows_stay_and_what_is_drawn_from_rule_to_rule_goes() -> None:
    """Stems that end two pixels off the rules are no rule, be they one over the other or one alone."""
    page = np.full((120, 300, 3), 255, np.uint8)
    page[[10, 24, 38, 52, 66]] = page[10:67, [0, 200, 299]] = 0
    stays = np.zeros(page.shape[:2], bool)
    for top in (10, 24, 38, 52):
        stays[top + 3 : top + 12, [60, 65, 110]] = True
    stays[12, 20:60:6] = True  # serifs below a rule
    page[stays] = 0
    clean = table_rules.without_rules(page, 14.0)
    assert np.array_equal(clean[:, :, 0] == 0, stays)


def test_dotted_rules_that_letters_touch_are_no_letters() -> None:
    """A table as it is after being levelled: the dots of its upright rules are pixels, words end on some."""
    page = np.full((120, 300, 3), 255, np.uint8)
    page[[10, 38, 66, 94]] = 0
    page[10:95:2, [100, 200]] = 0
    page[20:31, [100, 200]] = page[50:58, 200] = 0  # stems of letters
    clean = table_rules.without_rules(page, 14.0, aslant=True)
    assert np.count_nonzero(clean[:, [100, 200], 0] < 255) <= 4


@pytest.mark.parametrize("top", [10, 14])
def test_the_side_of_one_low_cell_goes_though_no_other_runs_in_line_with_it(top: int) -> None:
    """Half as high again as a line; it may stand on one rule only."""
    page = np.full((90, 300, 3), 255, np.uint8)
    page[[10, 40]] = page[top:41, 150] = 0
    page[14:36, 80] = 0  # a letter
    clean = table_rules.without_rules(page, LINE)
    assert np.count_nonzero(clean[:, 150, 0] < 255) <= 2
    assert (clean[14:36, 80] == 0).all()


def test_a_rule_goes_up_to_its_ends() -> None:
    """What was left of three pixels of a thick one was read as a quotation mark before the line below it."""
    page = np.full((90, 300, 3), 255, np.uint8)
    page[38:42, 20:280] = page[10:80, 100:103] = 0
    assert (table_rules.without_rules(page, LINE) == 255).all()
