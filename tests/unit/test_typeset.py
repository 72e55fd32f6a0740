"""Texts set into regions: fonts by name and coverage, line breaks, fitting, direction, colours, notes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.errors import UnknownName, VramwiseError
from vramwise.ocr.results.region_lines import numbered_lines, region_texts
from vramwise.ocr.results.result import OCRResult, Region
from vramwise.typesetting import FontIndex, Style, TextRenderer, assigned, glyphs, rescaled
from vramwise.typesetting.colours import parse_colour, sample
from vramwise.typesetting.fonts import Face
from vramwise.typesetting.glyphs import TextShaper
from vramwise.typesetting.line_breaking import balanced, filled, pieces_of
from vramwise.typesetting.region_frame import frame_of
from vramwise.typesetting.vertical import cells

RUSSIAN = "\u041f\u0440\u0438\u0432\u0435\u0442"
CHINESE = "\u65e9\u6668\u7684\u6e21\u8f6e\u665a\u70b9\u4e86"
ARABIC = "\u0627\u0644\u0633\u0644\u0627\u0645 \u0639\u0644\u064a\u0643\u0645"
HEBREW = "\u05e9\u05dc\u05d5\u05dd"
UNASSIGNED = "\U000e0fff"
COMMA, STOP, OPEN, CLOSE = "\uff0c", "\u3002", "\u300c", "\u300d"


@pytest.fixture(scope="module")
def index() -> FontIndex:
    return FontIndex()


@pytest.fixture
def needs(index: FontIndex, require: Callable[[object, str], None]) -> Callable[[str], None]:
    """``needs(text)``: go on only where fonts for it are installed."""

    def check(text: str) -> None:
        try:
            index.runs(text)
        except VramwiseError as error:
            require(False, f"{error} On Debian: apt install fonts-noto-core fonts-noto-cjk fonts-dejavu.")

    return check


def box(x: float, y: float, width: float, height: float, text: str = "", order: int = 0) -> Region:
    return Region(text, ((x, y), (x + width, y), (x + width, y + height), (x, y + height)), order)


def drawn(
    index: FontIndex,
    region: Region,
    text: str,
    paper: float = 1.0,
    canvas: tuple[int, int] = (200, 400),
    **look: Any,
) -> tuple[Any, Any, str]:
    """The picture, the mask and the note."""
    picture, mask = np.full((*canvas, 3), paper, np.float32), np.zeros(canvas, np.float32)
    (note,) = TextRenderer(Style(**look), index).page(picture, mask, [region], [text])
    return picture, mask, note


def farthest_outside(polygon: Any, mask: Any) -> float:
    """Pixels from the polygon to the middle of the farthest inked pixel; negative when all are inside."""
    import cv2

    contour = np.asarray(polygon, np.float32)
    return max(-cv2.pointPolygonTest(contour, (x + 0.5, y + 0.5), True) for y, x in np.argwhere(mask > 0))


def ink_box(mask: Any) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask > 0.1)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


# --- fonts ------------------------------------------------------------------------------------------------


@pytest.fixture
def some_font(index: FontIndex, needs: Callable[[str], None]) -> Face:
    needs("abc")
    return index.runs("abc")[0].face


def test_a_font_in_a_persons_folder_is_found_by_file_name_and_by_family(
    some_font: Face, tmp_path: Path
) -> None:
    shutil.copyfile(some_font.path, tmp_path / f"mine{some_font.path.suffix}")
    mine = FontIndex([tmp_path], system=False)
    by_file, by_family = mine.named(f"MINE{some_font.path.suffix}"), mine.named(some_font.family.upper())
    assert by_file.path == by_family.path == tmp_path / f"mine{some_font.path.suffix}"
    assert by_file.own


def test_a_persons_font_goes_before_the_systems_of_the_same_name(some_font: Face, tmp_path: Path) -> None:
    shutil.copyfile(some_font.path, tmp_path / "mine.ttf")
    assert FontIndex([tmp_path]).named(some_font.family).path == tmp_path / "mine.ttf"


def test_a_font_added_later_is_seen(some_font: Face, tmp_path: Path) -> None:
    assert FontIndex([tmp_path], system=False).faces == ()
    shutil.copyfile(some_font.path, tmp_path / "late.ttf")
    assert [face.path.name for face in FontIndex([tmp_path], system=False).faces] == ["late.ttf"]


def test_of_the_input_folder_only_the_top_is_searched(some_font: Face, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    shutil.copyfile(some_font.path, tmp_path / "below" / "deep.ttf")
    shutil.copyfile(some_font.path, tmp_path / "top.ttf")
    found = FontIndex(shallow=[tmp_path], system=False)
    assert [face.path.name for face in found.faces] == ["top.ttf"]


@pytest.mark.parametrize(
    "name",
    ["../x.ttf", "/etc/x.ttf", "a\\b.ttf", "C:x.ttf", "x\0.ttf", "..", ".", "", " ", "./x.ttf"],
    ids=ascii,
)
def test_a_path_is_no_font_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(VramwiseError, match="is not a name"):
        FontIndex([tmp_path], system=False).named(name)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_that_leads_out_of_a_persons_folder_is_not_followed(some_font: Face, tmp_path: Path) -> None:
    (tmp_path / "fonts").mkdir()
    os.symlink(some_font.path, tmp_path / "fonts" / "link.ttf")
    shutil.copyfile(some_font.path, tmp_path / "fonts" / "real.ttf")
    os.symlink("real.ttf", tmp_path / "fonts" / "inner.ttf")
    os.symlink("ring.ttf", tmp_path / "fonts" / "ring.ttf")
    names = {face.path.name for face in FontIndex([tmp_path / "fonts"], system=False).faces}
    assert names == {"real.ttf", "inner.ttf"}


def test_an_unknown_name_gets_the_nearest(some_font: Face, tmp_path: Path) -> None:
    shutil.copyfile(some_font.path, tmp_path / "Chalkboard.ttf")
    with pytest.raises(
        UnknownName, match=r'No font here is called "Chalkbord\.ttf"\. Did you mean "Chalkboard'
    ):
        FontIndex([tmp_path], system=False).named("Chalkbord.ttf")


@pytest.mark.parametrize(
    "content", [b"", b"not a font", b"\0\1\0\0" + b"\xff" * 200], ids=["empty", "text", "junk"]
)
@pytest.mark.parametrize("suffix", [".ttf", ".ttc"])
def test_a_damaged_font_file_is_passed_over(content: bytes, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"bad{suffix}").write_bytes(content)
    assert FontIndex([tmp_path], system=False).faces == ()


def test_a_glyph_that_no_font_has_is_named_with_the_folder_to_put_one_in(
    some_font: Face, tmp_path: Path
) -> None:
    shutil.copyfile(some_font.path, tmp_path / "only.ttf")
    with pytest.raises(
        VramwiseError, match=r"No font here has the glyph U\+16A0 \(RUNIC LETTER FEHU"
    ) as caught:
        FontIndex([tmp_path], system=False).runs("a\u16a0")
    assert str(tmp_path) in str(caught.value)


def test_a_character_without_a_name_is_reported_too(tmp_path: Path) -> None:
    with pytest.raises(VramwiseError, match=r"U\+10FFFF \(a character without a name\)"):
        FontIndex([tmp_path], system=False).runs("\U0010ffff")


def test_one_font_is_taken_where_one_has_all_letters(index: FontIndex, needs: Callable[[str], None]) -> None:
    needs(CHINESE)
    assert len(index.runs(f"ComfyUI {CHINESE} 12")) == 1
    assert len(index.runs(f"{RUSSIAN}, world")) == 1


def test_letters_that_the_chosen_font_lacks_come_from_another_and_the_note_says_so(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs(CHINESE)
    latin = index.runs("abc")[0].face
    _, _, note = drawn(index, box(10, 10, 300, 40), f"ab {CHINESE[0]}", font=latin.name)
    assert f"has no U+{ord(CHINESE[0]):04X}" in note


def test_joiners_and_white_space_need_no_glyph(index: FontIndex, needs: Callable[[str], None]) -> None:
    needs("abc")
    assert "".join(run.text for run in index.runs("a\u200db\ufe0f\u2060 c")) == "a\u200db\ufe0f\u2060 c"
    assert index.runs(" \u200b") == []


# --- line breaks ------------------------------------------------------------------------------------------


def lines(text: str, measure: float) -> list[str] | None:
    return filled(pieces_of(text), measure, len, 1)


def test_words_stay_whole_and_white_space_is_folded() -> None:
    assert lines("  the  quick\tbrown fox ", 9) == ["the quick", "brown fox"]
    assert lines("unbreakable", 5) is None


def test_a_hyphen_and_a_zero_width_space_allow_a_break_and_a_number_range_does_not() -> None:
    assert lines("well-known", 6) == ["well-", "known"]
    assert lines("ab\u200bcd", 2) == ["ab", "cd"]
    assert lines("10-20", 4) is None


def test_chinese_breaks_anywhere() -> None:
    assert lines(CHINESE, 3) == [CHINESE[:3], CHINESE[3:6], CHINESE[6:]]


@pytest.mark.parametrize("sign", [COMMA, STOP, CLOSE, "\u30fc", "\u3063", "!"], ids=ascii)
def test_closing_signs_do_not_begin_a_line(sign: str) -> None:
    assert lines(CHINESE[:3] + sign + CHINESE[3], 3) == [CHINESE[:2], CHINESE[2] + sign + CHINESE[3]]


def test_opening_signs_do_not_end_a_line() -> None:
    assert lines(CHINESE[:2] + OPEN + CHINESE[2:4], 3) == [CHINESE[:2], OPEN + CHINESE[2:4]]


def test_a_combining_mark_stays_with_its_letter() -> None:
    assert lines("\u304b\u3099\u304d", 2) == ["\u304b\u3099", "\u304d"]


def test_hangul_breaks_at_spaces_only() -> None:
    assert lines("\uc548\ub155 \uc138\uacc4", 2) == ["\uc548\ub155", "\uc138\uacc4"]
    assert lines("\uc548\ub155", 1) is None


def test_balanced_lines_are_as_few_and_alike() -> None:
    pieces = pieces_of("aaa bbb ccc ddd")
    assert filled(pieces, 11, len, 1) == ["aaa bbb ccc", "ddd"]
    assert balanced(pieces, 11, len, 1) == ["aaa bbb", "ccc ddd"]


# --- which text goes where --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "counts", "wanted"),
    [
        (["a\nb"], [2], [["a", "b"]]),
        (["a\r\nb\n\n"], [2], [["a", "b"]]),
        (["\nb"], [2], [["", "b"]]),
        (["a\\nb\nc"], [2], [["a\nb", "c"]]),
        (["a\nb"], [1], [["a\nb"]]),
        (["a\nb\nc"], [1, 2], [["a"], ["b", "c"]]),
        (['["a", "b\\nc"]'], [2], [["a", "b\nc"]]),
        (['[["a"], ["b", null]]'], [1, 2], [["a"], ["b", ""]]),
        (["[a]\n[b]"], [2], [["[a]", "[b]"]]),
        (["a", "b", "c"], [1, 2], [["a"], ["b", "c"]]),
        (["a\nb", "c\nd\ne"], [2, 3], [["a", "b"], ["c", "d", "e"]]),
        (["a\nb", '["c"]'], [2, 1], [["a", "b"], ["c"]]),
        (['["a"]'], [1], [["a"]]),
        (['["a", ""]'], [1], [["a"]]),
        (['[["a"]]'], [1], [["a"]]),
        (["[]"], [1], [[""]]),
        (["[null]"], [1], [[""]]),
        (["[1]"], [1], [["[1]"]]),
        (["[2024, 2025]"], [1], [["[2024, 2025]"]]),
        (["[1]", "b\nc"], [1, 2], [["[1]"], ["b", "c"]]),
        (["[1, 2.5]"], [2], [["1", "2.5"]]),
        (["a"], [1, 0], [["a"], []]),
        ([""], [3], [["", "", ""]]),
        ([""], [0], [[]]),
        (["a", ""], [2, 0], [["a", ""], []]),
        (["<1> a\n<2> b\\nc"], [2], [["a", "b\nc"]]),
        (["Here you are:\n\n<2>b</2>\n<1> a\n\ngoes on"], [1, 1], [["a\ngoes on"], ["b"]]),
        (["<3> c"], [2, 2], [["", ""], ["c", ""]]),
        (["<1> a"], [1], [["a"]]),
        (["<b> a\n1. b"], [2], [["<b> a", "1. b"]]),
    ],
    ids=str,
)
def test_texts_find_their_regions(texts: list[str], counts: list[int], wanted: list[list[str]]) -> None:
    assert assigned(texts, counts) == wanted


@pytest.mark.parametrize(
    ("texts", "counts", "says"),
    [
        (["a\nb\nc"], [2], "3 texts came in for 2 regions on 1 page"),
        (["a"], [2], "1 text came in for 2 regions"),
        (['["A", "B"]'], [1], "2 texts came in for 1 region on 1 page"),
        (['["A", 2]'], [1], "2 texts came in for 1 region"),
        (["a", "b", "c"], [2, 2], "3 lists of texts came in for 4 regions on 2 pages"),
        (["a\nb\nc", "d"], [2, 2], "3 texts came in for 2 regions on page 1"),
        (['[["a"]]'], [1, 1], "1 list of texts"),
        (['["a", {"b": 1}]'], [2], "which is no text"),
        (["<1> a\n<1> b"], [2], "the number <1> twice"),
        (["<1> a\n<3> b"], [2], "<3> and there are 2 regions"),
    ],
    ids=str,
)
def test_numbers_that_do_not_match_are_said(texts: list[str], counts: list[int], says: str) -> None:
    with pytest.raises(VramwiseError, match=says):
        assigned(texts, counts)


@given(
    st.lists(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r<>\\"), max_size=12))
)
def test_a_text_a_region_comes_back_by_its_number(texts: list[str]) -> None:
    texts = ["\n".join(line.strip() for line in text.split("\n")).strip() for text in texts]
    box = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
    regions = tuple(Region(text, box, order) for order, text in enumerate(texts))
    page = OCRResult("", "", regions, 9, 9, "stop", "m", "fp32", 0.0)
    assert region_texts([page]) == texts
    assert assigned([numbered_lines([page])], [len(texts)]) == [texts]


# --- fitting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Open", "ooo", "gypsy", "A"])
def test_ink_is_centred_in_its_region(text: str, index: FontIndex, needs: Callable[[str], None]) -> None:
    needs(text)
    _, mask, _ = drawn(index, box(50, 60, 300, 50), text)
    x0, y0, x1, y1 = ink_box(mask)
    assert abs((x0 + x1) / 2 - 200) <= 1 and abs((y0 + y1) / 2 - 85) <= 1


@pytest.mark.parametrize(("align", "edge"), [("left", 50), ("right", 350)])
def test_aligned_ink_begins_or_ends_at_the_edge(
    align: str, edge: int, index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("Open")
    _, mask, _ = drawn(index, box(50, 60, 300, 40), "Open", align=align)
    x0, _, x1, _ = ink_box(mask)
    assert abs((x0 if align == "left" else x1) - edge) <= 1


def test_a_longer_text_is_wrapped_where_that_makes_it_larger(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    long = "several words that would be tiny on a single line of this region"
    wrapped, single = (drawn(index, box(10, 10, 300, 150), long, wrap=wrap)[2] for wrap in (True, False))
    assert " lines." in wrapped and "1 line." in single
    assert size_of(wrapped) > 1.5 * size_of(single)


def size_of(note: str) -> float:
    return float(note.split(" at ")[-1].split(" px")[0])


def test_the_old_text_limits_the_size_of_a_shorter_new_one(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    old = "an old text that has filled two lines of the region before"
    free, like_old = (drawn(index, box(10, 10, 380, 100, text), "new", wrap=True)[2] for text in ("", old))
    assert size_of(like_old) < 0.6 * size_of(free)


def test_the_size_follows_the_ink_of_the_old_text_not_the_slack_around_it(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    picture, mask, _ = drawn(index, box(50, 80, 300, 40), "Hxg", colour="black")
    wide = box(40, 70, 320, 60, "Hxg")
    empty = np.ones_like(picture)
    (note,) = TextRenderer(Style(), index).page(empty, np.zeros_like(mask), [wide], ["Hxg"], source=picture)
    before = drawn(index, box(50, 80, 300, 40), "Hxg")[2]
    assert size_of(note) == pytest.approx(size_of(before), rel=0.08)


def test_a_given_size_is_kept_and_made_smaller_only_without_room(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    assert size_of(drawn(index, box(10, 10, 380, 100), "word", size=20)[2]) == 20
    note = drawn(index, box(10, 10, 60, 20), "much longer words", size=40)[2]
    assert size_of(note) < 20 and "There was no room for 40 px." in note


def test_a_text_without_room_is_an_error_where_that_was_chosen(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    with pytest.raises(VramwiseError, match=r'Region 1 has no room for "a text too long'):
        drawn(index, box(10, 10, 40, 8), "a text too long for so small a region", too_long="error")
    _, mask, note = drawn(index, box(10, 10, 40, 8), "a text too long for so small a region")
    assert "There was no room for 6 px." in note and mask.max() > 0


def test_a_text_for_which_there_is_no_room_at_all_draws_nothing(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    _, mask, note = drawn(index, box(10, 10, 2, 2), "word " * 200)
    assert "nothing drawn" in note and mask.max() == 0


@pytest.mark.parametrize("outline", [0.0, 2.0])
@pytest.mark.parametrize("degrees", [0, 13, 45, 90, 180, -30])
def test_ink_stays_inside_and_runs_along_the_first_edge(
    degrees: float, outline: float, index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    middle = np.array([200, 200])
    turn = np.array([(c, s), (-s, c)])
    corners = np.array([(-100, -20), (100, -20), (100, 20), (-100, 20)]) @ turn + middle
    region = Region("", tuple(map(tuple, corners.tolist())), 0)
    _, mask, _ = drawn(index, region, ". . . MMMM", canvas=(400, 400), outline=outline, wrap=False)
    assert farthest_outside(corners, mask) <= 1
    rows, columns = np.nonzero(mask > 0)
    along = (np.stack([columns, rows], 1) + 0.5 - middle) @ (c, s)
    assert mask[rows, columns][along > 0].sum() > mask[rows, columns][along < 0].sum()  # the M is at the end


def test_a_region_of_many_corners_keeps_the_ink_inside(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    corner = ((50, 50), (350, 50), (350, 90), (150, 90), (150, 190), (50, 190))
    _, mask, _ = drawn(index, Region("", corner, 0), "L shape")
    assert (mask > 0).sum() > 50 and farthest_outside(corner, mask) <= 1


@pytest.mark.parametrize(
    "polygon",
    [
        (),
        ((0, 0), (10, 10)),
        ((5, 5), (5, 5), (5, 5), (5, 5)),
        ((0, 0), (100, 0), (100, 0.4), (0, 0.4)),
        ((900, 900), (990, 900), (990, 950), (900, 950)),
        ((0, 0), (float("nan"), 0), (10, 10), (0, 10)),
        ((0, 0), (1e9, 0), (1e9, 1e9), (0, 1e9)),
    ],
    ids=str,
)
def test_a_region_that_is_none_is_left_alone_and_said(
    polygon: Any, index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    picture, mask, note = drawn(index, Region("", polygon, 0), "word")
    assert "left as it is" in note and mask.max() == 0 and (picture == 1).all()


def test_a_region_over_the_edge_of_the_picture_is_cut(index: FontIndex, needs: Callable[[str], None]) -> None:
    needs("abc")
    _, mask, _ = drawn(index, box(300, 170, 300, 60), "over the edge")
    assert mask.max() == 1


def test_corners_named_the_other_way_round_do_not_mirror_the_text(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    right = box(50, 60, 300, 50)
    mirrored = Region("", right.polygon[::-1], 0)
    assert frame_of(mirrored.polygon) is not None
    assert np.abs(drawn(index, mirrored, "FLag")[1] - drawn(index, right, "FLag")[1]).mean() < 0.02


def test_pixels_without_ink_keep_their_exact_value_and_a_second_run_is_the_same(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    rng = np.random.default_rng(3)
    noise = rng.random((200, 400, 3), dtype=np.float32)
    results = []
    for _ in range(2):
        picture, mask = noise.copy(), np.zeros((200, 400), np.float32)
        TextRenderer(Style(outline=1), index).page(picture, mask, [box(30, 30, 300, 60)], ["word"])
        assert (picture[mask == 0] == noise[mask == 0]).all()
        assert (picture[mask == 1] != noise[mask == 1]).any()
        results.append(picture)
    assert (results[0] == results[1]).all()


def test_regions_follow_a_picture_of_another_size() -> None:
    page = OCRResult("", "", (box(10, 20, 30, 40),), 100, 200, "stop", "m", "p", 0.0)
    (region,) = rescaled(page, 400, 300)
    assert region.box == (30, 40, 120, 120)


# --- direction --------------------------------------------------------------------------------------------


def test_chinese_in_a_tall_region_is_a_column_and_latin_is_not(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs(CHINESE)
    assert "1 column." in drawn(index, box(100, 10, 30, 180), CHINESE[:5])[2]
    assert "column" not in drawn(index, box(100, 10, 30, 180), "word")[2]
    assert "column" not in drawn(index, box(100, 10, 30, 180), CHINESE, direction="horizontal")[2]
    assert "column" in drawn(index, box(10, 10, 300, 60), CHINESE, direction="vertical")[2]


def test_columns_run_from_right_to_left(index: FontIndex, needs: Callable[[str], None]) -> None:
    one, box_sign = "\u4e00", "\u76ee"
    needs(one + box_sign)
    _, mask, note = drawn(index, box(100, 10, 60, 180), f"{box_sign}\n{one}", direction="vertical")
    assert "2 columns." in note
    assert mask[:, 130:].sum() > 3 * mask[:, :130].sum()


def test_cells_of_a_column(index: FontIndex, needs: Callable[[str], None]) -> None:
    text = f"{CHINESE[0]}12{OPEN}A{CLOSE}word{STOP}"
    needs(text)
    got = [(cell.kind, cell.length > 1) for cell in cells(text, TextShaper(index, None, text, False))]
    assert [kind for kind, _ in got[:2]] == ["upright", "together"]
    assert got[3] == ("together", False) and got[5] == ("turned", True)


def test_without_vertical_forms_brackets_turn_and_stops_move_to_the_corner(
    index: FontIndex, needs: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{OPEN}{CHINESE}{CLOSE}{STOP}"
    needs(text)
    monkeypatch.setattr(TextShaper, "has", lambda self, character: False)
    got = cells(text, TextShaper(index, None, text, False))
    assert (got[0].kind, got[-2].kind, got[-1].kind) == ("turned", "turned", "corner")
    _, mask, _ = drawn(index, box(150, 10, 40, 180), CHINESE[:2] + STOP, direction="vertical")
    x0, _, x1, y1 = ink_box(mask)
    _, columns = np.nonzero(mask[y1 - 8 : y1] > 0.3)
    assert columns.mean() > (x0 + x1) / 2


def test_right_to_left_text_begins_at_the_right(index: FontIndex, needs: Callable[[str], None]) -> None:
    needs(f"{HEBREW}.")
    _, auto, _ = drawn(index, box(50, 60, 300, 50), f"{HEBREW}.")
    _, forced, _ = drawn(index, box(50, 60, 300, 50), f"{HEBREW}.", direction="horizontal")
    assert not np.array_equal(auto, forced)  # the stop is on the other side
    assert np.array_equal(
        auto, drawn(index, box(50, 60, 300, 50), f"{HEBREW}.", direction="right-to-left")[1]
    )


def test_arabic_without_raqm_and_without_the_packages_is_one_sentence(
    index: FontIndex, needs: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(ARABIC)
    monkeypatch.setattr(glyphs, "_has_raqm", lambda: False)
    monkeypatch.setitem(sys.modules, "arabic_reshaper", None)
    with pytest.raises(VramwiseError, match="pip install python-bidi arabic-reshaper"):
        drawn(index, box(50, 60, 300, 50), ARABIC)


def test_arabic_without_raqm_is_set_by_the_packages(
    index: FontIndex,
    needs: Callable[[str], None],
    require: Callable[[object, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs(ARABIC)
    both = all(importlib.util.find_spec(name) for name in ("arabic_reshaper", "bidi"))
    require(
        both, "python-bidi and arabic-reshaper are not installed: pip install python-bidi arabic-reshaper."
    )
    glyphs.opened.cache_clear()
    monkeypatch.setattr(glyphs, "_has_raqm", lambda: False)
    shaper = TextShaper(index, None, ARABIC, True)
    (run,) = shaper.runs(ARABIC)
    assert run.text == glyphs._visual(ARABIC, True) != ARABIC
    _, mask, _ = drawn(index, box(50, 60, 300, 50), ARABIC)
    glyphs.opened.cache_clear()
    assert mask.max() == 1


# --- colours ----------------------------------------------------------------------------------------------


def written(paper: str, ink: str, index: FontIndex) -> Any:
    picture = np.empty((200, 400, 3), np.float32)
    picture[:] = parse_colour("paper", paper)
    mask = np.zeros((200, 400), np.float32)
    TextRenderer(Style(colour=ink), index).page(picture, mask, [box(50, 80, 300, 40)], ["Old words"])
    return picture


@pytest.mark.parametrize(
    ("paper", "ink"),
    [("#ffffff", "#000000"), ("#101820", "#f0e0c0"), ("#1f4788", "#ffcc00"), ("#ffe600", "#b00020")],
)
def test_auto_takes_the_colour_of_the_old_text(
    paper: str, ink: str, index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    found = sample(written(paper, ink, index)[70:130, 40:360])
    assert found.paper == pytest.approx(parse_colour("paper", paper), abs=0.02)
    assert found.ink == pytest.approx(parse_colour("ink", ink), abs=0.02)


def test_auto_on_an_empty_region_is_black_or_white_by_contrast(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    for paper, letters in ((1.0, 0.0), (0.1, 1.0)):
        picture, mask, _ = drawn(index, box(50, 60, 300, 50), "word", paper=paper)
        assert picture[mask == 1] == pytest.approx(letters)


def test_fill_covers_the_old_text_with_the_colour_around_it(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    picture = written("#1f4788", "#ffcc00", index)
    mask = np.zeros((200, 400), np.float32)
    style = Style(background="fill", align="left", size=40)
    TextRenderer(style, index).page(picture, mask, [box(40, 70, 320, 60)], ["M"])
    assert np.abs(picture[mask == 0] - parse_colour("paper", "#1f4788")).max() < 0.02
    assert picture[mask == 1].mean(axis=0) == pytest.approx(parse_colour("ink", "#ffcc00"), abs=0.02)


def test_the_outline_surrounds_the_letters_in_its_colour(
    index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    picture, mask, _ = drawn(
        index, box(50, 60, 300, 60), "Word", colour="#ffffff", outline=3, outline_colour="#ff0000"
    )
    inked = picture[mask == 1]
    red = (inked == (1, 0, 0)).all(axis=1)
    assert red.any() and (inked == (1, 1, 1)).all(axis=1).any()
    _, plain, _ = drawn(index, box(50, 60, 300, 60), "Word")
    assert mask.sum() > plain.sum()


@pytest.mark.parametrize("nothing", ["", "  ", "Auto"])
@pytest.mark.parametrize("name", ["font", "colour", "outline_colour"])
def test_an_emptied_field_is_auto(index, name, nothing):
    picture, mask, _ = drawn(index, box(50, 60, 300, 60), "Word", outline=3, **{name: nothing})
    usual, where, _ = drawn(index, box(50, 60, 300, 60), "Word", outline=3)
    assert np.array_equal(picture, usual) and np.array_equal(mask, where)


@pytest.mark.parametrize(
    ("look", "says"),
    [
        ({"colour": "purpleish"}, 'colour "purpleish" is no colour'),
        ({"outline_colour": "#12"}, 'outline_colour "#12" is no colour'),
        ({"align": "middle"}, 'align "middle" is unknown'),
        ({"direction": "down"}, 'direction "down" is unknown'),
        ({"background": "blur"}, 'background "blur" is unknown'),
        ({"too_long": "cut"}, 'too_long "cut" is unknown'),
        ({"size": float("nan")}, "size is nan; give a number"),
        ({"outline": -1.0}, "outline is -1.0; give a number"),
        ({"spacing": 0.0}, "spacing is 0.0; give a number"),
    ],
    ids=str,
)
def test_a_style_that_is_none_is_refused(look: dict[str, Any], says: str, index: FontIndex) -> None:
    with pytest.raises(VramwiseError, match=says):
        TextRenderer(Style(**look), index)


def test_an_empty_text_leaves_its_region_alone(index: FontIndex) -> None:
    picture, mask, note = drawn(index, box(10, 10, 100, 30), " \x07 ")
    assert "left as it is" in note and mask.max() == 0 and (picture == 1).all()


@pytest.mark.parametrize(
    "text", ["\u200b", "\ufeff", "\u200d", "\u2060", "\u00ad", "\ufe0f", "\u200b \n\u200e"], ids=ascii
)
@pytest.mark.parametrize("direction", ["auto", "vertical", "right-to-left"])
def test_a_text_that_nobody_can_see_leaves_its_region_alone(
    text: str, direction: str, index: FontIndex
) -> None:
    _, mask, note = drawn(index, box(10, 10, 100, 30, text), text, direction=direction)
    assert "no text, left as it is" in note and mask.max() == 0


@pytest.mark.parametrize("line", ["\u200b", "\ufeff", "\u200e"], ids=ascii)
def test_a_line_that_nobody_can_see_is_an_empty_line(
    line: str, index: FontIndex, needs: Callable[[str], None]
) -> None:
    needs("abc")
    _, mask, note = drawn(index, box(10, 10, 300, 150, line), f"Above\n{line}\nbelow")
    assert "3 lines" in note and mask.max() == 1
