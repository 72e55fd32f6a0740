"""The built-in engine on the committed pages: error rates, scripts, positions, odd pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from vramwise import ReadOptions, VramwiseError, load_picture, ocr_handle
from vramwise.hardware import capabilities
from vramwise.models.handle import release_all
from vramwise.ocr.engines.tesseract import find_traineddata
from vramwise.settings import load_settings

from benchmarks.pages import TruePage, character_errors, true_pages

LIMITS = {"en": 0.5, "zh": 1.5, "ru": 0.5}  # percent of characters, white space folded
CYRILLIC = [page for page in true_pages("script") if page.script == "Cyrillic"]
OTHERS = [page for page in true_pages("script") if page.script != "Cyrillic"]


@pytest.fixture(scope="module", autouse=True)
def engines_go_at_the_end() -> Iterator[None]:
    yield
    release_all()


@pytest.fixture
def no_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = capabilities.Capability(False, "tesserocr is not installed")
    monkeypatch.setattr(capabilities, "tesseract", lambda: absent)


Require = Callable[[object, str], None]


def read(page: TruePage, **options: Any) -> Any:
    (result,) = ocr_handle().read([load_picture(page.path)], ReadOptions(**options))
    return result


@pytest.fixture
def russian(require: Require) -> None:
    require(
        capabilities.tesseract().usable and find_traineddata(["rus"], load_settings()) is not None,
        "Tesseract cannot read Russian here. Install tesserocr (pip) and tesseract-ocr-rus (Debian).",
    )


@pytest.mark.parametrize("page", true_pages("accuracy"), ids=lambda page: page.file)
def test_character_error_rate(page: TruePage, request: pytest.FixtureRequest) -> None:
    if page.language == "ru":
        request.getfixturevalue("russian")
    result = read(page)
    wrong, length = character_errors(result.text, page.text)
    print(f"{page.file}: CER {100 * wrong / length:.2f} %")
    assert 100 * wrong / length <= LIMITS[page.language]


def test_russian_is_read_as_well_when_the_language_is_named(russian: None) -> None:
    page = next(page for page in true_pages("accuracy") if page.language == "ru")
    result = read(page, language="ru")
    wrong, length = character_errors(result.text, page.text)
    assert 100 * wrong / length <= LIMITS["ru"]
    assert any("Tesseract" in note for note in result.notes)


def test_there_are_forty_pages_of_each_kind() -> None:
    assert len(CYRILLIC) == len(OTHERS) == 40


@pytest.mark.usefixtures("no_tesseract")
@pytest.mark.parametrize("page", CYRILLIC, ids=lambda page: page.file)
def test_without_any_reader_every_cyrillic_page_is_refused_with_both_ways_to_mend_it(page: TruePage) -> None:
    with pytest.raises(VramwiseError, match=r"in Cyrillic script.*download eslav.*tesserocr"):
        read(page)


@pytest.mark.usefixtures("no_tesseract")
@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.file)
def test_no_english_or_chinese_page_is_refused_or_loses_a_line(page: TruePage) -> None:
    result = read(page)
    assert [note for note in result.notes if "unread" in note] == []
    assert all(region.category == "text" for region in result.regions)


def test_a_cyrillic_page_is_routed_to_tesseract_and_says_so(russian: None) -> None:
    page = next(page for page in CYRILLIC if page.language == "ru" and len(page.text) > 80)
    result = read(page)
    assert any("Cyrillic text was found and read by Tesseract" in note for note in result.notes)
    wrong, length = character_errors(result.text, page.text)
    assert wrong / length < 0.2


def test_regions_cover_the_ink_and_stay_inside_the_picture() -> None:
    page = next(page for page in true_pages("accuracy") if page.file.startswith("en_clean"))
    picture = load_picture(page.path)
    result = read(page)
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    from vramwise.ocr.regions.overlay import fill_mask

    fill_mask(mask, result.regions)
    ink = picture.min(axis=2) < 128
    assert (mask[ink] > 0).mean() > 0.97
    for region in result.regions:
        for x, y in region.polygon:
            assert 0 <= x <= width and 0 <= y <= height
        assert "".join(word.text for word in region.words) == "".join(region.text.split())


@pytest.mark.parametrize("turn", [1, 2, 3], ids=["90", "180", "270"])
def test_a_page_turned_by_quarters_reads_the_same(turn: int) -> None:
    page = next(page for page in true_pages("accuracy") if page.file.startswith("en_clean"))
    picture = np.ascontiguousarray(np.rot90(load_picture(page.path), turn))
    (result,) = ocr_handle().read([picture])
    wrong, length = character_errors(result.text, page.text)
    assert 100 * wrong / length <= 1.0


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 900), (900, 1), (3, 3), (20, 4000), (4000, 20), (500, 400)],
    ids=lambda shape: f"{shape[1]}x{shape[0]}",
)
def test_blank_and_tiny_pictures_give_an_empty_result(shape: tuple[int, int]) -> None:
    (result,) = ocr_handle().read([np.full((*shape, 3), 200, np.uint8)])
    assert (result.text, result.regions, result.finish_reason) == ("", (), "blank")


@pytest.mark.parametrize(
    "shape", [(5, 5), (8, 3000), (3000, 8), (30, 31_000)], ids=lambda shape: f"{shape[1]}x{shape[0]}"
)
def test_noise_of_any_shape_does_not_break_the_engine(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    (result,) = ocr_handle().read([noise])
    assert result.width == shape[1] and result.finish_reason in ("stop", "blank")


@pytest.mark.parametrize("period", [5, 6])
def test_white_letters_on_a_printed_grey_are_read(period: int) -> None:
    """Dots of a press as large as the strokes: nothing was found there."""
    grey = np.full((300, 900), 255, np.uint8)
    grey[120:180, 20:880] = 110
    for text, y, level in (("Methodology", 60, 0), ("Precision Castparts 295.00", 162, 255)):
        cv2.putText(grey, text, (40, y), cv2.FONT_HERSHEY_SIMPLEX, 1.0, level, 2, cv2.LINE_AA)
    ys, xs = np.pi / period * np.mgrid[:70, :900]
    screen = (np.cos(xs + ys) * np.cos(xs - ys) + 1) / 2 * 255
    grey[115:185] = np.where(grey[115:185] > screen, 255, 0)
    (result,) = ocr_handle().read([np.repeat(grey[..., None], 3, 2)], ReadOptions())
    assert result.text.splitlines() == ["Methodology", "Precision Castparts 295.00"]


def test_options_that_the_engine_does_not_use_are_named_not_refused() -> None:
    page = OTHERS[0]
    result = read(page, prompt="Translate", max_new_tokens=10)
    assert any("prompt is ignored" in note for note in result.notes)
    assert any("max_new_tokens is ignored" in note for note in result.notes)


def test_a_recogniser_that_was_fetched_is_used_for_its_language(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The built-in recogniser stands in for a fetched one: the route is real, the weights are known."""
    import hashlib
    import shutil
    from dataclasses import replace
    from pathlib import Path

    from vramwise import catalog
    from vramwise.ocr.engines import language_routing
    from vramwise.ocr.engines.rapid import BUILTIN_REC, builtin_models

    source = builtin_models() / BUILTIN_REC
    row = replace(catalog.recogniser("eslav"), sha256=hashlib.sha256(source.read_bytes()).hexdigest())
    folder = Path(str(tmp_path)) / "rapidocr"
    folder.mkdir()
    shutil.copyfile(source, folder / row.file)
    monkeypatch.setattr(language_routing, "recogniser", lambda _: row)
    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path))
    page = next(page for page in OTHERS if page.language == "en")
    by_fetched, by_builtin = read(page, language="ru"), read(page, language="en")
    assert by_fetched.text == by_builtin.text != ""
    from vramwise.models.handle import resident_engines

    assert any(row.file in name for name in resident_engines())
