"""Pages of PDFs, TIFFs, pictures and folders: order, ranges, sizes, and what is broken."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from vramwise.documents import pages as module
from vramwise.documents.folders import natural
from vramwise.documents.page_ranges import check_page_numbers, page_numbers
from vramwise.documents.pages import open_book
from vramwise.documents.safe_names import checked_stem
from vramwise.errors import VramwiseError

from tests.fixtures.write_pdf import write_form, write_pdf

SIZE = (144, 72)  # points: 2 x 1 inches


def shade(picture: np.ndarray) -> int:
    """The tone of the middle: pictures here are of one tone, by which they are told apart."""
    return int(picture[picture.shape[0] // 2, picture.shape[1] // 2, 0])


def put(path: Path, tone: int, **how: object) -> Path:
    Image.new("RGB", (20, 10), (tone, tone, tone)).save(path, **how)
    return path


def put_tiff(path: Path, tones: list[int]) -> Path:
    first, *rest = [Image.new("L", (20, 10), tone) for tone in tones]
    first.save(path, save_all=True, append_images=rest)
    return path


def put_pdf(path: Path, count: int) -> Path:
    path.write_bytes(write_pdf([f"Page {at + 1}" for at in range(count)], SIZE))
    return path


# --- ranges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "pages"),
    [
        ("", [1, 2, 3, 4, 5]),
        (" ", [1, 2, 3, 4, 5]),
        ("1-3", [1, 2, 3]),
        ("1-2, 5", [1, 2, 5]),
        ("4-", [4, 5]),
        ("-2", [1, 2]),
        ("5,1-2", [5, 1, 2]),
        ("1 - 3", [1, 2, 3]),
        ("2,1-3", [2, 1, 3]),
        ("3-99", [3, 4, 5]),
        ("1-999999999", [1, 2, 3, 4, 5]),
        ("5-", [5]),
    ],
)
def test_a_range_means_what_it_says(wanted: str, pages: list[int]) -> None:
    assert [at + 1 for at in page_numbers(wanted, 5)] == pages


@pytest.mark.parametrize(
    "wanted",
    ["a", "1;2", "1,,2", "-", ",", "0", "0-2", "3-1", "1-2-3", "1.5", "9" * 12, "1 3", "12345678900"],
)
def test_what_is_no_range_is_a_sentence_before_anything_is_opened(wanted: str) -> None:
    with pytest.raises(VramwiseError, match=r"list of pages|runs backwards"):
        check_page_numbers(wanted)


@pytest.mark.parametrize("wanted", ["6", "6-", "1,7-9"])
def test_a_range_that_begins_beyond_the_last_page_says_how_many_there_are(wanted: str) -> None:
    check_page_numbers(wanted)
    with pytest.raises(VramwiseError, match="there are 5 pages"):
        page_numbers(wanted, 5)


@given(st.lists(st.integers(0, 30), min_size=1, unique=True))
def test_pages_written_one_by_one_come_in_that_order(chosen: list[int]) -> None:
    assert list(page_numbers(",".join(str(at + 1) for at in chosen), 31)) == chosen


# --- order and names --------------------------------------------------------------------------------------


def test_a_folder_is_read_by_name_with_numbers_in_their_order(tmp_path: Path) -> None:
    order = ["a1.png", "a2.png", "a10.png", "A10b.png", "b.jpg", "b_2.png"]
    for at, name in enumerate(reversed(order)):
        put(tmp_path / name, 10 * at)
    (tmp_path / "notes.txt").write_text("no page")
    (tmp_path / "deeper.png").mkdir()
    put(tmp_path / "deeper.png" / "z.png", 1)
    book = open_book(tmp_path)
    assert [page.name for page in book.pages] == [name.partition(".")[0] for name in order]
    assert [shade(picture) for _, picture in book] == pytest.approx([50, 40, 30, 20, 10, 0], abs=2)
    assert book.problems == (
        "deeper.png/ (a folder in it; subfolders are not asked for)",
        "notes.txt (a text file)",
    )


@given(st.lists(st.text(alphabet="aB10_. \u0664", max_size=6)))
def test_any_names_can_be_sorted_and_always_in_one_way(names: list[str]) -> None:
    assert sorted(names, key=natural) == sorted(reversed(names), key=natural)


def test_a_mixed_folder_numbers_the_pages_through_and_the_range_counts_them_all(tmp_path: Path) -> None:
    put_pdf(tmp_path / "1.pdf", 3)
    put_tiff(tmp_path / "2.tif", [100, 200])
    put(tmp_path / "3.png", 50)
    names = ["1_p001", "1_p002", "1_p003", "2_p001", "2_p002", "3"]
    assert [page.name for page in open_book(tmp_path).pages] == names
    assert [page.name for page in open_book(tmp_path, "5-,2").pages] == ["2_p002", "3", "1_p002"]


def test_names_stay_apart_where_case_and_endings_do_not_count(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "B.png", "b.PNG"):
        put(tmp_path / name, 1, format="PNG")
    names = [page.name for page in open_book(tmp_path).pages]
    assert names == ["a", "a_png", "B", "b_png"]
    assert len({name.casefold() for name in names}) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_name_that_save_text_would_refuse_is_made_one_that_it_takes(tmp_path: Path) -> None:
    odd = ["photo ", "page.", "Why?", "Why*", "CON", "b" * 240, "b" * 241]
    for name in odd:
        put(tmp_path / f"{name}.png", 1)
    put_tiff(tmp_path / f"{'c' * 240}.tif", [1, 2])
    names = [page.name for page in open_book(tmp_path).pages]
    assert [checked_stem(name) for name in names] == names
    assert len({name.casefold() for name in names}) == len(odd) + 2
    assert {"photo", "page", "Why_", "Why__png", "_CON"} < set(names)
    first, second = (name for name in names if name.startswith("c"))
    assert first.removesuffix("_p001") == second.removesuffix("_p002")


@pytest.mark.skipif(sys.platform != "linux", reason="the names of other systems are Unicode")
def test_a_name_that_is_no_utf_8_becomes_one_that_can_be_sent_and_stored(tmp_path: Path) -> None:
    put(tmp_path / os.fsdecode(b"\x91\xe2\xe0 1.png"), 90)
    ((page, picture),) = open_book(tmp_path)
    assert checked_stem(page.name) == page.name == "___ 1" and shade(picture) == 90


def test_every_page_of_a_long_pdf_comes_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REOPEN_AFTER", 4)
    tall = [write_pdf([""], (72, 72 + at)) for at in range(10)]
    for at, data in enumerate(tall):
        (tmp_path / f"{at}.pdf").write_bytes(data)
    assert [picture.shape[0] for _, picture in open_book(tmp_path, dpi=72)] == list(range(72, 82))
    long = open_book(put_pdf(tmp_path / "long.pdf", 1000), "998-")
    assert [page.name for page in long.pages] == ["long_p0998", "long_p0999", "long_p1000"]


def test_pages_may_be_asked_for_in_any_order(tmp_path: Path) -> None:
    book = open_book(put_tiff(tmp_path / "a.tif", [10, 20, 30]))
    assert [shade(book.read(book.pages[at])) for at in (2, 0, 1, 2)] == [30, 10, 20, 30]


# --- pictures ---------------------------------------------------------------------------------------------


def test_dots_per_inch_and_the_size_cap_decide_the_size_of_a_pdf_page(tmp_path: Path) -> None:
    path = put_pdf(tmp_path / "a.pdf", 1)
    ((_, plain),) = open_book(path, dpi=150)
    assert plain.shape == (150, 300, 3)
    (page,) = open_book(path, dpi=150, max_pixels=5000).pages
    assert page.height * page.width == pytest.approx(5000, rel=0.03)
    assert page.width / page.height == pytest.approx(2, rel=0.03)


def test_a_pdf_page_is_dark_text_on_white(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(write_pdf(["Hello"]))
    ((_, picture),) = open_book(tmp_path / "a.pdf")
    assert tuple(picture[0, 0]) == (255, 255, 255) and picture.min() == 0
    assert 0 < (picture < 128).mean() < 0.05


@pytest.mark.parametrize("appearance", [True, False])
def test_what_was_filled_into_a_form_is_on_its_page(tmp_path: Path, appearance: bool) -> None:
    inked = {}
    for value in ("", "Ivan Petrov"):
        (tmp_path / "form.pdf").write_bytes(write_form(value, (400, 80), appearance))
        ((_, picture),) = open_book(tmp_path / "form.pdf", dpi=72)
        inked[value] = (picture < 128).mean()
    assert inked[""] == 0 and inked["Ivan Petrov"] > 0.01


def test_red_is_red_from_a_pdf(tmp_path: Path) -> None:
    import io

    jpeg = io.BytesIO()
    Image.new("RGB", (64, 64), (250, 10, 10)).save(jpeg, "JPEG")
    (tmp_path / "a.pdf").write_bytes(write_pdf([""], SIZE, jpeg.getvalue()))
    ((_, picture),) = open_book(tmp_path / "a.pdf")
    assert picture[50, 100].tolist() == pytest.approx([250, 10, 10], abs=8)


def test_a_photo_is_turned_upright_and_a_large_one_made_smaller(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200), "white").save(tmp_path / "p.jpg", exif=exif)
    (page,) = open_book(tmp_path / "p.jpg", max_pixels=20_000).pages
    assert (page.height, page.width) == (200, 100)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("CMYK", (0, 255, 255, 0), (255, 0, 0)), ("P", 0, (0, 0, 0)), ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
     ("1", 1, (255, 255, 255)), ("LA", (0, 128), (127, 127, 127))],
)  # fmt: skip
def test_every_kind_of_picture_becomes_rgb(
    tmp_path: Path, mode: str, colour: object, expected: tuple[int, int, int]
) -> None:
    Image.new(mode, (8, 8), colour).save(tmp_path / "a.tif")
    ((_, picture),) = open_book(tmp_path / "a.tif")
    assert picture.dtype == np.uint8 and picture[4, 4].tolist() == pytest.approx(list(expected), abs=2)


def test_sixteen_bit_scans_keep_their_tones(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 32896, np.uint16)).save(tmp_path / "a.tif")
    ((_, picture),) = open_book(tmp_path / "a.tif")
    assert shade(picture) == pytest.approx(128, abs=1)


def test_what_moves_is_one_page(tmp_path: Path) -> None:
    first, second = Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 200)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert len(open_book(tmp_path / "a.gif")) == 1


# --- what is broken ---------------------------------------------------------------------------------------


def locked_pdf() -> bytes:
    """A PDF whose password nobody here knows: standard security handler, revision 2, keys of noise."""
    data = write_pdf(["secret"], SIZE)
    key = "<" + "5a" * 32 + ">"
    lock = f"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O{key}/U{key}>>/ID[<00><00>]".encode()
    return data.replace(b"/Root 1 0 R", b"/Root 1 0 R" + lock)


BROKEN = {
    "locked": (locked_pdf(), r"x\.pdf is locked with a password"),
    "truncated": (write_pdf(["a", "b"])[:-40], r"x\.pdf is cut short"),
    "half": (write_pdf(["a", "b"])[:400], r"x\.pdf is (cut short|damaged)"),
    "without pages": (write_pdf([]), r"x\.pdf is a PDF without pages"),
    "not a PDF": (b"hello", r"x\.pdf is (damaged|cut short)"),
    "empty": (b"", r"x\.pdf is (damaged|cut short)"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("on_broken", ["skip", "stop"])
def test_a_broken_pdf_alone_is_one_clear_sentence(tmp_path: Path, kind: str, on_broken: str) -> None:
    data, said = BROKEN[kind]
    (tmp_path / "x.pdf").write_bytes(data)
    with pytest.raises(VramwiseError, match=said) as caught:
        open_book(tmp_path / "x.pdf", on_broken=on_broken)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("kind", BROKEN)
def test_among_others_it_is_left_out_and_named_or_stops_as_chosen(tmp_path: Path, kind: str) -> None:
    data, said = BROKEN[kind]
    (tmp_path / "x.pdf").write_bytes(data)
    put(tmp_path / "a.png", 1)
    put_pdf(tmp_path / "z.pdf", 2)
    book = open_book(tmp_path, on_broken="skip")
    assert [page.name for page in book.pages] == ["a", "z_p001", "z_p002"]
    assert len(book.problems) == 1
    with pytest.raises(VramwiseError, match=said):
        open_book(tmp_path, on_broken="stop")
    assert len(open_book(tmp_path, "1,3-", on_broken="stop")) == 3  # the broken one was not asked for


def test_one_damaged_page_of_a_pdf_is_left_out_alone(tmp_path: Path) -> None:
    data = write_pdf(["one", "two", "three"], SIZE).replace(b"<</Type/Page/Parent", b"<</Type/Rage/Parent")
    whole = write_pdf(["one", "two", "three"], SIZE)
    at = [i for i in range(len(data)) if data[i : i + 10] == b"/Type/Rage"][1]
    (tmp_path / "x.pdf").write_bytes(whole[: at - 2] + b"[(Page gone)]%" + whole[at + 12 :])
    book = open_book(tmp_path / "x.pdf")
    assert [page.name for page in book.pages] == ["x_p001", "x_p003"]
    assert "Page 2 of x.pdf is damaged" in book.problems[0]


def test_a_picture_cut_short_is_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:3000])
    put(tmp_path / "a.png", 1)
    (problem,) = open_book(tmp_path).problems
    assert (
        problem.startswith("x.png is cut short: the end of the picture is missing")
        and str(tmp_path) not in problem
    )


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "input"
    root.mkdir()
    put(tmp_path / "secret.png", 1)
    put(root / "a.png", 1)
    (root / "b.png").symlink_to(tmp_path / "secret.png")
    (root / "c.png").symlink_to(root / "c.png")
    (root / "d.png").symlink_to(root / "a.png")
    book = open_book(root, inside=root)
    assert [page.name for page in book.pages] == ["a", "d"]
    assert "leads out of the input folder" in book.problems[0]


def test_a_named_pipe_is_not_opened(tmp_path: Path) -> None:
    import os

    if not hasattr(os, "mkfifo"):
        pytest.skip("This system has no named pipes.")
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(VramwiseError, match=r"x\.png is not a file"):
        open_book(tmp_path, inside=tmp_path)


def test_an_empty_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(VramwiseError, match="holds no PDF and no picture"):
        open_book(tmp_path)


def test_a_page_that_changed_after_loading_is_a_sentence(tmp_path: Path) -> None:
    book = open_book(put(tmp_path / "a.png", 1))
    Image.new("RGB", (30, 30)).save(tmp_path / "a.png")
    with pytest.raises(VramwiseError, match="has changed since it was loaded"):
        book.read(book.pages[0])


# --- pages as tensors -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lazy() -> object:
    """nodes/bridge/lazy_image.py without the nodes beside it: it needs torch and no ComfyUI."""
    root = Path(__file__).resolve().parents[2]
    for name, folder in {"": "", ".core": "core", ".nodes": "nodes", ".nodes.bridge": "nodes/bridge"}.items():
        package = sys.modules.setdefault(f"vramwise_lazy{name}", ModuleType(f"vramwise_lazy{name}"))
        package.__path__ = [str(root / folder)]
    return importlib.import_module("vramwise_lazy.nodes.bridge.lazy_image")


def test_few_pages_are_plain_tensors_and_many_are_lazy_with_the_same_pixels(
    lazy: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    book = open_book(put_pdf(tmp_path / "a.pdf", 3))
    plain = lazy.page_images(book)
    assert {type(image) for image in plain} == {torch.Tensor}
    monkeypatch.setattr(lazy, "EAGER_BYTES", 0)
    slow = lazy.page_images(book)
    assert {type(image) for image in slow} == {lazy.LazyImage}
    for one, other in zip(plain, slow, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        assert torch.equal(one, other.cpu())


def test_a_cache_that_counts_storages_renders_no_lazy_image_and_finds_that_it_holds_nothing(
    lazy: object,
) -> None:
    """ComfyUI's RAM cache asked elements and their size up to 0.33.0; since then storages, so that two views
    count once.
    """

    def render() -> object:
        raise AssertionError("rendered to be counted")

    for image in [lazy.LazyImage((1, 8192, 8192, 3), render) for _ in range(2)]:
        assert image.device.type == "cpu"
        storage = image.untyped_storage()
        assert (storage.data_ptr(), storage.nbytes()) == (0, 0)


@pytest.mark.parametrize("inference", [False, True])
def test_a_lazy_image_is_rendered_at_use_only_and_gives_plain_tensors(lazy: object, inference: bool) -> None:
    import torch

    real = torch.rand(2, 6, 4, 3)
    rendered = []

    def render() -> torch.Tensor:
        rendered.append(1)
        return real

    with torch.inference_mode(inference):
        image = lazy.LazyImage((2, 6, 4, 3), render)
        assert isinstance(image, torch.Tensor)
        known = (tuple(image.shape), image.ndim, image.dtype, str(image.device), image.numel(), len(image))
        assert known == ((2, 6, 4, 3), 4, torch.float32, "cpu", 144, 2)
        assert (image.nelement(), image.nbytes, image.is_cpu, image.is_meta) == (144, 576, True, False)
        assert image.element_size() == 4 and image.size(1) == 6 and not rendered
        uses = {
            "numpy": lambda: torch.from_numpy(image.cpu().numpy()),
            "array": lambda: torch.from_numpy(np.asarray(image)),
            "clone": lambda: image.clone(),
            "to": lambda: image.to(torch.float32),
            "cat": lambda: torch.cat([image, image])[:2],
            "out": lambda: torch.empty(2, 6, 4, 3).copy_(image),
            "iteration": lambda: torch.stack(list(image)),
            "arithmetic": lambda: 0 + image,
        }
        for name, use in uses.items():
            result = use()
            assert type(result) is torch.Tensor and torch.equal(result, real), name
        assert torch.equal(torch.as_tensor(image), real)
        assert torch.equal(image[1], real[1]) and type(image[1]) is torch.Tensor
        assert (255.0 * image).max().item() == pytest.approx(255.0 * real.max().item())
    assert rendered
