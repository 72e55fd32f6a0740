"""Every kind of picture that reaches the node: odd modes and sizes, turned pages, other scripts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.comfy

LINES = [
    "The quick brown fox jumps over the lazy dog.",
    "Reading order goes from top to bottom,",
    "and every line keeps its place: 12345.",
    "Here the page comes to its end.",
]
TRUTH = "\n".join(LINES)
RUSSIAN = [
    "\u0421\u044a\u0435\u0448\u044c \u0435\u0449\u0451 \u044d\u0442\u0438\u0445",
    "\u043c\u044f\u0433\u043a\u0438\u0445 \u0431\u0443\u043b\u043e\u043a,",
    "\u0434\u0430 \u0432\u044b\u043f\u0435\u0439 \u0447\u0430\u044e.",
]


@pytest.fixture
def read(client, graph, put, fresh):
    """``read(picture, **options)``: the record of one picture, read by the server."""

    def run(picture, **options):
        graph.picture("page", put(picture)).read("ocr", "page", prompt=f"not cached {next(fresh)}", **options)
        result = client.run(graph)
        assert result.ok, result.error_text
        (record,) = result.outputs["ocr"]["ocr"]
        assert result.outputs["ocr"]["text"] == [record["text"]]
        return record

    return run


@pytest.fixture(scope="module")
def page(draw):
    return draw(LINES, (800, 320))


def assert_inside(record):
    for region in record["regions"]:
        for x, y in region["polygon"]:
            assert 0 <= x <= record["width"] and 0 <= y <= record["height"]


# --- modes ------------------------------------------------------------------------------------------------


def test_black_text_on_transparency_is_read(read, page):
    from PIL import Image, ImageOps

    ink = Image.new("RGBA", page.size, "black")
    ink.putalpha(ImageOps.invert(page.convert("L")))
    white = Image.new("RGBA", page.size, "white")
    assert read(Image.alpha_composite(white, ink))["text"] == TRUTH


def test_a_four_channel_image_is_laid_over_white(client, graph, put, page, fresh):
    """JoinImageWithAlpha gives the node an IMAGE of four channels whose colours are black throughout."""
    from PIL import Image

    graph.picture("black", put(Image.new("RGB", page.size, "black")))
    graph.node("ink", "LoadImageMask", image=put(page), channel="red")
    graph.node("rgba", "JoinImageWithAlpha", image=["black", 0], alpha=["ink", 0])
    graph.read("ocr", "rgba", prompt=f"not cached {next(fresh)}").node(
        "seen", "PreviewImage", images=["ocr", 5]
    )
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["ocr"]["text"] == [TRUTH]
    assert len(result.outputs["seen"]["images"]) == 1


@pytest.mark.parametrize("mode", ["L", "1", "P", "I;16"])
def test_greyscale_black_and_white_palette_and_16_bit_pictures_are_read(read, page, mode):
    from PIL import Image

    if mode == "I;16":
        import numpy as np

        picture = Image.fromarray(np.asarray(page.convert("L")).astype(np.uint16) * 257)
    else:
        picture = page.convert(mode)
    assert read(picture)["text"] == TRUTH


# --- hardly a picture -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 3), (640, 480)])
@pytest.mark.parametrize("colour", ["white", "black"])
def test_a_picture_with_nothing_on_it_reads_as_blank_and_gives_an_empty_mask_of_its_size(
    client, graph, put, fetch, size, colour
):
    from PIL import Image

    graph.picture("page", put(Image.new("RGB", size, colour))).read("ocr", "page")
    graph.node("mask", "MaskPreview", mask=["ocr", 4]).node("overlay", "PreviewImage", images=["ocr", 5])
    result = client.run(graph)
    assert result.ok, result.error_text
    (record,) = result.outputs["ocr"]["ocr"]
    assert (record["text"], record["regions"], record["finish_reason"]) == ("", [], "blank")
    assert (record["width"], record["height"]) == size
    mask = fetch(result.outputs["mask"]["images"][0]).convert("L")
    assert mask.size == size and mask.getextrema() == (0, 0)
    assert fetch(result.outputs["overlay"]["images"][0]).size == size


def test_blank_pages_in_a_batch_keep_their_place(client, graph, put, draw, fresh):
    from PIL import Image

    graph.picture("text", put(draw(["Only this page speaks"], (600, 220))))
    graph.picture("blank", put(Image.new("RGB", (600, 220), "white")))
    graph.node("two", "ImageBatch", image1=["blank", 0], image2=["text", 0])
    graph.node("three", "ImageBatch", image1=["two", 0], image2=["blank", 0])
    graph.read("ocr", "three").show("text out", "ocr", 1)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["ocr"]["text"] == ["", "Only this page speaks", ""]
    assert result.outputs["text out"]["text"] == ["", "Only this page speaks", ""]


# --- large ------------------------------------------------------------------------------------------------


def test_a_picture_of_8000_by_8000_pixels_is_read_with_polygons_in_its_own_pixels(
    client, graph, read, font, fresh
):
    from PIL import Image, ImageDraw

    big = Image.new("L", (8000, 8000), 255)
    pen = ImageDraw.Draw(big)
    pen.text((600, 700), "Large letters", font=font(600), fill=0)
    pen.text((600, 4000), "smaller letters in the middle", font=font(140), fill=0)
    pen.text((600, 7000), "and a last line at the bottom", font=font(140), fill=0)
    record = read(big)
    client.run(graph.__class__().release(refresh=next(fresh)))  # lets ComfyUI drop the 2 GB it has cached
    assert record["text"].splitlines() == [
        "Large letters",
        "smaller letters in the middle",
        "and a last line at the bottom",
    ]
    assert (record["width"], record["height"]) == (8000, 8000)
    assert_inside(record)
    drawn = ((700, 600), (4000, 140), (7000, 140))
    for region, (top, letters) in zip(record["regions"], drawn, strict=True):
        xs, ys = zip(*region["polygon"], strict=True)
        assert min(xs) == pytest.approx(600, abs=letters / 2)
        assert top - letters / 2 < min(ys) < max(ys) < top + 2 * letters


# --- turned -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_page_turned_by_quarters_is_read_in_reading_order(read, page, degrees):
    record = read(page.rotate(degrees, expand=True))
    assert record["text"] == TRUTH
    assert_inside(record)


@pytest.mark.parametrize("degrees", [7, -7])
def test_a_page_turned_by_seven_degrees_is_read_in_reading_order(read, page, errors_per_character, degrees):
    record = read(page.rotate(degrees, expand=True, fillcolor="white", resample=3))
    assert [line.split()[0] for line in record["text"].splitlines()] == ["The", "Reading", "and", "Here"]
    assert errors_per_character(record["text"], TRUTH) <= 0.02
    assert_inside(record)


def test_a_polygon_begins_at_the_upper_left_of_its_text(read, page):
    upright = read(page)["regions"][0]["polygon"]
    assert upright[0][0] < upright[1][0] and upright[0][1] < upright[3][1]


def test_on_a_page_turned_upside_down_the_polygon_begins_at_the_lower_right(read, page):
    first = read(page.rotate(180))["regions"][0]["polygon"]
    assert first[0][0] > first[1][0] and first[0][1] > page.height / 2


def test_two_columns_are_read_one_after_the_other(read, font):
    from PIL import Image, ImageDraw

    left = ["Left column first line", "left column second line", "left column third line"]
    right = ["Right column first line", "right column second line", "right column third line"]
    picture = Image.new("RGB", (1000, 300), "white")
    pen = ImageDraw.Draw(picture)
    for x, column in ((40, left), (540, right)):
        for row, line in enumerate(column):
            pen.text((x, 40 + 50 * row), line, font=font(26), fill="black")
    assert read(picture)["text"].splitlines() == left + right


# --- Russian ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["auto", "ru"])
def test_a_russian_page_is_read_in_russian(read, require, draw, errors_per_character, language):
    require(
        importlib.util.find_spec("tesserocr"),
        'tesserocr is not installed: python -m pip install "tesserocr>=2.8" with this environment\'s Python.',
    )
    data = [p for r in ("/usr/share", "/usr/local/share", "/opt") for p in Path(r).glob("**/rus.traineddata")]
    require(data, "Tesseract's Russian data are missing: on Debian, apt install tesseract-ocr-rus.")
    record = read(draw(RUSSIAN, (900, 320), 32), language=language)
    assert errors_per_character(record["text"], "\n".join(RUSSIAN)) <= 0.005
    assert any("Tesseract" in note for note in record["notes"])
    assert_inside(record)


def test_an_english_page_on_auto_is_not_taken_for_russian(read, page):
    record = read(page, language="auto")
    assert record["text"] == TRUTH and record["notes"][1:] == []
