"""Pages in scripts that the built-in weights lack: routed, refused with the right names, or read in part."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from vramwise import ReadOptions, VramwiseError, load_picture, ocr_handle
from vramwise.hardware import capabilities
from vramwise.models.handle import release_all
from vramwise.ocr.engines import language_routing, rapid, tesseract
from vramwise.ocr.engines.drawn_rules.table_rules import without_rules
from vramwise.ocr.engines.level_picture import level_picture
from vramwise.ocr.engines.script_at_a_glance import plain_script
from vramwise.ocr.engines.tesseract import find_traineddata
from vramwise.settings import load_settings

from benchmarks.pages import FOLDER
from tests.engines.test_turned_pages import errors
from tests.fixtures import draw_scripts

Require = Callable[[object, str], None]
READ = ("en", "fr", "vi", "zh", "ja")
NAMES = {"mr": "Marathi", "hi": "Hindi", "uk": "Ukrainian", "fa": "Persian", "ka": "Georgian", "th": "Thai"}


@pytest.fixture(scope="module", autouse=True)
def engines_go_at_the_end() -> Iterator[None]:
    yield
    release_all()


@pytest.fixture(autouse=True)
def shaped(require: Require) -> None:
    require(draw_scripts.shaped(), "Pillow has no Raqm here, which shapes these scripts.")
    there = all((draw_scripts.FONTS / files[0]).is_file() for _, files in draw_scripts.WRITTEN_WITH.values())
    require(there, "Fonts are missing (Debian: fonts-noto-core, fonts-noto-cjk, fonts-dejavu).")


@pytest.fixture
def no_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = capabilities.Capability(False, "tesserocr is not installed")
    monkeypatch.setattr(capabilities, "tesseract", lambda: absent)


@pytest.fixture
def only_data(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Tesseract has the traineddata of these names and no other, whatever is installed."""

    def only(*names: str) -> None:
        real = tesseract.find_traineddata

        def find(wanted: list[str], settings: object) -> Path | None:
            return real(wanted, settings) if set(wanted) <= {*names, "eng"} else None  # type: ignore[arg-type]

        monkeypatch.setattr(language_routing, "find_traineddata", find)

    return only


@pytest.mark.usefixtures("no_tesseract")
@pytest.mark.parametrize("code", READ)
def test_what_the_built_in_weights_read_is_never_refused(code: str) -> None:
    for page in draw_scripts.pages(2, 8, (code,)):
        (read,) = ocr_handle().read([page.picture])
        assert read.notes == (), page.name
        assert code == "vi" or errors(read.text, page.text) < 0.1, (
            page.name
        )  # its double accents are not known


@pytest.mark.usefixtures("no_tesseract")
@pytest.mark.parametrize("code", [code for code in draw_scripts.WRITTEN_WITH if code not in READ])
def test_what_is_refused_names_its_script_and_its_languages(code: str) -> None:
    (page,) = draw_scripts.pages(1, 4, (code,))
    with pytest.raises(
        VramwiseError, match=rf"text is in {page.script} script \(.*\)\..*Set partial"
    ) as said:
        list(ocr_handle().read([page.picture]))
    assert NAMES.get(code, "") in str(said.value)


@pytest.mark.usefixtures("no_tesseract")
@pytest.mark.parametrize("code", ["ru", "el", "ko", "hi"])
def test_partial_gives_numbers_and_latin_lines_and_no_nonsense(code: str) -> None:
    _, files = draw_scripts.WRITTEN_WITH[code]
    foreign = draw_scripts.wrapped(draw_scripts.sentences(code)[0], 24)[:3]
    both = [
        draw_scripts.draw(foreign, draw_scripts.FONTS / files[0], 28),
        draw_scripts.draw(["Invoice 2026-114"], draw_scripts.FONTS / draw_scripts.PLAIN[0], 28),
    ]
    sheet = np.full((sum(p.shape[0] for p in both), max(p.shape[1] for p in both), 3), 255, np.uint8)
    top = 0
    for part in both:
        sheet[top : top + part.shape[0], : part.shape[1]] = part
        top += part.shape[0]
    (read,) = ocr_handle().read([sheet], ReadOptions(partial=True))
    assert read.text.split() == ["Invoice", "2026-114"]
    assert sum(region.category == "unread" for region in read.regions) == len(foreign)
    assert any("left unread" in note for note in read.notes)


