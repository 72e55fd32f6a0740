"""Where found words stand, the masks over them, and the crops around them."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from vramwise.errors import VramwiseError
from vramwise.ocr.engines.line_shapes.word_places import between
from vramwise.ocr.engines.line_shapes.word_places import words_on as words_in_crop
from vramwise.ocr.regions.crops import RegionFilter, categories_of, crop
from vramwise.ocr.regions.masks import fill_polygons, upright_box
from vramwise.ocr.regions.search import only, outlines, report, search
from vramwise.ocr.regions.text_match import Finder, Query
from vramwise.ocr.regions.word_boxes import place
from vramwise.ocr.results.result import OCRResult, Region, Regions, Word

from tests.fixtures.draw_words import WordPage, word_page

Box = tuple[float, float, float, float]


def box(x0: float, y0: float, x1: float, y1: float) -> tuple[tuple[float, float], ...]:
    return (x0, y0), (x1, y0), (x1, y1), (x0, y1)


def region(text: str, polygon: Any, words: tuple[Word, ...] = (), **more: Any) -> Region:
    return Region(text, polygon, more.pop("order", 0), words=words, **more)


def page(*regions: Region, size: tuple[int, int] = (400, 100)) -> OCRResult:
    text = "\n".join(one.text for one in regions)
    return OCRResult(text, text, regions, *size, "stop", "rapid", "fp32", 0.1)


def upright(polygon: Any) -> Box:
    xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
    return min(xs), min(ys), max(xs), max(ys)


NEW_YORK = region(
    "New York city",
    box(10, 10, 130, 30),
    (
        Word("New", box(10, 10, 40, 30), 0.9),
        Word("York", box(50, 10, 90, 30), 0.7),
        Word("city", box(100, 10, 130, 30)),
    ),
    confidence=0.8,
)


def masked(polygons: Any, grow: int = 0, feather: int = 0, size: tuple[int, int] = (100, 60)) -> np.ndarray:
    mask = np.zeros(size[::-1], np.float32)
    fill_polygons(mask, polygons, grow, feather)
    return mask


# --- where words stand ------------------------------------------------------------------------------------


def test_a_find_over_several_words_goes_from_the_first_ones_start_to_the_last_ones_end() -> None:
    (found,) = search(page(NEW_YORK), Finder(Query("new york")))
    x0, y0, x1, y1 = upright(found.polygons[0])
    assert (y0, y1) == (10, 30) and 7 <= x0 <= 10 and 90 <= x1 <= 95 and not found.estimated


def test_part_of_a_word_takes_its_share_by_letter_widths() -> None:
    (found,) = search(
        page(region("will", box(0, 0, 100, 20), (Word("will", box(0, 0, 100, 20)),))),
        Finder(Query("w", "exact", whole_words=False)),
    )
    x0, _, x1, _ = upright(found.polygons[0])
    assert x0 < 0.1 and 45 < x1 < 60  # w is about as wide as i, l and l together


def test_without_words_letter_widths_decide_and_the_report_says_so() -> None:
    text = "iiii WWWW"
    finder = Finder(Query("WWWW"))
    found = search(page(region(text, box(0, 0, 200, 20))), finder)
    x0, _, x1, _ = upright(found[0].polygons[0])
    assert 40 < x0 < 60 and x1 >= 199 and found[0].estimated
    assert "estimated from letter widths" in report([found], finder, [page(region(text, box(0, 0, 200, 20)))])


def test_words_that_are_not_the_texts_own_are_not_trusted() -> None:
    wrong = region(
        "one two", box(0, 0, 100, 20), (Word("uno", box(0, 0, 90, 20)), Word("due", box(90, 0, 100, 20)))
    )
    (found,) = search(page(wrong), Finder(Query("two")))
    assert found.estimated and upright(found.polygons[0])[0] < 60


def test_in_a_block_of_lines_a_find_has_a_polygon_a_line() -> None:
    block = region("first line here\nsecond line", box(0, 0, 150, 40))
    (found,) = search(page(block), Finder(Query("here second")))
    upper, lower = map(upright, found.polygons)
    assert upper[1:4:2] == (0, 20) and lower[1:4:2] == (20, 40)
    assert upper[0] > 90 and lower[0] < 1
    (kept,) = only(page(block), [found]).regions
    assert upright(kept.polygon)[1:4:2] == (0, 40) and len(kept.words) == 2


def test_a_paragraph_without_line_ends_is_wrapped_as_its_shape_demands() -> None:
    text = " ".join(["some words of usual length"] * 8) + " last"
    (found,) = search(page(region(text, box(0, 0, 400, 100))), Finder(Query("last")))
    _, y0, _, y1 = upright(found.polygons[0])
    assert y1 == 100 and 10 < y1 - y0 < 40


def test_text_that_runs_upwards_is_cut_along_its_own_direction() -> None:
    polygon = ((10.0, 200.0), (10.0, 0.0), (30.0, 0.0), (30.0, 200.0))
    (found,) = search(page(region("aaaa bbbb", polygon)), Finder(Query("bbbb")))
    x0, y0, x1, y1 = upright(found.polygons[0])
    assert (x0, x1) == (10, 30) and y0 < 1 and 80 < y1 < 100


def test_a_column_of_characters_is_cut_across() -> None:
    (found,) = search(page(region("\u6b22\u8fce\u5149\u4e34", box(10, 0, 30, 80))), Finder(Query("\u5149")))
    x0, y0, x1, y1 = upright(found.polygons[0])
    assert (x0, x1) == (10, 30) and y0 == pytest.approx(40) and y1 == pytest.approx(60)


def test_a_polygon_of_any_number_of_corners_is_taken_by_its_box() -> None:
    odd = ((0.0, 5.0), (50.0, 0.0), (100.0, 5.0), (100.0, 20.0), (0.0, 20.0))
    (found,) = search(page(region("one two", odd)), Finder(Query("two")))
    assert upright(found.polygons[0])[2] >= 99


@pytest.mark.parametrize(
    "polygon", [box(5, 5, 5, 5), box(0, 0, 1e6, 1e6), box(-1e6, 0, -1e5, 9), box(3, 3, 9, 3)]
)
def test_no_polygon_breaks_the_search_or_the_mask(polygon: Any) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (60, 100, 3), np.uint8)
    for placed in place(region("one two", polygon), [(0, 3), (4, 7)], picture):
        mask = masked(placed.polygons, 2, 3)
        assert np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1
    part = crop(picture.astype(np.float32) / 255, polygon, 2, True)
    assert part is None or max(part.shape) <= 2 * (60 + 100)


# --- ink --------------------------------------------------------------------------------------------------


def seen(drawn: WordPage, with_words: bool) -> OCRResult:
    """The page as an engine reads it: ``with_words`` moved by up to a third of a letter, or lines alone."""
    rng = np.random.default_rng(len(drawn.wanted))
    regions = []
    for row, line in enumerate(drawn.lines):
        words = [word for word in drawn.words if word.row == row]
        (x0, y0), (x1, y1) = line[0], line[1]
        long = math.hypot(x1 - x0, y1 - y0)
        along = (x1 - x0) / long, (y1 - y0) / long
        placed = []
        for word in words:
            shift = rng.uniform(-4, 4)
            placed.append(
                Word(word.text, tuple((x + shift * along[0], y + shift * along[1]) for x, y in word.box))
            )
        text = " ".join(word.text for word in words)
        regions.append(Region(text, line, row, words=tuple(placed) if with_words else ()))
    height, width = drawn.picture.shape[:2]
    return replace(page(*regions), width=width, height=height)


def shares(drawn: WordPage, read: OCRResult) -> tuple[float, float]:
    """(share of the wanted word's ink under the mask, the largest share of another word's)."""
    mask = np.zeros(drawn.picture.shape[:2], np.float32)
    (found,) = search(read, Finder(Query(drawn.wanted)), drawn.picture)
    fill_polygons(mask, found.polygons)
    covered = {word.text == drawn.wanted: [] for word in drawn.words}
    for word in drawn.words:
        covered[word.text == drawn.wanted].append(float((mask[word.ink] > 0.5).mean()))
    return covered[True][0], max(covered[False])


@pytest.fixture(scope="module")
def drawn_pages() -> list[WordPage]:
    return [word_page(seed) for seed in range(1_000, 1_060)]


@pytest.mark.parametrize("with_words", [True, False], ids=["words", "lines alone"])
def test_with_the_picture_the_mask_ends_where_the_ink_does(
    with_words: bool, drawn_pages: list[WordPage]
) -> None:
    """60 drawn pages turned by up to 15 degrees, from true lines. Real engines: tests/engines."""
    good = [shares(drawn, seen(drawn, with_words)) for drawn in drawn_pages]
    wanted, other = min(share for share, _ in good), max(share for _, share in good)
    print(f"ink of the wanted word at least {wanted:.4f}, of any other at most {other:.4f}")
    assert wanted >= 0.99
    assert other <= 0.02


# A line of 40 words, 12 x 16 pixels each, in a box as engines give it: its corners are whole numbers, so that
# it is a pixel higher at one end.
SKEWED = ((10.0, 20.0), (730.0, 20.0), (730.0, 40.0), (10.0, 39.0))
NAMES = [f"w{number}" for number in range(40)]


def inked(number: int) -> Box:
    return 13 + 18 * number, 22, 25 + 18 * number, 38


def test_the_words_of_a_long_line_are_found_where_its_box_is_a_pixel_higher_at_one_end() -> None:
    """In the perspective of such a box the middle of the line is nine pixels from the middle of its sides."""
    picture = np.full((60, 740, 3), 255, np.uint8)
    for left, top, right, bottom in map(inked, range(40)):
        picture[int(top) : int(bottom), int(left) : int(right)] = 0
    words = tuple(Word(name, box(*inked(number))) for number, name in enumerate(NAMES))
    line = region(" ".join(NAMES), SKEWED, words)
    for number, name in enumerate(NAMES):
        (found,) = search(page(line, size=(740, 60)), Finder(Query(name)), picture)
        mask = masked(found.polygons, size=(740, 60))
        left, top, right, bottom = map(int, inked(number))
        assert mask[top:bottom, left:right].all(), name
        mask[top:bottom, left:right] = 0
        assert not mask[picture[..., 0] == 0].any(), name


def test_the_words_of_a_crop_stand_where_the_crop_was_cut_from() -> None:
    """The recogniser tells places in the crop, which is the line's box in perspective."""
    import cv2

    for quad in (SKEWED, box(10, 20, 730, 40), ((12.0, 160.0), (720.0, 9.0), (727.0, 31.0), (15.0, 184.0))):
        spans = [(x0 - 10, x1 - 10) for x0, _, x1, _ in map(inked, range(40))]
        each = [span for name, span in zip(NAMES, spans, strict=True) for _ in name]
        words = words_in_crop(" ".join(NAMES), each, [], 720, partial(between, quad))
        crop_corners = np.float32([[0, 0], [720, 0], [720, 20], [0, 20]])  # type: ignore[arg-type]
        back = cv2.getPerspectiveTransform(crop_corners, np.asarray(quad, np.float32))
        for word, (start, end) in zip(words, spans, strict=True):
            corners = np.array([[[start, 0], [end, 0], [end, 20], [start, 20]]], np.float64)
            expected = cv2.perspectiveTransform(corners, back)[0]
            assert np.allclose(word.polygon, expected, atol=0.01), word.text


