"""Files of pictures: what a viewer shows is what is read, in bounded memory; pages of TIFFs in one walk."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw, features
from vramwise.documents import pages as pages_module
from vramwise.documents.pages import open_book
from vramwise.errors import VramwiseError
from vramwise.ocr.images import load_picture
from vramwise.pictures import decode, kinds
from vramwise.pictures.missing_end import missing_end
from vramwise.pictures.tiff_pages import tiff_pages

from tests.fixtures.write_tiff import write_tiff

PAGE = Image.new("RGB", (64, 40), (250, 250, 250))
ImageDraw.Draw(PAGE).rectangle((8, 8, 30, 20), fill=(10, 30, 130))
ImageDraw.Draw(PAGE).rectangle((40, 20, 60, 36), fill=(200, 30, 30))
RGB = np.asarray(PAGE)
GREY = np.asarray(PAGE.convert("L"))
G16, RGB16 = GREY.astype(np.uint16) * 257, RGB.astype(np.uint16) * 257
RIGHT_GREY = np.repeat(GREY[..., None], 3, axis=2)
HOLES = np.where(GREY > 240, np.nan, GREY / 255).astype(np.float32)

DEEP = {
    "16 bits": (G16, {}, RIGHT_GREY),
    "16 bits, white is 0": (65535 - G16, {262: (0,)}, RIGHT_GREY),
    "12 bits in 16": (GREY.astype(np.uint16) * 16, {}, RIGHT_GREY),
    "12 bits in 16, stated": (GREY.astype(np.uint16) * 16, {281: (4095,)}, RIGHT_GREY),
    "10 bits in 16": (GREY.astype(np.uint16) * 4, {}, RIGHT_GREY),
    "8 bits in 16": (GREY.astype(np.uint16), {}, RIGHT_GREY),
    "32 bits": (GREY.astype(np.uint32) * 16843009, {}, RIGHT_GREY),
    "16 bits in signed 32": (GREY.astype(np.int32) * 257, {}, RIGHT_GREY),
    "float to 1": (GREY.astype(np.float32) / 255, {}, RIGHT_GREY),
    "float to 1, white is 0": (1 - GREY.astype(np.float32) / 255, {262: (0,)}, RIGHT_GREY),
    "float to 255": (GREY.astype(np.float32), {}, RIGHT_GREY),
    "float of 64 bits": (GREY / 255.0, {}, RIGHT_GREY),
    "float with holes": (HOLES, {}, np.where(RIGHT_GREY > 240, 255, RIGHT_GREY)),
    "colours of 16 bits": (RGB16, {}, RGB),
    "colours of 12 bits in 16": (RGB.astype(np.uint16) * 16, {}, RGB),
    "colours of 16 bits apart": (np.moveaxis(RGB16, 2, 0).copy(), {284: (2,)}, RGB),
    "colours of 8 bits apart": (np.moveaxis(RGB, 2, 0).copy(), {284: (2,)}, RGB),
    "colours of 32 bits": (RGB.astype(np.uint32) * 16843009, {}, RGB),
    "colours as floats": (RGB.astype(np.float32) / 255, {}, RGB),
    "turned": (np.rot90(RGB, 1).copy(), {274: (6,)}, RGB),
    "turned, 16 bits in float": (np.rot90(GREY, 1).astype(np.float32), {274: (6,)}, RIGHT_GREY),
    "turned floats of colour": (np.rot90(RGB, 1).astype(np.float32) / 255, {274: (6,)}, RGB),
    "mirrored": (RGB[:, ::-1].copy(), {274: (2,)}, RGB),
    "with a channel of no use": (np.dstack([RGB, GREY]), {338: (0,)}, RGB),
}  # fmt: skip


@pytest.mark.parametrize("kind", DEEP)
def test_a_deep_tiff_is_read_as_a_viewer_shows_it(tmp_path: Path, kind: str) -> None:
    array, tags, right = DEEP[kind]
    data = write_tiff([(array, tags)])
    if array.dtype == np.uint32 and cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is None:
        pytest.skip("This OpenCV reads no colours of 32 bits (5.0 does).")
    (tmp_path / "a.tif").write_bytes(data)
    got = load_picture(tmp_path / "a.tif")
    assert got.shape == right.shape
    assert np.abs(got.astype(int) - right).max() <= 2


@pytest.mark.parametrize("signed", [np.int8, np.int16])
def test_signed_numbers_are_shown_from_the_least_to_the_most(tmp_path: Path, signed: Any) -> None:
    array = (GREY.astype(int) - 128) * (1 if signed is np.int8 else 256)
    (tmp_path / "a.tif").write_bytes(write_tiff([(array.astype(signed), {})]))
    got = load_picture(tmp_path / "a.tif")
    assert got.min() == 0 and got.max() == 255 and got[0, 0, 0] == 255


def profile(space: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def swapped_profile() -> bytes:
    """An RGB profile in which red and blue are swapped: who follows it sees blue for 255, 0, 0."""
    data = bytearray(profile("sRGB"))
    for at in range(132, 132 + 12 * struct.unpack(">I", data[128:132])[0], 12):
        name = bytes(data[at : at + 4])
        if name in (b"rXYZ", b"bXYZ"):
            data[at : at + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
        if name == b"desc":
            start = struct.unpack(">I", data[at + 4 : at + 8])[0]
            size = struct.unpack(">I", data[at + 8 : at + 12])[0]
            text = bytes(data[start : start + size])
            data[start : start + size] = text.replace(b"s\0R\0G\0B", b"o\0d\0d\0.").replace(b"sRGB", b"odd.")
    return bytes(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_colour_profile_is_followed(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (9, 9), (255, 0, 0)).convert(mode).save(
        tmp_path / "a.png", icc_profile=swapped_profile()
    )
    assert load_picture(tmp_path / "a.png")[4, 4].tolist() == pytest.approx([0, 0, 255], abs=4)


@pytest.mark.parametrize("data", [b"", b"junk" * 99, profile("LAB"), profile("sRGB")])
def test_a_profile_that_is_none_or_of_another_kind_or_srgb_changes_nothing(
    tmp_path: Path, data: bytes
) -> None:
    PAGE.save(tmp_path / "a.png", icc_profile=data)
    assert np.array_equal(load_picture(tmp_path / "a.png"), RGB)


def saved(form: str, picture: Image.Image = PAGE, **how: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **how)
    return buffer.getvalue()


def qoi(picture: Image.Image) -> bytes:
    """Every pixel as a QOI_OP_RGB: Pillow reads the form since 9.5 and writes it since 11.3."""
    pixels = np.asarray(picture).reshape(-1, 3)
    size = struct.pack(">IIBB", *picture.size, 3, 0)
    return b"qoif" + size + b"".join(b"\xfe" + pixel.tobytes() for pixel in pixels) + b"\0" * 7 + b"\1"


LAB = ImageCms.applyTransform(
    PAGE, ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
)
CLEAR = PAGE.convert("RGBA")
CLEAR.putalpha(Image.fromarray(np.where(GREY > 240, 0, 255).astype(np.uint8)))
ON_WHITE = np.where(RIGHT_GREY > 240, 255, RGB)


@pytest.mark.parametrize(
    ("data", "right", "near"),
    [
        (saved("JPEG", PAGE.convert("CMYK"), quality=95), RGB, 40),
        (saved("TIFF", PAGE.convert("CMYK")), RGB, 2),
        (saved("TIFF", PAGE.convert("CMYK"), compression="tiff_lzw"), RGB, 2),
        (saved("TIFF", LAB), RGB, 12),
        (saved("TIFF", PAGE.convert("YCbCr")), RGB, 4),
        (saved("TIFF", PAGE.quantize(8)), RGB, 2),
        (saved("PNG", CLEAR), ON_WHITE, 1),
        (saved("PNG", CLEAR.convert("LA")), np.where(RIGHT_GREY > 240, 255, RIGHT_GREY), 1),
        (saved("WEBP", CLEAR, lossless=True), ON_WHITE, 1),
        (saved("TIFF", CLEAR), ON_WHITE, 1),
        (saved("PNG", PAGE.quantize(8)), RGB, 2),
        (saved("PNG", Image.fromarray(G16)), RIGHT_GREY, 1),
        (saved("JPEG2000", PAGE), RGB, 8),
        (qoi(PAGE), RGB, 0),
        (saved("PPM", PAGE), RGB, 0),
    ],
)
def test_every_kind_of_colour_is_read_as_a_viewer_shows_it(
    tmp_path: Path, data: bytes, right: np.ndarray, near: int
) -> None:
    (tmp_path / "a").write_bytes(data)  # no ending: the bytes say what it is
    got = load_picture(tmp_path / "a")
    assert got.shape == right.shape and np.abs(got.astype(int) - right).max() <= near


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_eight_orientations_are_turned_upright(tmp_path: Path, form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a").write_bytes(saved(form, exif=exif, **({"lossless": True} if form == "WEBP" else {})))
    plain = RGB
    right = {
        1: plain, 2: plain[:, ::-1], 3: plain[::-1, ::-1], 4: plain[::-1],
        5: plain.swapaxes(0, 1), 6: np.rot90(plain, -1), 7: np.rot90(plain.swapaxes(0, 1), 2),
        8: np.rot90(plain, 1),
    }[orientation]  # fmt: skip
    got = load_picture(tmp_path / "a")
    assert got.shape == right.shape and np.abs(got.astype(int) - right).mean() < 6


def test_damaged_exif_does_not_keep_a_picture_from_being_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(saved("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xfe" * 40))
    assert load_picture(tmp_path / "a.jpg").shape == RGB.shape


# --- damaged at the edges ---------------------------------------------------------------------------------


def noisy() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (400, 300), np.uint8))


@pytest.mark.parametrize(("cut", "said"), [(2, ""), (40, "the lowest 4.0% of the picture is missing")])
def test_a_jpeg_without_its_last_bytes_is_read_and_says_what_is_missing(
    tmp_path: Path, cut: int, said: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(saved("JPEG", noisy())[:-cut])
    book = open_book(tmp_path / "a.jpg")
    assert len(book) == 1 and (not book.notes if not said else "cut short: the lowest" in book.notes[0])


def test_a_jpeg_cut_in_half_says_how_much_is_missing(tmp_path: Path) -> None:
    data = saved("JPEG", noisy())
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(VramwiseError, match=r"cut short: the lowest (49|5\d)% of the picture is missing"):
        load_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("share", [0.5, 0.97])
@pytest.mark.parametrize(
    "form", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "PPM", "TGA", "ICO", "AVIF"]
)
def test_a_picture_without_its_end_says_so_whatever_its_form(tmp_path: Path, form: str, share: float) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    data = saved(form, noisy().convert("RGB").resize((96, 96)))
    path = tmp_path / f"a.{form.lower()}"
    path.write_bytes(data)
    assert not missing_end(path)
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VramwiseError, match=r"is cut short: the end .* Get the whole file again"):
        load_picture(path)


def test_what_is_damaged_in_the_middle_is_not_said_to_lack_its_end(tmp_path: Path) -> None:
    data = bytearray(saved("PNG", noisy()))
    data[len(data) // 2] ^= 0x55
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(VramwiseError, match="Save it again as PNG or JPEG"):
        load_picture(tmp_path / "a.png")


def test_a_damaged_note_in_a_png_does_not_matter(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    words = PngInfo()
    words.add_text("Comment", "x" * 30)
    data = saved("PNG", pnginfo=words)
    at = data.index(b"tEXt") + 10
    (tmp_path / "a.png").write_bytes(data[:at] + b"?" + data[at + 1 :])
    assert np.array_equal(load_picture(tmp_path / "a.png"), RGB)


def test_postscript_is_never_given_to_ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    for name in ("a.eps", "a.png"):
        (tmp_path / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
        with pytest.raises(VramwiseError, match="it is PostScript"):
            load_picture(tmp_path / name)


def test_heic_names_the_package_that_opens_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds.importlib.util, "find_spec", lambda name: None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99)
    with pytest.raises(VramwiseError, match=r"it is a HEIC picture\. Run: .* -m pip install pillow-heif"):
        load_picture(tmp_path / "a.heic")


@pytest.mark.parametrize("form", ["psd", "png"])
def test_what_is_no_reason_is_not_told_as_one(tmp_path: Path, form: str) -> None:
    """ "((0, 0))" of an empty PSD, "(not identified by this driver)" of a PNG of no pixels."""
    size = struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", size), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path = tmp_path / f"x.{form}"
    path.write_bytes(png if form == "png" else b"8BPS\0\1" + bytes(100))
    with pytest.raises(VramwiseError, match=r"of a kind that is not known\. Save it again"):
        load_picture(path)


def test_a_compression_that_no_decoder_has_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(write_tiff([(GREY, {259: (50002,)})]))
    with pytest.raises(VramwiseError, match="1 x 8 bits with the compression JPEG XL"):
        load_picture(tmp_path / "a.tif")


# --- huge -------------------------------------------------------------------------------------------------

PEAK = """
import sys, logging
from pathlib import Path
from vramwise.documents.pages import open_book
from vramwise.pictures import decode, kinds, colours
import numpy, cv2
kinds.endings()
def status(name):
    return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0]) * 1024
