"""Pages turned by quarters and slants: read as if they were not, in the built-in scripts and in others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from vramwise import ReadOptions, ocr_handle
from vramwise.hardware import capabilities
from vramwise.models.handle import release_all
from vramwise.ocr.engines.level_picture import level_picture
from vramwise.ocr.engines.protocol import NoProgress
from vramwise.ocr.engines.tesseract import TesseractReader, find_traineddata
from vramwise.settings import load_settings

from tests.fixtures import draw_scripts, draw_small_tables, draw_turned_pages

Require = Callable[[object, str], None]
QUARTERS = {0: "0", 1: "90", 2: "180", 3: "270"}


@pytest.fixture(scope="module", autouse=True)
def engines_go_at_the_end() -> Iterator[None]:
    yield
    release_all()


@pytest.fixture(scope="module")
def drawn(require: Require) -> None:
    there = all(draw_turned_pages.font_file(name) for name in draw_turned_pages.FONTS)
    require(there, "The fonts DejaVu and Liberation are not here (Debian: fonts-dejavu, fonts-liberation).")


@pytest.fixture(scope="module")
def russian(require: Require) -> None:
    require(
        capabilities.tesseract().usable and find_traineddata(["rus"], load_settings()) is not None,
        "Tesseract cannot read Russian here. Install tesserocr (pip) and tesseract-ocr-rus (Debian).",
    )


def errors(read: str, truth: str) -> float:
    """Characters read wrongly, as a share of the truth, without regard to white space."""
    read, truth = "".join(read.split()), "".join(truth.split())
    return Levenshtein.distance(read, truth) / len(truth)


def slanted(picture: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """The picture turned by some degrees on white paper that holds all of it."""
    height, width = picture.shape[:2]
    side = int(np.hypot(height, width)) + 2
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    matrix[:, 2] += (side / 2 - width / 2, side / 2 - height / 2)
    white = (255, 255, 255)
    return np.asarray(cv2.warpAffine(picture, matrix, (side, side), borderValue=white), np.uint8)


def page(seed: int, number: int) -> draw_turned_pages.DrawnPage:
    return list(draw_turned_pages.pages(number + 1, seed))[number]


# The first three are pages of two lines that the half-turn net alone turns over.
@pytest.mark.parametrize(
    ("seed", "number", "quarters"),
    [(7, 45, 1), (9, 21, 2), (9, 101, 1), *((5, n, n // 4 % 4) for n in range(0, 16, 3))],
)
def test_a_page_is_read_whichever_way_it_lies(drawn: None, seed: int, number: int, quarters: int) -> None:
    upright = page(seed, number)
    (read,) = ocr_handle().read([np.ascontiguousarray(np.rot90(upright.picture, quarters))])
    assert errors(read.text, upright.text) < 0.05, read.text


@pytest.mark.parametrize("quarters", [1, 3], ids=["upwards", "downwards"])
def test_text_along_the_side_of_a_page_is_read_whichever_way_it_runs(drawn: None, quarters: int) -> None:
    body = draw_turned_pages.draw(
        ["Annual report of the harbour", "written by its members"] * 4, "DejaVuSans", 24
    )
    side = np.rot90(draw_turned_pages.draw(["Printed in winter"], "DejaVuSans", 22), quarters)
    height = max(body.shape[0], side.shape[0])
    sheet = np.full((height, body.shape[1] + side.shape[1], 3), 255, np.uint8)
    sheet[: side.shape[0], : side.shape[1]] = side
    sheet[: body.shape[0], side.shape[1] :] = body
    (read,) = ocr_handle().read([sheet])
    said = sorted(" ".join(region.text for region in read.regions).split())
    expected = ["Annual", "report", "of", "the", "harbour", "written", "by", "its", "members"] * 4
    assert said == sorted([*expected, "Printed", "in", "winter"])


@pytest.mark.parametrize("turn", ["90", "180", "270", "+15", "-15", "+6"])
def test_cyrillic_is_turned_before_it_is_judged_and_read(drawn: None, russian: None, turn: str) -> None:
    lines = " ".join(draw_scripts.sentences("ru")).split()
    text = [" ".join(lines[at : at + 4]) for at in range(0, len(lines), 4)]
    picture = draw_turned_pages.draw(text, "LiberationSerif-Regular", 30)
    if turn[0] in "+-":
        picture = slanted(picture, float(turn))
    else:
        picture = np.ascontiguousarray(np.rot90(picture, int(turn) // 90))
    (read,) = ocr_handle().read([picture])
    assert errors(read.text, "\n".join(text)) <= 0.05, read.text
    height, width = picture.shape[:2]
    for region in read.regions:
        assert all(-2 <= x <= width + 2 and -2 <= y <= height + 2 for x, y in region.polygon)
        ink = picture[_box(region.polygon, width, height)]
        assert ink.min() < 128, f"no ink under {region.text}"


def _box(polygon: tuple[tuple[float, float], ...], width: int, height: int) -> tuple[slice, slice]:
    xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
    return (
        slice(max(0, int(min(ys))), min(height, int(max(ys)) + 1)),
        slice(max(0, int(min(xs))), min(width, int(max(xs)) + 1)),
    )


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 15, -15, 100])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_level_picture_brings_every_point_back(degrees: float, scale: float) -> None:
    picture = np.full((120, 200, 3), 255, np.uint8)
    picture[30:36, 150:156] = 0
    level = level_picture(picture, np.radians(degrees), scale)
    rows, columns = np.nonzero(level.picture.min(axis=2) < 90)
    x, y = level.point((float(columns.mean()) + 0.5, float(rows.mean()) + 0.5))
    assert (x, y) == pytest.approx((153, 33), abs=0.6)


@pytest.mark.parametrize("code", ["ar", "he", "hi", "ka", "th"])
def test_tesseract_gives_words_spaces_and_letters_in_their_order(code: str, require: Require) -> None:
    """Letters of Arabic and Hebrew from the right, no spaces between those of Thai."""
    from vramwise.catalog import language

    data = language(code).tesseract
    folder = find_traineddata([data], load_settings()) if capabilities.tesseract().usable else None
    require(folder, f"Tesseract has no {data} here (Debian: tesseract-ocr-{data.replace('_', '-')}).")
    require(draw_scripts.shaped(), "Pillow has no Raqm here, which shapes these scripts.")
    _, files = draw_scripts.WRITTEN_WITH[code]
    text = draw_scripts.wrapped(draw_scripts.sentences(code)[0], 30)[:2]
    picture = draw_scripts.draw(text, draw_scripts.FONTS / files[-1], 30)
    assert folder is not None
    reader = TesseractReader(folder, (data,))
    lines = reader.lines(picture, None, NoProgress())
    reader.release()
    found, truth = " ".join(line.text for line in lines), " ".join(text)
    assert Levenshtein.distance(found, truth) / len(truth) <= 0.15, found
    for line in lines:
        assert "".join(word.text for word in line.words) == "".join(line.text.split())


@pytest.mark.parametrize("turn", [1, 2, 3], ids=["90", "180", "270"])
@pytest.mark.parametrize("model", ["rapid", "tesseract"])
def test_a_turned_page_is_read_where_its_language_is_named(
    drawn: None, russian: None, model: str, turn: int
) -> None:
    text = draw_scripts.wrapped(draw_scripts.sentences("ru")[0], 30)
    picture = draw_turned_pages.draw(text, "DejaVuSans", 30)
    options = ReadOptions(language="ru")
    (read,) = ocr_handle(model).read([np.ascontiguousarray(np.rot90(picture, turn))], options)
    assert errors(read.text, "\n".join(text)) <= 0.05, read.text


@pytest.mark.parametrize(
    ("number", "seed", "degrees"),
    [(9, 3, 270), (13, 3, 15), (12, 5, 15), (18, 5, 0), (16, 3, -15)],
    ids=["dotted", "few words", "Latin upside down", "one word of many", "drawn"],
)
def test_a_small_table_is_read_row_by_row_however_it_lies(
    drawn: None, russian: None, number: int, seed: int, degrees: float
) -> None:
    table = list(draw_small_tables.tables(number + 1, seed))[number]
    (read,) = ocr_handle().read([draw_small_tables.turned(table.picture, degrees)])
    assert errors(read.text, table.text) <= 0.08, read.text
