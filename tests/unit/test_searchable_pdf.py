"""Searchable PDFs: words where they stand, for poppler and pdfium (Chrome), over pages left as they are."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pikepdf
import pypdfium2
import pytest
from PIL import Image
from vramwise.documents.page_pictures import of_file, of_pixels
from vramwise.documents.searchable_pdf import SearchablePdf
from vramwise.errors import VramwiseError
from vramwise.ocr.results.result import OCRResult, Point, Region, Word
from vramwise.pictures.decode import decode

from tests.fixtures.write_pdf import write_pdf

WIDTH, HEIGHT = 800, 1000
SCALE = 72 / 200  # points a pixel, at the dpi that is taken for pictures without one
poppler = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed"
)


def _box(x: float, y: float, w: float, h: float) -> tuple[Point, ...]:
    return (x, y), (x + w, y), (x + w, y + h), (x, y + h)


def _line(words: list[str], y: float, order: int, spaced: bool = True, backwards: bool = False) -> Region:
    """A level line of words, 20 pixels a letter and 12 between them."""
    placed, x = [], 60.0
    for word in words[::-1] if backwards else words:
        placed.append(Word(word, _box(x, y, 20.0 * len(word), 40)))
        x += 20 * len(word) + (12 if spaced else 0)
    placed = placed[::-1] if backwards else placed
    text = (" " if spaced else "").join(words)
    return Region(text, _box(60, y, x - 60, 40), order, words=tuple(placed))


def _result(*regions: Region, size: tuple[int, int] = (WIDTH, HEIGHT), text: str = "") -> OCRResult:
    text = text or "\n".join(region.text for region in regions)
    return OCRResult(text, text, regions, *size, "stop", "rapid", "fp32", 0.0)


def _pdf(path: Path, *results: OCRResult) -> Path:
    pdf = SearchablePdf("test")
    for result in results:
        pdf.add_picture(of_pixels(np.full((result.height, result.width, 3), 255, np.uint8)), result)
    pdf.write(path)
    pdf.close()
    return path


def _read(path: Path, page: int = 0) -> str:
    """As pdfium, and so Chrome, has it."""
    document = pypdfium2.PdfDocument(path)
    try:
        return document[page].get_textpage().get_text_bounded().strip()
    finally:
        document.close()


def _poppler_words(path: Path) -> list[tuple[str, list[float]]]:
    said = subprocess.run(["pdftotext", "-bbox", path, "-"], capture_output=True, check=True, timeout=60)
    found = re.findall(
        r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>',
        said.stdout.decode(),
    )
    return [(unescape(text), [float(side) for side in sides]) for *sides, text in found]


LINES = {
    "Latin": (["Straße,", "naïve", "\u03a9mega-3"], True, False),
    "Cyrillic": (["\u041f\u0440\u0438\u0432\u0435\u0442,", "\u043c\u0438\u0440", "\u21165"], True, False),
    "Chinese": (list("\u4eca\u65e5\u306f\u826f\u3044\u5929\u6c17\u3001"), False, False),
    "Korean": (["\uc548\ub155\ud558\uc138\uc694", "\uc138\uacc4"], True, False),
    "Arabic": (["\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u0644\u063a\u0629", "2026"], True, True),
    "Hebrew": (["\u05e9\u05dc\u05d5\u05dd", "\u05e2\u05d5\u05dc\u05dd"], True, True),
    "Thai": (["\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22"], True, False),
    "Devanagari": (["\u0939\u093f\u0928\u094d\u0926\u0940", "\u092d\u093e\u0937\u093e"], True, False),
    "beyond the first plane": (["\U00020000\U0001f600", "x"], True, False),
}


@pytest.mark.parametrize("script", LINES)
def test_every_script_comes_out_as_it_was_read(tmp_path: Path, script: str) -> None:
    words, spaced, backwards = LINES[script]
    line = _line(words, 100, 0, spaced, backwards)
    read = _read(_pdf(tmp_path / "a.pdf", _result(line)))
    assert read.replace("\r\n", " ") == line.text


@poppler
@pytest.mark.parametrize("script", [name for name in LINES if name not in ("Chinese",)])
def test_words_stand_where_they_were_read(tmp_path: Path, script: str) -> None:
    words, spaced, backwards = LINES[script]
    line = _line(words, 100, 0, spaced, backwards)
    found = _poppler_words(_pdf(tmp_path / "a.pdf", _result(line)))
    # poppler lists the letters of a word as they stand on the page, from left to right
    assert sorted(sorted(text) for text, _ in found) == sorted(map(sorted, words))
    placed = {tuple(sorted(word.text)): word.polygon for word in line.words}
    for text, (x0, y0, x1, y1) in found:
        (left, top), _, (right, bottom), _ = placed[tuple(sorted(text))]
        want = [side * SCALE for side in (left, top, right, bottom)]
        assert [x0, y0, x1, y1] == pytest.approx(want, abs=1.0), text


def _turned(line: Region, degrees: float) -> Region:
    """``line`` on a page that was turned about its middle."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))

    def turned(polygon: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple(
            (400 + (x - 400) * cos - (y - 500) * sin, 500 + (x - 400) * sin + (y - 500) * cos)
            for x, y in polygon
        )

    words = tuple(Word(word.text, turned(word.polygon)) for word in line.words)
    return Region(line.text, turned(line.polygon), line.order, words=words)


@pytest.mark.parametrize("turn", [0, 1.0, 7.0, 90, 180, 270, -15])
def test_a_line_that_runs_anywhere_is_one_line(tmp_path: Path, turn: float) -> None:
    line = _line(["Two", "or", "more", "words"], 480, 0)
    assert _read(_pdf(tmp_path / "a.pdf", _result(_turned(line, turn)))) == line.text


@pytest.mark.parametrize("turn", [0, 7.0, 85, 90, 95, 180, 265, 270, -7])
def test_lines_of_a_turned_page_come_in_order(tmp_path: Path, turn: float) -> None:
    """pdfium sorts strings that begin at one height by where they stand from left to right."""
    told = ["one two three", "four five six seven", "eight nine ten", "eleven twelve"]
    lines = [_turned(_line(text.split(), 380 + 60 * order, order), turn) for order, text in enumerate(told)]
    assert _read(_pdf(tmp_path / "a.pdf", _result(*lines))).split() == " ".join(told).split()


def test_columns_of_chinese_are_read_downwards(tmp_path: Path) -> None:
    def column(text: str, x: float, order: int) -> Region:
        # from the column's own top left: the text runs down, so that is the upper right corner
        corners = (x + 40, 100.0), (x + 40, 100.0 + 40 * len(text)), (x, 100.0 + 40 * len(text)), (x, 100.0)
        words = tuple(Word(letter, _box(x, 100 + 40 * at, 40, 40)) for at, letter in enumerate(text))
        return Region(text, corners, order, words=words)

    pages = _result(
        column("\u7e26\u66f8\u304d\u3067\u3059", 500, 0), column("\u6b21\u306e\u5217\u3067\u3059", 440, 1)
    )
    read = _read(_pdf(tmp_path / "a.pdf", pages))
    assert read.split() == ["\u7e26\u66f8\u304d\u3067\u3059", "\u6b21\u306e\u5217\u3067\u3059"]


HEBREW = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd \u05d5\u05e2\u05d5\u05d3"


@pytest.mark.parametrize(
    "region",
    [
        Region("a block of several words that\nhas no words of its own", _box(50, 50, 700, 100), 0),
        Region("<table><tr><td>1</td><td>2</td></tr></table>", _box(50, 50, 700, 100), 0, "table"),
        Region(
            HEBREW,
            _box(50, 50, 700, 50),
            0,
        ),
        Region("\u4eca\u65e5\u306f\u826f\u3044\u5929\u6c17\u3067\u3059\u306d", _box(50, 50, 400, 40), 0),
        None,
    ],
)
def test_text_without_words_is_there_to_be_searched(tmp_path: Path, region: Region | None) -> None:
    if region is None:
        result, text = _result(text="no place is known of this"), "no place is known of this"
    else:
        result, text = _result(region), re.sub(r"</?t\w+>", " ", region.text)
    read = _read(_pdf(tmp_path / "a.pdf", result))
    assert read.split() == text.split()


def test_what_no_file_can_hold_is_left_out(tmp_path: Path) -> None:
    odd = Region("a\x00\ud800b \ufffe", _box(50, 50, 200, 40), 0)
    flat = Region("flat", ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)), 1)
    empty = Region("", _box(50, 50, 200, 40), 2, category="unread")
    assert _read(_pdf(tmp_path / "a.pdf", _result(odd, flat, empty))) == "ab"