# --- masks ------------------------------------------------------------------------------------------------


def test_a_mask_covers_the_pixels_of_its_polygon_and_no_others() -> None:
    mask = masked([box(20, 10, 40, 30)])
    assert mask[10:30, 20:40].all()
    outside = mask.copy()
    outside[9:31, 19:41] = 0
    assert outside.sum() == 0


def test_growing_adds_whole_pixels_and_feathering_takes_none_away() -> None:
    plain = masked([box(40, 20, 60, 40)])
    grown = masked([box(40, 20, 60, 40)], grow=5)
    soft = masked([box(40, 20, 60, 40)], grow=5, feather=8)
    assert (grown[plain == 1] == 1).all() and grown[30, 35] == 1 and grown[30, 30] == 0
    assert (soft[grown == 1] == 1).all()
    falling = soft[30, 20:36]
    assert (np.diff(falling) >= 0).all() and falling[0] == 0 and 0 < falling[10] < 1


def test_of_two_masks_on_one_page_the_higher_value_stays() -> None:
    both = masked([box(10, 10, 20, 20), box(22, 10, 30, 20)], feather=6)
    one = masked([box(10, 10, 20, 20)], feather=6)
    assert (both >= one).all() and both.max() == 1


def test_what_lies_beside_the_page_leaves_no_trace() -> None:
    assert masked([box(-50, -50, -40, -40), box(200, 10, 220, 20)], 3, 3).sum() == 0
    assert masked([box(-10, -10, 5, 5)], 2, 2)[0, 0] == 1


