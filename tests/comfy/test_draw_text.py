"""Draw Text in a graph: read, replace, read again; lists, batches, and what it refuses."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.comfy

OLD = ["The ferry leaves at nine.", "Tickets are sold on board.", "Bring warm clothes."]
NEW = ["The train stops at noon.", "Meals are served in town.", "Leave heavy bags."]
FILL = {"background": "fill", "align": "left"}


@pytest.fixture(scope="module")
def page(draw):
    return draw(OLD, (620, 260))


@pytest.fixture
def replaced(graph, put, page, fresh):
    """``replaced(**inputs)``: a graph that reads the page and sets texts in the regions it found."""

    def build(**inputs):
        graph.picture("page", put(page)).read("before", "page", prompt=f"not cached {next(fresh)}")
        return graph.node("drawn", "VramwiseDrawText", image=["page", 0], regions=["before", 3], **inputs)

    return build


def test_a_replaced_text_is_what_is_read_afterwards(client, replaced):
    graph = replaced(texts="\n".join(NEW), **FILL).read("after", ["drawn", 0])
    graph.node("seen", "MaskToImage", mask=["drawn", 1]).node("shown", "PreviewImage", images=["seen", 0])
    graph.show("report", "drawn", 2)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["after"]["text"] == ["\n".join(NEW)]
    assert len(result.outputs["shown"]["images"]) == 1
    (report,) = result.outputs["report"]["text"]
    assert report.count("Region") == 3 and NEW[0] in report


def test_the_mask_covers_the_new_letters_and_nothing_else(client, replaced, fetch):
    import numpy as np

    graph = replaced(texts=f"{NEW[0]}\n\n").node("seen", "MaskToImage", mask=["drawn", 1])
    result = client.run(graph.node("shown", "PreviewImage", images=["seen", 0]))
    assert result.ok, result.error_text
    mask = np.asarray(fetch(result.outputs["shown"]["images"][0]).convert("L"))
    (first, *others) = [region["polygon"] for region in result.outputs["before"]["ocr"][0]["regions"]]
    lowest, highest = max(y for _, y in first), min(y for polygon in others for _, y in polygon)
    assert mask[: int(lowest) + 2].max() == 255
    assert mask[int(highest) :].max() == 0


def test_a_linked_list_gives_each_page_its_texts(client, graph, draw, put, fresh):
    graph.picture("one", put(draw(OLD[:1], (620, 120)))).picture("two", put(draw(OLD[1:2], (620, 120))))
    graph.node("batch", "ImageBatch", image1=["one", 0], image2=["two", 0])
    graph.read("before", "batch", prompt=f"not cached {next(fresh)}")
    graph.node(
        "drawn", "VramwiseDrawText", image=["batch", 0], regions=["before", 3], texts=["before", 1], **FILL
    )
    result = client.run(graph.read("after", ["drawn", 0]))
    assert result.ok, result.error_text
    assert result.outputs["after"]["text"] == OLD[:2]


def test_colours_come_from_the_original_where_the_text_is_gone(client, graph, put, page, fresh, fetch):
    import numpy as np
    from PIL import Image

    ink = Image.new("RGB", page.size, "#b00020")
    red = Image.composite(Image.new("RGB", page.size, "white"), ink, page.convert("L"))
    graph.picture("red", put(red)).picture("empty", put(Image.new("RGB", page.size, "white")))
    graph.read("before", "red", prompt=f"not cached {next(fresh)}")
    graph.node(
        "drawn",
        "VramwiseDrawText",
        image=["empty", 0],
        original=["red", 0],
        regions=["before", 3],
        texts="\n".join(NEW),
    )
    result = client.run(graph.node("shown", "PreviewImage", images=["drawn", 0]))
    assert result.ok, result.error_text
    pixels = np.asarray(fetch(result.outputs["shown"]["images"][0]).convert("RGB")).reshape(-1, 3)
    darkest = pixels[pixels.sum(axis=1).argsort()[:50]]
    assert np.abs(darkest.mean(axis=0) - (0xB0, 0x00, 0x20)).max() < 12


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"texts": "one\ntwo"}, "2 texts came in for 3 regions"),
        ({"texts": "a\nb\nc", "font": "../../secret.ttf"}, "is not a name"),
        ({"texts": "a\nb\nc", "font": "/etc/passwd"}, "is not a name"),
        ({"texts": "a\nb\nc", "font": "No Such Font"}, 'No font here is called "No Such Font"'),
        ({"texts": "a\nb\n\U0010ffff"}, "No font here has the glyph U+10FFFF"),
        ({"texts": "a\nb\nc", "colour": "sky"}, 'colour "sky" is no colour'),
        ({"texts": "a\nb\nc", "align": "middle"}, "middle"),
    ],
    ids=lambda given: next(reversed(given)) if isinstance(given, dict) else "",
)
def test_what_cannot_be_drawn_is_one_sentence(client, replaced, inputs, says):
    graph = replaced(**inputs)
    result = client.run(graph.node("shown", "PreviewImage", images=["drawn", 0]))
    assert not result.ok
    assert says in result.error_text


@pytest.mark.parametrize(
    ("texts", "report"),
    [
        ("[]", "Region 1: no text, left as it is."),
        ("\u200b", "Region 1: no text, left as it is."),
        ("[1]", 'Region 1: "[1]" at'),
        ('["A"]', 'Region 1: "A" at'),
        ('["A", "B"]', "2 texts came in for 1 region"),
    ],
    ids=ascii,
)
def test_the_text_of_a_single_region_is_one_text(client, graph, draw, put, fresh, texts, report):
    graph.picture("page", put(draw(OLD[:1], (620, 120)))).read(
        "before", "page", prompt=f"not cached {next(fresh)}"
    )
    graph.node("drawn", "VramwiseDrawText", image=["page", 0], regions=["before", 3], texts=texts)
    result = client.run(graph.show("report", "drawn", 2))
    said = result.outputs["report"]["text"][0] if result.ok else result.error_text
    assert report in said


def test_an_empty_page_goes_through_unchanged(client, graph, put, fetch, fresh):
    from PIL import Image, ImageChops

    blank = Image.new("RGB", (300, 200), "#335577")
    graph.picture("page", put(blank)).read("before", "page", prompt=f"not cached {next(fresh)}")
    graph.node("drawn", "VramwiseDrawText", image=["page", 0], regions=["before", 3], texts="")
    graph.node("shown", "PreviewImage", images=["drawn", 0]).show("report", "drawn", 2)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["report"]["text"] == ["The pages have no regions; nothing was drawn."]
    same = ImageChops.difference(fetch(result.outputs["shown"]["images"][0]).convert("RGB"), blank)
    assert same.getbbox() is None