def test_a_language_of_the_script_whose_data_are_here_reads_it(
    only_data: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "tesseract", lambda: capabilities.Capability(True, "here"))
    monkeypatch.setattr(tesseract, "find_traineddata", lambda names, settings: Path("data"))
    only_data("mar")
    route = language_routing.script_route("Devanagari", load_settings())
    assert isinstance(route, language_routing.TesseractRoute) and route.traineddata[0] == "mar"


@pytest.mark.parametrize("code", ["ar", "he", "hi", "ka", "ko", "th"])
def test_with_its_data_a_script_is_routed_and_read(code: str, require: Require) -> None:
    from vramwise.catalog import language

    data = language(code).tesseract
    present = capabilities.tesseract().usable and find_traineddata([data], load_settings())
    require(present, f"Tesseract has no {data} here (Debian: tesseract-ocr-{data}).")
    wrong = length = 0.0
    for page in draw_scripts.pages(2, 12, (code,)):
        (read,) = ocr_handle().read([page.picture])
        assert any("read by Tesseract" in note for note in read.notes), page.name
        wrong += errors(read.text, page.text) * len(page.text)
        length += len(page.text)
    assert wrong / length <= 0.12  # Tesseract alone: 0.69 of a bold Korean page


def test_a_line_of_which_a_part_was_read_on_its_page_is_read_alone(require: Require) -> None:
    require(capabilities.tesseract().usable, "tesserocr is not installed here.")
    require(find_traineddata(["kor"], load_settings()), "Tesseract has no kor here (tesseract-ocr-kor).")
    lines = draw_scripts.wrapped(draw_scripts.sentences("ko")[0], 24)
    font = draw_scripts.FONTS / draw_scripts.CJK[0]  # of this one Tesseract's page analysis loses two words
    for count in (1, 4):
        (read,) = ocr_handle().read([draw_scripts.draw(lines[:count], font, 26, ink=70)])
        assert errors(read.text, "\n".join(lines[:count])) < 0.05


@pytest.mark.parametrize("code", draw_scripts.WRITTEN_WITH)
def test_a_page_is_told_plainly_by_its_script_or_not_at_all(code: str) -> None:
    for page in draw_scripts.pages(3, 21, (code,)):
        told = plain_script(page.picture)
        assert told is None or (code not in READ and told[0] == page.script), page.name


@pytest.mark.parametrize("name", ["cyrillic_text_04.png", "cyrillic_text_08.png", "cyrillic_poster_01.png"])
def test_noise_does_not_hide_that_a_page_is_plain(name: str) -> None:
    told = plain_script(load_picture(FOLDER / name))
    assert told is not None and told[0] == "Cyrillic"


@pytest.mark.parametrize("name", ["cyrillic_poster_02.png", "cyrillic_poster_06.png", "cyrillic_text_10.png"])
def test_large_few_and_narrow_letters_are_plain_too(name: str) -> None:
    told = plain_script(load_picture(FOLDER / name))
    assert told is not None and told.script == "Cyrillic"


@pytest.mark.parametrize("code", ["ru", "bg", "en", "zh"])
def test_a_slanted_page_is_levelled_before_its_script_is_told(code: str) -> None:
    for page, degrees in zip(draw_scripts.pages(3, 8, (code,)), (-7, 5, 12), strict=True):
        slanted = level_picture(page.picture, math.radians(-degrees)).picture
        told = plain_script(slanted)
        assert (told is None) if code in READ else told and told.script == page.script, page.name
        assert told is None or math.degrees(told.angle) == pytest.approx(degrees, abs=0.5)


