"""Text Mask on pages that the built-in engine reads: the wanted word's ink and hardly any other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from vramwise import ocr_handle
from vramwise.models.handle import release_all
from vramwise.ocr.regions.masks import fill_polygons
from vramwise.ocr.regions.search import search
from vramwise.ocr.regions.text_match import Finder, Query
from vramwise.ocr.results.result import OCRResult

from tests.fixtures.draw_words import WordPage, word_page

PAGES = 200


@pytest.fixture(scope="module", autouse=True)
def engines_go_at_the_end() -> Iterator[None]:
    yield
    release_all()


def shares(drawn: WordPage, read: OCRResult, with_picture: bool) -> tuple[float, float]:
    """(share of the wanted word's ink under the mask, the largest share of another word's)."""
    mask = np.zeros(drawn.picture.shape[:2], np.float32)
    for found in search(read, Finder(Query(drawn.wanted)), drawn.picture if with_picture else None):
        fill_polygons(mask, found.polygons)
    covered = {word.text: float((mask[word.ink] > 0.5).mean()) for word in drawn.words}
    return covered.pop(drawn.wanted), max(covered.values())


@pytest.mark.slow
def test_the_mask_covers_the_wanted_word_and_no_other_on_200_pages_turned_by_up_to_15_degrees() -> None:
    pages = [word_page(seed) for seed in range(PAGES)]
    read = ocr_handle().read([page.picture for page in pages])
    with_picture, without = [], []
    for page, result in zip(pages, read, strict=True):
        with_picture.append(shares(page, result, True))
        without.append(shares(page, result, False))
    for name, figures in (("with the picture", with_picture), ("without it", without)):
        good = sum(wanted >= 0.99 and other <= 0.02 for wanted, other in figures)
        mean = sum(wanted for wanted, _ in figures) / PAGES
        print(
            f"{name}: {good} of {PAGES} pages, wanted ink {100 * mean:.2f} % on average, at least "
            f"{100 * min(wanted for wanted, _ in figures):.1f} %, other ink at most "
            f"{100 * max(other for _, other in figures):.1f} %"
        )
    assert max(abs(page.angle) for page in pages) > 14
    assert min(wanted for wanted, _ in with_picture) >= 0.99
    assert max(other for _, other in with_picture) <= 0.02
    assert sum(wanted for wanted, _ in without) / PAGES >= 0.99
