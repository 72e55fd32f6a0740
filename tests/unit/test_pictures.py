"""Pictures on their way in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vramwise.errors import VramwiseError
from vramwise.ocr.images import MAX_SIDE, check_size, fit_pixels, is_blank, load_picture


def test_a_photo_is_turned_upright_by_its_exif_tag(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 20), "white")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "p.jpg", exif=exif)
    assert load_picture(tmp_path / "p.jpg").shape == (40, 20, 3)


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "p.png")
    assert (load_picture(tmp_path / "p.png") == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize(
    ("inks", "paper"),
    [
        ([(0, 0, 0)], 255),
        ([(255, 255, 255)], 0),
        ([(255, 240, 120)], 0),
        ([(255, 255, 255), (0, 0, 0)], 128),
        ([(90, 90, 90), (200, 30, 30)], 255),
    ],
)
def test_ink_on_transparency_is_seen(
    mode: str, inks: list[tuple[int, int, int]], paper: int, tmp_path: Path
) -> None:
    drawn = Image.new("RGBA", (90, 30), (0, 0, 0, 0))
    for number, ink in enumerate(inks):
        drawn.paste((*ink, 255), (10 + 40 * number, 10, 30 + 40 * number, 14))
    drawn.convert(mode).save(tmp_path / "p.png")
    pixels = load_picture(tmp_path / "p.png")
    assert (pixels[0, 0] == paper).all()
    assert all(abs(pixels[12, 20 + 40 * i].mean() - paper) >= 64 for i in range(len(inks)))


def test_sixteen_bit_gray_keeps_its_tones(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 32896, np.uint16)).save(tmp_path / "p.png")
    assert abs(int(load_picture(tmp_path / "p.png")[0, 0, 0]) - 128) <= 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"it is empty \(0 bytes\)\. Copy or download it again"),
        (b"\0" * 99, r"it is nothing but zeros"),
        (b"not a picture", r"it is a text file\. Give a picture or a PDF"),
        (b"\n<!DOCTYPE html><title>Sign in", r"it is a web page\. .* a login"),
        (b'<?xml version="1.0"?><svg width="9"/>', r"it is an SVG drawing"),
        (b"\0\0\0\x20ftypisom", r"it is a video"),
        (b"%!PS-Adobe-3.0 EPSF", r"it is PostScript\. Save it as PDF"),
        (b"version https://git-lfs.github.com/spec/v1", r"a pointer of Git LFS"),
        (b"\x89PNG\r\n\x1a\n broken", r"cannot be read as a picture: .* Save it again as PNG or JPEG"),
        (b"\x89PNG\r\n\x1a\n", r"cut short: the end of the picture is missing\. Get the whole file again"),
        (b"\0\0\0\x20ftypavif", r"p\.png (is cut short|cannot be read as a picture: it is an AVIF picture)"),
    ],
)
def test_a_file_that_is_no_picture_says_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "p.png").write_bytes(content)
    with pytest.raises(VramwiseError, match=said):
        load_picture(tmp_path / "p.png")


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(VramwiseError, match="There is no file"):
        load_picture(tmp_path / "none.png")


def test_a_side_that_opencv_cannot_take_is_refused_with_the_remedy() -> None:
    check_size(np.zeros((2, MAX_SIDE, 3), np.uint8))
    with pytest.raises(VramwiseError, match="at most 32000 on a side"):
        check_size(np.zeros((2, MAX_SIDE + 1, 3), np.uint8))


def test_fitting_never_enlarges_and_keeps_the_shape() -> None:
    image = np.zeros((300, 200, 3), np.uint8)
    assert fit_pixels(image, None) is image and fit_pixels(image, 60_000) is image
    small = fit_pixels(image, 15_000)
    assert small.shape == (150, 100, 3)


def test_one_dark_dot_makes_a_page_not_blank() -> None:
    page = np.full((500, 400, 3), 250, np.uint8)
    assert is_blank(page)
    page[200, 200] = 0
    assert not is_blank(page)
    assert is_blank(np.zeros((1, 900, 3), np.uint8))
