"""Text Mask, Crop Regions and Convert Regions in graphs on a real server."""

from __future__ import annotations

import json

import numpy as np
import pytest
from vramwise.ocr.results.result import OCRResult

pytestmark = pytest.mark.comfy

LINES = ["Grand opening in New York", "Open daily from nine", "Closed on Sunday"]
MASK = {
    "find": "",
    "match": "case_insensitive",
    "shape": "words",
    "combine": "page",
    "grow": 0,
    "feather": 0,
    "nothing_found": "empty mask",
}
CROP = {
    "find": "",
    "match": "everything",
    "padding": 4,
    "straighten": True,
    "nothing_found": "error",
}


@pytest.fixture(scope="module")
def page(draw):
    return draw(LINES, (640, 260))


@pytest.fixture
def read(graph, put, page):
    """The graph with the page read by the node "ocr"; ``mask(**options)`` adds a Text Mask of it."""
    graph.picture("page", put(page)).read("ocr", "page")
    return graph


def mask(graph, name="mask", regions=("ocr", 3), **options):
    return graph.node(name, "VramwiseTextMask", regions=list(regions), **{**MASK, **options})


def crops(graph, name="crops", **options):
    return graph.node(
        name, "VramwiseCropRegions", image=["page", 0], regions=["ocr", 3], **{**CROP, **options}
    )


def run(client, graph):
    result = client.run(graph)
    assert result.ok, result.error_text
    return result.outputs


def ink(picture):
    return np.asarray(picture.convert("L")) < 128


# --- Text Mask --------------------------------------------------------------------------------------------


def test_the_mask_lies_over_the_wanted_word_alone(client, read, fetch, page):
    mask(read, find="york", image=["page", 0]).node("seen", "MaskPreview", mask=["mask", 0])
    read.show("texts", "mask", 2).show("count", "mask", 3).show("report", "mask", 4)
    outputs = run(client, read)
    covered = np.asarray(fetch(outputs["seen"]["images"][0]).convert("L")) > 128
    drawn = ink(page)
    assert (covered & drawn).any() and not covered[90:].any()
    beside = drawn.copy()
    beside[:, np.flatnonzero(covered.any(axis=0)).min() :] = False
    assert beside[:90].any() and not (covered & beside).any()
    assert outputs["texts"]["text"] == ["York"] and outputs["count"]["text"] == ["1"]
    assert outputs["report"]["text"] == ['Found 1 on 1 of 1 pages\npage 1: "York"']


def test_nothing_found_is_an_empty_mask_and_a_report_or_an_error_as_chosen(client, read, new_graph, fetch):
    mask(read, find="Yorc").node("seen", "MaskPreview", mask=["mask", 0]).show("texts", "mask", 2)
    read.show("report", "mask", 4)
    outputs = run(client, read)
    seen = fetch(outputs["seen"]["images"][0]).convert("L")
    assert seen.getextrema() == (0, 0) and seen.size == (640, 260)
    assert outputs["texts"]["text"] == [""]
    assert outputs["report"]["text"] == ['Nothing found. Did you mean "York"?']
    failing = new_graph(read)
    mask(failing, find="Yorc", nothing_found="error")
    result = client.run(failing)
    assert result.status == "error" and result.error["node_id"] == "mask"
    assert "set nothing_found to empty mask" in result.error["exception_message"]


def test_a_mask_a_find_and_the_found_regions_alone_go_on(client, read, fetch):
    mask(read, find="open\nclosed", combine="match", grow=3, feather=4)
    read.node("seen", "MaskPreview", mask=["mask", 0])
    mask(read, "again", ("mask", 1), match="everything").show("count", "again", 3).show("report", "mask", 4)
    outputs = run(client, read)
    assert len(outputs["seen"]["images"]) == 2
    assert outputs["count"]["text"] == ["2"]
    assert outputs["report"]["text"][0].endswith("masks, in order, of the pages: 1, 1")


def test_a_bad_pattern_and_a_wrong_choice_are_sentences(client, read, new_graph):
    mask(read, find="(York", match="regex").show("count", "mask", 3)
    result = client.run(read)
    assert result.status == "error"
    assert "is no regular expression" in result.error["exception_message"]
    wrong = new_graph(read)
    mask(wrong, find="York", match="regexp").show("count", "mask", 3)
    result = client.run(wrong)  # the reading itself, an output node too, still runs
    assert 'match "regexp" is unknown' in json.dumps(result.node_errors["mask"]).replace('\\"', '"')


def test_another_picture_than_was_read_is_a_sentence(client, read, put, draw):
    read.picture("other", put(draw(["Small"], (200, 100))))
    mask(read, find="York", image=["other", 0]).show("count", "mask", 3)
    result = client.run(read)
    assert result.status == "error"
    assert (
        "The image is 200 x 100 pixels, but page 1 was read at 640 x 260" in result.error["exception_message"]
    )


# --- Crop Regions -----------------------------------------------------------------------------------------


def test_every_line_becomes_a_picture_of_its_own_that_reads_the_same(client, read):
    crops(read).show("texts", "crops", 2).show("count", "crops", 3)
    read.node("again", "VramwiseOCR", image=["crops", 0])
    outputs = run(client, read)
    assert outputs["texts"]["text"] == LINES and outputs["count"]["text"] == ["3"]
    assert outputs["again"]["text"] == LINES


