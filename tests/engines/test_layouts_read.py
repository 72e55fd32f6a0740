"""Drawn pages of columns and tables, read by the built-in engine: order and cells as drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageDraw
from vramwise import ocr_handle
from vramwise.models.handle import release_all

from benchmarks.pages import character_errors
from devtools.drawn_layouts import columns_page, drawn, font_width, table_page

FONTS = Path("/usr/share/fonts/truetype")
SERIF = FONTS / "liberation/LiberationSerif-Regular.ttf"
SANS = FONTS / "dejavu/DejaVuSans.ttf"


@pytest.fixture(scope="module", autouse=True)
def fonts(require: Callable[[object, str], None]) -> Iterator[None]:
    require(
        SERIF.is_file() and SANS.is_file(), "Fonts are missing: apt install fonts-dejavu fonts-liberation."
    )
    yield
    release_all()


@pytest.mark.parametrize(("seed", "font"), [(8, SANS), (18, SERIF)], ids=str)
def test_a_drawn_page_of_columns_is_read_in_its_order(seed: int, font: Path) -> None:
    page = columns_page(seed, font_width(str(font)))
    (result,) = ocr_handle().read([np.asarray(drawn(page, str(font)))])
    wrong, length = character_errors(result.text, "\n".join(line.text for line in page.lines))
    assert wrong / length <= 0.02


@pytest.mark.parametrize(("seed", "font"), [(309, SANS)], ids=str)
def test_a_drawn_table_is_read_cell_by_cell(seed: int, font: Path) -> None:
    table = table_page(seed, font_width(str(font)))
    picture = drawn(table.page, str(font))
    for rule in table.rules:
        ImageDraw.Draw(picture).line(rule, (90, 90, 90), 2)
    (result,) = ocr_handle().read([np.asarray(picture)])
    (found,) = result.tables
    cells = {
        (y, x, cell.across, cell.text.casefold())
        for y, row in enumerate(found.rows)
        for x, cell in enumerate(row)
        if cell.text
    }
    wanted = {(y, x, across, text.casefold()) for y, x, across, text in table.cells}
    assert 2 * len(cells & wanted) / (len(cells) + len(wanted)) >= 0.95
    assert result.markdown.count(" --- |") == len(found.rows[0])