def test_an_upright_box_is_whole_pixels() -> None:
    assert upright_box([((1.2, 3.9), (8.1, 2.5)), ((5.0, 9.01),)]) == box(1, 2, 9, 10)


def test_one_mask_a_page_a_line_or_a_find() -> None:
    twice = region("york york", box(10, 50, 100, 70), order=1)
    found = [
        search(page(NEW_YORK, twice), Finder(Query("york"))),
        [],
        search(page(twice), Finder(Query("york"))),
    ]
    counts = {
        how: [(len(area), owner) for area, owner in zip(*outlines(found, "words", how), strict=True)]
        for how in ("page", "line", "match")
    }
    assert counts["page"] == [(3, 0), (0, 1), (2, 2)]
    assert counts["line"] == [(1, 0), (2, 0), (2, 2)]
    assert counts["match"] == [(1, 0)] * 3 + [(1, 2)] * 2
    assert outlines([[], []], "words", "match") == ([[], []], [0, 1])


def test_shapes_cover_the_words_the_line_or_a_box() -> None:
    (found,) = search(page(NEW_YORK), Finder(Query("york")))
    assert found.outline("line") == (NEW_YORK.polygon,)
    assert found.outline("words") == found.polygons
    assert found.outline("box") == (upright_box(found.polygons),)