start = status("VmRSS")
((page, picture),) = open_book(Path(sys.argv[1]), max_pixels=16_000_000)
print(page.height, page.width, status("VmHWM") - start)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("name", "mode", "size"),
    [("scan.tif", "1", (19_000, 9_600)), ("photo.jpg", "L", (19_000, 9_600))],
)
def test_a_picture_above_pillows_limit_is_read_below_one_gib(
    tmp_path: Path, name: str, mode: str, size: tuple[int, int]
) -> None:
    how = {"compression": "group4"} if mode == "1" else {}
    Image.new(mode, size, 1 if mode == "1" else 255).save(tmp_path / name, **how)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / name)], capture_output=True, text=True, check=True
    )
    height, width, grown = map(int, done.stdout.split())
    assert 12e6 < height * width <= 16e6 and width / height == pytest.approx(size[0] / size[1], rel=0.01)
    assert grown < 1024**3


def png_head(width: int, height: int) -> bytes:
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


def test_what_cannot_be_reduced_says_by_how_much_to_scale_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_head(30_000, 20_000))
    with pytest.raises(VramwiseError) as caught:
        load_picture(tmp_path / "a.png")
    assert "a.png is 30000 x 20000 pixels" in str(caught.value)
    assert "Scale it to 57 % (17100 x 11400) or less" in str(caught.value)
    assert decode.DECODED_BYTES >= 17_100 * 11_400 * 4 and "bomb" not in str(caught.value)