def test_a_filter_leaves_its_regions_and_the_sizes_of_their_crops(client, read, fetch):
    crops(read, find="open", match="case_insensitive", first=1, padding=0).node(
        "seen", "PreviewImage", images=["crops", 0]
    )
    outputs = run(client, read)
    (entry,) = outputs["seen"]["images"]
    width, height = fetch(entry).size
    assert 300 < width < 400 and 20 < height < 60


def test_no_region_left_is_an_error_or_skips_what_follows(client, read, new_graph):
    crops(read, find="zebra", match="exact").node("seen", "PreviewImage", images=["crops", 0])
    result = client.run(read)
    assert result.status == "error"
    assert "None of the 3 regions passes the filter" in result.error["exception_message"]
    quiet = new_graph(read)
    crops(quiet, find="zebra", match="exact", nothing_found="skip what follows").show("count", "crops", 3)
    outputs = run(client, quiet)
    assert outputs["count"]["text"] == ["0"] and "seen" not in outputs


# --- Convert Regions --------------------------------------------------------------------------------------


def test_regions_to_json_and_back_mask_the_same_word(client, read, fetch):
    read.node("written", "VramwiseConvertRegions", regions=["ocr", 3])
    read.node("back", "VramwiseConvertRegions", json=["written", 2])
    read.show("first", "written", 2).show("second", "back", 2)
    for name, source in (("mask", "ocr"), ("other", "back")):
        mask(read, name, (source, 3 if source == "ocr" else 0), find="Sunday")
        read.node(f"{name} seen", "MaskPreview", mask=[name, 0])
    outputs = run(client, read)
    assert outputs["first"]["text"] == outputs["second"]["text"]
    first, second = (np.asarray(fetch(outputs[f"{n} seen"]["images"][0])) for n in ("mask", "other"))
    assert (first == second).all() and first.max() == 255


def test_boxes_go_out_and_come_back_as_regions(client, read):
    read.node("out", "VramwiseConvertRegions", regions=["ocr", 3])
    read.node("back", "VramwiseConvertRegions", boxes=["out", 1], image=["page", 0])
    read.show("boxes", "out", 1).show("json", "back", 2)
    outputs = run(client, read)
    (page,) = json.loads(outputs["json"]["text"][0])
    assert [region["text"] for region in page["regions"]] == LINES
    (boxes,) = json.loads(outputs["boxes"]["text"][0])
    for box, region in zip(boxes, page["regions"], strict=True):
        assert region["polygon"][0] == [box["x"], box["y"]]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "Give one of regions, boxes and json; there is none of them"),
        ({"json": "[1,"}, "This is not JSON"),
        ({"json": '[{"x": 1, "y": 1, "width": 5, "height": 5}]'}, "Boxes do not say how large their page is"),
        ({"json": '[{"version": 1, "text": NaN}]'}, "NaN is no number"),
        ({"json": '[{"version": 1}]'}, 'page 1 lacks "text"'),
    ],
)
def test_what_cannot_be_converted_is_a_sentence(client, graph, inputs, said):
    graph.node("convert", "VramwiseConvertRegions", **inputs).show("json", "convert", 2)
    result = client.run(graph)
    assert result.status == "error" and result.error["node_id"] == "convert"
    assert said in result.error["exception_message"]


def test_json_of_boxes_with_a_size_gives_regions(client, graph):
    boxes = json.dumps([{"x": 1, "y": 2, "width": 30, "height": 10, "label": "hello"}])
    graph.node("convert", "VramwiseConvertRegions", json=boxes, width=100, height=50)
    mask(graph, "mask", ("convert", 0), find="hello").show("count", "mask", 3)
    outputs = run(client, graph)
    assert outputs["count"]["text"] == ["1"]


def test_each_find_has_a_mask_of_its_own_beside_the_one_of_the_page(client, read, fetch):
    mask(read, find="open\ndaily\nopening", shape="words")
    read.node("union", "MaskPreview", mask=["mask", 0]).node("each", "MaskPreview", mask=["mask", 5])
    outputs = run(client, read)
    (union,) = (np.asarray(fetch(entry).convert("L")) for entry in outputs["union"]["images"])
    each = [np.asarray(fetch(entry).convert("L")) for entry in outputs["each"]["images"]]
    assert len(each) == 3 and all(one.any() for one in each)
    assert np.array_equal(np.maximum.reduce(each), union)


def test_a_reading_without_places_says_so_in_every_node_that_needs_them(client, new_graph):
    record = OCRResult("OPEN", "OPEN", (), 512, 512, "stop", "got_ocr2", "bf16", 1.0).to_dict()
    for name, more, inputs in (
        ("VramwiseTextMask", {**MASK, "find": "OPEN", "nothing_found": "error"}, {}),
        ("VramwiseCropRegions", CROP, {"image": ["blank", 0]}),
        ("VramwiseDrawText", {"texts": "x"}, {"image": ["blank", 0]}),
    ):
        graph = new_graph().node("blank", "EmptyImage", width=512, height=512, batch_size=1, color=0)
        graph.node("regions", "VramwiseConvertRegions", json=json.dumps([record]))
        graph.node("node", name, regions=["regions", 0], **inputs, **more).node(
            "keep", "PreviewAny", source=["node", 2]
        )
        result = client.run(graph)
        assert result.status == "error" and "gave no places with this task" in result.error_text, name