def test_the_found_parts_come_as_regions_of_their_own() -> None:
    read = page(region("none here", box(0, 40, 90, 60)), replace(NEW_YORK, order=1))
    kept = only(read, search(read, Finder(Query("york city\nnew"))))
    assert [(one.text, one.order) for one in kept.regions] == [("New", 0), ("York city", 1)]
    assert kept.regions[0].confidence == 0.9 and kept.regions[1].confidence == 0.7
    assert [word.text for word in kept.regions[1].words] == ["York", "city"]
    assert kept.text == "New\nYork city" and (kept.width, kept.height) == (400, 100)


def test_nothing_found_names_the_nearest_word() -> None:
    finder = Finder(Query("Yorc"))
    assert report([[]], finder, [page(NEW_YORK)]) == 'Nothing found. Did you mean "York"?'
    assert "no text on the pages" in report([[]], finder, [page()])


def test_everything_takes_lines_that_could_not_be_read_too() -> None:
    read = page(
        NEW_YORK, region("", box(0, 50, 90, 70), category="unread", order=1), region("", box(0, 80, 9, 90))
    )
    found = search(read, Finder(Query("", "everything")))
    assert [one.line.category for one in found] == ["text", "unread"]
    assert len(only(read, found).regions) == 2


def test_pages_of_different_sizes_cannot_share_a_batch_of_masks() -> None:
    with pytest.raises(VramwiseError, match=r"different sizes \(10 x 10, 400 x 100\)"):
        Regions((page(NEW_YORK), page(size=(10, 10)))).size()


# --- crops ------------------------------------------------------------------------------------------------


def wanted(find: str = "", match: str = "everything", **limits: Any) -> RegionFilter:
    return RegionFilter(Finder(Query(find, match)), **limits)


def test_regions_are_picked_by_text_kind_confidence_size_and_order() -> None:
    title = region("Big title", box(0, 0, 100, 50), order=0, category="Title", confidence=0.4)
    read = page(title, replace(NEW_YORK, order=1), region("small", box(0, 60, 50, 68), order=2))

    def texts(of: RegionFilter) -> list[str]:
        return [one.text for one in of.picked(read)]

    assert texts(wanted()) == ["Big title", "New York city", "small"]
    assert texts(wanted("york", "exact")) == [] and texts(wanted("york", "case_insensitive")) == [
        "New York city"
    ]
    assert texts(wanted(categories=categories_of(" title, table"))) == ["Big title"]
    assert texts(wanted(min_confidence=0.5)) == ["New York city", "small"]
    assert texts(wanted(min_size=10, max_size=30)) == ["New York city"]
    assert texts(wanted(first=1, last=1)) == ["New York city"]


def test_a_straightened_crop_is_the_text_turned_level() -> None:
    picture = np.zeros((100, 100, 3), np.float32)
    turned = ((50.0, 10.0), (90.0, 50.0), (70.0, 70.0), (30.0, 30.0))
    picture[..., 1] = masked([turned], size=(100, 100))
    part = crop(picture, turned, 0, True)
    assert part is not None and part.shape == (28, 57, 3)
    assert part[2:-2, 2:-2, 1].min() > 0.9
    wide = crop(picture, turned, 6, True)
    assert wide is not None and wide.shape == (40, 69, 3) and wide[:4, :4, 1].max() == 0
    assert crop(picture, turned, 0, False).shape == (60, 60, 3)  # type: ignore[union-attr]


def test_a_level_crop_is_the_very_pixels() -> None:
    picture = np.random.default_rng(1).random((40, 60, 4)).astype(np.float32)
    part = crop(picture, box(10, 5, 30, 20), 3, True)
    assert part is not None and (part == picture[2:23, 7:33]).all()
    edge = crop(picture, box(50, 30, 80, 60), 3, True)
    assert edge is not None and edge.shape == (13, 13, 4)
    assert crop(picture, box(70, 5, 90, 20), 3, True) is None