# --- pictures ---------------------------------------------------------------------------------------------


def _photo(path: Path, orientation: int, mode: str = "RGB") -> Path:
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[:20, :30] = (250, 20, 20)
    pixels[40:, 60:] = (20, 20, 250)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).convert(mode).save(path, "JPEG", quality=95, exif=exif, dpi=(300, 300))
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpegs_own_bytes_stay_and_are_shown_upright(tmp_path: Path, orientation: int) -> None:
    file = _photo(tmp_path / "photo.jpg", orientation)
    upright = decode(file).pixels
    pdf = SearchablePdf("photo")
    pdf.add_picture(of_file(file, 0, upright), None)
    pdf.write(tmp_path / "a.pdf")
    with pikepdf.open(tmp_path / "a.pdf") as written:
        image = written.pages[0].Resources.XObject["/Page"]
        assert image.read_raw_bytes() == file.read_bytes()
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    shown = document[0].render(scale=300 / 72, rev_byteorder=True).to_numpy()[..., :3]
    document.close()
    shown = shown[: upright.shape[0], : upright.shape[1]]  # pdfium rounds up
    assert np.abs(shown.astype(int) - upright).mean() < 8


@pytest.mark.parametrize(
    ("kind", "space", "bits"), [("1", "/DeviceGray", 1), ("L", "/DeviceGray", 8), ("RGB", "/DeviceRGB", 8)]
)
def test_drawn_pictures_lose_nothing(tmp_path: Path, kind: str, space: str, bits: int) -> None:
    pixels = np.full((40, 50, 3), 255, np.uint8)
    pixels[10:20, 5:30] = {"1": (0, 0, 0), "L": (90, 90, 90), "RGB": (200, 30, 60)}[kind]
    pdf = SearchablePdf("drawn")
    pdf.add_picture(of_pixels(pixels), None)
    pdf.write(tmp_path / "a.pdf")
    with pikepdf.open(tmp_path / "a.pdf") as written:
        image = written.pages[0].Resources.XObject["/Page"]
        assert (image.ColorSpace, int(image.BitsPerComponent)) == (space, bits)
        shown = pikepdf.PdfImage(image).as_pil_image().convert("RGB")
    assert (np.asarray(shown) == pixels).all()