def test_a_progressive_jpeg_is_refused_where_its_coefficients_take_too_much(tmp_path: Path) -> None:
    data = bytearray(saved("JPEG", PAGE, progressive=True))
    at = data.index(b"\xff\xc2") + 5
    data[at : at + 4] = struct.pack(">HH", 20_000, 20_000)
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(VramwiseError, match=r"Scale it to \d\d % "):
        load_picture(tmp_path / "a.jpg")


def test_of_a_tiff_too_large_a_smaller_version_in_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = np.ascontiguousarray(RGB[::2, ::2])
    (tmp_path / "a.tif").write_bytes(write_tiff([(RGB, {}), (half, {254: (1,)})]))
    assert load_picture(tmp_path / "a.tif").shape == RGB.shape
    monkeypatch.setattr(decode, "DECODED_BYTES", RGB.shape[0] * RGB.shape[1] * 4 - 1)
    assert np.array_equal(load_picture(tmp_path / "a.tif"), half)


# --- pages of TIFFs ---------------------------------------------------------------------------------------


class Counting(io.BytesIO):
    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


def long_tiff(count: int, width: int = 4) -> bytes:
    return write_tiff([(np.full((2, width), at % 251, np.uint8), {}) for at in range(count)])


def test_a_long_tiff_is_walked_once_however_many_pages_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, long = Counting(long_tiff(100)), Counting(long_tiff(400))
    assert [len(tiff_pages(file)[0]) for file in (short, long)] == [100, 400]
    assert long.reads <= 4 * short.reads
    (tmp_path / "a.tif").write_bytes(long_tiff(300))
    walks = []
    monkeypatch.setattr(pages_module, "tiff_pages", lambda file: walks.append(file) or tiff_pages(file))
    monkeypatch.setattr(decode, "tiff_pages", lambda file: walks.append(file) or tiff_pages(file))
    book = open_book(tmp_path / "a.tif")
    assert [int(picture[0, 0, 0]) for _, picture in book] == [at % 251 for at in range(300)]
    assert len(walks) == 2  # the one that looks, and the one that reads