@pytest.mark.parametrize("degrees", [0, 8])
def test_a_plain_page_is_not_looked_at_by_the_detector(
    degrees: int, require: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = capabilities.tesseract().usable and find_traineddata(["rus"], load_settings())
    require(present, "Tesseract has no rus here (Debian: tesseract-ocr-rus).")
    monkeypatch.setattr(rapid, "detect", lambda *_: pytest.fail("the detector was asked"))
    lines = draw_scripts.wrapped(" ".join(draw_scripts.sentences("ru")), 40)
    picture = draw_scripts.draw(lines, draw_scripts.FONTS / draw_scripts.PLAIN[0], 28, noise=12.0)
    picture = level_picture(picture, math.radians(-degrees)).picture
    (read,) = ocr_handle().read([picture])
    assert errors(read.text, "\n".join(lines)) < 0.02


@pytest.mark.parametrize("dotted", [False, True], ids=["drawn", "dotted"])
def test_rules_of_a_table_go_and_letters_stay(dotted: bool) -> None:
    text = draw_scripts.draw(["Harbour fees", "Tons landed"], draw_scripts.FONTS / draw_scripts.PLAIN[0], 18)
    ruled = text.copy()
    step = 2 if dotted else 1
    for row in (8, 43, 79):
        ruled[row, ::step] = 0
    ruled[::step, 10] = 0
    clean = without_rules(ruled, 18)
    ink, left = text.min(axis=2) < 100, clean.min(axis=2) < 100
    assert (left & ink).sum() >= 0.97 * ink.sum()
    assert (left & ~ink).sum() <= 0.03 * ink.sum()


def test_frames_around_single_lines_are_painted_over_whole_and_letters_stay() -> None:
    page = np.full((220, 420, 3), 255, np.uint8)
    letters = page.copy()
    for top in (20, 90, 160):
        for x in range(40, 380, 24):  # as high as the frame's inside nearly, like an alef
            cv2.rectangle(letters, (x, top + 8), (x + 3, top + 30), (30, 30, 30), -1)
    framed = letters.copy()
    for top in (20, 90, 160):
        cv2.rectangle(framed, (25, top), (395, top + 38), (200, 30, 30), 2)
    clean = without_rules(framed, 38)
    assert np.abs(clean.astype(int) - letters).max() < 60


def test_signs_that_tesseract_does_not_know_are_read_on_a_russian_page(require: Require) -> None:
    require(find_traineddata(["rus", "eng"], load_settings()), "Tesseract has no Russian data here.")
    lines = (
        "\u0414\u043e\u0441\u0442\u0430\u0432\u043a\u0430 \u00a348,50",
        "\u041a \u043e\u043f\u043b\u0430\u0442\u0435 1 250 \u20ac \u0441\u0435\u0433\u043e\u0434\u043d\u044f",
        "\u0421\u043c\u043e\u0442\u0440\u0438 \u00a7 12 \u0437\u0430\u043a\u043e\u043d\u0430",
        "\u0414\u043e\u043f\u0443\u0441\u043a \u00b10,5 \u043c\u043c",
        "\u041f\u043b\u043e\u0449\u0430\u0434\u044c 45 \u043c\u00b2 \u0436\u0438\u043b\u0430\u044f",
        "\u2022 \u041f\u0435\u0440\u0432\u044b\u0439 \u043f\u0443\u043d\u043a\u0442",
        "\u0424\u0430\u0439\u043b \u2192 \u041e\u0442\u043a\u0440\u044b\u0442\u044c",
    )
    page = Image.new("RGB", (900, 480), "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.truetype(str(draw_scripts.FONTS / "truetype/dejavu/DejaVuSans.ttf"), 26)
    for row, line in enumerate(lines):
        pen.text((40, 40 + 56 * row), line, "black", font)
    (read,) = ocr_handle().read([np.asarray(page)])
    assert read.text.splitlines() == list(lines)