def test_a_photograph_without_a_jpeg_becomes_a_fine_one() -> None:
    blurred = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    photo = np.asarray(Image.fromarray(blurred).resize((1600, 1200), Image.Resampling.BICUBIC))
    picture = of_pixels(photo)
    assert picture.entries["Filter"] == "/DCTDecode"
    shown = np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB")).astype(int)
    assert np.abs(shown - photo).mean() < 1.5


# --- over a PDF -------------------------------------------------------------------------------------------


def _marked(path: Path, rotate: int, crop: tuple[int, ...] | None, inherited: bool) -> tuple[float, ...]:
    """A PDF of one page, turned and cropped, with a black rectangle: its place on the page in points."""
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(400, 600))
        page.obj.MediaBox = [10, 20, 410, 620]
        if crop:
            page.obj.CropBox = list(crop)
        if rotate:
            (pdf.Root.Pages if inherited else page.obj).Rotate = rotate
        page.obj.Contents = pdf.make_stream(b"2 0 0 2 0 0 cm q 60 150 40 15 re f")  # never restored
        pdf.save(path)
    return 120.0, 300.0, 200.0, 330.0


@pytest.mark.parametrize("crop", [None, (60, 100, 390, 560), (-50, -50, 900, 900)])
@pytest.mark.parametrize("rotate", [0, 90, 180, 270, -90])
def test_text_lies_on_a_turned_and_cropped_page(
    tmp_path: Path, rotate: int, crop: tuple[int, ...] | None
) -> None:
    place = _marked(tmp_path / "in.pdf", rotate, crop, inherited=rotate == 90)
    document = pypdfium2.PdfDocument(tmp_path / "in.pdf")
    drawn = document[0].render(scale=2, rev_byteorder=True).to_numpy()[..., 0]
    document.close()
    ys, xs = np.nonzero(drawn < 128)
    box = _box(xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min())
    mark = Region("mark", box, 0, words=(Word("mark", box),))
    pdf = SearchablePdf("in", tmp_path / "in.pdf")
    pdf.add_text(0, _result(mark, size=(drawn.shape[1], drawn.shape[0])))
    pdf.write(tmp_path / "a.pdf")
    pdf.close()
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    text = document[0].get_textpage()
    boxes = [text.get_charbox(at) for at in range(4)]
    document.close()
    found = (
        *(min(box[side] for box in boxes) for side in (0, 1)),
        *(max(box[side] for box in boxes) for side in (2, 3)),
    )
    assert found == pytest.approx(place, abs=1.5)


def test_a_pdfs_pages_stay_and_its_own_words_are_not_doubled(tmp_path: Path) -> None:
    source = tmp_path / "in.pdf"
    source.write_bytes(write_pdf(["digital", "second"]))
    with pikepdf.open(source) as pdf:
        before = [page.Contents.read_bytes() for page in pdf.pages]
    # the page is read at 100 dpi: "digital" stands at 40 points from the left, 80 below the top
    over, new = _box(56, 60, 180, 70), _box(56, 700, 200, 50)
    read = _result(
        Region("digital", over, 0, words=(Word("digital", over),)),
        Region("stamp", new, 1, words=(Word("stamp", new),)),
        size=(826, 1169),
    )
    pdf = SearchablePdf("in", source)
    pdf.add_text(0, read)
    pdf.write(tmp_path / "a.pdf")
    pdf.close()
    with pikepdf.open(tmp_path / "a.pdf") as pdf:
        assert pdf.pages[0].Contents[-1].read_bytes() == before[0]
        assert pdf.pages[1].Contents.read_bytes() == before[1]
    assert sorted(_read(tmp_path / "a.pdf").split()) == ["digital", "stamp"]
    assert _read(tmp_path / "a.pdf", 1) == "second"


def test_without_pikepdf_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pikepdf", None)
    with pytest.raises(VramwiseError, match=rf"needs the package pikepdf.*{re.escape(sys.executable)}.*pip"):
        SearchablePdf("a")