def test_thumbnails_and_masks_are_no_pages_unless_there_is_nothing_else(tmp_path: Path) -> None:
    small = np.ascontiguousarray(GREY[::2, ::2])
    (tmp_path / "a.tif").write_bytes(
        write_tiff([(GREY, {}), (small, {254: (1,)}), (GREY, {254: (4,)}), (GREY, {254: (2,)})])
    )
    (tmp_path / "b.tif").write_bytes(write_tiff([(GREY, {254: (1,)}), (GREY, {254: (1,)})]))
    assert len(open_book(tmp_path / "a.tif")) == 2 and len(open_book(tmp_path / "b.tif")) == 2


@pytest.mark.parametrize(
    ("after", "said"), [(8, "leads out of the file|runs in a circle"), (2**31, "leads out")]
)
def test_a_chain_of_pages_that_breaks_off_gives_the_pages_before_and_says_so(
    tmp_path: Path, after: int, said: str
) -> None:
    (tmp_path / "a.tif").write_bytes(write_tiff([(GREY, {}), (GREY, {})], next_of_last=after))
    book = open_book(tmp_path / "a.tif")
    assert len(book) == 2
    (problem,) = book.problems
    assert re.search(said, problem)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_all_frames_of_what_moves_are_pages_when_asked_for(tmp_path: Path, form: str) -> None:
    tones = [10, 90, 170, 250]
    first, *rest = [Image.new("RGB", (16, 16), (tone,) * 3) for tone in tones]
    path = tmp_path / f"a.{form.lower()}"
    path.write_bytes(saved(form, first, save_all=True, append_images=rest, duration=50))
    assert len(open_book(path)) == 1
    book = open_book(path, frames="all")
    assert [int(picture[8, 8, 0]) for _, picture in book] == pytest.approx(tones, abs=3)


def test_a_png_whose_chunk_says_three_gigabytes_is_not_given_to_opencv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    given: list[object] = []  # OpenCV makes room for what a chunk says that it has
    path = tmp_path / "lie.png"
    header = b"IHDR" + struct.pack(">II", 61, 43) + bytes([9, 2, 0, 0, 0])  # 9 bits: Pillow opens it not
    chunk = struct.pack(">I", 13) + header + bytes(4)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 3_139_960_880) + b"PLTE" + bytes(100))
    monkeypatch.setattr(cv2, "imdecode", lambda *words: given.append(words))
    with pytest.raises(VramwiseError):
        load_picture(path)
    assert given == []
